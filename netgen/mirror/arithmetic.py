"""Arithmetic on each value as Caffe computes it."""

from __future__ import annotations

import math

import torch
from torch import Tensor


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


def above(bottom: Tensor, *, threshold: float) -> Tensor:
    """1 where x is above the threshold, else 0; no gradient (threshold_layer.cpp)."""
    return (bottom > threshold).to(bottom.dtype)


def clip(bottom: Tensor, *, min: float, max: float) -> Tensor:
    """X held between min and max (clip_layer.cpp)."""
    return torch.clamp(bottom, min, max)
