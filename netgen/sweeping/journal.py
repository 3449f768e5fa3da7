"""What a sweep has done so far, in a file beside its output: kept when it is interrupted, gone when it is done.

A line of JSON for each batch, in the order of the grid, behind one that says which sweep this is. A batch counts when
its line is whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, BinaryIO

from netgen.errors import UsageError
from netgen.files import cannot_write
from netgen.sweeping.job import Batch


class Journal:
    """The journal of one sweep, opened where it stopped; ``stop`` is the number of variants that are done.

    ``sweep`` is what it must be the same sweep in, by what a person calls it. Raises UsageError when the file is
    another sweep's, or in use, or no journal.
    """

    def __init__(self, path: str, sweep: Mapping[str, str]) -> None:
        self.path = path
        self.stop = 0
        self.failed = 0
        self.reason = ""
        try:
            self._file: BinaryIO = open(path, "a+b")  # noqa: SIM115 (held until the sweep is done)
        except (OSError, ValueError) as error:
            raise cannot_write(path, error) from None
        try:
            self._lock()
            self._begin(sweep)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._file.close()  # which tries once more to write what a full disk refused
        if not self.stop:
            with suppress(OSError):
                os.unlink(self.path)

    def add(self, batch: Batch) -> None:
        """Write down a batch, the one that begins where the last one stopped."""
        assert batch.start == self.stop
        entry: dict[str, Any] = {"stop": batch.stop, "kept": batch.kept}
        if batch.failed:
            entry |= {"failed": batch.failed, "reason": batch.reason}
        self._write(entry)
        self._count(batch)

    def batches(self) -> Iterator[Batch]:
        """All that is written down, from the beginning."""
        start = 0
        with open(self.path, "rb") as file:
            next(file)
            for line in file:
                batch = _batch(line, start)
                yield batch
                start = batch.stop

    def remove(self) -> None:
        """Delete the file: the sweep is done."""
        os.unlink(self.path)

    def _begin(self, sweep: Mapping[str, str]) -> None:
        self._file.seek(0)
        first = self._file.readline()
        if not first.endswith(b"\n"):
            self._file.truncate(0)
            self._write(sweep)
            return
        self._check(first, sweep)
        end = len(first)
        for number, line in enumerate(self._file, start=2):
            if line.endswith(b"\n"):
                try:
                    self._count(_batch(line, self.stop))
                except (ValueError, TypeError, KeyError):
                    raise UsageError(
                        f"{self.path}:{number}: this line is damaged; delete the file to begin anew"
                    ) from None
                end += len(line)
        self._file.truncate(end)

    def _check(self, first: bytes, sweep: Mapping[str, str]) -> None:
        there: Any = None
        with suppress(ValueError):
            there = json.loads(first)
        if not isinstance(there, dict):
            raise UsageError(f"{self.path}: this is not what a sweep leaves behind; move it away")
        for key in [*sweep, *there]:
            if there.get(key) != sweep.get(key):
                found = f"{key} {there.get(key, 'none')!r} there, {sweep.get(key, 'none')!r} here"
                way_out = "go on with that one, delete the file, or write to another -o FILE"
                raise UsageError(f"{self.path}: holds another sweep, {found}; {way_out}")

    def _count(self, batch: Batch) -> None:
        self.stop = batch.stop
        self.failed += batch.failed
        self.reason = self.reason or batch.reason

    def _write(self, entry: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(entry, separators=(",", ":")).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise cannot_write(self.path, error) from None

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:
            return  # Windows
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{self.path}: another sweep is writing it; wait for it, or stop it") from None
        except OSError:
            return  # a file system without locks


def _batch(line: bytes, start: int) -> Batch:
    entry = json.loads(line)
    kept = [(index, outcome) for index, outcome in entry["kept"]]
    return Batch(start, entry["stop"], kept, entry.get("failed", 0), entry.get("reason", ""))
