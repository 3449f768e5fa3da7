"""Sweeps that are interrupted, and what they leave behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netgen.sweeping import pool
from tests.sweeps import Run, rows_of

ROOT = Path(__file__).parent.parent
LONG = ("peleenet", "growth_rate=8:64:2", "size=160:352:32", "-o", "long.csv")
ENDLESS = ("peleenet", "growth_rate=8:64:2", "size=160:3232:32", "-o", "long.csv")
"""So long that a test interrupts it before it ends, whatever else it does meanwhile."""


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "netgen", "sweep", *words],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def wait_for_more(part: Path, lines: int, process: subprocess.Popen[str]) -> None:
    """Until the part has more than so many lines, of which the first says which sweep it is."""
    while not part.is_file() or part.read_bytes().count(b"\n") <= lines:
        assert process.poll() is None
        time.sleep(0.01)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_an_interrupted_sweep_goes_on_where_it_stopped(tmp_path: Path, processes: str, run_sweep: Run) -> None:
    part = tmp_path / "long.csv.part"
    done: list[int] = []
    for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        lines = part.read_bytes().count(b"\n") if done else 1
        with start(tmp_path, *LONG, "--processes", processes) as process:
            wait_for_more(part, lines, process)
            os.killpg(process.pid, sent)
            _, err = process.communicate(timeout=60)
        whole = part.read_bytes().rpartition(b"\n")[0]
        done.append(json.loads(whole.splitlines()[-1])["stop"])
        if sent == signal.SIGINT:
            assert process.returncode == 130
            said = re.fullmatch(
                r"interrupted at (\d+) of 203 variants, kept in long.csv.part; run it again to go on\n", err
            )
            assert said
            assert 0 < int(said[1]) <= done[0]  # below where the signal came between writing and counting
        assert not (tmp_path / "long.csv").exists()
    assert done == sorted(set(done))
    with part.open("ab") as file:
        file.write(b'{"stop":400,"kept":[[23')  # a line cut short, as a kill may leave one
    assert run_sweep(*LONG) == (0, "")
    assert not part.exists()
    rows = rows_of(tmp_path / "long.csv")
    assert [(row["growth_rate"], row["size"]) for row in rows] == [
        (str(growth), str(size)) for growth in range(8, 65, 2) for size in range(160, 353, 32)
    ]
    assert rows[7 * 12 + 2]["macs"] == "507757568"


def test_an_interruption_at_the_start_shows_no_traceback(tmp_path: Path) -> None:
    for delay in (0.0, 0.05, 0.1, 0.15, 0.2, 0.3):
        with start(tmp_path, *LONG, "--processes", "2") as process:
            while not (tmp_path / "long.csv.part").exists():
                time.sleep(0.001)
            time.sleep(delay)
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the processes that are starting get it too
            _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in err
        (tmp_path / "long.csv.part").unlink(missing_ok=True)


def test_what_is_done_is_not_done_again(run_sweep: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (
        "own.py",
        "width=1:40",
        "-o",
        "own.csv",
        "--pareto",
        "max:macs,weights",
        "--where",
        "width % 3 == 0",
        "--processes",
        "1",
    )
    (tmp_path / "own.py").write_text(
        "import netgen\nfrom pathlib import Path\n\n"
        "def own(width: int):\n"
        "    with Path('seen').open('a') as file:\n        file.write(f'{width}\\n')\n"
        "    if width == 30 and not Path('go').exists():\n        raise KeyboardInterrupt\n"
        "    return netgen.Net().input(1, 3, 8, 8).conv(width)\n"
    )
    monkeypatch.setattr(pool, "_LARGEST", 4)
    code, err = run_sweep(*words)
    assert (code, err) == (130, "interrupted at 28 of 40 variants, kept in own.csv.part; run it again to go on\n")
    (tmp_path / "go").touch()
    assert run_sweep(*words) == (0, "")
    assert (tmp_path / "seen").read_text().split() == [str(width) for width in [*range(1, 31), *range(29, 41)]]
    assert [int(row["width"]) for row in rows_of(tmp_path / "own.csv")] == list(range(3, 40, 3))


def test_a_full_disk_is_said_and_what_is_done_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "netgen", "sweep", *LONG, "--processes", "1"]
    limited = ["bash", "-c", 'ulimit -f 4; exec "$@"', "bash", *command]  # blocks of 1024 bytes
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(limited, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "netgen: long.csv.part: cannot be written: File too large\n")
    assert (tmp_path / "long.csv.part").stat().st_size == 4096
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(rows_of(tmp_path / "long.csv")) == 203


def test_another_sweep_is_not_gone_on_with(run_sweep: Run, tmp_path: Path) -> None:
    with start(tmp_path, *ENDLESS, "--processes", "1") as process:
        wait_for_more(tmp_path / "long.csv.part", 2, process)
        in_use = run_sweep(*ENDLESS)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert in_use == (2, "netgen: long.csv.part: another sweep is writing it; wait for it, or stop it\n")
    kept = (tmp_path / "long.csv.part").read_bytes()
    assert run_sweep("peleenet", "growth_rate=8", "-o", "long.csv") == (2, (
        "netgen: long.csv.part: holds another sweep, parameters 'growth_rate=8:64:2 size=160:3232:32' there, "
        "'growth_rate=8' here; go on with that one, delete the file, or write to another -o FILE\n"
    ))  # fmt: skip
    assert run_sweep(*ENDLESS, "--where", "macs < 3")[1].startswith(
        "netgen: long.csv.part: holds another sweep, where '' there, 'macs < 3' here; "
    )
    assert (tmp_path / "long.csv.part").read_bytes() == kept
    lines = kept.splitlines(keepends=True)
    (tmp_path / "long.csv.part").write_bytes(b"".join([*lines[:1], lines[1][9:], *lines[2:]]))
    assert run_sweep(*ENDLESS) == (2, "netgen: long.csv.part:2: this line is damaged; delete the file to begin anew\n")
    (tmp_path / "long.csv.part").write_text("my notes\n")
    assert run_sweep(*ENDLESS) == (2, "netgen: long.csv.part: this is not what a sweep leaves behind; move it away\n")
    assert (tmp_path / "long.csv.part").read_text() == "my notes\n"


def test_a_py_file_that_changed_is_another_sweep(run_sweep: Run, tmp_path: Path) -> None:
    own = "import netgen\ndef own(width: int):\n    {}\n    return netgen.Net().input(1, 3, 8, 8).conv(width)\n"
    (tmp_path / "own.py").write_text(own.format("if width == 9:\n        raise KeyboardInterrupt"))
    assert run_sweep("own.py", "width=1:12", "-o", "own.csv", "--processes", "1")[0] == 130
    (tmp_path / "own.py").write_text(own.format("width += 1"))
    code, err = run_sweep("own.py", "width=1:12", "-o", "own.csv", "--processes", "1")
    assert code == 2
    assert err.startswith("netgen: own.csv.part: holds another sweep, content '")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interruption_that_python_drops_is_not_lost(run_sweep: Run, tmp_path: Path) -> None:
    # An exception in a callback for an object that is gone is printed and dropped.
    own = """import netgen, os, signal, weakref
class Gone: pass
def own(width: int):
    if width == 9:
        gone = Gone()
        called = weakref.ref(gone, lambda _: os.kill(os.getpid(), signal.SIGINT))
        del gone
    return netgen.Net().input(1, 3, 8, 8).conv(width)
"""
    (tmp_path / "own.py").write_text(own)
    code, err = run_sweep("own.py", "width=1:400", "-o", "own.csv", "--processes", "1")
    assert code == 130
    assert re.search(r"interrupted at \d+ of 400 variants, kept in own.csv.part", err)
