"""DenseNet's blocks, BatchNorm first (Huang et al., arXiv 1608.06993), under the names of shicai/DenseNet-Caffe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netgen.blocks.declare import block

if TYPE_CHECKING:
    from netgen.branching import Blob
    from netgen.builder import Net


@block
def norm_relu(net: Net, *, name: str, eps: float = 1e-5, in_place: bool = False) -> Blob:
    """BatchNorm, Scale and ReLU in front of the convolution ``name``: N C H W -> N C H W.

    The BatchNorm has a blob of its own, as others read its bottom too; ``in_place`` saves it where nobody does.
    """
    place = f"{name}/bn"
    net.bn(name=place, eps=eps, in_place=in_place).scale(name=f"{name}/scale")
    return net.relu(name=f"relu{name.removeprefix('conv')}").last


@block
def dense_one_way(
    net: Net, growth_rate: int, bottleneck: int = 4, *, name: str, concat: str, eps: float = 1e-5
) -> Blob:
    """DenseNet's layer: N C H W -> N (C + growth_rate) H W (Huang et al. 2017, section 3, DenseNet-B).

    A 1x1 convolution to ``bottleneck`` * growth_rate channels, a 3x3 to ``growth_rate``, each behind BatchNorm and
    ReLU; the result joins what came in, in the Concat of the name ``concat``.
    """
    start = net.last
    norm_relu(net, name=f"{name}/x1", eps=eps)
    net.conv(bottleneck * growth_rate, 1, name=f"{name}/x1", weight_filler="msra")
    norm_relu(net, name=f"{name}/x2", eps=eps, in_place=True)
    net.conv(growth_rate, 3, name=f"{name}/x2", weight_filler="msra")
    return net.concat([start, net.last], name=concat).last


@block
def compress(net: Net, num_output: int, *, name: str, pool: str, eps: float = 1e-5) -> Blob:
    """DenseNet's transition: BatchNorm, ReLU, 1x1 and average pooling, N C H W -> N num_output H/2 W/2."""
    norm_relu(net, name=name, eps=eps, in_place=True)
    return net.conv(num_output, 1, name=name, weight_filler="msra").pool(2, 2, pool="AVE", name=pool).last
