"""What layers refuse of their bottoms and fields, where no vector from Caffe says so: forks' types, rarer rules."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

import netgen
from netgen.shapes import shape_layers
from netgen.wiring import State

Shape = tuple[int, ...]
IMAGE = (1, 8, 6, 6)
CLIP = (1, 8, 6, 6, 6)
PRIORS = {"num_classes": 2}
VOLUME = {"num_output": 4, "kernel_size": [3], "kernel_depth": 3}


class Refused(NamedTuple):
    type: str
    fields: dict[str, Any]
    bottoms: tuple[Shape, ...]
    words: str
    tops: int = 1


REFUSED = [
    Refused(
        "Concat", {"per_fla_fuse": True}, (IMAGE, (2, 8, 6, 6)), "agree on axis 0 and in axes, got 1x8x6x6 and 2x8"
    ),
    Refused("Concat", {"per_fla_fuse": True, "axis": 2}, (IMAGE, (1, 8, 6, 7)), "agree on every axis but axis 2"),
    Refused(
        "Convolution",
        {"num_output": 1, "kernel_size": 11, "pad": 2},
        (IMAGE,),
        "larger than the padded bottom 1x8x6x6: kernel 11x11, pad 2x2",
    ),
    Refused(
        "Convolution",
        {"num_output": 1, "kernel_size": 13, "stride": 3},
        (IMAGE,),
        "larger than the padded bottom 1x8x6x6: kernel 13x13",
    ),
    Refused(
        "Deconvolution",
        {"num_output": 1, "kernel_size": 1, "pad": 3},
        (IMAGE,),
        "output would be empty (0x0) for the bottom 1x8x6x6: kernel 1x1, pad 3x3",
    ),
    Refused("BoxAnnotatorOHEM", {"roi_per_img": 0}, (IMAGE,) * 4, "roi_per_img must be 1 or more, got 0", 2),
    Refused("BoxAnnotatorOHEM", {"roi_per_img": 1}, ((9, 5), (9, 2), (9,), (9, 8)), "got 9x2 for 9x1x1x1", 2),
    Refused("SoftmaxWithLossOHEM", {}, ((9, 5), (8,)), "same first axis, the batch; got 9x5 and 8", 3),
    Refused("SmoothL1LossOHEM", {}, ((9, 5), (9, 4)), "agree in channels, height and width, got 9x5 and 9x4", 2),
    Refused(
        "Convolution3D", {**VOLUME, "filter_group": 3}, (CLIP,), "a multiple of filter_group, got 4, filter_group=3"
    ),
    Refused("Convolution3D", VOLUME, (IMAGE,), "5 axes, N x C x length x height x width, got 1x8x6x6"),
    Refused(
        "Convolution3D",
        {**VOLUME, "kernel_depth": 9},
        (CLIP,),
        "would be empty (-2x4x4) for the bottom 1x8x6x6x6: kernel 9x3x3",
    ),
    Refused("Convolution3D", {**VOLUME, "kernel_size": [3, 3]}, (CLIP,), "kernel_size may be given once"),
    Refused("Convolution3D", {"num_output": 4, "kernel_size": [3]}, (CLIP,), "kernel_depth is required"),
    Refused(
        "Deconvolution3D",
        {**VOLUME, "num_output": 0},
        (CLIP,),
        "num_output must be 1 or more, got 0",
    ),
    Refused(
        "Pooling3D",
        {"kernel_size": 2, "kernel_depth": 2, "pad": 1},
        (CLIP,),
        "MAX, without a pad, or AVE, got MAX, pad=1",
    ),
    Refused(
        "Pooling3D",
        {"kernel_size": 2, "kernel_depth": 2, "stride": 0},
        (CLIP,),
        "strides must be 1 or more, got kernel 2, stride 0",
    ),
    Refused("Pooling3D", {"kernel_size": 2, "kernel_depth": 8}, (CLIP,), "would be empty (-1x5x5)"),
    Refused("PriorBoxClustered", {"width": [1, 2], "height": [1]}, (IMAGE, IMAGE), "as often as each other, got 2, 1"),
    Refused("PriorBoxClustered", {"width": [1], "height": [1]}, ((1, 0), IMAGE), "no values"),
    Refused("CTCGreedyDecoder", {}, ((8, 1, 7), (8, 2)), "T x N x classes and T x N, got 8x1x7 and 8x2"),
    Refused("EvalDetection", {}, ((1, 30, 7, 8), (1, 7)), "= 2450 values, got 1680 (1x30x7x8)"),
    Refused("Concat", {}, ((0, 3),), "no values"),
    Refused("Concat", {}, ((1, 3), (1,)), "agree on every axis but axis 1, got 1x3 and 1"),
    Refused("Slice", {"slice_point": [1, 2, 3]}, ((1, 3),), "no more tops than the size 3", 4),
    Refused("Slice", {}, ((1, 0),), "no values"),
    Refused("Reshape", {"shape": [1, -1], "pixelshuffler": 2}, (IMAGE,), "pixelshuffler"),
    Refused("Reshape", {"shape": [-1, -1]}, (IMAGE,), "one -1"),
    Refused("Reshape", {"shape": [-2, 144]}, (IMAGE,), "got -2, 144"),
    Refused("Reshape", {"shape": [0, -1]}, ((0, 4),), "no values"),
    Refused("Reshape", {"shape": [1], "axis": 5}, (IMAGE,), "axis must lie in -5..4"),
    Refused("Reshape", {"shape": [1], "num_axes": -2}, (IMAGE,), "num_axes must be"),
    Refused("Flatten", {"end_axis": 4}, (IMAGE,), "end_axis must lie in -4..3"),
    Refused("Tile", {"tiles": 0}, (IMAGE,), "tiles must be 1 or more"),
    Refused("Crop", {"offset": [1, 1, 1]}, (IMAGE, IMAGE), "once for each of the 2 axes"),
    Refused("Crop", {"offset": [0, 1]}, (IMAGE, IMAGE), "got 6 for 6 with offset 1"),
    Refused("Crop", {}, (IMAGE, (1, 8, 6)), "as many axes"),
    Refused("Filter", {}, ((2, 3), (3,)), "first axis"),
    Refused("Filter", {}, ((2, 3), (2, 2)), "size 1 on all axes but the first"),
    Refused("Filter", {}, ((2, 3), (2,)), "one bottom more than tops", 2),
    Refused("ShuffleChannel", {"group": 3}, (IMAGE,), "a multiple of group, got 8, group=3"),
    Refused("ShuffleChannel", {"group": 0}, (IMAGE,), "group=0"),
    Refused("ShuffleChannel", {"group": 2}, ((1, 8, 2, 2, 2),), "4 axes"),
    Refused("Reorg", {"stride": 4}, (IMAGE,), "6x6, stride=4"),
    Refused("Reorg", {"stride": 3, "reverse": True}, (IMAGE,), "got 8, stride=3"),
    Refused("Reorg", {"stride": 0}, (IMAGE,), "stride must be 1 or more"),
    Refused("Upsample", {"scale": 0}, (IMAGE,), "scale must be 1 or more"),
    Refused("Upsample", {"scale": 2, "upsample_h": 12}, (IMAGE,), "upsample_h belongs to the form"),
    Refused("Upsample", {}, ((8,),), "2 axes or more"),
    Refused("Upsample", {"scale": 1}, (IMAGE, IMAGE), "scale must be 2 or more"),
    Refused("Upsample", {"scale": 2, "stride": 2}, (IMAGE,), "give one of them"),
    Refused("Upsample", {"stride": 0}, (IMAGE,), "1 or more, got 0"),
    Refused("Upsample", {"stride": 2}, (IMAGE, IMAGE), "stride belongs to the form with one bottom"),
    Refused("Upsample", {"scale": 3, "pad_out_h": True}, (IMAGE, IMAGE), "need a scale of 2"),
    Refused("Upsample", {"scale_h": 2}, (IMAGE, IMAGE), "scale_h and scale_w"),
    Refused("Upsample", {"scale": 2, "scale_h": 2, "scale_w": 2}, (IMAGE, IMAGE), "no other mixture"),
    Refused("Upsample", {"upsample_h": 1, "upsample_w": 9}, (IMAGE, IMAGE), "2 or more, got 1x9"),
    Refused("Upsample", {}, (IMAGE, (1, 8, 6, 5)), "one shape"),
    Refused("Interp", {}, (IMAGE,), "must give the size"),
    Refused("Interp", {"height": 9}, (IMAGE,), "must give the size"),
    Refused("Interp", {"pad_beg": 1, "zoom_factor": 2}, (IMAGE,), "only crop"),
    Refused("Interp", {"pad_beg": -6, "zoom_factor": 2}, (IMAGE,), "1 or more, got 0x0"),
    Refused("Interp", {"zoom_factor": 0}, (IMAGE,), "zoom_factor=0"),
    Refused("Interp", {"height": 0, "width": 9}, (IMAGE,), "0x9"),
    Refused("Interp", {"zoom_factor": 2}, (IMAGE, IMAGE), "the second bottom gives the size"),
    Refused("RNN", {"num_output": 0}, ((4, 1, 3), (4, 1)), "num_output must be 1 or more"),
    Refused("RNN", {"num_output": 2}, ((4, 1), (4, 1)), "time x streams x features"),
    Refused("RNN", {"num_output": 2}, ((4, 1, 3), (4, 1), (1, 2), (1, 1, 2)), "takes 2 bottoms, or 3"),
    Refused("RNN", {"num_output": 2, "expose_hidden": True}, ((4, 1, 3), (4, 1), (1, 1, 2)), "2 tops, got 3 and 1"),
    Refused("RNN", {"num_output": 2, "expose_hidden": True}, ((4, 1, 3), (4, 1), (1, 2)), "must be 1x1x2", 2),
    Refused("LSTM", {"num_output": 2}, ((4, 2, 3), (4, 2), (3, 5)), "x_static, must be streams (2)"),
    Refused("LSTM", {"num_output": 2}, ((4, 0, 3), (4, 0)), "no values"),
    Refused("LSTMUnit", {}, ((2, 2, 6), (1, 2, 24), (1, 2)), "1 x streams x cells", 2),
    Refused("LSTMUnit", {}, ((1, 2, 6), (1, 2, 18), (1, 2)), "must be 1x2x24", 2),
    Refused("LSTMUnit", {}, ((1, 2, 6), (1, 2, 24), (1, 3)), "must be 1x2", 2),
    Refused("SoftmaxWithLoss", {}, ((2, 3), (2,)), "takes 0 to 1 tops, got 2", 2),
    Refused("SoftmaxWithLoss", {}, ((2, 0), (2,)), "no values"),
    Refused("SoftmaxWithLoss", {}, ((2, 3, 4, 4), (2, 4)), "one label for each prediction: 32"),
    Refused("HingeLoss", {}, ((2, 3), ()), "got 2x3 and ()"),
    Refused("MultinomialLogisticLoss", {}, ((2, 3), (2, 3)), "size 1 on channels, height, width"),
    Refused("InfogainLoss", {}, ((2, 3), (2,)), "source must name"),
    Refused("InfogainLoss", {}, ((2, 3), (2,), (2, 2)), "must be 3x3, got 2x2"),
    Refused("InfogainLoss", {"loss_param": {"normalize": True}}, ((2, 3), (2,), (3, 3)), "give normalization"),
    Refused("InfogainLoss", {}, ((2, 3), (2,), (3, 3)), "a loss_weight each", 2),
    Refused("ContrastiveLoss", {}, ((2, 3, 2), (2, 3), (2,)), "first bottom must have size 1 on height"),
    Refused("ContrastiveLoss", {}, ((2, 3), (2, 3), (2, 2)), "the flags, must have size 1 on channels"),
    Refused("SmoothL1Loss", {}, (IMAGE, IMAGE, (1, 8, 6, 5)), "agree in channels, height and width"),
    Refused("Accuracy", {"top_k": 4}, ((2, 3), (2,)), "no more than 3"),
    Refused("Accuracy", {}, ((0, 3), (0,)), "there must be labels"),
    Refused("Accuracy", {}, ((2, 3), (3,)), "one label for each prediction: 2"),
    Refused("PriorBox", {"min_size": [0]}, (IMAGE, IMAGE), "above 0, got 0.0"),
    Refused("PriorBox", {"min_size": [9, 8], "max_size": 12}, (IMAGE, IMAGE), "for each min_size (2)"),
    Refused("PriorBox", {"min_size": 9, "variance": [0.1, 0.1, 0.1, 0]}, (IMAGE, IMAGE), "variance must be given"),
    Refused("PriorBox", {"min_size": 9, "img_size": 9, "img_h": 9, "img_w": 9}, (IMAGE, IMAGE), "either img_size or"),
    Refused("PriorBox", {"min_size": 9, "img_h": 9}, (IMAGE, IMAGE), "img_w must be above 0"),
    Refused("PriorBox", {"min_size": 9, "step": 0}, (IMAGE, IMAGE), "step must be above 0"),
    Refused("PriorBox", {"min_size": 9}, ((1, 8, 0, 6), IMAGE), "must not be empty"),
    Refused("DetectionOutput", PRIORS, ((1, 8), (2, 4), (1, 2, 8)), "one batch"),
    Refused("DetectionOutput", PRIORS, ((1, 8), (1, 5), (1, 2, 8)), "the scores must have 4 channels"),
    Refused("DetectionOutput", {**PRIORS, "nms_param": {"eta": 0}}, ((1, 8), (1, 4), (1, 2, 8)), "eta lie in (0, 1]"),
    Refused("DetectionEvaluate", PRIORS, ((1, 1, 4, 7), (1, 1, 3, 7)), "ground truth must have 8 values"),
    Refused("DetectionEvaluate", PRIORS, ((2, 1, 4, 7), (1, 1, 3, 8)), "detections must have size 1 on N, channels"),
    Refused(
        "DetectionEvaluate", {**PRIORS, "overlap_threshold": 0}, ((1, 1, 4, 7), (1, 1, 3, 8)), "overlap_threshold must"
    ),
    Refused(
        "MultiBoxLoss", {"num_classes": 0}, ((1, 8), (1, 4), (1, 2, 8), (1, 1, 1, 8)), "num_classes must be 1 or more"
    ),
    Refused(
        "MultiBoxLoss",
        {**PRIORS, "share_location": False},
        ((1, 16), (1, 4), (1, 2, 8), (1, 1, 1, 8)),
        "mining_type NONE",
    ),
    Refused(
        "MultiBoxLoss",
        {**PRIORS, "do_neg_mining": False},
        ((1, 8), (1, 4), (1, 2, 8), (1, 1, 1, 8)),
        "do_neg_mining is",
    ),
    Refused(
        "MultiBoxLoss",
        {**PRIORS, "background_label_id": 2},
        ((1, 8), (1, 4), (1, 2, 8), (1, 1, 1, 8)),
        "background_label_id must lie below",
    ),
    Refused(
        "MultiBoxLoss", PRIORS, ((1, 8), (1, 5), (1, 2, 8), (1, 1, 1, 8)), "4 channels, 2 for each of the 2 priors"
    ),
    Refused("RegionLoss", {}, ((1, 125, 13, 13, 1), (1, 300, 5)), "4 axes"),
    Refused("Yolov3", {"num": 3}, ((1, 74, 13, 13), (1, 300, 5)), "(5 + num_class) = 75 channels, got 74"),
    Refused("Yolov3", {"num": 3}, ((2, 75, 13, 13), (1, 300, 5)), "same first axis"),
    Refused("Yolov3DetectionOutput", {"num_classes": 20}, ((1, 75, 13, 13),), "got 1, mask_group_num=2"),
    Refused("YoloSeg", {}, ((1, 2, 8, 8), (1, 2, 8, 7)), "as many values"),
]


def shape(case: Refused) -> None:
    net = netgen.Net()
    for i, dims in enumerate(case.bottoms):
        net.layer("Input", name=f"x{i}", shape=[{"dim": dims}])
    bottoms = [f"x{i}" for i in range(len(case.bottoms))]
    net.layer(case.type, name="it", bottom=bottoms, top=[f"y{i}" for i in range(case.tops)], **case.fields)
    shape_layers(net, State())


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.type}-{case.words[:30]}")
def test_a_layer_is_refused_with_the_rule_and_what_was_found(case: Refused) -> None:
    with pytest.raises(netgen.NetgenError) as caught:
        shape(case)
    assert str(caught.value).startswith(f"layer 'it' ({case.type}): ")
    assert case.words in str(caught.value)


@pytest.mark.parametrize(
    ("type_name", "message"),
    [
        ("Tile", "tile_param { }"),
        ("Reorg", "reorg_param { }"),
        ("PriorBox", "prior_box_param { }"),
        ("DetectionOutput", "detection_output_param { }"),
        ("DetectionEvaluate", "detection_evaluate_param { }"),
        ("MultiBoxLoss", "multibox_loss_param { }"),
        ("YoloDetectionOutput", "yolo_detection_output_param { }"),
        ("Yolov3DetectionOutput", "yolov3_detection_output_param { }"),
        ("SegmentationEvaluate", "segmentation_evaluate_param { }"),
    ],
)
def test_a_file_without_a_required_field_is_refused(type_name: str, message: str) -> None:
    from netgen.layers import find

    kind = find(type_name)
    assert kind is not None
    bottoms = "".join(f" bottom: 'x{i}'" for i in range(kind.bottoms[0]))
    inputs = "".join(
        f"layer {{ name: 'x{i}' type: 'Input' top: 'x{i}' input_param {{ shape {{ dim: [1, 8, 6, 6] }} }} }}"
        for i in range(kind.bottoms[0])
    )
    net = netgen.parse_prototxt(f"{inputs} layer {{ name: 'it' type: '{type_name}'{bottoms} top: 'y' {message} }}")
    with pytest.raises(netgen.NetgenError, match=rf"layer 'it' .*{kind.required[0]} .*(required|given)"):
        shape_layers(net, State())


@pytest.mark.parametrize("type_name", ["Split", "Reshape", "Flatten", "Reorg"])
def test_these_do_not_work_in_place(type_name: str) -> None:
    net = netgen.parse_prototxt(
        "layer { name: 'x' type: 'Input' top: 'x' input_param { shape { dim: [1, 8, 6, 6] } } }"
        f"layer {{ name: 'it' type: '{type_name}' bottom: 'x' top: 'x' reorg_param {{ stride: 2 }} }}"
    )
    with pytest.raises(netgen.NetgenError, match=r"layer 'it' .* does not work in place"):
        shape_layers(net, State())


def test_interp_takes_the_second_bottoms_size_where_a_fork_says_so() -> None:
    net = netgen.parse_prototxt(
        "layer { name: 'x' type: 'Input' top: 'x' top: 'y' input_param { shape { dim: [1, 8, 6, 6] } "
        "shape { dim: [1, 2, 9, 7] } } }"
        "layer { name: 'it' type: 'Interp' bottom: 'x' bottom: 'y' top: 'z' interp_param { use_blob_size: true } }"
    )
    assert shape_layers(net, State())[-1].tops == ((1, 8, 9, 7),)
