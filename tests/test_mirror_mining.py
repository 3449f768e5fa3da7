"""R-FCN's layers for hard examples in the mirror, against plain loops after the fork's kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import netgen
from tests.mirrors import mirror_of

torch: Any = pytest.importorskip("torch")

Array = np.ndarray[Any, np.dtype[np.float64]]


def values(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-12, atol=1e-15)


# SoftmaxWithLossOHEM


def softmax_loss(scores: Array, labels: Array, ignored: float | None, divisor: float | None) -> list[Array]:
    """The loss, the softmax, the loss of each label and the gradient; ``divisor`` None is the labels that count."""
    chances, each, grad = np.zeros_like(scores), np.zeros_like(labels), np.zeros_like(scores)
    counted = 0
    for n, *at in np.ndindex(*labels.shape):
        powers = [math.exp(score) for score in scores[n, :, *at]]
        chances[n, :, *at] = [power / sum(powers) for power in powers]
        if labels[n, *at] != ignored:
            label = int(labels[n, *at])
            each[n, *at] = -math.log(chances[n, label, *at])
            grad[n, :, *at] = chances[n, :, *at]
            grad[n, label, *at] -= 1
            counted += 1
    divisor = max(1, counted if divisor is None else divisor)
    return [np.array(each.sum() / divisor), chances, each, grad / divisor]


@pytest.mark.parametrize(
    ("fields", "ignored", "divisor"),
    [
        ("", None, None),
        ("loss_param { ignore_label: 2 }", 2, None),
        ("loss_param { ignore_label: 2 normalize: false }", 2, 3),
        ("loss_param { normalization: FULL ignore_label: -1 }", -1, 12),
        ("loss_param { normalization: NONE }", None, 1),
        ("loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 128 }", None, 128),
    ],
)
def test_softmax_loss(fields: str, ignored: float | None, divisor: float | None) -> None:
    scores = values(0, 3, 5, 2, 2)
    labels = np.random.default_rng(1).integers(0, 5, (3, 2, 2)).astype(float)
    labels[0, 0, 0], labels[1] = (2, 2) if ignored != -1 else (-1, -1)
    given = torch.from_numpy(scores).requires_grad_()
    mirror = mirror_of(f'type: "SoftmaxWithLossOHEM" {fields}', (3, 5, 2, 2), (3, 2, 2), tops=3)
    found = mirror(given, torch.from_numpy(labels), blobs="all")
    loss, chances, each, grad = softmax_loss(scores, labels, ignored, divisor)
    close(found["x"], loss)
    close(found["y"], chances)
    close(found["z"], each)
    assert not found["y"].requires_grad
    assert not found["z"].requires_grad
    found["x"].backward()
    close(given.grad, grad)


@pytest.mark.parametrize("tops", [1, 2])
def test_fewer_tops(tops: int) -> None:
    mirror = mirror_of('type: "SoftmaxWithLossOHEM"', (4, 3), (4,), tops=tops)
    found = mirror(torch.zeros(4, 3), torch.zeros(4), blobs="all")
    assert [tuple(found[name].shape) for name in "xy"[:tops]] == [(), (4, 3)][:tops]
    assert float(found["x"]) == pytest.approx(math.log(3))


# SmoothL1LossOHEM


def smooth_l1(first: Array, second: Array, weights: Array | None, divisor: float) -> list[Array]:
    """The loss, that of each place, and the gradient of the first; that of the second is its opposite."""
    places, grad = np.zeros((first.shape[0], 1, *first.shape[2:])), np.zeros_like(first)
    for n, c, *at in np.ndindex(*first.shape):
        value = first[n, c, *at] - second[n, c, *at]
        value *= 1 if weights is None else weights[n, c, *at]
        near = abs(value) < 1
        places[n, 0, *at] += 0.5 * value * value if near else abs(value) - 0.5
        # SmoothL1BackwardGPU gives the slope at the weighted difference, without the weight.
        grad[n, c, *at] = value if near else math.copysign(1, value)
    return [np.array(places.sum() / max(1, divisor)), places, grad / max(1, divisor)]


@pytest.mark.parametrize(
    ("fields", "weighted", "divisor"),
    [
        ("", False, 12),
        ("", True, 12),
        ("loss_param { normalize: false }", True, 3),
        ("loss_param { normalization: FULL ignore_label: 0 }", False, 12),
        ("loss_param { normalization: NONE }", True, 1),
        ("loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 0.5 }", False, 1),
    ],
)
def test_smooth_l1_loss(fields: str, weighted: bool, divisor: float) -> None:
    shape = (3, 4, 2, 2)
    blobs = [2 * values(seed, *shape) for seed in range(2 + weighted)]
    given = [torch.from_numpy(blob).requires_grad_() for blob in blobs]
    found = mirror_of(f'type: "SmoothL1LossOHEM" {fields}', *[shape] * len(blobs), tops=2)(*given, blobs="all")
    loss, places, grad = smooth_l1(blobs[0], blobs[1], blobs[2] if weighted else None, divisor)
    close(found["x"], loss)
    close(found["y"], places)
    assert not found["y"].requires_grad
    found["x"].backward()
    close(given[0].grad, grad)
    close(given[1].grad, -grad)
    assert not weighted or given[2].grad is None


def test_smooth_l1_loss_of_rows() -> None:
    first = torch.tensor([[0.5, 3.0], [0.0, -2.0]])
    found = mirror_of('type: "SmoothL1LossOHEM"', (2, 2), (2, 2), tops=2)(first, torch.zeros(2, 2), blobs="all")
    assert found["y"].shape == (2, 1, 1, 1)
    assert found["y"].flatten().tolist() == [0.125 + 2.5, 1.5]
    assert float(found["x"]) == (0.125 + 2.5 + 1.5) / 2


# BoxAnnotatorOHEM


def annotated(
    boxes: Array, losses: Array, labels: Array, weights: Array, per_image: int, ignored: int
) -> tuple[Array, Array]:
    """What the fork's kernel does, with a sort that is stable."""
    number, channels = weights.shape[:2]
    spatial = int(np.prod(boxes.shape[2:]))
    chosen, kept = np.full(number * spatial, float(ignored)), np.zeros((number, channels, spatial))
    left: dict[int, int] = {}
    for index in sorted(range(number * spatial), key=lambda i: -losses.flat[i]):
        n, s = divmod(index, spatial)
        image = int(boxes.reshape(number, 5, spatial)[n, 0, s])
        if left.setdefault(image, per_image) > 0:
            left[image] -= 1
            chosen[index] = labels.flat[index]
            kept[n, :, s] = weights.reshape(number, channels, spatial)[n, :, s]
    return chosen.reshape(number, 1, *boxes.shape[2:]), kept.reshape(weights.shape)


