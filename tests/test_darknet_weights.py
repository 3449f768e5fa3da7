"""Darknet's weights files: headers, partial files, what is too short or too long, and where the floats go."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen
from netgen.cli import main

CFG = """
[net]
width=4
height=4
channels=2
[convolutional]
batch_normalize=1
filters=3
size=3
pad=1
activation=leaky
[maxpool]
size=2
stride=2
[connected]
output=5
activation=linear
"""
FLOATS = 4 * 3 + 3 * 2 * 9 + 5 + 5 * 12  # b s m v and w of the convolution, b and w of the inner product
LONG = struct.pack("<3iQ", 0, 2, 0, 7)
SHORT = struct.pack("<3iI", 0, 1, 0, 7)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "t.cfg").write_text(CFG, encoding="utf-8")
    return tmp_path


def load(
    folder: Path, header: bytes, floats: int, name: str = "t.weights", cutoff: int | None = None
) -> netgen.Darknet:
    (folder / name).write_bytes(header + np.arange(floats, dtype="<f4").tobytes())
    return netgen.load_darknet(folder / "t.cfg", folder / name, cutoff=cutoff)


@pytest.mark.parametrize("header", [LONG, SHORT], ids=["20 bytes", "16 bytes"])
def test_the_floats_go_where_caffe_has_them(folder: Path, header: bytes) -> None:
    weights = load(folder, header, FLOATS).weights
    assert {name: array.shape for name, array in weights.items()} == {
        "layer1-conv:0": (3, 2, 3, 3),
        "layer1-bn:0": (3,),
        "layer1-bn:1": (3,),
        "layer1-bn:2": (1,),
        "layer1-scale:0": (3,),
        "layer1-scale:1": (3,),
        "layer3-fc:0": (5, 12),
        "layer3-fc:1": (5,),
    }
    # Biases, scales, mean, variance, weights; the connected layer's biases, then its weights.
    assert weights["layer1-scale:1"].tolist() == [0, 1, 2]
    assert weights["layer1-scale:0"].tolist() == [3, 4, 5]
    assert weights["layer1-bn:0"].tolist() == [6, 7, 8]
    assert weights["layer1-bn:1"].tolist() == [9, 10, 11]
    assert weights["layer1-bn:2"].tolist() == [1]
    assert weights["layer1-conv:0"].ravel().tolist() == list(range(12, 66))
    assert weights["layer3-fc:1"].tolist() == list(range(66, 71))
    assert weights["layer3-fc:0"].ravel().tolist() == list(range(71, 131))


@pytest.mark.parametrize("length", [16, 20])
def test_transposed_weights_have_a_header_of_either_length(folder: Path, length: int) -> None:
    # pjreddie's build reads 16 bytes where the version says that connected weights are transposed, AlexeyAB's 20.
    header = struct.pack("<3iQ", 1001, 0, 0, 0)[:length]
    weights = load(folder, header, FLOATS).weights
    assert weights["layer3-fc:0"].tolist() == np.arange(71, 131).reshape(12, 5).T.tolist()


def test_a_partial_file_says_by_its_name_how_many_layers_it_holds(folder: Path) -> None:
    made = load(folder, LONG, 66, "t.conv.1")
    assert sorted(made.weights) == [
        "layer1-bn:0", "layer1-bn:1", "layer1-bn:2", "layer1-conv:0", "layer1-scale:0", "layer1-scale:1",
    ]  # fmt: skip
    assert made.notes[-1] == (
        f"{folder}/t.conv.1: holds the weights of the layers before [maxpool] ({folder}/t.cfg:12); those from layer 1 "
        "on have none"
    )
    assert sorted(load(folder, LONG, 66, cutoff=2).weights) == sorted(made.weights)


def test_binary_weights_are_signs_of_one_size(folder: Path) -> None:
    text = (
        CFG.replace("size=3\npad=1", "size=1\nbinary=1")
        .replace("batch_normalize=1", "")
        .replace("filters=3", "filters=2")
    )
    (folder / "t.cfg").write_text(text.partition("[maxpool]")[0], encoding="utf-8")
    floats = [0, 0, 3, -1, -2, -8]
    (folder / "t.weights").write_bytes(LONG + np.asarray(floats, "<f4").tobytes())
    weights = netgen.load_darknet(folder / "t.cfg", folder / "t.weights").weights
    # The mean of the absolute values of each filter (src/convolutional_layer.c, binarize_weights)
    assert weights["layer1-conv:0"][:, :, 0, 0].tolist() == [[2, -2], [-5, -5]]


REFUSALS: dict[str, tuple[int, dict[str, Any], str]] = {
    "a part": (66, {}, "is too short by 65 floats at layer 2, [connected] ({}:15), which needs 65 (b5 w60); it ends "
               "before layer 2: give cutoff=2 if it is such a part"),
    "too short": (130, {}, "is too short by 1 floats at layer 2, [connected] ({}:15), which needs 65 (b5 w60); the "
                  "weights are of another cfg, or cut off"),
    "shorter": (65, {}, "is too short by 1 floats at layer 0, [convolutional] ({}:6), which needs 66 (b3 s3 m3 v3 w54);"),
    "too long": (133, {}, "is too long by 2 floats behind layer 2, [connected] ({}:15); the weights are of another cfg"),
    "a whole file as a part": (131, {"cutoff": 1}, "is too long by 65 floats behind layer 0, [convolutional] ({}:6)"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_a_file_of_another_length(folder: Path, name: str) -> None:
    floats, options, message = REFUSALS[name]
    with pytest.raises(netgen.NetgenError) as error:
        load(folder, LONG, floats, **options)
    assert str(error.value).startswith(f"{folder}/t.weights: {message.format(f'{folder}/t.cfg')}")


def test_what_is_no_weights_file(folder: Path) -> None:
    path = folder / "t.weights"
    for content, message in (
        (b"", "is no weights file: its header has 16 bytes or more, got 0 bytes"),
        (CFG.encode(), "is no weights file of Darknet's: its version would be "),
        (LONG + b"abc", "is damaged: behind its header are 3 bytes, which are no whole floats"),
        (LONG[:18], "is no weights file: its header has 20 bytes, got 18 bytes"),
    ):
        path.write_bytes(content)
        with pytest.raises(netgen.NetgenError) as error:
            netgen.load_darknet(folder / "t.cfg", path)
        assert message in str(error.value)
    with pytest.raises(netgen.UsageError, match="no such file"):
        netgen.load_darknet(folder / "t.cfg", folder / "none")
    with pytest.raises(netgen.UsageError, match="this is a directory"):
        netgen.load_darknet(folder / "t.cfg", folder)
    with pytest.raises(netgen.UsageError, match=r"cutoff must lie in 1\.\.3, the layers of the cfg, got 4"):
        load(folder, LONG, FLOATS, cutoff=4)


def test_weights_that_are_left_out_when_loading_are_refused(folder: Path) -> None:
    (folder / "t.cfg").write_text(CFG + "dontload=1\n", encoding="utf-8")
    with pytest.raises(netgen.ParseError, match=r"t\.cfg:18:10: \[connected\] dontload leaves weights out"):
        load(folder, LONG, FLOATS)


def test_a_damaged_file_is_read_or_refused(folder: Path) -> None:
    chance = random.Random(7)
    whole = LONG + np.arange(FLOATS, dtype="<f4").tobytes()
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(min(len(data), 30))] = chance.randrange(256)
        data = data[: chance.choice((len(data), chance.randrange(len(data))))]
        (folder / "t.weights").write_bytes(data + b"\0" * chance.choice((0, 0, 4)))
        try:
            made = netgen.load_darknet(folder / "t.cfg", folder / "t.weights")
            assert len(made.weights) == 8
        except netgen.NetgenError:
            refused += 1
    assert 100 < refused < 300


ZOO = {
    "yolov3": "AlexeyAB__darknet__build__darknet__x64__yolov3.cfg",
    "yolov3_tiny": "eric612__MobileNet-YOLO__models__darknet_yolov3__yolov3-tiny.cfg",
    "yolov3_spp": "pjreddie__darknet__cfg__yolov3-spp.cfg",
    "yolov2": "AlexeyAB__darknet__cfg__yolov2.cfg",
    "yolov2_tiny": "pjreddie__darknet__cfg__yolov2-tiny.cfg",
    "darknet19": "pjreddie__darknet__cfg__darknet19.cfg",
    "darknet53": "AlexeyAB__darknet__build__darknet__x64__cfg__darknet53.cfg",
}


@pytest.mark.parametrize("name", ZOO)
def test_weights_of_a_cfg_are_weights_of_the_zoo(shared: Path, name: str) -> None:
    imported = netgen.expected_weights(netgen.load_darknet(shared / "corpus" / "darknet" / ZOO[name]).net)
    assert imported == netgen.expected_weights(netgen.build(name))


def test_commands_take_a_cfg_with_its_own_weights(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load(folder, LONG, FLOATS)
    assert main(["import", f"{folder}/t.cfg", "--weights", f"{folder}/t.weights", "-o", f"{folder}/made"]) == 0
    shape = netgen.infer_shapes(netgen.load(folder / "t.cfg"))["data"]
    np.savez(folder / "in.npz", data=np.random.default_rng(0).standard_normal(shape).astype(np.float32))
    for net, weights, out in (("t.cfg", "t.weights", "a"), ("made.prototxt", "made.caffemodel", "b")):
        words = ["--weights", f"{folder}/{weights}", "--input", f"{folder}/in.npz", "-o", f"{folder}/{out}.npz"]
        assert main(["run", f"{folder}/{net}", *words]) == 0
    assert main(["compare", f"{folder}/a.npz", f"{folder}/b.npz", "--tolerance", "0"]) == 0
    capsys.readouterr()
    words = ["--weights", f"{folder}/t.weights", "-o", f"{folder}/folded"]
    assert main(["fold", f"{folder}/made.prototxt", *words]) == 1
    assert capsys.readouterr().err == (
        f"netgen: {folder}/t.weights: this is Darknet's, which is read with its .cfg (netgen import)\n"
    )
    assert main(["fold", f"{folder}/t.cfg", *words]) == 0
