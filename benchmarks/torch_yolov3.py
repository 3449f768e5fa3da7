"""YOLOv3 and Darknet-53 written by hand in PyTorch, for tools that count or time what a torch module does."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Unit(nn.Sequential):
    """Convolution, batch norm, leaky ReLU."""

    def __init__(self, channels: int, out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(out),
            nn.LeakyReLU(0.1, inplace=True),
        )


class Residual(nn.Module):
    """Halves the channels, doubles them again, and adds what came in."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(Unit(channels, channels // 2), Unit(channels // 2, channels, 3))

    def forward(self, x: Any) -> Any:
        return x + self.body(x)


class Head(nn.Module):
    """Five convolutions, which the next scale reads, and two more to the output."""

    def __init__(self, channels: int, width: int, out: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            Unit(channels, width),
            *(unit for _ in range(2) for unit in (Unit(width, 2 * width, 3), Unit(2 * width, width))),
        )
        self.out = nn.Sequential(Unit(width, 2 * width, 3), nn.Conv2d(2 * width, out, 1))

    def forward(self, x: Any) -> tuple[Any, Any]:
        x = self.body(x)
        return x, self.out(x)


def trunk() -> list[nn.Sequential]:
    """The five stages of Darknet-53, each half the size of the one before."""
    stages = []
    stage: list[nn.Module] = [Unit(3, 32, 3)]
    channels = 32
    for residuals in (1, 2, 8, 8, 4):
        stage += [Unit(channels, 2 * channels, 3, 2), *(Residual(2 * channels) for _ in range(residuals))]
        stages.append(nn.Sequential(*stage))
        stage, channels = [], 2 * channels
    return stages


class YOLOv3(nn.Module):
    """Darknet-53 and three heads, each on what the one before saw, twice as fine."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(trunk())
        self.heads = nn.ModuleList([Head(1024, 512, out), Head(768, 256, out), Head(384, 128, out)])
        self.ups = nn.ModuleList(nn.Sequential(Unit(2 * c, c), nn.Upsample(scale_factor=2)) for c in (256, 128))

    def forward(self, x: Any) -> list[Any]:
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        x, first = self.heads[0](x)
        outputs = [first]
        for head, up, finer in zip(self.heads[1:], self.ups, features[3:1:-1], strict=True):
            x, output = head(torch.cat([up(x), finer], 1))
            outputs.append(output)
        return outputs


def yolov3() -> nn.Module:
    """The network of ``netgen.build("yolov3", upsample="Upsample")``: 80 classes, 3 anchors at each scale."""
    return YOLOv3(3 * (5 + 80)).eval()


def darknet53() -> nn.Module:
    """The network of ``netgen.build("darknet53")``: a classifier of 1000 classes."""
    head = [nn.AdaptiveAvgPool2d(1), nn.Conv2d(1024, 1000, 1), nn.Flatten(), nn.Softmax(1)]
    return nn.Sequential(*trunk(), *head).eval()
