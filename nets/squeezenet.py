"""SqueezeNet (Iandola et al., arXiv 1602.07360), with the layer names of forresti/SqueezeNet."""

from __future__ import annotations

from netgen.blocks import fire
from netgen.builder import Net
from netgen.ranges import above_zero, at_least, height_and_width, share

# The channels of each of the two expanding convolutions of fire2 to fire9: table 1 of the paper.
_EXPAND = {2: 64, 3: 64, 4: 128, 5: 128, 6: 192, 7: 192, 8: 256, 9: 256}


def squeezenet1_0(
    size: int | tuple[int, int] = 227, classes: int = 1000, squeeze_ratio: float = 0.125, dropout: float = 0.5
) -> Net:
    """SqueezeNet 1.0: 1 3 227 227 -> 1 1000 1 1, AlexNet's accuracy in 1.2 million weights.

    ``squeeze_ratio`` is the paper's SR, the squeezing channels of a fire module to its expanding ones; ``dropout`` the
    share that is dropped in training (0 leaves the layer out). conv10 has pad 1, as in the published file, though its
    kernel is 1x1.

    Paper: arXiv 1602.07360, table 1. With the defaults: 1,248,424 learned weights (torchvision counts the same) and
    861,339,936 multiply-adds. Names: forresti/SqueezeNet, SqueezeNet_v1.0.
    """
    return _squeezenet("squeezenet1_0", size, classes, squeeze_ratio, dropout, (96, 7), (4, 8), 1)


def squeezenet1_1(
    size: int | tuple[int, int] = 227, classes: int = 1000, squeeze_ratio: float = 0.125, dropout: float = 0.5
) -> Net:
    """SqueezeNet 1.1: 1 3 227 227 -> 1 1000 1 1, as good as 1.0 at 2.4 times less cost.

    The parameters are those of ``squeezenet1_0``; the first convolution is smaller, and the poolings come earlier.

    Source: forresti/SqueezeNet, SqueezeNet_v1.1, deploy.prototxt and README. With the defaults: 1,235,496 learned
    weights and 387,747,520 multiply-adds; 349,151,936 at 224.
    """
    return _squeezenet("squeezenet1_1", size, classes, squeeze_ratio, dropout, (64, 3), (3, 5), None)


def _squeezenet(
    where: str,
    size: int | tuple[int, int],
    classes: int,
    squeeze_ratio: float,
    dropout: float,
    stem: tuple[int, int],
    pools: tuple[int, ...],
    pad: int | None,
) -> Net:
    height, width = height_and_width(where, size)
    at_least(1, where, classes=classes)
    above_zero(where, squeeze_ratio=squeeze_ratio)
    share(where, dropout=dropout)
    net = Net(where).input(1, 3, height, width)
    net.conv(*stem, 2, pad=0, name="conv1", bias_term=True).relu(name="relu_conv1").pool(3, 2, name="pool1")
    for number, expand in _EXPAND.items():
        fire(net, max(1, int(2 * expand * squeeze_ratio)), expand, name=f"fire{number}")
        if number in pools:
            net.pool(3, 2, name=f"pool{number}")
    if dropout:
        net.dropout(dropout, name="drop9")
    net.conv(classes, 1, pad=pad, name="conv10", bias_term=True, weight_filler={"type": "gaussian", "std": 0.01})
    return net.relu(name="relu_conv10").global_pool(name="pool10").softmax(name="prob")
