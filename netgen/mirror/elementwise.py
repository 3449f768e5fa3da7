"""Arithmetic value by value, with learned factors or between blobs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from netgen.layers.base import Shape


def along(factors: Tensor, axis: int, axes: int) -> Tensor:
    """Factors laid along the axes of a blob of ``axes`` axes from ``axis`` on."""
    start = axis % axes if factors.dim() else 0
    return factors.reshape(*[1] * start, *factors.shape, *[1] * (axes - start - factors.dim()))


class Scale(nn.Module):
    """Factors, learned or the second bottom, and learned terms, along some axes (scale_layer.cpp)."""

    def __init__(self, axis: int, weight: Shape | None, bias: Shape | None) -> None:
        super().__init__()
        self.axis = axis
        self.weight = None if weight is None else nn.Parameter(torch.ones(weight))
        self.bias = None if bias is None else nn.Parameter(torch.zeros(bias))

    def forward(self, bottom: Tensor, factors: Tensor | None = None) -> Tensor:
        """A blob of the first bottom's shape."""
        given = self.weight if factors is None else factors
        top = bottom if given is None else bottom * along(given, self.axis, bottom.dim())
        return top if self.bias is None else top + along(self.bias, self.axis, bottom.dim())


class Bias(nn.Module):
    """Terms, learned or the second bottom, along some axes (bias_layer.cpp)."""

    def __init__(self, axis: int, bias: Shape | None) -> None:
        super().__init__()
        self.axis = axis
        self.bias = None if bias is None else nn.Parameter(torch.zeros(bias))

    def forward(self, bottom: Tensor, terms: Tensor | None = None) -> Tensor:
        """A blob of the first bottom's shape."""
        given = self.bias if terms is None else terms
        return bottom if given is None else bottom + along(given, self.axis, bottom.dim())


class Eltwise(nn.Module):
    """The product, weighted sum or maximum of blobs of one shape (eltwise_layer.cpp).

    Where the top is written over a bottom, ``in_place``, that bottom counts with what Caffe finds in it by then: SUM
    has set it to 0, and PROD and MAX have put there what the first two bottoms gave.
    """

    def __init__(self, operation: str, coeff: Sequence[float], in_place: int | None) -> None:
        super().__init__()
        self.operation = operation
        self.coeff = coeff if set(coeff) != {1.0} else ()
        self.in_place = in_place if operation == "SUM" or (in_place or 0) > 1 else None

    def forward(self, *bottoms: Tensor) -> Tensor:
        """A blob of the bottoms' shape."""
        if self.operation == "SUM" and self.in_place is None:
            return self._sum(bottoms)
        top = torch.zeros_like(bottoms[0]) if self.operation == "SUM" else self._first_two(*bottoms[:2])
        start = 0 if self.operation == "SUM" else 2
        for i, bottom in enumerate(bottoms[start:], start):
            given = top if i == self.in_place else bottom
            if self.operation == "SUM":
                factor = self.coeff[i] if self.coeff else 1.0
                top = torch.add(top, given, alpha=factor) if factor else top
            else:
                top = top * given if self.operation == "PROD" else torch.where(given > top, given, top)
        return top

    def _sum(self, bottoms: Sequence[Tensor]) -> Tensor:
        if not self.coeff:
            return reduce(torch.add, bottoms)
        # A coefficient of 0 makes 0 of infinity too: BLAS's axpy then does nothing.
        top: Tensor | None = None
        for bottom, factor in zip(bottoms, self.coeff, strict=True):
            if factor:
                top = bottom * factor if top is None else torch.add(top, bottom, alpha=factor)
        return torch.zeros_like(bottoms[0]) if top is None else top

    def _first_two(self, first: Tensor, second: Tensor) -> Tensor:
        return first * second if self.operation == "PROD" else torch.where(first > second, first, second)

    def extra_repr(self) -> str:
        """The operation and the coefficients."""
        return self.operation + (f", coeff={tuple(self.coeff)}" if self.coeff else "")


def axpy(factors: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """A x + y with one a for each image and channel."""
    return torch.addcmul(y, x, factors.reshape(*x.shape[:2], *[1] * (x.dim() - 2)))
