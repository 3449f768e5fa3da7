"""``--stage`` and ``--level``: what a network's rules do not know is refused, by every command that takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

import netgen
from netgen.cli import main

COMMANDS = {
    "write": ["n.prototxt"],
    "report": ["report", "n.prototxt"],
    "lint": ["lint", "n.prototxt"],
    "diff": ["diff", "n.prototxt", "n.prototxt"],
    "draw": ["draw", "n.prototxt", "-o", "n.dot"],
    "weights": ["weights", "n.prototxt", "-o", "n.npz"],
    "check": ["check", "n.prototxt"],
    "run": ["run", "n.prototxt", "--weights", "w.npz", "--input", "x.npz", "-o", "o.npz"],
    "features": ["features", "n.prototxt", "--weights", "w.npz", "--weights-of", "c", "-o", "o.png"],
}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    net = netgen.Net("n").input(1, 3, 8, 8).conv(4, 3, name="c")
    net.relu(name="r", include={"stage": ["deploy"]})
    net.power(name="p", exclude={"not_stage": ["quick"], "phase": "TRAIN"}).save("n.prototxt")


@pytest.mark.parametrize("command", COMMANDS)
def test_what_the_rules_do_not_name(command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    if command in ("check", "run"):
        pytest.importorskip("torch")
    if command == "features":
        pytest.importorskip("PIL")
    before = list(tmp_path.iterdir())
    words = COMMANDS[command]
    for option, value, said in (
        ("--stage", "deplyo", "names the stage 'deplyo'; did you mean 'deploy'?"),
        ("--stage", "zzz", "names the stage 'zzz' (there are 'deploy', 'quick')"),
        ("--level", "2", "has a min_level or max_level, got 2; leave it out"),
    ):
        assert main([*words, option, value]) == 2
        assert capsys.readouterr() == ("", f"netgen: {option}: no layer's include or exclude {said}\n")
    assert list(tmp_path.iterdir()) == before


def test_what_they_name_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    for stage in ("deploy", "quick"):
        assert main(["report", "n.prototxt", "--stage", stage, "--format", "csv"]) == 0
        assert ("r,ReLU" in capsys.readouterr().out) is (stage == "deploy")
    assert main(["report", "lenet", "--stage", "deploy"]) == 2
    assert capsys.readouterr().err.endswith("names the stage 'deploy' (there are none)\n")
    # Of two networks one may know it.
    assert main(["diff", "lenet", "n.prototxt", "--stage", "deploy"]) == 1
    assert main(["diff", "n.prototxt", "lenet", "--stage", "deploy"]) == 1
    netgen.Net("n").input(1, 3, 8, 8).relu(name="r", include={"min_level": 1}).save("n.prototxt")
    assert main(["report", "n.prototxt", "--level", "1"]) == 0
