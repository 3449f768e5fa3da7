"""``netgen sweep``: the cost of every variant of a network."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import chain
from typing import Any

from netgen import __version__
from netgen.commands.common import named, parser_for, say
from netgen.errors import UsageError
from netgen.files import writing
from netgen.loading import is_file, is_python
from netgen.sweeping.grid import Grid
from netgen.sweeping.job import Job, Worker
from netgen.sweeping.journal import Journal
from netgen.sweeping.pareto import Front
from netgen.sweeping.pool import batches
from netgen.sweeping.progress import progress
from netgen.sweeping.tables import writer_for
from netgen.sweeping.words import SYNTAX, axes


def run(words: list[str]) -> int:
    """Build every variant that the words name, and write a row for each; exit code 0 though some cannot be built."""
    parser = parser_for(
        "sweep NET key=... -o FILE",
        "The weights and the cost of every variant of a network: a row for each, in the order of the grid, the last\n"
        "key turning fastest. One that cannot be built is a row with its reason in the column 'error'.\n\n"
        f"{SYNTAX}\n\n"
        "What is done is kept in FILE.part when a sweep is interrupted; the same command goes on from there.",
        command=True,
    )
    parser.add_argument("net", metavar="NET", help="a network's name, a .py file or file.py:function")
    parser.add_argument("parameters", metavar="key=...", nargs="+", help="the values of a parameter, as above")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="FILE.csv, .parquet or .json")
    parser.add_argument(
        "--where", metavar="CONDITION", default="", help='only these: "macs < 300e6 and weights / macs > 0.01"'
    )
    parser.add_argument(
        "--pareto", metavar="NAMES", default="",
        help="of these only the ones that no other betters: macs,weights to be small, max:size to be large",
    )  # fmt: skip
    parser.add_argument("--processes", type=int, metavar="N", help="how many at once (default: the cores there are)")
    return _sweep(parser.parse_intermixed_args(words))


def _sweep(options: Namespace) -> int:
    write = writer_for(options.output)
    if options.processes is not None and options.processes < 1:
        raise UsageError(f"--processes must be 1 or more, got {options.processes}")
    if is_file(options.net) and not is_python(options.net):
        raise UsageError(f"{options.net}: a file has no parameters; sweep a network of 'netgen list' or a .py file")
    function = named(options.net)
    job = Job(options.net, axes(options.net, function, options.parameters), options.where)
    worker, size = Worker(job, function), Grid(job.axes).size
    front = Front(options.pareto, job.columns) if options.pareto else None
    with Journal(f"{options.output}.part", _identity(options)) as journal:
        try:
            _finish(journal, front, worker, job, size, options.processes)
            with writing(options.output) as file:
                rows = _rows(journal, job, front)
                first = next(rows, None)
                write(file, job, rows if first is None else chain([first], rows))
        except KeyboardInterrupt:
            say(f"interrupted at {journal.stop:,} of {size:,} variants, kept in {journal.path}; run it again to go on")
            raise
        journal.remove()
    if first is None:
        asked = " and ".join(
            f"--{name} {getattr(options, name)!r}" for name in ("where", "pareto") if vars(options)[name]
        )
        say(f"note: {options.output}: no row is left of {size:,} by {asked}")
    if journal.failed:
        say(f"note: {journal.failed:,} of {size:,} variants could not be built, the first because: {journal.reason}")
    return 0


def _identity(options: Namespace) -> Mapping[str, str]:
    """What two runs must have in common to be one sweep."""
    file = options.net.rpartition(":")[0] if ".py:" in options.net else options.net
    with_content = {}
    if is_python(options.net) and os.path.isfile(file):
        with open(file, "rb") as opened:
            with_content = {"content": hashlib.sha256(opened.read()).hexdigest()[:16]}
    return {
        "netgen": __version__,
        "network": options.net,
        **with_content,
        "parameters": " ".join(options.parameters),
        "where": options.where,
        "pareto": options.pareto,
    }


def _finish(journal: Journal, front: Front | None, worker: Worker, job: Job, size: int, processes: int | None) -> None:
    """Do what is not done yet. Of a front, only those are written down that were on it when they came."""
    grid = Grid(job.axes)
    if front is not None:
        for batch in journal.batches():
            for index, outcome in batch.kept:
                front.add(index, job.row(grid.at(index), outcome))
    # A user's file may end the process that it runs in.
    alone = processes is None and not is_python(job.network)
    found = batches(worker, job, journal.stop, size, processes or _cores(), alone)
    with closing(found), progress(say, journal.stop, size) as show, _interrupts() as look:
        for batch in found:
            if front is not None:
                batch.kept = [each for each in batch.kept if front.add(each[0], job.row(grid.at(each[0]), each[1]))]
            journal.add(batch)
            show(journal.stop)
            look()


@contextmanager
def _interrupts() -> Iterator[Callable[[], None]]:
    """What is called within it raises a KeyboardInterrupt again that Python has dropped.

    It drops one that comes while it calls back for an object that is gone, of which a sweep has many.
    """
    came: list[int] = []

    def note(number: int, frame: Any) -> None:
        came.append(number)
        signal.default_int_handler(number, frame)

    def look() -> None:
        if came:
            raise KeyboardInterrupt

    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield look
        return
    signal.signal(signal.SIGINT, note)
    try:
        yield look
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _rows(journal: Journal, job: Job, front: Front | None) -> Iterator[dict[str, Any]]:
    grid = Grid(job.axes)
    for batch in journal.batches():
        for index, outcome in batch.kept:
            if front is None or index in front.members:
                yield job.row(grid.at(index), outcome)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
