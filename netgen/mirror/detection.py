"""The SSD fork's priors and detections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from netgen.layers.base import legacy_shape
from netgen.mirror.boxes import decode, ranked, suppress


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
