"""Functions of single values as Caffe computes them, where torch has none."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class PReLU(nn.Module):
    """ReLU with a learned slope per channel, or a single one without axes (prelu_layer.cpp)."""

    def __init__(self, channels: int | None) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full(() if channels is None else (channels,), 0.25))

    def forward(self, bottom: Tensor) -> Tensor:
        """N C ... to the same shape."""
        return functional.prelu(bottom, self.slope.reshape(-1))


def power(bottom: Tensor, *, power: float, scale: float, shift: float) -> Tensor:
    """(shift + scale x)^power; constant where scale or power is 0 (power_layer.cpp)."""
    if power * scale == 0:
        return torch.full_like(bottom, 1.0 if power == 0 else shift**power)
    top = bottom if scale == 1 else bottom * scale
    top = top if shift == 0 else top + shift
    return top if power == 1 else top**power


def exp(bottom: Tensor, *, base: float, scale: float, shift: float) -> Tensor:
    """base^(shift + scale x), base -1 for e (exp_layer.cpp)."""
    log = 1.0 if base == -1 else math.log(base)
    outer = 1.0 if shift == 0 else (math.exp(shift) if base == -1 else base**shift)
    top = torch.exp(bottom * (scale * log))
    return top if outer == 1 else top * outer


def log(bottom: Tensor, *, base: float, scale: float, shift: float) -> Tensor:
    """The logarithm to base of shift + scale x, base -1 for e (log_layer.cpp)."""
    top = torch.log(bottom * scale + shift)
    return top if base == -1 else top / math.log(base)


def bnll(bottom: Tensor) -> Tensor:
    """log(1 + exp(x)) (bnll_layer.cpp)."""
    return functional.relu(bottom) + torch.log1p(torch.exp(-bottom.abs()))


def above(bottom: Tensor, *, threshold: float) -> Tensor:
    """1 where x is above the threshold, else 0; no gradient (threshold_layer.cpp)."""
    return (bottom > threshold).to(bottom.dtype)


def clip(bottom: Tensor, *, min: float, max: float) -> Tensor:
    """X held between min and max (clip_layer.cpp)."""
    return torch.clamp(bottom, min, max)


def swish(bottom: Tensor, *, beta: float) -> Tensor:
    """X sigmoid(beta x) (swish_layer.cpp)."""
    return functional.silu(bottom) if beta == 1 else bottom * torch.sigmoid(beta * bottom)


def relu6(bottom: Tensor, *, n: float, negative_slope: float) -> Tensor:
    """min(max(x, 0), n) and negative_slope min(x, 0)."""
    top = torch.clamp(bottom, 0, n)
    return top if negative_slope == 0 else top + negative_slope * torch.clamp(bottom, max=0)
