"""SSD: boxes from many feature maps in one pass, on VGG-16 (Liu et al., ECCV 2016) and on MobileNet (chuanqi305).

``classes`` counts the background: 21 for VOC, 81 for COCO.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from netgen.blocks import (
    Source,
    conv_block,
    depthwise_separable,
    multibox_head,
    scaled,
    ssd_conv,
    ssd_extra,
    vgg_trunk,
)
from netgen.blocks.mobile import MOBILENET_V1
from netgen.blocks.ssd import BIAS_TWICE
from netgen.builder import Net
from netgen.errors import UsageError
from netgen.fields import shown
from netgen.ranges import above_zero, at_least, height_and_width
from netgen.scalars import shortest_float32

if TYPE_CHECKING:
    from netgen.branching import Blob

WIDE, TALL = (2.0,), (2.0, 3.0)
"""The aspect ratios of a source with 4 priors a cell, and of one with 6."""


def ssd300_vgg16(
    size: int | tuple[int, int] = 300,
    classes: int = 21,
    scales: Sequence[float] = (10, 20, 37, 54, 71, 88, 105),
) -> Net:
    """SSD300 on VGG-16: 1 3 300 300 -> 1 1 D 7 detections out of 8,732 priors.

    ``scales`` are the sizes of the priors in percent of the input's smaller side, in whole pixels: each of the six
    sources has boxes from its own to the next; (7, 15, 33, 51, 69, 87, 105) for COCO. ``size`` is 257 or more. Steps
    are the published ones where the size is; else PriorBox finds those of the last two.

    Paper: arXiv 1512.02325; names and fields are those of weiliu89/caffe (models/VGGNet/VOC0712/SSD_300x300), so that
    its weights load. With the defaults: 26,285,486 learned weights and 31,373,537,792 multiply-adds; with 81 classes
    34,305,206 and 34,360,351,232 (published for COCO: 34.36 G).
    """
    sides, boxes = checked("ssd300_vgg16", size, classes, scales, 6, 257)
    steps = (8, 16, 32, 64, 100, 300) if sides == (300, 300) else (8, 16, 32, 64, None, None)

    net = _vgg16("VGG_SSD_300x300", sides)
    extras = [(256, 512, 2), (128, 256, 2), (128, 256, 1), (128, 256, 1)]
    for i, (narrow, wide, stride) in enumerate(extras, start=6):
        names = f"conv{i}_1", f"conv{i}_2"
        ssd_extra(net, narrow, wide, names=names, stride=stride, pad=stride - 1)
    blobs = ["fc7", "conv6_2", "conv7_2", "conv8_2", "conv9_2"]
    _vgg16_head(net, blobs, boxes, (WIDE, TALL, TALL, TALL, WIDE, WIDE), steps, classes)
    return net


def ssd512_vgg16(
    size: int | tuple[int, int] = 512,
    classes: int = 21,
    scales: Sequence[float] = (7, 15, 30, 45, 60, 75, 90, 105),
) -> Net:
    """SSD512 on VGG-16: 1 3 512 512 -> 1 1 D 7 detections out of 24,564 priors.

    As ``ssd300_vgg16``, with seven sources; (4, 10, 26, 42, 58, 74, 90, 106) are the ``scales`` for COCO.

    Paper: arXiv 1512.02325, which gives the 24,564 boxes; names are those of weiliu89/caffe
    (models/VGGNet/VOC0712/SSD_512x512), whose priors have the fractions that Caffe drops (35.84 for 35). With the
    defaults: 27,188,676 learned weights and 90,207,908,864 multiply-adds, counted by netgen.
    """
    sides, boxes = checked("ssd512_vgg16", size, classes, scales, 7, 257)
    steps = (8, 16, 32, 64, 128, 256, 512) if sides == (512, 512) else (8, 16, 32, 64, 128, 256, None)

    net = _vgg16("VGG_SSD_512x512", sides)
    extras = [(256, 512, 3, 2), (128, 256, 3, 2), (128, 256, 3, 2), (128, 256, 3, 2), (128, 256, 4, 1)]
    for i, (narrow, wide, kernel_size, stride) in enumerate(extras, start=6):
        names = f"conv{i}_1", f"conv{i}_2"
        ssd_extra(net, narrow, wide, names=names, kernel_size=kernel_size, stride=stride)
    blobs = ["fc7", "conv6_2", "conv7_2", "conv8_2", "conv9_2", "conv10_2"]
    _vgg16_head(net, blobs, boxes, (WIDE, TALL, TALL, TALL, TALL, WIDE, WIDE), steps, classes)
    return net


def mobilenet_ssd(
    size: int | tuple[int, int] = 300,
    classes: int = 21,
    width: float = 1.0,
    scales: Sequence[float] = (20, 35, 50, 65, 80, 95, 100),
    folded: bool = True,
    eps: float = 1e-5,
) -> Net:
    """MobileNet-SSD: 1 3 300 300 -> 1 1 D 7 detections out of 1,917 priors.

    ``width`` multiplies the channels, to multiples of 8. ``scales`` as for ``ssd300_vgg16``, but for the first source,
    which has no larger square. ``folded`` has each BatchNorm and Scale folded into its convolution, as the published
    deploy file and its weights; without, they are there to train, and ``eps`` is that of every BatchNorm.

    Names and fields are those of chuanqi305/MobileNet-SSD (MobileNetSSD_deploy.prototxt), so that its weights load;
    paper of the trunk: arXiv 1704.04861. With the defaults: 5,783,417 learned weights and 1,148,479,168 multiply-adds
    (published: 1.15 G).
    """
    sides, boxes = checked("mobilenet_ssd", size, classes, scales, 6, 1)
    above_zero("mobilenet_ssd", width=width, eps=eps)

    net = Net("MobileNet-SSD").input(1, 3, *sides)
    specs: dict[str, Any] = BIAS_TWICE if folded else {}
    conv = partial(conv_block, folded=folded, eps=eps, weight_filler="msra", **specs)
    _mobilenet(net, conv, width)
    sources = ["conv11", "conv13"]
    for i, (narrow, wide) in enumerate([(256, 512), (128, 256), (128, 256), (64, 128)], start=14):
        names = f"conv{i}_1", f"conv{i}_2"
        ssd_extra(net, scaled(narrow, width), scaled(wide, width), names=names, conv=conv)
        sources.append(names[1])
    priors = [Source("conv11", boxes[0][0], priors=3)]
    priors += [Source(blob, *box, TALL, priors=6) for blob, box in zip(sources[1:], boxes[1:], strict=True)]
    detection = {"nms_param": {"nms_threshold": 0.45, "top_k": 100}, "keep_top_k": 100, "confidence_threshold": 0.25}
    multibox_head(net, priors, classes, kernel_size=1, weight_filler="msra", detection=detection)
    return net


def checked(
    where: str, size: Any, classes: int, scales: Sequence[float], sources: int, least: int
) -> tuple[tuple[int, int], list[tuple[float, float]]]:
    """The input's sides, and for each source the least and the most side of its priors, in pixels.

    They are whole numbers, which Caffe makes of them in any case and other readers do not (prior_box_layer.cpp); with
    fractions where two would be one else, or the first 0, as PriorBox refuses that.
    """
    sides = height_and_width(where, size, least=least)
    at_least(2, where, classes=classes)
    if not isinstance(scales, list | tuple) or len(scales) != sources + 1:
        raise UsageError(
            f"{where}: scales must have {sources + 1} items, one for each source and the last's end, "
            f"got {shown(scales)}"
        )
    for each in scales:
        above_zero(where, **{"each of scales": each})
    if list(scales) != sorted(set(scales)):
        raise UsageError(f"{where}: scales must rise, got {shown(scales)}")
    pixels = [shortest_float32(min(sides) * each / 100) for each in scales]
    whole = [float(math.trunc(each)) for each in pixels]
    return sides, list(pairwise(whole if sorted({0.0, *whole}) == [0.0, *whole] else pixels))


def _vgg16(name: str, sides: tuple[int, int]) -> Net:
    """VGG-16 as SSD has it: the last pooling keeps the size, and fc6, dilated, and fc7 are convolutions."""
    net = Net(name).input(1, 3, *sides)
    vgg_trunk(net, lambda net, place, channels: ssd_conv(net, channels, name=f"conv{place}", relu=f"relu{place}"))
    net.pool(3, 1, pad=1, name="pool5")
    ssd_conv(net, 1024, dilation=6, name="fc6", relu="relu6")
    ssd_conv(net, 1024, 1, name="fc7", relu="relu7")
    return net


def _vgg16_head(
    net: Net, blobs: Sequence[str], boxes: Sequence[tuple[float, float]], ratios: Sequence[tuple[float, ...]],
    steps: Sequence[float | None], classes: int,
) -> Blob:  # fmt: skip
    net.normalize(
        "conv4_3", across_spatial=False, channel_shared=False, scale_filler={"type": "constant", "value": 20.0},
        name="conv4_3_norm",
    )  # fmt: skip
    sources = [
        Source(blob, *box, ratio, step, priors=2 + 2 * len(ratio))
        for blob, box, ratio, step in zip(["conv4_3_norm", *blobs], boxes, ratios, steps, strict=True)
    ]
    return multibox_head(net, sources, classes)


def _mobilenet(net: Net, conv: Any, width: float) -> None:
    """MobileNet v1 without its classifier: conv0, and conv1 to conv13, each a depthwise and a 1x1 convolution."""
    channels = scaled(32, width)
    conv(net, channels, 3, 2, name="conv0")
    for i, (num_output, stride) in enumerate(MOBILENET_V1, start=1):
        names, out = (f"conv{i}/dw", f"conv{i}"), scaled(num_output, width)
        depthwise_separable(net, channels, out, stride, names=names, conv=conv, engine="CAFFE")
        channels = out
