"""Products with learned matrices and filters beyond what torch's own modules do."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from netgen.errors import NetgenError
from netgen.mirror.function import has_values

if TYPE_CHECKING:
    from netgen.layers.base import Shape

_CONVOLUTIONS = (functional.conv1d, functional.conv2d, functional.conv3d)
_TRANSPOSED = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)
MODULES = {
    (False, 1): nn.Conv1d, (False, 2): nn.Conv2d, (False, 3): nn.Conv3d,
    (True, 1): nn.ConvTranspose1d, (True, 2): nn.ConvTranspose2d, (True, 3): nn.ConvTranspose3d,
}  # fmt: skip


def unfilled(kind: type[nn.Module], *args: Any, **kwargs: Any) -> nn.Module:
    """A module of torch's without the weights that it would begin with: they come from fillers or a file."""
    device = torch.get_default_device()
    module: nn.Module = nn.utils.skip_init(kind, *args, device=device, **kwargs)  # type: ignore[no-untyped-call]
    return module


class Convolution(nn.Module):
    """A convolution that torch has no module for: several bottoms, another axis, a window beyond a small bottom.

    ``bias`` may have any number of axes of size 1 beside its own.
    """

    def __init__(
        self,
        weight: Shape,
        bias: Shape | None,
        window: tuple[Sequence[int], Sequence[int], Sequence[int], Sequence[int]],
        *,
        group: int,
        axis: int,
        transposed: bool,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(weight))
        self.bias = None if bias is None else nn.Parameter(torch.zeros(bias))
        self.kernel, self.stride, self.pad, self.dilation = window
        self.group, self.axis, self.transposed = group, axis, transposed
        if len(self.kernel) > 3:
            raise NetgenError(f"PyTorch convolves over 3 spatial axes at most, got {len(self.kernel)}")

    def forward(self, *bottoms: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The convolution of each bottom."""
        tops = tuple(self._convolved(bottom) for bottom in bottoms)
        return tops[0] if len(tops) == 1 else tops

    def _convolved(self, bottom: Tensor) -> Tensor:
        axis = self.axis % bottom.dim()
        images = bottom.reshape(prod(bottom.shape[:axis]), *bottom.shape[axis:])
        weight: Tensor = self.weight
        bias = None if self.bias is None else self.bias.flatten()
        kernel, stride, pad, dilation = self.kernel, self.stride, self.pad, self.dilation
        if not kernel:
            images, weight = images.unsqueeze(2), weight.unsqueeze(2)
            kernel = stride = dilation = (1,)
            pad = (0,)
        at = len(kernel) - 1
        if self.transposed:
            top = _TRANSPOSED[at](images, weight, bias, stride, pad, 0, self.group, dilation)
        else:
            # Caffe's division rounds to 0, so that a window may reach beyond the bottom; it reads 0 there.
            lack = [
                max(0, d * (k - 1) + 1 - size - 2 * p)
                for size, k, p, d in zip(images.shape[2:], kernel, pad, dilation, strict=True)
            ]
            if any(lack):
                sides = [(p, p + more) for p, more in zip(pad, lack, strict=True)]
                images = functional.pad(images, [side for pair in reversed(sides) for side in pair])
                pad = (0,) * len(kernel)
            top = _CONVOLUTIONS[at](images, weight, bias, stride, pad, dilation, self.group)
        spatial = top.shape[2:] if self.kernel else ()
        return top.reshape(*bottom.shape[:axis], top.shape[1], *spatial)


class Linear(nn.Linear):
    """InnerProduct: all axes from ``axis`` on are the inputs."""

    def __init__(self, inputs: int, outputs: int, axis: int, *, bias: bool, device: Any = None) -> None:
        super().__init__(inputs, outputs, bias=bias, device=device)
        self.axis = axis

    def forward(self, input: Tensor) -> Tensor:
        """M values of K inputs to M of num_output."""
        axis = self.axis % input.dim()
        return super().forward(input.reshape(*input.shape[:axis], -1) if axis != input.dim() - 1 else input)


class TransposedLinear(nn.Module):
    """InnerProduct with ``transpose``: the weight is K x num_output."""

    def __init__(self, inputs: int, outputs: int, axis: int, *, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.axis = axis

    def forward(self, bottom: Tensor) -> Tensor:
        """M values of K inputs to M of num_output."""
        axis = self.axis % bottom.dim()
        inputs = bottom.reshape(*bottom.shape[:axis], -1)
        return functional.linear(inputs, self.weight.t(), self.bias)


class Embed(nn.Module):
    """Rows of the weight by index, and a bias; an index is a whole number as a float, as Caffe's blobs hold them."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, bottom: Tensor) -> Tensor:
        """Any shape to the same and num_output."""
        rows = bottom.long()
        if has_values(rows):
            least, most = int(rows.min()), int(rows.max())
            if least < 0 or most >= len(self.weight):
                raise NetgenError(f"indices must lie in 0..{len(self.weight) - 1} (input_dim), got {least}..{most}")
        top = functional.embedding(rows, self.weight)
        return top if self.bias is None else top + self.bias


def columns(bottom: Tensor, *, window: Sequence[Sequence[int]], axis: int) -> Tensor:
    """Im2col over any number of spatial axes: C x kernel channels, each window in a column (im2col.cpp)."""
    kernel, stride, pad, dilation = window
    axes = len(kernel)
    sides = [(p, p) for p in pad]
    top = functional.pad(bottom, [side for pair in reversed(sides) for side in pair])
    # Last axis first, each becomes two: the place in the window, and where the window lies.
    for i in reversed(range(axes)):
        size = (top.shape[axis + 1 + i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
        starts = torch.arange(size, device=bottom.device) * stride[i]
        places = torch.arange(kernel[i], device=bottom.device) * dilation[i]
        at = (places[:, None] + starts).flatten()
        top = top.index_select(axis + 1 + i, at)
        top = top.reshape(*top.shape[: axis + 1 + i], kernel[i], size, *top.shape[axis + 2 + i :])
    inner = range(axis + 1, axis + 1 + 2 * axes)
    top = top.permute(*range(axis + 1), *inner[::2], *inner[1::2])
    return top.flatten(axis, axis + axes)
