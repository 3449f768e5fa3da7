"""What a start of netgen loads (its users wait for every run), and the examples in the docstrings."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ["torch", "numpy", "google.protobuf", "cv2", "PIL"]


def imported(*arguments: str) -> set[str]:
    """The modules that Python imports on its way through a command."""
    command = [sys.executable, "-X", "importtime", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.fixture(scope="module")
def before_any_program() -> set[str]:
    # The .pth files of other packages may import what they like.
    return imported("-c", "pass")


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["-c", "import netgen"], [*HEAVY, "jinja2"]),
        (["-m", "netgen", "peleenet"], HEAVY),
        (["-m", "netgen", "list"], HEAVY),
        (["-c", "from netgen.darknet.load import translate; translate('[net]\\ninputs=8\\n[conn]', 't')"], HEAVY),
    ],
    ids=["import", "peleenet", "list", "darknet"],
)
def test_a_start_is_light(arguments: list[str], unwanted: list[str], before_any_program: set[str]) -> None:
    modules = imported(*arguments) - before_any_program
    assert "netgen" in modules
    assert sorted(modules.intersection(unwanted)) == []


def test_a_heavy_import_would_be_seen(before_any_program: set[str]) -> None:
    assert {"numpy", "google.protobuf"} <= imported("-c", "import numpy, google.protobuf") - before_any_program


def modules_with_examples() -> list[str]:
    # pytest's own --doctest-modules would import the files of nets/ as `nets`, which refuses that.
    paths = [*(ROOT / "netgen").rglob("*.py"), *(ROOT / "nets").rglob("*.py")]
    with_examples = [path.relative_to(ROOT) for path in paths if ">>> " in path.read_text(encoding="utf-8")]
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in with_examples]
    return sorted(name if name.startswith("netgen") else f"netgen.{name}" for name in names)


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_in_docstrings_hold(name: str) -> None:
    if name.startswith("netgen.mirror"):
        pytest.importorskip("torch")
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
