"""Boxes: their overlap, their coding against priors, and the suppression of those that overlap better ones.

A box is four numbers, xmin, ymin, xmax, ymax, on the last axis of a tensor. In SSD they are fractions of the image's
width and height; nothing here asks for that but where ``pixels`` is spoken of.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from netgen.errors import NetgenError

BLOCK = 64
"""The candidates that `suppress` compares with one another at a time."""


def sizes(boxes: Tensor, *, pixels: bool = False) -> Tensor:
    """The areas, ... x 4 to ...; 0 for a box that is inside out (bbox_util.cpp, BBoxSize).

    With ``pixels`` the corners are pixels that both belong to the box, so that each side is longer by 1.
    """
    sides = (boxes[..., 2:] - boxes[..., :2] + pixels).clamp(min=0)
    return sides[..., 0] * sides[..., 1]


def overlaps(first: Tensor, second: Tensor, *, pixels: bool = False) -> Tensor:
    """The areas' intersection over union, ... A x 4 and ... B x 4 to ... A x B (bbox_util.cpp, JaccardOverlap).

    0 for boxes that do not meet. ``pixels`` as in `sizes` (nms.cpp of the Faster R-CNN forks).
    """
    # Axis by axis, because steps over pairs of numbers are slow.
    ours, theirs = first.movedim(-1, 0).contiguous()[..., None], second.movedim(-1, 0).contiguous()[..., None, :]
    width, height = (
        torch.minimum(ours[high], theirs[high]) - torch.maximum(ours[low], theirs[low])
        for low, high in ((0, 2), (1, 3))
    )
    if pixels:
        width, height = (torch.where(side >= 0, side + 1, 0) for side in (width, height))
    shared = width.clamp(min=0) * height.clamp(min=0)
    union = sizes(first, pixels=pixels)[..., :, None] + sizes(second, pixels=pixels)[..., None, :] - shared
    return torch.where(shared > 0, shared / union, 0)


def encode(boxes: Tensor, priors: Tensor, variances: Tensor | None, code_type: str) -> Tensor:
    """Boxes as differences from their priors; all ... x 4 (bbox_util.cpp, EncodeBBox).

    ``code_type`` is PriorBoxParameter's. The differences are divided by the variances, unless those are None. Raises
    NetgenError for sizes that CENTER_SIZE and CORNER_SIZE cannot divide by or take the logarithm of.
    """
    if code_type == "CORNER":
        codes = boxes - priors
    elif code_type == "CORNER_SIZE":
        sides = _sides(priors, "prior")
        codes = (boxes - priors) / torch.cat([sides, sides], -1)
    else:
        sides = _sides(priors, "prior")
        offsets = (_centres(boxes) - _centres(priors)) / sides
        codes = torch.cat([offsets, (_sides(boxes, "ground truth box") / sides).log()], -1)
    return codes if variances is None else codes / variances


def decode(codes: Tensor, priors: Tensor, variances: Tensor | None, code_type: str) -> Tensor:
    """The boxes that `encode` gives these codes; all ... x 4 (bbox_util.cpp, DecodeBBox)."""
    if variances is not None:
        codes = variances * codes
    if code_type == "CORNER":
        return priors + codes
    sides = _sides(priors, "prior")
    if code_type == "CORNER_SIZE":
        return priors + codes * torch.cat([sides, sides], -1)
    return cornered(codes[..., :2] * sides + _centres(priors), codes[..., 2:].exp() * sides)


def cornered(centres: Tensor, sides: Tensor) -> Tensor:
    """Boxes by their corners, ... x 4, from centres and sides, each ... x 2 (x, y)."""
    return torch.cat([centres - sides / 2, centres + sides / 2], -1)


def _centres(boxes: Tensor) -> Tensor:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def _sides(boxes: Tensor, what: str) -> Tensor:
    sides = boxes[..., 2:] - boxes[..., :2]
    if not bool((sides > 0).all()):
        worst = sides.reshape(-1, 2).amin(0).tolist()
        raise NetgenError(
            f"every {what} must be wider and higher than 0, got one of width {worst[0]:g} or height {worst[1]:g}"
        )
    return sides


def ranked(scores: Tensor, threshold: float | None, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """The best scores of each row, R x P, in falling order (bbox_util.cpp, GetMaxScoreIndex).

    Kept are those above ``threshold`` (None: all), ``most`` at most (-1: all); of equal ones the first comes first.
    Returns the scores, their places on the axis P and which of them count, each R x K with K the longest row's.
    """
    passed = scores > (torch.finfo(scores.dtype).min if threshold is None else threshold)
    counts = passed.sum(1)
    longest = int(counts.max()) if counts.numel() else 0
    if most > -1:
        longest = min(longest, most)
    best, places = scores.masked_fill(~passed, -torch.inf).sort(dim=1, descending=True, stable=True)
    counted = torch.arange(longest, device=scores.device) < counts[:, None]
    return best[:, :longest], places[:, :longest], counted


def distance_overlaps(first: Tensor, second: Tensor, beta: float) -> Tensor:
    """The overlaps less (d / c)^beta, ... A x 4 and ... B x 4 to ... A x B (AlexeyAB/darknet, box.c, box_diounms).

    d is the squared distance of the centres, c that of two far corners of the box around both; where c is 0 nothing is
    taken away.
    """
    low = torch.minimum(first[..., :, None, :2], second[..., None, :, :2])
    high = torch.maximum(first[..., :, None, 2:], second[..., None, :, 2:])
    apart = (_centres(first)[..., :, None, :] - _centres(second)[..., None, :, :]).square().sum(-1)
    across = (high - low).square().sum(-1)
    return overlaps(first, second) - torch.where(across > 0, (apart / across) ** beta, 0)


def suppress(
    boxes: Tensor,
    counted: Tensor,
    threshold: float,
    *,
    eta: float = 1.0,
    pixels: bool = False,
    beta: float | None = None,
) -> Tensor:
    """Which of the boxes non-maximum suppression keeps; R x K x 4, best first, to R x K (ApplyNMSFast).

    A box is kept unless it overlaps one that was kept before it by more than ``threshold``; ``counted``, R x K, tells
    which boxes there are. With ``eta`` below 1 the threshold is multiplied by it after each box that is kept, as long
    as it is above 0.5. ``pixels`` as in `sizes`; with ``beta`` the overlap is that of `distance_overlaps`.

    What is kept before a box decides on it, so that the keeping is the only fixed point of that rule, and repeating
    the rule on all boxes finds it, in as many rounds as the longest chain of boxes that depend on one another.
    """
    kept = torch.zeros_like(counted)
    thresholds = _thresholds(threshold, eta, boxes)
    measure = partial(overlaps, pixels=pixels) if beta is None else partial(distance_overlaps, beta=beta)
    for start in range(0, boxes.shape[1], BLOCK):
        block = slice(start, start + BLOCK)
        earlier, number = _packed(boxes[:, :start], kept[:, :start])
        against = _worst(measure(earlier, boxes[:, block]), number)
        kept[:, block] = _settled(boxes[:, block], counted[:, block], against, number, thresholds, measure)
    return kept


def _thresholds(threshold: float, eta: float, boxes: Tensor) -> Tensor:
    """The threshold after each number of kept boxes; one alone where it stays."""
    values = [torch.tensor(threshold, dtype=torch.float32)]
    while eta < 1 and values[-1] > 0.5 and len(values) <= boxes.shape[1]:
        values.append(values[-1] * torch.tensor(eta, dtype=torch.float32))
    return torch.stack(values).to(boxes)


def _packed(boxes: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """The kept boxes at the front of each row, as many as the longest row has, and the number in each."""
    number = kept.sum(1)
    longest = int(number.max()) if number.numel() else 0
    order = kept.to(torch.uint8).sort(dim=1, descending=True, stable=True)[1][:, :longest]
    return boxes.gather(1, order[..., None].expand(-1, -1, 4)), number


def _worst(shared: Tensor, number: Tensor) -> Tensor:
    """The largest overlap with one of the first ``number`` of the row; -inf for none. R x A x B to R x B."""
    if not shared.shape[1]:
        return shared.new_full((shared.shape[0], shared.shape[2]), -torch.inf)
    there = torch.arange(shared.shape[1], device=shared.device) < number[:, None]
    return shared.masked_fill(~there[..., None], -torch.inf).amax(1)


def _settled(
    boxes: Tensor, counted: Tensor, against: Tensor, number: Tensor, thresholds: Tensor, measure: Callable[..., Tensor]
) -> Tensor:
    """The boxes of one block that are kept, where ``against`` is the worst overlap with earlier blocks."""
    after = torch.ones(2 * boxes.shape[1:2], dtype=torch.bool, device=boxes.device).triu(1)
    among = measure(boxes, boxes).masked_fill(~after, -torch.inf)
    limit, kept, over = thresholds[:1], counted, torch.empty(0)
    for turn in range(boxes.shape[1] + 1):
        if len(thresholds) > 1:
            before = number[:, None] + kept.cumsum(1) - kept.long()
            limit = thresholds[before.clamp(max=len(thresholds) - 1)]
        if turn == 0 or len(thresholds) > 1:
            over, free = (among > limit[..., None, :]).to(boxes), counted & ~(against > limit)
        settled = free & ~(torch.bmm(kept[:, None].to(boxes), over)[:, 0] > 0)
        if torch.equal(settled, kept):
            break
        kept = settled
    return kept
