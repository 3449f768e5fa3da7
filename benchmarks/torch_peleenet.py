"""PeleeNet written by hand in PyTorch, for tools that count what a torch module does."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Unit(nn.Sequential):
    """Convolution, batch norm, ReLU."""

    def __init__(self, channels: int, out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(out, eps=1e-3),
            nn.ReLU(inplace=True),
        )


class Stem(nn.Module):
    """A strided convolution, then one branch of convolutions beside a max-pooling."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self.first = Unit(3, out, 3, 2)
        self.narrow = nn.Sequential(Unit(out, out // 2), Unit(out // 2, out, 3, 2))
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.join = Unit(2 * out, out)

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        return self.join(torch.cat([self.narrow(x), self.pool(x)], 1))


class Dense(nn.Module):
    """A two-way dense layer."""

    def __init__(self, channels: int, growth: int, width: int) -> None:
        super().__init__()
        self.near = nn.Sequential(Unit(channels, width), Unit(width, growth // 2, 3))
        self.far = nn.Sequential(Unit(channels, width), Unit(width, growth // 2, 3), Unit(growth // 2, growth // 2, 3))

    def forward(self, x: Any) -> Any:
        return torch.cat([x, self.near(x), self.far(x)], 1)


def peleenet() -> nn.Module:
    """The network of ``netgen.build("peleenet")``."""
    parts: list[nn.Module] = [Stem(32)]
    channels = 32
    for stage, (layers, factor) in enumerate(zip((3, 4, 8, 6), (1, 2, 4, 4), strict=True)):
        for _ in range(layers):
            parts.append(Dense(channels, 32, 16 * factor))
            channels += 32
        parts.append(Unit(channels, channels))
        if stage < 3:
            parts.append(nn.MaxPool2d(2, 2, ceil_mode=True))
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000), nn.Softmax(1)]
    return nn.Sequential(*parts, *head).eval()
