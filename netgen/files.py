"""Files on disk: read with a sentence for what goes wrong, written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

from netgen.errors import ParseError, UsageError


def file_name(path: Any) -> str:
    """The name of a file as text; raises UsageError for what is none."""
    try:
        return os.fsdecode(path)
    except TypeError:
        raise UsageError(f"a file must be given by its name, got {type(path).__name__}") from None


@contextmanager
def reading(name: str) -> Iterator[BinaryIO]:
    """A file to read from. Raises UsageError when it cannot be read."""
    try:
        with open(name, "rb") as file:
            yield file
    except IsADirectoryError:
        raise UsageError(f"{name}: this is a directory; name a file in it") from None
    except FileNotFoundError:
        raise UsageError(f"{name}: no such file") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def read_bytes(name: str, most: int = -1) -> bytes:
    """What is in a file, ``most`` bytes of it at the most. Raises UsageError when it cannot be read."""
    with reading(name) as file:
        return file.read(most)


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a file, as UTF-8; other bytes are kept as surrogates. Raises UsageError when it cannot be read."""
    name = file_name(path)
    data = read_bytes(name)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):  # what some shells write
        return data.decode("utf-16", "replace")
    return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")


def is_same_file(one: str, other: str) -> bool:
    """Whether two names are of one file that is there."""
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def text_of(name: str) -> str:
    """The text of a prototxt file. Raises UsageError when it cannot be read, ParseError when it is no text."""
    text = read_text(name)
    if "\0" in text:
        raise ParseError(name, 0, 0, "this is binary data, not the text of a prototxt; a .caffemodel must be named so")
    return text


def write_file(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file whole or not at all: beside its place first, then moved there. Raises UsageError.

    A name that is not a plain file (a pipe, /dev/stdout) is written to directly.
    """
    data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
    with writing(path) as file:
        file.write(data)


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write to piece by piece, which is in its place when all of it is written, and never before.

    Where anything is raised meanwhile, nothing is left of it. Raises UsageError as ``write_file`` does.
    """
    name = file_name(path)
    if not name:
        raise UsageError("the name of the file to write is empty")
    try:
        if os.path.exists(name) and not os.path.isfile(name):
            with open(name, "wb") as file:
                yield file
        else:
            with _replacing(os.path.realpath(name)) as file:
                yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        raise cannot_write(name, error) from None


def cannot_write(name: str, error: Exception) -> UsageError:
    """What is said of a file that cannot be written."""
    return UsageError(f"{name}: cannot be written: {getattr(error, 'strerror', None) or error}")


@contextmanager
def _replacing(name: str) -> Iterator[BinaryIO]:
    part = f"{name}.{os.getpid()}.part"
    try:
        opened = open(part, "x+b")  # noqa: SIM115 (closed below; only a name can be a ValueError)
    except ValueError as error:
        raise cannot_write(name, error) from None
    try:
        with opened as file:
            yield file
        if os.path.exists(name):
            os.chmod(part, os.stat(name).st_mode)
        os.replace(part, name)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(part)
        raise
