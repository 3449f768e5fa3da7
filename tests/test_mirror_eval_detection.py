"""EvalDetection in the mirror, against a plain loop after intel/caffe's eval_detection_layer.cpp."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import netgen
from tests.mirrors import mirror_of

torch: Any = pytest.importorskip("torch")

Array = np.ndarray[Any, np.dtype[Any]]
Box = tuple[float, float, float, float]
"""Centre, width and height."""
SIDE, CLASSES = 3, 4
BIASES = (1.32, 1.73, 3.19, 4.01, 0.5, 0.6, 2.0, 0.9, 1.1, 2.5)


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def overlap(first: Box, second: Box) -> float:
    sides = [
        min(first[i] + first[i + 2] / 2, second[i] + second[i + 2] / 2)
        - max(first[i] - first[i + 2] / 2, second[i] - second[i + 2] / 2)
        for i in range(2)
    ]
    if min(sides) < 0:
        return 0.0
    shared = sides[0] * sides[1]
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)


def predicted(head: Array, score_type: str, nms: float) -> dict[int, list[tuple[float, Box]]]:
    """The scores and boxes of one image, C x S x S, by label."""
    boxes = []
    for y, x, n in np.ndindex(SIDE, SIDE, 5):
        codes = head[n * (5 + CLASSES) : (n + 1) * (5 + CLASSES), y, x].tolist()
        box = (
            (x + sigmoid(codes[0])) / SIDE,
            (y + sigmoid(codes[1])) / SIDE,
            math.exp(codes[2]) * BIASES[2 * n] / SIDE,
            math.exp(codes[3]) * BIASES[2 * n + 1] / SIDE,
        )
        powers = [math.exp(code) for code in codes[5:]]
        label = powers.index(max(powers))
        chance = powers[label] / sum(powers)
        score = {"OBJ": sigmoid(codes[4]), "PROB": chance}.get(score_type, sigmoid(codes[4]) * chance)
        boxes.append((score, label, box))
    boxes.sort(key=lambda each: -each[0])
    kept: list[tuple[float, int, Box]] = []
    for each in boxes if nms >= 0 else []:
        if all(overlap(each[2], other[2]) < nms for other in kept):
            kept.append(each)
    found: dict[int, list[tuple[float, Box]]] = {}
    for score, label, box in kept:
        if score >= 0.005:
            found.setdefault(label, []).append((score, box))
    return found


def evaluated(head: Array, truths: list[list[tuple[int, Box]]], score_type: str, nms: float, threshold: float) -> Array:
    top = np.zeros((len(head), CLASSES + 4 * 5 * SIDE**2))
    for image, truth in enumerate(truths):
        for label, _ in truth:
            top[image, label] += 1
        rows: list[float] = []
        for label, boxes in sorted(predicted(head[image], score_type, nms).items()):
            same = [box for each, box in truth if each == label]
            taken: set[int] = set()
            for score, box in boxes:
                shared = [overlap(box, other) for other in same]
                marks = [0, 0] if same else [0, 1]
                if same and max(shared) >= threshold:
                    best = shared.index(max(shared))
                    marks = [0, 1] if best in taken else [1, 0]
                    taken.add(best)
                rows += [label, score, *marks]
        top[image, CLASSES : CLASSES + len(rows)] = rows
    return top


def layer(score_type: str, nms: float, threshold: float, **more: Any) -> str:
    fields = {"side": SIDE, "num_class": CLASSES, "num_object": 5, "score_type": score_type, "nms": nms}
    given = " ".join(f"{name}: {value}" for name, value in (fields | {"threshold": threshold} | more).items())
    biases = " ".join(f"biases: {bias}" for bias in BIASES)
    return f'type: "EvalDetection" eval_detection_param {{ {given} {biases} }}'


def some() -> tuple[Array, list[list[tuple[int, Box]]]]:
    """A head of three images, and a truth that some of its boxes are near to: of the second image, none."""
    rng = np.random.default_rng(0)
    head = rng.standard_normal((3, 5 * (5 + CLASSES), SIDE, SIDE))
    head[:, 4 :: 5 + CLASSES] -= 2
    truths: list[list[tuple[int, Box]]] = []
    for image in range(3):
        found = predicted(head[image], "MULTIPLY", 0.9)
        near = [(label, box) for label, boxes in found.items() for _, box in boxes[1:3] if label != 2]
        truths.append([(label, (box[0] + 0.01, box[1], box[2] * 1.1, box[3])) for label, box in near])
    truths[1] = []
    return head, truths


def annotated(truths: list[list[tuple[int, Box]]]) -> Array:
    """Rows as AnnotatedData writes them: image, label, instance, corners, difficult; -1 for none."""
    rows = [
        [image, label + 1, 0, x - w / 2, y - h / 2, x + w / 2, y + h / 2, 0]
        for image, truth in enumerate(truths)
        for label, (x, y, w, h) in truth
    ]
    return np.array([*rows, [-1.0] * 8])[None, None]


def listed(truths: list[list[tuple[int, Box]]]) -> Array:
    """30 rows of label and box, of which those from the first x of 0 on are none."""
    rows = np.zeros((len(truths), 30, 5))
    for image, truth in enumerate(truths):
        for i, (label, box) in enumerate(truth):
            rows[image, i] = label, *box
        rows[image, len(truth) + 1] = 1, 0.5, 0.5, 0.1, 0.1
    return rows


@pytest.mark.parametrize(
    ("score_type", "nms", "threshold"),
    [
        ("MULTIPLY", 0.45, 0.5),
        ("MULTIPLY", 0.9, 0.4),
        ("MULTIPLY", 1, 0.2),
        ("OBJ", 0.9, 0.3),
        ("PROB", 0.9, 0.3),
        ("OBJ", -1, 0.5),
        ("MULTIPLY", 0, 0.5),
    ],
)
@pytest.mark.parametrize("write", [annotated, listed])
def test_values(score_type: str, nms: float, threshold: float, write: Any) -> None:
    head, truths = some()
    assert all(len(truth) < 29 for truth in truths)
    given = torch.from_numpy(head).requires_grad_()
    truth = torch.from_numpy(write(truths))
    mirror = mirror_of(layer(score_type, nms, threshold), head.shape, tuple(truth.shape), (3, 3, 9, 9))
    top = mirror(given, truth, torch.zeros(3, 3, 9, 9))
    assert not top.requires_grad
    expected = evaluated(head, truths, score_type, nms, threshold)
    if 0 < nms < 1:
        marks = expected[:, CLASSES:].reshape(-1, 4)
        kinds = {tuple(row[2:]) for row in marks[marks[:, 1] > 0]}
        assert kinds >= {(1, 0), (0, 1)}
    np.testing.assert_allclose(top.numpy(), expected, rtol=1e-12)


def test_what_scores_too_little_is_left_out() -> None:
    head = np.zeros((1, 5 * (5 + CLASSES), SIDE, SIDE))
    head[:, 4 :: 5 + CLASSES] = -30
    head[0, 4, 1, 2] = 0
    mirror = mirror_of(layer("OBJ", 1, 0.5), head.shape, (1, 30, 5))
    top = mirror(torch.from_numpy(head), torch.zeros(1, 30, 5).double())
    assert top[0, CLASSES : CLASSES + 8].tolist() == [0, 0.5, 0, 1, 0, 0, 0, 0]
    assert not top[0, CLASSES + 8 :].any()


REFUSED = [
    ({"num_object": 2}, (1, 18, 3, 3), (1, 30, 5), "num_object must be 5 for a mirror, with 10 values of biases, as the "
     "fork reads these whatever it says, got 2 and 10"),
    ({}, (1, 405), (1, 30, 5), "the head must have 4 axes for a mirror, N x C x H x W, got 1x405"),
    ({}, (1, 45, 3, 3), (1, 29, 5), "the ground truth must be 1 x 1 x G x 8, or N x 30 x 5 with the head's N, got 1x29x5"),
    ({}, (1, 45, 3, 3), (2, 30, 5), "the ground truth must be 1 x 1 x G x 8, or N x 30 x 5 with the head's N, got 2x30x5"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "head", "truth", "message"), REFUSED)
def test_what_no_release_computes(more: dict[str, Any], head: Any, truth: Any, message: str) -> None:
    with pytest.raises(netgen.NetgenError) as error:
        mirror_of(layer("OBJ", 1, 0.5, **more), head, truth)
    assert str(error.value) == f"layer 'it' (EvalDetection): {message}"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((0, 5), "labels of the ground truth must lie in 0..3, got 4"),
        ((1, 1), "images of the ground truth must lie in 0..0, got 1"),
    ],
)
def test_a_truth_of_nothing(row: tuple[int, int], message: str) -> None:
    mirror = mirror_of(layer("OBJ", 1, 0.5), (1, 45, 3, 3), (1, 1, 1, 8))
    truth = torch.zeros(1, 1, 1, 8)
    truth[0, 0, 0, :2] = torch.tensor(row)
    with pytest.raises(netgen.NetgenError, match=message):
        mirror(torch.zeros(1, 45, 3, 3), truth)
