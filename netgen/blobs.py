"""Caffe's BlobProto, an array in a message: read as a view onto the file, written as pieces of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from netgen.errors import NetgenError
from netgen.layers.base import check_size, count, text
from netgen.schema import FIELDS
from netgen.wire import FIXED32, FIXED64, LENGTH, VARINT, Bytes, Entry, entries, entry_at, head, varint, written

if TYPE_CHECKING:
    from netgen.layers.base import Shape
    from netgen.weights import Array

    Piece = bytes | Array
    Kind = np.dtype[Any]
    Numbers = np.ndarray[Any, Kind]

_ROWS = FIELDS["BlobProto"]
_DATA, _DOUBLE, _SHAPE = (_ROWS[name][0] for name in ("data", "double_data", "shape"))
_DIM = FIELDS["BlobShape"]["dim"][0]
_LEGACY = [_ROWS[name][0] for name in ("num", "channels", "height", "width")]
_VALUES: dict[int, tuple[int, Kind]] = {_DATA: (FIXED32, np.dtype("<f4")), _DOUBLE: (FIXED64, np.dtype("<f8"))}

# NVCaffe's and OpenCV's (shrinkCaffeModel), which the schema lacks: bytes, and the kind of the numbers in them.
_RAW_TYPE, _RAW = 10, 12
_RAW_KINDS: dict[int, Kind] = {0: np.dtype("<f8"), 1: np.dtype("<f4"), 2: np.dtype("<f2")}


class _Blob:
    """What was found in one BlobProto."""

    def __init__(self) -> None:
        self.legacy: dict[int, int] = {}
        self.dims: list[int] = []
        self.values: dict[int, list[Numbers]] = {_DATA: [], _DOUBLE: []}
        self.raw: tuple[int, int] | None = None
        self.raw_kind = 0

    def shape(self) -> Shape:
        """The shape that it declares; the four fields of old go before all else (blob.cpp, FromProto)."""
        shape = tuple(self.legacy.get(number, 0) for number in _LEGACY) if self.legacy else tuple(self.dims)
        check_size(shape, "the blob ")
        return shape

    def array(self, data: Bytes) -> Array:
        """The values, double ones where there are any (blob.cpp, FromProto)."""
        pieces = self.values[_DOUBLE] or self.values[_DATA]
        if not pieces and self.raw is not None:
            pieces = [self._raw_values(data, *self.raw)]
        whole = pieces[0] if len(pieces) == 1 else np.concatenate(pieces) if pieces else np.empty(0, np.float32)
        with np.errstate(over="ignore"):  # infinite, as Caffe makes of it, and match_weights says so
            return whole.astype(np.float32, copy=False)

    def _raw_values(self, data: Bytes, start: int, end: int) -> Numbers:
        kind = _RAW_KINDS.get(self.raw_kind)
        if kind is None:
            raise NetgenError(
                f"its raw_data is of kind {self.raw_kind}, and of numbers only 0 to 2 (doubles, floats, halves)"
            )
        return _numbers(data, start, end, kind)


def read_blob(data: Bytes, start: int, end: int) -> Array:
    """The array of the BlobProto between these bytes, as float32; packed floats are a read-only view onto ``data``.

    Raises NetgenError where shape and values do not agree, MalformedError where the bytes are no message.
    """
    blob = _Blob()
    at = start
    while at < end:
        entry = entry_at(data, at, end)
        at = entry.end
        if entry.number in _VALUES:
            at = _read_values(data, entry, end, blob)
        elif entry.number == _SHAPE and entry.wire == LENGTH:
            blob.dims += _dims(data, entry)
        elif entry.number in _LEGACY and entry.wire == VARINT:
            blob.legacy[entry.number] = _signed(varint(data, entry.content, end)[0], 32)
        elif entry.number == _RAW_TYPE and entry.wire == VARINT:
            blob.raw_kind = varint(data, entry.content, end)[0]
        elif entry.number == _RAW and entry.wire == LENGTH:
            blob.raw = entry.content, entry.end
    shape, values = blob.shape(), blob.array(data)
    if values.size != count(shape):
        raise NetgenError(f"it declares the shape {text(shape)}, {count(shape)} values, and holds {values.size}")
    return values.reshape(shape)


def _read_values(data: Bytes, entry: Entry, end: int, blob: _Blob) -> int:
    """Add what one field of numbers holds, and return where the next field begins."""
    wire, kind = _VALUES[entry.number]
    into = blob.values[entry.number]
    if entry.wire == LENGTH:
        into.append(_numbers(data, entry.content, entry.end, kind))
        return entry.end
    if entry.wire == wire:
        numbers, stop = _unpacked(data, entry, end, kind)
        into.append(numbers)
        return stop
    # C3D 1.0 has the height there, and its values one number further.
    what = "as C3D 1.0 writes it" if entry.wire == VARINT else f"wire type {entry.wire}"
    raise NetgenError(f"field {entry.number} at byte {entry.start} does not hold the values ({what})")


def _numbers(data: Bytes, start: int, end: int, kind: Kind) -> Numbers:
    size = end - start
    if size % kind.itemsize:
        raise NetgenError(f"its values at byte {start} take {size} bytes, and {kind.itemsize} are one number")
    return np.frombuffer(data, kind, size // kind.itemsize, start) if size else np.empty(0, kind)


def _unpacked(data: Bytes, entry: Entry, end: int, kind: Kind) -> tuple[Numbers, int]:
    """The numbers of fields that follow one another, each with its tag, and where they end."""
    tag = np.frombuffer(data[entry.start : entry.content], np.uint8)
    size = len(tag) + kind.itemsize
    records = np.frombuffer(data, np.uint8, (end - entry.start) // size * size, entry.start).reshape(-1, size)
    others = np.flatnonzero((records[:, : len(tag)] != tag).any(axis=1))
    run = int(others[0]) if len(others) else len(records)
    numbers = np.ascontiguousarray(records[:run, len(tag) :]).view(kind).reshape(-1)
    return numbers, entry.start + run * size


def _dims(data: Bytes, shape: Entry) -> list[int]:
    dims = []
    for entry in entries(data, shape.content, shape.end):
        if entry.number != _DIM:
            continue
        at = entry.content
        while at < entry.end:
            value, at = varint(data, at, entry.end)
            dims.append(_signed(value, 64))
    return dims


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


class Written(NamedTuple):
    """A message as the pieces to write, with its length in bytes; an array stands for its values' bytes."""

    pieces: list[Piece]
    length: int


def written_blob(array: Array, *, legacy: bool = False) -> Written:
    """The BlobProto of an array, byte for byte as protobuf writes it, its values not copied.

    With ``legacy`` the shape is in the four fields of old, as in mean files.
    """
    size = array.size * 4
    if legacy:
        before = b"".join(written(number << 3) + written(dim) for number, dim in zip(_LEGACY, array.shape, strict=True))
        after = b""
    else:
        before = b""
        dims = b"".join(map(written, array.shape))
        after = head(_DIM, len(dims)) + dims if dims else b""
        after = head(_SHAPE, len(after)) + after
    before += head(_DATA, size) if size else b""
    return Written([before, array, after], len(before) + size + len(after))
