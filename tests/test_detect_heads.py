"""Darknet's heads decoded and suppressed, against the boxes that both builds of Darknet gave."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

import netgen
from netgen.darknet import Head
from netgen.mirror.detecting import _beta, inside
from netgen.mirror.heads import Found, decode_heads, nms_sort
from tests.test_yolov3_tiny import darknet_weights

if TYPE_CHECKING:
    from tests.truth import Array

DATA = Path(__file__).with_name("data") / "darknet_boxes.zip"
"""Of each case the cfg, what its heads read, and Darknet's boxes: see README.md of the reference data."""

# Recomputed in float64 the boxes agree to 9e-7 of their largest value (README.md of the data).
TOLERANCE = 2e-6


@cache
def cases() -> dict[str, Any]:
    with zipfile.ZipFile(DATA) as archive:
        rows: dict[str, Any] = json.loads(archive.read("cases.json"))
    return rows


@cache
def case(name: str) -> tuple[netgen.Darknet, dict[str, Array]]:
    with zipfile.ZipFile(DATA) as archive:
        text, data = archive.read(f"{name}.cfg"), archive.read(f"{name}.npz")
    with np.load(io.BytesIO(data)) as arrays:
        values = {key: arrays[key] for key in arrays.files}
    return loaded(text.decode()), values


def loaded(text: str) -> netgen.Darknet:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "net.cfg")
        path.write_text(text, encoding="utf-8")
        return netgen.load_darknet(path)


def size_of(net: netgen.Net) -> tuple[int, int]:
    return netgen.infer_shapes(net)["data"][2:]  # type: ignore[return-value]


def decoded(name: str) -> Found:
    made, arrays = case(name)
    blobs = {head.blob: torch.from_numpy(arrays[f"out:{head.index - 1}"]) for head in made.heads}
    blobs = {blob: values.view(1, *values.shape) if values.dim() == 3 else values for blob, values in blobs.items()}
    row = cases()[name]
    return decode_heads(made.heads, blobs, size_of(made.net), row["thresh"], fork=row["build"] == "alexey")


def rows(found: Found) -> Array:
    return torch.cat([found.boxes, found.objectness[:, None], found.scores], 1).numpy()


def relative(name: str, boxes: Array) -> Array:
    """Of YOLOv1 Darknet gives pixels."""
    if "detection_v1" not in name:
        return boxes
    height, width = size_of(case(name)[0].net)
    return boxes / np.array([width, height, width, height, *[1] * (boxes.shape[1] - 4)], np.float32)


def ordered(boxes: Array) -> Array:
    """By place, which suppression changes nothing of."""
    return boxes[np.lexsort(np.round(boxes[:, :4], 5).T)]


def near(got: Array, wanted: Array) -> bool:
    assert got.shape == wanted.shape
    return bool((np.abs(got - wanted) <= TOLERANCE * np.abs(wanted).max(0)).all())


@pytest.mark.parametrize("name", cases())
def test_boxes(name: str) -> None:
    # Order and all: rows of one place in Darknet's order are compared.
    assert near(rows(decoded(name)), relative(name, case(name)[1]["boxes"]))


@pytest.mark.parametrize("name", cases())
def test_suppression(name: str) -> None:
    got = rows(nms_sort(decoded(name), cases()[name]["nms_thresh"]))
    wanted = relative(name, case(name)[1]["boxes_nms"])
    assert near(ordered(got), ordered(wanted))


def test_most_cases_suppress_something() -> None:
    counts = {name: [(case(name)[1][key][:, 5:] > 0).sum() for key in ("boxes", "boxes_nms")] for name in cases()}
    assert sum(after < before for before, after in counts.values()) == 14


@pytest.mark.parametrize("name", [name for name in cases() if "detection_v1" not in name])
def test_letterbox(name: str) -> None:
    found = decoded(name)
    height, width = size_of(case(name)[0].net)
    image = tuple(cases()[name]["letter_image"])
    got = inside(found.boxes.numpy(), image, (width, height))
    assert near(got, case(name)[1]["boxes_letter"][:, :4])
    assert not near(found.boxes.numpy(), case(name)[1]["boxes_letter"][:, :4])


@pytest.mark.usefixtures("shared")
def test_the_copy_has_all_cases(shared: Path) -> None:
    listed = json.loads((shared / "truth/darknet/forward/cases.json").read_text(encoding="utf-8"))["cases"]
    assert {each["name"] for each in listed if each.get("boxes")} == set(cases())
    assert len(cases()) == 17


