"""Rows of the family ``volumes``."""

from __future__ import annotations

from tests.cases.case import Case

CASES = [
    Case(
        "Convolution3D",
        {"num_output": 4, "kernel_size": [3], "kernel_depth": 2, "pad": [1], "stride": [2], "temporal_stride": 3},
        ((2, 3, 8, 9, 7),),
        ((2, 4, 3, 5, 4),),
        weights=((4, 3, 2, 3, 3), (1, 1, 1, 1, 4)),
        macs=480 * 54,
        flops=2 * 480 * 54 + 480,
        why="(8 - 2) / 3 + 1, (9 + 2 - 3) / 2 + 1, (7 + 2 - 3) / 2 + 1; 3 2 3 3 weights a filter, 2 4 3 5 4 outputs",
    ),
    Case(
        "Convolution3D",
        {"num_output": 2, "convolution3d_param": {"num_output": 4, "kernel_size": 3, "kernel_depth": 3}},
        ((1, 3, 3, 3, 3),),
        ((1, 4, 1, 1, 1),),
        weights=((4, 3, 3, 3, 3), (1, 1, 1, 1, 4)),
        macs=4 * 81,
        flops=2 * 4 * 81 + 4,
        why="C3D 1.1: its own message holds; 3 27 weights a filter",
    ),
    Case(
        "Deconvolution3D",
        {"num_output": 4, "kernel_size": [4], "kernel_depth": 2, "pad": [1], "stride": [2], "filter_group": 3,
         "bias_term": False},
        ((1, 6, 3, 5, 4),),
        ((1, 4, 4, 10, 8),),
        weights=((6, 4, 2, 4, 4),),
        macs=360 * 128,
        flops=2 * 360 * 128,
        why="3 - 1 + 2, 2 4 + 4 - 2, 2 3 + 4 - 2; 4 2 4 4 weights for each of 6 3 5 4 inputs; filter_group is not read",
    ),
    Case(
        "Deconvolution3D",
        {"num_output": 9, "convolution3d_param": {"num_output": 2, "kernel_size": 2, "kernel_depth": 2, "bias_term": False}},
        ((1, 3, 1, 1, 1),),
        ((1, 2, 2, 2, 2),),
        weights=((3, 2, 2, 2, 2), (1, 1, 1, 1, 2)),
        macs=3 * 16,
        flops=2 * 3 * 16 + 16,
        why="C3D 1.1: bias_term is that of convolution_param all the same",
    ),
    Case(
        "Pooling3D",
        {"kernel_size": 2, "kernel_depth": 1, "stride": 2},
        ((1, 64, 16, 7, 112),),
        ((1, 64, 16, 4, 56),),
        flops=4 * 64 * 16 * 4 * 56,
        why="ceil(5 / 2) + 1 = 4; 2 2 1 compares an output",
    ),
]  # fmt: skip
