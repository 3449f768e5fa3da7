"""Darknet-19 and Darknet-53: the classifiers that YOLOv2 and YOLOv3 are made of (Redmon and Farhadi)."""

from __future__ import annotations

from collections.abc import Sequence

from netgen.blocks import darknet19_trunk, darknet53_trunk, darknet_classifier
from netgen.builder import Net
from netgen.ranges import above_zero, at_least, height_and_width, per_item


def darknet19(size: int | tuple[int, int] = 256, classes: int = 1000, width: float = 1.0, eps: float = 1e-5) -> Net:
    """Darknet-19, a classifier of 3x3 and 1x1 convolutions: 1 3 256 256 -> 1 1000 1 1.

    ``size`` is the input's height and width, 1/32 of it remains; ``width`` multiplies the channels of every layer but
    the last, to multiples of 8; ``eps`` is that of every BatchNorm (``netgen.blocks.darknet_conv``).

    Paper: YOLO9000, arXiv 1612.08242, table 6; darknet19.cfg of pjreddie/darknet. With the defaults: 20,842,376 learned
    weights and 3,645,374,464 multiply-adds (published: 7.29 BFLOPs, two for each), 2,790,989,824 at 224. Layer names
    are those of the section numbers, see ``netgen.blocks.darknet``.
    """
    height, width_ = height_and_width("darknet19", size)
    at_least(1, "darknet19", classes=classes)
    above_zero("darknet19", width=width, eps=eps)

    net = Net("Darknet-19").input(1, 3, height, width_)
    darknet19_trunk(net, width, eps=eps)
    darknet_classifier(net, classes, pool_first=False)
    return net


def darknet53(
    size: int | tuple[int, int] = 256,
    classes: int = 1000,
    layers: Sequence[int] = (1, 2, 8, 8, 4),
    width: float = 1.0,
    eps: float = 1e-5,
) -> Net:
    """Darknet-53, a residual classifier: 1 3 256 256 -> 1 1000 1 1.

    ``layers`` is the number of residual blocks in each stage, and each stage halves the size and doubles the channels;
    ``width`` multiplies the channels of every layer but the last, to multiples of 8.

    Paper: YOLOv3, arXiv 1804.02767, table 1; darknet53.cfg of pjreddie/darknet. With the defaults: 41,609,928 learned
    weights and 9,285,115,904 multiply-adds (published: 18.57 BFLOPs, two for each), 24,516,829,184 at 416. Its
    convolution follows the pooling, where Darknet-19's goes before it.
    """
    height, width_ = height_and_width("darknet53", size)
    at_least(1, "darknet53", classes=classes)
    above_zero("darknet53", width=width, eps=eps)
    per_item(1, "darknet53", layers=layers)

    net = Net("Darknet-53").input(1, 3, height, width_)
    darknet53_trunk(net, layers, width, eps=eps)
    darknet_classifier(net, classes, pool_first=True)
    return net
