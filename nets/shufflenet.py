"""ShuffleNet v1 (Zhang et al., arXiv 1707.01083), with the layer names of farmingyard/ShuffleNet."""

from __future__ import annotations

from collections.abc import Sequence

from netgen.blocks import conv_classifier, named_conv_block, shuffle_unit
from netgen.blocks.mobile import shuffle_names
from netgen.builder import Net
from netgen.errors import UsageError
from netgen.fields import shown
from netgen.ranges import above_zero, at_least, height_and_width, one_of, per_item

# The channels of the first stage for each number of groups, about one cost for all: table 1 of the paper.
_CHANNELS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}


def shufflenet_v1(
    size: int | tuple[int, int] = 224,
    classes: int = 1000,
    groups: int = 3,
    width: float = 1.0,
    layers: Sequence[int] = (4, 8, 4),
    depthwise: str = "Convolution",
) -> Net:
    """ShuffleNet v1: 1 3 224 224 -> 1 1000 1 1, of grouped 1x1 convolutions between which channels are shuffled.

    ``groups`` is 1, 2, 3, 4 or 8, ``width`` multiplies all channels, rounded to what the groups divide, ``layers`` is
    the number of units in each stage. The shuffle is a ShuffleChannel, a layer of forks, as plain Caffe cannot
    transpose channels; ``depthwise`` is ``Convolution`` (with group, for every reader) or the published file's
    ``ConvolutionDepthwise``. A unit that halves the size joins a pooling, which rounds up, to a convolution, which
    rounds down: at each of them the size must be even, as it is for multiples of 32.

    Paper: arXiv 1707.01083, table 1, which says 137 million multiply-adds. With the defaults, as in the published file:
    1,814,734 learned weights and 127,061,304 multiply-adds. Names: farmingyard/ShuffleNet,
    shufflenet_1x_g3_deploy.prototxt, which has no Softmax at its end.
    """
    where = "shufflenet_v1"
    at_least(1, where, classes=classes)
    above_zero(where, width=width)
    per_item(1, where, layers=layers)
    one_of(("Convolution", "ConvolutionDepthwise"), where, depthwise=depthwise)
    first = _first_channels(where, groups, width)
    height, width_ = height_and_width(where, size)
    _check_size(where, size, (height, width_), len(layers))

    net = Net("shufflenet").input(1, 3, height, width_)
    channels = _multiple(groups, 24 * width)
    named_conv_block(net, shuffle_names("conv1"), channels, 3, 2, weight_filler="msra")
    net.pool(3, 2, name="pool1")
    number = 0
    for stage, count in enumerate(layers):
        out = first << stage
        for i in range(count):
            number += 1
            shuffle_unit(
                net, channels, out, number=number, groups=groups, down=not i, first_groups=None if number > 1 else 1,
                depthwise=depthwise,
            )  # fmt: skip
            channels = out
    conv_classifier(net, classes, pool="pool_ave", name=f"fc{classes}")
    return net


def _first_channels(where: str, groups: int, width: float) -> int:
    one_of(_CHANNELS, where, groups=groups)
    # A quarter of them is inside a unit, in groups.
    return _multiple(4 * groups, _CHANNELS[groups] * width)


def _multiple(step: int, wanted: float) -> int:
    return max(1, round(wanted / step)) * step


def _check_size(where: str, size: object, sides: tuple[int, int], stages: int) -> None:
    for side in sides:
        pooled = -(-(-(-side // 2) - 1) // 2)
        if pooled < 1 or pooled % 2**stages:
            step = 4 * 2**stages
            raise UsageError(
                f"{where}: size must be even at each of the {stages} stages, where a pooling joins a convolution; got "
                f"{shown(size)}; take a multiple of {step}, such as {_multiple(step, side)}"
            )
