"""Blocks that networks are made of, as plain functions over the builder: ``block(net, ...)`` returns what it ends on.

Write your own in the same style: a function whose first argument is the net, with ``@block`` above it, that returns the
blob (or, for several ends, the tuple of blobs) that it ends on. The net goes on from there, and that is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

from netgen.branching import Blob
from netgen.errors import NetgenError
from netgen.fields import shown

if TYPE_CHECKING:
    from netgen.builder import Net

Block = TypeVar("Block", bound=Callable[..., "Blob | tuple[Blob, ...]"])


def block(function: Block) -> Block:
    """Declare a block: the function must return the blob that it ends on, and leave ``net.last`` there.

    A tuple of blobs stands for several ends; the net goes on from its last one. Raises NetgenError when a block returns
    something else, or leaves the net elsewhere.
    """

    @wraps(function)
    def checked(net: Net, *args: Any, **kwargs: Any) -> Any:
        end = function(net, *args, **kwargs)
        if end != net.last:
            _check_end(function.__name__, net, end)
        return end

    return cast("Block", checked)


def _check_end(name: str, net: Net, end: Any) -> None:
    ends = end if isinstance(end, tuple) else (end,)
    if not ends or not all(isinstance(each, Blob) for each in ends):
        found = f"got {shown(end)}; end it with 'return net.last'"
        raise NetgenError(f"block {name!r}: must return the blob that it ends on, {found}")
    if ends[-1] != net.last:
        raise NetgenError(
            f"block {name!r}: returns {ends[-1]!r} but leaves net.last at {net.last!r}; "
            "go there with net.at(...) before returning, or return net.last"
        )


@block
def conv_block(
    net: Net,
    num_output: int,
    kernel_size: int = 1,
    stride: int = 1,
    *,
    name: str | None = None,
    eps: float = 1e-5,
    relu: bool = True,
    **fields: Any,
) -> Blob:
    """Convolution, BatchNorm, Scale and (unless ``relu=False``) ReLU: N C H W -> N num_output H/stride W/stride.

    The last three work in place, named ``NAME/bn``, ``NAME/scale``, ``NAME/relu``.
    """
    net.conv(num_output, kernel_size, stride, name=name, **fields).bn(scale=True, eps=eps)
    return (net.relu() if relu else net).last


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


@block
def classifier(net: Net, classes: int) -> Blob:
    """Global average pooling, an InnerProduct and a Softmax: N C H W -> N classes."""
    return net.global_pool(name="global_pool").fc(classes, name="classifier").softmax(name="prob").last