@pytest.mark.parametrize("name", cases())
def test_whole_network(shared: Path, name: str) -> None:
    """From the input to the boxes that are left, weights and all."""
    path, row = shared / "truth/darknet/forward" / name, cases()[name]
    with np.load(f"{path}.npz") as arrays:
        image, wanted = arrays["in"], relative(name, arrays["boxes_nms"])
    fork = row["build"] == "alexey"
    made = netgen.load_darknet(f"{path}.cfg", f"{path}.weights")
    detector = netgen.Detector(made, thresh=row["thresh"], nms=row["nms_thresh"], fork=fork)
    detector.beta = None  # the boxes were suppressed by do_nms_sort, whatever nms_kind says
    found = detector(image[None])
    wanted = wanted[wanted[:, 5:].max(1) > 0]
    got = np.concatenate([found.boxes, found.objectness[:, None], found.scores], 1)
    assert (np.diff(found.scores.max(1)) <= 0).all()
    got, wanted = ordered(got), ordered(wanted)
    assert got.shape == wanted.shape
    # pjreddie's CPU code divides by another root of the variance: 1e-4 of a layer's largest value, and exp of it.
    tolerance = 5e-4 if row["build"] == "pjreddie" else 1e-5
    assert (np.abs(got - wanted) <= tolerance * np.maximum(np.abs(wanted), 0.1)).all()


def test_yolov3_tiny(shared: Path) -> None:
    """The network of netgen's, its heads by its anchors, and the best boxes that Darknet finds."""
    truth = json.loads((shared / "truth/darknet/nets/yolov3-tiny.json").read_text(encoding="utf-8"))
    net = netgen.build("yolov3_tiny")
    shapes = {each.layer.name: each.weights for each in netgen.analyze(net).layers}
    convolutions = {int(name[5:-5]) - 1: shape[0][:3] for name, shape in shapes.items() if name.endswith("-conv")}
    blobs = darknet_weights(truth, convolutions)  # type: ignore[arg-type]
    blobs["layer20-upsample"] = [np.ones(shapes["layer20-upsample"][0], np.float32)]
    weights = {
        f"{layer}:{i}": array.reshape(netgen.expected_weights(net)[f"{layer}:{i}"])
        for layer, arrays in blobs.items()
        for i, array in enumerate(arrays)
    }
    image = np.random.RandomState(truth["seed"] - 1).random_sample((3, 416, 416)).astype(np.float32)
    mirror = netgen.to_torch(net, weights=weights)
    heads = netgen.heads("yolov3_tiny")
    with torch.no_grad():
        outputs = mirror(torch.from_numpy(image[None]), blobs=[head.blob for head in heads])
    found = decode_heads(heads, outputs, (416, 416), 0.6)
    wanted = truth["builds"]["alexey"]
    assert len(found.boxes) == wanted["n_boxes_objectness_over_0_6"]
    best = found.objectness.sort(descending=True).indices[:20]
    got = torch.cat([found.boxes[best], found.objectness[best, None]], 1).numpy()
    # Deep layers agree to 1e-4 of their largest value.
    np.testing.assert_allclose(got, wanted["top20_boxes_xywh_obj"], rtol=2e-3, atol=2e-4)


def head_of(kind: str = "yolo", **changes: Any) -> Head:
    fields: dict[str, Any] = {
        "index": 1, "type": kind, "line": 0, "blob": "x", "shape": (7, 1, 1), "classes": 2, "coords": 4, "num": 1,
        "anchors": ((32.0, 64.0),), "mask": (0,), "options": {},
    }  # fmt: skip
    return Head(**{**fields, **changes})


def test_a_box_by_hand() -> None:
    values = torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 9.0, -9.0]).view(1, 7, 1, 1)
    found = decode_heads([head_of()], {"x": values}, (128, 64), 0.4)
    assert found.boxes.tolist() == [[0.5, 0.5, 0.5, 0.5]]
    assert found.objectness.tolist() == [0.5]
    assert found.scores.numpy() == pytest.approx(np.array([[0.49994, 0]]), abs=1e-5)


def test_a_region_head_with_background() -> None:
    """pjreddie's region_layer.c: the softmax takes in the background, which stands in the objectness's place."""
    values = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0])
    options = {"softmax": 1, "background": 1}
    found = decode_heads([head_of("region", options=options)], {"x": values.view(1, 7, 1, 1)}, (64, 64), 0.1)
    whole = np.exp([1, 2, 3]) / np.exp([1, 2, 3]).sum()
    assert found.objectness.tolist() == [1]
    assert found.scores[0].numpy() == pytest.approx(whole[1:])
    fork = decode_heads([head_of("region", options=options)], {"x": values.view(1, 7, 1, 1)}, (64, 64), 0.1, fork=True)
    # AlexeyAB's knows no background.
    assert fork.scores[0].numpy() == pytest.approx(np.exp([2, 3]) / np.exp([2, 3]).sum() / (1 + np.exp(-1)))


def test_yolov1_with_softmax() -> None:
    head = head_of("detection", options={"side": 1, "softmax": 1, "sqrt": 0})
    values = torch.tensor([[1.0, 2.0, 0.5, 0.25, 0.75, 0.5, 0.125]])
    found = decode_heads([head], {"x": values}, (64, 64), 0.1)
    assert found.boxes.tolist() == [[0.25, 0.75, 0.5, 0.125]]
    assert found.scores[0].numpy() == pytest.approx(np.exp([1, 2]) / np.exp([1, 2]).sum() / 2)


