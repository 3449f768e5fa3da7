"""Caffe's pooling: its windows, its divisor, its way with NaN."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from netgen.errors import NetgenError
from netgen.layers.pooling import pooled

if TYPE_CHECKING:
    from netgen.layers.base import Shape
    from netgen.layers.pooling import Pair


def lowest(bottom: Tensor) -> float:
    """What Caffe begins a maximum with, -FLT_MAX, or the least value of a smaller type than float."""
    return max(torch.finfo(torch.float32).min, torch.finfo(bottom.dtype).min)


class Pooling(nn.Module):
    """The maximum or mean of windows as pooling_layer.cpp takes them; N C H W to N C h w.

    MAX passes over NaN, and gives -FLT_MAX where it finds nothing greater; AVE divides by the window within the padded
    input. With ``mask``, also the position H x W of each maximum, -1 for none.
    """

    def __init__(
        self,
        method: str,
        kernel: Pair | None,
        stride: Pair = (1, 1),
        pad: Pair = (0, 0),
        *,
        floor: bool = False,
        mask: bool = False,
    ) -> None:
        super().__init__()
        self.method, self.kernel, self.stride, self.pad, self.floor, self.mask = (
            method, kernel, stride, pad, floor, mask,
        )  # fmt: skip

        self.passes_nan = True
        """Whether a NaN is passed over; torch alone makes NaN of its window."""

    @property
    def misses(self) -> bool:
        """Whether a maximum's last window may lie beyond the bottom, and give -FLT_MAX, for some size of it."""
        if self.method != "MAX" or self.kernel is None or self.floor:
            return False
        return self.pad == (0, 0) and any(s > k for s, k in zip(self.stride, self.kernel, strict=True))

    def forward(self, bottom: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Pool the windows; a kernel of None is the whole image."""
        kernel = self.kernel or (bottom.shape[2], bottom.shape[3])
        sizes = pooled(bottom.shape[2:], kernel, self.stride, self.pad, floor=self.floor)
        if self.method == "AVE":
            return self._mean(bottom, kernel, sizes)
        if self.method == "STOCHASTIC":
            if bottom.device.type == "cpu":
                raise NetgenError("Caffe has STOCHASTIC pooling for GPUs alone, and so has the mirror; move it to one")
            return self._stochastic(bottom, kernel, sizes)
        if self.mask:
            return self._positions(finite(bottom), kernel, sizes)
        if self.passes_nan and bottom.is_cuda:  # where to look at the values would be to wait for them
            bottom = finite(bottom)
        top = self._maximum(bottom, kernel, sizes)
        # A sum tells of a single NaN or infinity, in less time than a look at each value.
        if self.passes_nan and bottom.device.type == "cpu" and not math.isfinite(top.detach().sum()):
            return self._maximum(finite(bottom), kernel, sizes)
        return top

    def _maximum(self, bottom: Tensor, kernel: Pair, sizes: Sequence[int]) -> Tensor:
        for ceil in (False, True):
            if self._as_torch(bottom.shape[2:], kernel, sizes, ceil=ceil):
                return functional.max_pool2d(bottom, kernel, self.stride, self.pad, ceil_mode=ceil)
        return functional.max_pool2d(self._padded(bottom, kernel, sizes, lowest(bottom)), kernel, self.stride)

    def _mean(self, bottom: Tensor, kernel: Pair, sizes: Sequence[int]) -> Tensor:
        if kernel == bottom.shape[2:] and tuple(sizes) == (1, 1) and self.pad == (0, 0):
            return bottom.mean((2, 3), keepdim=True)
        for ceil in (False, True):
            if self._as_torch(bottom.shape[2:], kernel, sizes, ceil=ceil):
                return functional.avg_pool2d(bottom, kernel, self.stride, self.pad, ceil_mode=ceil)
        sums = functional.avg_pool2d(self._padded(bottom, kernel, sizes, 0.0), kernel, self.stride, divisor_override=1)
        return sums / divisors(bottom, kernel, self.stride, self.pad, sizes)

    def _positions(self, bottom: Tensor, kernel: Pair, sizes: Sequence[int]) -> tuple[Tensor, Tensor]:
        padded = self._padded(bottom, kernel, sizes, lowest(bottom))
        values, flat = functional.max_pool2d(padded, kernel, self.stride, return_indices=True)
        rows, columns = flat // padded.shape[3] - self.pad[0], flat % padded.shape[3] - self.pad[1]
        places = torch.where(values > lowest(bottom), rows * bottom.shape[3] + columns, -1)
        return values, places.to(values.dtype)

    def _stochastic(self, bottom: Tensor, kernel: Pair, sizes: Sequence[int]) -> Tensor:
        """Each value with a probability in proportion to itself in training, their expectation in testing (.cu)."""
        padded = self._padded(bottom, kernel, sizes, 0.0)
        windows = functional.unfold(padded, kernel, stride=self.stride)
        windows = windows.view(*bottom.shape[:2], kernel[0] * kernel[1], *sizes)
        if not self.training:
            return (windows**2).sum(2) / windows.sum(2).add(torch.finfo(torch.float32).tiny)
        running = windows.cumsum(2)
        threshold = torch.rand_like(running[:, :, -1:]) * running[:, :, -1:]
        chosen = (running < threshold).sum(2, keepdim=True).clamp_(max=windows.shape[2] - 1)
        return windows.gather(2, chosen).squeeze(2)

    def _as_torch(self, bottom: Sequence[int], kernel: Pair, sizes: Sequence[int], *, ceil: bool) -> bool:
        """Whether torch has these windows; its pads are half a kernel at most, and its last window begins inside."""
        for size, k, s, p, out in zip(bottom, kernel, self.stride, self.pad, sizes, strict=True):
            span = size + 2 * p - k
            theirs = (-(-span // s) if ceil else span // s) + 1
            if ceil and (theirs - 1) * s >= size + p:
                theirs -= 1
            if theirs != out or 2 * p > k or span < 0:
                return False
        return True

    def _padded(self, bottom: Tensor, kernel: Pair, sizes: Sequence[int], value: float) -> Tensor:
        """The bottom with as much around it as the windows reach."""
        return padded(bottom, kernel, self.stride, self.pad, sizes, value)

    def extra_repr(self) -> str:
        """The window."""
        floor = ", floor" if self.floor else ""
        return f"{self.method}, kernel={self.kernel}, stride={self.stride}, pad={self.pad}{floor}"


def padded(bottom: Tensor, kernel: Shape, stride: Shape, pad: Shape, sizes: Sequence[int], value: float) -> Tensor:
    """N C and any spatial axes with as much around these as the windows reach; the tops have the ``sizes``."""
    sides: list[int] = []
    for size, k, s, p, out in zip(bottom.shape[2:], kernel, stride, pad, sizes, strict=True):
        sides[:0] = (p, (out - 1) * s + k - size - p)
    return functional.pad(bottom, sides, value=value)


def divisors(bottom: Tensor, kernel: Shape, stride: Shape, pad: Shape, sizes: Sequence[int]) -> Tensor:
    """What AVE divides each window's sum by, its volume within the padded input; a tensor of the ``sizes``."""
    whole = bottom.new_ones(())
    for size, k, s, p, out in zip(bottom.shape[2:], kernel, stride, pad, sizes, strict=True):
        span = [min(i * s - p + k, size + p) - (i * s - p) for i in range(out)]
        whole = whole[..., None] * bottom.new_tensor(span)
    return whole


def finite(bottom: Tensor) -> Tensor:
    """The values as Caffe compares them with -FLT_MAX: nothing below it, and NaN never above."""
    least = lowest(bottom)
    return torch.nan_to_num(bottom, nan=least, posinf=torch.inf, neginf=least)


class Pyramid(nn.Module):
    """Spatial pyramid pooling: each level's values of an image, one level after the other (spp_layer.cpp)."""

    def __init__(self, method: str, levels: Callable[[Shape], list[tuple[Pair, Pair, Shape]]]) -> None:
        super().__init__()
        self.method, self.levels = method, levels

    def forward(self, bottom: Tensor) -> Tensor:
        """N C H W to N x values; the pooled image itself where the pyramid has one level."""
        tops = []
        for kernel, pad, _ in self.levels(tuple(bottom.shape)):
            level = Pooling(self.method, kernel, kernel, pad).train(self.training)
            tops.append(level(bottom))
        return tops[0] if len(tops) == 1 else torch.cat([top.flatten(1) for top in tops], 1)
