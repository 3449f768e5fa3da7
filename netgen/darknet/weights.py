"""Darknet's ``.weights`` (src/parser.c, load_weights_upto): a header and the layers' floats, one after the other."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from netgen.errors import NetgenError, UsageError
from netgen.files import reading

if TYPE_CHECKING:
    from netgen.darknet.cfg import Section
    from netgen.darknet.translation import Arrays, Stored
    from netgen.layers.base import Shape

_SHORT, _LONG = 16, 20
_CUTOFF = re.compile(r"\.conv\.(\d+)$")

Kinds = Sequence[tuple[str, "Section"]]


class Header(NamedTuple):
    """The first bytes: ``seen`` counts the images trained on, in 32 bits in old files (16 bytes) and 64 bits since."""

    major: int
    minor: int
    revision: int
    seen: int
    size: int

    @property
    def transposed(self) -> bool:
        """Whether connected weights are stored as inputs x outputs."""
        return self.major > 1000 or self.minor > 1000


def header_of(header: Header | None) -> bytes:
    """The first bytes of a new file, with the ``seen`` of an old one; version 0.2.0 where that has another form."""
    version, seen = (0, 2, 0), 0
    if header is not None:
        seen = header.seen
        if header.size == _LONG and not header.transposed:
            version = header[:3]
    return struct.pack("<3iQ", *version, seen)


def read_weights(
    path: str, stored: Mapping[int, Stored], kinds: Kinds, cutoff: int | None = None
) -> tuple[Arrays, list[str], Header]:
    """Caffe's arrays by "layer:index" from a weights file, remarks, and the file's header.

    Raises NetgenError for a file that holds other floats than these layers need, UsageError for one that cannot be
    read.
    """
    with reading(path) as file:
        size = file.seek(0, os.SEEK_END)
    cutoff = _cutoff(path, cutoff, len(kinds))
    runs = {i: each.runs for i, each in stored.items() if each.shares is None and i < cutoff}
    header = read_header(path, size, _floats(runs))
    runs = _without_biases(runs, kinds, (size - header.size) // 4)
    _check_size(path, size, header, runs, kinds, cutoff)
    arrays = _runs(path, header, runs)
    made: Arrays = {}
    for index, each in stored.items():
        source = index if each.shares is None else each.shares
        if source in arrays and index < cutoff:
            _check_options(kinds[index][1])
            made.update(each.place(arrays[source], header.transposed))
    remarks = []
    if cutoff < len(kinds):
        last = kinds[cutoff][1]
        remarks = [f"{path}: holds the weights of the layers before {last}; those from layer {cutoff} on have none"]
    return made, remarks, header


def read_header(path: str, size: int, floats: int) -> Header:
    """The header of a weights file; ``floats`` decides where the builds disagree on its length."""
    with open(path, "rb") as file:
        start = file.read(_LONG)
    if len(start) < _SHORT:
        raise NetgenError(f"{path}: is no weights file: its header has {_SHORT} bytes or more, got {size} bytes")
    major, minor, revision = struct.unpack_from("<3i", start)
    if not 0 <= major < 1 << 20 or not 0 <= minor < 1 << 20 or not 0 <= revision < 1 << 20:
        raise NetgenError(
            f"{path}: is no weights file of Darknet's: its version would be {major}.{minor}.{revision}; give the "
            ".weights that was trained with the cfg"
        )
    length = _LONG if major * 10 + minor >= 2 else _SHORT
    # pjreddie reads a short header where weights are transposed, AlexeyAB a long one.
    if (major > 1000 or minor > 1000) and size == _SHORT + 4 * floats:
        length = _SHORT
    if len(start) < length:
        raise NetgenError(f"{path}: is no weights file: its header has {length} bytes, got {size} bytes")
    (seen,) = struct.unpack_from("<Q" if length == _LONG else "<I", start, 12)
    return Header(major, minor, revision, seen, length)


def fixed_weights(fixed: Mapping[str, tuple[Shape, Sequence[float]]], read: Arrays) -> Arrays:
    """The arrays that no file holds, such as those of an upsampling Deconvolution or BatchNorm's factor."""
    import numpy as np

    made = {}
    for key, (shape, values) in fixed.items():
        # BatchNorm's factor goes with its statistics, which a partial file may lack.
        if shape != (1,) or f"{key.rpartition(':')[0]}:0" in read:
            cells = np.asarray(values, np.float32)
            made[key] = np.broadcast_to(cells.reshape(shape[2:] if len(cells) > 1 else ()), shape).copy()
    return made


def _cutoff(path: str, cutoff: int | None, layers: int) -> int:
    if cutoff is None:
        named = _CUTOFF.search(path)
        return min(int(named.group(1)), layers) if named else layers
    if not 0 < cutoff <= layers:
        raise UsageError(f"cutoff must lie in 1..{layers}, the layers of the cfg, got {cutoff}")
    return cutoff


def _floats(runs: Mapping[int, Sequence[tuple[str, int]]]) -> int:
    return sum(length for each in runs.values() for _, length in each)


def _without_biases(runs: Any, kinds: Kinds, floats: int) -> Any:
    """The runs as pjreddie's build writes them, without biases of batchnorm sections, if the file is as long."""
    bare = {i: tuple(run for run in each if run[0] != "b" or kinds[i][0] != "batchnorm") for i, each in runs.items()}
    return bare if _floats(bare) == floats else runs


def _check_size(path: str, size: int, header: Header, runs: Any, kinds: Kinds, cutoff: int) -> None:
    rest = size - header.size
    if rest % 4:
        raise NetgenError(f"{path}: is damaged: behind its header are {rest} bytes, which are no whole floats")
    rest //= 4
    for index, each in runs.items():
        wanted = sum(length for _, length in each)
        if rest < wanted:
            section = kinds[index][1]
            whole = "" if rest else f"; it ends before layer {index}: give cutoff={index} if it is such a part"
            shown = " ".join(f"{letter}{length}" for letter, length in each)
            raise NetgenError(
                f"{path}: is too short by {wanted - rest} floats at layer {index}, {section}, which needs {wanted} "
                f"({shown}){whole or '; the weights are of another cfg, or cut off'}"
            )
        rest -= wanted
    if rest:
        raise NetgenError(
            f"{path}: is too long by {rest} floats behind layer {cutoff - 1}, {kinds[cutoff - 1][1]}; the weights are "
            "of another cfg"
        )


def _check_options(section: Section) -> None:
    for key in ("dontload", "dontloadscales", "numload"):
        if section.integer(key, 0):
            raise section.error(f"{key} leaves weights out when loading, and netgen has no others; remove it", key)


def _runs(path: str, header: Header, runs: Any) -> dict[int, Arrays]:
    import numpy as np

    floats = np.fromfile(path, "<f4", offset=header.size).astype(np.float32, copy=False)
    arrays: dict[int, Arrays] = {}
    start = 0
    for index, each in runs.items():
        arrays[index] = {}
        for letter, length in each:
            arrays[index][letter] = floats[start : start + length]
            start += length
    return arrays
