"""Rows of the family ``yolo``."""

from __future__ import annotations

from tests.cases.case import Case

CASES = [
    Case(
        "RegionLoss",
        {"biases": range(1, 11)},
        ((1, 125, 13, 13), (1, 300, 5)),
        ((),),
        why="5 boxes of 4 + 1 + 20; a single value",
    ),
    Case(
        "YoloDetectionOutput",
        {"num_classes": 20, "biases": range(1, 11)},
        ((1, 125, 13, 13), (1, 125, 26, 26)),
        ((1, 1, 1, 7),),
        why="Reshape of yolo_detection_output_layer.cpp: 1 row before it runs",
    ),
    Case(
        "EvalDetection",
        {"side": 13, "num_class": 20, "num_object": 5},
        ((2, 125, 13, 13), (2, 30, 5), (2, 3, 416, 416)),
        ((2, 3400),),
        why="Reshape of eval_detection_layer.cpp: 20 + 13 13 5 4",
    ),
    Case(
        "Yolov3",
        {"num": 3, "num_class": 20, "biases": range(1, 13), "mask": range(3)},
        ((2, 75, 13, 10), (2, 300, 5)),
        ((),),
        why="3 boxes of 5 + 20 = 75 channels; a single value",
    ),
    Case(
        "Yolov3DetectionOutput",
        {"num_classes": 20, "biases": range(1, 13), "mask": range(6), "anchors_scale": [32, 16]},
        ((1, 75, 13, 13), (1, 75, 26, 26)),
        ((1, 1, 1, 7),),
        why="mask_group_num is 2 by default; 1 row before it runs",
    ),
    Case("YoloSeg", {}, ((1, 2, 32, 64), (1, 2, 32, 64), (1, 2)), ((),), why="as many targets as values"),
    Case(
        "SegmentationEvaluate",
        {"num_classes": 3},
        ((1, 3, 32, 32), (1, 2, 64, 64)),
        ((1, 1, 1, 2),),
        why="Reshape of segmentation_evaluate_layer.cpp takes the second bottom's channels",
    ),
]