@pytest.mark.parametrize(("per_image", "ignored"), [(1, -1), (3, -1), (5, 255), (100, -1)])
@pytest.mark.parametrize("size", [(1, 1), (2, 3)])
def test_box_annotator(per_image: int, ignored: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(per_image)
    boxes, weights = values(0, 12, 5, *size), values(1, 12, 8, *size)
    boxes[:, 0] = rng.integers(0, 4, (12, *size))
    # Of few different values, so that some are equal.
    losses, labels = rng.integers(0, 6, (12, 1, *size)).astype(float), rng.integers(0, 21, (12, 1, *size)).astype(float)
    layer = f"box_annotator_ohem_param {{ roi_per_img: {per_image} ignore_label: {ignored} }}"
    blobs = [boxes, losses, labels, weights]
    given = [torch.from_numpy(blob).requires_grad_() for blob in blobs]
    mirror = mirror_of(f'type: "BoxAnnotatorOHEM" {layer}', *[blob.shape for blob in blobs], tops=2)
    found = mirror(*given, blobs="all")
    for name, expected in zip("xy", annotated(boxes, losses, labels, weights, per_image, ignored), strict=True):
        assert found[name].shape == expected.shape
        np.testing.assert_array_equal(found[name].numpy(), expected)


def test_boxes_without_axes_of_size_1() -> None:
    mirror = mirror_of(
        'type: "BoxAnnotatorOHEM" box_annotator_ohem_param { roi_per_img: 1 }', (3, 5), (3, 1), (3,), (3, 2), tops=2
    )
    boxes = torch.zeros(3, 5)
    boxes[2, 0] = 1
    found = mirror(boxes, torch.tensor([[1.0], [2], [0]]), torch.tensor([4.0, 5, 6]), torch.ones(3, 2), blobs="all")
    assert found["x"].flatten().tolist() == [-1, 5, 6]
    assert found["y"].reshape(3, 2).tolist() == [[0, 0], [1, 1], [1, 1]]


def test_a_box_of_no_image_is_refused() -> None:
    mirror = mirror_of(
        'type: "BoxAnnotatorOHEM" box_annotator_ohem_param { roi_per_img: 1 }', (1, 5), (1,), (1,), (1, 8), tops=2
    )
    with pytest.raises(netgen.NetgenError) as error:
        mirror(torch.full((1, 5), -1.0), torch.zeros(1), torch.zeros(1), torch.zeros(1, 8))
    assert str(error.value) == (
        "layer 'it' (BoxAnnotatorOHEM): the image of each box, its first value, must be 0 or more, got -1"
    )