def test_the_suppression_that_a_cfg_asks_for() -> None:
    # AlexeyAB's box.c, diounms_sort: box_diou has 0.6 written in it
    for options, power in [
        ({}, None), ({"nms_kind": "default"}, None), ({"nms_kind": "cornersnms", "beta_nms": 0.9}, None),
        ({"nms_kind": "greedynms", "beta_nms": 0.9}, 0.6), ({"nms_kind": "diounms", "beta_nms": 0.9}, 0.9),
    ]:  # fmt: skip
        assert _beta([head_of(), head_of(options=options)]) == power
    assert _beta([]) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU")
@pytest.mark.parametrize("name", cases())
def test_on_a_gpu(name: str) -> None:
    made, arrays = case(name)
    blobs = {head.blob: torch.from_numpy(arrays[f"out:{head.index - 1}"])[None].cuda() for head in made.heads}
    row = cases()[name]
    found = decode_heads(made.heads, blobs, size_of(made.net), row["thresh"], fork=row["build"] == "alexey")
    kept = nms_sort(found, row["nms_thresh"])
    assert all(each.is_cuda for each in kept)
    wanted = rows(nms_sort(decoded(name), row["nms_thresh"]))
    assert near(rows(Found(*(each.cpu() for each in kept))), wanted)


def looped(found: Found, threshold: float, beta: float | None) -> Array:
    """Suppression box by box (box.c, do_nms_sort and diounms_sort)."""
    boxes, scores = found.boxes.double().numpy(), found.scores.numpy().copy()

    def overlap(a: Array, b: Array) -> float:
        low, high = np.maximum(a[:2] - a[2:] / 2, b[:2] - b[2:] / 2), np.minimum(a[:2] + a[2:] / 2, b[:2] + b[2:] / 2)
        met = np.prod(high - low) if (high > low).all() else 0.0
        shared = met / (np.prod(a[2:]) + np.prod(b[2:]) - met)
        if beta is None:
            return float(shared)
        low, high = np.minimum(a[:2] - a[2:] / 2, b[:2] - b[2:] / 2), np.maximum(a[:2] + a[2:] / 2, b[:2] + b[2:] / 2)
        return float(shared - (((a[:2] - b[:2]) ** 2).sum() / ((high - low) ** 2).sum()) ** beta)

    for k in range(scores.shape[1]):
        order = sorted((i for i in range(len(boxes)) if found.objectness[i]), key=lambda i: -found.scores[i, k])
        for place, i in enumerate(order):
            for j in order[place + 1 :] if scores[i, k] else ():
                if overlap(boxes[i], boxes[j]) > threshold:
                    scores[j, k] = 0
    return scores


@pytest.mark.parametrize("beta", [None, 0.6, 1.0])
def test_suppression_box_by_box(beta: float | None) -> None:
    generator = torch.Generator().manual_seed(1)
    boxes = torch.rand(150, 4, generator=generator) * torch.tensor([1, 1, 0.4, 0.4]) + torch.tensor([0, 0, 0.1, 0.1])
    scores = torch.rand(150, 3, generator=generator)
    found = Found(boxes, (torch.arange(150) % 7 > 0).float(), torch.where(scores > 0.2, scores, 0))
    got = nms_sort(found, 0.3, beta=beta).scores.numpy()
    assert (got == looped(found, 0.3, beta)).all()
    assert 0 < (got > 0).sum() < (found.scores > 0).sum()
    assert (got[0] == found.scores[0].numpy()).all()  # of objectness 0


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (head_of("softmax"), "the softmax head of 'x': boxes come from yolo, gaussian_yolo, region, detection, and"),
        (head_of("region", coords=3), "the region head of 'x': a box needs coords=4, got 3"),
        (head_of("region", options={"tree": "9k.tree"}), "scores over a tree of classes are not decoded"),
        (head_of("detection", coords=1, line=9), r"the \[detection\] of line 9: a box needs coords=4, got 1"),
        (head_of(classes=3), r"the yolo head of 'x': reads 8 values of one image, got 7 \(1 x 7 x 1 x 1\); give one"),
        (head_of(classes=0), "the yolo head of 'x': has no classes, so that no box has a score; give it one"),
        (head_of(anchors=()), "the yolo head of 'x': must have 1 anchors, got 0"),
    ],
)
def test_heads_that_give_no_boxes(head: Head, message: str) -> None:
    with pytest.raises(netgen.NetgenError, match=message):
        decode_heads([head], {"x": torch.zeros(1, 7, 1, 1)}, (64, 64), 0.5)


def test_heads_of_different_classes() -> None:
    blobs = {"x": torch.zeros(1, 7, 1, 1), "y": torch.zeros(1, 6, 1, 1)}
    with pytest.raises(netgen.NetgenError, match="all heads must have the same classes, and 'x' has 2, 'y' has 1"):
        decode_heads([head_of(), head_of(blob="y", classes=1)], blobs, (64, 64), 0.5)
    with pytest.raises(netgen.NetgenError, match="and there is none"):
        decode_heads([], {}, (64, 64), 0.5)
