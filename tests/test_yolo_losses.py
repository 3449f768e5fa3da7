"""The losses of MobileNet-YOLO in the mirror: their values and gradients against loops, and by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from netgen.mirror.centred import alike, slopes  # noqa: E402
from tests import yolo_loops  # noqa: E402
from tests.yolo_heads import (  # noqa: E402
    REGION,
    YOLO,
    YOLO_DEFAULTS,
    near_heads,
    one_box,
    passed,
    some_boxes,
    some_head,
)


@pytest.mark.parametrize("bias_match", [0, 1])
@pytest.mark.parametrize("rescore", [0, 1])
def test_region_loss_against_loops(bias_match: int, rescore: int) -> None:
    fields = {**REGION, "bias_match": bias_match, "rescore": rescore}
    for seed in range(3):
        boxes = some_boxes(seed)
        boxes[2, 1, 3:] = 0.2, -0.1
        head = near_heads(some_head(seed, 3, 4, 5, 5), boxes, fields)
        loss, grad = yolo_loops.region(head, boxes, fields)
        got, got_grad = passed("RegionLoss", (head, boxes), **fields)
        np.testing.assert_allclose(got_grad, grad, rtol=1e-9, atol=1e-12)
        assert got == pytest.approx(loss, rel=1e-12, nan_ok=True)


CASES: list[dict[str, Any]] = [
    {},
    {"use_logic_gradient": True, "label_smooth_eps": 0.0},
    {"use_focal_loss": True, "iou_thresh": 1.0},
    *({"iou_loss": kind} for kind in ("IOU", "GIOU", "DIOU", "CIOU")),
    {"iou_loss": "GIOU", "accumulate": False, "iou_thresh": 0.1, "use_logic_gradient": True},
    {"iou_loss": "CIOU", "max_delta": 0.05, "iou_thresh": 0.2, "use_focal_loss": True},
    {"iou_loss": "DIOU", "thresh": 0.6, "iou_thresh": 0.3, "label_smooth_eps": 0.4, "use_logic_gradient": True},
]


@pytest.mark.parametrize("own", CASES, ids=str)
def test_yolov3_against_loops(own: dict[str, Any]) -> None:
    fields = {**YOLO, **own}
    ignored = 0
    for seed in range(3):
        boxes = some_boxes(seed)
        head = near_heads(some_head(seed, 3, 4, 6, 5), boxes, fields)
        loss, grad = yolo_loops.Yolo3(head, boxes, YOLO_DEFAULTS | fields).run()
        got, got_grad = passed("Yolov3", (head, boxes), **fields)
        np.testing.assert_allclose(got_grad, grad, rtol=1e-9, atol=1e-12)
        assert got == pytest.approx(loss, rel=1e-12)
        ignored += int((grad.reshape(3, 3, 9, 6, 5)[:, :, 4] == 0).sum())
    assert ignored  # some are like the truth without being a match


@pytest.mark.parametrize("weighted", [False, True])
def test_yolo_seg_against_loops(weighted: bool) -> None:
    draw = np.random.default_rng(3)
    head, targets = draw.normal(0, 2, (2, 3, 4, 5)), draw.choice([0.0, 0.4, 0.6, 1.0], (2, 3, 4, 5))
    weights = targets.sum((2, 3)) if weighted else None
    loss, grad = yolo_loops.segmentation(head, targets, weights, 0.3)
    got, got_grad = passed("YoloSeg", [head, targets, *([] if weights is None else [weights])], object_scale=0.3)
    np.testing.assert_allclose(got_grad, grad, rtol=1e-12)
    assert got == pytest.approx(loss, rel=1e-12)


def test_region_loss_by_hand() -> None:
    # One place, one anchor of the image's size, codes 0: sigmoids 0.5, softmax of two classes 0.5, a box that fits.
    fields: dict[str, Any] = {"num": 1, "num_class": 2, "biases": [1.0] * 10, "object_scale": 5.0, "coord_scale": 3.0}
    fields |= {"noobject_scale": 2.0, "thresh": 0.6}
    head = np.zeros((1, 7, 1, 1))
    loss, grad = passed("RegionLoss", (head, one_box(1, 0.5, 0.5, 1, 1)), **fields)
    # Objectness 5 (1 - 0.5) 0.25, class 0 - 0.5 and 1 - 0.5.
    assert grad.flatten().tolist() == [0, 0, 0, 0, -0.625, 0.5, -0.5]
    assert loss == 0.625**2 + 0.5
    # Half as wide and further right: x is 0.75 - 0.5 off, width by log 0.5, the overlap is 0.5.
    _, grad = passed("RegionLoss", (head, one_box(0, 0.75, 0.5, 0.5, 1)), **fields)
    want = [-3 * 0.25 * 0.25, 0, 3 * math.log(2), 0, 0, -0.5, 0.5]
    np.testing.assert_allclose(grad.flatten(), want, atol=1e-15)
    # Without rescore it counts 2 - 0.5 times, and the aim is 1.
    _, grad = passed("RegionLoss", (head, one_box(0, 0.75, 0.5, 0.5, 1)), **fields, rescore=0)
    want = [-4.5 * 0.25 * 0.25, 0, 4.5 * math.log(2), 0, -0.625, -0.5, 0.5]
    np.testing.assert_allclose(grad.flatten(), want, atol=1e-15)
    # No box: 2 (0.5 - 0) 0.25; two images of it halve what each passes.
    loss, grad = passed("RegionLoss", (np.zeros((2, 7, 1, 1)), np.zeros((2, 3, 5))), weight=4.0, **fields)
    assert grad.flatten().tolist() == [0, 0, 0, 0, 0.5, 0, 0] * 2
    assert loss == 0.25**2


def test_yolov3_by_hand() -> None:
    # One place, codes 0, an anchor of half the image, which fits the box: 1 class, 0.95 wanted of 0.5.
    fields: dict[str, Any] = {
        "num": 1,
        "num_class": 1,
        "biases": [16.0, 16.0],
        "mask": [0],
        "thresh": 0.5,
        "coord_scale": 5.0,
    }
    head = np.zeros((1, 6, 1, 1))
    loss, grad = passed("Yolov3", (head, one_box(0, 0.5, 0.5, 0.5, 0.5)), **fields)
    np.testing.assert_allclose(grad.flatten(), [0, 0, 0, 0, -0.5, -0.45])
    assert loss == pytest.approx(0.25 + 0.45**2)
    # A box half as wide: log 0.5 off, 5 (2 - 0.125) times.
    thin = one_box(0, 0.5, 0.5, 0.25, 0.5)
    _, grad = passed("Yolov3", (head, thin), **fields)
    np.testing.assert_allclose(grad.flatten(), [0, 0, 9.375 * math.log(2), 0, -0.5, -0.45])
    # IOU is 0.125 / 0.25. Its slopes along top, bottom, left and right are 1, -1, 1, -1, so that both sides have -2,
    # a quarter of which is written; GIOU adds -2 and 2 to the first two, as the box around both is no wider.
    for kind, height in (("IOU", 0.5), ("GIOU", -0.5)):
        loss, grad = passed("Yolov3", (head, thin), **fields, iou_loss=kind)
        np.testing.assert_allclose(grad.flatten(), [0, 0, 0.5, height, -0.5, -0.45], atol=1e-15)
        assert loss == pytest.approx(0.25 + 0.45**2 + 0.25 * 0.5)
    # The slope of a sigmoid, 0.25, and 2 for objects.
    _, grad = passed("Yolov3", (head, thin), **fields, use_logic_gradient=True, object_scale=2.0)
    np.testing.assert_allclose(grad.flatten(), [0, 0, 9.375 * math.log(2), 0, -0.25, -0.1125])


def test_a_place_with_two_boxes_keeps_the_classes_of_the_first() -> None:
    fields: dict[str, Any] = {
        "num": 1,
        "num_class": 3,
        "biases": [16.0, 16.0],
        "mask": [0],
        "label_smooth_eps": 0.0,
        "class_scale": 2.0,
    }
    boxes = np.array([[[0, 0.5, 0.5, 0.5, 0.5], [2, 0.5, 0.5, 0.5, 0.5]]])
    for kind, times in (("MSE", 1), ("IOU", 2)):
        boxes[0, :, 3] = 0.25
        _, grad = passed("Yolov3", (np.zeros((1, 8, 1, 1)), boxes), **fields, iou_loss=kind)
        assert grad.flatten()[5:].tolist() == [-1, 1, -1]
        _, once = passed("Yolov3", (np.zeros((1, 8, 1, 1)), boxes[:, :1]), **fields, iou_loss=kind)
        np.testing.assert_allclose(grad[0, :4], times * once[0, :4])


@pytest.mark.parametrize("mask", [[1], [0, 1]], ids=str)
def test_a_box_more_than_like_the_truth(mask: list[int]) -> None:
    # Both boxes are the anchor in the middle of a place; rounding leaves an overlap above 1. A second anchor is the
    # same: alone in the mask it answers for none.
    fields = {**YOLO, "num": len(mask), "mask": mask, "use_logic_gradient": True, "iou_thresh": 1.0}
    head, found = np.zeros((1, 9 * len(mask), 3, 3)), 0
    for side in range(5, 200):
        box = 0.5, 2.5 / 3, side / 48, (side + 3) / 48
        if yolo_loops.overlap(box, box) > 1:
            fields["biases"] = (side, side + 3) * 2
            loss, grad = yolo_loops.Yolo3(head, one_box(2, *box), YOLO_DEFAULTS | fields).run()
            got, got_grad = passed("Yolov3", (head, one_box(2, *box)), **fields)
            np.testing.assert_allclose(got_grad, grad, rtol=1e-9, atol=1e-12)
            assert got == pytest.approx(loss)
            assert got_grad[0, 7, 2, 1] < 0
            found += 1
    assert found


@pytest.mark.parametrize("kind", ["IOU", "GIOU", "DIOU", "CIOU"])
def test_measures_and_slopes_of_boxes_that_meet_and_of_others(kind: str) -> None:
    draw = np.random.default_rng(4)
    pairs = np.concatenate([draw.uniform(0, 1, (300, 2, 2)), draw.uniform(0.05, 0.6, (300, 2, 2))], 2)
    pairs[:10, 1] = pairs[:10, 0]
    pairs[10:20, 1, 2:] = pairs[10:20, 0, 2:]
    # So thin that both edges are one number.
    pairs[20:30, 0, 2], pairs[25:35, 0, 3] = 1e-19, 1e-19
    found, truth = torch.from_numpy(pairs).unbind(1)
    each: Any = [tuple(map(tuple, pair)) for pair in pairs.tolist()]
    assert 50 < sum(yolo_loops.overlap(*pair) == 0 for pair in each) < 250
    measures = np.array([yolo_loops.measure(pair[0], pair[1], kind) for pair in each])
    np.testing.assert_allclose(alike(found, truth, kind), measures, rtol=1e-9, atol=1e-12)
    grown = np.array([yolo_loops.slope(pair[0], pair[1], kind) for pair in each])
    np.testing.assert_allclose(slopes(found, truth, kind), grown, rtol=1e-9, atol=1e-9)


def test_sides_that_are_no_numbers() -> None:
    fields: dict[str, Any] = {"num": 1, "num_class": 1, "biases": [16.0, 16.0], "mask": [0], "iou_loss": "DIOU"}
    head, boxes = np.zeros((1, 6, 1, 1)), one_box(0, 0.4, 0.5, 0.5, 0.5)
    # Infinitely wide: no slope has a value, and none is written.
    head[0, 2] = 800
    _, grad = passed("Yolov3", (head, boxes), **fields)
    np.testing.assert_allclose(grad.flatten(), [0, 0, 0, 0, -0.5, -0.45])
    # Sides of 0 are 1 for the slopes, which they leave nothing of their own.
    head[0, 2:4] = -800
    _, grad = passed("Yolov3", (head, boxes), **fields)
    x, y, *_ = yolo_loops.slope((0.5, 0.5, 1.0, 1.0), (0.4, 0.5, 0.5, 0.5), "DIOU")
    np.testing.assert_allclose(grad.flatten(), [-0.25 * x, -0.25 * y, 0, 0, -0.5, -0.45], atol=1e-15)
    assert x


def test_single_precision_is_near() -> None:
    for type_, fields, loops in (("RegionLoss", REGION, yolo_loops.region), ("Yolov3", YOLO, None)):
        boxes = some_boxes(5)
        head = near_heads(some_head(5, 3, 4, 5, 5), boxes, fields)
        every = YOLO_DEFAULTS | {"bias_match": 1, "rescore": 1} | fields
        loss, grad = loops(head, boxes, every) if loops else yolo_loops.Yolo3(head, boxes, every).run()
        got, got_grad = passed(type_, (head.astype(np.float32), boxes.astype(np.float32)), **fields)
        np.testing.assert_allclose(got_grad, grad, rtol=1e-4, atol=1e-5)
        assert got == pytest.approx(loss, rel=1e-5)
