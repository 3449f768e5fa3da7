"""Rows of the family ``reduction``."""

from __future__ import annotations

from tests.cases.case import Case

CASES = [
    Case("Reduction", {}, ((2, 3, 4),), ((),), flops=24, why="all axes go (caffe-semantics: 0-axis); 24 additions"),
    Case(
        "Reduction",
        {"operation": "MEAN", "axis": 1},
        ((2, 3, 4),),
        ((2,),),
        flops=24 + 2,
        why="24 additions and a division an output",
    ),
    Case(
        "Reduction",
        {"operation": "ASUM", "axis": -1, "coeff": 2},
        ((2, 3, 4),),
        ((2, 3),),
        flops=2 * 24 + 6,
        why="24 absolute values and additions, and a product an output",
    ),
    Case(
        "ArgMax",
        {},
        ((2, 6, 3, 3),),
        ((2, 1, 1, 1),),
        flops=108,
        why="without axis the channels and positions are one (truth/README: N, 1 or 2, top_k, 1...)",
    ),
    Case(
        "ArgMax",
        {"top_k": 3, "out_max_val": True},
        ((4, 10),),
        ((4, 2, 3),),
        flops=40,
        why="at least 3 axes; positions and values",
    ),
    Case("ArgMax", {"axis": -2, "top_k": 2}, ((2, 6, 3),), ((2, 2, 3),), flops=36, why="-2 is axis 1, of which 2 stay"),
    Case("ArgMax", {}, ((5,),), ((5, 1, 1),), flops=5, why="one axis: each value is the largest of itself"),
]
