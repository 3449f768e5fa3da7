"""The detections of MobileNet-YOLO's heads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from netgen.errors import NetgenError
from netgen.layers.base import text
from netgen.mirror.boxes import cornered, ranked, suppress
from netgen.mirror.detection import nothing_found, wide


@torch.no_grad()
def yolo2_output(
    *heads: Tensor, classes: int, biases: Sequence[tuple[float, float]], threshold: float, nms_threshold: float
) -> Tensor:
    """The boxes of one or two heads, N x B (5 + classes) x S x S, as 1 x 1 x D x 7 (yolo_detection_output_layer.cpp).

    Rows: 0, label from 1 on, score, corners as fractions of the image, by falling score. Each of the B boxes of a
    position has the class of the largest probability. ``biases`` are their widths and heights in positions.
    """
    boxes, scores, labels = [], [], []
    for head in heads[:2]:
        places, codes = _positions(head, len(biases), classes)
        size = codes.new_tensor(biases) / head.shape[3]
        boxes.append(_boxes(places, codes, size))
        chance, label = codes[..., 5:].softmax(-1).max(-1)
        scores.append(chance * codes[..., 4].sigmoid())
        labels.append(label)
    flat = [torch.cat([each.flatten(0, 3) for each in values]) for values in (boxes, scores, labels)]
    # From the threshold on, where `ranked` takes what is above.
    below = torch.nextafter(flat[1].new_tensor(threshold), flat[1].new_tensor(-torch.inf))
    return _rows(flat[0], flat[1], flat[2], float(below), nms_threshold, heads[0].shape[0])


@torch.no_grad()
def yolo3_output(
    *heads: Tensor,
    classes: int,
    biases: Sequence[Sequence[tuple[float, float]]],
    scales: Sequence[int],
    threshold: float,
    nms_threshold: float,
    gaussian: bool,
) -> Tensor:
    """The boxes of heads N x B (5 + classes) x H x W, as 1 x 1 x D x 7 (yolov3_detection_output_layer.cpp).

    Rows: 0, label from 1 on, score, corners as fractions of the image, by falling score; a box may be there for
    several classes. ``biases`` are the widths and heights of each head's boxes, in pixels; ``scales`` the pixels
    between positions. With ``gaussian`` each of x, y, width and height is followed by the code of its deviation, and
    the objectness counts by what their mean leaves of 1.
    """
    boxes, scores, coords = [], [], 8 if gaussian else 4
    for head, sizes, scale in zip(heads, biases, scales, strict=True):
        places, codes = _positions(head, len(sizes), classes, coords, square=False)
        size = codes.new_tensor(sizes) / (codes.new_tensor(head.shape[:1:-1]) * scale)
        boxes.append(_boxes(places, codes[..., : coords : coords // 4], size).flatten(0, 3))
        chance = codes[..., coords : coords + 1].sigmoid()
        if gaussian:
            chance = chance * (1 - codes[..., 1:8:2].sigmoid().mean(-1, keepdim=True))
        scores.append((codes[..., coords + 1 :].sigmoid() * chance).flatten(0, 3))
    rated = torch.cat(scores)
    labels = torch.arange(classes, device=rated.device).expand_as(rated)
    several = torch.cat(boxes)[:, None].expand(-1, classes, -1).flatten(0, 1)
    return _rows(several, rated.flatten(), labels.flatten(), threshold, nms_threshold, heads[0].shape[0])


def _positions(
    head: Tensor, number: int, classes: int, coords: int = 4, *, square: bool = True
) -> tuple[Tensor, Tensor]:
    """The positions, H x W x 1 x 2 (x, y), and the head as N x H x W x B x (coords + 1 + classes)."""
    batch, channels, height, width = head.shape
    length = coords + 1 + classes
    if (square and height != width) or channels != number * length:
        raise NetgenError(
            f"a head must {'be square and ' if square else ''}have {number} ({coords + 1} + {classes}) = "
            f"{number * length} channels, got {text(tuple(head.shape))}"
        )
    codes = wide(head).view(batch, number, length, height, width).permute(0, 3, 4, 1, 2)
    down, across = (torch.arange(size, device=head.device).to(codes) for size in (height, width))
    return torch.stack(torch.meshgrid(down, across, indexing="ij")[::-1], -1)[:, :, None], codes


def _boxes(places: Tensor, codes: Tensor, size: Tensor) -> Tensor:
    """Corners as fractions of the image; ``size`` are the biases as fractions, B x 2."""
    grid = codes.new_tensor(codes.shape[2:0:-1])
    return cornered((codes[..., :2].sigmoid() + places) / grid, codes[..., 2:4].exp() * size)


def _rows(boxes: Tensor, scores: Tensor, labels: Tensor, threshold: float, nms_threshold: float, batch: int) -> Tensor:
    """The rows of all images and classes together, as Caffe has them: all are of image 0."""
    best, places, counted = ranked(scores[None], threshold, -1)
    found = boxes[places[0]]
    # Boxes go from the threshold on, where `suppress` takes what overlaps more.
    below = torch.nextafter(found.new_tensor(nms_threshold), found.new_tensor(-torch.inf))
    kept = suppress(found[None], counted, float(below))[0].nonzero(as_tuple=True)[0]
    if not len(kept):
        return nothing_found(batch, found)
    heads = torch.stack([torch.zeros_like(best[0, kept]), (labels[places[0, kept]] + 1).to(best), best[0, kept]], 1)
    return torch.cat([heads, found[kept]], 1)[None, None]


@torch.no_grad()
def segmentation_evaluate(found: Tensor, truth: Tensor, *, threshold: float) -> Tensor:
    """Intersection over union of each class of the first image, N C H W to 1 x 1 x 1 x C (segmentation_evaluate).

    A class is where the value is above ``threshold``; 0 where none meet. Both must have the same sizes: Caffe scales
    the first bottom by OpenCV where they differ, which is not followed.
    """
    if found.shape[1:] != truth.shape[1:]:
        raise NetgenError(
            f"both bottoms must have one size, got {text(tuple(found.shape))} and {text(tuple(truth.shape))}; "
            "scale one of them with Interp"
        )
    ours, theirs = found[0].flatten(1) > threshold, truth[0].flatten(1) > threshold
    met, either = (ours & theirs).sum(1), (ours | theirs).sum(1)
    return torch.where(met > 0, met / either.clamp(min=1), 0).to(found.dtype)[None, None, None]
