"""What is said of a pass that takes much, before it is begun."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen
from netgen.analysis import analyze
from netgen.cli import main
from netgen.commands import effort

torch: Any = pytest.importorskip("torch")

MIB = 2**20


def network() -> netgen.Net:
    """1 MiB of input, 4 of conv, 2 of its pool, and no weights to speak of."""
    return netgen.Net("n").input(1, 1, 512, 512).conv(4, 3, name="c").pool(2, 2, name="p").power(name="o", scale=2.0)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    network().save("n.prototxt")
    np.save("x.npy", np.zeros((1, 1, 512, 512), np.float32))
    netgen.save_weights(netgen.fill_weights(network(), 1), "w.npz", network())


RUN = ("run", "n.prototxt", "--weights", "w.npz", "--input", "x.npy", "-o", "o.npz")


@pytest.mark.parametrize(
    ("words", "held"),
    [(("check", "n.prototxt"), 5 * MIB), (RUN, 7 * MIB), ((*RUN, "--blobs", "o"), 5 * MIB)],
)
def test_memory(
    words: tuple[str, ...], held: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held += 4 * 36
    assert analyze(network()).totals()["weight_bytes"] == 4 * 36
    words = (*words, "--device", "cpu")
    assert main(words) == 0
    assert "takes" not in capsys.readouterr().err
    monkeypatch.setattr(effort, "_BYTES", held + 1)
    assert main(words) == 0
    assert "takes" not in capsys.readouterr().err
    monkeypatch.setattr(effort, "_BYTES", held)
    assert main(words) == 0
    flops = analyze(network()).totals()["flops"]
    said = f"n: a pass takes {flops:,} operations, and at least 0.0 GiB for weights and activations"
    assert capsys.readouterr().err == f"note: {said}\n"
    monkeypatch.setattr(effort, "free_memory", lambda: held - 1)
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"netgen: {said}, of which 0.0 GiB are free; give smaller inputs, or another --device\n")
    monkeypatch.setattr(effort, "free_memory", lambda: None)
    assert main(words) == 0


def test_operations_and_refused_networks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effort, "_FLOPS", 0)
    assert main(["check", "n.prototxt", "--device", "cpu"]) == 0
    assert capsys.readouterr().err.startswith("note: n: a pass takes ")
    network().layer("Nobody", name="z").save("n.prototxt")
    assert main(["check", "n.prototxt", "--device", "cpu"]) == 1
    assert capsys.readouterr().err.startswith("netgen: layer 'z' (Nobody): the type is not known")


def test_free_memory() -> None:
    free = effort.free_memory()
    assert free is None or 2**20 < free < 2**60
