"""MobileNet v1 and v2, of depthwise convolutions, with the layer names of shicai/MobileNet-Caffe."""

from __future__ import annotations

from netgen.blocks import conv_classifier, depthwise_separable, inverted_residual, scaled
from netgen.blocks.mobile import MOBILENET_V1, mobile_conv
from netgen.builder import Net
from netgen.ranges import above_zero, at_least, height_and_width

_V1 = ("2_1", "2_2", "3_1", "3_2", "4_1", "4_2", "5_1", "5_2", "5_3", "5_4", "5_5", "5_6", "6")
# Name, channels out and stride of each block behind the first, which does not expand: arXiv 1801.04381, table 2.
_V2 = (
    ("2_2", 24, 2), ("3_1", 24, 1), ("3_2", 32, 2), ("4_1", 32, 1), ("4_2", 32, 1), ("4_3", 64, 2), ("4_4", 64, 1),
    ("4_5", 64, 1), ("4_6", 64, 1), ("4_7", 96, 1), ("5_1", 96, 1), ("5_2", 96, 1), ("5_3", 160, 2), ("6_1", 160, 1),
    ("6_2", 160, 1), ("6_3", 320, 1),
)  # fmt: skip
_LATE = {"4_3": 1, "4_7": 2}


def mobilenet_v1(size: int | tuple[int, int] = 224, classes: int = 1000, width: float = 1.0) -> Net:
    """MobileNet v1: 1 3 224 224 -> 1 1000 1 1, of 13 depthwise separable convolutions.

    ``width`` multiplies all channels (the paper's alpha: 1.0, 0.75, 0.5, 0.25), rounded down and no less than 8.

    Paper: arXiv 1704.04861, table 1. With the defaults: 4,231,976 learned weights and 568,740,352 multiply-adds (the
    paper: 4.2 and 569 million). Names: shicai/MobileNet-Caffe, mobilenet_deploy.prototxt, whose latest version has no
    Softmax at its end, and a blob of its own for each BatchNorm, which works in place here.
    """
    where = "mobilenet_v1"
    at_least(1, where, classes=classes)
    above_zero(where, width=width)
    net = Net("MOBILENET").input(1, 3, *height_and_width(where, size))
    channels = _at_least_8(32, width)
    mobile_conv(net, channels, 3, 2, name="conv1")
    for name, (paper, stride) in zip(_V1, MOBILENET_V1, strict=True):
        out = _at_least_8(paper, width)
        depthwise_separable(net, channels, out, stride, names=(f"conv{name}/dw", f"conv{name}/sep"))
        channels = out
    conv_classifier(net, classes, pool="pool6", name="fc7")
    return net


def mobilenet_v2(
    size: int | tuple[int, int] = 224,
    classes: int = 1000,
    width: float = 1.0,
    expansion: int = 6,
    expand_first: bool = False,
    late_stride: bool = False,
) -> Net:
    """MobileNet v2: 1 3 224 224 -> 1 1000 1 1, of 17 inverted residuals.

    ``width`` multiplies all channels, rounded to multiples of 8; the last convolution keeps its 1280 where that would
    make it narrower. ``expansion`` is how many times wider a block is inside. The published file begins its first block
    with a 1x1 convolution that keeps the 32 channels, which the paper has not: ``expand_first`` adds it, for its
    weights to load (3,505,960 weights). Its first version also has the fourth stride at conv4_7 instead of conv4_3:
    ``late_stride``.

    Paper: arXiv 1801.04381, table 2. With the defaults: 3,504,872 learned weights (torchvision counts the same) and
    300,774,272 multiply-adds (the paper: 3.4 and 300 million). Names: shicai/MobileNet-Caffe,
    mobilenet_v2_deploy.prototxt, which has a blob of its own for each BatchNorm, which works in place here.
    """
    where = "mobilenet_v2"
    at_least(1, where, classes=classes, expansion=expansion)
    above_zero(where, width=width)
    net = Net("MOBILENET_V2").input(1, 3, *height_and_width(where, size))
    stem = scaled(32, width)
    mobile_conv(net, stem, 3, 2, name="conv1")
    channels = scaled(16, width)
    inverted_residual(net, stem, channels, name="conv2_1", expansion=1 if expand_first else None)
    for name, paper, early in _V2:
        out, stride = scaled(paper, width), _LATE.get(name, early) if late_stride else early
        shortcut = f"block_{name}" if stride == 1 and channels == out else None
        inverted_residual(net, channels, out, stride, name=f"conv{name}", expansion=expansion, shortcut=shortcut)
        channels = out
    mobile_conv(net, scaled(1280, max(width, 1.0)), 1, name="conv6_4")
    conv_classifier(net, classes, pool="pool6", name="fc7")
    return net


def _at_least_8(channels: int, width: float) -> int:
    return max(8, int(channels * width))
