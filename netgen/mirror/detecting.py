"""Detectors: a picture in, boxes with scores out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from netgen.darknet import Darknet
from netgen.detection.deploying import deployed
from netgen.detection.heads import no_heads, rows_of
from netgen.detection.images import Planes, fitted, read_pixels
from netgen.detection.preparation import Preparation, chosen, unknown_preparation
from netgen.errors import NetgenError, UsageError
from netgen.layers.base import text
from netgen.mirror import Mirror
from netgen.mirror.devices import device_named
from netgen.mirror.heads import Found, decode_heads, nms_sort

if TYPE_CHECKING:
    from netgen.builder import Net
    from netgen.darknet import Head
    from netgen.layers.base import Shape

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What was found in a picture, the best score first; all arrays are float32.

    ``boxes``, N x 4, are x and y of the centre, width and height, as fractions of the picture's width and height; where
    a prepared input was given, of that. ``objectness`` has N values, 1 for networks that have none (SSD). ``scores``,
    N x classes, are objectness times class probability, 0 where that is not above the threshold or was suppressed; of
    SSD the first column is the background's. SSD and MobileNet-YOLO have a row for each box and class.
    """

    boxes: Floats
    objectness: Floats
    scores: Floats

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def labels(self) -> NDArray[np.intp]:
        """The column of the highest score of each box."""
        columns: NDArray[np.intp] = self.scores.argmax(1)
        return columns


def detect(
    net: Net | Darknet, image: Any, weights: str | os.PathLike[str] | Mapping[str, Any] | None = None, **options: Any
) -> Detections:
    """The boxes that a network finds in a picture: ``Detector(net, weights, **options)(image)``.

    >>> import netgen, numpy as np
    >>> net = netgen.build("yolov3_tiny", size=64, classes=2, width=0.125)
    >>> weights = netgen.fill_weights(net)
    >>> found = detect(net, np.zeros((48, 64, 3), np.uint8), weights, heads=netgen.heads("yolov3_tiny", classes=2))
    >>> found.boxes.shape[1], found.scores.shape[1]
    (4, 2)
    """
    return Detector(net, weights, **options)(image)


