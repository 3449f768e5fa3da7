"""Boxes by centre and sides: how alike two are, and how that grows with each value of the first.

MobileNet-YOLO has its measures from Darknet: ``IOU`` (and ``MSE``), ``GIOU``, ``DIOU``, ``CIOU`` by the names of its
enum. Boxes are ... x 4, x and y of the centre, width and height; two sets of them broadcast.
Sources: src/caffe/util/bbox_util.cpp, and dx_box_iou of src/caffe/layers/yolov3_layer.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

LEAST = 1e-6
"""What CIOU adds to a divisor."""


class _Edges(NamedTuple):
    left: Tensor
    top: Tensor
    right: Tensor
    bottom: Tensor


def alike(first: Tensor, second: Tensor, kind: str) -> Tensor:
    """The measure of that name for each pair: 1 for the same box, NaN for two without area at one place."""
    return _MEASURES[kind](first, second)


def _overlap(first: Tensor, second: Tensor) -> Tensor:
    """The shared area over that of both together."""
    shared = _shared(first, second)
    return shared / _union(first, second, shared)


def _giou(first: Tensor, second: Tensor) -> Tensor:
    overlap, (width, height) = _overlap(first, second), _around(first, second)
    area = width * height
    missing = (area - _union(first, second, _shared(first, second))) / area
    return torch.where(area == 0, overlap, overlap - missing)


def _diou(first: Tensor, second: Tensor) -> Tensor:
    overlap, (width, height) = _overlap(first, second), _around(first, second)
    diagonal = width**2 + height**2
    return torch.where(diagonal == 0, overlap, overlap - (_apart(first, second) / diagonal) ** 0.6)


def _ciou(first: Tensor, second: Tensor) -> Tensor:
    overlap, (width, height) = _overlap(first, second), _around(first, second)
    diagonal = width**2 + height**2
    shape = _shape_loss(first, second)
    weight = shape / (1 - overlap + shape + LEAST)
    term = _apart(first, second) / diagonal + weight * shape
    return torch.where(diagonal == 0, overlap, overlap - term)


_MEASURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "IOU": _overlap,
    "MSE": _overlap,
    "GIOU": _giou,
    "DIOU": _diou,
    "CIOU": _ciou,
}


def slopes(found: Tensor, truth: Tensor, kind: str) -> Tensor:
    """By how much the measure grows with x, y, width and height of ``found``, as the fork writes it out; ... x 4.

    It is no true derivative: width and height count twice, what is shared is a product of two lengths that may be
    negative, the diagonal's growth with x and y has the other sign, CIOU's proportions are not divided by w^2 + h^2.
    """
    raw, other = _edges(found), _edges(truth)
    mine = _Edges(
        torch.fmin(raw.left, raw.right), torch.fmin(raw.top, raw.bottom),
        torch.fmax(raw.left, raw.right), torch.fmax(raw.top, raw.bottom),
    )  # fmt: skip
    wide = torch.fmin(mine.right, other.right) - torch.fmax(mine.left, other.left)
    high = torch.fmin(mine.bottom, other.bottom) - torch.fmax(mine.top, other.top)
    grown = _edge_slopes(mine, other, wide, high)
    # Where an edge is not before its opposite the two are exchanged, but the second is read when the first is written.
    grown = grown._replace(
        left=torch.where(raw.left < raw.right, grown.left, grown.right),
        top=torch.where(raw.top < raw.bottom, grown.top, grown.bottom),
    )
    if kind == "GIOU":
        grown = _around_slopes(grown, mine, other, wide, high)
    x, y = grown.left + grown.right, grown.top + grown.bottom
    turned = torch.stack([x, y, grown.right - grown.left, grown.bottom - grown.top], -1)
    if kind not in ("DIOU", "CIOU"):
        return turned
    terms = _distance_slopes(found, truth, mine, other)
    if kind == "CIOU":
        terms = terms + _shape_slopes(found, truth, mine, other, wide * high)
    apart = ((wide <= 0) | (high <= 0))[..., None]
    return torch.where(apart, terms, turned + terms)


def _within(mine: _Edges, other: _Edges, wide: Tensor, high: Tensor) -> tuple[_Edges, _Edges, Tensor]:
    """The slopes of the shared and of the joint area along the edges of ``mine``, and the joint area."""
    width, height = mine.right - mine.left, mine.bottom - mine.top
    shared = _Edges(
        torch.where(mine.left > other.left, -high, 0),
        torch.where(mine.top > other.top, -wide, 0),
        torch.where(mine.right < other.right, high, 0),
        torch.where(mine.bottom < other.bottom, wide, 0),
    )
    areas = (-height, -width, height, width)
    joint = _Edges(*(area - each for area, each in zip(areas, shared, strict=True)))
    return shared, joint, _area(mine) + _area(other) - wide * high


def _edge_slopes(mine: _Edges, other: _Edges, wide: Tensor, high: Tensor) -> _Edges:
    """The slopes of IOU along the edges of ``mine``."""
    shared, joint, union = _within(mine, other, wide, high)
    return _Edges(
        *(
            torch.where(union > 0, (union * up - wide * high * down) / union**2, 0)
            for up, down in zip(shared, joint, strict=True)
        )
    )


def _around_slopes(grown: _Edges, mine: _Edges, other: _Edges, wide: Tensor, high: Tensor) -> _Edges:
    """The slopes of GIOU for those of IOU."""
    _, joint, union = _within(mine, other, wide, high)
    width = torch.fmax(mine.right, other.right) - torch.fmin(mine.left, other.left)
    height = torch.fmax(mine.bottom, other.bottom) - torch.fmin(mine.top, other.top)
    beyond = (
        torch.where(mine.left < other.left, -height, 0),
        torch.where(mine.top < other.top, -width, 0),
        torch.where(mine.right > other.right, height, 0),
        torch.where(mine.bottom > other.bottom, width, 0),
    )
    area, apart = width * height, (wide <= 0) | (high <= 0)
    terms = [(area * down - union * out) / area**2 for down, out in zip(joint, beyond, strict=True)]
    return _Edges(*(torch.where(apart, term, slope + term) for slope, term in zip(grown, terms, strict=True)))


def _distance_slopes(found: Tensor, truth: Tensor, mine: _Edges, other: _Edges) -> Tensor:
    """The slopes of the centres' distance over the diagonal around both, ... x 4."""
    width, height = _around(found, truth)
    diagonal, apart = width**2 + height**2, _apart(found, truth)
    left, right = (mine.left < other.left).to(found), (mine.right > other.right).to(found)
    top, bottom = (mine.top < other.top).to(found), (mine.bottom > other.bottom).to(found)
    x = 2 * (truth[..., 0] - found[..., 0]) * diagonal - 2 * width * (right - left) * apart
    y = 2 * (truth[..., 1] - found[..., 1]) * diagonal - 2 * height * (bottom - top) * apart
    sides = width * (right + left) * apart, height * (bottom + top) * apart
    return torch.stack([x, y, *sides], -1) / diagonal[..., None] ** 2


