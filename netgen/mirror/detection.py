"""The SSD fork's priors, detections and their evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from netgen.errors import NetgenError
from netgen.layers.base import legacy_shape
from netgen.mirror.boxes import decode, overlaps, ranked, suppress


class PriorBox(nn.Module):
    """The default boxes of each position, and their variances; 1 x 2 x 4 H W P (prior_box_layer.cpp).

    ``sides`` are the widths and heights of the P boxes of a position, in pixels; ``image`` and ``step`` the image's
    height and width and the distances of positions, in pixels, None for what the bottoms say.
    """

    def __init__(
        self,
        sides: Sequence[tuple[float, float]],
        variance: Sequence[float],
        image: tuple[int, int] | None = None,
        step: tuple[float, float] | None = None,
        *,
        offset: float = 0.5,
        clip: bool = False,
    ) -> None:
        super().__init__()
        self.sides, self.variance, self.image, self.step = sides, variance, image, step
        self.offset, self.clip = offset, clip
        self._made: tuple[Any, Tensor] | None = None

    def forward(self, features: Tensor, data: Tensor) -> Tensor:
        """The boxes for the sizes of a feature map and an image; the same for any values."""
        positions, image = (legacy_shape(tuple(each.shape))[2:] for each in (features, data))
        size = (positions, self.image or image, features.device, features.dtype)
        if self._made is None or self._made[0] != size:
            with torch.no_grad():
                self._made = (size, self._priors(*size[:3]).to(features.dtype))
        return self._made[1]

    def _priors(self, positions: Sequence[int], image: Sequence[int], device: torch.device) -> Tensor:
        step = self.step or tuple(whole / number for whole, number in zip(image, positions, strict=True))
        # In double precision: where Caffe's float differs from it, it is by rounding alone.
        centres = [
            (torch.arange(number, dtype=torch.float64, device=device) + self.offset) * each
            for number, each in zip(positions, step, strict=True)
        ]
        half = torch.tensor(self.sides, dtype=torch.float64, device=device) / 2
        middle = torch.stack(torch.meshgrid(*centres, indexing="ij")[::-1], -1)[:, :, None]
        whole = torch.tensor(image[::-1], dtype=torch.float64, device=device)
        boxes = torch.cat([(middle - half) / whole, (middle + half) / whole], -1)
        if self.clip:
            boxes = boxes.clamp(0, 1)
        variances = torch.tensor(self.variance, dtype=torch.float64, device=device).expand_as(boxes)
        return torch.stack([boxes.flatten(), variances.flatten()])[None]

    def extra_repr(self) -> str:
        """The boxes' sizes."""
        sides = ", ".join(f"{width:g}x{height:g}" for width, height in self.sides)
        return f"{sides}, step={self.step}, offset={self.offset}, clip={self.clip}"


def prior_sides(least: Sequence[float], most: Sequence[float], ratios: Sequence[float]) -> list[tuple[float, float]]:
    """Width and height of the boxes of a position, in pixels, in Caffe's order.

    Caffe keeps min_size and max_size as whole numbers, and cuts off what is behind the point.

    >>> prior_sides([30.9], [60], [1, 4])
    [(30.0, 30.0), (42.42640687119285, 42.42640687119285), (60.0, 15.0)]
    """
    sides = []
    for i, small in enumerate(map(math.trunc, least)):
        sides.append((float(small), float(small)))
        if most:
            both = math.sqrt(small * math.trunc(most[i]))
            sides.append((both, both))
        sides += [(small * math.sqrt(each), small / math.sqrt(each)) for each in ratios if abs(each - 1) >= 1e-6]
    return sides


def wide(blob: Tensor) -> Tensor:
    """The blob in 32 bits at least: places and overlaps need them."""
    return blob if blob.dtype == torch.float64 else blob.float()


