"""Checks of a network's arguments; each says the network, the rule and what was given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from netgen.errors import UsageError
from netgen.fields import shown


def at_least(least: int, where: str, *, even: bool = False, **values: Any) -> None:
    """Raise UsageError unless each value is a whole number of at least ``least``, and even if so asked."""
    for name, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < least or (even and value % 2):
            kind = "an even number" if even else "a whole number"
            raise UsageError(f"{where}: {name} must be {kind} of {least} or more, got {shown(value)}")


def above_zero(where: str, **values: Any) -> None:
    """Raise UsageError unless each value is a finite number above 0."""
    for name, value in values.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < float("inf"):
            raise UsageError(f"{where}: {name} must be a finite number above 0, got {shown(value)}")


def share(where: str, **values: Any) -> None:
    """Raise UsageError unless each value is a number from 0 up to, but not, 1."""
    for name, value in values.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
            raise UsageError(f"{where}: {name} must be a number from 0 to below 1, got {shown(value)}")


def divisible(by: int, where: str, **values: int) -> None:
    """Raise UsageError unless each value is a multiple of ``by``."""
    for name, value in values.items():
        if value % by:
            nearest = max(1, round(value / by)) * by
            raise UsageError(f"{where}: {name} must be a multiple of {by}, got {value}; the nearest is {nearest}")


def height_and_width(where: str, size: Any, *, least: int = 1, multiple_of: int = 1) -> tuple[int, int]:
    """The height and width that a ``size`` stands for: one number for both, or a pair.

    Raises UsageError unless each is a whole number of at least ``least`` and a multiple of ``multiple_of``.
    """
    pair = tuple(size) if isinstance(size, list | tuple) else (size, size)
    if len(pair) != 2:
        raise UsageError(f"{where}: size must be a whole number or a pair (height, width), got {shown(size)}")
    for each in pair:
        at_least(least, where, size=each)
        if each % multiple_of:
            raise UsageError(f"{where}: size must be a multiple of {multiple_of}, got {shown(each)}")
    return pair


def one_of(choices: Iterable[str] | Iterable[int], where: str, **values: Any) -> None:
    """Raise UsageError unless each value is one of the choices, and of their type (True is no 1)."""
    known: list[Any] = list(choices)
    for name, value in values.items():
        if not any(type(value) is type(each) and value == each for each in known):
            raise UsageError(f"{where}: {name} must be one of {', '.join(map(str, known))}, got {shown(value)}")


def per_item(least: int, where: str, *, count: int | None = None, **values: Sequence[Any]) -> None:
    """Raise UsageError unless each value is a list of ``count`` whole numbers (any if None) of at least ``least``."""
    for name, value in values.items():
        if not isinstance(value, list | tuple) or not value:
            raise UsageError(f"{where}: {name} must be a list of whole numbers, got {shown(value)}")
        for each in value:
            at_least(least, where, **{f"each of {name}": each})
        if count is not None and len(value) != count:
            items = "item" if count == 1 else "items"
            raise UsageError(f"{where}: {name} must have {count} {items}, one for each stage, got {len(value)}")
