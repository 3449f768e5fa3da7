"""PeleeNet's blocks (Wang, Li and Ling, NeurIPS 2018)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netgen.blocks.common import conv_block
from netgen.blocks.declare import block

if TYPE_CHECKING:
    from netgen.branching import Blob
    from netgen.builder import Net


class Names(NamedTuple):
    """What the layers of the blocks are called behind the block's own name, and the order of the stem's join."""

    stem: str
    stem_pool: str
    pool_first: bool
    near: tuple[str, str]
    far: tuple[str, str, str]
    joined: str


SHORT = Names("", "1/pool", False, ("/a1", "/a2"), ("/b1", "/b2", "/b3"), "")
AUTHORS = Names(
    "3", "/pool", True, ("/branch1a", "/branch1b"), ("/branch2a", "/branch2b", "/branch2c"), "/concat"
)  # fmt: skip
"""Those of Robert-JunWang/Pelee, whose weights need them."""


@block
def stem(
    net: Net, num_output: int = 32, *, eps: float = 1e-5, name: str = "stem", names: Names = SHORT, folded: bool = False
) -> Blob:
    """PeleeNet's stem: N C H W -> N num_output H/4 W/4, at little cost (Wang et al. 2018, figure 4).

    A strided 3x3 convolution, then one branch of 1x1 and strided 3x3 convolutions beside a max-pooling, joined 1x1.
    ``folded`` here and below is that of ``conv_block``.
    """
    conv_block(net, num_output, 3, 2, name=f"{name}1", eps=eps, folded=folded)

    def narrow(net: Net) -> None:
        conv_block(net, num_output // 2, 1, name=f"{name}2a", eps=eps, folded=folded)
        conv_block(net, num_output, 3, 2, name=f"{name}2b", eps=eps, folded=folded)

    ends = net.fork(narrow, lambda net: net.pool(2, 2, name=f"{name}{names.stem_pool}")).ends
    net.concat(ends[::-1] if names.pool_first else ends, name=f"{name}/concat")
    return conv_block(net, num_output, 1, name=f"{name}{names.stem}", eps=eps, folded=folded)


@block
def dense(
    net: Net, growth_rate: int, bottleneck_width: int, *, name: str, eps: float = 1e-5, names: Names = SHORT,
    folded: bool = False,
) -> Blob:  # fmt: skip
    """PeleeNet's two-way dense layer: N C H W -> N (C + growth_rate) H W (Wang et al. 2018, figure 3).

    One way sees 3x3, the other 5x5 through two 3x3 convolutions; each adds growth_rate / 2 channels behind a 1x1
    bottleneck of ``bottleneck_width`` channels.
    """

    def way(net: Net, suffixes: tuple[str, ...]) -> None:
        conv_block(net, bottleneck_width, 1, name=f"{name}{suffixes[0]}", eps=eps, folded=folded)
        for suffix in suffixes[1:]:
            conv_block(net, growth_rate // 2, 3, name=f"{name}{suffix}", eps=eps, folded=folded)

    fork = net.fork(lambda net: net, lambda net: way(net, names.near), lambda net: way(net, names.far))
    return fork.concat(name=f"{name}{names.joined}").last


@block
def transition(
    net: Net, num_output: int, *, name: str, pool: str | None = "MAX", eps: float = 1e-5, folded: bool = False
) -> Blob:
    """A 1x1 convolution and, unless ``pool`` is None, a pooling by 2: N C H W -> N num_output H/2 W/2."""
    conv_block(net, num_output, 1, name=name, eps=eps, folded=folded)
    return (net.pool(2, 2, pool=pool, name=f"{name}/pool") if pool else net).last
