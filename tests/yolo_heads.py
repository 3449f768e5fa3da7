"""Heads and boxes of MobileNet-YOLO for the tests of its losses, and what a mirror makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

import netgen
from netgen.mirror import Mirror, to_torch

Array = Any
BIASES = (10, 14, 23, 27, 37, 58, 81, 82, 60, 20, 30, 90)
REGION: dict[str, Any] = {"num": 3, "num_class": 4, "biases": (0.8, 0.9, 1.5, 2.5, 3.0, 1.2, 4.0, 3.5, 5.0, 5.0)}
REGION |= {"object_scale": 5.0, "noobject_scale": 0.7, "class_scale": 1.5, "coord_scale": 2.0, "thresh": 0.3}
YOLO: dict[str, Any] = {"num": 3, "num_class": 4, "biases": BIASES, "mask": [3, 1, 5], "anchors_scale": 16}
YOLO |= {"object_scale": 5.0, "class_scale": 1.5, "coord_scale": 2.0, "thresh": 0.3, "iou_normalizer": 0.4}
YOLO_DEFAULTS = {
    "iou_loss": "MSE", "accumulate": True, "use_logic_gradient": False, "use_focal_loss": False,
    "iou_thresh": 0.5, "max_delta": 10.0, "label_smooth_eps": 0.1,
}  # fmt: skip


def mirror(type_: str, shapes: Sequence[tuple[int, ...]], **fields: Any) -> Mirror:
    net = netgen.Net()
    names = [f"x{i}" for i in range(len(shapes))]
    for name, shape in zip(names, shapes, strict=True):
        net.layer("Input", name=name, shape=[{"dim": shape}])
    return to_torch(net.layer(type_, name="it", bottom=names, top=["y"], **fields), "TRAIN")


def passed(type_: str, bottoms: Sequence[Array], *, weight: float = 1.0, **fields: Any) -> tuple[float, Array]:
    """The value, and what it passes back to the head."""
    head: Any = torch.from_numpy(bottoms[0])
    others = (torch.from_numpy(each) for each in bottoms[1:])
    loss = mirror(type_, [each.shape for each in bottoms], **fields)(head.requires_grad_(), *others)
    (weight * loss).backward()
    return loss.item(), head.grad.numpy()


def some_head(seed: int, number: int, classes: int, height: int, width: int, batch: int = 3) -> Array:
    return np.random.default_rng(seed).normal(0, 1, (batch, number * (5 + classes), height, width))


def some_boxes(seed: int, batch: int = 3, classes: int = 4) -> Array:
    """Boxes of all kinds: many, none, two in a place, wider than the image, past an edge, ended in two ways."""
    draw = np.random.default_rng(seed)
    boxes = np.zeros((batch, 12, 5))
    boxes[0, :9] = np.concatenate([draw.integers(0, classes, (9, 1)), draw.uniform(0.05, 0.9, (9, 4))], 1)
    boxes[0, 3] = boxes[0, 2] + [1 if boxes[0, 2, 0] == 0 else -1, 0.001, 0.001, 0.02, 0.02]
    boxes[0, 4] = boxes[0, 2] + [0, 0.002, 0.002, 0.03, 0.01]
    boxes[0, 5, 3:] = 1.7, 0.4
    boxes[0, 6, 1] = 1.04
    if batch > 2:
        boxes[2, 0] = [1, 0.4, 0.3, 0.25, 0.3]
        boxes[2, 1] = [2, 0.0, 0.6, 0.3, 0.2]
        boxes[2, 2] = [3, 0.7, 0.6, 0.5, 0.2]
        boxes[2, 4] = [3, 0.2, 0.2, 0.5, 0.2]
    return boxes


def near_heads(head: Array, boxes: Array, fields: dict[str, Any]) -> Array:
    """Codes by which some of the head's boxes are nearly those of the truth."""
    batch, _, height, width = head.shape
    view = head.reshape(batch, fields["num"], -1, height, width)
    for image, row in ((0, 0), (0, 2), (2, 0)):
        _, x, y, w, h = boxes[image, row]
        scale = fields.get("anchors_scale", 1)
        for n in range(fields["num"]):
            a = fields["mask"][n] if "mask" in fields else n
            cell = view[image, n, :, int(y * height), int(x * width)]
            cell[:2] = [math.log(p / (1 - p)) for p in ((x * width) % 1 + 0.01, (y * height) % 1)]
            sides = fields["biases"][2 * a] / (width * scale), fields["biases"][2 * a + 1] / (height * scale)
            cell[2:4] = math.log(w / sides[0]), math.log(h / sides[1]) + 0.05 + 0.03 * n
    return head


def one_box(*row: float) -> Array:
    return np.array([[row, [0.0] * 5]])
