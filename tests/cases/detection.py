"""Rows of the family ``detection``."""

from __future__ import annotations

from tests.cases.case import Case

CASES = [
    Case(
        "PriorBox",
        {"min_size": 60, "max_size": 110, "aspect_ratio": 2},
        ((1, 512, 3, 2), (1, 3, 300, 300)),
        ((1, 2, 4 * 6 * 4),),
        flops=8 * 6 * 4,
        why="ratios 1, 2 and 1/2, and one for max_size: 4 boxes at 3 2 places, of 4 values",
    ),
    Case(
        "PriorBox",
        {"min_size": [20, 30], "aspect_ratio": [2, 3, 1, 2], "flip": False, "clip": True},
        ((2, 8, 5, 5), (2, 3, 300, 300)),
        ((1, 2, 4 * 25 * 6),),
        flops=16 * 25 * 6,
        why="ratios 1, 2 and 3 for each of two sizes; 1 and 2 are there already; one set for the batch",
    ),
    Case(
        "PriorBox",
        {"min_size": 9, "aspect_ratio": [3, 0.333333]},
        ((1, 1, 1, 1), (1, 3, 9, 9)),
        ((1, 2, 4 * 3),),
        flops=8 * 3,
        why="0.333333 lies within 1e-6 of the flipped 3",
    ),
    Case(
        "DetectionOutput",
        {"num_classes": 3},
        ((2, 56), (2, 42), (1, 2, 56)),
        ((1, 1, 1, 7),),
        why="56 / 4 = 14 priors, 4 14 and 3 14 channels; 1 row after loading (truth/layers detout_00)",
    ),
    Case(
        "DetectionOutput",
        {"num_classes": 3, "share_location": False},
        ((1, 120), (1, 30), (1, 2, 40)),
        ((1, 1, 1, 7),),
        why="10 priors, 4 10 3 channels when each class has its places (detout_16)",
    ),
    Case(
        "DetectionEvaluate",
        {"num_classes": 4},
        ((1, 1, 4, 7), (1, 1, 3, 8)),
        ((1, 1, 7, 5),),
        why="3 classes but the background, and 4 detections (truth/layers deteval_00)",
    ),
    Case(
        "MultiBoxLoss",
        {"num_classes": 4},
        ((2, 60), (2, 60), (1, 2, 60), (1, 1, 2, 8)),
        ((),),
        why="15 priors: 4 15 and 4 15 channels (truth/layers multibox_00)",
    ),
    Case(
        "MultiBoxLoss",
        {"num_classes": 4, "share_location": False, "mining_type": "NONE"},
        ((2, 240), (2, 60), (1, 2, 60), (1, 1, 2, 8)),
        ((),),
        why="4 15 4 channels when each class has its places (multibox_05)",
    ),
    Case(
        "Proposal",
        {"ratio": [0.5, 1, 2], "scale": [8, 16, 32], "post_nms_topn": 100},
        ((2, 18, 14, 14), (2, 36, 14, 14), (2, 4)),
        ((200, 5), (200,)),
        why="2 images of 100 regions; the scores as second top",
    ),
]
