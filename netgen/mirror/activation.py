"""Functions of single values as Caffe computes them, where torch has none."""

from __future__ import annotations

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


def bnll(bottom: Tensor) -> Tensor:
    """log(1 + exp(x)) (bnll_layer.cpp)."""
    return functional.relu(bottom) + torch.log1p(torch.exp(-bottom.abs()))


def swish(bottom: Tensor, *, beta: float) -> Tensor:
    """X sigmoid(beta x) (swish_layer.cpp)."""
    return functional.silu(bottom) if beta == 1 else bottom * torch.sigmoid(beta * bottom)


def relu6(bottom: Tensor, *, n: float, negative_slope: float) -> Tensor:
    """min(max(x, 0), n) and negative_slope min(x, 0)."""
    top = torch.clamp(bottom, 0, n)
    return top if negative_slope == 0 else top + negative_slope * torch.clamp(bottom, max=0)
