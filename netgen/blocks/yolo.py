"""YOLO's blocks (Redmon and Farhadi, YOLO9000 2017 and YOLOv3 2018), named as those of ``netgen.blocks.darknet``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netgen.blocks.darknet import darknet_conv, next_section
from netgen.blocks.declare import block
from netgen.errors import NetgenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netgen.branching import Blob
    from netgen.builder import Net

UPSAMPLINGS = ("Deconvolution", "Upsample")
"""The layers that may upsample: Caffe's own, and the one of forks."""
REORGS = ("Reorg", "Permute")
"""The layers that may reorganise: the one of Darknet's forks, and the SSD fork's."""


def head_channels(anchors: int, classes: int, num_output: int | None = None) -> int:
    """The channels of a YOLO head: for each anchor x, y, width, height, objectness, and a score for each class.

    Raises NetgenError when ``num_output`` is given and is not that.

    >>> head_channels(3, 80)
    255
    """
    needed = anchors * (5 + classes)
    if num_output in (None, needed):
        return needed
    meant, rest = divmod(num_output or 0, anchors)
    ways = [f"give num_output={needed}"]
    if not rest and meant > 5:
        ways.append(f"classes={meant - 5}")
    raise NetgenError(
        f"num_output must be anchors * (5 + classes) = {anchors} * (5 + {classes}) = {needed}, "
        f"got {num_output}; {' or '.join(ways)}"
    )


@block
def nearest_upsampling(net: Net, channels: int, *, upsample: str = "Deconvolution", name: str | None = None) -> Blob:
    """Each value four times, 2 by 2: N channels H W -> N channels 2H 2W.

    Plain Caffe has no such layer, but a Deconvolution with one kernel of ones a channel is exact; its 4 weights a
    channel are frozen, and must be 1 (they are no weights of the published network). ``upsample="Upsample"`` writes the
    forks' layer.
    """
    name = name or f"{next_section(net)}-upsample"
    if upsample == "Upsample":
        return net.upsample(scale=2, name=name).last
    if upsample != "Deconvolution":
        raise NetgenError(f"layer {name!r}: upsample must be one of {', '.join(UPSAMPLINGS)}, got {upsample!r}")
    ones = {"type": "constant", "value": 1.0}
    return net.deconv(
        channels, 2, 2, group=channels, weight_filler=ones, lr_mult=0.0, decay_mult=0.0, name=name
    ).last  # fmt: skip


@block
def spatial_pyramid(net: Net, kernel_sizes: Sequence[int] = (5, 9, 13)) -> Blob:
    """Max-poolings of several kernels that keep the size, joined: N C H W -> N (1 + kernels) C H W, largest first.

    The kernels are odd. The sections of routes back to the bottom, between the poolings, have numbers and no layers.
    Paper: He et al., arXiv 1406.4729; as in yolov3-spp.cfg.
    """
    start = net.last
    ends = [start]
    for i, kernel_size in enumerate(kernel_sizes):
        if kernel_size % 2 == 0:
            raise NetgenError(f"block 'spatial_pyramid': kernel_sizes must be odd, got {kernel_size}")
        name = f"{next_section(net, 2 if i else 1)}-maxpool"
        ends.append(net.pool(kernel_size, 1, pad=kernel_size // 2, bottom=start, name=name).last)
    return net.concat(ends[::-1], name=f"{next_section(net)}-route").last


@block
def yolo_detection(net: Net, channels: int, *, pyramid: Sequence[int] = (), eps: float = 1e-5) -> Blob:
    """YOLOv3's detection block, 1x1 and 3x3 convolutions in turn, five in all: N C H W -> N channels H W.

    ``pyramid`` gives the kernels of max-poolings (``spatial_pyramid``) behind the third, and a further 1x1 convolution.
    """
    for i in range(5):
        darknet_conv(net, 2 * channels if i % 2 else channels, 3 if i % 2 else 1, eps=eps)
        if i == 2 and pyramid:
            spatial_pyramid(net, pyramid)
            darknet_conv(net, channels, 1, eps=eps)
    return net.last


@block
def yolo_head(
    net: Net, anchors: int, classes: int, *, channels: int | None = None, num_output: int | None = None,
    eps: float = 1e-5,
) -> Blob:  # fmt: skip
    """A 3x3 convolution to ``channels``, if given, and a linear 1x1: N C H W -> N anchors (5 + classes) H W.

    ``num_output`` may say what that is, and is then checked.
    """
    try:
        outputs = head_channels(anchors, classes, num_output)
    except NetgenError as error:
        raise NetgenError(f"block 'yolo_head': {error}") from None
    if channels is not None:
        darknet_conv(net, channels, 3, eps=eps)
    return net.conv(outputs, 1, bias_filler="constant", name=f"{next_section(net)}-conv").last


@block
def yolo_route(net: Net, channels: int, finer: Blob, *, upsample: str = "Deconvolution", eps: float = 1e-5) -> Blob:
    """A 1x1 convolution to ``channels``, an upsampling, and the join with ``finer``: N (channels + C) 2H 2W.

    It follows a head: the sections of the yolo layer and of the route back have numbers and no layers.
    """
    darknet_conv(net, channels, 1, eps=eps, name=next_section(net, 3))
    coarse = nearest_upsampling(net, channels, upsample=upsample)
    return net.concat([coarse, finer], name=f"{next_section(net)}-route").last


@block
def darknet_reorg(net: Net, channels: int, size: tuple[int, int], *, reorg: str = "Reorg") -> Blob:
    """Darknet's reorg with stride 2, N channels H W -> N (4 channels) H/2 W/2, where ``size`` is (H, W).

    That is no plain space-to-depth: it reads the blob as channels / 4 with sides 2H and 2W, does it there, and calls
    the result by the other shape (src/blas.c, reorg_cpu). ``reorg`` is Reorg, a layer of forks that does the same, or
    Permute, the SSD fork's, between two Reshapes, exact too. OpenCV 4.14 runs both (its Reorg takes every stride for
    2). Raises NetgenError for another one, for channels that are no multiple of 4 and for odd sides.
    """
    name = f"{next_section(net)}-reorg"
    height, width = size
    if channels % 4 or height % 2 or width % 2:
        raise NetgenError(
            f"layer {name!r}: channels must be a multiple of 4, and the sides of 2, got {channels}x{height}x{width}"
        )
    if reorg == "Reorg":
        return net.reorg(stride=2, name=name).last
    if reorg != "Permute":
        raise NetgenError(f"layer {name!r}: reorg must be one of {', '.join(REORGS)}, got {reorg!r}")
    net.reshape(shape={"dim": [0, channels // 4, height, 2, width, 2]}, name=f"{name}/blocks")
    net.permute(order=[0, 3, 5, 1, 2, 4], name=f"{name}/permute")
    return net.reshape(shape={"dim": [0, 4 * channels, height // 2, width // 2]}, name=name).last


@block
def reorg_route(
    net: Net, channels: int, finer: Blob, size: tuple[int, int], *, reorg: str = "Reorg", eps: float = 1e-5
) -> Blob:
    """YOLOv2's pass-through: ``finer``, of ``size`` (2H, 2W), through a 1x1 convolution and ``darknet_reorg``, joined.

    N D H W -> N (4 channels + D) H W. The section of the route back to ``finer`` has a number and no layer.
    """
    coarse = net.last
    darknet_conv(net.at(finer), channels, 1, eps=eps, name=next_section(net, 2))
    fine = darknet_reorg(net, channels, size, reorg=reorg)
    return net.concat([fine, coarse], name=f"{next_section(net)}-route").last
