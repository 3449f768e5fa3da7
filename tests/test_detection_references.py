"""Darknet, YOLO and SSD networks against files and numbers that nobody here made."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import netgen
from netgen.comparison import Comparison, compare

Change = tuple[str, str, Any, Any]

# Darknet itself


@pytest.mark.parametrize(
    ("cfg", "name", "args"),
    [
        ("pjreddie__darknet__cfg__darknet19.cfg", "darknet19", {}),
        ("pjreddie__darknet__cfg__darknet53.cfg", "darknet53", {}),
        ("AlexeyAB__darknet__cfg__yolov2.cfg", "yolov2", {}),
        ("pjreddie__darknet__cfg__yolov2-tiny.cfg", "yolov2_tiny", {}),
        ("pjreddie__darknet__cfg__yolov3.cfg", "yolov3", {"size": 608}),
        ("pjreddie__darknet__cfg__yolov3-voc.cfg", "yolov3", {"size": 416, "classes": 20}),
        ("pjreddie__darknet__cfg__yolov3-tiny.cfg", "yolov3_tiny", {}),
        ("pjreddie__darknet__cfg__yolov3-spp.cfg", "yolov3_spp", {}),
    ],
)
def test_each_section_has_the_shape_that_darknet_gives_it(
    shared: Path, cfg: str, name: str, args: dict[str, Any]
) -> None:
    cfgs = json.loads((shared / "truth" / "darknet" / "shapes.json").read_text(encoding="utf-8"))["cfgs"]
    truth = next(each for each in cfgs if each["file"] == cfg)
    net = netgen.build(name, **args, **({"upsample": "Upsample"} if "v3" in name else {}))
    analysis = netgen.analyze(net)
    assert analysis.inputs["data"] == (1, *truth["net"]["input"])
    blobs = {top.rpartition("-")[0]: shape for top, shape in analysis.blobs.items()}  # of a number's layers, the last
    check_joins(net, shared / "corpus" / "darknet" / cfg)
    compared = 0
    for section in truth["layers"]:
        shape = blobs.get(f"layer{section['i'] + 1}")
        if shape is not None and section["type"] not in ("softmax", "avgpool"):  # Darknet's are flat
            assert shape == (1, *section["out"]), section
            compared += 1
        elif shape is None:
            # What needs no layer in Caffe: heads, and routes back to one earlier layer.
            assert section["type"] in ("yolo", "region", "route"), section
    assert compared > 12
    # The weights file holds all but BatchNorm's factor, behind a header of 20 bytes; BFLOPs count two a multiply-add.
    totals = analysis.totals()
    norms = sum(layer.type == "BatchNorm" for layer in net.layers)
    assert 20 + 4 * (totals["weights"] + totals["statistics"] - norms) == truth["weights_bytes"]
    if truth["build"] == "pjreddie":
        # bflops are float32 sums of float32 products.
        assert 2 * totals["macs"] / 1e9 == pytest.approx(truth["bflops_total"], rel=1e-6)


def check_joins(net: netgen.Net, cfg: Path) -> None:
    """Each route and shortcut of a cfg joins the layers of its sections, in its order."""
    sections: list[list[str]] = []
    for line in cfg.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].replace(" ", "")
        if text.startswith("["):
            sections.append([text])
        elif text:
            sections[-1].append(text)
    joins = 0
    read: dict[int, list[int]] = {}
    for i, (kind, *fields) in enumerate(sections[1:]):
        wanted = next((each.partition("=")[2] for each in fields if each.startswith(("layers=", "from="))), "")
        sources = [int(each) + i if int(each) < 0 else int(each) for each in wanted.split(",") if each]
        if len(sources) == 1 and kind == "[route]":
            read[i] = read.get(sources[0], sources)  # a copy, which has no layer
        elif sources:
            read[i] = [i - 1, *sources] if kind == "[shortcut]" else sources
            names = [name for name in (layer.name for layer in net.layers) if name.startswith(f"layer{i + 1}-")]
            bottoms = [int(each.split("-")[0][5:]) - 1 for each in net.layers[names[-1]].bottoms]
            assert sorted(bottoms) == sorted(read[i]), sections[i + 1]
            assert kind == "[shortcut]" or bottoms == read[i], sections[i + 1]  # a sum has no order
            joins += 1
    assert joins == sum(layer.type in ("Eltwise", "Concat") for layer in net.layers)


# Caffe files


def changes(found: Comparison) -> list[Change]:
    """The fields that differ, each once: the type, the path, the old and the new value."""
    fields: dict[Change, None] = {}
    for change in found.changed:
        for each in change.fields:
            fields[change.old.type, each.path, each.old, each.new] = None
    return list(fields)


def read(shared: Path, file: str, edit: Callable[[str], str] = str) -> netgen.Net:
    return netgen.parse_prototxt(edit((shared / "corpus" / "caffe" / f"{file}.prototxt").read_text(encoding="utf-8")))


def names(layers: tuple[netgen.Layer, ...]) -> list[str]:
    return [layer.name for layer in layers]


def check_deploy(found: Comparison) -> None:
    """The same layers in the same order, but that the input is a layer; the same shapes and cost."""
    assert (names(found.removed), names(found.added), found.moved) == ([], ["data"], ())
    assert (found.shapes, found.costs, found.errors) == ((), (), ("", ""))


VOC = "intel__caffe__models__intel_optimized_models__ssd__VGGNet__VOC0712__SSD_300x300__deploy"
COCO = "intel__caffe__models__intel_optimized_models__ssd__VGGNet__coco__SSD_300x300__deploy"


def test_ssd300_is_the_published_file(shared: Path) -> None:
    found = compare(read(shared, VOC), netgen.build("ssd300_vgg16"))
    check_deploy(found)
    assert changes(found) == []


def test_ssd300_for_coco_is_the_published_file_but_for_its_results_folder(shared: Path) -> None:
    net = netgen.build("ssd300_vgg16", classes=81, scales=(7, 15, 33, 51, 69, 87, 105))
    found = compare(read(shared, COCO), net)
    check_deploy(found)
    paths = {path for _, path, _, _ in changes(found)}
    assert {path.split(".")[1] for path in paths} == {"save_output_param"}


def without_fractions(found: Comparison) -> list[Change]:
    """The fields that differ, but for the sizes of priors, which must differ in what Caffe drops alone."""
    priors = [each for each in changes(found) if each[0] == "PriorBox"]
    assert {path for _, path, _, _ in priors} == {"prior_box_param.min_size", "prior_box_param.max_size"}
    assert all(new == tuple(map(int, old)) for _, _, old, new in priors)
    return [each for each in changes(found) if each not in priors]


def test_pelee_is_the_published_file_but_for_fractions(shared: Path) -> None:
    found = compare(read(shared, "Robert-JunWang__Pelee__model__voc__deploy_merged"), netgen.build("pelee_ssd"))
    check_deploy(found)
    assert without_fractions(found) == []


def test_pelee_before_folding_is_a_published_file_but_for_fractions_and_decays(shared: Path) -> None:
    old = read(shared, "eric612__MobileNet-YOLO__models__pelee__deploy")
    scales = (10, 20, 37, 54, 71, 88, 105)
    found = compare(old, netgen.build("pelee_ssd", folded=False, classes=11, eps=1e-3, scales=scales))
    # That file goes on with a second head, which segments.
    assert names(found.removed)[:3] == ["upsample", "upsample/sum", "seg_conv1"]
    assert {name.split("/")[0].rstrip("123") for name in names(found.removed)} == {"upsample", "seg_conv", "sigmoid"}
    assert (names(found.added), found.moved, found.shapes) == (["data"], (), ())
    assert without_fractions(found) == [
        ("Scale", "param[0].decay_mult", 0.0, 1.0),
        ("Scale", "param[1].decay_mult", 0.0, 1.0),
    ]


def test_mobilenet_ssd_is_the_published_template_but_for_names_and_decays(shared: Path) -> None:
    def filled(text: str) -> str:
        return text.replace("cls3x", "63").replace("cls6x", "126").replace("cls1x", "21")

    old = read(shared, "chuanqi305__MobileNet-SSD__template__MobileNetSSD_deploy_template", filled)
    found = compare(old, netgen.build("mobilenet_ssd", folded=False))
    # The template renames the scores' convolutions, to be trained anew; their tops keep the names.
    renamed = [name.removesuffix("_new") for name in names(found.removed)]
    assert names(found.added) == ["data", *renamed]
    assert len(renamed) == 6
    assert (found.moved, found.shapes, found.costs, found.errors) == ((), (), (), ("", ""))
    assert changes(found) == [
        ("Scale", "param[0].decay_mult", 0.0, 1.0),
        ("Scale", "param[1].lr_mult", 2.0, 1.0),
        ("Scale", "param[1].decay_mult", 0.0, 1.0),
    ]


def test_mobilenet_ssd_folded_is_the_published_file_but_for_its_video(shared: Path) -> None:
    old = read(shared, "BVLC__caffe__examples__mobilenet_ssd__MobileNetSSD_video_example@2d456551")
    found = compare(old, netgen.build("mobilenet_ssd"))
    assert (names(found.removed), names(found.added), found.moved) == (["data", "slience"], [], ())
    differing = {path.split(".")[0] for kind, path, _, _ in changes(found) if kind == "DetectionOutput"}
    assert differing == {"bottom", "detection_output_param"}  # a video beside it, and where to save its results
    assert [each for each in changes(found) if each[0] not in ("VideoData", "DetectionOutput")] == [
        ("Convolution", "convolution_param.engine", "DEFAULT", "CAFFE")
    ]


FROZEN = [
    ("BatchNorm", f"param[{i}].{name}", 1.0, 0.0) for i in range(3) for name in ("lr_mult", "decay_mult")
]  # fmt: skip
DARKNET = "eric612__MobileNet-YOLO__models__darknet_yolov3__"


@pytest.mark.parametrize(
    ("file", "name", "removed"),
    [
        ("yolov3", "yolov3", ["layer83-yolo", "layer84-route", "layer95-yolo", "layer96-route"]),
        (
            "yolov3-spp",
            "yolov3_spp",
            ["layer80-route", "layer82-route", "layer90-yolo", "layer91-route", "layer102-yolo", "layer103-route"],
        ),
    ],
)
def test_yolov3_is_a_converted_file_without_its_copies(shared: Path, file: str, name: str, removed: list[str]) -> None:
    old = read(shared, DARKNET + file, lambda text: text.replace('"layer114-yolo"', '"detection_out"'))
    found = compare(old, netgen.build(name, upsample="Upsample", detection=True))
    # It has a Concat of one bottom for each route back and each yolo section but the last.
    assert names(found.removed) == removed
    assert {layer.type for layer in found.removed} == {"Concat"}
    assert (set(names(found.added)) <= {"data"}, found.moved, found.shapes) == (True, (), ())
    assert {change.path for change in found.costs} == {"activation_bytes"}
    copied = {layer.tops[0]: layer.bottoms[0] for layer in found.removed}
    rewired = [each for each in changes(found) if each[1] == "bottom"]
    assert len(rewired) == {"yolov3": 3, "yolov3_spp": 5}[name]
    for _, _, old_bottoms, new_bottoms in rewired:
        assert tuple(copied.get(bottom, bottom) for bottom in old_bottoms) == new_bottoms
    assert {each for each in changes(found) if each[1] != "bottom"} == {
        ("BatchNorm", "batch_norm_param.eps", 1e-4, 1e-5),
        *FROZEN,
    }