def priors_of(blob: Tensor) -> tuple[Tensor, Tensor]:
    """The boxes and variances, each P x 4, of a blob of priors, 1 x 2 x 4P (GetPriorBBoxes)."""
    boxes, variances = wide(blob).reshape(-1)[: 2 * (blob.shape[2] // 4) * 4].view(2, -1, 4)
    return boxes, variances


@torch.no_grad()
def detection_output(
    locations: Tensor,
    scores: Tensor,
    priors: Tensor,
    *_: Tensor,
    classes: int,
    shared: bool,
    background: int,
    code_type: str,
    in_target: bool,
    threshold: float | None,
    keep_top_k: int,
    nms_threshold: float,
    top_k: int,
    eta: float,
) -> Tensor:
    """The boxes that are left, 1 x 1 x D x 7: image, label, score, corners (detection_output_layer.cpp).

    ``in_target`` is variance_encoded_in_target. Rows are by image, then by class, then by falling score. Where no
    image has a box, there is one row for each, the image's index and six -1. No gradient passes.
    """
    boxes, variances = priors_of(priors)
    batch, number = locations.shape[0], boxes.shape[0]
    labels = [label for label in range(classes) if label != background]
    each = wide(locations).reshape(batch, number, -1, 4).transpose(1, 2)
    each = each if shared else each[:, labels]
    found = decode(each, boxes, None if in_target else variances, code_type)
    rows = wide(scores).reshape(batch, number, classes)[..., labels].transpose(1, 2).reshape(-1, number)
    best, places, counted = ranked(rows, threshold, top_k)
    at = places.view(batch, len(labels), -1)
    found = found.expand(-1, len(labels), -1, -1).gather(2, at[..., None].expand(-1, -1, -1, 4)).flatten(0, 1)
    kept = _best(best, suppress(found, counted, nms_threshold, eta=eta), batch, keep_top_k)
    row, place = kept.nonzero(as_tuple=True)
    if not len(row):
        return nothing_found(batch, found)
    label = torch.tensor(labels, device=found.device)[row % len(labels)]
    heads = [row // len(labels), label, best[row, place]]
    return torch.cat([torch.stack([head.to(found) for head in heads], 1), found[row, place]], 1)[None, None]


def nothing_found(batch: int, like: Tensor) -> Tensor:
    """What Caffe gives for no detections: a row of 7 for each image, its index and six -1."""
    rows = like.new_full((1, 1, batch, 7), -1)
    rows[0, 0, :, 0] = torch.arange(batch, device=like.device)
    return rows


def _best(scores: Tensor, kept: Tensor, batch: int, most: int) -> Tensor:
    """Of the kept ones, rows of images by classes, the ``most`` best of each image (-1: all)."""
    if most < 0:
        return kept
    ordered = scores.masked_fill(~kept, -torch.inf).view(batch, -1)
    places = ordered.sort(dim=1, descending=True, stable=True)[1][:, :most]
    return kept & torch.zeros_like(ordered, dtype=torch.bool).scatter_(1, places, True).view_as(kept)


@torch.no_grad()
def detection_evaluate(
    detections: Tensor,
    truth: Tensor,
    *,
    classes: int,
    background: int,
    threshold: float,
    difficult: bool,
    name_size_file: str,
) -> Tensor:
    """A row for each class, -1, label, boxes, -1, -1, then one for each detection: image, label, score, true, false.

    (detection_evaluate_layer.cpp.) 1 x 1 x D x 7 and 1 x 1 x G x 8 to 1 x 1 x (classes + D) x 5. ``difficult`` is
    evaluate_difficult_gt; without it a detection of a difficult box is neither true nor false. No gradient passes.
    """
    if name_size_file:
        raise NetgenError(
            f"boxes in pixels of the images listed in name_size_file ({name_size_file!r}) are not compared here; "
            "remove the field, and they are compared as fractions of the images"
        )
    given, boxes = wide(detections).reshape(-1, 7), wide(truth).reshape(-1, 8)
    boxes = boxes[(boxes[:, 0].long() == -1).cumsum(0) == 0]
    rows = int((given[:, 1] != -1).sum())
    given = given[(given[:, 0].long() != -1) & (given[:, 1].long() != -1)]
    for what, labels in (("the detections", given[:, 1]), ("the ground truth", boxes[:, 1])):
        if background >= 0 and bool((labels.long() == background).any()):
            raise NetgenError(f"the background's label {background} must not be among {what}")
    heads = torch.tensor([label for label in range(classes) if label != background], device=given.device)
    top = given.new_zeros(len(heads) + rows, 5)
    counting = boxes if difficult else boxes[boxes[:, 7] == 0]
    top[: len(heads)] = -1
    top[: len(heads), 1] = heads.to(top)
    top[: len(heads), 2] = (counting[:, 1].long() == heads[:, None]).sum(1).to(top)
    judged = _judged(given, boxes, threshold, difficult)
    top[len(heads) : len(heads) + len(judged)] = judged
    return top[None, None]


def _judged(given: Tensor, boxes: Tensor, threshold: float, difficult: bool) -> Tensor:
    """The detections, D x 7, in Caffe's order, as image, label, score, true, false; ``boxes`` are G x 8."""
    given = given[_in_order(given[:, 0], given[:, 1])]
    same = (given[:, None, :2].long() == boxes[:, :2].long()).all(-1)
    # Caffe sorts by score only those that have ground truth of their image and label.
    order = _in_order(given[:, 0], given[:, 1], torch.where(same.any(1), -given[:, 2], 0))
    given, same = given[order], same[order]
    places = torch.arange(len(given), device=given.device)
    shared = overlaps(given[:, 3:], boxes[:, 3:7]).masked_fill(~same, -1)
    most, nearest = torch.cat([shared, shared.new_full((len(given), 1), -1)], 1).max(1)
    hit = (most >= threshold) & same.any(1)
    easy = torch.cat([boxes[:, 7] == 0, boxes.new_ones(1, dtype=torch.bool)])[nearest] | difficult
    claims = torch.where(hit & easy, nearest, len(boxes))
    first = places.new_full((len(boxes) + 1,), len(given)).scatter_reduce(0, claims, places, "amin")
    true = hit & easy & (first[claims] == places)
    false = ~hit | (easy & ~true)
    return torch.cat([given[:, :3], torch.stack([true, false], 1).to(given)], 1)


def _in_order(*keys: Tensor) -> Tensor:
    """The places of rows sorted by several keys, the first one foremost; equal rows stay in their order."""
    order = torch.arange(len(keys[0]), device=keys[0].device)
    for key in reversed(keys):
        order = order[key[order].sort(stable=True)[1]]
    return order
