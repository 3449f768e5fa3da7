"""Gradients of losses and recurrent layers: those of the forward where Caffe's are, and Caffe's own where not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mirrors import mirror_of

torch: Any = pytest.importorskip("torch")

LABELS = (0.0, 2.0, 1.0, 2.0)


def drawn(*shape: int, seed: int = 0) -> Any:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradients(layer: str, *bottoms: Any) -> list[Any]:
    """The gradients at all bottoms, None where none goes."""
    leaves = [each.clone().requires_grad_() for each in bottoms]
    total = sum(top.sum() for top in tops_of(layer, *leaves))
    return list(torch.autograd.grad(total, leaves, allow_unused=True))


def tops_of(layer: str, *bottoms: Any) -> tuple[Any, ...]:
    tops = 2 if "LSTMUnit" in layer else 1
    made = mirror_of(layer, *(tuple(each.shape) for each in bottoms), tops=tops)(*bottoms, blobs="all")
    return tuple(made[name] for name in "xy"[:tops])


LABELLED = torch.tensor(LABELS, dtype=torch.float64)
CHECKED = {
    "softmax": ('type: "SoftmaxWithLoss" loss_param { ignore_label: 1 }', [drawn(4, 3)], [LABELLED]),
    "softmax over places": ('type: "SoftmaxWithLoss"', [drawn(2, 3, 2)], [LABELLED.reshape(2, 2)]),
    "sigmoid": ('type: "SigmoidCrossEntropyLoss"', [drawn(4, 3)], [drawn(4, 3, seed=1).sigmoid()]),
    "hinge": ('type: "HingeLoss" hinge_loss_param { norm: L2 }', [drawn(4, 3)], [LABELLED]),
    "hinge L1": ('type: "HingeLoss"', [drawn(4, 3)], [LABELLED]),
    "multinomial": ('type: "MultinomialLogisticLoss"', [drawn(4, 3).softmax(1)], [LABELLED]),
    "infogain": ('type: "InfogainLoss"', [drawn(4, 3)], [LABELLED, drawn(3, 3, seed=2)]),
    "euclidean": ('type: "EuclideanLoss"', [drawn(4, 3), drawn(4, 3, seed=1)], []),
    "legacy contrastive": (
        'type: "ContrastiveLoss" contrastive_loss_param { legacy_version: true margin: 9 }',
        [drawn(4, 3), drawn(4, 3, seed=1)],
        [torch.tensor([0.0, 1, 0, 1], dtype=torch.float64)],
    ),
    "smooth L1": ('type: "SmoothL1Loss"', [drawn(4, 3), drawn(4, 3, seed=1)], []),
    "smooth L1 of Fast R-CNN": (
        'type: "SmoothL1Loss" smooth_l1_loss_param { sigma: 2 }',
        [drawn(4, 3), drawn(4, 3, seed=1)],
        [drawn(4, 3, seed=2), drawn(4, 3, seed=3)],
    ),
    "LSTM unit": ('type: "LSTMUnit"', [drawn(1, 2, 3), drawn(1, 2, 12, seed=1)], [torch.tensor([[1.0, 0]])]),
}


@pytest.mark.parametrize("name", CHECKED)
def test_gradients_are_the_derivatives(name: str) -> None:
    layer, differentiable, fixed = CHECKED[name]
    leaves = [each.clone().requires_grad_() for each in differentiable]
    assert torch.autograd.gradcheck(lambda *given: tops_of(layer, *given, *fixed), leaves)


@pytest.mark.parametrize("name", [name for name, (_, _, fixed) in CHECKED.items() if fixed])
def test_no_gradient_goes_to_labels_and_weights(name: str) -> None:
    layer, differentiable, fixed = CHECKED[name]
    found = gradients(layer, *differentiable, *fixed)
    assert [each is None for each in found] == [False] * len(differentiable) + [True] * len(fixed)


# Where Caffe's Backward is not the derivative of its Forward


def test_a_probability_held_up_has_the_gradient_of_the_softmax() -> None:
    # softmax_loss_layer.cpp, Backward: prob - 1 at the label, whatever Forward did to log(0).
    found = gradients('type: "SoftmaxWithLoss"', torch.tensor([[0.0, -1000.0]]), torch.tensor([1.0]))[0]
    assert found.tolist() == [[1.0, -1.0]]
    # multinomial_logistic_loss_layer.cpp: -1 / max(prob, 1e-20).
    found = gradients('type: "MultinomialLogisticLoss"', torch.tensor([[1.0, 0.0]]), torch.tensor([1.0]))[0]
    assert found.tolist() == [[0.0, pytest.approx(-1e20)]]


def test_infogain_held_up_has_the_gradient_of_the_softmax() -> None:
    # infogain_loss_layer.cpp, Backward: prob * sum(H[label]) - H[label].
    matrix = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    found = gradients('type: "InfogainLoss"', torch.tensor([[0.0, -1000.0]]), torch.tensor([1.0]), matrix)[0]
    assert found.tolist() == [[4.0, -4.0]]


def test_the_margin_itself_has_no_gradient() -> None:
    # hinge_loss_layer.cpp, Backward: the sign of the margins, which is 0 at 0.
    found = gradients('type: "HingeLoss"', torch.tensor([[1.0, -1.0, 0.0]]), torch.tensor([0.0]))[0]
    assert found.tolist() == [[0.0, 0.0, 1.0]]


def test_contrastive_loss_divides_by_a_little_more_than_the_distance() -> None:
    # contrastive_loss_layer.cpp, Backward: -(margin - d) / (d + 1e-4) * difference, by the pairs.
    first = torch.tensor([[3e-4, 4e-4], [0.0, 0.0]], dtype=torch.float64)
    zeros = torch.zeros(2, 2, dtype=torch.float64)
    found = gradients('type: "ContrastiveLoss"', first, zeros, torch.zeros(2, dtype=torch.float64))
    expected = -(1 - 5e-4) / 6e-4 * first / 2
    assert torch.allclose(found[0], expected, rtol=1e-9)
    assert torch.allclose(found[1], -expected, rtol=1e-9)
    assert found[2] is None


def test_one_weight_of_smooth_l1_is_no_factor_of_the_gradient() -> None:
    # The SSD fork's smooth_L1_loss_layer.cpp: Forward is f(w d), Backward f'(w d).
    bottoms = (torch.tensor([[0.5, 2.0, -9.0]]), torch.zeros(1, 3), torch.tensor([[0.5, 0.1, 2.0]]))
    found = gradients('type: "SmoothL1Loss"', *bottoms)
    assert found[0].tolist() == [pytest.approx([0.25, 0.2, -1.0])]
    assert found[1].tolist() == [pytest.approx([-0.25, -0.2, 1.0])]
    assert found[2] is None


# Recurrent layers


def recurrent(kind: str, *, static: bool, exposed: bool) -> tuple[Any, list[Any]]:
    """A mirror with random weights, and its bottoms: 3 steps of 2 streams, which begin anew here and there."""
    states = {"LSTM": 2, "RNN": 1}[kind] if exposed else 0
    bottoms = [drawn(3, 2, 4), torch.tensor([[1.0, 0], [1, 1], [0, 1]], dtype=torch.float64)]
    bottoms += [drawn(2, 5, seed=1)] if static else []
    bottoms += [drawn(1, 2, 3, seed=2 + i) for i in range(states)]
    layer = f'type: "{kind}" recurrent_param {{ num_output: 3 expose_hidden: {str(exposed).lower()} }}'
    mirror = mirror_of(layer, *(tuple(each.shape) for each in bottoms), tops=1 + states).double()
    for i, slot in enumerate(mirror.slots.values()):
        slot.write(drawn(*slot.read().shape, seed=9 + i))
    return mirror, bottoms


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
@pytest.mark.parametrize("static", [False, True])
def test_gradients_of_recurrent_layers_are_the_derivatives(kind: str, static: bool) -> None:
    mirror, (x, cont, *others) = recurrent(kind, static=static, exposed=False)
    names, weights = zip(*mirror.named_parameters(), strict=True)

    def top(x: Any, *rest: Any) -> Any:
        mirror.it.reset()
        bottoms = (x, cont, *rest[: len(others)])
        return torch.func.functional_call(mirror, dict(zip(names, rest[len(others) :], strict=True)), bottoms)

    leaves = [each.detach().clone().requires_grad_() for each in (x, *others, *weights)]
    assert torch.autograd.gradcheck(top, leaves)


@pytest.mark.parametrize("kind", ["LSTM", "RNN"])
def test_no_gradient_goes_through_cont_and_exposed_states(kind: str) -> None:
    mirror, bottoms = recurrent(kind, static=True, exposed=True)
    leaves = [each.requires_grad_() for each in bottoms]
    tops = mirror(*leaves)
    found = torch.autograd.grad(tops["x"].sum(), leaves, allow_unused=True)
    assert [each is None for each in found] == [False, True, False, *[True] * (len(leaves) - 3)]
    assert [each.requires_grad for each in tops.values()] == [True, *[False] * (len(tops) - 1)]
