"""Losses and the accuracy in the mirror: labels, divisors and edges that no vector from Caffe shows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen
from tests.mirrors import mirror_of

torch: Any = pytest.importorskip("torch")

SCORES = [[2.0, 1.0, 0.5], [0.0, 3.0, 3.0], [1.0, 1.0, 1.0], [5.0, -2.0, 0.0]]


def scores() -> Any:
    return torch.tensor(SCORES)


def labels(*values: float) -> Any:
    return torch.tensor(values)


def value(layer: str, *bottoms: Any) -> float:
    return float(mirror_of(layer, *(tuple(each.shape) for each in bottoms))(*bottoms))


def logs(row: int, label: int) -> float:
    return SCORES[row][label] - math.log(sum(map(math.exp, SCORES[row])))


# Labels


@pytest.mark.parametrize(
    ("layer", "way_out"),
    [
        ('type: "SoftmaxWithLoss"', "; ignore_label leaves out those that do not count"),
        ('type: "Accuracy"', "; ignore_label leaves out those that do not count"),
        ('type: "HingeLoss"', "; give scores for every class"),
        ('type: "MultinomialLogisticLoss"', "; give scores for every class"),
    ],
)
@pytest.mark.parametrize(("wrong", "shown"), [(3.0, "3"), (-1.0, "-1"), (255.0, "255"), (math.nan, "nan")])
def test_labels_outside_of_the_classes_are_refused(layer: str, way_out: str, wrong: float, shown: str) -> None:
    mirror = mirror_of(layer, (4, 3), (4,))
    with pytest.raises(netgen.NetgenError) as error:
        mirror(scores(), labels(0, 2, wrong, 1))
    assert str(error.value).startswith("layer 'it' (")
    assert str(error.value).endswith(f"): labels must lie in 0..2, got {shown}{way_out}")


def test_infogain_labels_are_checked_too() -> None:
    mirror = mirror_of('type: "InfogainLoss"', (4, 3), (4,), (3, 3))
    with pytest.raises(netgen.NetgenError, match=r"\(InfogainLoss\): labels must lie in 0\.\.2, got 7"):
        mirror(scores(), labels(0, 1, 2, 7), torch.eye(3))


def test_fewer_labels_than_images_are_refused() -> None:
    mirror = mirror_of('type: "HingeLoss"', (4, 3), (4, 0))
    with pytest.raises(netgen.NetgenError, match="there must be a label for each of the 4 images, got 0"):
        mirror(scores(), torch.zeros(4, 0))


def test_hinge_reads_one_label_an_image() -> None:
    # hinge_loss_layer.cpp checks the batch alone, and reads the first N labels, whatever their shape.
    wide = torch.tensor([[0.0, 1, 9, 9], [2, 2, 9, 9]])
    two = scores()[:2]
    assert value('type: "HingeLoss"', two, wide) == value('type: "HingeLoss"', two, labels(0, 1))


@pytest.mark.parametrize("type_name", ["SoftmaxWithLoss", "SigmoidCrossEntropyLoss", "InfogainLoss"])
def test_all_labels_ignored_give_0_and_no_gradient(type_name: str) -> None:
    given = scores().requires_grad_()
    targets = torch.full((4, 3) if type_name.startswith("Sig") else (4,), 7.0)
    others = [torch.eye(3)] if type_name == "InfogainLoss" else []
    layer = f'type: "{type_name}" loss_param {{ ignore_label: 7 normalization: VALID }}'
    mirror = mirror_of(layer, *(tuple(each.shape) for each in (given, targets, *others)))
    loss = mirror(given, targets, *others)
    loss.backward()
    assert loss.item() == 0
    assert given.grad.count_nonzero() == 0


def test_an_ignored_label_may_lie_outside_of_the_classes() -> None:
    layer = 'type: "SoftmaxWithLoss" loss_param { ignore_label: 255 }'
    expected = -(logs(0, 0) + logs(3, 2)) / 2
    assert value(layer, scores(), labels(0, 255, 255, 2)) == pytest.approx(expected, rel=1e-6)


def test_sigmoid_targets_are_ignored_by_their_whole_part() -> None:
    # sigmoid_cross_entropy_loss_layer.cpp casts the target to int before it compares.
    layer = 'type: "SigmoidCrossEntropyLoss" loss_param { ignore_label: 0 normalization: NONE }'
    assert value(layer, torch.zeros(1, 3), torch.tensor([[0.9, 0.0, 1.0]])) == pytest.approx(math.log(2), rel=1e-6)


def test_scores_that_are_ignored_may_be_nan() -> None:
    layer = 'type: "SigmoidCrossEntropyLoss" loss_param { ignore_label: -1 }'
    given = torch.tensor([[math.nan, 0.0]], requires_grad=True)
    loss = mirror_of(layer, (1, 2), (1, 2))(given, torch.tensor([[-1.0, 1.0]]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2), rel=1e-6)
    assert given.grad.tolist() == [[0.0, -0.5]]


# Divisors


@pytest.mark.parametrize(
    ("loss_param", "divisor"),
    [
        ("", 3),
        ("normalization: VALID", 3),
        ("normalization: FULL", 4),
        ("normalization: BATCH_SIZE", 2),
        ("normalization: NONE", 1),
        ("normalize: true", 3),
        ("normalize: false", 2),
        ("normalize: false normalization: FULL", 4),
        ("normalization: PRE_FIXED pre_fixed_normalizer: 8", 8),
        ("normalization: PRE_FIXED pre_fixed_normalizer: 0.5", 1),
    ],
)
def test_the_divisor_is_what_loss_param_says(loss_param: str, divisor: int) -> None:
    given = scores().reshape(2, 2, 3).transpose(1, 2).contiguous()
    layer = f'type: "SoftmaxWithLoss" loss_param {{ ignore_label: 9 {loss_param} }}'
    total = -(logs(0, 0) + logs(1, 0) + logs(3, 1))
    assert value(layer, given, torch.tensor([[0.0, 0], [9, 1]])) == pytest.approx(total / divisor, rel=1e-6)


@pytest.mark.parametrize(("loss_param", "divisor"), [("", 4), ("normalize: true", 12), ("normalization: NONE", 1)])
def test_sigmoids_are_averaged_over_the_batch_by_default(loss_param: str, divisor: int) -> None:
    layer = f'type: "SigmoidCrossEntropyLoss" loss_param {{ {loss_param} }}'
    loss = value(layer, torch.zeros(4, 3), torch.ones(4, 3))
    assert loss == pytest.approx(12 * math.log(2) / divisor, rel=1e-6)


def test_label_smoothing_is_refused() -> None:
    with pytest.raises(netgen.NetgenError, match=r"label_smoothing \(Intel\) has no mirror"):
        mirror_of('type: "SoftmaxWithLoss" loss_param { label_smoothing: 0.1 }', (4, 3), (4,))


# Accuracy


def test_ties_count_as_ahead_of_the_label() -> None:
    # In the second row one score is as high as the label's, in the third two are.
    assert value('type: "Accuracy"', scores(), labels(0, 1, 0, 0)) == 0.5
    assert value('type: "Accuracy" accuracy_param { top_k: 2 }', scores(), labels(0, 1, 0, 0)) == 0.75
    assert value('type: "Accuracy" accuracy_param { top_k: 3 }', scores(), labels(0, 1, 0, 0)) == 1


def test_a_class_without_labels_has_accuracy_0() -> None:
    mirror = mirror_of('type: "Accuracy" accuracy_param { ignore_label: 9 }', (4, 3), (4,), tops=2)
    tops = mirror(scores(), labels(0, 9, 9, 1))
    assert (float(tops["x"]), tops["y"].tolist()) == (0.5, [1.0, 0.0, 0.0])
    tops = mirror(scores(), labels(9, 9, 9, 9))
    assert (float(tops["x"]), tops["y"].tolist()) == (0.0, [0.0, 0.0, 0.0])


@pytest.mark.parametrize(("field", "given"), [("min_is_better", "true"), ("denominator", "5")])
def test_accuracies_of_other_caffes_are_refused(field: str, given: str) -> None:
    with pytest.raises(netgen.NetgenError, match=f"{field} of other Caffes has no mirror"):
        mirror_of(f'type: "Accuracy" accuracy_param {{ {field}: {given} }}', (4, 3), (4,))


# The others


def test_probabilities_are_held_above_what_caffe_says() -> None:
    far = torch.tensor([[0.0, -1000.0]])
    assert value('type: "SoftmaxWithLoss"', far, labels(1)) == pytest.approx(87.33655, rel=1e-6)
    assert value('type: "MultinomialLogisticLoss"', torch.tensor([[1.0, 0]]), labels(1)) == pytest.approx(46.0517)
    mirror = mirror_of('type: "InfogainLoss"', (1, 2), (1,), (2, 2))
    assert float(mirror(far, labels(1), torch.eye(2))) == pytest.approx(46.0517)


def test_the_matrix_may_lie_in_a_file(tmp_path: Path) -> None:
    matrix = np.array([[1, 2, 0], [0, 1, 0], [0, 0.5, 1]], np.float32)
    path = tmp_path / "h.binaryproto"
    mirror = mirror_of(f'type: "InfogainLoss" infogain_loss_param {{ source: "{path}" }}', (4, 3), (4,))
    with pytest.raises(netgen.NetgenError, match=r"^layer 'it' \(InfogainLoss\): .*h\.binaryproto: no such file"):
        mirror(scores(), labels(0, 1, 2, 0))
    netgen.save_mean(matrix[None], path)
    given = mirror_of('type: "InfogainLoss"', (4, 3), (4,), (3, 3))
    expected = given(scores(), labels(0, 1, 2, 0), torch.from_numpy(matrix))
    assert float(mirror(scores(), labels(0, 1, 2, 0))) == float(expected)
    netgen.save_mean(matrix[None, :2], path)
    with pytest.raises(netgen.NetgenError, match=r"h\.binaryproto must have 3 x 3 values, got 6"):
        mirror(scores(), labels(0, 1, 2, 0))


def test_the_identity_makes_infogain_a_softmax_loss() -> None:
    mirror = mirror_of('type: "InfogainLoss" loss_weight: 1 loss_weight: 0', (4, 3), (4,), (3, 3), tops=2)
    tops = mirror(scores(), labels(0, 1, 2, 0), torch.eye(3))
    assert float(tops["x"]) == pytest.approx(value('type: "SoftmaxWithLoss"', scores(), labels(0, 1, 2, 0)))
    assert torch.allclose(tops["y"], scores().softmax(1))


def test_the_rows_of_the_matrix_are_the_true_labels() -> None:
    matrix = torch.tensor([[1.0, 2, 0], [0, 1, 0], [0, 0, 1]])
    mirror = mirror_of('type: "InfogainLoss"', (1, 3), (1,), (3, 3))
    expected = -logs(0, 0) - 2 * logs(0, 1)
    assert float(mirror(scores()[:1], labels(0), matrix)) == pytest.approx(expected, rel=1e-6)


def test_any_whole_part_but_0_makes_a_pair_similar() -> None:
    pairs = (torch.zeros(3, 2), torch.full((3, 2), 0.5), labels(-1, 0.9, 2))
    similar, other = 0.5, (1 - math.sqrt(0.5)) ** 2
    assert value('type: "ContrastiveLoss"', *pairs) == pytest.approx((2 * similar + other) / 6, rel=1e-6)


@pytest.mark.parametrize(("sigma", "expected"), [(1, 0.125 + 1.5), (3, 0.5 - 0.5 / 9 + 2 - 0.5 / 9), (0, 0)])
def test_sigma_says_where_smooth_l1_bends(sigma: int, expected: float) -> None:
    layer = f'type: "SmoothL1Loss" smooth_l1_loss_param {{ sigma: {sigma} }}'
    assert value(layer, torch.tensor([[0.5, -2.0]]), torch.zeros(1, 2)) == pytest.approx(expected, rel=1e-6)


def test_smooth_l1_weighs_differences_and_losses() -> None:
    first, inside, outside = (torch.tensor([each]) for each in ([0.5, -2.0], [2.0, 0.25], [3.0, 5.0]))
    bottoms = (first, torch.zeros(1, 2), inside, outside)
    assert value('type: "SmoothL1Loss"', *bottoms) == pytest.approx(3 * 0.5 + 5 * 0.125, rel=1e-6)
    assert value('type: "SmoothL1Loss"', *bottoms[:3]) == pytest.approx(0.5 + 0.125, rel=1e-6)


def test_weights_of_smooth_l1_need_a_value_each() -> None:
    mirror = mirror_of('type: "SmoothL1Loss"', (4, 3), (4, 3), (2, 3))
    with pytest.raises(netgen.NetgenError, match="there must be a weight for each of the 12 values, got 6"):
        mirror(scores(), scores(), torch.ones(2, 3))


# The loss of a network


def test_losses_count_with_weight_1_where_nothing_else_is_said() -> None:
    first, second = torch.ones(2, 3), torch.zeros(2, 3)
    euclid = 'type: "EuclideanLoss"'
    assert float(mirror_of(euclid, (2, 3), (2, 3)).loss(first, second)) == 1.5
    assert float(mirror_of(f"{euclid} loss_weight: 0.5", (2, 3), (2, 3)).loss(first, second)) == 0.75
    # A loss need not name its top (AutoTopBlobs).
    assert float(mirror_of(euclid, (2, 3), (2, 3), tops=0).loss(first, second)) == 1.5


def test_the_accuracy_is_no_loss() -> None:
    mirror = mirror_of('type: "Accuracy"', (4, 3), (4,))
    with pytest.raises(netgen.NetgenError, match="phase TEST has no layer with a loss"):
        mirror.loss(scores(), labels(0, 1, 2, 0))


def test_a_layer_may_bear_the_name_of_an_attribute_of_the_mirror() -> None:
    from netgen.mirror import to_torch
    from netgen.mirror.names import unescaped

    plain = mirror_of('type: "EuclideanLoss"', (2, 3), (2, 3))
    names = [name for name in ("loss", *vars(plain)) if name not in vars(torch.nn.Module())]
    assert "slots" in names
    for name in names:
        named = to_torch(netgen.Net().input(2, 3, name="x").layer("TanH", name=name))
        assert [unescaped(child) for child, _ in named.named_children()] == [name]
        assert not isinstance(getattr(named, name), torch.nn.Tanh)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        ('type: "SoftmaxWithLoss" loss_param { ignore_label: 1 }', [(4, 3, 2), (4, 2)]),
        ('type: "SigmoidCrossEntropyLoss" loss_param { ignore_label: 1 }', [(4, 3), (4, 3)]),
        ('type: "HingeLoss"', [(4, 3), (4,)]),
        ('type: "MultinomialLogisticLoss"', [(4, 3), (4,)]),
        ('type: "InfogainLoss"', [(4, 3), (4,), (3, 3)]),
        ('type: "ContrastiveLoss"', [(4, 3), (4, 3), (4,)]),
        ('type: "SmoothL1Loss"', [(4, 3), (4, 3), (4, 3), (4, 3)]),
        ('type: "Accuracy" accuracy_param { ignore_label: 1 }', [(4, 3), (4,)]),
        ('type: "LSTM" recurrent_param { num_output: 2 }', [(3, 2, 4), (3, 2)]),
        ('type: "RNN" recurrent_param { num_output: 2 }', [(3, 2, 4), (3, 2), (2, 5)]),
    ],
)
def test_shapes_are_found_without_values(layer: str, shapes: list[tuple[int, ...]]) -> None:
    mirror = mirror_of(layer, *shapes).to("meta")
    top = mirror(*(torch.empty(shape, device="meta") for shape in shapes))
    assert (tuple(top.shape), top.is_meta) == (mirror.program.blobs["x"], True)
