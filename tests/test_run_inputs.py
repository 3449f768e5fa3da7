"""What ``netgen run`` and ``netgen.run`` say of inputs that the network cannot take, and of arrays without a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen
from netgen.cli import main

torch: Any = pytest.importorskip("torch")

IMAGE = np.random.default_rng(0).standard_normal((2, 3, 8, 8)).astype(np.float32)


def network() -> netgen.Net:
    return netgen.Net("n").input(2, 3, 8, 8).conv(4, 3, name="c").pool(2, 2, name="p").fc(5, name="f")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    network().save("n.prototxt")
    netgen.save_weights(netgen.fill_weights(network(), 1), "w.npz", network())


def ran(capsys: pytest.CaptureFixture[str], file: str, net: str = "n.prototxt") -> tuple[int, str]:
    code = main(["run", net, "--weights", "w.npz", "--input", file, "-o", "o.npz"])
    out, err = capsys.readouterr()
    assert out == ""
    return code, err.removeprefix("netgen: ").rstrip("\n")


MADE = "input 'data': must fit where 2x3x8x8 does, got "
POOL = "(layer 'p' (Pooling): the bottom must have 4 axes, N x C x H x W, got "
WEIGHTS = "(w.npz: the weights do not fit the network: wrongly shaped: "
MISFITS = {
    "no N": (IMAGE[0], f"3x8x8; the images come first: array[None] {POOL}3x4x8)"),
    "no N, channels last": (
        IMAGE[0, :, :6, :5].transpose(1, 2, 0),
        f"6x5x3; the channels come second: array.transpose(2, 0, 1)[None] {POOL}6x4x3)",
    ),
    "channels last": (
        IMAGE.transpose(0, 2, 3, 1),
        f"2x8x8x3; the channels come second: array.transpose(0, 3, 1, 2) {WEIGHTS}'c:0' is 4x3x3x3 and must be "
        "4x8x3x3, 'f:0' is 5x64 and must be 5x32)",
    ),
    "flat": (IMAGE.reshape(2, 192), f"2x192; array.reshape(2, 3, 8, 8) makes it so {POOL}2x4)"),
    "one more axis": (IMAGE[None], f"1x2x3x8x8; array.reshape(2, 3, 8, 8) makes it so {POOL}1x4x3x8x8)"),
    "channels": (
        IMAGE[:, :2],
        f"2x2x8x8 {WEIGHTS}'c:0' is 4x3x3x3 and must be 4x2x3x3)",
    ),
    "size": (np.zeros((1, 3, 10, 10), np.float32), f"1x3x10x10 {WEIGHTS}'f:0' is 5x64 and must be 5x100)"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_the_input_is_named_and_not_the_layer_behind_it(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    array, said = MISFITS[case]
    np.savez("x.npz", data=array)
    assert ran(capsys, "x.npz") == (2, MADE + said)
    assert not Path("o.npz").exists()
    with pytest.raises(netgen.UsageError) as caught:
        netgen.run(network(), {"data": array}, "w.npz")
    assert str(caught.value) == MADE + said


def test_several_inputs_are_named_together() -> None:
    net = netgen.Net("n").input(1, 3, 8, 8).input(1, 3, 8, 8, name="other").eltwise(["data", "other"], name="e")
    given = {"data": IMAGE[:1, :, :4], "other": IMAGE[:1, :, 1:]}
    with pytest.raises(netgen.UsageError) as caught:
        netgen.run(net, given, {})
    assert str(caught.value).startswith(
        "the inputs must fit where data 1x3x8x8, other 1x3x8x8 do, got data 1x3x4x8, other 1x3x7x8 (layer 'e' (Eltwise)"
    )


def test_weights_that_fit_no_input_are_blamed_themselves(capsys: pytest.CaptureFixture[str]) -> None:
    netgen.save_weights({"z:0": IMAGE}, "w.npz")
    np.savez("x.npz", data=IMAGE[:1])
    code, said = ran(capsys, "x.npz")
    assert code == 1
    assert said.startswith("w.npz: the weights do not fit the network: missing: ")


def test_other_sizes_and_numbers_of_images_that_fit_run() -> None:
    net = netgen.Net("n").input(1, 3, 8, 8).conv(4, 3, name="c")
    assert netgen.run(net, {"data": IMAGE[:, :, :5]}, netgen.fill_weights(net, 1))["c"].shape == (2, 4, 5, 8)


def test_an_array_without_a_name_is_the_only_input(capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("named.npz", data=IMAGE)
    np.savez("bare.npz", IMAGE)
    np.save("bare.npy", IMAGE.astype(np.float64))
    found = []
    for file in ("named.npz", "bare.npz", "bare.npy"):
        assert ran(capsys, file) == (0, "")
        found.append(Path("o.npz").read_bytes())
    assert found[0] == found[1] == found[2]


def test_an_array_without_a_name_among_several_inputs(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("x.npy", IMAGE)
    netgen.Net("n").input(1, 3, 8, 8).input(1, name="label").save("two.prototxt")
    assert ran(capsys, "x.npy", "two.prototxt") == (
        2,
        "x.npy: an array without a name can be the only input alone, and the net's are data, label; "
        "numpy.savez('in.npz', NAME=array) names it",
    )
    netgen.Net("n").data(name="d", top=["data", "label"]).save("data.prototxt")
    assert "and the net's are not known; " in ran(capsys, "x.npy", "data.prototxt")[1]


def test_npy_files_that_are_none(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("whole.npy", IMAGE)
    Path("cut.npy").write_bytes(Path("whole.npy").read_bytes()[:-5])
    Path("text.npy").write_text("hello")
    np.save("objects.npy", np.array([{}]), allow_pickle=True)
    for name, code, said in (
        ("cut.npy", 1, "cut.npy: it ends after 1531 of 1536 bytes"),
        ("text.npy", 1, "text.npy: this is no whole .npy file: "),
        ("objects.npy", 1, "objects.npy: it must be an array of numbers, got object"),
        ("no.npy", 2, "no.npy: no such file"),
    ):
        found = ran(capsys, name)
        assert (found[0], found[1][: len(said)]) == (code, said)
    Path("whole.npy").rename("really.npz")
    said = "this is an .npy, an array without a name; numpy.savez('really.npz', NAME=numpy.load('really.npz')) gives it one"
    assert ran(capsys, "really.npz") == (1, f"really.npz: {said}")
    assert main(["compare", "really.npz", "really.npz"]) == 1
    assert said in capsys.readouterr().err
