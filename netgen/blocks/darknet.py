"""Darknet's blocks (Redmon and Farhadi 2017 and 2018), with the layer names that converters of its files give.

Section N of a ``.cfg``, from 1, becomes ``layerN-conv``, ``layerN-bn``, ``layerN-scale`` and ``layerN-act``, or
``layerN-maxpool``, ``layerN-shortcut``, ``layerN-route``, ... as in marvis/pytorch-caffe-darknet-convert and the files
of MobileNet-YOLO (Darknet itself counts from 0). A block goes on from the last layer that has such a name; a section
that needs no layer in Caffe, such as a route of one input, still has its number.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netgen.blocks.common import scaled
from netgen.blocks.declare import block
from netgen.errors import NetgenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netgen.branching import Blob
    from netgen.builder import Net

SLOPE = 0.1
"""Darknet's leaky activation below 0."""

_NUMBERED = re.compile(r"(?:.*/)?layer(\d+)-\w+")


def next_section(net: Net, ahead: int = 1) -> str:
    """``layerN`` for the section that lies ``ahead`` of the last layer so named."""
    for layer in reversed(net.layers):
        found = _NUMBERED.fullmatch(layer.name)
        if found:
            return f"layer{int(found[1]) + ahead}"
    return f"layer{ahead}"


@block
def darknet_conv(
    net: Net, num_output: int, kernel_size: int = 3, stride: int = 1, *, eps: float = 1e-5, name: str | None = None
) -> Blob:
    """Convolution, BatchNorm, Scale and leaky ReLU: N C H W -> N num_output H/stride W/stride for odd kernels.

    ``eps`` is what Darknet adds to the variance on a GPU; on a CPU the original adds 1e-6 to its root instead.
    """
    name = name or next_section(net)
    net.conv(num_output, kernel_size, stride, name=f"{name}-conv").bn(eps=eps, name=f"{name}-bn")
    return net.scale(name=f"{name}-scale").relu(negative_slope=SLOPE, name=f"{name}-act").last


@block
def darknet_residual(net: Net, channels: int, *, eps: float = 1e-5) -> Blob:
    """A 1x1 convolution to half the channels, a 3x3 back, and the sum with what came in: N channels H W, as before."""
    start = net.last
    darknet_conv(net, channels // 2, 1, eps=eps)
    end = darknet_conv(net, channels, 3, eps=eps)
    return net.eltwise([start, end], name=f"{next_section(net)}-shortcut").last


@block
def darknet_maxpool(net: Net, kernel_size: int = 2, stride: int = 2) -> Blob:
    """A max-pooling as Darknet pads it, by ``kernel_size - 1`` in all: N C H W -> N C H/stride W/stride, rounded up.

    A kernel of 2 with stride 1 keeps the size and looks right and down, which no Pooling does: one with padding is cut
    by a Crop with offset 1 (src/maxpool_layer.c). Raises NetgenError for other even kernels.
    """
    name = f"{next_section(net)}-maxpool"
    if kernel_size % 2 and stride == 1:
        return net.pool(kernel_size, 1, pad=kernel_size // 2 or None, name=name).last
    if (kernel_size, stride) == (2, 2):
        return net.pool(2, 2, name=name).last
    if (kernel_size, stride) != (2, 1):
        raise NetgenError(
            f"block 'darknet_maxpool': kernel_size must be odd with stride 1, or 2 with stride 1 or 2, "
            f"got kernel_size={kernel_size}, stride={stride}; write it as pool(...) with the padding that you want"
        )
    start = net.last
    net.pool(2, 1, pad=1, name=name)
    return net.crop([net.last, start], offset=1, name=name.replace("maxpool", "crop")).last


@block
def darknet_classifier(net: Net, classes: int, *, pool_first: bool) -> Blob:
    """A 1x1 convolution and global average pooling, in either order, then a Softmax: N C H W -> N classes 1 1."""

    def convolution() -> None:
        net.conv(classes, 1, bias_filler="constant", name=f"{next_section(net)}-conv")

    if not pool_first:
        convolution()
    net.global_pool(name=f"{next_section(net)}-avgpool")
    if pool_first:
        convolution()
    return net.softmax(name=f"{next_section(net)}-softmax").last


@block
def darknet19_trunk(net: Net, width: float = 1.0, *, eps: float = 1e-5) -> tuple[Blob, Blob]:
    """The 18 convolutions of Darknet-19: N 512 H/16 W/16, before the last pooling, and N 1024 H/32 W/32.

    ``width`` multiplies every layer's channels. Paper: arXiv 1612.08242, table 6.
    """
    ends: list[Blob] = []
    for channels, convolutions in ((32, 1), (64, 1), (128, 3), (256, 3), (512, 5), (1024, 5)):
        if ends:
            darknet_maxpool(net)
        for i in range(convolutions):
            narrow = i % 2
            darknet_conv(net, scaled(channels // (1 + narrow), width), 1 if narrow else 3, eps=eps)
        ends.append(net.last)
    return ends[-2], ends[-1]


@block
def darknet53_trunk(
    net: Net, layers: Sequence[int] = (1, 2, 8, 8, 4), width: float = 1.0, *, eps: float = 1e-5
) -> tuple[Blob, ...]:
    """The 52 convolutions of Darknet-53: the ends of its stages, N 64 H/2 W/2 to N 1024 H/32 W/32.

    ``layers`` is the number of residual blocks in each stage, behind a strided convolution; ``width`` multiplies every
    layer's channels. Paper: YOLOv3, arXiv 1804.02767, table 1.
    """
    darknet_conv(net, scaled(32, width), 3, eps=eps)
    ends: list[Blob] = []
    for stage, count in enumerate(layers):
        channels = scaled(64 * 2**stage, width)
        darknet_conv(net, channels, 3, 2, eps=eps)
        for _ in range(count):
            darknet_residual(net, channels, eps=eps)
        ends.append(net.last)
    return tuple(ends)
