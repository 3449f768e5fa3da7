"""Batches of a job, done in several processes and given back in the order of the grid."""

from __future__ import annotations

import multiprocessing
import signal
import sys
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager, redirect_stdout
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from netgen.errors import NetgenError
from netgen.sweeping.job import Batch, Job, Worker

_SECONDS = 0.1
"""How long a batch shall take: long beside a message between processes, short beside a user's patience."""
_FIRST = 4
_LARGEST = 256
_WORTH = 1.0
"""How many seconds of work are worth the start of other processes, which takes a fifth of one."""
_AHEAD = 64
"""How many batches may wait for an earlier one, so that a slow variant fills no memory."""
_QUEUED = 2
"""How many batches a process has: one that it does, and the next."""


class _Plan:
    """Which batch is next: as many variants as the last ones say that the time allows, fewer towards the end."""

    def __init__(self, start: int, stop: int, processes: int) -> None:
        self.start = start
        self.stop = stop
        self._share = 2 * _QUEUED * processes
        self._size = _FIRST

    def next(self) -> range | None:
        """The next variants, or None when all are given away."""
        if self.start >= self.stop:
            return None
        # Processes that end together leave none idle.
        size = min(self._size, -(-(self.stop - self.start) // self._share))
        batch = range(self.start, self.start + size)
        self.start = batch.stop
        return batch

    def learn(self, batch: Batch) -> float:
        """Take note of how long a batch took, and say how long the rest will take one process."""
        each = max(batch.seconds, 1e-6) / (batch.stop - batch.start)
        # At most twice as many as before: the first ones are slow, and few tell little.
        self._size = max(1, min(int(_SECONDS / each), 2 * self._size, _LARGEST))
        return each * (self.stop - self.start)


def batches(worker: Worker, job: Job, start: int, stop: int, processes: int, alone: bool) -> Generator[Batch]:
    """The variants from ``start`` up to ``stop``, done, in order.

    With ``alone``, the worker, in this process, goes on by itself for as long as others are not worth their start;
    where one process is enough it does all. A variant whose building ends another process is one that cannot be
    built. Raises NetgenError where none starts.
    """
    plan = _Plan(start, stop, processes)
    rest = 0.0
    while (processes == 1 or (alone and rest < _WORTH)) and (part := plan.next()) is not None:
        batch = worker.batch(part.start, part.stop)
        rest = plan.learn(batch)
        yield batch
    if plan.start < plan.stop:
        pool = _Pool(worker, job, plan, min(processes, plan.stop - plan.start))
        try:
            yield from pool.run()
        finally:
            pool.end()


class _Process:
    """One process at work, and the batches that it has."""

    def __init__(self, job: Job) -> None:
        # A fresh interpreter: a user's file may have started threads, which a fork does not survive.
        context = multiprocessing.get_context("spawn")
        self.link, there = context.Pipe()
        self.parts: deque[range] = deque()
        self.answered = False
        self._process = context.Process(target=_serve, args=(there, job), daemon=True)
        with _deaf():
            self._process.start()
        there.close()

    def give(self, part: range) -> None:
        self.parts.append(part)
        try:
            self.link.send((part.start, part.stop))
        except OSError:
            return  # it has ended, which its silence will tell

    def end(self) -> str:
        """End it, and say how it ended."""
        self.link.close()
        self._process.join(1)
        self._process.kill()
        self._process.join()
        code = self._process.exitcode or 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"


@contextmanager
def _deaf() -> Iterator[None]:
    """Within it, processes start that Ctrl-C does not reach: this one ends them when it has saved what is done."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    # It starts with the first process otherwise, and takes the mask away.
    resource_tracker.ensure_running()
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)


class _Pool:
    """The processes, the batches that are done before their turn, and those to do again."""

    def __init__(self, worker: Worker, job: Job, plan: _Plan, processes: int) -> None:
        self._worker = worker
        self._job = job
        self._plan = plan
        self._again: deque[range] = deque()
        self._done: dict[int, Batch] = {}
        self._next = plan.start
        self._processes = [_Process(job) for _ in range(processes)]

    def run(self) -> Iterator[Batch]:
        """The batches in order."""
        while self._next < self._plan.stop:
            self._hand_out()
            links = {each.link: each for each in self._processes}
            for link in wait(list(links)):
                self._take(links[link])  # type: ignore[index]
            while (batch := self._done.pop(self._next, None)) is not None:
                self._next = batch.stop
                yield batch

    def end(self) -> None:
        """End all processes, which end by themselves when nobody listens."""
        for each in self._processes:
            each.link.close()
        for each in self._processes:
            each.end()

    def _hand_out(self) -> None:
        for each in self._processes:
            while len(each.parts) < _QUEUED:
                part = self._again.popleft() if self._again else None
                if part is None and len(self._done) < _AHEAD:
                    part = self._plan.next()
                if part is None:
                    break
                each.give(part)

    def _take(self, process: _Process) -> None:
        link: Connection[Any, Any] = process.link
        try:
            answer = link.recv()
        except (EOFError, OSError):
            self._replace(process)
            return
        process.answered = True
        if isinstance(answer, NetgenError):
            raise answer
        if answer is None:  # it is ready
            return
        process.parts.popleft()
        self._plan.learn(answer)
        self._done[answer.start] = answer

    def _replace(self, process: _Process) -> None:
        """Another process goes on; what the lost one was at is done again, each variant by itself, to find the one."""
        how = process.end()
        if not process.answered:
            raise NetgenError(f"sweep: a process for the work ended as it started ({how}); --processes 1 needs none")
        if process.parts:
            first, *rest = process.parts
            if len(first) == 1:
                reason = f"building it ended its process ({how})"
                self._done[first.start] = self._worker.failure(first.start, reason)
            else:
                rest = [*(range(i, i + 1) for i in first), *rest]
            self._again.extend(rest)
        self._processes[self._processes.index(process)] = _Process(self._job)


def _serve(link: Any, job: Job) -> None:
    """What a process does: batches, until nobody asks for more."""
    import gc

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(100_000, 20, 20)  # as netgen/__main__.py, and for its reason
    try:
        with redirect_stdout(sys.stderr):
            worker = Worker(job)
        link.send(None)
        while True:
            start, stop = link.recv()
            link.send(worker.batch(start, stop))
    except NetgenError as error:
        link.send(type(error)(str(error)))
    except (EOFError, OSError):
        return
