"""Weights and inputs by the recipe with which real Caffe's whole networks were run: the same bits from names alone."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from math import prod

import numpy as np

from tests.truth import Array

Shape = tuple[int, ...]
Draw = Callable[[np.random.Generator, int, int, float], Array]


def _generator(text: str, plus: int = 0) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(text.encode()) + plus)


def _batch_norm(rng: np.random.Generator, n: int, index: int, factor: float) -> Array:
    if index == 2:
        return np.full(n, factor)
    return 0.1 * factor * rng.standard_normal(n) if index == 0 else factor * (0.5 + 1.5 * rng.random(n))


_BY_TYPE: dict[str, Draw] = {
    "BatchNorm": _batch_norm,
    "Scale": lambda rng, n, index, _: (index == 0) + 0.1 * rng.standard_normal(n),
    "PReLU": lambda rng, n, *_: 0.25 + 0.05 * rng.standard_normal(n),
    "Normalize": lambda rng, n, *_: 20.0 + rng.standard_normal(n),
}


def recipe_weights(layer: str, type: str, index: int, shape: Shape) -> Array:
    rng, n = _generator(layer, index), prod(shape)
    if type in _BY_TYPE:
        factor = 1.0 if zlib.crc32(layer.encode()) % 2 == 0 else 2.0
        values = _BY_TYPE[type](rng, n, index, factor)
    else:
        deviation = np.sqrt(2.0 / (n // shape[0])) if len(shape) >= 2 else 0.05
        values = deviation * rng.standard_normal(n)
    return values.astype(np.float32).reshape(shape)


def recipe_inputs(blob: str, shape: Shape) -> Array:
    return _generator(f"input:{blob}").standard_normal(prod(shape)).astype(np.float32).reshape(shape)


def recipe_positions(blob: str, count: int) -> Array:
    return _generator(f"positions:{blob}").integers(0, count, 16)
