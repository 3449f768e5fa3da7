"""The points of a grid of parameters, and a function's draws: any one of them by its number, none of them held."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import prod
from random import Random
from typing import Any, overload

from netgen.errors import UsageError
from netgen.fields import shown

Draw = Callable[[Random], Mapping[str, Any]]


class Steps(Sequence[Any]):
    """The numbers from ``low`` by ``step``, ``count`` of them, computed exactly and one at a time.

    >>> list(Steps(Fraction("0.1"), Fraction("0.1"), 3, float))
    [0.1, 0.2, 0.3]
    """

    def __init__(self, low: Fraction, step: Fraction, count: int, kind: type[int] | type[float]) -> None:
        self._low = low
        self._step = step
        self._count = count
        self._kind = kind

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        return self._kind(self._low + range(self._count)[index] * self._step)


class Grid:
    """Every combination of the axes' values, by its number; the last axis turns fastest.

    >>> grid = Grid({"size": [192, 224], "growth_rate": [16, 24, 32]})
    >>> grid.size, grid.at(4)
    (6, {'size': 224, 'growth_rate': 24})
    """

    def __init__(self, axes: Mapping[str, Sequence[Any]]) -> None:
        self.axes = dict(axes)
        self.size = prod(len(values) for values in self.axes.values())
        for name, values in self.axes.items():
            if not values:
                raise UsageError(f"{name}: give at least one value, got none")
        if self.size > sys.maxsize:
            raise UsageError(f"a grid may have {sys.maxsize:,} variants at most, got {self.size:,}; give fewer values")

    def at(self, index: int) -> dict[str, Any]:
        """The parameters of one variant."""
        places = []
        for values in reversed(self.axes.values()):
            index, place = divmod(index, len(values))
            places.append(values[place])
        return dict(zip(self.axes, reversed(places), strict=True))


class Draws:
    """What a function draws, each time with a random generator of its own: number 7 is the same whoever asks first."""

    def __init__(self, draw: Draw, size: int, seed: int, fixed: Mapping[str, Any]) -> None:
        self.size = size
        self._draw = draw
        self._seed = seed
        self._fixed = dict(fixed)

    def at(self, index: int) -> dict[str, Any]:
        """The parameters of one variant; raises UsageError when the function returns no dict of them."""
        drawn = self._draw(Random(f"{self._seed}/{index}"))
        if not isinstance(drawn, Mapping) or not all(isinstance(key, str) for key in drawn):
            raise UsageError(f"the function must return a dict of parameters by name, returned {shown(drawn)}")
        twice = drawn.keys() & self._fixed.keys()
        if twice:
            raise UsageError(f"{min(twice)!r} is drawn by the function and given beside it; give it once")
        return {**self._fixed, **drawn}
