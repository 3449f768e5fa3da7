"""Functions of single values as Caffe computes them, where torch has none."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ReLU(nn.ReLU):
    """max(x, 0), which Caffe computes as max(x, 0) + 0 * min(x, 0): of minus infinity it makes NaN (relu_layer.cpp).

    That takes three times as long, and is done after pooling that begins with -FLT_MAX what no value ends
    (``overflows``); elsewhere minus infinity gives 0.
    """

    overflows = False
    """Whether sums of -FLT_MAX may come here."""

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same."""
        return input - input.clamp(max=0) if self.overflows else super().forward(input)


class ELU(nn.ELU):
    """max(x, 0) + alpha (exp(min(x, 0)) - 1), with Caffe's roundings (elu_layer.cpp).

    On CPUs torch takes an expm1 that rounds otherwise from about -16 on, which an ArgMax over values near -1 shows.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same."""
        if input.device.type != "cpu":
            return super().forward(input)
        if torch.is_grad_enabled() and input.requires_grad:
            return functional.relu(input) + self.alpha * (input.clamp(max=0).exp() - 1)
        below = input.clamp(max=0).exp_().sub_(1)
        return below.mul_(self.alpha).add_(functional.relu(input))


class PReLU(nn.Module):
    """ReLU with a learned slope per channel, or a single one without axes (prelu_layer.cpp)."""

    def __init__(self, channels: int | None) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.full(() if channels is None else (channels,), 0.25))

    def forward(self, bottom: Tensor) -> Tensor:
        """N C ... to the same shape."""
        return functional.prelu(bottom, self.slope.reshape(-1))


class UnscaledDropout(nn.Module):
    """Dropout whose scale is in testing (py-faster-rcnn's Caffe, dropout_layer.cpp, scale_train: false)."""

    def __init__(self, ratio: float) -> None:
        super().__init__()
        self.ratio = ratio

    def forward(self, bottom: Tensor) -> Tensor:
        """Any shape to the same shape."""
        if not self.training:
            return bottom * (1 - self.ratio)
        return bottom * torch.bernoulli(torch.full_like(bottom, 1 - self.ratio))


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
