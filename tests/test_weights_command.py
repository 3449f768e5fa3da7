"""``netgen weights``: a weights file for a network that has none, and from one format into another."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import netgen
from netgen.cli import main
from tests.weighed import assert_same, random_weights, small


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small().save("n.prototxt")


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["weights", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    return err.removeprefix("netgen: ").strip()


def test_new_weights_by_the_fillers(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "peleenet", "size=64", "-o", "p.caffemodel", "--seed", "3") == ""
    net = netgen.build("peleenet", size=64)
    assert_same(netgen.load_weights("p.caffemodel"), netgen.fill_weights(net, 3))
    assert netgen.load("p.caffemodel") == net
    assert said(capsys, "p.caffemodel", "-o", "again.npz", "--init", "zeros", "--input", "data=2,3,64,64") == ""
    weights = netgen.load_weights("again.npz")
    assert list(weights) == list(netgen.expected_weights(net))
    assert not any(array.any() for array in weights.values())


def test_the_state_of_a_mirror(capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    weights = {**random_weights(small()), "a/bn:2": np.ones(1, np.float32)}
    state = netgen.to_torch(small(), weights=weights).state_dict()
    torch.save(state, "trained.pth")
    assert said(capsys, "n.prototxt", "--from", "trained.pth", "-o", "n.caffemodel") == ""
    assert_same(netgen.load_weights("n.caffemodel"), weights)
    del state["f/g.weight"], state["f/g.bias"]
    torch.save(state, "trained.pth")
    assert "missing: 'f/g.bias', 'f/g.weight'" in said(
        capsys, "n.prototxt", "--from", "trained.pth", "-o", "n.npz", code=1
    )
    note = said(capsys, "n.prototxt", "--from", "trained.pth", "-o", "n.npz", "--ignore-missing", "--seed", "3")
    assert note == "note: trained.pth: what the state lacks is passed over: 'f/g.bias', 'f/g.weight'"
    new = netgen.fill_weights(small(), 3)
    kept = {**weights, "f/g:0": new["f/g:0"], "f/g:1": new["f/g:1"]}
    assert_same(netgen.load_weights("n.npz"), kept)


def test_other_formats_and_back(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("h5py")
    netgen.save_weights(random_weights(small()), "0.caffemodel", small())
    for i, name in enumerate(("1.npz", "2.caffemodel.h5", "3.caffemodel")):
        before = ("0.caffemodel", "1.npz", "2.caffemodel.h5")[i]
        assert said(capsys, "n.prototxt", "--from", before, "-o", name) == ""
    assert Path("3.caffemodel").read_bytes() == Path("0.caffemodel").read_bytes()


def test_weights_of_another_network(capsys: pytest.CaptureFixture[str]) -> None:
    weights = random_weights(small())
    weights["x:0"] = weights.pop("f/g:0")
    del weights["f/g:1"]
    netgen.save_weights(weights, "w.npz")
    assert said(capsys, "n.prototxt", "--from", "w.npz", "-o", "o.npz", code=1) == (
        "w.npz: the weights do not fit the network: missing: 'f/g:0', 'f/g:1'; unexpected: 'x:0'; ignore_missing "
        "(--ignore-missing) passes over layers that only one of the two has"
    )
    assert not Path("o.npz").exists()
    weights["a:0"][0, 0, 0, 0] = np.nan
    netgen.save_weights(weights, "w.npz")
    assert said(capsys, "n.prototxt", "--from", "w.npz", "-o", "o.npz", "--ignore-missing", "--seed", "4") == (
        "note: w.npz: it has no weights for the layers 'f/g', which stay new\n"
        "note: w.npz: the network lacks its layers 'x', which are passed over\n"
        "note: w.npz: weight 'a:0': 1 of 108 values are NaN or infinite"
    )
    expected = {**weights, **{key: netgen.fill_weights(small(), 4)[key] for key in ("f/g:0", "f/g:1")}}
    del expected["x:0"]
    assert_same(netgen.load_weights("o.npz"), expected)


def test_a_phase(capsys: pytest.CaptureFixture[str]) -> None:
    net = small()
    net.inner_product(name="aux", num_output=2, bottom="a", include="TRAIN")
    net.save("t.prototxt")
    for phase, there in (("TEST", False), ("TRAIN", True)):
        assert said(capsys, "t.prototxt", "-o", "t.caffemodel", "--phase", phase) == ""
        assert ("aux:0" in netgen.load_weights("t.caffemodel")) is there


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (["n.prototxt"], "missing: -o/--output; 'netgen weights --help'"),
        (
            ["n.prototxt", "-o", "w.txt"],
            "w.txt: the ending must tell the format of the weights: .caffemodel, .npz, .h5",
        ),
        (
            ["n.prototxt", "-o", "w.weights"],
            "w.weights: the ending must tell the format of the weights: .caffemodel, .npz, .h5, .hdf5, .pt, .pth; "
            "Darknet's are written by netgen.export_darknet ('netgen export')",
        ),
        (["n.prototxt", "-o", "w.npz", "--ignore-missing"], "--ignore-missing goes with --from"),
        (
            ["n.prototxt", "-o", "w.npz", "--from", "v.npz", "--seed", "1"],
            "--init and --seed make new weights; with --from they need --ignore-missing",
        ),
        (["n.prototxt", "-o", "w.npz", "--from", "v.npz"], "v.npz: no such file"),
        (["n.prototxt", "-o", "w.npz", "--seed", "-1"], "a seed must be a whole number, 0 or more, got -1"),
        (["n.prototxt", "-o", "no/w.npz"], "no/w.npz: cannot be written: No such file or directory"),
    ],
)
def test_wrong_commands(words: list[str], rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, *words, code=2).startswith(rule)
    assert not Path("w.npz").exists()


def test_calibrated_weights_need_torch(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert said(capsys, "n.prototxt", "-o", "w.npz", "--init", "calibrated", code=2) == (
        "--init calibrated: this needs the package 'torch', which is not installed; 'pip install torch', or netgen with its "
        "extra: 'pip install netgen[torch]'"
    )


@pytest.mark.skipif(find_spec("netgen.mirror") is None, reason="the mirror is not there")
def test_calibrated_weights(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    assert said(capsys, "n.prototxt", "-o", "w.npz", "--init", "calibrated") == ""
    weights, filled = netgen.load_weights("w.npz"), netgen.fill_weights(small())
    assert list(weights) == list(filled)
    assert not np.array_equal(weights["a/bn:1"], filled["a/bn:1"])
    assert np.array_equal(weights["f/g:0"], filled["f/g:0"])
