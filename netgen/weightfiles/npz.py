"""Weights in NumPy's ``.npz``: a zip archive with an ``.npy`` file for each ``layer:index``."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy

from netgen.errors import NetgenError, ParseError
from netgen.files import writing
from netgen.layers.base import check_size, count, text
from netgen.weights import array_of, split_key
from netgen.wire import mapped

if TYPE_CHECKING:
    from netgen.layers.base import Shape
    from netgen.weights import Array, Weights

RATIO, ALWAYS = 20, 1 << 28
"""How much more than an archive's size its arrays may take in bytes (trained weights hardly shrink), and what may be
taken in any case."""

_CHUNK = 1 << 20
_DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError, ValueError)


def read(name: str, expected: Mapping[str, Shape] | None) -> Weights:
    """The weights in an ``.npz``."""
    return read_arrays(name, expected, split_key)


def read_arrays(
    name: str, expected: Mapping[str, Shape] | None, check: Callable[[str], object] | None = None
) -> dict[str, Array]:
    """The arrays in an ``.npz`` by name, as float32; ``check`` raises NetgenError for a name that must not be.

    Sizes are checked before room is made, and pickled objects are refused unread. Raises ParseError for a file that
    is none, UsageError when it cannot be read.
    """
    with mapped(name, hdf5=True) as data:
        if data[: len(npy.MAGIC_PREFIX)] == npy.MAGIC_PREFIX:
            made = f"{os.path.splitext(name)[0]}.npz"
            raise ParseError(
                name, 0, 0, "this is an .npy, an array without a name; "
                f"numpy.savez({made!r}, NAME=numpy.load({name!r})) gives it one"
            )  # fmt: skip
    weights: dict[str, Array] = {}
    place = ""
    try:
        room = Room(os.path.getsize(name), expected)
        with zipfile.ZipFile(name) as archive:
            for info in archive.infolist():
                key = info.filename.removesuffix(".npy")
                place = f"{key!r}: "
                if key == info.filename:
                    raise NetgenError("an archive of arrays holds .npy files alone; is it a torch file? name it .pt")
                if check is not None:
                    check(key)
                if key in weights:
                    raise NetgenError("it is there twice")
                with archive.open(info) as member:
                    weights[key] = array_of(key, _array(member, key, room))
                place = ""
    except NetgenError as error:
        raise ParseError(name, 0, 0, f"{place}{error}") from None
    except _DAMAGE as error:
        raise ParseError(name, 0, 0, f"{place}this is no whole .npz file: {error}") from None
    return weights


def read_array(name: str) -> Array:
    """The array in an ``.npy``, as float32; raises what ``read_arrays`` does."""
    mapped(name, hdf5=True).close()
    try:
        with open(name, "rb") as file:
            return array_of(name, _array(file, name, Room(os.path.getsize(name), None)))
    except NetgenError as error:
        raise ParseError(name, 0, 0, str(error)) from None
    except _DAMAGE as error:
        raise ParseError(name, 0, 0, f"this is no whole .npy file: {error}") from None


class Room:
    """How many bytes the arrays of a file may take, which may say of them what it likes."""

    def __init__(self, size: int, expected: Mapping[str, Shape] | None) -> None:
        self.expected = expected
        self.size = size
        self.left = max(ALWAYS, RATIO * size)

    def take(self, key: str, shape: Shape, itemsize: int) -> None:
        """Raise NetgenError for an array that is too large to be believed, before room is made for it."""
        check_size(shape, "the array ")
        if self.expected and key in self.expected and count(shape) <= count(self.expected[key]):
            return
        self.left -= count(shape) * itemsize
        if self.left < 0:
            raise NetgenError(
                f"with this array, {text(shape)}, the file's {self.size} bytes would unpack to more than "
                f"{max(ALWAYS, RATIO * self.size)}; if that is right, write it uncompressed, or give the network's "
                "shapes (load_weights(path, expected))"
            )


def _array(member: IO[bytes], key: str, room: Room) -> np.ndarray[Any, np.dtype[Any]]:
    version = npy.read_magic(member)
    if version not in ((1, 0), (2, 0)):
        raise NetgenError(f"the array's format is {version[0]}.{version[1]}, and 1.0 or 2.0 is read")
    shape, fortran, kind = (npy.read_array_header_1_0 if version[0] == 1 else npy.read_array_header_2_0)(member)
    if kind.kind not in "fiu":
        raise NetgenError(f"it must be an array of numbers, got {kind.name}")
    room.take(key, shape, kind.itemsize)
    flat = np.empty(count(shape), kind)
    into, at = flat.view(np.uint8).data, 0
    while at < len(into):
        chunk = member.read(min(_CHUNK, len(into) - at))
        if not chunk:
            raise NetgenError(f"it ends after {at} of {len(into)} bytes")
        into[at : at + len(chunk)] = chunk
        at += len(chunk)
    if member.read(1):  # and the checksum is looked at
        raise NetgenError(f"it goes on after the {at} bytes of its shape {text(shape)}")
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def write(weights: Mapping[str, Array], name: str) -> None:
    """Write an ``.npz``, uncompressed, as numpy.savez does; equal weights make equal bytes."""
    with writing(name) as file, zipfile.ZipFile(file, "w") as archive:
        for key, array in weights.items():
            info = zipfile.ZipInfo(f"{key}.npy")  # of 1980, so that the bytes hang on the weights alone
            with archive.open(info, "w", force_zip64=True) as member:
                header = {"descr": "<f4", "fortran_order": False, "shape": array.shape}
                npy.write_array_header_1_0(member, header)
                member.write(np.ascontiguousarray(array, "<f4").reshape(-1).view(np.uint8).data)
