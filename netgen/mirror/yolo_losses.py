"""The losses of MobileNet-YOLO: their values, and the gradients that the fork writes out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from netgen.errors import NetgenError
from netgen.layers.base import legacy_shape, text
from netgen.mirror.centred import alike, slopes
from netgen.mirror.detection import wide
from netgen.mirror.yolo_memory import (
    Memory,
    best_of,
    boxes_of,
    centred,
    hits_of,
    memory_of,
    rows_of,
    sigmoid_slope,
    steps_of,
    until,
    valued_by,
    with_gradient,
)


class RegionFields(NamedTuple):
    """The fields of a RegionLoss by their names; ``classes`` for num_class, ``biases`` in pairs, as many as boxes."""

    classes: int
    biases: Sequence[tuple[float, float]]
    """Widths and heights, in places."""
    bias_match: bool
    rescore: bool
    thresh: float
    object_scale: float
    noobject_scale: float
    class_scale: float
    coord_scale: float


class YoloFields(NamedTuple):
    """The fields of a Yolov3 by their names; ``classes`` for num_class, ``biases`` in pairs, ``mask`` cut to num."""

    classes: int
    biases: Sequence[tuple[float, float]]
    """Widths and heights, in pixels."""
    mask: Sequence[int]
    anchors_scale: int
    object_scale: float
    class_scale: float
    coord_scale: float
    thresh: float
    iou_loss: str
    iou_normalizer: float
    iou_thresh: float
    max_delta: float
    accumulate: bool
    label_smooth_eps: float
    use_logic_gradient: bool
    use_focal_loss: bool


def region_loss(head: Tensor, boxes: Tensor, **fields: Any) -> Tensor:
    """The loss of a head N x B (5 + classes) x S x S by the ``RegionFields`` (region_loss_layer.cpp, Forward_cpu)."""
    given = RegionFields(**fields)
    with torch.no_grad():
        memory = memory_of(head, len(given.biases), 5 + given.classes, square=True)
        codes, diff = (each.view(memory.shape) for each in (memory.codes, memory.diff))
        codes[:, :, 4].sigmoid_()
        codes[:, :, 5:] = codes[:, :, 5:].softmax(2)
        diff[:, :, 4] = given.noobject_scale * codes[:, :, 4] * sigmoid_slope(codes[:, :, 4])
        sizes = codes.new_tensor(given.biases) / memory.grid
        for image, rows in enumerate(rows_of(boxes, memory)):
            each = codes[image].movedim(1, -1)
            centre, sides = each[..., :2].sigmoid(), each[..., 2:4]
            found = boxes_of(centre, sides, steps_of(memory), sizes[:, None, None], memory.grid)
            best, _ = best_of(found, until(rows, 1), "IOU")
            diff[image, :, 4].masked_fill_(best > given.thresh, 0)
            _write_regions(memory, image, until(rows, 3), sizes, given)
    return with_gradient(head, memory.diff.square().sum() / memory.shape[0], memory)


def _write_regions(memory: Memory, image: int, truth: Tensor, sizes: Tensor, given: RegionFields) -> None:
    """Write the gradient of the truth's boxes one after the other."""
    steps = (truth[:, 1:3] * memory.grid).trunc()
    starts, own = _region_anchors(memory, image, truth, steps, sizes, given.bias_match)
    places = memory.channels(starts, image)
    near = memory.codes[places]
    centre, chance = near[:, :2].sigmoid(), near[:, 4:5]
    overlap = alike(boxes_of(centre, near[:, 2:4], steps, own, memory.grid), truth[:, 1:], "IOU")[:, None]
    scale = given.coord_scale * (1 if given.rescore else 2 - truth[:, 3:4] * truth[:, 4:5])
    parts = (
        scale * (truth[:, 1:3] * memory.grid - steps - centre) * sigmoid_slope(centre),
        scale * ((truth[:, 3:] / own).log() - near[:, 2:4]),
        given.object_scale * ((overlap if given.rescore else 1) - chance) * sigmoid_slope(chance),
        given.class_scale * (hits_of(truth, given.classes).to(near) - near[:, 5:]),
    )
    for at, values in zip(places, -torch.cat(parts, 1), strict=True):
        memory.diff[at] = values


def _region_anchors(
    memory: Memory, image: int, truth: Tensor, steps: Tensor, sizes: Tensor, bias_match: bool
) -> tuple[Tensor, Tensor]:
    """Where the boxes begin that are most like the truth's, K, and their sizes, K x 2.

    Where none is like it, as for one without area, that is the first box of the batch.
    """
    best, starts = truth.new_zeros(len(truth)), truth.new_zeros(len(truth), dtype=torch.long)
    own = sizes[0].expand(len(truth), 2)
    for number, size in enumerate(sizes):
        start, like = memory.starts(image, number, steps), size.expand(len(truth), 2)
        if not bias_match:
            like = memory.codes[memory.channels(start, image)[:, 2:4]].exp() * size
        measure = alike(centred(like), centred(truth[:, 3:]), "IOU")
        better = measure > best
        best, starts = torch.where(better, measure, best), torch.where(better, start, starts)
        own = torch.where(better[:, None], size, own)
    return starts, own


