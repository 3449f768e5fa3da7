"""AlexNet (Krizhevsky et al., NIPS 2012), CaffeNet and LeNet, with the layer names of BVLC Caffe's models."""

from __future__ import annotations

from netgen.blocks import inner_products, local_norm, named_conv_relu
from netgen.builder import Net
from netgen.ranges import at_least, height_and_width, one_of, share

_GROUPS = (1, 2, 4, 8, 16, 32)
"""What divides the channels of all convolutions."""


def alexnet(
    size: int | tuple[int, int] = 227,
    classes: int = 1000,
    groups: int = 2,
    fc_outputs: int = 4096,
    dropout: float = 0.5,
) -> Net:
    """AlexNet: 1 3 227 227 -> 1 1000, five convolutions and three inner products.

    ``groups`` is that of conv2, conv4 and conv5 (the paper's two GPUs), ``fc_outputs`` the outputs of fc6 and fc7,
    ``dropout`` the share that is dropped behind them in training (0 leaves the layers out). fc6 reads all pixels: its
    weights grow with ``size``.

    Paper: Krizhevsky, Sutskever and Hinton, NIPS 2012, figure 2 (224 there, which Caffe's crops make 227). With the
    defaults: 60,965,224 learned weights (the paper: 60 million) and 724,406,816 multiply-adds. Names and order:
    BVLC/caffe, models/bvlc_alexnet/deploy.prototxt, which normalizes before it pools.
    """
    return _alexnet("alexnet", "AlexNet", size, classes, groups, fc_outputs, dropout, ("norm", "pool"))


def caffenet(
    size: int | tuple[int, int] = 227,
    classes: int = 1000,
    groups: int = 2,
    fc_outputs: int = 4096,
    dropout: float = 0.5,
) -> Net:
    """CaffeNet: 1 3 227 227 -> 1 1000, AlexNet pooling before it normalizes.

    The parameters, weights and multiply-adds are those of ``alexnet``: 60,965,224 and 724,406,816 with the defaults.
    Names and order: BVLC/caffe, models/bvlc_reference_caffenet/deploy.prototxt.
    """
    return _alexnet("caffenet", "CaffeNet", size, classes, groups, fc_outputs, dropout, ("pool", "norm"))


def _alexnet(
    where: str,
    title: str,
    size: int | tuple[int, int],
    classes: int,
    groups: int,
    fc_outputs: int,
    dropout: float,
    order: tuple[str, str],
) -> Net:
    height, width = height_and_width(where, size)
    at_least(1, where, classes=classes, fc_outputs=fc_outputs)
    one_of(_GROUPS, where, groups=groups)
    share(where, dropout=dropout)
    group = groups if groups > 1 else None

    def pool_and_norm(i: int) -> None:
        for what in order:
            if what == "norm":
                local_norm(net, name=f"norm{i}")
            else:
                net.pool(3, 2, name=f"pool{i}")

    net = Net(title).input(1, 3, height, width)
    named_conv_relu(net, ("conv1", "relu1"), 96, 11, stride=4, pad=0)
    pool_and_norm(1)
    named_conv_relu(net, ("conv2", "relu2"), 256, 5, group=group)
    pool_and_norm(2)
    named_conv_relu(net, ("conv3", "relu3"), 384, 3)
    named_conv_relu(net, ("conv4", "relu4"), 384, 3, group=group)
    named_conv_relu(net, ("conv5", "relu5"), 256, 3, group=group)
    inner_products(net.pool(3, 2, name="pool5"), classes, outputs=fc_outputs, dropout=dropout)
    return net


def lenet(size: int | tuple[int, int] = 28, classes: int = 10, channels: int = 1) -> Net:
    """LeNet as Caffe trains it on MNIST: 1 1 28 28 -> 1 10, two convolutions and two inner products.

    ``channels`` are the input's. ip1 reads all pixels: its weights grow with ``size``.

    Source: BVLC/caffe, examples/mnist/lenet.prototxt (a LeNet-5 of LeCun et al. 1998 with ReLU). With the defaults:
    431,080 learned weights and 2,293,000 multiply-adds, counted from its four layers by hand.
    """
    where = "lenet"
    at_least(1, where, classes=classes, channels=channels)
    net = Net("LeNet").input(1, channels, *height_and_width(where, size))
    for i, num_output in ((1, 20), (2, 50)):
        net.conv(num_output, 5, pad=0, name=f"conv{i}", bias_filler="constant").pool(2, 2, name=f"pool{i}")
    return net.fc(500, name="ip1").relu(name="relu1").fc(classes, name="ip2").softmax(name="prob")
