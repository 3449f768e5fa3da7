"""Caffe networks as Darknet's files: what was imported comes back, and what Darknet cannot express is named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen
from netgen.cli import main
from netgen.darknet.export import exported

SHARED = os.environ.get("NETGEN_SHARED")
FOLDER = Path(SHARED or "") / "truth/darknet/forward"
CASES: list[dict[str, Any]] = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))["cases"] if SHARED else []
RUN: Callable[..., Any] | None = getattr(netgen, "run", None)

# What comes back with other floats: norms that become a part of their convolution, factors of a shortcut, weights that
# are stored the other way round.
OTHER_FLOATS = ("batchnorm", "weights_", "flipped", "transposed_header")


def small() -> netgen.Net:
    return netgen.Net("small").input(1, 3, 8, 8)


@pytest.mark.skipif(not SHARED, reason="NETGEN_SHARED does not name the folder of reference data")
@pytest.mark.parametrize(
    "case", [case for case in CASES if "recurrent" not in case["flags"]], ids=lambda case: case["name"]
)
def test_there_and_back(case: dict[str, Any], tmp_path: Path) -> None:
    path, prefix = FOLDER / case["name"], tmp_path / "back"
    made = netgen.load_darknet(f"{path}.cfg", f"{path}.weights", forks=True)
    netgen.export_darknet(made.net, prefix, made.weights)
    if not any(each in case["name"] for each in OTHER_FLOATS):
        old = Path(f"{path}.weights").read_bytes()[case["header"]["bytes"] :]
        assert Path(f"{prefix}.weights").read_bytes()[20:] == old
    again = netgen.load_darknet(f"{prefix}.cfg", f"{prefix}.weights", forks=True)
    assert netgen.analyze(again.net).totals()["macs"] == netgen.analyze(made.net).totals()["macs"]
    if RUN is not None and made.layers[-1].type not in ("route", "cost"):
        image = {"data": np.load(f"{path}.npz")["in"][None]}
        first, second = (
            RUN(each.net, image, each.weights, blobs="all")[each.layers[-1].blob].ravel() for each in (made, again)
        )
        # Norms with other statistics may round otherwise.
        assert np.abs(first - second).max() <= 1e-5 * np.abs(first).max()


def test_peleenet_comes_back_with_its_cost(tmp_path: Path) -> None:
    net = netgen.build("peleenet")
    netgen.export_darknet(net, tmp_path / "peleenet")
    again = netgen.load_darknet(tmp_path / "peleenet.cfg")
    assert netgen.analyze(again.net).totals()["macs"] == netgen.analyze(net).totals()["macs"] == 507757568
    assert again.notes == ()
    assert not (tmp_path / "peleenet.weights").exists()


def test_norms_become_what_darknet_has(tmp_path: Path) -> None:
    net = small().conv(2, 1, bias_term=True, name="c").layer("BatchNorm", name="b", eps=1e-3, in_place=True)
    net.layer("Scale", name="s", in_place=True, bias_term=True).relu(negative_slope=0.1)
    chance = np.random.RandomState(3)
    shapes = {"c:0": (2, 3, 1, 1), "c:1": (2,), "b:0": (2,), "b:1": (2,), "b:2": (1,), "s:0": (2,), "s:1": (2,)}
    weights = {name: (chance.rand(*shape) + 0.5).astype("float32") for name, shape in shapes.items()}
    netgen.export_darknet(net, tmp_path / "n", weights)
    assert (tmp_path / "n.cfg").read_text(encoding="utf-8") == (
        "[net]\nbatch=1\nsubdivisions=1\nwidth=8\nheight=8\nchannels=3\n\n"
        "[convolutional]\nbatch_normalize=1\nfilters=2\nsize=1\nstride=1\npad=1\nactivation=leaky\n"
    )
    back = netgen.load_darknet(tmp_path / "n.cfg", tmp_path / "n.weights").weights
    x = chance.rand(3)
    factor = weights["b:2"]
    norm = (weights["c:0"][:, :, 0, 0] @ x + weights["c:1"] - weights["b:0"] / factor) / np.sqrt(
        weights["b:1"] / factor + 1e-3
    )
    wanted = norm * weights["s:0"] + weights["s:1"]
    mean, variance = back["layer1-bn:0"], back["layer1-bn:1"]
    norm = (back["layer1-conv:0"][:, :, 0, 0] @ x - mean) / np.sqrt(variance + 1e-5)
    # float32, of values near 1
    np.testing.assert_allclose(norm * back["layer1-scale:0"] + back["layer1-scale:1"], wanted, rtol=1e-5, atol=1e-6)


def test_a_scale_without_a_norm_goes_into_the_weights(tmp_path: Path) -> None:
    net = small().conv(2, 1, bias_term=True, name="c").layer("Scale", name="s", in_place=True, bias_term=True)
    weights = {"c:0": np.arange(6.0).reshape(2, 3, 1, 1), "c:1": [1, 2], "s:0": [10, 20], "s:1": [5, 6]}
    netgen.export_darknet(net, tmp_path / "n", {name: np.asarray(each, "float32") for name, each in weights.items()})
    back = netgen.load_darknet(tmp_path / "n.cfg", tmp_path / "n.weights").weights
    assert back["layer1-conv:0"].ravel().tolist() == [0, 10, 20, 60, 80, 100]
    assert back["layer1-conv:1"].tolist() == [15, 46]


def test_sections_read_the_layer_before_or_a_route(tmp_path: Path) -> None:
    net = small().conv(4, 3, name="a").conv(4, 3, name="b")
    net.layer("Convolution", name="c", bottom="a", num_output=4, kernel_size=[1]).eltwise(["b", "c"], name="sum")
    netgen.export_darknet(net, tmp_path / "n")
    text = (tmp_path / "n.cfg").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line[:1] == "[" or line[:6] in ("layers", "from=1", "from=3")] == [
        "[net]", "[convolutional]", "[convolutional]", "[route]", "layers=0", "[convolutional]", "[shortcut]", "from=1",
    ]  # fmt: skip


def test_an_activation_of_a_blob_that_others_read_is_a_section(tmp_path: Path) -> None:
    net = small().conv(4, 3, name="a").relu(in_place=False, name="r")
    net.eltwise(["a", "r"], name="sum")
    netgen.export_darknet(net, tmp_path / "n")
    translated = netgen.load(tmp_path / "n.cfg")
    assert [layer.type for layer in translated.layers] == ["Input", "Convolution", "ReLU", "Eltwise"]
    assert translated.layers[2].bottoms != translated.layers[2].tops
    assert translated.layers[-1].bottoms == (translated.layers[2].tops[0], translated.layers[1].tops[0])


REFUSALS: dict[str, tuple[Callable[[netgen.Net], object], str]] = {
    "a type": (
        lambda net: net.layer("MVN", name="n"),
        "layer 'n' (MVN): Darknet has no section for this type; cut the network before it",
    ),
    "data of a file": (
        lambda net: net.layer("DummyData", name="d", bottom=[], top="d", shape={"dim": [1, 3, 8, 8]}),
        "layer 'd' (DummyData): Darknet's networks begin with an image of the sizes in [net]; put an Input in its place",
    ),
    "values without sizes": (
        lambda net: net.conv(4, 8, name="c").softmax(name="s").conv(2, 1, name="d"),
        "layer 'd' (Convolution): reads 's' as 1x4x1x1, and Darknet, which gives values no other sizes, has it without",
    ),
    "lrn": (
        lambda net: net.layer("LRN", name="n"),
        "layer 'n' (LRN): Darknet's normalization has another window and factor than Caffe's, those of DarknetLRN; cut before it",
    ),
    "two inputs": (lambda net: net.input(1, 3, 8, 8, name="y"), "layer 'y' (Input): Darknet's networks have one input"),
    "an oblong kernel": (
        lambda net: net.layer("Convolution", name="c", num_output=2, kernel_h=3, kernel_w=1),
        "layer 'c' (Convolution): Darknet's convolution has one size, pad and dilation for height and width",
    ),
    "a slope": (
        lambda net: net.conv(2).relu(negative_slope=0.2, name="r"),
        "layer 'r' (ReLU): Darknet has no activation with negative_slope: 0.2; change it, or cut the network before it",
    ),
    "a pooling that rounds up further than Darknet's pads": (
        lambda net: net.pool(2, 5, name="p"),
        "layer 'p' (Pooling): reads windows 2x2 whose padding no Darknet pooling has, got stride 5x5, pad 0x0, 3x3 of 8x8",
    ),
    "a mean of padding": (
        lambda net: net.layer("Pooling", name="p", pool="AVE", kernel_size=3, pad=1),
        "layer 'p' (Pooling): reads windows 3x3 whose padding no Darknet pooling has, got stride 1x1, pad 1x1, 8x8 of 8x8; "
        "the mean counts no padding in Darknet",
    ),
    "a dilation that changes the size": (
        lambda net: net.layer("Convolution", name="c", num_output=2, kernel_size=[3], dilation=[2], pad=[1]),
        "layer 'c' (Convolution): with dilation Darknet's convolution keeps the size, by an odd kernel and a pad of 2 for "
        "this one, got kernel 3, pad 1, dilation 2; change it, or cut the network before it",
    ),
    "a map for a layer of channels": (
        lambda net: net.layer("Flatten", name="f").layer("BatchNorm", name="b"),
        "layer 'b' (BatchNorm): reads 'f' as 1x192, and Darknet, which gives values no other sizes, has it as 3x8x8; cut",
    ),
    "a maximum": (
        lambda net: net.conv(2, name="a").conv(2, bottom="a", name="b").eltwise(["a", "b"], operation="MAX", name="m"),
        "layer 'm' (Eltwise): Darknet adds or multiplies layers, got operation: MAX; change it",
    ),
    "a scale": (lambda net: net.layer("Scale", name="s"), "layer 's' (Scale): Darknet scales channels behind a convolution"),
    "a pooling": (
        lambda net: net.conv(2).layer("Pooling", name="p", kernel_size=3, pad_h=1, pad_w=0),
        "layer 'p' (Pooling): reads windows 3x3 whose padding no Darknet pooling has",
    ),
    "a softmax of a map": (lambda net: net.softmax(name="s"), "layer 's' (Softmax): Darknet's softmax is over all values"),
    "unequal parts": (
        lambda net: net.conv(6).layer("Slice", name="s", top=["a", "b"], slice_point=[2]).conv(2, bottom="b", name="c"),
        "layer 'c' (Convolution): reads channels 2 to 6 of 6; Darknet's groups are equal parts",
    ),
    "batch statistics": (
        lambda net: net.conv(2).layer("BatchNorm", name="b", use_global_stats=False),
        "layer 'b' (BatchNorm): Darknet's batch norm has its stored statistics in testing",
    ),
    "rows joined": (
        lambda net: net.conv(2, name="c").layer("Concat", name="j", bottom=["c", "c"], concat_dim=2),
        "layer 'j' (Concat): Darknet's route joins channels, axis 1",
    ),
    "a dropout that scales in testing": (
        lambda net: net.conv(2).layer("Dropout", name="d", scale_train=False),
        "layer 'd' (Dropout): Darknet's dropout scales in training; remove scale_train: false",
    ),
    "nothing": (lambda net: net, "the net has no layer that Darknet computes; there is nothing to export"),
    "bnll": (lambda net: net.conv(2).layer("BNLL", name="b"), "layer 'b' (BNLL): Darknet has this type only within mish, x tanh(BNLL(x)); cut the network before it"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal(name: str, tmp_path: Path) -> None:
    add, message = REFUSALS[name]
    net = small()
    add(net)
    with pytest.raises(netgen.NetgenError) as error:
        netgen.export_darknet(net, tmp_path / "n")
    assert str(error.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_input_fields_of_older_files_are_inputs(tmp_path: Path) -> None:
    text = 'input: "data" input_dim: 2 input_dim: 3 input_dim: 6 input_dim: 5 '
    text += 'layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { kernel_size: 2 stride: 2 } }'
    notes = netgen.export_darknet(netgen.parse_prototxt(text), tmp_path / "n")
    assert notes == ("input 'data': the batch of 2 becomes 1",)
    assert "width=5\nheight=6\nchannels=3\n\n[maxpool]\nsize=2\nstride=2\n" in (tmp_path / "n.cfg").read_text("utf-8")
    with pytest.raises(netgen.NetgenError, match="input 'b': Darknet's networks have one input"):
        netgen.export_darknet(netgen.parse_prototxt(f'{text} input: "b" input_dim: [1, 1, 1, 1]'), tmp_path / "n")


def test_values_that_darknet_has_in_other_sizes(tmp_path: Path) -> None:
    # Darknet joins layers of different sizes, and then knows no sizes.
    net = small().conv(2, name="c").layer("Flatten", name="f").at("c").pool(8, name="p").layer("Flatten", name="g")
    net.concat(["f", "g"], name="all").fc(3, name="i").at("all")
    netgen.export_darknet(net, tmp_path / "n")
    assert netgen.load_darknet(tmp_path / "n.cfg").layers[-1].outputs == 3
    net.layer("Reshape", name="r", bottom="all", shape={"dim": [0, 0, 1, 1]}).conv(4, name="d")
    with pytest.raises(netgen.NetgenError) as error:
        netgen.export_darknet(net, tmp_path / "other")
    assert str(error.value) == (
        "layer 'd' (Convolution): reads 'r' as 1x130x1x1, and Darknet, which gives values no other sizes, has it "
        "without sizes; cut the network before it"
    )
    assert not (tmp_path / "other.cfg").exists()


def test_several_layers_read_the_input_behind_one_that_passes_it_on(tmp_path: Path) -> None:
    net = small().conv(3, 1, name="c").eltwise(["data", "c"], name="e").layer("Split", name="s", top=["a", "b"])
    other = (
        small().layer("Split", name="s", top=["a", "b"]).conv(3, 1, bottom="a", name="c").eltwise(["c", "b"], name="e")
    )
    for each in (net, other):
        netgen.export_darknet(each, tmp_path / "n")
        again = netgen.load_darknet(tmp_path / "n.cfg")
        assert [layer.type for layer in again.layers] == ["activation", "convolutional", "shortcut"]
        assert [layer.type for layer in again.net.layers] == ["Input", "Convolution", "Eltwise"]
        assert set(again.net.layers[-1].bottoms) == {"data", again.net.layers[1].tops[0]}


def test_a_blob_that_is_read_under_two_names_keeps_its_activation_apart(tmp_path: Path) -> None:
    net = (
        small().conv(2, 1, name="c").layer("Split", name="s", top=["a", "b"]).relu(bottom="a", in_place=False, name="r")
    )
    net.eltwise(["r", "b"], name="e")
    netgen.export_darknet(net, tmp_path / "n")
    again = netgen.load(tmp_path / "n.cfg")
    assert [layer.type for layer in again.layers] == ["Input", "Convolution", "ReLU", "Eltwise"]
    assert len(set(again.layers[-1].bottoms)) == 2
    assert set(again.layers[-1].bottoms) == {again.layers[1].tops[0], again.layers[2].tops[0]}


def test_weights_of_another_network(tmp_path: Path) -> None:
    net = small().conv(2, 1, name="c")
    with pytest.raises(netgen.NetgenError, match=r"layer 'c' \(Convolution\): its weights 'c:0' are not there"):
        netgen.export_darknet(net, tmp_path / "n", {})
    with pytest.raises(netgen.NetgenError, match="its weights 'c:0' are 2x3 instead of 2x3x1x1"):
        netgen.export_darknet(net, tmp_path / "n", {"c:0": np.zeros((2, 3))})


def test_export_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.prototxt"
    small().layer("BatchNorm", name="b", in_place=False).save(path)
    assert main(["export", str(path), "-o", str(tmp_path / "new.cfg")]) == 0
    assert capsys.readouterr().err == (
        "note: layer 'b' (BatchNorm): a [batchnorm] of its own is written as AlexeyAB's Darknet reads it\n"
    )
    assert [layer.type for layer in netgen.load(tmp_path / "new.cfg").layers] == ["Input", "BatchNorm", "Scale"]
    assert main(["export", str(path)]) == 2


def test_a_pooling_that_a_crop_cuts_is_one_section() -> None:
    types = [section.type for section in exported(netgen.build("yolov3_tiny"), None).sections]
    assert types.count("maxpool") == 6
    assert types[-1] == "convolutional"


def test_equal_remarks_are_told_once(tmp_path: Path) -> None:
    notes = netgen.export_darknet(netgen.build("densenet121"), tmp_path / "n")
    assert len(notes) == 1
    assert notes[0].startswith("layer 'conv2_1/x1/bn' (BatchNorm) and ")
    assert notes[0].endswith(" more: a [batchnorm] of its own is written as AlexeyAB's Darknet reads it")


@pytest.mark.parametrize(
    "add",
    [
        lambda net: net.eltwise(["a", "b"], coeff=[1, 2]),
        lambda net: net.pool(2, 2, name="p").layer("DarknetShortcut", bottom=["a", "p"], name="s"),
    ],
)
def test_what_only_one_darknet_reads_is_told(add: Callable[[netgen.Net], object], tmp_path: Path) -> None:
    net = small().conv(4, 1, name="a").conv(4, 1, name="b")
    add(net)
    (note,) = netgen.export_darknet(net, tmp_path / "n")
    assert note.endswith("a [shortcut] with alpha, beta or other sizes is read so by pjreddie's Darknet alone")


def test_what_is_written_like_mish_is_mish(tmp_path: Path) -> None:
    net = small().conv(4, 1, bias_term=False, name="c").bn(scale=True)
    net.layer("BNLL", name="g", bottom="c", in_place=False).tanh(in_place=True).eltwise(["g", "c"], operation="PROD")
    netgen.export_darknet(net, tmp_path / "n")
    assert (
        (tmp_path / "n.cfg")
        .read_text("utf-8")
        .endswith(
            "channels=3\n\n[convolutional]\nbatch_normalize=1\nfilters=4\nsize=1\nstride=1\npad=1\nactivation=mish\n"
        )
    )
    # Whoever else reads what is within needs it.
    net.eltwise(["g", "c"], operation="SUM")
    with pytest.raises(netgen.NetgenError, match=r"^layer 'g' \(BNLL\): Darknet has this type only within mish, "):
        netgen.export_darknet(net, tmp_path / "n")


def test_layers_that_share_all_their_weights_share_an_index(tmp_path: Path) -> None:
    net = small()
    for name, names in (("a", "wb"), ("b", "wb"), ("c", "w")):
        net.layer("Convolution", name=name, num_output=3, kernel_size=[1], param=[{"name": each} for each in names])
    weights = {
        f"{name}:{i}": np.full(shape, 2, np.float32) for name in "abc" for i, shape in enumerate([(3, 3, 1, 1), (3,)])
    }
    netgen.export_darknet(net, tmp_path / "n", weights)
    made = netgen.load_darknet(tmp_path / "n.cfg", tmp_path / "n.weights")
    assert [dict(layer.runs) for layer in made.layers] == [{"b": 3, "w": 9}, {}, {"b": 3, "w": 9}]
    assert "share_index=0\n" in (tmp_path / "n.cfg").read_text("utf-8")
    assert made.net.layers[2].params["param"] == made.net.layers[1].params["param"]