def yolo3_loss(head: Tensor, boxes: Tensor, **fields: Any) -> Tensor:
    """The loss of a head N x B (5 + classes) x H x W by the ``YoloFields`` (yolov3_layer.cpp, Forward_cpu)."""
    given = YoloFields(**fields)
    with torch.no_grad():
        memory = memory_of(head, len(given.mask), 5 + given.classes)
        codes, diff = (each.view(memory.shape) for each in (memory.codes, memory.diff))
        codes[:, :, :2].sigmoid_()
        codes[:, :, 4:].sigmoid_()
        lost = [_yolo3_image(memory, image, rows, given) for image, rows in enumerate(rows_of(boxes, memory))]
        loss = (diff if given.iou_loss == "MSE" else diff[:, :, 4:]).square().sum()
        if given.iou_loss != "MSE":
            missing = torch.cat(lost)
            loss = loss + given.iou_normalizer * missing.sum() / max(len(missing), 1)
        if given.use_logic_gradient:
            # With a measure the fork puts the codes of the centre back before it takes their slopes for a sigmoid's.
            centre = codes if given.iou_loss == "MSE" else wide(head).view(memory.shape)
            diff[:, :, :2] *= sigmoid_slope(centre[:, :, :2])
            diff[:, :, 4:] *= sigmoid_slope(codes[:, :, 4:])
    return with_gradient(head, loss / memory.shape[0], memory)


def _yolo3_image(memory: Memory, image: int, rows: Tensor, given: YoloFields) -> Tensor:
    """Write the gradient of an image; what each of its matches lacks to 1."""
    sizes = memory.codes.new_tensor(given.biases) / (memory.grid * given.anchors_scale)
    codes, diff = (each.view(memory.shape)[image].movedim(1, -1) for each in (memory.codes, memory.diff))
    truth, mine = until(rows, 1), sizes[list(given.mask)]
    found = boxes_of(codes[..., :2], codes[..., 2:4], steps_of(memory), mine[:, None, None], memory.grid)
    best, which = best_of(found, truth, given.iou_loss)
    diff[..., 4] = codes[..., 4].masked_fill(best > given.thresh, 0)
    # More than 1 is what rounding leaves of the same box.
    row, column, box = (best > 1).movedim(0, -1).nonzero().unbind(1)
    same = _Matches(image, box, torch.stack([column, row], 1).to(codes), truth[which[box, row, column]])
    _write(memory, same, mine, given, 1.0)
    truth = until(rows, 3)
    box, chosen = _yolo3_anchors(sizes, truth, given)
    steps = (truth[chosen, 1:3] * memory.grid).trunc()
    scale = given.object_scale if given.use_logic_gradient else 1.0
    return 1 - _write(memory, _Matches(image, box, steps, truth[chosen]), mine, given, scale)


def _yolo3_anchors(sizes: Tensor, truth: Tensor, given: YoloFields) -> tuple[Tensor, Tensor]:
    """The head's boxes that answer for the truth's, in the fork's order: their numbers in the mask, and for which."""
    measure = alike(centred(sizes), centred(truth[:, None, 3:]), given.iou_loss)
    best, anchor = measure.where(measure > 0, 0).max(1)
    anchor = torch.where(best > 0, anchor, -1)
    mask = [given.mask.index(number) if number in given.mask else -1 for number in range(len(sizes))]
    place = torch.tensor([*mask, -1], device=truth.device)
    first = place[anchor]
    # The best one is left out by its number in the mask, where it has one, though these are numbers of the biases.
    others = torch.arange(len(sizes), device=truth.device) != torch.where(first >= 0, first, anchor)[:, None]
    others &= (measure > given.iou_thresh) & (place[:-1] >= 0)
    boxes = torch.cat([first[:, None], place[:-1].expand(len(truth), -1)], 1)
    chosen = torch.cat([first[:, None] >= 0, others], 1)
    return boxes[chosen], chosen.nonzero()[:, 0]


class _Matches(NamedTuple):
    """Boxes of the head and those of the truth that they answer for."""

    image: int
    box: Tensor
    """The numbers among B, K."""
    steps: Tensor
    """The places x and y, K x 2."""
    truth: Tensor
    """Label, x, y, width and height, K x 5."""


