"""Axes with ticks that people would choose."""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, log10
from typing import NamedTuple


class Axis(NamedTuple):
    """A direction of the plot: from ``low`` to ``high`` by value, or by its logarithm."""

    name: str
    low: float
    high: float
    log: bool
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        if self.log:
            return log10(value / self.low) / log10(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def axis(name: str, values: Iterable[float], log: bool = False) -> Axis:
    """An axis that holds all values, ending on ticks.

    >>> axis("macs", [12, 34]).ticks
    (10.0, 15.0, 20.0, 25.0, 30.0, 35.0)
    """
    found = list(values)
    low, high = min(found), max(found)
    ticks = log_ticks(low, high) if log else nice_ticks(low, high)
    return Axis(name, ticks[0], ticks[-1], log, tuple(ticks))


def nice_ticks(low: float, high: float, count: int = 9) -> list[float]:
    """Some five to eleven ticks that enclose both, at multiples of 1, 2, 2.5 or 5 times a power of ten.

    >>> nice_ticks(0.3, 9.1), nice_ticks(7, 7)
    ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], [6.0, 6.25, 6.5, 6.75, 7.0, 7.25, 7.5, 7.75, 8.0])
    """
    if high <= low:
        margin = abs(low) / 10 or 1.0
        margin = max(margin, 1.0) if low == floor(low) else margin
        low, high = low - margin, high + margin
    rough = (high - low) / (count - 1)
    power = 10.0 ** floor(log10(rough))
    step = next(each * power for each in (1, 2, 2.5, 5, 10) if each * power >= rough * (1 - 1e-9))
    first, last = floor(low / step + 1e-9), -floor(-high / step + 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Ticks at 1, 2 and 5 times powers of ten that enclose both; at the powers alone over four of them.

    >>> log_ticks(3, 60), log_ticks(1, 2e5)
    ([2.0, 5.0, 10.0, 20.0, 50.0, 100.0], [1.0, 10.0, 100.0, 1000.0, 10000.0, 100000.0, 1000000.0])
    """
    first, last = floor(log10(low)), floor(log10(high)) + 1
    factors = (1,) if last - first > 4 else (1, 2, 5)
    marks = [float(f"{each}e{power}") for power in range(first, last + 1) for each in factors]
    start = max(i for i, each in enumerate(marks) if each <= low * (1 + 1e-9))
    stop = min(i for i, each in enumerate(marks) if each >= high * (1 - 1e-9))
    return marks[start : max(stop, start + 1) + 1]


def short(value: float) -> str:
    """A tick as people read it: ``500 M``, ``1.5 k``, ``0.25``.

    >>> short(5e8), short(1500.0), short(0.25), short(0.0), short(2.5e13)
    ('500 M', '1.5 k', '0.25', '0', '25 T')
    """
    for size, unit in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
