"""C3D's pooling, which passes gradients as no pooling of torch's does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from netgen.layers.volumes import pooled_volume
from netgen.mirror.detection import wide
from netgen.mirror.pooling import divisors, finite, lowest, padded

if TYPE_CHECKING:
    from netgen.layers.base import Shape


def _largest(bottom: Tensor, kernel: Shape, stride: Shape, sizes: Shape) -> tuple[Tensor, Tensor]:
    """The bottom with as much around it as the windows reach, and their maxima, -FLT_MAX in one without values."""
    around = padded(bottom, kernel, stride, (0, 0, 0), sizes, lowest(bottom))
    return around, functional.max_pool3d(finite(around), kernel, stride)


class _Maximum(torch.autograd.Function):
    """The maximum of each window; the gradient goes to every value that equals it (pool3d_layer.cpp, Backward)."""

    @staticmethod
    def forward(ctx: Any, bottom: Tensor, kernel: Shape, stride: Shape, sizes: Shape) -> Tensor:
        """N C l h w."""
        around, top = _largest(bottom, kernel, stride, sizes)
        ctx.save_for_backward(around, top)
        ctx.kernel, ctx.stride, ctx.shape = kernel, stride, bottom.shape
        return top

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        """A place of the window at a time, for all windows."""
        around, top = ctx.saved_tensors
        grad = torch.zeros_like(around)
        for place in product(*map(range, ctx.kernel)):
            seen = [
                slice(start, start + (out - 1) * step + 1, step)
                for start, step, out in zip(place, ctx.stride, top.shape[2:], strict=True)
            ]
            grad[:, :, *seen] += grads[0] * (around[:, :, *seen] == top)
        length, height, width = ctx.shape[2:]
        return grad[:, :, :length, :height, :width], None, None, None


_maximum: Callable[[Tensor, Shape, Shape, Shape], Tensor] = _Maximum.apply


class VolumePooling(nn.Module):
    """The maximum or mean of windows over N C L H W as pool3d_layer.cpp takes them; ``windows`` as `pooled_volume`'s.

    MAX passes over NaN, and gives -FLT_MAX where it finds nothing greater; AVE divides by the window's volume within
    the padded input, and gives NaN for a window that is all beyond it.
    """

    def __init__(self, method: str, windows: Sequence[tuple[int, int, int]]) -> None:
        super().__init__()
        self.method, self.windows = method, tuple(windows)

    @property
    def misses(self) -> bool:
        """Whether a maximum's last window may lie beyond the bottom, and give -FLT_MAX, for some size of it."""
        return self.method == "MAX" and any(stride > kernel for kernel, stride, _ in self.windows)

    def forward(self, bottom: Tensor) -> Tensor:
        """N C L H W to N C l h w."""
        sizes = pooled_volume(bottom.shape[2:], self.windows)
        kernel, stride, pad = zip(*self.windows, strict=True)
        if self.method == "MAX":
            if torch.is_grad_enabled() and bottom.requires_grad:
                return _maximum(bottom, kernel, stride, sizes)
            return _largest(bottom, kernel, stride, sizes)[1]
        summed = wide(bottom)  # torch has no such sums of half precision on a CPU
        around = padded(summed, kernel, stride, pad, sizes, 0.0)
        sums = functional.avg_pool3d(around, kernel, stride, divisor_override=1)
        return (sums / divisors(summed, kernel, stride, pad, sizes)).to(bottom.dtype)

    def extra_repr(self) -> str:
        """The windows."""
        return f"{self.method}, windows={self.windows}"
