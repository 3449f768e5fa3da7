"""Blocks of depthwise convolutions: MobileNet's (names of shicai/MobileNet-Caffe) and ShuffleNet's (farmingyard)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netgen.blocks.common import named_conv_block
from netgen.blocks.declare import block
from netgen.errors import NetgenError

if TYPE_CHECKING:
    from netgen.branching import Blob
    from netgen.builder import Net


def mobile_names(name: str) -> tuple[str, str, str, str]:
    """The names of a Convolution, its BatchNorm, Scale and ReLU.

    >>> mobile_names("conv2_1/dw")
    ('conv2_1/dw', 'conv2_1/dw/bn', 'conv2_1/dw/scale', 'relu2_1/dw')
    """
    return name, f"{name}/bn", f"{name}/scale", f"relu{name.removeprefix('conv')}"


MOBILENET_V1 = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1),
)  # fmt: skip
"""Channels out and stride of each depthwise separable convolution: arXiv 1704.04861, table 1."""


@block
def mobile_conv(net: Net, num_output: int, kernel_size: int, stride: int = 1, *, name: str, **fields: Any) -> Blob:
    """Convolution, BatchNorm, Scale and ReLU under ``mobile_names``: N C H W -> N num_output H/stride W/stride."""
    return named_conv_block(net, mobile_names(name), num_output, kernel_size, stride, weight_filler="msra", **fields)


@block
def depthwise_separable(
    net: Net,
    channels: int,
    num_output: int,
    stride: int = 1,
    *,
    names: tuple[str, str],
    conv: Callable[..., Blob] = mobile_conv,
    **depthwise: Any,
) -> Blob:
    """A 3x3 for each channel, then a 1x1: N channels H W -> N num_output H/stride W/stride (arXiv 1704.04861, fig. 3).

    ``conv`` makes both, ``depthwise`` are fields of the 3x3, a Convolution with ``group``, which all readers of Caffe
    files take.
    """
    conv(net, channels, 3, stride, name=names[0], group=channels, **depthwise)
    return conv(net, num_output, 1, name=names[1])


@block
def inverted_residual(
    net: Net,
    channels: int,
    num_output: int,
    stride: int = 1,
    *,
    name: str,
    expansion: int | None = 6,
    shortcut: str | None = None,
    eps: float = 1e-5,
) -> Blob:
    """1x1 up, depthwise 3x3, 1x1 down without ReLU: N channels H W -> N num_output H/stride W/stride.

    Sandler et al., arXiv 1801.04381, figure 4. The 3x3 has ``expansion`` * channels; None leaves the first 1x1 out.
    ``shortcut`` names the sum with what came in, and needs stride 1 and ``num_output`` channels there.
    """
    if shortcut and (stride != 1 or channels != num_output):
        found = f"got stride={stride}, {channels} channels in and {num_output} out; leave it out"
        raise NetgenError(
            f"block 'inverted_residual': a shortcut needs stride 1 and as many channels out as in, {found}"
        )
    start, inner = net.last, channels * (expansion or 1)
    if expansion is not None:
        mobile_conv(net, inner, 1, name=f"{name}/expand", eps=eps)
    mobile_conv(net, inner, 3, stride, name=f"{name}/dwise", eps=eps, group=inner)
    named_conv_block(net, mobile_names(f"{name}/linear")[:3], num_output, 1, eps=eps, weight_filler="msra")
    return net.eltwise([start, net.last], name=shortcut).last if shortcut else net.last


def shuffle_names(name: str) -> tuple[str, str, str, str]:
    """The names of a Convolution, its BatchNorm, Scale and ReLU, as in farmingyard/ShuffleNet."""
    return name, f"{name}_bn", f"{name}_scale", f"{name}_relu"


@block
def shuffle_unit(
    net: Net,
    channels: int,
    num_output: int,
    *,
    number: int,
    groups: int = 3,
    down: bool = False,
    first_groups: int | None = None,
    depthwise: str = "Convolution",
    eps: float = 1e-5,
) -> Blob:
    """Grouped 1x1, channel shuffle, depthwise 3x3, grouped 1x1: N channels H W -> N num_output H W.

    Zhang et al., arXiv 1707.01083, figure 2b; ``down`` makes it 2c: halves the size, and joins what came in, pooled,
    instead of adding it. ``first_groups`` is for the first unit, whose few channels are not grouped (1: no shuffle
    either). The names are resx``number``_conv1 and so on.

    The shuffle is a ShuffleChannel, a layer of forks: plain Caffe cannot transpose the channels (its Reshape moves no
    value, Permute is the SSD fork's). ``depthwise`` is the type of the 3x3: ``Convolution`` with group, which all
    readers take, or the published file's ``ConvolutionDepthwise``.
    """
    name, start = f"resx{number}", net.last
    first = groups if first_groups is None else first_groups
    branch = num_output - channels if down else num_output
    inner = -(-(branch // 4) // groups) * groups
    fields: dict[str, Any] = {"eps": eps, "weight_filler": "msra"}
    named_conv_block(net, shuffle_names(f"{name}_conv1"), inner, 1, group=_group(first), **fields)
    if first > 1:
        net.layer("ShuffleChannel", name=f"shuffle{number}", shuffle_channel_param={"group": first})
    _depthwise(net, f"{name}_conv2", inner, 2 if down else 1, depthwise, eps)
    names = shuffle_names(f"{name}_conv3")[:3]
    end = named_conv_block(net, names, branch, 1, group=_group(groups), **fields)
    if down:
        shortcut = net.at(start).pool(3, 2, pool="AVE", name=f"{name}_match_conv").last
        return net.concat([shortcut, end], name=f"{name}_concat").relu(name=f"{name}_concat_relu").last
    return net.eltwise([start, end], name=f"{name}_elewise").relu(name=f"{name}_elewise_relu").last


def _group(groups: int) -> int | None:
    return groups if groups > 1 else None


def _depthwise(net: Net, name: str, channels: int, stride: int, type: str, eps: float) -> None:
    conv, bn, scale, _ = shuffle_names(name)
    net.layer(
        type, name=conv, num_output=channels, kernel_size=3, pad=1, stride=stride, group=channels, bias_term=False,
        weight_filler="msra",
    )  # fmt: skip
    net.bn(name=bn, eps=eps).scale(name=scale)
