"""VGG (Simonyan and Zisserman, arXiv 1409.1556), with the layer names of the authors' Caffe files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.blocks import inner_products, named_conv_block, named_conv_relu, vgg_trunk
from netgen.builder import Net
from netgen.ranges import at_least, height_and_width, per_item, share

if TYPE_CHECKING:
    from netgen.branching import Blob


def vgg16(
    size: int | tuple[int, int] = 224,
    classes: int = 1000,
    layers: Sequence[int] = (2, 2, 3, 3, 3),
    channels: Sequence[int] = (64, 128, 256, 512, 512),
    fc_outputs: int = 4096,
    dropout: float = 0.5,
    batch_norm: bool = False,
) -> Net:
    """VGG-16: 1 3 224 224 -> 1 1000, thirteen 3x3 convolutions and three inner products.

    ``layers`` is the number of convolutions before each pooling, ``channels`` theirs, ``fc_outputs`` those of fc6 and
    fc7, ``dropout`` the share that is dropped behind them in training (0 leaves the layers out). ``batch_norm`` puts
    BatchNorm and Scale behind each convolution, which then has no bias. fc6 reads all pixels: its weights grow with
    ``size``.

    Paper: arXiv 1409.1556, configuration D of table 1. With the defaults: 138,357,544 learned weights (the paper:
    138 million) and 15,470,264,320 multiply-adds. Names: the authors' VGG_ILSVRC_16_layers_deploy.prototxt.
    """
    return _vgg("vgg16", "VGG_ILSVRC_16_layers", size, classes, layers, channels, fc_outputs, dropout, batch_norm)


def vgg19(
    size: int | tuple[int, int] = 224,
    classes: int = 1000,
    layers: Sequence[int] = (2, 2, 4, 4, 4),
    channels: Sequence[int] = (64, 128, 256, 512, 512),
    fc_outputs: int = 4096,
    dropout: float = 0.5,
    batch_norm: bool = False,
) -> Net:
    """VGG-19: 1 3 224 224 -> 1 1000, sixteen 3x3 convolutions and three inner products.

    The parameters are those of ``vgg16``. Paper: arXiv 1409.1556, configuration E of table 1. With the defaults:
    143,667,240 learned weights (the paper: 144 million) and 19,632,062,464 multiply-adds. Names: the authors'
    VGG_ILSVRC_19_layers_deploy.prototxt.
    """
    return _vgg("vgg19", "VGG_ILSVRC_19_layers", size, classes, layers, channels, fc_outputs, dropout, batch_norm)


def _vgg(
    where: str,
    title: str,
    size: int | tuple[int, int],
    classes: int,
    layers: Sequence[int],
    channels: Sequence[int],
    fc_outputs: int,
    dropout: float,
    batch_norm: bool,
) -> Net:
    height, width = height_and_width(where, size)
    at_least(1, where, classes=classes, fc_outputs=fc_outputs)
    per_item(1, where, layers=layers)
    per_item(1, where, count=len(layers), channels=channels)
    share(where, dropout=dropout)
    net = Net(title).input(1, 3, height, width)

    def conv(net: Net, place: str, num_output: int) -> Blob:
        if batch_norm:
            names = (f"conv{place}", f"bn{place}", f"scale{place}", f"relu{place}")
            return named_conv_block(net, names, num_output, 3, weight_filler="msra")
        return named_conv_relu(net, (f"conv{place}", f"relu{place}"), num_output, 3, weight_filler="msra")

    vgg_trunk(net, conv, layers, channels)
    net.pool(2, 2, name=f"pool{len(layers)}")
    inner_products(net, classes, outputs=fc_outputs, dropout=dropout)
    return net
