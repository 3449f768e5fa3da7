"""Darknet's detection heads: boxes with objectness and class scores out of the raw blobs, and their suppression.

A blob is what the head reads, before its own arithmetic. Boxes are x, y, w, h as fractions of the network's input, x
and y those of the centre. Sources: pjreddie/darknet and AlexeyAB/darknet, src/yolo_layer.c, gaussian_yolo_layer.c,
region_layer.c, detection_layer.c and box.c.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from netgen.errors import NetgenError, UsageError
from netgen.mirror.boxes import cornered, ranked, suppress
from netgen.mirror.detection import wide

if TYPE_CHECKING:
    from netgen.darknet import Head

Size = tuple[int, int]


class Rules(NamedTuple):
    """What decoding goes by beside the head: the input's height and width, the threshold, and whose Darknet."""

    size: Size
    threshold: float
    fork: bool


class Found(NamedTuple):
    """Boxes of one image: N x 4, N and N x classes; a score is objectness times probability, 0 up to the threshold."""

    boxes: Tensor
    objectness: Tensor
    scores: Tensor

    def of(self, rows: Tensor) -> Found:
        """Those of some rows, by their numbers or by a mask."""
        return Found(self.boxes[rows], self.objectness[rows], self.scores[rows])


@torch.no_grad()
def decode_heads(
    heads: Sequence[Head], blobs: Mapping[str, Tensor], size: Size, threshold: float, *, fork: bool = False
) -> Found:
    """The boxes of all heads for one image, in Darknet's order (get_network_boxes, with the image as large as the net).

    ``blobs`` holds what each head reads, 1 x C x H x W or with as many values, on any device; ``size`` is height and
    width of the network's input. Heads of yolo and Gaussian_yolo give the boxes whose objectness is above
    ``threshold``, by row, column and anchor; region and detection give all. ``fork`` takes the rules of AlexeyAB's
    fork where they are others: a region head's boxes are by row, column and anchor, their objectness is 1, and without
    ``softmax`` their class scores are taken as they are. Raises NetgenError for a head or blob that gives no boxes.
    """
    parts = []
    for head in heads:
        if head.type not in _DECODERS:
            kinds = ", ".join(_DECODERS)
            raise NetgenError(f"{place(head)}: boxes come from {kinds}, and this is none of them; leave it out")
        if not head.classes:
            raise NetgenError(f"{place(head)}: has no classes, so that no box has a score; give it one")
        parts.append(_DECODERS[head.type](head, wide(blobs[head.blob]), Rules(size, threshold, fork)))
    classes = {each.classes for each in heads}
    if len(classes) != 1:
        told = ", ".join(f"{each.blob!r} has {each.classes}" for each in heads) or "there is none"
        raise NetgenError(f"all heads must have the same classes, and {told}; give those that belong together")
    return Found(*(torch.cat(each) for each in zip(*parts, strict=True)))


@torch.no_grad()
def nms_sort(found: Found, threshold: float, *, beta: float | None = None) -> Found:
    """The same rows, with the scores 0 that non-maximum suppression takes away (box.c, do_nms_sort).

    Class by class a box loses its score to one with a higher score that it overlaps by more than ``threshold``; boxes
    of objectness 0 take no part. Darknet also sorts the rows, which stay here. ``beta`` is for AlexeyAB's diounms_sort,
    whose overlap is less by the distance of the centres (``boxes.distance_overlaps``).
    """
    there = found.objectness != 0
    rated = found.scores.T.masked_fill(~there, 0)
    best, places, counted = ranked(rated, 0.0, -1)
    corners = cornered(found.boxes[:, :2], found.boxes[:, 2:])
    kept = suppress(corners[places], counted, threshold, beta=beta)
    alive = torch.zeros_like(rated, dtype=torch.bool).scatter_(1, places[:, : best.shape[1]], kept)
    return found._replace(scores=torch.where(alive.T | ~there[:, None], found.scores, 0))


def place(head: Head) -> str:
    """How errors name a head."""
    return f"the [{head.type}] of line {head.line}" if head.line else f"the {head.type} head of {head.blob!r}"


def _yolo(head: Head, blob: Tensor, rules: Rules) -> Found:
    codes = _codes(head, blob, 4)
    scale, new = head.options.get("scale_x_y", 1.0), bool(head.options.get("new_coords"))
    heights, widths = codes.shape[:2]
    chances = codes[..., 4:] if new else codes[..., 4:].sigmoid()
    offsets = (codes[..., :2] if new else codes[..., :2].sigmoid()) * scale - 0.5 * (scale - 1)
    sides = codes[..., 2:4].square() * 4 if new else codes[..., 2:4].exp()
    sides = sides * _anchors(head, codes) / codes.new_tensor(rules.size[::-1])
    centres = (offsets + _cells(codes)) / codes.new_tensor([widths, heights])
    return _above(torch.cat([centres, sides], -1), chances[..., 0], chances[..., 1:], rules.threshold)


