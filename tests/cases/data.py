"""Rows of the family ``data``."""

from __future__ import annotations

from tests.cases.case import Case

CASES = [
    Case("Input", {"shape": [[1, 3, 4, 4]]}, (), ((1, 3, 4, 4),), why="the shape given"),
    Case("Input", {"shape": [[2, 3]]}, (), ((2, 3), (2, 3)), why="once for all tops"),
    Case("Input", {"shape": [[2, 3], {}]}, (), ((2, 3), ()), why="once for each top; a shape without axes"),
    Case("Input", {"shape": [[2, 3]]}, (), ((5, 3),), why="inputs go before the fields", inputs={"y0": (5, 3)}),
    Case(
        "Data",
        {"data_param": {"batch_size": 4}, "transform_param": {"crop_size": 8, "mean_value": [104, 117, 123]}},
        (),
        ((4, 3, 8, 8), (4,)),
        why="crop_size tells H and W, the mean values C",
    ),
    Case(
        "Data",
        {"batch_size": 1, "transform_param": {"crop_h": 4, "crop_w": 5, "mean_value": [1, 2]}},
        (),
        ((1, 2, 4, 5),),
        why="a mean for each of two channels; the SSD fork's crop of two sizes",
    ),
    Case(
        "Data",
        {"data_param": {"batch_size": 64}},
        (),
        ((5, 3, 32, 32), (5,)),
        why="the labels follow the images that are given",
        inputs={"y0": (5, 3, 32, 32)},
    ),
    Case(
        "ImageData",
        {"batch_size": 2, "new_height": 6, "new_width": 5},
        (),
        ((2, 3, 6, 5), (2,)),
        why="colour is the default",
    ),
    Case(
        "ImageData",
        {"is_color": False, "transform_param": {"crop_size": 4}},
        (),
        ((1, 1, 4, 4), (1,)),
        why="batch_size is 1 by default; the crop tells the size",
    ),
    Case(
        "WindowData",
        {"batch_size": 2, "transform_param": {"crop_size": 7, "mean_value": [1, 2, 3]}},
        (),
        ((2, 3, 7, 7), (2,)),
        why="all windows are warped to the crop",
    ),
    Case(
        "MemoryData",
        {"batch_size": 2, "channels": 3, "height": 4, "width": 5, "transform_param": {"crop_size": 2}},
        (),
        ((2, 3, 4, 5), (2,)),
        why="memory_data_layer.cpp: the fields alone, whatever the crop",
    ),
    Case(
        "HDF5Data",
        {"source": "list.txt", "batch_size": 2},
        (),
        ((2, 7), (2, 1, 1, 1)),
        why="the files know; given from outside",
        inputs={"y0": (2, 7), "y1": (2, 1, 1, 1)},
    ),
    Case("HDF5Output", {"file_name": "out.h5"}, ((2, 3), (2,)), (), why="no top"),
    Case("DummyData", {"shape": [[2, 3], [4]]}, (), ((2, 3), (4,)), why="a shape for each top"),
    Case(
        "DummyData",
        {"num": [2, 3], "channels": 3, "height": 4, "width": 5, "data_filler": "gaussian"},
        (),
        ((2, 3, 4, 5), (3, 3, 4, 5)),
        why="the older fields, each once or for each top",
    ),
    Case("Parameter", {"shape": [3, 4]}, (), ((3, 4),), ((3, 4),), why="the top is the weight"),
    Case("Python", {"module": "a", "layer": "B"}, ((2, 3),), (), why="no tops, so no shapes to know"),
    Case(
        "Python",
        {"module": "a", "layer": "B"},
        ((2, 3),),
        ((300, 5), (2,)),
        why="given from outside",
        inputs={"y0": (300, 5), "y1": (2,)},
    ),
    Case(
        "AnnotatedData",
        {
            "data_param": {"batch_size": 8},
            "transform_param": {
                "mean_value": [104, 117, 123],
                "resize_param": {"prob": 1, "resize_mode": "WARP", "height": 300, "width": 200},
            },
        },
        (),
        ((8, 3, 300, 200), (1, 1, 20, 8)),
        why="resize_param tells H and W; the boxes are the database's",
        inputs={"y1": (1, 1, 20, 8)},
    ),
    Case(
        "VideoData",
        {
            "video_type": "WEBCAM",
            "data_param": {"batch_size": 1},
            "transform_param": {"mean_value": [1, 2, 3], "resize_param": {"height": 30, "width": 20}},
        },
        (),
        ((1, 3, 30, 20), (1,)),
        why="as Data, with the batch size of data_param",
    ),
]