class Detector:
    """A network that finds boxes, on a device, with what prepares pictures for it and decodes what it puts out.

    ``net`` is a Net, or what ``netgen.load_darknet`` gives, which brings weights and heads with it; ``weights`` a file
    or arrays as ``netgen.run`` takes them. Boxes come from a layer that gives rows (DetectionOutput,
    YoloDetectionOutput, Yolov3DetectionOutput), or are decoded and suppressed as Darknet does it, by ``heads``
    (``netgen.heads`` of a network of netgen's). ``thresh`` is the score above which a class counts, ``nms`` the overlap
    above which a box is suppressed; rows come suppressed, and above their layer's confidence_threshold.
    ``preparation`` is a Preparation, or a dict of what to change in that which the network's transform_param says, or
    else its family was trained with. ``fork`` goes by AlexeyAB's Darknet, which warps pictures and reads region heads
    otherwise (``decode_heads``). The phase is TEST; a data layer is taken for an input of one picture, and what
    evaluates boxes is left out. Raises NetgenError for a network that gives no
    boxes and weights that do not fit, UsageError for options that are none.
    """

    def __init__(
        self,
        net: Net | Darknet,
        weights: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        *,
        heads: Sequence[Head] = (),
        thresh: float = 0.5,
        nms: float = 0.45,
        preparation: Preparation | Mapping[str, Any] | None = None,
        fork: bool = False,
        device: torch.device | str = "cpu",
        ignore_missing: bool = False,
    ) -> None:
        if isinstance(net, Darknet):
            weights, heads = weights or net.weights, heads or net.heads
            net = net.net
        if not weights:
            raise UsageError("a detector needs weights: a file's name, or arrays by layer:index")
        for name, value in (("thresh", thresh), ("nms", nms)):
            if not 0 <= value <= 1:
                raise UsageError(f"{name} must lie from 0 to 1, got {value:g}")
        net = net if heads else deployed(net)
        self.net, self.heads, self.thresh, self.nms, self.fork = net, tuple(heads), thresh, nms, fork
        self.rows = None if self.heads else rows_of(net)
        if not self.heads and self.rows is None:
            raise no_heads(net)
        self.beta = _beta(self.heads)
        self.preparation = chosen(net, self.heads, preparation, fork=fork)
        self.mirror = Mirror(net)
        if ignore_missing or self.mirror.later:
            self.mirror.fill()
        self.notes = self.mirror.load(weights, ignore_missing=ignore_missing)
        self.device = device_named(device) if isinstance(device, str) else device
        self.mirror.to(self.device)
        self.input, (_, self.channels, *self.size) = self._input()

    def __call__(self, image: Any) -> Detections:
        """The boxes in one picture.

        It is a file's name, a PIL image or an H x W x 3 array of bytes, red first, which is prepared; or the prepared
        input, 1 x C x H x W of floats. Raises NetgenError for what is no picture and for one of more than 100 million
        pixels, UsageError for what cannot be read.
        """
        if _is_prepared(image):
            if len(image) != 1:
                raise UsageError(f"a prepared input must be of one image, 1 x C x H x W, got {text(image.shape)}")
            return self._found(np.array(image, np.float32, order="C"), None)
        preparation = self.prepares()
        pixels = read_pixels(image)
        width, height = pixels.shape[1], pixels.shape[0]
        planes = preparation.apply(pixels, self.size[1], self.size[0])
        return self._found(planes, (width, height) if preparation.resize == "letterbox" else None)

    def prepares(self) -> Preparation:
        """What pictures are prepared by; raises UsageError where that is not known, or the input is no picture."""
        if self.channels != 3:
            raise UsageError(
                f"net {self.net.name!r}: has an input of {self.channels} channels, and a picture has 3; give the "
                "prepared input as an array of floats"
            )
        if self.preparation is None:
            raise unknown_preparation(self.net)
        return self.preparation

    @property
    def classes(self) -> int:
        """The number of columns of the scores."""
        return self.rows[1] if self.rows else self.heads[0].classes

    def _found(self, planes: Planes, letterboxed: tuple[int, int] | None) -> Detections:
        """The boxes for an input, as fractions of the picture inside of it, if ``letterboxed`` is its size."""
        tensor = torch.from_numpy(planes).to(self.device)
        with torch.no_grad():
            if self.rows is None:
                blobs = self.mirror({self.input: tensor}, blobs=[each.blob for each in self.heads])
                decoded = decode_heads(self.heads, blobs, planes.shape[2:], self.thresh, fork=self.fork)
                found = nms_sort(decoded, self.nms, beta=self.beta)
            else:
                blob, classes, first = self.rows
                found = _from_rows(self.mirror({self.input: tensor}, blobs=[blob])[blob], classes, first, self.thresh)
        best, order = found.scores.amax(1).sort(descending=True, stable=True)
        arrays = (each.float().cpu().numpy() for each in found.of(order[best > 0]))
        boxes, objectness, scores = arrays
        if letterboxed is not None:
            boxes = inside(boxes, letterboxed, (planes.shape[3], planes.shape[2]))
        return Detections(boxes, objectness, scores)

    def _input(self) -> tuple[str, Shape]:
        """The name and the shape of the input."""
        inputs = self.mirror.inputs
        if len(inputs) != 1 or len(next(iter(inputs.values()))) != 4:
            told = ", ".join(f"{name} {text(shape)}" for name, shape in inputs.items()) or "none"
            raise NetgenError(f"net {self.net.name!r}: must have one input N x C x H x W to detect in, got {told}")
        ((name, shape),) = inputs.items()
        return name, shape


def inside(boxes: Floats, image: tuple[int, int], net: tuple[int, int]) -> Floats:
    """Boxes N x 4 as fractions of a letterboxed picture, from those of the network's input (correct_yolo_boxes).

    ``image`` and ``net`` are width and height.
    """
    part = np.array(fitted(*image, *net), np.float32)
    whole = np.array(net, np.float32)
    centres = (boxes[:, :2] - (whole - part) / 2 / whole) / (part / whole)
    return np.concatenate([centres, boxes[:, 2:] * (whole / part)], 1).astype(np.float32)


def _is_prepared(image: Any) -> bool:
    return isinstance(image, np.ndarray) and image.ndim == 4 and image.dtype.kind == "f"


def _beta(heads: Sequence[Head]) -> float | None:
    """The power of the distance in the suppression that the last head asks for (AlexeyAB/darknet, box.c, diounms_sort).

    greedynms takes a fixed one, diounms its own; None for what goes by the overlap alone.
    """
    options = heads[-1].options if heads else {}
    powers = {"greedynms": 0.6, "diounms": options.get("beta_nms", 0.6)}
    return powers.get(options.get("nms_kind", ""))


def _from_rows(rows: Tensor, classes: int, first: int, threshold: float) -> Found:
    """SSD's rows, 1 x 1 x D x 7, those with a score above the threshold."""
    rows = rows.reshape(-1, 7)
    rows = rows[(rows[:, 1] >= first) & (rows[:, 2] > threshold)]
    boxes = torch.cat([(rows[:, 3:5] + rows[:, 5:]) / 2, rows[:, 5:] - rows[:, 3:5]], 1)
    scores = rows.new_zeros(len(rows), classes).scatter_(1, rows[:, 1:2].long() - first, rows[:, 2:3])
    return Found(boxes, rows.new_ones(len(rows)), scores)
