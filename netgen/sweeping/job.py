"""What is done to every variant of a sweep: built, shapes inferred, costs summed up; one row each."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from time import perf_counter
from typing import Any

from netgen.analysis import analyze
from netgen.builder import Net
from netgen.errors import NetgenError
from netgen.sweeping.grid import Grid
from netgen.sweeping.where import Where
from netgen.zoo import Function, call, find, place_in_user_file

Outcome = Sequence[int] | str
"""What is known of a variant: its counts in the order of ``MEASURED``, or why it cannot be built."""

MEASURED = (*analyze(Net()).totals(), "uncounted")
"""The counts of a variant: the totals of its analysis, and how many of its layers are not wholly in them."""
_WHOLE = 64
"""After how many batches the whole heap is looked through for garbage."""


@dataclass(frozen=True)
class Job:
    """A sweep as it goes to the processes that do it."""

    network: str
    axes: Mapping[str, Sequence[Any]]
    where: str = ""

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row: the parameters, the counts, ``error``; a count with a parameter's name is net_NAME."""
        names = list(self.axes)
        for name in (*MEASURED, "error"):
            column = name
            while column in names:
                column = f"net_{column}"
            names.append(column)
        return tuple(names)

    def row(self, parameters: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
        """The row of a variant by column."""
        counts = [*[None] * len(MEASURED), outcome] if isinstance(outcome, str) else [*outcome, None]
        return dict(zip(self.columns, [*parameters.values(), *counts], strict=True))


@dataclass
class Batch:
    """Some neighbours of a grid, done: what was found of those that are kept, by their numbers."""

    start: int
    stop: int
    kept: list[tuple[int, Outcome]] = field(default_factory=list)
    failed: int = 0
    reason: str = ""
    """Why the first that failed did."""
    seconds: float = 0.0


class Worker:
    """Does a job, some variants at a time, within one process."""

    def __init__(self, job: Job, function: Function | None = None) -> None:
        self._job = job
        self._grid = Grid(job.axes)
        self._where = Where(job.where, job.columns) if job.where else None
        self._function = function or find(job.network)
        self._batches = 0

    def batch(self, start: int, stop: int) -> Batch:
        """The variants from ``start`` up to ``stop``. Raises UsageError for a condition that cannot be worked out."""
        done, began = Batch(start, stop), perf_counter()
        self._batches += 1
        with _garbage_kept(whole=self._batches % _WHOLE == 0):
            for index in range(start, stop):
                parameters = self._grid.at(index)
                self._add(done, index, parameters, self._outcome(parameters))
        done.seconds = perf_counter() - began
        return done

    def failure(self, index: int, reason: str) -> Batch:
        """The variant of that number alone, as one that cannot be built."""
        done = Batch(index, index + 1)
        self._add(done, index, self._grid.at(index), reason)
        return done

    def _add(self, done: Batch, index: int, parameters: Mapping[str, Any], outcome: Outcome) -> None:
        if isinstance(outcome, str):
            done.failed += 1
            done.reason = done.reason or outcome
        if self._where is None or self._where(self._job.row(parameters, outcome)):
            done.kept.append((index, outcome))

    def _outcome(self, parameters: Mapping[str, Any]) -> Outcome:
        try:
            # What a network's file prints is for its author.
            with redirect_stdout(sys.stderr):
                analysis = analyze(call(self._job.network, self._function, parameters))
        except NetgenError as error:
            return f"{place_in_user_file(error)}{error}"
        except (Exception, SystemExit) as error:
            return f"{place_in_user_file(error)}{type(error).__name__}: {error}".rstrip(": ")
        return [*analysis.totals().values(), len(analysis.uncounted)]


@contextmanager
def _garbage_kept(whole: bool) -> Iterator[None]:
    """Look for garbage at the end alone, in the ``whole`` heap or among what is new.

    What is known of shapes grows all the time: to look through it whenever Python would costs a tenth of a sweep.
    """
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()
        gc.collect(2 if whole else 0)
