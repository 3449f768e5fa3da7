"""The SSD fork's DetectionEvaluate: which detections are true, by boxes as fractions or in pixels of their images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from netgen.errors import NetgenError
from netgen.files import read_text
from netgen.mirror.boxes import overlaps
from netgen.mirror.boxes import sizes as areas
from netgen.mirror.detection import wide
from netgen.mirror.function import ByValue

if TYPE_CHECKING:
    from netgen.layers.base import Shape

Overlap = Callable[[Tensor, Tensor], Tensor]
"""Of D x 7 detections and G x 8 boxes of the ground truth, D x G."""


class DetectionEvaluate(ByValue):
    """A row for each class, -1, label, boxes, -1, -1, then one for each detection: image, label, score, true, false.

    (detection_evaluate_layer.cpp.) 1 x 1 x D x 7 and 1 x 1 x G x 8 to 1 x 1 x (classes + D) x 5. No gradient passes.
    With ``name_size_file`` boxes are compared in pixels: each image that has detections takes the next of the sizes
    listed there, from the top again at their end, and goes on with them at the next pass. ``resize`` is resize_param,
    by which the images were brought to the network's size.
    """

    def __init__(
        self,
        shapes: Callable[[Sequence[Shape]], list[Shape]],
        name_size_file: str,
        resize: Mapping[str, Any] | None,
        **fields: Any,
    ) -> None:
        super().__init__(self._evaluated, shapes, **fields)
        self.name_size_file, self.resize = name_size_file, resize
        self._listed: list[tuple[int, int]] | None = None
        self._at = 0

    def reset(self) -> None:
        """Begin with the first of the images that name_size_file lists, and read it again."""
        self._listed, self._at = None, 0

    def _evaluated(self, detections: Tensor, truth: Tensor, **fields: Any) -> Tensor:
        if self._listed is None:
            self._listed = image_sizes(self.name_size_file) if self.name_size_file else []
        images = _images(wide(detections).reshape(-1, 7))
        if not self._listed or not len(images):
            return evaluate(detections, truth, _by_fractions, **fields)
        order = (torch.arange(len(images)) + self._at) % len(self._listed)
        self._at = (self._at + len(images)) % len(self._listed)
        sizes = torch.tensor(self._listed, dtype=torch.float32)[order].to(images.device)

        def by_pixels(found: Tensor, boxes: Tensor) -> Tensor:
            # Of images without detections the size is not asked for.
            ours, theirs = (
                in_pixels(rows[:, 3:7], sizes[(rows[:, :1].long() == images).long().argmax(1)], self.resize)
                for rows in (found, boxes)
            )
            return pixel_overlaps(*ours, *theirs)

        return evaluate(detections, truth, by_pixels, **fields)


def image_sizes(name: str) -> list[tuple[int, int]]:
    """Height and width of each image in a file of names, heights and widths; raises NetgenError for another one."""
    way = "it lists name, height and width of each image, and is looked for from the current folder"
    try:
        words = read_text(name).split()
    except NetgenError as error:
        raise NetgenError(f"name_size_file: {error}; {way}, and without it boxes are compared as fractions") from None
    sizes = []
    for i in range(0, len(words), 3):
        image = words[i : i + 3]
        if len(image) != 3 or not all(each.isdecimal() and int(each) for each in image[1:]):
            raise NetgenError(f"name_size_file: {name}: {way}; got {' '.join(image)!r} for image {i // 3 + 1}")
        sizes.append((int(image[1]), int(image[2])))
    return sizes


def in_pixels(boxes: Tensor, sizes: Tensor, resize: Mapping[str, Any] | None) -> tuple[Tensor, Tensor]:
    """Boxes N x 4, fractions of what the network saw, in pixels of their images, and their areas.

    ``sizes`` are N x 2, height and width (bbox_util.cpp, OutputBBox).
    """
    height, width = sizes[:, :1], sizes[:, 1:]
    sides = torch.cat([width, height, width, height], 1)
    mode = resize["resize_mode"] if resize else "WARP"
    if resize and not (resize["height"] and resize["width"]):
        raise NetgenError(f"resize_param must give height and width, got {resize['height']} and {resize['width']}")
    if resize and mode == "FIT_SMALL_SIZE" and resize["height_scale"] and resize["width_scale"]:
        scales = boxes.new_tensor([resize["width_scale"], resize["height_scale"]]).repeat(2)
        pixels = torch.minimum(boxes * scales, sides).clamp(min=0)
        return pixels, areas(pixels)
    if resize and mode == "FIT_LARGE_SIZE_AND_PAD":
        boxes = _without_pad(boxes, width / height, resize["width"], resize["height"])
    pixels = boxes.clamp(0, 1) * sides
    inclusive = (sizes > 1).any(1)
    inside_out = (pixels[:, 2:] < pixels[:, :2]).any(1)
    plain = torch.where(inclusive, areas(pixels, pixels=True), areas(pixels))
    return pixels, plain.masked_fill(inside_out, 0)


def _without_pad(boxes: Tensor, aspect: Tensor, width: int, height: int) -> Tensor:
    """Fractions of the image within the pads; a box in the pads alone stays as it is (ProjectBBox)."""
    wider = aspect > width / height
    across = torch.where(wider, 0, (width - height * aspect) / 2 / width)
    down = torch.where(wider, (height - width / aspect) / 2 / height, 0)
    low = torch.cat([across, down], 1)
    outside = ((boxes[:, :2] >= 1 - low) | (boxes[:, 2:] <= low)).any(1, keepdim=True)
    return torch.where(outside, boxes, (boxes - low.repeat(1, 2)) / (1 - 2 * low).repeat(1, 2))


def pixel_overlaps(first: Tensor, areas_of_first: Tensor, second: Tensor, areas_of_second: Tensor) -> Tensor:
    """Intersection over union, A x B, where both corners belong to a box (JaccardOverlap, normalized false).

    Boxes that do not meet share a single pixel all the same: Caffe takes 0, 0, 0, 0 for what they share.
    """
    ours, theirs = first[:, None], second[None]
    apart = ((theirs[..., :2] > ours[..., 2:]) | (theirs[..., 2:] < ours[..., :2])).any(-1, keepdim=True)
    sides = torch.minimum(ours, theirs)[..., 2:] - torch.maximum(ours, theirs)[..., :2]
    sides = sides.masked_fill(apart, 0) + 1
    shared = sides[..., 0] * sides[..., 1]
    union = areas_of_first[:, None] + areas_of_second - shared
    return torch.where((sides > 0).all(-1), shared / union, 0)


def _by_fractions(found: Tensor, boxes: Tensor) -> Tensor:
    return overlaps(found[:, 3:], boxes[:, 3:7])


def _images(detections: Tensor) -> Tensor:
    """The images that rows of detections speak of, also those that say that nothing is there, in rising order."""
    images = detections[:, 0].long()
    found: Tensor = torch.unique(images[images != -1])
    return found


@torch.no_grad()
def evaluate(
    detections: Tensor,
    truth: Tensor,
    overlap: Overlap,
    *,
    classes: int,
    background: int,
    threshold: float,
    difficult: bool,
) -> Tensor:
    """The rows; ``difficult`` is evaluate_difficult_gt, without which a detection of a difficult box is neither."""
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
    judged = _judged(given, boxes, overlap, threshold, difficult)
    top[len(heads) : len(heads) + len(judged)] = judged
    return top[None, None]


def _judged(given: Tensor, boxes: Tensor, overlap: Overlap, threshold: float, difficult: bool) -> Tensor:
    """The detections, D x 7, in Caffe's order, as image, label, score, true, false; ``boxes`` are G x 8."""
    given = given[_in_order(given[:, 0], given[:, 1])]
    same = (given[:, None, :2].long() == boxes[:, :2].long()).all(-1)
    # Caffe sorts by score only those that have ground truth of their image and label.
    order = _in_order(given[:, 0], given[:, 1], torch.where(same.any(1), -given[:, 2], 0))
    given, same = given[order], same[order]
    places = torch.arange(len(given), device=given.device)
    shared = overlap(given, boxes).masked_fill(~same, -1)
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
