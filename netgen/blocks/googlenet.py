"""Blocks of parallel convolutions without BatchNorm: SqueezeNet's fire and GoogLeNet's inception."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.blocks.common import named_conv_relu
from netgen.blocks.declare import block
from netgen.errors import NetgenError
from netgen.fields import shown

if TYPE_CHECKING:
    from netgen.branching import Blob
    from netgen.builder import Net


def _conv(net: Net, place: str, what: str, num_output: int, kernel_size: int = 1) -> Blob:
    return named_conv_relu(net, (f"{place}/{what}", f"{place}/relu_{what}"), num_output, kernel_size)


@block
def fire(net: Net, squeeze: int, expand: int, *, name: str) -> Blob:
    """1x1 to ``squeeze`` channels, then 1x1 beside 3x3: N C H W -> N 2*expand H W (arXiv 1602.07360, figure 1)."""
    _conv(net, name, "squeeze1x1", squeeze)
    ends = net.fork(
        lambda net: _conv(net, name, "expand1x1", expand),
        lambda net: _conv(net, name, "expand3x3", expand, 3),
    )
    return ends.concat(name=f"{name}/concat").last


@block
def inception(net: Net, widths: Sequence[int], *, name: str) -> Blob:
    """1x1, 3x3 and 5x5 behind 1x1, and 1x1 behind a pooling: N C H W -> N C' H W (arXiv 1409.4842, figure 2b).

    ``widths`` are the channels of the 1x1, of the 3x3 behind its reduction (reduction first), of the 5x5 the same, and
    of the 1x1 behind the pooling: table 1 of the paper, from left to right.
    """
    if len(widths) != 6:
        rule = "widths must be six whole numbers, one for each convolution"
        raise NetgenError(f"block 'inception': {rule}, got {shown(widths)}")
    one, three_reduce, three, five_reduce, five, pool_proj = widths

    def behind_reduction(net: Net, kernel_size: int, reduce: int, num_output: int) -> None:
        what = f"{kernel_size}x{kernel_size}"
        _conv(net, name, f"{what}_reduce", reduce)
        _conv(net, name, what, num_output, kernel_size)

    def pooled(net: Net) -> None:
        net.pool(3, 1, pad=1, name=f"{name}/pool")
        _conv(net, name, "pool_proj", pool_proj)

    ends = net.fork(
        lambda net: _conv(net, name, "1x1", one),
        lambda net: behind_reduction(net, 3, three_reduce, three),
        lambda net: behind_reduction(net, 5, five_reduce, five),
        pooled,
    )
    return ends.concat(name=f"{name}/output").last
