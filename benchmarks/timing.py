"""How the measurements here are taken: CPU time, the median of several runs, peers taking turns."""

from __future__ import annotations

import gc
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

Work = Callable[[], object]


def machine() -> str:
    """What the figures were taken on."""
    return f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores"


def cpu_seconds(work: Work) -> float:
    """The CPU time of one call."""
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def in_turns(peers: Mapping[str, Work], runs: int, before: Mapping[str, Work] | None = None) -> dict[str, float]:
    """The median CPU time of each peer, in seconds: a warm-up each, then A B C A B C, so that all meet one weather.

    ``before`` is done before each run of a peer, out of its time.
    """
    for work in peers.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(runs):
        for name, work in peers.items():
            if before and name in before:
                before[name]()
            times[name].append(cpu_seconds(work))
    return {name: statistics.median(values) for name, values in times.items()}


def commands_in_turns(peers: Mapping[str, Sequence[str]], runs: int) -> dict[str, float]:
    """The median CPU time, user and system, of whole processes, in seconds."""
    times: dict[str, list[float]] = {name: [] for name in peers}
    for run in range(runs + 1):
        for name, command in peers.items():
            before = _children()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            if run:
                times[name].append(_children() - before)
    return {name: statistics.median(values) for name, values in times.items()}


def _children() -> float:
    """The CPU time of all finished child processes, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak_memory(code: str) -> tuple[float, float]:
    """CPU seconds and peak memory in MiB of Python code in a process of its own."""
    program = f"{code}\nimport resource\nused = resource.getrusage(resource.RUSAGE_SELF)\nprint(used.ru_maxrss)"
    before = _children()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return _children() - before, int(done.stdout.split()[-1]) / 1024
