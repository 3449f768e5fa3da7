"""Losses and the accuracy as functions of tensors; labels are whole numbers as floats, as Caffe's blobs hold them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from netgen.errors import NetgenError
from netgen.layers.base import legacy_shape
from netgen.mirror.function import has_values

LEAST = 1.1754943508222875e-38
"""C's FLT_MIN, below which SoftmaxWithLoss lets no probability fall."""
LOG_THRESHOLD = 1e-20
"""The same of MultinomialLogisticLoss and InfogainLoss (kLOG_THRESHOLD)."""
NEAR = 1e-4
"""What ContrastiveLoss adds to a distance that its gradient divides by."""


class _Valued(torch.autograd.Function):
    """The second tensor's values with the first one's gradient, where Caffe's Backward is not Forward's derivative."""

    @staticmethod
    def forward(_ctx: Any, _source: Tensor, values: Tensor) -> Tensor:
        """The values, which have the source's shape."""
        return values.view_as(values)

    @staticmethod
    def backward(_ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        """The gradient goes to the source as it is."""
        return grads[0], None


class _Distance(torch.autograd.Function):
    """The root of a square, with the gradient 1 / (2 (root + 1e-4)) (contrastive_loss_layer.cpp, Backward)."""

    @staticmethod
    def forward(ctx: Any, square: Tensor) -> Tensor:
        """The root."""
        root = square.sqrt()
        ctx.save_for_backward(root)
        return root

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        """The gradient at 0 is finite."""
        (root,) = ctx.saved_tensors
        grad: Tensor = grads[0] / (2 * (root + NEAR))
        return grad


valued: Callable[[Tensor, Tensor], Tensor] = _Valued.apply
_distance: Callable[[Tensor], Tensor] = _Distance.apply


def softmax_loss(
    scores: Tensor, labels: Tensor, *, axis: int, ignore_label: int | None, normalization: str | float
) -> Tensor:
    """The negative log of the softmax at the labels, by the divisor: a value without axes (softmax_loss_layer.cpp)."""
    losses, kept = _label_losses(scores, labels, axis, ignore_label)
    return _normalized(losses, kept, scores.shape[:axis], normalization)


def softmax_loss_ohem(
    scores: Tensor, labels: Tensor, *, axis: int, ignore_label: int | None, normalization: str | float
) -> tuple[Tensor, Tensor, Tensor]:
    """The same, the softmax, and the loss of each label, 0 for one that does not count (softmax_loss_ohem_layer.cu).

    Only the first has a gradient.
    """
    losses, kept = _label_losses(scores, labels, axis, ignore_label)
    each = losses.detach() if kept is None else torch.where(kept, losses.detach(), 0.0)
    loss = _normalized(losses, kept, scores.shape[:axis], normalization)
    return loss, scores.detach().softmax(axis), each.reshape(labels.shape)


def _label_losses(scores: Tensor, labels: Tensor, axis: int, ignore_label: int | None) -> tuple[Tensor, Tensor | None]:
    """The negative log of the softmax at each label, in the scores' shape with 1 on ``axis``, and which count."""
    places, kept = _places(labels, scores, axis, ignore_label)
    logs = functional.log_softmax(scores, axis).gather(axis, places)
    return -_floored(logs, math.log(LEAST)), kept


def infogain_loss(
    scores: Tensor,
    labels: Tensor,
    matrix: Tensor | None = None,
    *,
    axis: int,
    source: str,
    ignore_label: int | None,
    normalization: str | float,
    with_softmax: bool,
) -> Tensor | tuple[Tensor, Tensor]:
    """The log of the softmax, weighted by the row of H at the label; and the softmax (infogain_loss_layer.cpp)."""
    classes = scores.shape[axis]
    if matrix is None:
        matrix = _read_matrix(source, classes).to(scores)
    places, kept = _places(labels, scores, axis, ignore_label)
    logs = functional.log_softmax(scores, axis)
    weights = matrix.detach().reshape(classes, classes)[places.squeeze(axis)].movedim(-1, axis)
    losses = -(weights * _floored(logs, math.log(LOG_THRESHOLD))).sum(axis, keepdim=True)
    loss = _normalized(losses, kept, scores.shape[:axis], normalization)
    return (loss, logs.detach().exp()) if with_softmax else loss


def _read_matrix(source: str, classes: int) -> Tensor:
    """The matrix of an InfogainLoss from its file, a BlobProto as a mean file holds it."""
    from netgen.caffemodel import load_mean

    values = load_mean(source)
    if values.size != classes**2:
        raise NetgenError(f"the matrix in {source} must have {classes} x {classes} values, got {values.size}")
    return torch.tensor(values).reshape(classes, classes)


def sigmoid_loss(scores: Tensor, targets: Tensor, *, ignore_label: int | None, normalization: str | float) -> Tensor:
    """The cross entropy of sigmoids, by the divisor (sigmoid_cross_entropy_loss_layer.cpp)."""
    targets = targets.detach().reshape(scores.shape)
    kept = None if ignore_label is None else targets.trunc() != ignore_label
    if kept is not None:
        scores = torch.where(kept, scores, 0.0)
    losses = functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
    return _normalized(losses, kept, scores.shape[:1], normalization)


def multinomial_loss(probabilities: Tensor, labels: Tensor) -> Tensor:
    """The negative log of the probability at the label, by the batch (multinomial_logistic_loss_layer.cpp)."""
    rows = _rows(probabilities)
    picked = rows.gather(1, _image_labels(labels, rows))
    return -_floored(picked, LOG_THRESHOLD).log().sum() / len(rows)


def hinge_loss(scores: Tensor, labels: Tensor, *, norm: str) -> Tensor:
    """The one-against-all hinge loss, L1 or L2, by the batch (hinge_loss_layer.cpp)."""
    rows = _rows(scores)
    signs = torch.ones_like(rows).scatter(1, _image_labels(labels, rows), -1.0)
    margins = functional.relu(1 + signs * rows)
    return (margins if norm == "L1" else margins.square()).sum() / len(rows)


def euclidean_loss(first: Tensor, second: Tensor) -> Tensor:
    """Half the squared distance, by the batch (euclidean_loss_layer.cpp)."""
    return (first - second.reshape(first.shape)).square().sum() / len(first) / 2


def contrastive_loss(first: Tensor, second: Tensor, similar: Tensor, *, margin: float, legacy_version: bool) -> Tensor:
    """Squared distances of similar pairs, and squared lacks of a margin of others (contrastive_loss_layer.cpp)."""
    square = (_rows(first) - _rows(second)).square().sum(1)
    if legacy_version:
        apart = functional.relu(margin - square)
    else:
        apart = functional.relu(margin - _distance(square)).square()
    together = similar.detach().flatten()[: len(first)].trunc() != 0
    return torch.where(together, square, apart).sum() / len(first) / 2


def smooth_l1_loss(
    first: Tensor, second: Tensor, inside: Tensor | None = None, outside: Tensor | None = None, *, sigma: float
) -> Tensor:
    """Squares below 1 / sigma^2, linear beyond, by the batch (smooth_L1_loss_layer.cpp).

    With both weights (Fast R-CNN) these are factors of the gradient too. With one (SSD) they are not: that fork's
    Backward leaves them out.
    """
    difference = first - second.reshape(first.shape)
    if inside is not None:
        weighted = difference * _weights(inside, difference)
        difference = valued(difference, weighted.detach()) if outside is None else weighted
    losses = _smooth(difference, sigma)
    if outside is not None:
        losses = losses * _weights(outside, difference)
    return losses.sum() / len(first)


def smooth_l1_loss_ohem(
    first: Tensor, second: Tensor, weights: Tensor | None = None, *, normalization: str | float
) -> tuple[Tensor, Tensor]:
    """Squares below 1, linear beyond, by the divisor; and the sum over the channels (smooth_L1_loss_ohem_layer.cu).

    The weights are no factors of the gradient, which Backward leaves out; the sums have none.
    """
    difference = first - second.reshape(first.shape)
    if weights is not None:
        difference = valued(difference, (difference * _weights(weights, difference)).detach())
    losses = _smooth(difference, 1.0).reshape(legacy_shape(tuple(first.shape))).sum(1, keepdim=True)
    return _normalized(losses, None, losses.shape[:1], normalization), losses.detach()


def _smooth(difference: Tensor, sigma: float) -> Tensor:
    square = sigma * sigma
    beta = 1 / square if square else math.inf
    size = difference.abs()
    return torch.where(size < beta, 0.5 * square * difference.square(), size - 0.5 * beta)


def accuracy(
    scores: Tensor, labels: Tensor, *, top_k: int, axis: int, ignore_label: int | None, by_class: bool
) -> Tensor | tuple[Tensor, Tensor]:
    """The share of labels with fewer than top_k other scores as high, and the same by class (accuracy_layer.cpp).

    Where there is nothing to count the share is 0. No gradient.
    """
    places, kept = _places(labels, scores, axis, ignore_label)
    scores = scores.detach()
    others = (scores >= scores.gather(axis, places)).sum(axis, keepdim=True) - 1
    counted = (torch.ones_like(places) if kept is None else kept).flatten().float()
    right = (others < top_k).flatten().float() * counted
    share = (right.sum() / counted.sum().clamp(min=1)).to(scores.dtype)
    if not by_class:
        return share
    none = counted.new_zeros(scores.shape[axis])
    rights, labelled = (none.index_add(0, places.flatten(), each) for each in (right, counted))
    return share, (rights / labelled.clamp(min=1)).to(scores.dtype)


def _floored(values: Tensor, least: float) -> Tensor:
    """No value below the least; the gradient is as without."""
    return valued(values, values.detach().clamp(min=least))


def _rows(blob: Tensor) -> Tensor:
    return blob.flatten(1) if blob.dim() > 1 else blob.unsqueeze(1)


def _places(labels: Tensor, scores: Tensor, axis: int, ignore_label: int | None) -> tuple[Tensor, Tensor | None]:
    """The labels as indices on the scores' axis, in their shape with 1 there, and which of them count (None: all)."""
    places = labels.detach().long().reshape(*scores.shape[:axis], 1, *scores.shape[axis + 1 :])
    kept = None
    if ignore_label is not None:
        kept = places != ignore_label
        places = torch.where(kept, places, 0)
    _check_labels(places, labels, scores.shape[axis], "; ignore_label leaves out those that do not count")
    return places, kept


def _image_labels(labels: Tensor, rows: Tensor) -> Tensor:
    """One label for each row, N x 1."""
    if labels.numel() < len(rows):
        raise NetgenError(f"there must be a label for each of the {len(rows)} images, got {labels.numel()}")
    labels = labels.detach().flatten()[: len(rows)]
    places = labels.long()
    _check_labels(places, labels, rows.shape[1], "; give scores for every class")
    return places.unsqueeze(1)


def _check_labels(places: Tensor, labels: Tensor, classes: int, way_out: str) -> None:
    """Raise NetgenError for a label without a score, where Caffe reads foreign memory (its check is for debugging)."""
    if not has_values(places):
        return
    wrong = ((places < 0) | (places >= classes)).flatten()
    if wrong.any():
        found = labels.flatten()[wrong][0].item()
        raise NetgenError(f"labels must lie in 0..{classes - 1}, got {found:g}{way_out}")


def _normalized(losses: Tensor, kept: Tensor | None, outer: torch.Size, normalization: str | float) -> Tensor:
    """The sum of the losses that count by the divisor, which is 1 at least (softmax_loss_layer.cpp, get_normalizer)."""
    total = (losses if kept is None else torch.where(kept, losses, 0.0)).sum()
    if normalization == "VALID" and kept is not None:
        return total / kept.sum().clamp(min=1)
    if isinstance(normalization, str):
        number = losses.numel()
        divisor: float = {"VALID": number, "FULL": number, "BATCH_SIZE": outer.numel(), "NONE": 1}[normalization]
    else:
        divisor = normalization
    return total / max(1, divisor)


def _weights(weights: Tensor, like: Tensor) -> Tensor:
    """Weights in another blob's shape; Caffe reads as many as there are values."""
    if weights.numel() < like.numel():
        raise NetgenError(f"there must be a weight for each of the {like.numel()} values, got {weights.numel()}")
    return weights.detach().flatten()[: like.numel()].reshape(like.shape)
