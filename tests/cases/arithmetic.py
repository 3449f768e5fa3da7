"""Rows of the family ``arithmetic``."""

from __future__ import annotations

from tests.cases.case import Case

CASES = [
    Case(
        "AbsVal",
        {},
        ((2, 3),),
        ((2, 3),),
        flops=1 * 6,
        why="one a value",
    ),
    Case(
        "Power",
        {},
        ((2, 3),),
        ((2, 3),),
        why="the identity",
    ),
    Case(
        "Power",
        {"power": 2, "scale": 3, "shift": 1},
        ((2, 3),),
        ((2, 3),),
        flops=3 * 6,
        why="multiply, add, raise",
    ),
    Case(
        "Power",
        {"power": 0, "shift": 1},
        ((2, 3),),
        ((2, 3),),
        why="1 everywhere",
    ),
    Case(
        "Exp",
        {},
        ((2, 3),),
        ((2, 3),),
        flops=1 * 6,
        why="e^x",
    ),
    Case(
        "Exp",
        {"base": 2, "scale": 0.5, "shift": 1},
        ((2, 3),),
        ((2, 3),),
        flops=3 * 6,
        why="exp(0.35 x) 2: multiply, exp, multiply",
    ),
    Case(
        "Log",
        {},
        ((2, 3),),
        ((2, 3),),
        flops=1 * 6,
        why="the natural logarithm",
    ),
    Case(
        "Log",
        {"base": 10, "scale": 2},
        ((2, 3),),
        ((2, 3),),
        flops=3 * 6,
        why="multiply, log, divide by log(10)",
    ),
    Case(
        "Threshold",
        {"threshold": 0.5},
        ((2, 3),),
        ((2, 3),),
        flops=1 * 6,
        why="one compare a value",
    ),
    Case(
        "Clip",
        {"min": -1, "max": 1},
        ((2, 3),),
        ((2, 3),),
        flops=2 * 6,
        why="two compares a value",
    ),
]
