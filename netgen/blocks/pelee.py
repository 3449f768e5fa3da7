"""PeleeNet's blocks (Wang, Li and Ling, NeurIPS 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netgen.blocks.common import conv_block
from netgen.blocks.declare import block

if TYPE_CHECKING:
    from netgen.branching import Blob
    from netgen.builder import Net


@block
def stem(net: Net, num_output: int = 32, *, eps: float = 1e-5, name: str = "stem") -> Blob:
    """PeleeNet's stem: N C H W -> N num_output H/4 W/4, at little cost (Wang et al. 2018, figure 4).

    A strided 3x3 convolution, then one branch of 1x1 and strided 3x3 convolutions beside a max-pooling, joined 1x1.
    """
    conv_block(net, num_output, 3, 2, name=f"{name}1", eps=eps)

    def narrow(net: Net) -> None:
        conv_block(net, num_output // 2, 1, name=f"{name}2a", eps=eps)
        conv_block(net, num_output, 3, 2, name=f"{name}2b", eps=eps)

    net.fork(narrow, lambda net: net.pool(2, 2, name=f"{name}1/pool")).concat(name=f"{name}/concat")
    return conv_block(net, num_output, 1, name=name, eps=eps)


@block
def dense(net: Net, growth_rate: int, bottleneck_width: int, *, name: str, eps: float = 1e-5) -> Blob:
    """PeleeNet's two-way dense layer: N C H W -> N (C + growth_rate) H W (Wang et al. 2018, figure 3).

    One way sees 3x3, the other 5x5 through two 3x3 convolutions; each adds growth_rate / 2 channels behind a 1x1
    bottleneck of ``bottleneck_width`` channels.
    """
    half = growth_rate // 2

    def near(net: Net) -> None:
        conv_block(net, bottleneck_width, 1, name=f"{name}/a1", eps=eps)
        conv_block(net, half, 3, name=f"{name}/a2", eps=eps)

    def far(net: Net) -> None:
        conv_block(net, bottleneck_width, 1, name=f"{name}/b1", eps=eps)
        conv_block(net, half, 3, name=f"{name}/b2", eps=eps)
        conv_block(net, half, 3, name=f"{name}/b3", eps=eps)

    return net.fork(lambda net: net, near, far).concat(name=name).last


@block
def transition(net: Net, num_output: int, *, name: str, pool: str | None = "MAX", eps: float = 1e-5) -> Blob:
    """A 1x1 convolution and, unless ``pool`` is None, a pooling by 2: N C H W -> N num_output H/2 W/2."""
    conv_block(net, num_output, 1, name=name, eps=eps)
    return (net.pool(2, 2, pool=pool, name=f"{name}/pool") if pool else net).last
