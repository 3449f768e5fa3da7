"""What a new user gets wrong with the commands, and what they say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen
from netgen.cli import main


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def network() -> netgen.Net:
    return netgen.Net("n").input(1, 3, 8, 8).conv(4, 3, name="c").pool(2, 2, name="p").fc(5, name="f")


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int) -> str:
    assert main(words) == code
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    return err.removeprefix("netgen: ").rstrip("\n")


@pytest.mark.parametrize("ending", [".prototxt", ".cfg", ".caffemodel", ".py"])
def test_a_file_named_without_its_ending(ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(f"mine{ending}").write_text("")
    assert said(capsys, "report", "mine", code=2) == f"no network 'mine'; did you mean the file 'mine{ending}'?"
    Path(f"reprot{ending}").write_text("")
    assert said(capsys, "reprot", "mine", code=2) == "no command 'reprot'; did you mean 'report'?"


LAYER = "(layer 'p' (Pooling): the bottom must have 4 axes, N x C x H x W, got 1x4x8)"
WRONG = f"input 'data': must fit where 1x3x8x8 does, got 1x3x8 {LAYER}"


@pytest.mark.parametrize(
    ("words", "code"),
    [(["report"], 1), (["lint"], 1), (["weights", "-o", "w.npz"], 2), (["report", "-o", "o.json"], 1), (["check"], 2)],
)
def test_an_input_of_a_shape_that_the_network_cannot_take(
    words: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    if words[0] == "check":
        pytest.importorskip("torch")
    network().save("n.prototxt")
    assert said(capsys, words[0], "n.prototxt", *words[1:], "--input", "data=1,3,8", code=code) == WRONG
    network().layer("Nobody", name="z").save("n.prototxt")  # which no shape makes good
    found = said(capsys, words[0], "n.prototxt", *words[1:], "--input", "data=2,3,8,8", code=1)
    assert found.startswith("layer 'z' (Nobody): the type is not known")
    assert not Path("w.npz").exists()


def test_weights_of_another_network_are_not_blamed_on_the_input(capsys: pytest.CaptureFixture[str]) -> None:
    network().save("n.prototxt")
    netgen.save_weights({"z:0": np.zeros(3, np.float32)}, "z.npz")
    words = ("weights", "n.prototxt", "-o", "w.npz", "--from", "z.npz", "--input", "data=2,3,8,8")
    found = said(capsys, *words, code=1)
    assert found.startswith("z.npz: the weights do not fit the network: missing: 'c:0' (near: 'z:0')")
    assert found.endswith("; unexpected: 'z:0'; no layer is in both, as if they were another network's")


def test_fold_does_not_name_an_option_that_it_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    network().save("n.prototxt")
    weights = netgen.fill_weights(network())
    netgen.save_weights({key: array for key, array in weights.items() if key < "f"}, "w.npz")
    assert said(capsys, "fold", "n.prototxt", "--weights", "w.npz", "-o", "f", code=1) == (
        "w.npz: the weights do not fit the network: missing: 'f:0', 'f:1'"
    )
    assert "--ignore-missing" in said(capsys, "weights", "n.prototxt", "--from", "w.npz", "-o", "o.npz", code=1)


def test_what_python_is_given_in_place_of_nets_and_names() -> None:
    net = network()
    three: Any = 3
    name: Any = "n"
    for call, told in (
        (lambda: netgen.fold(name, {}), "give a net (netgen.load reads one from a file), got 'n'"),
        (lambda: netgen.export_darknet(name, "n"), "give a net (netgen.load reads one from a file), got 'n'"),
        (
            lambda: netgen.analyze(net, inputs={three: (1, 2)}),
            "inputs must be a dict of shapes by blob name, got the name 3",
        ),
        (lambda: netgen.lint(net, ignore="x"), "no rule 'x' ('netgen lint --list-rules' names them)"),
    ):
        with pytest.raises(netgen.UsageError) as caught:
            call()
        assert str(caught.value) == told
    with pytest.raises(netgen.NetgenError) as refused:
        netgen.fold(net, {})
    assert str(refused.value).endswith("'c:0', 'f:0', 'f:1'")
    assert netgen.lint(net, ignore="pooling-overhang") == netgen.lint(net, ignore=["pooling-overhang"])


def test_darknets_format_under_another_name(capsys: pytest.CaptureFixture[str]) -> None:
    Path("y.prototxt").write_text("\n[net]\nwidth=32\n")
    assert said(capsys, "report", "y.prototxt", code=1) == (
        "y.prototxt: this is Darknet's format; a file of it must be named .cfg"
    )


def test_functions_that_give_no_net_or_are_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    Path("f.py").write_text("import netgen\nfrom os.path import join\ndef first(): ...\ndef other(): ...\n")
    assert said(capsys, "f.py:first", code=2) == (
        "f.py:first: must return a netgen.Net, returned None; end it with 'return net'"
    )
    assert said(capsys, "f.py:zzz", code=2) == "f.py: defines no function 'zzz' (it defines first, other)"
    assert said(capsys, "f.py:othr", code=2) == "f.py: defines no function 'othr'; did you mean 'other'?"
    Path("f.py").write_text("")
    assert said(capsys, "f.py:f", code=2) == "f.py: defines no function 'f' (it defines none)"


def test_run_takes_a_file_where_other_commands_take_a_shape(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    network().save("n.prototxt")
    netgen.save_weights(netgen.fill_weights(network()), "w.npz")
    words = ("run", "n.prototxt", "--weights", "w.npz", "-o", "o.npz", "--input")
    assert said(capsys, *words, "data=1,3,8,8", code=2) == (
        "--input: must be a file of arrays, which give the inputs their shapes, got 'data=1,3,8,8'"
    )
    np.savez("a=b.npz", data=np.zeros((1, 3, 8, 8)))
    assert main([*words, "a=b.npz"]) == 0
    assert said(capsys, *words, "a=b.npz", "--device", "gpu", code=2) == (
        "device 'gpu' cannot be used: torch knows none of this name; take cpu, or auto for what there is"
    )


def test_import_takes_darknets_files(capsys: pytest.CaptureFixture[str]) -> None:
    for file in ("n.prototxt", "n.caffemodel", "n.weights"):
        assert said(capsys, "import", file, "-o", "x", code=2) == (
            f"{file}: must be a Darknet .cfg; .weights go with --weights, and Caffe's files need no import"
        )


def test_a_cutoff_is_one_of_weights(capsys: pytest.CaptureFixture[str]) -> None:
    Path("n.cfg").write_text("[net]\nwidth=8\nheight=8\nchannels=3\n[avgpool]\n")
    assert said(capsys, "import", "n.cfg", "--cutoff", "1", "-o", "x", code=2) == (
        "--cutoff: this tells how many layers the weights are of; give --weights, too"
    )
    assert not Path("x.prototxt").exists()


def test_a_grey_input_has_one_mean(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.zeros((8, 8), np.uint8)).save("i.png")
    net = netgen.Net("n").input(1, 1, 8, 8).power(name="p")
    net.save("n.prototxt")
    netgen.save_weights({}, "w.npz")
    words = ("features", "n.prototxt", "--weights", "w.npz", "--image", "i.png", "--blob", "p", "-o", "o.png")
    assert said(capsys, *words, "--mean", "1,2,3", code=2) == "mean: must be 1 number, got 3"
