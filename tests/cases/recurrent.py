"""Rows of the family ``recurrent``."""

from __future__ import annotations

from tests.cases.case import Case

CASES = [
    Case(
        "RNN",
        {"num_output": 2},
        ((4, 1, 3), (4, 1)),
        ((4, 1, 2),),
        ((2, 3), (2,), (2, 2), (2, 2), (2,)),
        macs=4 * (2 * 3 + 2 * 2 + 2 * 2),
        flops=2 * 56 + 4 * 2 * 14,
        why="4 steps of W_x, W_h and W_out; weights as truth/layers rnn_00",
    ),
    Case(
        "RNN",
        {"num_output": 3, "expose_hidden": True},
        ((4, 3, 2, 2), (4, 3), (3, 4), (1, 3, 3)),
        ((4, 3, 3), (1, 3, 3)),
        ((3, 4), (3,), (3, 4), (3, 3), (3, 3), (3,)),
        macs=4 * 3 * (3 * 4 + 3 * 3 + 3 * 3) + 3 * (3 * 4),
        flops=2 * 396 + 4 * 3 * 3 * 15,
        why="4 steps of 3 streams, 2 2 features; x_static once for each stream; weights as rnn_03",
    ),
    Case(
        "LSTM",
        {"num_output": 4},
        ((6, 2, 3), (6, 2)),
        ((6, 2, 4),),
        ((16, 3), (16,), (16, 4)),
        macs=6 * 2 * (16 * 3 + 16 * 4),
        flops=2 * 1344 + 6 * 2 * 4 * 36,
        why="4 gates of 4; weights as truth/layers lstm_05",
    ),
    Case(
        "LSTM",
        {"num_output": 2, "expose_hidden": True},
        ((5, 2, 5), (5, 2), (2, 3), (1, 2, 2), (1, 2, 2)),
        ((5, 2, 2), (1, 2, 2), (1, 2, 2)),
        ((8, 5), (8,), (8, 3), (8, 2)),
        macs=5 * 2 * (8 * 5 + 8 * 2) + 2 * (8 * 3),
        flops=2 * 608 + 5 * 2 * 2 * 40,
        why="x_static before the two states, counted once for each stream; weights as lstm_08 with S = 3",
    ),
    Case(
        "LSTMUnit",
        {},
        ((1, 2, 6), (1, 2, 24), (1, 2)),
        ((1, 2, 6), (1, 2, 6)),
        flops=27 * 12,
        why="4 gates of 6 cells; truth/layers lstmunit_00",
    ),
]