def _write(memory: Memory, matches: _Matches, sizes: Tensor, given: YoloFields, object_scale: float) -> Tensor:
    """Write the gradient of matches one after the other; the measure of each."""
    truth = matches.truth
    starts = memory.starts(*matches[:3])
    places, labels = memory.channels(starts, matches.image), starts + (5 + truth[:, 0].long()) * memory.plane
    memory.check(labels, matches.image)
    near, chances, own = memory.codes[places], memory.codes[labels], sizes[matches.box]
    found = boxes_of(near[:, :2], near[:, 2:4], matches.steps, own, memory.grid)
    if given.iou_loss == "MSE":
        aim = torch.cat([truth[:, 1:3] * memory.grid - matches.steps, (truth[:, 3:] / own).log()], 1)
        moves = given.coord_scale * (2 - truth[:, 3:4] * truth[:, 4:5]) * (aim - near[:, :4])
    else:
        moves = _moves(found, near, truth[:, 1:], given)
    kept = given.accumulate and given.iou_loss != "MSE"
    objects = object_scale * (near[:, 4] - 1)
    rows, hits = _classes(near[:, 5:], chances, truth, given)
    for at, label, move, thing, row, hit in zip(places, labels, -moves, objects, rows, hits, strict=True):
        diff = memory.diff
        diff[at[:4]] = move + diff[at[:4]] if kept else move
        diff[at[4]] = thing
        # Of a place that had its classes before, the one of the label alone is written.
        again, old = diff[label] != 0, diff[at[5:]]
        diff[at[5:]] = torch.where(again | row.isnan(), old, row)
        diff[label] = torch.where(again & ~hit.isnan(), hit, diff[label])
    return alike(found, truth[:, 1:], given.iou_loss if given.iou_loss in ("GIOU", "CIOU") else "DIOU")


def _moves(found: Tensor, codes: Tensor, truth: Tensor, given: YoloFields) -> Tensor:
    """How the measure grows with the codes of boxes, K x 4, up to ``max_delta`` either way."""
    sides = found[:, 2:].where(found[:, 2:] != 0, 1)
    grown = slopes(torch.cat([found[:, :2], sides], 1), truth, given.iou_loss)
    grown = given.iou_normalizer * torch.cat([grown[:, :2], grown[:, 2:] * codes[:, 2:4].exp()], 1)
    grown, most = grown.where(grown.isfinite(), 0), given.max_delta
    return torch.where(grown > most, most, torch.where(grown < -most, -most, grown))


def _classes(chances: Tensor, own: Tensor, truth: Tensor, given: YoloFields) -> tuple[Tensor, Tensor]:
    """The gradient of all classes, K x classes, and of the label's where they have one; NaN where none is written."""
    hits, smooth = hits_of(truth, given.classes).to(chances), given.label_smooth_eps
    again = -given.class_scale * (1 - 0.5 * smooth - own)
    again = again.where(again.isfinite(), torch.nan)
    if given.use_focal_loss:
        sure = own + 1e-15
        focus = -0.5 * (1 - sure) * (2 * sure * sure.log() + sure - 1)
        return -given.class_scale * (hits - chances) * focus[:, None], again
    rows = -given.class_scale * (hits * (1 - smooth) + 0.5 * smooth - chances)
    return rows.where(rows.isfinite(), torch.nan), again


def segmentation_loss(head: Tensor, targets: Tensor, weights: Tensor | None = None, *, object_scale: float) -> Tensor:
    """The sum of the gradient's squares by the batch (yolo_seg.cpp, Forward_cpu).

    Head and targets are N x C x H x W; ``weights``, R x C, hold how many places each class has in an image.
    """
    batch, classes, height, width = legacy_shape(tuple(head.shape))
    if legacy_shape(tuple(targets.shape))[:2] != (batch, classes):
        raise NetgenError(
            "head and targets must have the same batch and channels, "
            f"got {text(tuple(head.shape))} and {text(tuple(targets.shape))}"
        )
    with torch.no_grad():
        chances, wanted = (wide(each).reshape(batch, classes, -1) for each in (head, targets))
        chances = chances.sigmoid()
        scale = chances.new_full((classes, 1), object_scale)
        if weights is not None:
            if weights.numel() != weights.shape[0] * classes:
                raise NetgenError(
                    f"the weights must be {classes} for each image, one for each channel, "
                    f"got {text(tuple(weights.shape))}"
                )
            places = wide(weights).reshape(-1, classes)
            scale = object_scale * (2 - places.sum(0) / (height * width - places).sum(0))[:, None]
        diff = (chances - wanted) * scale.where(wanted > 0.5, object_scale)
        loss = diff.square().sum() / batch
    return valued_by(head, loss, diff / batch)
