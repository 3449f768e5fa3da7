"""Rows of the family ``reshaping``."""

from __future__ import annotations

from tests.cases.case import Case

CASES = [
    Case("Concat", {}, ((2, 3, 4, 5), (2, 1, 4, 5)), ((2, 4, 4, 5),), why="axis 1 by default: 3 + 1 channels"),
    Case("Concat", {"axis": -2}, ((2, 3, 4), (2, 5, 4), (2, 1, 4)), ((2, 9, 4),), why="-2 of three axes is 1"),
    Case("Concat", {"concat_dim": 0}, ((2, 3), (4, 3)), ((6, 3),), why="the older name of axis: 2 + 4 images"),
    Case(
        "Concat",
        {"per_fla_fuse": True},
        ((2, 3, 4, 5), (2, 1, 2, 2)),
        ((2, 64, 1, 1),),
        why="Intel's: 3 4 5 + 1 2 2 values an image",
    ),
    Case("Slice", {}, ((1, 6, 2),), ((1, 2, 2),) * 3, why="without slice_point equal parts: 6 channels / 3 tops"),
    Case(
        "Slice",
        {"axis": 2, "slice_point": [1, 3]},
        ((2, 5, 6),),
        ((2, 5, 1), (2, 5, 2), (2, 5, 3)),
        why="from 0 to 1, from 1 to 3, from 3 to 6",
    ),
    Case("Slice", {"slice_dim": 0, "slice_point": 2}, ((2, 3),), ((2, 3), (0, 3)), why="the last part may be empty"),
    Case("Split", {}, ((2, 3),), ((2, 3), (2, 3)), why="a copy for each top"),
    Case("Silence", {}, ((2, 3), (4,)), (), why="no tops"),
    Case("Reshape", {"shape": [0, -1, 6]}, ((2, 3, 4, 6),), ((2, 12, 6),), why="0 copies 2, -1 is 144 / (2 6) = 12"),
    Case(
        "Reshape",
        {"shape": [2, -1], "axis": 1, "num_axes": 1},
        ((5, 8, 3),),
        ((5, 2, 4, 3),),
        why="the 8 alone is replaced, by 2 and 8 / 2",
    ),
    Case(
        "Reshape",
        {"shape": [1], "axis": -1, "num_axes": 0},
        ((2, 3),),
        ((2, 3, 1),),
        why="axis -1 is the place behind the last axis (reshape_layer.cpp adds the axes and 1)",
    ),
    Case("Flatten", {}, ((2, 3, 4, 5),), ((2, 60),), why="3 4 5 = 60"),
    Case("Flatten", {"axis": 0, "end_axis": -3}, ((2, 3, 4, 5),), ((6, 4, 5),), why="2 3 = 6, axis -3 is 1"),
    Case(
        "Flatten",
        {"axis": 2, "end_axis": 1},
        ((2, 3, 4),),
        ((2, 3, 1, 4),),
        why="blob.hpp, count(2, 2), is 1; truth/errors flatten_axes says that only 3 and 1 is refused, as 3 <= 2",
    ),
    Case("Tile", {"tiles": 3}, ((2, 4, 5),), ((2, 12, 5),), why="axis 1 by default, 3 4 = 12"),
    Case("Tile", {"tiles": 2, "axis": -1}, ((3, 5),), ((3, 10),), why="2 5 = 10 on the last axis"),
    Case(
        "Crop",
        {"offset": [1, 3]},
        ((2, 5, 6, 8), (1, 1, 2, 5)),
        ((2, 5, 2, 5),),
        why="from axis 2 on the second's sizes; 6 - 1 >= 2 and 8 - 3 >= 5",
    ),
    Case(
        "Crop",
        {"axis": 1, "offset": 2},
        ((2, 5, 6, 8), (7, 3, 4, 5)),
        ((2, 3, 4, 5),),
        why="one offset for all three axes; the batch, before the axis, is not compared",
    ),
    Case("BatchReindex", {}, ((4, 3, 2), (6,)), ((6, 3, 2),), why="6 indices pick from 4 images"),
    Case(
        "Filter",
        {},
        ((6, 3, 2), (6, 4), (6, 1)),
        ((6, 3, 2), (6, 4)),
        why="the shapes after loading, when all images are kept (truth/layers, shapes_before_forward)",
    ),
    Case("Permute", {"order": [0, 2, 3, 1]}, ((1, 24, 19, 38),), ((1, 19, 38, 24),), why="N C H W to N H W C, in SSD"),
    Case("Permute", {"order": [1]}, ((2, 3, 4),), ((3, 2, 4),), why="axes that are left out follow: order 1, 0, 2"),
]
