"""Blocks that many families share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netgen.blocks.declare import block

if TYPE_CHECKING:
    from netgen.branching import Blob
    from netgen.builder import Net


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
def classifier(net: Net, classes: int) -> Blob:
    """Global average pooling, an InnerProduct and a Softmax: N C H W -> N classes."""
    return net.global_pool(name="global_pool").fc(classes, name="classifier").softmax(name="prob").last
