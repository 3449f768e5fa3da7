"""Rows of the family ``elementwise``."""

from __future__ import annotations

from tests.cases.case import Case

CASES = [
    Case("Eltwise", {}, ((2, 3), (2, 3)), ((2, 3),), flops=6, why="one addition a value"),
    Case(
        "Eltwise",
        {"operation": "SUM", "coeff": [1, -1, 0.5]},
        ((2, 3), (2, 3), (2, 3)),
        ((2, 3),),
        flops=6 * (2 + 3),
        why="two additions and three products a value",
    ),
    Case(
        "Eltwise",
        {"operation": "MAX"},
        ((1, 2, 3, 4), (1, 2, 3, 4), (1, 2, 3, 4)),
        ((1, 2, 3, 4),),
        flops=24 * 2,
        why="two compares a value",
    ),
    Case("Scale", {}, ((2, 3, 4, 4),), ((2, 3, 4, 4),), ((3,),), flops=96, why="a factor for each channel, no bias"),
    Case(
        "Scale",
        {"bias_term": True},
        ((2, 3, 4, 4),),
        ((2, 3, 4, 4),),
        ((3,), (3,)),
        flops=2 * 96,
        why="a factor and a term for each channel",
    ),
    Case(
        "Scale",
        {"axis": 2, "num_axes": -1, "bias_term": True},
        ((2, 3, 4, 5),),
        ((2, 3, 4, 5),),
        ((4, 5), (4, 5)),
        flops=2 * 120,
        why="-1 is all axes from 2 on",
    ),
    Case(
        "Scale",
        {"num_axes": 0},
        ((2, 3),),
        ((2, 3),),
        ((),),
        flops=6,
        why="no axes: one factor for all",
    ),
    Case(
        "Scale",
        {"axis": 0, "bias_term": True},
        ((2, 3, 4, 4), (2, 3)),
        ((2, 3, 4, 4),),
        ((2, 3),),
        flops=2 * 96,
        why="(N,C) with axis 0 works (caffe-semantics); the bias alone is learned, and has the second bottom's axes",
    ),
    Case("Scale", {"axis": 3}, ((2, 3), ()), ((2, 3),), flops=6, why="a factor without axes lies along none"),
    Case("Bias", {}, ((2, 3, 4, 4),), ((2, 3, 4, 4),), ((3,),), flops=96, why="a term for each channel"),
    Case(
        "Bias",
        {"axis": -2, "num_axes": 2},
        ((2, 3, 4, 5),),
        ((2, 3, 4, 5),),
        ((4, 5),),
        flops=120,
        why="-2 is axis 2",
    ),
    Case("Bias", {"axis": 0}, ((2, 3, 4), (2, 3, 4)), ((2, 3, 4),), flops=24, why="the second bottom gives the terms"),
    Case(
        "Axpy",
        {},
        ((2, 3, 1, 1), (2, 3, 4, 4), (2, 3, 4, 4)),
        ((2, 3, 4, 4),),
        flops=2 * 96,
        why="a product and an addition a value",
    ),
    Case("Axpy", {}, ((2, 3), (2, 3, 5), (2, 3, 5)), ((2, 3, 5),), flops=2 * 30, why="a may be N x C"),
]
