"""What Darknet computes and Caffe has no layers for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from netgen.mirror.pooling import lowest

if TYPE_CHECKING:
    from netgen.layers.base import Shape
    from netgen.layers.pooling import Pair


class Local(nn.Module):
    """A convolution with other filters at each position (Darknet, src/local_layer.c)."""

    def __init__(self, weight: Shape, bias: Shape | None, kernel: int, stride: int, pad: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(weight))
        self.bias = None if bias is None else nn.Parameter(torch.zeros(bias))
        self.kernel, self.stride, self.pad = kernel, stride, pad

    def forward(self, bottom: Tensor) -> Tensor:
        """N C H W to N num_output h w."""
        columns = functional.unfold(bottom, self.kernel, padding=self.pad, stride=self.stride)
        top = (columns.unsqueeze(1) * self.weight[:, 0]).sum(2)
        if self.bias is not None:
            top = top + self.bias[0, 0].view(top.shape[1:])
        height = (bottom.shape[2] + 2 * self.pad - self.kernel) // self.stride + 1
        return top.view(*top.shape[:2], height, -1)


def windows(
    bottom: Tensor,
    *,
    pool: str,
    kernel: int,
    stride: Pair,
    padding: int,
    shapes: Callable[[Sequence[Shape]], list[Shape]],
) -> Tensor:
    """The maximum or mean of Darknet's windows, of the values that lie in the image (src/maxpool_layer.c)."""
    sizes = shapes((tuple(bottom.shape),))[0][2:]
    sides = []
    before = padding // 2
    for size, step, out in zip(bottom.shape[2:], stride, sizes, strict=True):
        sides.append((before, max(0, (out - 1) * step - before + kernel - size)))
    (top, below), (left, right) = sides
    padded = functional.pad(bottom, (left, right, top, below), value=lowest(bottom) if pool == "MAX" else 0.0)
    padded = padded[:, :, : (sizes[0] - 1) * stride[0] + kernel, : (sizes[1] - 1) * stride[1] + kernel]
    if pool == "MAX":
        return functional.max_pool2d(padded, kernel, stride)
    inside = functional.pad(torch.ones_like(bottom[:1, :1]), (left, right, top, below))
    inside = inside[:, :, : padded.shape[2], : padded.shape[3]]
    sums, counts = (functional.avg_pool2d(each, kernel, stride, divisor_override=1) for each in (padded, inside))
    return sums / counts


def shortcut(bottom: Tensor, other: Tensor, *, alpha: float, beta: float) -> Tensor:
    """Alpha x + beta y in the cells where blobs of two sizes meet, x elsewhere (src/blas.c, shortcut_cpu)."""
    stride, sample = max(1, other.shape[2] // bottom.shape[2]), max(1, bottom.shape[2] // other.shape[2])
    channels, height, width = (min(a, b) for a, b in zip(bottom.shape[1:], other.shape[1:], strict=True))
    cells = other[:, :channels, : height * stride : stride, : width * stride : stride]
    top = bottom.clone()
    top[:, :channels, : height * sample : sample, : width * sample : sample] *= alpha
    top[:, :channels, : height * sample : sample, : width * sample : sample] += beta * cells
    return top


def running_norm(bottom: Tensor, *, size: int, alpha: float, beta: float, k: float) -> Tensor:
    """LRN whose window over channels begins half full and runs on (src/normalization_layer.c)."""
    squares = alpha * bottom**2
    channels = bottom.shape[1]
    first = k + squares[:, : size // 2].sum(1, keepdim=True)
    added, taken = torch.zeros_like(squares), torch.zeros_like(squares)
    ahead, behind = size // 2, (size - 1) // 2 + 1
    if channels > ahead:
        added[:, 1 : channels - ahead] = squares[:, ahead + 1 :]
    if channels > behind:
        taken[:, behind:] = squares[:, : channels - behind]
    return bottom * (first + (added - taken).cumsum(1)) ** -beta


def stair(bottom: Tensor) -> Tensor:
    """A stair with slopes (src/activations.h, stair_activate)."""
    whole = torch.floor(bottom)
    half = torch.floor(bottom / 2)
    return torch.where(whole % 2 == 0, half, bottom - whole + half)
