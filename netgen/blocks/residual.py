"""Residual blocks (He et al., arXiv 1512.03385) under the names of the authors' Caffe files, and squeeze-and-excite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netgen.blocks.common import named_conv_block
from netgen.blocks.declare import block
from netgen.ranges import divisible, one_of

if TYPE_CHECKING:
    from netgen.branching import Blob
    from netgen.builder import Net

VERSIONS = ("v1", "v1.5")
"""Where a bottleneck has its stride: in the first 1x1, or in the 3x3."""


def residual_names(name: str, *, relu: bool = True) -> tuple[str, ...]:
    """The names of a Convolution and what follows it, as in the authors' files.

    >>> residual_names("res2a_branch2a")
    ('res2a_branch2a', 'bn2a_branch2a', 'scale2a_branch2a', 'res2a_branch2a_relu')
    """
    place = name.removeprefix("res")
    return (name, f"bn{place}", f"scale{place}", *([f"{name}_relu"] if relu else []))


@block
def basic(net: Net, num_output: int, stride: int = 1, *, name: str, project: bool = False, eps: float = 1e-5) -> Blob:
    """Two 3x3 convolutions and a shortcut: N C H W -> N num_output H/stride W/stride (He et al. 2015, figure 5 left).

    ``project`` puts a 1x1 convolution into the shortcut, which it needs where the shape changes; without it the block
    keeps the shape. The first 3x3 has the stride.
    """
    start = net.last
    shortcut = _shortcut(net, num_output, stride, f"{name}_branch1", project, eps)
    _conv(net.at(start), f"{name}_branch2a", num_output, 3, stride, eps=eps)
    _conv(net, f"{name}_branch2b", num_output, 3, relu=False, eps=eps)
    return _joined(net, shortcut, name)


@block
def bottleneck(
    net: Net,
    num_output: int,
    stride: int = 1,
    *,
    name: str,
    project: bool = False,
    version: str = "v1",
    eps: float = 1e-5,
) -> Blob:
    """1x1, 3x3, 1x1 and a shortcut: N C H W -> N num_output H/stride W/stride (He et al. 2015, figure 5 right).

    The 3x3 has num_output / 4 channels. ``version`` "v1" is the paper's and has the stride in the first 1x1, "v1.5" in
    the 3x3, as most later weights were trained. ``project`` as in ``basic``.
    """
    one_of(VERSIONS, "block 'bottleneck'", version=version)
    divisible(4, "block 'bottleneck'", num_output=num_output)
    start, width = net.last, num_output // 4
    first, second = (stride, 1) if version == "v1" else (1, stride)
    shortcut = _shortcut(net, num_output, stride, f"{name}_branch1", project, eps)
    _conv(net.at(start), f"{name}_branch2a", width, 1, first, eps=eps)
    _conv(net, f"{name}_branch2b", width, 3, second, eps=eps)
    _conv(net, f"{name}_branch2c", num_output, 1, relu=False, eps=eps)
    return _joined(net, shortcut, name)


@block
def squeeze_excite(net: Net, channels: int, *, name: str, reduction: int = 16) -> Blob:
    """How much of each channel to keep: N C H W -> N C 1 1, between 0 and 1 (Hu et al., arXiv 1709.01507).

    Global average pooling and two 1x1 convolutions, the first to ``channels`` / ``reduction``, then a Sigmoid.
    ``excite`` applies it.
    """
    divisible(reduction, "block 'squeeze_excite'", channels=channels)
    net.global_pool(name=f"{name}_global_pool")
    net.conv(channels // reduction, 1, name=f"{name}_1x1_down", bias_term=True).relu(name=f"{name}_1x1_down/relu")
    net.conv(channels, 1, name=f"{name}_1x1_up", bias_term=True)
    return net.sigmoid(name=f"{name}_prob").last


@block
def excite(net: Net, gate: Blob, channels: Blob, shortcut: Blob, *, name: str, axpy: bool = False) -> Blob:
    """``gate`` * ``channels`` + ``shortcut``, then ReLU: N C 1 1 and twice N C H W -> N C H W.

    In layers that every Caffe has: Flatten, as the second bottom of a Scale must be N C; Scale with axis 0; Eltwise.
    ``axpy`` writes the one layer of the authors' fork instead.
    """
    if axpy:
        net.layer("Axpy", bottom=[gate, channels, shortcut], name=name)
    else:
        net.flatten(gate, name=f"{name}_flatten")
        net.scale(bottom=[channels, net.last], name=f"{name}_excite", axis=0, bias_term=False)
        net.eltwise([net.last, shortcut], name=name)
    return net.relu(name=f"{name}/relu").last


@block
def se_bottleneck(
    net: Net,
    num_output: int,
    stride: int = 1,
    *,
    name: str,
    project: bool = False,
    reduction: int = 16,
    axpy: bool = False,
    eps: float = 1e-5,
) -> Blob:
    """``bottleneck`` v1 with squeeze-and-excite at its end, under the names of the SENet authors' files."""
    divisible(4, "block 'se_bottleneck'", num_output=num_output)
    start, width = net.last, num_output // 4
    fields: dict[str, Any] = {"eps": eps, "weight_filler": "msra"}
    named_conv_block(net, se_names(f"{name}_1x1_reduce"), width, 1, stride, **fields)
    named_conv_block(net, se_names(f"{name}_3x3"), width, 3, **fields)
    channels = named_conv_block(net, se_names(f"{name}_1x1_increase")[:3], num_output, 1, **fields)
    gate = squeeze_excite(net, num_output, name=name, reduction=reduction)
    shortcut = start
    if project:
        shortcut = named_conv_block(net.at(start), se_names(f"{name}_1x1_proj")[:3], num_output, 1, stride, **fields)
    return excite(net, gate, channels, shortcut, name=name, axpy=axpy)


def se_names(name: str) -> tuple[str, str, str, str]:
    """The names of a Convolution, its BatchNorm, Scale and ReLU, as in the SENet authors' files."""
    return name, f"{name}/bn", f"{name}/bn/scale", f"{name}/relu"


def _conv(
    net: Net, name: str, num_output: int, kernel_size: int, stride: int = 1, *, eps: float, relu: bool = True
) -> Blob:
    names = residual_names(name, relu=relu)
    return named_conv_block(net, names, num_output, kernel_size, stride, eps=eps, weight_filler="msra")


def _shortcut(net: Net, num_output: int, stride: int, name: str, project: bool, eps: float) -> Blob:
    return _conv(net, name, num_output, 1, stride, relu=False, eps=eps) if project else net.last


def _joined(net: Net, shortcut: Blob, name: str) -> Blob:
    return net.eltwise([shortcut, net.last], name=name).relu(name=f"{name}_relu").last
