"""Detections: suppression, DetectionOutput and the YOLO heads against loops; what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import netgen  # noqa: E402
from netgen.errors import NetgenError  # noqa: E402
from netgen.mirror import Mirror, to_torch  # noqa: E402
from netgen.mirror.boxes import BLOCK, decode, encode, overlaps, ranked, suppress  # noqa: E402

Array = Any
F = np.float32


def mirror(type_: str, shapes: Sequence[tuple[int, ...]], **fields: Any) -> Mirror:
    net = netgen.Net()
    names = [f"x{i}" for i in range(len(shapes))]
    for name, shape in zip(names, shapes, strict=True):
        net.layer("Input", name=name, shape=[{"dim": shape}])
    return to_torch(net.layer(type_, name="it", bottom=names, top=["y"], **fields))


def greedy(boxes: Array, threshold: float, eta: float = 1.0, *, inclusive: bool = False) -> list[int]:
    """ApplyNMSFast for boxes in falling order."""
    shared = overlaps(torch.from_numpy(boxes), torch.from_numpy(boxes)).numpy()
    kept: list[int] = []
    limit = F(threshold)
    for i in range(len(boxes)):
        worst = max((shared[i, j] for j in kept), default=F(-1))
        if worst < limit or (worst == limit and not inclusive):
            kept.append(i)
            if eta < 1 and limit > 0.5:
                limit *= F(eta)
    return kept


def some_boxes(number: int, seed: int = 0) -> Array:
    draw = np.random.default_rng(seed)
    low = draw.uniform(0, 0.7, (number, 2))
    return np.concatenate([low, low + draw.uniform(0.05, 0.5, (number, 2))], 1).astype(F)


@pytest.mark.parametrize(("threshold", "eta"), [(0.3, 1.0), (0.0, 1.0), (0.9, 0.97), (0.7, 0.5)])
def test_suppression_keeps_what_the_greedy_loop_keeps(threshold: float, eta: float) -> None:
    rows = np.stack([some_boxes(3 * BLOCK + 7, seed) for seed in range(3)])
    counted = torch.ones(rows.shape[:2], dtype=torch.bool)
    counted[1, 100:] = False
    kept = suppress(torch.from_numpy(rows), counted, threshold, eta=eta)
    for row, there, got in zip(rows, counted, kept, strict=True):
        assert got.nonzero().flatten().tolist() == greedy(row[: int(there.sum())], threshold, eta)


def test_a_chain_in_which_each_box_depends_on_the_one_before() -> None:
    left = np.arange(2 * BLOCK, dtype=F) * 0.25
    boxes = np.stack([left, 0 * left, left + 1, 0 * left + 1], 1)
    kept = suppress(torch.from_numpy(boxes)[None], torch.ones(1, len(boxes), dtype=torch.bool), 0.5)[0]
    assert kept.nonzero().flatten().tolist() == greedy(boxes, 0.5) == list(range(0, 2 * BLOCK, 2))


def test_overlaps_of_boxes_apart_touching_inside_out_and_in_pixels() -> None:
    one = torch.tensor([[0.0, 0, 4, 4]])
    others = torch.tensor([[5.0, 5, 6, 6], [4, 0, 8, 4], [3, 3, 1, 1], [0, 2, 4, 6], [0, 0, 4, 4]])
    torch.testing.assert_close(overlaps(one, others)[0], torch.tensor([0, 0, 0, 8 / 24, 1]))
    # 5x5 pixels; one row of 5 is shared with the second, 15 of 35 with the fourth.
    pixels = overlaps(one, others[[0, 1, 3, 4]], pixels=True)[0]
    torch.testing.assert_close(pixels, torch.tensor([0, 5 / 45, 15 / 35, 1]))


@pytest.mark.parametrize("code_type", ["CORNER", "CENTER_SIZE", "CORNER_SIZE"])
@pytest.mark.parametrize("in_target", [False, True])
def test_decoding_undoes_encoding(code_type: str, in_target: bool) -> None:
    boxes, priors = torch.from_numpy(some_boxes(50, 1)), torch.from_numpy(some_boxes(50, 2))
    variances = None if in_target else torch.tensor([0.1, 0.1, 0.2, 0.3])
    codes = encode(boxes, priors, variances, code_type)
    torch.testing.assert_close(decode(codes, priors, variances, code_type), boxes, rtol=0, atol=1e-6)


def test_of_equal_scores_the_first_comes_first() -> None:
    scores = torch.tensor([[0.5, 0.9, 0.5, 0.2, 0.9], [0.1, 0.1, 0.3, torch.nan, 0.1]])
    best, places, counted = ranked(scores, 0.2, 3)
    assert places[0].tolist() == [1, 4, 0]
    assert best[0].tolist() == pytest.approx([0.9, 0.9, 0.5])
    assert counted.tolist() == [[True] * 3, [True, False, False]]
    assert places[1, 0] == 2


def detections(loc: Array, conf: Array, priors: Array, f: dict[str, Any]) -> list[list[float]]:
    """detection_output_layer.cpp with CORNER codes and variances in the target; loc N P L 4, conf N P C."""
    rows: list[list[float]] = []
    for n in range(len(loc)):
        found = []
        for c in range(conf.shape[2]):
            if c == f["background_label_id"]:
                continue
            order = [p for p in range(len(priors)) if conf[n, p, c] > f["confidence_threshold"]]
            order = sorted(order, key=lambda p: -conf[n, p, c])[: f["nms_param"]["top_k"]]
            boxes = priors + loc[n, :, 0 if loc.shape[2] == 1 else c]
            kept = greedy(boxes[order], f["nms_param"]["nms_threshold"]) if order else []
            found += [[n, c, conf[n, order[i], c], *boxes[order[i]]] for i in kept]
        best = sorted(range(len(found)), key=lambda i: -found[i][2])[: f["keep_top_k"]]
        rows += [found[i] for i in sorted(best)]
    return rows


@pytest.mark.parametrize(("shared", "background", "keep"), [(True, 0, 30), (False, 2, 1000), (False, -1, 25)])
def test_detection_output_with_ties(shared: bool, background: int, keep: int) -> None:
    number, classes = 200, 4
    draw = np.random.default_rng(9)
    priors = some_boxes(number)
    loc = draw.uniform(-0.05, 0.05, (2, number, 1 if shared else classes, 4)).astype(F)
    conf = (draw.integers(0, 20, (2, number, classes)) / 20).astype(F)
    fields = {
        "nms_param": {"nms_threshold": 0.4, "top_k": 150}, "keep_top_k": keep, "confidence_threshold": 0.1,
        "background_label_id": background,
    }  # fmt: skip
    blob = np.stack([priors.ravel(), np.ones(4 * number, F)])[None]
    shapes = [(2, loc[0].size), (2, conf[0].size), blob.shape]
    more = {"num_classes": classes, "share_location": shared, "variance_encoded_in_target": True}
    module = mirror("DetectionOutput", shapes, **fields, **more)
    inputs = (loc.reshape(2, -1), conf.reshape(2, -1), blob)
    got = module(*(torch.from_numpy(each) for each in inputs))
    want = np.array(detections(loc, conf, priors, fields), F)
    assert got.shape == (1, 1, len(want), 7)
    np.testing.assert_allclose(got[0, 0], want, atol=1e-6)
    assert module(*(torch.empty(shape, device="meta") for shape in shapes)).shape == (1, 1, 1, 7)


def sigmoid(values: Array) -> Array:
    return 1 / (1 + np.exp(-values))


def yolo_rows(found: list[tuple[float, int, Array]], threshold: float) -> Array:
    """The sort, ApplyNms and the rows of the YOLO outputs; found are score, class and x, y, w, h."""
    found = sorted(found, key=lambda each: -each[0])
    boxes = np.array([[*(b[:2] - b[2:] / 2), *(b[:2] + b[2:] / 2)] for _, _, b in found], F)
    return np.array([[0, found[i][1] + 1, found[i][0], *boxes[i]] for i in greedy(boxes, threshold, inclusive=True)], F)


@pytest.mark.parametrize("gaussian", [False, True])
def test_yolov3_detection_output(gaussian: bool) -> None:
    classes, biases, coords = 3, [10, 13, 16, 30, 33, 23, 40, 50], 8 if gaussian else 4
    fields = {
        "num_classes": classes, "num_box": 2, "biases": biases, "mask": [2, 3, 0, 1], "anchors_scale": [32, 16],
        "confidence_threshold": 0.2, "nms_threshold": 0.4, "gaussian_box": gaussian,
    }  # fmt: skip
    draw = np.random.default_rng(2)
    heads = [draw.standard_normal((1, 2 * (coords + 4), 3 * each, 4 * each)).astype(F) for each in (1, 2)]
    found = []
    for head, scale, mask in zip(heads, (32, 16), ((2, 3), (0, 1)), strict=True):
        grid = np.array(head.shape[:1:-1])
        for y, x, n in np.ndindex(*head.shape[2:], 2):
            code = head[0, (coords + 4) * n : (coords + 4) * (n + 1), y, x]
            if gaussian:
                # Each code of the box is followed by that of its deviation; their sigmoids lower the score.
                certain = 4 - sigmoid(code[[1, 3, 5, 7]]).sum()
                code = code[[0, 2, 4, 6, *range(8, 12)]]
            size = np.exp(code[2:4]) * np.array(biases[2 * mask[n] : 2 * mask[n] + 2]) / (grid * scale)
            box = np.array([*((sigmoid(code[:2]) + np.array([x, y])) / grid), *size])
            scores = sigmoid(code[5:]) * sigmoid(code[4]) * (certain / 4 if gaussian else 1)
            found += [(scores[c], c, box) for c in range(classes) if scores[c] > 0.2]
    module = mirror("Yolov3DetectionOutput", [each.shape for each in heads], **fields)
    got = module(*map(torch.from_numpy, heads))
    want = yolo_rows(found, 0.4)
    assert len(found) > len(want) > 5
    np.testing.assert_allclose(got[0, 0], want, atol=1e-5)
    assert module(*(each * 0 - 9 for each in map(torch.from_numpy, heads))).tolist() == [[[[0, *[-1] * 6]]]]


def test_yolo_detection_output() -> None:
    biases = [1.1, 1.2, 2.4, 3.1]
    fields = {"num_classes": 3, "num_box": 2, "biases": biases, "confidence_threshold": 0.3, "nms_threshold": 0.4}
    draw = np.random.default_rng(3)
    heads = [draw.standard_normal((2, 16, side, side)).astype(F) for side in (5, 7)]
    found = []
    for head in heads:
        side = head.shape[3]
        for b, y, x, n in np.ndindex(2, side, side, 2):
            code = head[b, 8 * n : 8 * n + 8, y, x]
            size = np.exp(code[2:4]) * np.array(biases[2 * n : 2 * n + 2]) / side
            chance = np.exp(code[5:]) / np.exp(code[5:]).sum()
            score = chance.max() * sigmoid(code[4])
            if score >= 0.3:
                found.append(
                    (score, int(chance.argmax()), np.array([*((sigmoid(code[:2]) + np.array([x, y])) / side), *size]))
                )
    got = mirror("YoloDetectionOutput", [each.shape for each in heads], **fields)(*map(torch.from_numpy, heads))
    want = yolo_rows(found, 0.4)
    assert len(found) > len(want) > 5
    np.testing.assert_allclose(got[0, 0], want, atol=1e-5)


def test_yolo_takes_scores_and_overlaps_from_the_threshold_on_and_all_images_as_one() -> None:
    # Two images with the same box: score sigmoid(0) = 0.5 of the only class, overlap 1.
    fields = {"num_classes": 1, "num_box": 1, "biases": [0.5, 0.5], "confidence_threshold": 0.5, "nms_threshold": 1.0}
    module = mirror("YoloDetectionOutput", [(2, 6, 1, 1)], **fields)
    assert module(torch.zeros(2, 6, 1, 1)).tolist() == [[[[0, 1, 0.5, 0.25, 0.25, 0.75, 0.75]]]]


def test_segmentation_evaluate() -> None:
    found = torch.tensor([[[[0.9, 0.6], [0.1, 0.7]], [[0.9, 0.9], [0.1, 0.1]]]])
    truth = torch.tensor([[[[1.0, 0], [0, 1]], [[0, 0], [1, 1]]]])
    module = mirror("SegmentationEvaluate", [(1, 2, 2, 2)] * 2, num_classes=2)
    torch.testing.assert_close(module(found, truth), torch.tensor([[[[2 / 3, 0]]]]))
    with pytest.raises(
        NetgenError, match="both bottoms must have one size, got 1x2x2x2 and 1x2x4x4; scale one of them"
    ):
        mirror("SegmentationEvaluate", [(1, 2, 2, 2), (1, 2, 4, 4)], num_classes=2)(found, torch.zeros(1, 2, 4, 4))


def test_refusals() -> None:
    with pytest.raises(NetgenError, match="biases must be given for each of the 5 boxes, got 0"):
        mirror("YoloDetectionOutput", [(1, 125, 13, 13)], num_classes=20)
    with pytest.raises(
        NetgenError, match="mask must name num_box of the 0 pairs of biases for each of the 2 heads, got n"
    ):
        mirror("Yolov3DetectionOutput", [(1, 75, 13, 13), (1, 75, 26, 26)], num_classes=20)
    head = mirror("YoloDetectionOutput", [(1, 50, 4, 5)], num_classes=20, num_box=2, biases=[1, 1, 2, 2])
    with pytest.raises(NetgenError, match=r"a head must be square and have 2 \(5 \+ 20\) = 50 channels, got 1x50x4x5"):
        head(torch.zeros(1, 50, 4, 5))
    plain = mirror("DetectionEvaluate", [(1, 1, 1, 7), (1, 1, 1, 8)], num_classes=3)
    with pytest.raises(NetgenError, match="the background's label 0 must not be among the ground truth"):
        plain(torch.ones(1, 1, 1, 7), torch.zeros(1, 1, 1, 8))


def test_the_priors_are_made_once_and_follow_the_image() -> None:
    module = mirror("PriorBox", [(1, 8, 2, 3), (1, 3, 20, 30)], min_size=4)
    first = module(torch.zeros(1, 8, 2, 3), torch.zeros(1, 3, 20, 30))
    assert module(torch.ones(1, 8, 2, 3), torch.ones(1, 3, 20, 30)) is first
    torch.testing.assert_close(first[0, 0, :4], torch.tensor([3 / 30, 3 / 20, 7 / 30, 7 / 20]))
    other = module(torch.zeros(1, 8, 2, 3), torch.zeros(1, 3, 40, 30))
    torch.testing.assert_close(other[0, 0, :4], torch.tensor([3 / 30, 8 / 40, 7 / 30, 12 / 40]))
    with pytest.raises(NetgenError, match="aspect_ratio must be above 0, got 0"):
        mirror("PriorBox", [(1, 8, 2, 3), (1, 3, 20, 30)], min_size=4, aspect_ratio=0.0)
