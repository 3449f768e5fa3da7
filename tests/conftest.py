"""What several test files need."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from netgen.cli import main

if TYPE_CHECKING:
    from tests.sweeps import Run


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data that is not part of the repository: what Caffe computed, and real files."""
    named = os.environ.get("NETGEN_SHARED")
    if not named:
        pytest.skip("NETGEN_SHARED does not name the folder of reference data")
    folder = Path(named)
    # A wrong name must not look like a deliberate run without the data.
    assert folder.is_dir(), f"NETGEN_SHARED={named} is no folder"
    return folder


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Small tensors are not worth several threads, which would wait for each other on a machine with few cores."""
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)


@pytest.fixture
def run_sweep(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a sweep in an empty folder; gives exit code and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str]:
        code = main(["sweep", *words])
        out, err = capfd.readouterr()
        assert out == ""
        return code, err

    return run
