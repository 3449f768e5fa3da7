"""Rows of the family ``resizing``."""

from __future__ import annotations

from tests.cases.case import Case

CASES = [
    Case("ShuffleChannel", {"group": 3}, ((2, 12, 4, 5),), ((2, 12, 4, 5),), why="3 divides 12"),
    Case("ShuffleChannel", {}, ((2, 6),), ((2, 6, 1, 1),), why="the layer reshapes its top to four axes"),
    Case("Reorg", {"stride": 2}, ((1, 64, 26, 26),), ((1, 256, 13, 13),), why="YOLOv2: 64 4 channels, 26 / 2"),
    Case(
        "Reorg",
        {"stride": 2, "reverse": True},
        ((1, 256, 13, 7),),
        ((1, 64, 26, 14),),
        why="back: 256 / 4 channels, 13 2 x 7 2",
    ),
    Case("Upsample", {"scale": 2}, ((1, 255, 13, 7),), ((1, 255, 26, 14),), why="MobileNet-YOLO: 2 13 x 2 7"),
    Case("Upsample", {"stride": 3}, ((2, 8, 4, 5),), ((2, 8, 12, 15),), why="stride is another Caffe's scale"),
    Case("Upsample", {}, ((2, 8, 4, 5),), ((2, 8, 4, 5),), why="with one bottom scale is 1 by default"),
    Case("Upsample", {}, ((2, 8, 4, 5),) * 2, ((2, 8, 8, 10),), why="with a mask scale is 2 by default (SegNet)"),
    Case(
        "Upsample",
        {"scale": 2, "pad_out_w": True},
        ((2, 8, 4, 5),) * 2,
        ((2, 8, 8, 9),),
        why="2 4, and 2 5 - 1 where pooling of 9 columns rounded up to 5",
    ),
    Case(
        "Upsample",
        {"upsample_h": 23, "upsample_w": 30, "scale": 2},
        ((1, 8, 12, 15),) * 2,
        ((1, 8, 23, 30),),
        why="upsample_h and upsample_w go before scale (SegNet's camvid net has both)",
    ),
    Case("Upsample", {"scale_h": 3, "scale_w": 2}, ((1, 8, 4, 5),) * 2, ((1, 8, 12, 10),), why="3 4 x 2 5"),
    Case(
        "Interp",
        {"height": 60, "width": 50},
        ((2, 3, 17, 17),),
        ((2, 3, 60, 50),),
        flops=9 * 2 * 3 * 60 * 50,
        why="PSPNet: the sizes themselves; a value is 6 products and 3 sums",
    ),
    Case(
        "Interp",
        {"zoom_factor": 2},
        ((1, 8, 17, 9),),
        ((1, 8, 33, 17),),
        flops=9 * 8 * 33 * 17,
        why="17 + 16, 9 + 8: consumers.md measures 33 in the same case (OpenVINO 34)",
    ),
    Case(
        "Interp",
        {"shrink_factor": 2, "height": 60, "width": 60},
        ((1, 1, 17, 10),),
        ((1, 1, 9, 5),),
        flops=9 * 45,
        why="(17 - 1) / 2 + 1 = 9, (10 - 1) / 2 + 1 = 5; one factor alone goes before height and width",
    ),
    Case(
        "Interp",
        {"shrink_factor": 4, "zoom_factor": 2, "pad_beg": -1, "pad_end": -2},
        ((1, 1, 20, 24),),
        ((1, 1, 9, 11),),
        flops=9 * 99,
        why="20 - 3 = 17, 16 / 4 + 1 = 5, 5 + 4 = 9; 24 - 3 = 21, 20 / 4 + 1 = 6, 6 + 5 = 11",
    ),
    Case(
        "Interp",
        {},
        ((1, 2, 5, 5), (3, 4, 7, 8)),
        ((1, 2, 7, 8),),
        flops=9 * 2 * 56,
        why="SegStereo: the second bottom's height and width",
    ),
]
