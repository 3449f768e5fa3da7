"""An exported detector is a detector: its heads follow the layers that they read, and find the same boxes."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen
from netgen.cli import main
from netgen.detection.heads import heads_with
from tests.detectors import TINY, picture, tiny
from tests.round_trip import placeless, random_weights

SHARED = os.environ.get("NETGEN_SHARED")
SMALL: dict[str, Any] = {"size": 64, "classes": 3, "width": 0.125}
WORDS = [f"{key}={value}" for key, value in SMALL.items()]
YOLO = ("yolov2", "yolov2_tiny", "yolov3", "yolov3_tiny", "yolov3_spp")


def ran(capsys: pytest.CaptureFixture[str], *words: Any) -> tuple[int, str]:
    code = main([str(word) for word in words])
    return code, capsys.readouterr().err


@pytest.mark.parametrize("name", YOLO)
def test_a_network_of_netgens(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "export", name, *WORDS, "-o", tmp_path / "n") == (0, "")
    made = netgen.load_darknet(tmp_path / "n.cfg")
    net, heads = netgen.build(name, **SMALL), netgen.heads(name, **SMALL)
    assert netgen.analyze(made.net).totals()["macs"] == netgen.analyze(net).totals()["macs"]
    assert [(head.type, head.classes, head.coords, head.num) for head in made.heads] == [
        (head.type, head.classes, head.coords, head.num) for head in heads
    ]
    assert [head.anchors for head in made.heads] == [head.anchors for head in heads]
    assert [head.mask for head in made.heads] == [head.mask for head in heads]
    assert [made.layers[head.index].type for head in made.heads] == [head.type for head in heads]
    if "v2" in name:
        assert {head.options["softmax"] for head in made.heads} == {1}


PUBLISHED = {
    "yolov2": ("AlexeyAB__darknet__cfg__yolov2.cfg", 416),
    "yolov2_tiny": ("pjreddie__darknet__cfg__yolov2-tiny.cfg", 416),
    "yolov3": ("pjreddie__darknet__cfg__yolov3.cfg", 608),
    "yolov3_tiny": ("pjreddie__darknet__cfg__yolov3-tiny.cfg", 416),
    "yolov3_spp": ("pjreddie__darknet__cfg__yolov3-spp.cfg", 608),
}


@pytest.mark.skipif(not SHARED, reason="NETGEN_SHARED does not name the folder of reference data")
@pytest.mark.parametrize("name", YOLO)
def test_the_sections_are_those_that_were_published(name: str, tmp_path: Path) -> None:
    file, size = PUBLISHED[name]
    netgen.export_darknet(netgen.build(name, size=size), tmp_path / "n", heads=netgen.heads(name, size=size))
    ours, theirs = (
        netgen.load_darknet(tmp_path / "n.cfg"),
        netgen.load_darknet(Path(SHARED or "") / "corpus/darknet" / file),
    )
    assert [(layer.type, layer.shape, layer.runs) for layer in ours.layers] == [
        (layer.type, layer.shape, layer.runs) for layer in theirs.layers
    ]
    assert [(head.index, head.mask, head.anchors, head.classes, head.options) for head in ours.heads] == [
        (head.index, head.mask, head.anchors, head.classes, head.options) for head in theirs.heads
    ]


def test_the_sections(tmp_path: Path) -> None:
    netgen.export_darknet(
        netgen.build("yolov3_tiny", **SMALL), tmp_path / "n", heads=netgen.heads("yolov3_tiny", **SMALL)
    )
    text = (tmp_path / "n.cfg").read_text("utf-8")
    anchors = "anchors=10,14,23,27,37,58,81,82,135,169,344,319\nclasses=3\nnum=6\n"
    assert f"activation=linear\n\n[yolo]\nmask=3,4,5\n{anchors}\n[route]\nlayers=13\n\n[conv" in text
    assert text.endswith(f"activation=linear\n\n[yolo]\nmask=0,1,2\n{anchors}")
    netgen.export_darknet(
        netgen.build("yolov2_tiny", **SMALL), tmp_path / "n", heads=netgen.heads("yolov2_tiny", **SMALL)
    )
    assert (tmp_path / "n.cfg").read_text("utf-8").endswith("classes=3\ncoords=4\nnum=5\nsoftmax=1\nbias_match=1\n")


@pytest.mark.parametrize("name", YOLO)
def test_a_layer_that_decodes_tells_the_heads(name: str, tmp_path: Path) -> None:
    for detection in (False, True):
        heads = () if detection else netgen.heads(name, **SMALL)
        net = netgen.build(name, **SMALL, detection=detection)
        assert netgen.export_darknet(net, tmp_path / str(detection), heads=heads) == ()
    assert (tmp_path / "True.cfg").read_text("utf-8") == (tmp_path / "False.cfg").read_text("utf-8")


def test_biases_of_an_input_of_another_width(tmp_path: Path) -> None:
    net = netgen.Net("n").input(1, 3, 32, 32).conv(14, 1, 16, name="c")
    net.yolov3_detection_output(
        ["c"], num_classes=2, num_box=2, biases=[1, 2, 3, 4], mask=[0, 1], mask_group_num=1, anchors_scale=[32]
    )
    netgen.export_darknet(net, tmp_path / "n")
    assert netgen.load_darknet(tmp_path / "n.cfg").heads[0].anchors == ((0.5, 1), (1.5, 2))


def test_a_decoder_that_reads_the_image_too(tmp_path: Path) -> None:
    net = netgen.Net("n").input(1, 3, 8, 8).conv(12, 1, name="c")
    net.yolo_detection_output(["c", "data"], num_classes=1, num_box=2, biases=[1, 2, 3, 4])
    netgen.export_darknet(net, tmp_path / "n")
    (head,) = netgen.load_darknet(tmp_path / "n.cfg").heads
    assert (head.type, head.blob, head.classes, head.anchors) == ("region", "layer1-conv", 1, ((1, 2), (3, 4)))


def test_the_same_boxes(tmp_path: Path) -> None:
    net, weights = tiny()
    heads = netgen.heads("yolov3_tiny", **TINY)
    netgen.export_darknet(net, tmp_path / "n", weights, heads=heads)
    again = netgen.load_darknet(tmp_path / "n.cfg", tmp_path / "n.weights")
    first, second = (
        netgen.detect(net, picture(), weights, heads=heads, thresh=0.2),
        netgen.detect(again, picture(), thresh=0.2),
    )
    assert len(first) > 10
    np.testing.assert_array_equal(second.scores, first.scores)
    np.testing.assert_array_equal(second.boxes, first.boxes)


CONV = "[conv]\nfilters={}\nsize=3\nstride=2\npad=1\nbatch_normalize=1\nactivation=mish\n[conv]\nfilters={}\nactivation=linear\n"
NET = "[net]\nwidth=16\nheight=16\nchannels=3\n"
HEADS = {
    "yolo": CONV.format(4, 18)
    + "[yolo]\nmask=1,2\nanchors=1,2, 3,4, 5,6.5\nnum=3 # of two\nclasses=4\nscale_x_y=1.1\nnms_kind=diounms\njitter=.3\n",
    "new_coords": CONV.format(4, 18) + "[yolo]\nmask=0,1,2\nanchors=3,4,1,2,5,6\nnum=3\nclasses=1\nnew_coords=1\nbeta_nms=.7\n",
    "gaussian": CONV.format(4, 20) + "[Gaussian_yolo]\nmask=0,1\nanchors=3,4,5,6\nnum=2\nclasses=1\nuc_normalizer=1\n",
    "region": CONV.format(4, 14) + "[region]\nanchors=.5,1,1.5,2\nnum=2\nclasses=2\nsoftmax=1\nrescore=1\nbias_match=1\n",
    "region of logistics": CONV.format(4, 14) + "[region]\nanchors=.5,1,1.5,2\nnum=2\nclasses=2\ncoords=4\nthresh=.6\n",
    "detection": "[conn]\noutput=48\nactivation=linear\n[detection]\nside=2\nnum=2\nclasses=2\ncoords=4\nsqrt=1\nsoftmax=1\nrescore=1\n",
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_a_head_of_a_cfg(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg, weights = tmp_path / "a.cfg", tmp_path / "a.weights"
    cfg.write_text(NET + HEADS[name], encoding="utf-8")
    weights.write_bytes(random_weights(netgen.load_darknet(cfg)))
    assert ran(capsys, "export", cfg, "--weights", weights, "-o", tmp_path / "b") == (0, "")
    assert (tmp_path / "b.weights").read_bytes() == weights.read_bytes()
    first, second = (netgen.load_darknet(tmp_path / f"{each}.cfg", tmp_path / f"{each}.weights") for each in "ab")
    assert placeless(second.heads) == placeless(first.heads)
    assert second.header == first.header == (0, 2, 5, 32013312, 20)
    image = np.random.RandomState(1).rand(1, 3, 16, 16).astype(np.float32)
    found = [netgen.detect(each, image, thresh=0) for each in (first, second)]
    assert len(found[0]) > 0
    np.testing.assert_array_equal(found[1].boxes, found[0].boxes)
    np.testing.assert_array_equal(found[1].scores, found[0].scores)


def test_anchors_that_cannot_be_numbered_together(tmp_path: Path) -> None:
    net = netgen.Net("n").input(1, 3, 16, 16).conv(14, 1, name="a")
    (head,) = heads_with(net, [1, 2, 3, 4])
    netgen.export_darknet(net, tmp_path / "n", heads=[replace(head, mask=(4, 7))])
    assert "[yolo]\nmask=0,1\nanchors=1,2,3,4\nclasses=2\nnum=2\n" in (tmp_path / "n.cfg").read_text("utf-8")


NOTE = (
    "note: output 'layer16-conv' and 1 more: no [yolo] or [region] follows it in the cfg; if it is a detector's, give its "
    "anchors (--anchors), or the cfg that has its heads (--heads)\n"
)


def test_a_prototxt_is_told_its_heads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net, path = netgen.build("yolov3_tiny", **SMALL), tmp_path / "n.prototxt"
    net.save(path)
    assert ran(capsys, "export", path, "-o", tmp_path / "n") == (0, NOTE)
    assert netgen.load_darknet(tmp_path / "n.cfg").heads == ()
    anchors = "10,14,23,27,37,58,81,82,135,169,344,319"
    assert ran(capsys, "export", path, "--anchors", anchors, "-o", tmp_path / "n") == (0, "")
    made = netgen.load_darknet(tmp_path / "n.cfg")
    assert [head.mask for head in made.heads] == [(3, 4, 5), (0, 1, 2)]
    # The heads of another cfg, with all its keys, and the classes of this network.
    text = (
        (tmp_path / "n.cfg").read_text("utf-8").replace("classes=3\n", "classes=1\nscale_x_y=1.05\nignore_thresh=.6\n")
    )
    (tmp_path / "old.cfg").write_text(text.replace("filters=24\n", "filters=18\n"), encoding="utf-8")
    assert ran(capsys, "export", path, "--heads", tmp_path / "old.cfg", "-o", tmp_path / "n") == (0, "")
    assert [(head.classes, head.options["scale_x_y"], head.training["ignore_thresh"]) for head in
            netgen.load_darknet(tmp_path / "n.cfg").heads] == [(3, 1.05, ".6")] * 2  # fmt: skip


def test_an_import_and_an_export_with_the_heads_of_the_cfg(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cfg = tmp_path / "old.cfg"
    cfg.write_text(NET + HEADS["yolo"], encoding="utf-8")
    assert ran(capsys, "import", cfg, "-o", tmp_path / "n") == (
        0, f"note: {cfg}: the prototxt ends before its heads, [yolo]; detect and export --heads read them here\n",
    )  # fmt: skip
    assert ran(capsys, "export", tmp_path / "n.prototxt", "--heads", cfg, "-o", tmp_path / "new") == (0, "")
    assert (
        (tmp_path / "new.cfg")
        .read_text("utf-8")
        .endswith(
            "[yolo]\nmask=1,2\nanchors=1,2,3,4,5,6.5\nclasses=4\nnum=3\nscale_x_y=1.1\nnms_kind=diounms\njitter=.3\n"
        )
    )


def test_what_heads_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, cfg = tmp_path / "n.prototxt", tmp_path / "t.cfg"
    netgen.build("yolov3_tiny", **SMALL).save(path)
    cfg.write_text(NET + HEADS["yolo"], encoding="utf-8")
    rest = ("-o", tmp_path / "n")
    assert ran(capsys, "export", path, "--anchors", "1,2,3", *rest) == (
        2, "netgen: anchors must be widths and heights in turn, an even number, got [1.0, 2.0, 3.0]\n",
    )  # fmt: skip
    assert ran(capsys, "export", path, "--region", *rest) == (
        2,
        "netgen: --region: this tells what --anchors are; give them\n",
    )
    assert ran(capsys, "export", path, "--heads", cfg, *rest) == (
        2, "netgen: the outputs must be as many as the heads, 1, got 'layer16-conv' 1x24x2x2, 'layer23-conv' 1x24x4x4\n",
    )  # fmt: skip
    assert ran(capsys, "export", cfg, "--anchors", "1,2", *rest) == (
        2, f"netgen: {cfg}: a cfg says its anchors and takes no parameters; leave anchors out\n",
    )  # fmt: skip
    assert ran(capsys, "export", path, "--heads", cfg, "--anchors", "1,2", *rest) == (
        2, "netgen: --heads: these have anchors; leave --anchors out\n",
    )  # fmt: skip
    cfg.write_text(NET + "[avgpool]\n", encoding="utf-8")
    assert ran(capsys, "export", path, "--heads", cfg, *rest) == (
        2, f"netgen: {cfg}: has no [yolo], [region] or [detection]; give the cfg of a detector\n",
    )  # fmt: skip
    with pytest.raises(
        netgen.NetgenError,
        match=r"^the yolo head of 'layer16-conv': the net has no such blob; give the heads of this net",
    ):
        netgen.export_darknet(netgen.build("lenet"), tmp_path / "n", heads=netgen.heads("yolov3_tiny", **SMALL))
    assert not (tmp_path / "n.cfg").exists()


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (struct.pack("<3iI", 0, 1, 0, 77), (0, 2, 0, 77)),
        (struct.pack("<3iQ", 0, 2, 5, 1 << 40), (0, 2, 5, 1 << 40)),
        (struct.pack("<3iQ", 0, 1001, 5, 3), (0, 2, 0, 3)),
    ],
)
def test_the_header_comes_back_in_todays_form(header: bytes, wanted: tuple[int, ...], tmp_path: Path) -> None:
    (tmp_path / "a.cfg").write_text(NET + CFG_SMALL, encoding="utf-8")
    data = np.arange(4, dtype="<f4").tobytes()
    (tmp_path / "a.weights").write_bytes(header + data)
    made = netgen.load_darknet(tmp_path / "a.cfg", tmp_path / "a.weights")
    netgen.export_darknet(made, tmp_path / "b")
    assert (tmp_path / "b.weights").read_bytes() == struct.pack("<3iQ", *wanted) + data


CFG_SMALL = "[conv]\nactivation=linear\n"
