"""The detections of MobileNet-YOLO's heads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from netgen.errors import NetgenError
from netgen.layers.base import text
from netgen.mirror.boxes import cornered, overlaps, ranked, suppress
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


@torch.no_grad()
def eval_detection(
    head: Tensor,
    truth: Tensor,
    *_: Tensor,
    classes: int,
    biases: Sequence[tuple[float, float]],
    threshold: float,
    nms_threshold: float,
    score_type: str,
) -> Tensor:
    """The boxes of a head, N x B (5 + classes) x S x S, against the ground truth (eval_detection_layer.cpp).

    N x (classes + 4 S^2 B): how many true boxes of each class there are, and rows of label, score, true and false.
    """
    places, codes = _positions(head, len(biases), classes)
    boxes = _boxes(places, codes, codes.new_tensor(biases) / head.shape[3]).flatten(1, 3)
    chances, labels = codes[..., 5:].softmax(-1).flatten(1, 3).max(-1)
    objects = codes[..., 4].sigmoid().flatten(1, 3)
    scores = {"OBJ": objects, "PROB": chances, "MULTIPLY": objects * chances}[score_type]
    top = head.new_zeros(len(head), classes + 4 * scores.shape[1])
    for i, (true_labels, true_boxes) in enumerate(_truths(wide(truth), len(head), classes)):
        top[i, :classes] = true_labels.bincount(minlength=classes)
        found = _found(boxes[i], scores[i], labels[i], nms_threshold)
        marks = _marks(boxes[i, found], labels[i, found], true_boxes, true_labels, threshold)
        rows = torch.stack([labels[i, found].to(top), scores[i, found].to(top), *(mark.to(top) for mark in marks)], 1)
        top[i, classes : classes + rows.numel()] = rows.flatten()
    return top


LEAST_SCORE = 0.005
"""What EvalDetection leaves out lies below."""


def _found(boxes: Tensor, scores: Tensor, labels: Tensor, nms_threshold: float) -> Tensor:
    """The places of the boxes that are left of P, by label and falling score; none without a suppression."""
    if nms_threshold < 0:
        return labels[:0]
    _, places, counted = ranked(scores[None], None, -1)
    # Boxes go from the threshold on, where `suppress` takes what overlaps more; at 0 all go, also those apart.
    below = torch.nextafter(boxes.new_tensor(nms_threshold), boxes.new_tensor(-torch.inf)) if nms_threshold else -1
    kept = places[suppress(boxes[places[0]][None], counted, float(below))]
    kept = kept[scores[kept].double() >= LEAST_SCORE]
    return kept[labels[kept].argsort(stable=True)]


def _marks(
    boxes: Tensor, labels: Tensor, true_boxes: Tensor, true_labels: Tensor, threshold: float
) -> tuple[Tensor, Tensor]:
    """Which of P boxes, by falling score in their class, are true and which false, against G true ones."""
    same = labels[:, None] == true_labels
    if not same.numel():
        return torch.zeros_like(labels), torch.ones_like(labels)
    shared = overlaps(boxes, true_boxes).masked_fill(~same, -1)
    best = shared.argmax(1, keepdim=True)
    hits = torch.zeros_like(same).scatter_(1, best, shared.gather(1, best) >= boxes.new_tensor(threshold)) & same
    first = (hits & (hits.cumsum(0) == 1)).any(1)
    return first, (hits.any(1) & ~first) | ~same.any(1)


def _truths(truth: Tensor, batch: int, classes: int) -> list[tuple[Tensor, Tensor]]:
    """The labels from 0 on and the boxes of each image, of AnnotatedData's rows of 8 or of 30 rows of 5 for each."""
    if truth.shape[-1] == 8 and truth.dim() == 4:
        rows = truth.reshape(-1, 8)
        images, labels, boxes = rows[:, 0].long(), rows[:, 1].long() - 1, rows[:, 3:7]
        there = images != -1
    else:
        rows = truth.reshape(batch, -1, 5)
        there = (rows[..., 1] != 0).long().cumprod(1).bool().flatten()
        images = torch.arange(batch, device=truth.device).repeat_interleave(rows.shape[1])
        labels, boxes = rows[..., 0].flatten().long(), cornered(rows[..., 1:3], rows[..., 3:5]).reshape(-1, 4)
    images, labels, boxes = images[there], labels[there], boxes[there]
    for what, values, number in (("images", images, batch), ("labels", labels, classes)):
        wrong = values[(values < 0) | (values >= number)]
        if len(wrong):
            raise NetgenError(f"the {what} of the ground truth must lie in 0..{number - 1}, got {int(wrong[0])}")
    return [(labels[images == i], boxes[images == i]) for i in range(batch)]