def _shape_slopes(found: Tensor, truth: Tensor, mine: _Edges, other: _Edges, shared: Tensor) -> Tensor:
    """CIOU's slopes of the proportions, ... x 4, 0 for x and y."""
    joint = _area(mine) + _area(other) - shared
    shape = _shape_loss(found, truth)
    weight = shape / (1 - shared / joint + shape + LEAST)
    turn = 8 / math.pi**2 * (_angle(truth) - _angle(found)) * weight
    nothing = torch.zeros_like(turn)
    return torch.stack([nothing, nothing, turn * found[..., 3], -turn * found[..., 2]], -1)


def _edges(boxes: Tensor) -> _Edges:
    low, high = boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2
    return _Edges(low[..., 0], low[..., 1], high[..., 0], high[..., 1])


def _area(edges: _Edges) -> Tensor:
    return (edges.right - edges.left) * (edges.bottom - edges.top)


def _shared(first: Tensor, second: Tensor) -> Tensor:
    """The area that two boxes share."""
    low = torch.maximum(first[..., :2] - first[..., 2:] / 2, second[..., :2] - second[..., 2:] / 2)
    high = torch.minimum(first[..., :2] + first[..., 2:] / 2, second[..., :2] + second[..., 2:] / 2)
    width, height = (high - low).unbind(-1)
    return torch.where((width < 0) | (height < 0), 0, width * height)


def _union(first: Tensor, second: Tensor, shared: Tensor) -> Tensor:
    return first[..., 2] * first[..., 3] + second[..., 2] * second[..., 3] - shared


def _around(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Width and height of the least box around both."""
    low = torch.fmin(first[..., :2] - first[..., 2:] / 2, second[..., :2] - second[..., 2:] / 2)
    high = torch.fmax(first[..., :2] + first[..., 2:] / 2, second[..., :2] + second[..., 2:] / 2)
    width, height = (high - low).unbind(-1)
    return width, height


def _apart(first: Tensor, second: Tensor) -> Tensor:
    """The square of the distance between the centres."""
    return ((first[..., :2] - second[..., :2]) ** 2).sum(-1)


def _angle(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] / boxes[..., 3]).atan()


def _shape_loss(first: Tensor, second: Tensor) -> Tensor:
    """How far the proportions differ, 0 to 1."""
    return 4 / math.pi**2 * (_angle(second) - _angle(first)) ** 2
