"""Rows of the family ``mining``."""

from __future__ import annotations

from tests.cases.case import Case

CASES = [
    Case(
        "SoftmaxWithLossOHEM",
        {},
        ((300, 21), (300,)),
        ((), (300, 21), (300,)),
        flops=5 * 6300 + 2 * 300,
        why="Reshape of softmax_loss_ohem_layer.cpp: the scores' and the labels' shape; 5 a score, 2 a label",
    ),
    Case(
        "SmoothL1LossOHEM",
        {},
        ((300, 8), (300, 8), (300, 8)),
        ((), (300, 1, 1, 1)),
        flops=7 * 2400,
        why="N x 1 x H x W; 6 a value and 1 for its weight",
    ),
    Case(
        "BoxAnnotatorOHEM",
        {"roi_per_img": 128},
        ((300, 5), (300, 1), (300,), (300, 8)),
        ((300, 1, 1, 1), (300, 8, 1, 1)),
        why="Reshape of box_annotator_ohem_layer.cpp: the bottoms as N x C x H x W",
    ),
]
