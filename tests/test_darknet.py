"""What becomes of Darknet's sections: plain layers wherever these give the same numbers, and what is told of the rest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import netgen
from netgen.cli import main
from netgen.darknet import Head
from netgen.darknet.load import translate

NET = "[net]\nwidth=9\nheight=8\nchannels=4\n"

# What BVLC's Caffe registers, of what the translations use.
STOCK = {
    "BNLL", "BatchNorm", "Clip", "Concat", "Convolution", "Crop", "Deconvolution", "Dropout", "DummyData", "ELU",
    "Eltwise", "Exp", "Flatten", "Im2col", "InnerProduct", "Input", "Pooling", "Power", "ReLU", "Reshape", "Scale",
    "Sigmoid", "Silence", "Slice", "Softmax", "Swish", "TanH", "Threshold", "Tile",
}  # fmt: skip


def made(sections: str, forks: bool = False) -> tuple[list[str], list[str]]:
    """The types of a translation behind its input, and its notes."""
    translation, _ = translate(NET + sections, "t.cfg", forks)
    netgen.infer_shapes(translation.net)
    return [layer.type for layer in translation.net.layers[1:]], list(translation.net.notes)


PLAIN = {
    "[conv]\nbatch_normalize=1\nactivation=leaky\n": ["Convolution", "BatchNorm", "Scale", "ReLU"],
    "[conv]\nactivation=mish\n": ["Convolution", "BNLL", "TanH", "Eltwise"],
    "[conv]\nactivation=relu6\n": ["Convolution", "Clip"],
    "[maxpool]\nsize=2\nstride=2\n": ["Pooling"],
    "[maxpool]\nsize=2\nstride=1\n": ["Pooling", "Crop"],
    "[maxpool]\nsize=3\nstride=2\n": ["Pooling", "Slice", "Silence"],
    "[maxpool]\nsize=5\nstride=1\n": ["Pooling"],
    "[local_avgpool]\nsize=2\nstride=2\n": ["Pooling"],
    "[upsample]\nstride=2\n": ["Deconvolution"],
    "[reorg3d]\nstride=1\n": [],
    "[cost]\n": [],
    "[crop]\ncrop_width=9\ncrop_height=8\n": ["Power"],
    "[softmax]\n": ["Flatten", "Softmax"],
    "[softmax]\ngroups=2\ntemperature=2\n": ["Flatten", "Power", "Reshape", "Softmax", "Reshape"],
    "[route]\nlayers=-1\n[logistic]\n": ["Sigmoid"],
    "[conn]\noutput=3\nactivation=linear\n[conv]\nactivation=linear\n": ["InnerProduct", "Reshape", "Convolution"],
}


@pytest.mark.parametrize("sections", PLAIN)
def test_plain_layers(sections: str) -> None:
    first = "[conv]\nfilters=4\nactivation=linear\n" if sections.startswith("[route]") else ""
    types, notes = made(first + sections)
    assert types == ["Convolution"] * bool(first) + PLAIN[sections]
    assert set(types) <= STOCK
    assert notes == []


# Where there are no such layers
UNUSUAL = {
    "[local]\nsize=3\npad=1\n": "Local",
    "[normalization]\n": "DarknetLRN",
    "[activation]\nactivation=stair\n": "DarknetStair",
    "[local_avgpool]\nsize=3\n": "DarknetPooling",
    "[maxpool]\nsize=2\npadding=9\n": "DarknetPooling",
    "[maxpool]\nsize=2\nstride=4\n[upsample]\nstride=3\n[shortcut]\nfrom=0\n": "DarknetShortcut",
}


@pytest.mark.parametrize("sections", UNUSUAL)
def test_what_no_stock_caffe_takes_is_told(sections: str) -> None:
    types, notes = made(sections)
    assert UNUSUAL[sections] in types
    assert set(types) - STOCK == {UNUSUAL[sections]}
    line = 4 + sections[: sections.rindex("[")].count("\n") + 1
    assert [note.partition(" (")[0] for note in notes] == [
        f"t.cfg: no stock Caffe has the type {UNUSUAL[sections]}, first used for [{sections[sections.rindex('[') + 1 :].partition(']')[0]}]"
    ]
    assert notes[0].endswith(f"(t.cfg:{line})")


def test_forks_have_shorter_layers() -> None:
    sections = "[conv]\nfilters=4\nactivation=mish\n[upsample]\n[reorg]\nstride=2\n[activation]\nactivation=relu6\n"
    types, notes = made(sections, forks=True)
    assert types == ["Convolution", "Mish", "Upsample", "Reorg", "ReLU6"]
    assert len(notes) == 4


def test_values_of_one_cell_are_joined_with_images() -> None:
    sections = "[avgpool]\n[conn]\noutput=2\n[conn]\noutput=3\n[route]\nlayers=0,1,2,1\n"
    translation, _ = translate(NET + sections, "t.cfg")
    concat = translation.net.layers["layer4-route"]
    assert len(set(concat.bottoms)) == 3
    assert netgen.infer_shapes(translation.net)["layer4-route"] == (1, 4 + 2 + 3 + 2, 1, 1)
    assert len({layer.name for layer in translation.net.layers}) == len(translation.net.layers)


def test_nothing_works_in_place_on_memory_that_caffe_shares() -> None:
    # Reshape's top is its bottom's memory, and the connected layer's output must stay.
    translation, _ = translate(NET + "[conn]\noutput=2\nactivation=linear\n[batchnorm]\n", "t.cfg")
    norm = translation.net.layers["layer2-bn"]
    assert translation.net.layers["layer2-image"].tops == norm.bottoms != norm.tops


def test_darknets_defaults() -> None:
    translation, _ = translate(NET + "[lrn]\n[silence]\n[upsample]\n[reorg]\n[max]\nstride=3\n", "t.cfg")
    assert translation.net.layers["layer1-lrn"].params["lrn_param"] == {
        "local_size": 5,
        "alpha": 1e-4,
        "beta": 0.75,
        "k": 1.0,
    }
    assert [value.shape for value in translation.values] == [(4, 8, 9), (4, 8, 9), (4, 16, 18), (4, 16, 18), (4, 6, 6)]


def test_heads_end_at_what_they_read() -> None:
    text = "[conv]\nfilters=14\nactivation=linear\n[yolo]\nmask=1,2\nnum=3\nclasses=2\nanchors=1,2, 3,4, 5,6\nscale_x_y=1.1\njitter=.3\n"
    translation, _ = translate(NET + text, "t.cfg")
    options = {"scale_x_y": 1.1, "new_coords": 0, "nms_kind": "", "beta_nms": 0.6}
    anchors = ((3.0, 4.0), (5.0, 6.0))
    told = {"anchors": "1,2, 3,4, 5,6", "jitter": ".3"}
    assert translation.heads == [Head(1, "yolo", 8, "layer1-conv", (14, 8, 9), 2, 4, 2, anchors, (1, 2), options, told)]
    assert [value.blob for value in translation.values] == ["layer1-conv", "layer1-conv"]


def test_aliases_comments_and_blanks() -> None:
    plain = (
        "[net]\nwidth=9\nheight=8\nchannels=4\n[convolutional]\nfilters=6\n[maxpool]\nsize=2\n[avgpool]\n[softmax]\n"
    )
    other = "\ufeff# a net\r\n[ network ]\r\nwidth = 9 # wide\r\n height= 8;high\r\nchannels =4.0\r\n[conv]\r\nfilters = 6\t#5\r\n;[max]\n[max]\nsize=2\n[avg]\n[soft]"
    first, second = translate(plain, "t.cfg")[0], translate(other.removeprefix("\ufeff"), "t.cfg")[0]
    assert first.net == second.net
    assert second.notes == []


def test_a_cfg_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "small.cfg"
    path.write_text(NET + "[conv]\nfilters=6\nactivation=leaky\nfilter=3\n[upsample]\n", encoding="utf-8")
    assert main([str(path)]) == 0
    out, err = capsys.readouterr()
    assert netgen.parse_prototxt(out) == netgen.load(path)
    assert out.startswith('name: "small"')
    assert err == f"note: {path}:8: [conv] filter is not read; did you mean 'filters'?\n"
    assert main(["report", str(path), "--convention", "macs"]) == 0
    assert capsys.readouterr().out == f"{6 * 4 * 72 + 6 * 72 * 4} macs\n"

    prefix = tmp_path / "new"
    assert main(["import", str(path), "-o", str(prefix), "--forks"]) == 0
    assert [layer.type for layer in netgen.load(f"{prefix}.prototxt").layers] == [
        "Input",
        "Convolution",
        "ReLU",
        "Upsample",
    ]
    assert "no stock Caffe has the type Upsample" in capsys.readouterr().err
    assert not (tmp_path / "new.caffemodel").exists()
    assert main(["import", str(path)]) == 2
    assert "missing: -o/--output" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(netgen, "save_weights"), reason="nothing writes weights yet")
def test_import_writes_the_weights(tmp_path: Path) -> None:
    (tmp_path / "t.cfg").write_text(NET + "[conv]\nfilters=6\nactivation=leaky\n[upsample]\n", encoding="utf-8")
    (tmp_path / "t.weights").write_bytes(bytes((0, 0, 0, 0, 2, *[0] * 15)) + bytes(4 * 30))
    arguments = ["import", str(tmp_path / "t.cfg"), "--weights", str(tmp_path / "t.weights"), "-o", str(tmp_path / "n")]
    assert main(arguments) == 0
    assert (tmp_path / "n.caffemodel").stat().st_size > 4 * 30


@pytest.mark.skipif(
    not os.environ.get("NETGEN_SHARED"), reason="NETGEN_SHARED does not name the folder of reference data"
)
@pytest.mark.parametrize("name", ["pjreddie__darknet__cfg__yolov3.cfg", "AlexeyAB__darknet__cfg__yolov4.cfg"])
def test_the_yolos_are_plain(name: str, shared: Path) -> None:
    loaded: Any = netgen.load_darknet(shared / "corpus/darknet" / name)
    assert {layer.type for layer in loaded.net.layers} <= STOCK
    assert loaded.notes == ()
    assert [head.num for head in loaded.heads] == [3, 3, 3]
