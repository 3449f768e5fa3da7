"""Rows of the family ``inner_product``."""

from __future__ import annotations

from tests.cases.case import Case

CASES = [
    Case(
        "InnerProduct",
        {"num_output": 6},
        ((2, 3, 4, 5),),
        ((2, 6),),
        ((6, 60), (6,)),
        macs=2 * 60 * 6,
        flops=2 * 2 * 60 * 6 + 2 * 6,
        why="K = 3 x 4 x 5 = 60 inputs",
    ),
    Case(
        "InnerProduct",
        {"num_output": 6, "axis": 2, "transpose": True, "bias_term": False},
        ((2, 3, 4, 5),),
        ((2, 3, 6),),
        ((20, 6),),
        macs=6 * 20 * 6,
        flops=2 * 6 * 20 * 6,
        why="K = 4 x 5 = 20 inputs at each of 2 x 3 places; the weight is K x num_output",
    ),
    Case(
        "InnerProduct",
        {"num_output": 5, "axis": -1},
        ((2, 3, 4),),
        ((2, 3, 5),),
        ((5, 4), (5,)),
        macs=6 * 4 * 5,
        flops=2 * 6 * 4 * 5 + 6 * 5,
        why="K = 4, the last axis",
    ),
    Case(
        "Embed",
        {"num_output": 4, "input_dim": 10},
        ((2, 3),),
        ((2, 3, 4),),
        ((10, 4), (4,)),
        flops=2 * 3 * 4,
        why="a row of 4 for each of 2 x 3 indices; the bias alone is computed",
    ),
    Case(
        "Embed",
        {"num_output": 4, "input_dim": 10, "bias_term": False},
        ((7,),),
        ((7, 4),),
        ((10, 4),),
        why="a look-up computes nothing",
    ),
]
