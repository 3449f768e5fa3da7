"""Rows of the family ``loss``."""

from __future__ import annotations

from tests.cases.case import Case

VALUE = ((),)  # a single value without axes

CASES = [
    Case(
        "SoftmaxWithLoss",
        {},
        ((2, 6, 4, 3), (2, 1, 4, 3)),
        VALUE,
        flops=5 * 144 + 2 * 24,
        why="a label for each of 2 4 3 places",
    ),
    Case(
        "SoftmaxWithLoss",
        {"softmax_param": {"axis": -1}},
        ((2, 3, 4), (2, 3)),
        VALUE,
        flops=5 * 24 + 2 * 6,
        why="classes on the last axis: 2 3 places",
    ),
    Case("EuclideanLoss", {}, ((3, 4, 2), (3, 8)), VALUE, flops=3 * 24, why="4 2 = 8 values an image"),
    Case("SigmoidCrossEntropyLoss", {}, ((2, 7), (2, 7, 1)), VALUE, flops=10 * 14, why="as many values"),
    Case("HingeLoss", {}, ((4, 6), (4,)), VALUE, flops=3 * 24, why="L1 by default"),
    Case("HingeLoss", {"norm": "L2"}, ((4, 6), (4,)), VALUE, flops=4 * 24, why="and a square"),
    Case("MultinomialLogisticLoss", {}, ((5, 4), (5, 1)), VALUE, flops=3 * 5, why="one value is read an image"),
    Case(
        "InfogainLoss",
        {},
        ((2, 3), (2,), (1, 1, 3, 3)),
        VALUE,
        flops=(5 + 4) * 6,
        why="the matrix has 3 3 values; truth/layers infogain_00",
    ),
    Case(
        "InfogainLoss",
        {"loss_weight": [1, 0]},
        ((2, 3, 2, 2), (2, 1, 2, 2), (3, 3)),
        ((), (2, 3, 2, 2)),
        flops=(5 + 4) * 24,
        why="the softmax as second top; infogain_01",
    ),
    Case("InfogainLoss", {"source": "H.binaryproto"}, ((2, 3), (2,)), VALUE, flops=9 * 6, why="the matrix in a file"),
    Case("ContrastiveLoss", {}, ((3, 4), (3, 4, 1, 1), (3,)), VALUE, flops=3 * 12 + 5 * 3, why="3 pairs of 4 values"),
    Case("SmoothL1Loss", {}, ((2, 3, 2, 2),) * 2, VALUE, flops=6 * 24, why="no weights"),
    Case(
        "SmoothL1Loss", {}, ((2, 3, 2, 2),) * 4, VALUE, flops=8 * 24, why="weights inside and outside, one product each"
    ),
    Case("Accuracy", {}, ((6, 4), (6,)), VALUE, flops=24, why="one comparison a score"),
    Case(
        "Accuracy",
        {"top_k": 2},
        ((3, 4, 2, 5), (3, 2, 5)),
        ((), (4,)),
        flops=120,
        why="4 classes; the second top holds them one by one (truth/layers accuracy_07)",
    ),
]
