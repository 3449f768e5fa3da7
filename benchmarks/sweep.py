"""``netgen sweep`` over variants of PeleeNet: how many a second, in one process and in two, and in how much memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 3


def run(smoke: bool) -> None:
    """Print the figures: the best of several runs, since whatever else the machine does makes them only slower."""
    axes = (
        ["growth_rate=8:30:2", "size=192:320:32"]
        if smoke
        else ["growth_rate=8:126:2", "size=160:384:32", "classes=10,100,1000"]
    )
    count = 60 if smoke else 1440
    print(f"sweep of {count} variants of PeleeNet, 482 layers each, start and end included:")
    best: dict[int, tuple[float, float]] = {}
    for _ in range(1 if smoke else RUNS):
        for processes in (1, 2):
            wall, cpu, _ = _sweep(["peleenet", *axes, "eps=1e-5"], processes)
            best[processes] = min(best.get(processes, (wall, cpu)), (wall, cpu))
    for processes, (wall, cpu) in best.items():
        print(f"  in {processes}{count / wall:8.0f} a second, {count / cpu:.0f} a second of CPU time")
    print(f"  two processes are {best[1][0] / best[2][0]:.2f} times as fast as one")
    _memory(200 if smoke else 10_000, 400 if smoke else 100_000)


SMALL = """
import netgen

def small(width: int, size: int = 8) -> netgen.Net:
    return netgen.Net("small").input(1, 3, size, size).conv(width, 3).bn(scale=True).relu()
"""


def _memory(few: int, many: int) -> None:
    """Peak memory over small nets that all differ: what is kept of shapes is full long before the fewer are done."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "small.py"
        file.write_text(SMALL, encoding="utf-8")
        peaks = {count: _sweep([str(file), f"width=1:{count}"], 1)[2] for count in (few, many)}
    print(f"  peak memory of {few:,} small variants {peaks[few]:.1f} MiB, of {many:,} {peaks[many]:.1f} MiB")


def _sweep(words: list[str], processes: int) -> tuple[float, float, float]:
    """Wall and CPU seconds of a whole command, and the peak memory of its largest process in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out.csv"
        command = [sys.executable, "-m", "netgen", "sweep", *words, "-o", str(output)]
        start = time.perf_counter()
        process = subprocess.Popen([*command, "--processes", str(processes)])
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        assert output.read_bytes().count(b"\n") > 1
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
