"""Rows of the family ``openvino``."""

from __future__ import annotations

from tests.cases.case import Case

CASES = [
    Case(
        "PriorBoxClustered",
        {"width": [11.33, 17], "height": [34.07, 47.11]},
        ((1, 8, 4, 5), (1, 3, 64, 80)),
        ((1, 2, 160),),
        flops=8 * 40,
        why="4 corners of 4 5 2 boxes; a sum and a quotient each",
    ),
    Case("CTCGreedyDecoder", {}, ((88, 1, 71), (88, 1)), ((1, 88, 1, 1),), why="N x T x 1 x 1"),
]
