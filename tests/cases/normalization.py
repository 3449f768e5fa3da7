"""Rows of the family ``normalization``."""

from __future__ import annotations

from tests.cases.case import Case

CASES = [
    Case(
        "BatchNorm",
        {},
        ((2, 3, 4, 4),),
        ((2, 3, 4, 4),),
        ((3,), (3,), (1,)),
        flops=2 * 96,
        why="mean, variance and factor; subtract, multiply",
    ),
    Case(
        "BatchNorm",
        {"use_global_stats": True, "lr_mult": [0, 0, 0]},
        ((4, 5),),
        ((4, 5),),
        ((5,), (5,), (1,)),
        flops=2 * 20,
        why="2 axes are N x C",
    ),
    Case(
        "BatchNorm",
        {"eps": 0.001},
        ((2, 3, 4, 4, 4),),
        ((2, 3, 4, 4, 4),),
        ((3,), (3,), (1,)),
        flops=2 * 384,
        why="any number of axes after the channels",
    ),
    Case(
        "BN",
        {"momentum": 0.9},
        ((2, 3, 4, 4),),
        ((2, 3, 4, 4),),
        ((1, 3, 1, 1),) * 4,
        flops=4 * 96,
        why="PSPNet: slope, bias, mean, variance; BatchNorm's 2 and Scale's 2",
    ),
    Case(
        "LRN",
        {},
        ((1, 4, 3, 3),),
        ((1, 4, 3, 3),),
        flops=9 * 36,
        why="5 squares and sums, scale, add, raise, multiply",
    ),
    Case(
        "LRN",
        {"local_size": 3, "norm_region": "WITHIN_CHANNEL"},
        ((1, 4, 3, 3),),
        ((1, 4, 3, 3),),
        flops=14 * 36,
        why="3 x 3 squares and sums, and 5",
    ),
    Case(
        "MVN",
        {},
        ((2, 3, 4, 4),),
        ((2, 3, 4, 4),),
        flops=5 * 96,
        why="mean, subtract, square, sum, divide",
    ),
    Case(
        "MVN",
        {"normalize_variance": False, "across_channels": True},
        ((2, 3),),
        ((2, 3, 1, 1),),
        flops=2 * 6,
        why="always 4 axes (caffe-semantics); mean, subtract",
    ),
    Case(
        "Normalize",
        {},
        ((1, 5, 2, 2),),
        ((1, 5, 2, 2),),
        ((),),
        flops=4 * 20,
        why="truth/layers/normalize_00: channel_shared is one value without axes",
    ),
    Case(
        "Normalize",
        {"across_spatial": False, "channel_shared": False},
        ((1, 5, 2, 2),),
        ((1, 5, 2, 2),),
        ((5,),),
        flops=4 * 20,
        why="truth/layers/normalize_01",
    ),
]
