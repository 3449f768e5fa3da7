"""Protobuf's wire format, walked field by field, and the files that hold it."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from typing import NamedTuple

from netgen.errors import ParseError, UsageError

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5

Bytes = mmap.mmap | bytes

HDF5 = b"\x89HDF"
OTHER_FORMATS = {
    HDF5: "this is an HDF5 file; save the weights as binaryproto",
    b"version https://git-lfs": "this is a git-lfs pointer, not the file itself; fetch it with 'git lfs pull'",
}
"""What is said of files that are no protobuf message, by what they begin with."""


class MalformedError(ValueError):
    """Bytes that are no protobuf message; the text is the rule."""


class Entry(NamedTuple):
    """One field of a message: its number and wire type, where it and its content begin, where both end."""

    number: int
    wire: int
    start: int
    content: int
    end: int


def entry_at(data: Bytes, at: int, end: int) -> Entry:
    """The field that begins here, in a message that ends at ``end``; raises MalformedError."""
    tag, content = varint(data, at, end)
    number, wire = tag >> 3, tag & 7
    stop = content
    if wire == VARINT:
        _, stop = varint(data, content, end)
    elif wire == LENGTH:
        length, content = varint(data, content, end)
        stop = content + length
    elif wire in (FIXED32, FIXED64):
        stop = content + (4 if wire == FIXED32 else 8)
    else:
        raise MalformedError(f"wire type {wire} at byte {at}")
    if stop > end or not number:
        what = f"field {number} at byte {at} goes on to byte {stop}, and its message ends at {end}"
        raise MalformedError(what if number else f"field number 0 at byte {at}")
    return Entry(number, wire, at, content, stop)


def entries(data: Bytes, start: int, end: int) -> Iterator[Entry]:
    """The fields of a message, in order; raises MalformedError at the first that is none."""
    at = start
    while at < end:
        entry = entry_at(data, at, end)
        yield entry
        at = entry.end


def varint(data: Bytes, at: int, end: int) -> tuple[int, int]:
    """The number that begins here, and where it ends."""
    value = shift = 0
    for place in range(at, min(at + 10, end)):
        byte = data[place]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place + 1
        shift += 7
    raise MalformedError(f"a number at byte {at} does not end")


def written(number: int) -> bytes:
    """A number, 0 or more, as a varint."""
    parts = bytearray()
    while number > 127:
        parts.append(number & 127 | 128)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def head(number: int, length: int) -> bytes:
    """What goes before the content of a field that tells its length."""
    return written(number << 3 | LENGTH) + written(length)


def mapped(name: str, *, hdf5: bool = False) -> mmap.mmap:
    """A file's bytes, as a map of it: nothing is read before it is looked at.

    Raises ParseError for an empty file and for ``OTHER_FORMATS`` (but for HDF5 where that is welcome), UsageError when
    it cannot be read.
    """
    try:
        with open(name, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise UsageError(f"{name}: no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{name}: this is a directory; name a file in it") from None
    except (OSError, ValueError) as error:
        if isinstance(error, ValueError) and os.path.isfile(name):
            raise ParseError(name, 0, 0, "the file is empty") from None  # what mmap refuses
        raise UsageError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    for magic, rule in OTHER_FORMATS.items():
        if data[: len(magic)] == magic and not (hdf5 and magic == HDF5):
            raise ParseError(name, 0, 0, rule)
    return data
