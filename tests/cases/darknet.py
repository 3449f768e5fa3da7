"""Rows of the family ``darknet``."""

from __future__ import annotations

from tests.cases.case import Case

CASES = [
    Case(
        "Local",
        {"num_output": 3, "kernel_size": 3, "stride": 2, "pad": 1},
        ((1, 4, 7, 8),),
        ((1, 3, 4, 4),),
        weights=((3, 1, 36, 16), (1, 1, 3, 16)),
        macs=3 * 36 * 16,
        flops=2 * 3 * 36 * 16 + 48,
        why="(7 + 2 - 3) / 2 + 1 = 4, (8 + 2 - 3) / 2 + 1 = 4; each of 16 places has its 3 filters of 4 3^2",
    ),
    Case(
        "DarknetPooling",
        {"kernel_size": 2, "padding": 1},
        ((1, 2, 13, 8),),
        ((1, 2, 13, 8),),
        flops=4 * 2 * 13 * 8,
        why="YOLOv3-tiny's last: (13 + 1 - 2) / 1 + 1 = 13",
    ),
    Case(
        "DarknetPooling",
        {"pool": "AVE", "kernel_size": 3, "stride_h": 2, "padding": 5},
        ((2, 1, 8, 9),),
        ((2, 1, 6, 12),),
        flops=9 * 2 * 72,
        why="(8 + 5 - 3) / 2 + 1 = 6, (9 + 5 - 3) / 1 + 1 = 12",
    ),
    Case(
        "DarknetShortcut",
        {"alpha": 0.5},
        ((1, 6, 6, 8), (1, 4, 12, 16)),
        ((1, 6, 6, 8),),
        flops=3 * 4 * 6 * 8,
        why="the first's shape; 4 channels and 6 x 8 cells meet",
    ),
    Case(
        "DarknetLRN",
        {"local_size": 5, "alpha": 1e-4},
        ((1, 8, 3, 4),),
        ((1, 8, 3, 4),),
        flops=7 * 96,
        why="7 a value, whatever the size: the window runs along",
    ),
    Case("DarknetStair", {}, ((1, 2, 3, 4),), ((1, 2, 3, 4),), flops=5 * 24, why="5 a value"),
]
