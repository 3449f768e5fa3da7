"""Blocks that many families share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from netgen.blocks.declare import block

if TYPE_CHECKING:
    from netgen.branching import Blob
    from netgen.builder import Net


def scaled(channels: int, width: float) -> int:
    """``channels`` times a width multiplier, to the nearest multiple of 8, 8 or more; as they are for 1.

    No more than a tenth is lost: where it would be, the next multiple is taken, by the rule of MobileNet v2's own code
    (_make_divisible).

    >>> scaled(32, 0.4), scaled(32, 0.3), scaled(16, 0.1), scaled(100, 1)
    (16, 16, 8, 100)
    """
    if width == 1:
        return channels
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


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
    folded: bool = False,
    **fields: Any,
) -> Blob:
    """Convolution, BatchNorm, Scale and (unless ``relu=False``) ReLU: N C H W -> N num_output H/stride W/stride.

    The last three work in place, named ``NAME/bn``, ``NAME/scale``, ``NAME/relu``. ``folded`` leaves BatchNorm and
    Scale out and gives the convolution a bias, as where they are folded into its weights to deploy.
    """
    if folded:
        net.conv(num_output, kernel_size, stride, name=name, bias_filler="constant", **fields)
    else:
        net.conv(num_output, kernel_size, stride, name=name, **fields).bn(scale=True, eps=eps)
    return (net.relu() if relu else net).last


@block
def named_conv_block(
    net: Net,
    names: Sequence[str],
    num_output: int,
    kernel_size: int = 1,
    stride: int = 1,
    *,
    eps: float = 1e-5,
    **fields: Any,
) -> Blob:
    """``conv_block`` with the names of a published file: those of Convolution, BatchNorm, Scale and ReLU.

    Three names make no ReLU. Weights are loaded by these names, so networks with published weights keep theirs.
    """
    conv, bn, scale, *relu = names
    net.conv(num_output, kernel_size, stride, name=conv, **fields).bn(name=bn, eps=eps).scale(name=scale)
    for name in relu:
        net.relu(name=name)
    return net.last


@block
def named_conv_relu(net: Net, names: tuple[str, str], num_output: int, kernel_size: int = 1, **fields: Any) -> Blob:
    """Convolution with bias and ReLU in place, under the names of a published file: N C H W -> N num_output H W."""
    conv, relu = names
    return net.conv(num_output, kernel_size, name=conv, bias_term=True, **fields).relu(name=relu).last


@block
def local_norm(net: Net, *, name: str) -> Blob:
    """An LRN over 5 channels as AlexNet has it (Krizhevsky et al. 2012, section 3.3): N C H W -> N C H W."""
    return net.layer("LRN", name=name, local_size=5, alpha=1e-4, beta=0.75).last


@block
def vgg_trunk(
    net: Net,
    conv: Callable[[Net, str, int], Blob],
    layers: Sequence[int] = (2, 2, 3, 3, 3),
    channels: Sequence[int] = (64, 128, 256, 512, 512),
) -> Blob:
    """VGG's convolutions, poolings between the stages: N C H W -> N 512 H/16 W/16 (arXiv 1409.1556, table 1).

    ``conv`` makes a 3x3 convolution and its ReLU from the net, the place in the names (``1_1``) and the channels.
    """
    for stage, (count, num_output) in enumerate(zip(layers, channels, strict=True), start=1):
        if stage > 1:
            net.pool(2, 2, name=f"pool{stage - 1}")
        for i in range(1, count + 1):
            conv(net, f"{stage}_{i}", num_output)
    return net.last


@block
def inner_products(net: Net, classes: int, *, outputs: int = 4096, dropout: float = 0.5) -> Blob:
    """fc6 and fc7 with ReLU and Dropout, fc8 and the Softmax of AlexNet and VGG: N C H W -> N classes.

    ``dropout`` is the share that is dropped in training; 0 leaves the layers out.
    """
    for i in (6, 7):
        net.fc(outputs, name=f"fc{i}").relu(name=f"relu{i}")
        if dropout:
            net.dropout(dropout, name=f"drop{i}")
    return net.fc(classes, name="fc8").softmax(name="prob").last


@block
def conv_classifier(net: Net, classes: int, *, pool: str, name: str) -> Blob:
    """Global average pooling, a 1x1 Convolution with bias, and a Softmax ``prob``: N C H W -> N classes 1 1."""
    net.global_pool(name=pool).conv(classes, 1, name=name, bias_term=True, weight_filler="msra")
    return net.softmax(name="prob").last


@block
def classifier(net: Net, classes: int) -> Blob:
    """Global average pooling, an InnerProduct and a Softmax: N C H W -> N classes."""
    return net.global_pool(name="global_pool").fc(classes, name="classifier").softmax(name="prob").last
