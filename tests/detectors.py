"""Small detectors with weights that find something, for the tests of what detects."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

import netgen

if TYPE_CHECKING:
    from tests.truth import Array

TINY: dict[str, Any] = {"size": (64, 96), "classes": 3, "width": 0.25}
SMALL: dict[str, Any] = {"width": 0.25}


def picture(height: int = 60, width: int = 100) -> Array:
    return np.random.default_rng(2).integers(0, 256, (height, width, 3), dtype=np.uint8)


@cache
def tiny() -> tuple[netgen.Net, dict[str, Array]]:
    """A YOLOv3-tiny whose outputs are spread widely enough to find something."""
    net = netgen.build("yolov3_tiny", **TINY)
    weights = netgen.fill_weights(net, seed=3)
    rng = np.random.default_rng(4)
    for head in netgen.heads("yolov3_tiny", **TINY):
        shape = weights[f"{head.blob}:0"].shape
        weights[f"{head.blob}:0"] = rng.standard_normal(shape).astype(np.float32)
    return net, weights


@cache
def ssd() -> tuple[netgen.Net, dict[str, Array]]:
    net = netgen.build("mobilenet_ssd", **SMALL)
    weights = netgen.fill_weights(net, seed=3)
    for key, values in weights.items():
        if key.endswith("mbox_conf:0"):
            weights[key] = values * 6
    return net, weights


CFG = """[net]
width=16
height=12
channels=3
[convolutional]
filters=14
size=2
stride=2
pad=0
activation=linear
[yolo]
anchors=4,4, 8,6
classes=2
num=2
nms_kind=diounms
beta_nms=0.6
"""
