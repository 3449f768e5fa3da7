"""DenseNet (Huang et al., arXiv 1608.06993), with the layer names of shicai/DenseNet-Caffe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netgen.blocks import compress, conv_classifier, dense_one_way, norm_relu
from netgen.builder import Net
from netgen.ranges import above_zero, at_least, height_and_width, one_of, per_item


def densenet121(
    size: int | tuple[int, int] = 224,
    classes: int = 1000,
    growth_rate: int = 32,
    layers: Sequence[int] = (6, 12, 24, 16),
    bottleneck: int = 4,
    compression: float = 0.5,
    pool1: str = "CEIL",
) -> Net:
    """DenseNet-121: 1 3 224 224 -> 1 1000, each of 58 layers reading all that came before in its block.

    ``layers`` is the number of dense layers in each block, each adding ``growth_rate`` channels behind a bottleneck of
    ``bottleneck`` * growth_rate; the first convolution has 2 * growth_rate, and a transition keeps ``compression`` of
    the channels. The published files pool first with pad 1, rounding down (``round_mode: FLOOR``), which only BVLC's
    master takes; ``pool1`` "CEIL" pools without pad, as every Caffe can: 56x56 too, but windows one pixel further on.
    "FLOOR" is the published file's, for its weights to give its numbers.

    Paper: arXiv 1608.06993, table 1. With the defaults: 7,978,856 learned weights (torchvision counts the same) and
    2,834,161,664 multiply-adds. Names: shicai/DenseNet-Caffe, DenseNet_121.prototxt, which has no Softmax at its end,
    and a blob of its own for each BatchNorm, which works in place here unless others read what it reads.
    """
    return _densenet("densenet121", size, classes, growth_rate, layers, bottleneck, compression, pool1)


def densenet169(
    size: int | tuple[int, int] = 224,
    classes: int = 1000,
    growth_rate: int = 32,
    layers: Sequence[int] = (6, 12, 32, 32),
    bottleneck: int = 4,
    compression: float = 0.5,
    pool1: str = "CEIL",
) -> Net:
    """DenseNet-169: 1 3 224 224 -> 1 1000, each of 82 layers reading all that came before in its block.

    The parameters are those of ``densenet121``. Paper: arXiv 1608.06993, table 1. With the defaults: 14,149,480 learned
    weights (torchvision counts the same) and 3,359,843,328 multiply-adds.
    """
    return _densenet("densenet169", size, classes, growth_rate, layers, bottleneck, compression, pool1)


def densenet201(
    size: int | tuple[int, int] = 224,
    classes: int = 1000,
    growth_rate: int = 32,
    layers: Sequence[int] = (6, 12, 48, 32),
    bottleneck: int = 4,
    compression: float = 0.5,
    pool1: str = "CEIL",
) -> Net:
    """DenseNet-201: 1 3 224 224 -> 1 1000, each of 98 layers reading all that came before in its block.

    The parameters are those of ``densenet121``. Paper: arXiv 1608.06993, table 1. With the defaults: 20,013,928 learned
    weights (torchvision counts the same) and 4,291,365,888 multiply-adds.
    """
    return _densenet("densenet201", size, classes, growth_rate, layers, bottleneck, compression, pool1)


def _densenet(
    where: str,
    size: int | tuple[int, int],
    classes: int,
    growth_rate: int,
    layers: Sequence[int],
    bottleneck: int,
    compression: float,
    pool1: str,
) -> Net:
    height, width = height_and_width(where, size)
    at_least(1, where, classes=classes, growth_rate=growth_rate, bottleneck=bottleneck)
    per_item(1, where, layers=layers)
    above_zero(where, compression=compression)
    one_of(("CEIL", "FLOOR"), where, pool1=pool1)
    channels = 2 * growth_rate
    net = Net(where.upper().replace("NET", "NET_")).input(1, 3, height, width)
    net.conv(channels, 7, 2, name="conv1", weight_filler="msra")
    norm_relu(net, name="conv1", in_place=True)
    rounding: dict[str, Any] = {"pad": 1, "round_mode": "FLOOR"} if pool1 == "FLOOR" else {}
    net.pool(3, 2, name="pool1", **rounding)
    for stage, count in enumerate(layers, start=2):
        for i in range(1, count + 1):
            dense_one_way(net, growth_rate, bottleneck, name=f"conv{stage}_{i}", concat=f"concat_{stage}_{i}")
        channels += count * growth_rate
        if stage <= len(layers):
            channels = max(1, int(channels * compression))
            compress(net, channels, name=f"conv{stage}_blk", pool=f"pool{stage}")
    last = len(layers) + 1
    norm_relu(net, name=f"conv{last}_blk", in_place=True)
    conv_classifier(net, classes, pool=f"pool{last}", name=f"fc{last + 1}")
    return net