def _gaussian_yolo(head: Head, blob: Tensor, rules: Rules) -> Found:
    codes = _codes(head, blob, 8)
    scale = head.options.get("scale_x_y", 1.0)
    heights, widths = codes.shape[:2]
    offsets = codes[..., 0:4:2].sigmoid() * scale - 0.5 * (scale - 1)
    centres = (offsets + _cells(codes)) / codes.new_tensor([widths, heights])
    sides = codes[..., 4:8:2].exp() * _anchors(head, codes) / codes.new_tensor(rules.size[::-1])
    chances = codes[..., 8:].sigmoid()
    certain = 1 - codes[..., 1:8:2].sigmoid().mean(-1, keepdim=True)
    return _above(torch.cat([centres, sides], -1), chances[..., 0], chances[..., 1:] * certain, rules.threshold)


def _above(boxes: Tensor, objectness: Tensor, classes: Tensor, threshold: float) -> Found:
    """The boxes whose objectness is above the threshold, by row, column and anchor."""
    rows = objectness > threshold
    return Found(boxes[rows], objectness[rows], _scores(objectness[rows], classes[rows], threshold))


def _region(head: Head, blob: Tensor, rules: Rules) -> Found:
    if head.coords < 4:
        raise NetgenError(f"{place(head)}: a box needs coords=4, got {head.coords}")
    if head.options.get("tree"):
        raise NetgenError(f"{place(head)}: scores over a tree of classes are not decoded; read {head.blob!r} instead")
    codes = _codes(head, blob, head.coords)
    heights, widths = codes.shape[:2]
    cells = codes.new_tensor([widths, heights])
    sides = codes[..., 2:4].exp() * _anchors(head, codes) / cells
    boxes = torch.cat([(codes[..., :2].sigmoid() + _cells(codes)) / cells, sides], -1)
    objectness, classes = _region_chances(head, codes[..., head.coords :], rules.fork)
    if rules.fork:
        scores = _scores(objectness, classes, rules.threshold)
        return Found(boxes.flatten(0, 2), torch.ones_like(objectness).flatten(), scores.flatten(0, 2))
    objectness = torch.where(objectness > rules.threshold, objectness, 0)
    scores = _scores(objectness, classes, rules.threshold)
    by_anchor = [each.movedim(2, 0).flatten(0, 2) for each in (boxes, objectness, scores)]
    return Found(*by_anchor)


def _region_chances(head: Head, codes: Tensor, fork: bool) -> tuple[Tensor, Tensor]:
    """Objectness and class probabilities of a region head."""
    if head.options.get("softmax"):
        if head.options.get("background") and not fork:
            return torch.ones_like(codes[..., 0]), codes.softmax(-1)[..., 1:]
        return codes[..., 0].sigmoid(), codes[..., 1:].softmax(-1)
    return codes[..., 0].sigmoid(), codes[..., 1:] if fork else codes[..., 1:].sigmoid()


def _detection(head: Head, blob: Tensor, rules: Rules) -> Found:
    if head.coords != 4:
        raise NetgenError(f"{place(head)}: a box needs coords=4, got {head.coords}")
    side, number = head.options["side"], head.num
    cells = side * side
    lengths = [cells * head.classes, cells * number, cells * number * 4]
    _check_count(head, blob, sum(lengths))
    classes, objectness, codes = torch.split(blob.reshape(-1), lengths)
    classes = classes.view(cells, 1, head.classes)
    if head.options.get("softmax"):
        classes = classes.softmax(-1)
    objectness, codes = objectness.view(cells, number), codes.view(side, side, number, 4)
    sides = codes[..., 2:].square() if head.options.get("sqrt") else codes[..., 2:]
    boxes = torch.cat([(codes[..., :2] + _cells(codes)) / side, sides], -1)
    scores = _scores(objectness, classes.expand(-1, number, -1), rules.threshold)
    return Found(boxes.flatten(0, 2), objectness.flatten(), scores.flatten(0, 1))


def _scores(objectness: Tensor, classes: Tensor, threshold: float) -> Tensor:
    scores = objectness[..., None] * classes
    return torch.where(scores > threshold, scores, 0)


def _codes(head: Head, blob: Tensor, coords: int) -> Tensor:
    """The head's channels, H x W x anchors x (coords, objectness, classes)."""
    per_box = coords + 1 + head.classes
    height, width = blob.shape[2:] if blob.dim() == 4 else head.shape[1:] if head.shape else (1, 1)
    _check_count(head, blob, head.num * per_box * height * width)
    return blob.reshape(head.num, per_box, height, width).permute(2, 3, 0, 1)


def _check_count(head: Head, blob: Tensor, wanted: int) -> None:
    if blob.numel() != wanted:
        shape = " x ".join(map(str, blob.shape))
        raise NetgenError(
            f"{place(head)}: reads {wanted} values of one image, got {blob.numel()} ({shape}); give one image, and the "
            "blob that the head belongs to"
        )


def _cells(codes: Tensor) -> Tensor:
    """Column and row of each place, H x W x 1 x 2."""
    rows, columns = (torch.arange(length, device=codes.device).to(codes) for length in codes.shape[:2])
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], -1)[:, :, None]


def _anchors(head: Head, codes: Tensor) -> Tensor:
    if len(head.anchors) != head.num:
        raise UsageError(f"{place(head)}: must have {head.num} anchors, got {len(head.anchors)}")
    return codes.new_tensor(head.anchors)


_DECODERS: dict[str, Callable[[Head, Tensor, Rules], Found]] = {
    "yolo": _yolo,
    "gaussian_yolo": _gaussian_yolo,
    "region": _region,
    "detection": _detection,
}
