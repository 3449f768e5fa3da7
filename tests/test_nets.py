"""The networks of the zoo: their figures to the digit, what is written of them, and what they refuse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest
from google.protobuf import text_format
from netgen.nets import CLASSIFIERS as ALL_CLASSIFIERS
from netgen.nets import MODULES

import netgen
from netgen.message import to_message
from netgen.prototxt import write
from tests.figures import FIGURES, Figure

CLASSIFIERS = [name for name, module in ALL_CLASSIFIERS.items() if module != "darknet"]
"""Those with Caffe's own names; what is Darknet's is in test_detection_nets.py."""


@pytest.mark.parametrize("figure", FIGURES, ids=str)
def test_it_counts_what_was_published(figure: Figure) -> None:
    report = netgen.analyze(netgen.build(figure.net, **figure.arguments))
    totals = report.totals()
    assert (totals["weights"], totals["macs"]) == (figure.weights, figure.macs)
    assert {name: report.blobs[name][1:] for name in figure.shapes} == figure.shapes
    if figure.bflops is not None:
        assert round(report.convention("darknet")["flops"] / 1e9, 2) == figure.bflops
    assert report.uncounted == ["detection_out"] * ("ssd" in figure.net)


def test_every_network_has_figures() -> None:
    # That of ssd512_vgg16 is told from ssd300_vgg16's, in test_detection_nets.py.
    assert {figure.net for figure in FIGURES} == MODULES.keys() - {"ssd512_vgg16"}


# The multiply-adds that no table has, counted here from the papers' tables alone


def figure(name: str, **arguments: Any) -> Figure:
    (found,) = (each for each in FIGURES if each.net == name and each.arguments == arguments)
    return found


def conv(side: int, inputs: int, outputs: int, kernel: int) -> int:
    return side * side * inputs * outputs * kernel * kernel


def residual_macs(layers: Sequence[int], *, bottleneck: bool, late: bool = False) -> int:
    """arXiv 1512.03385, table 1; ``late`` has the stride in the 3x3 of a bottleneck."""
    factor = 4 if bottleneck else 1
    total, inputs = conv(112, 3, 64, 7) + 512 * factor * 1000, 64
    for stage, count in enumerate(layers):
        width, side = 64 << stage, 56 >> stage
        outputs = factor * width
        for i in range(count):
            before = side if i or not stage else 2 * side
            if bottleneck:
                total += conv(before if late else side, inputs, width, 1) + conv(side, width, width, 3)
                total += conv(side, width, outputs, 1)
            else:
                total += conv(side, inputs, width, 3) + conv(side, width, width, 3)
            total += conv(side, inputs, outputs, 1) if inputs != outputs else 0
            inputs = outputs
    return total


def dense_macs(layers: Sequence[int]) -> int:
    """arXiv 1608.06993, table 1, growth 32."""
    total, channels = conv(112, 3, 64, 7), 64
    for stage, count in enumerate(layers):
        side = 56 >> stage
        for _ in range(count):
            total += conv(side, channels, 128, 1) + conv(side, 128, 32, 3)
            channels += 32
        if stage < len(layers) - 1:
            total += conv(side, channels, channels // 2, 1)
            channels //= 2
    return total + channels * 1000


def squeeze_macs() -> int:
    """arXiv 1602.07360, table 1, with the published file's pad of conv10."""
    total, inputs = conv(111, 3, 96, 7), 96
    for side, expand in ((55, 64), (55, 64), (55, 128), (27, 128), (27, 192), (27, 192), (27, 256), (13, 256)):
        squeeze = expand // 4
        total += conv(side, inputs, squeeze, 1) + conv(side, squeeze, expand, 1) + conv(side, squeeze, expand, 3)
        inputs = 2 * expand
    return total + conv(15, 512, 1000, 1)


def test_figures_that_no_table_has() -> None:
    # The counting is right where the table has the figure ...
    assert residual_macs((2, 2, 2, 2), bottleneck=False) == figure("resnet18").macs
    assert residual_macs((3, 4, 6, 3), bottleneck=True) == figure("resnet50").macs
    assert residual_macs((3, 4, 6, 3), bottleneck=True, late=True) == figure("resnet50", version="v1.5").macs
    assert dense_macs((6, 12, 24, 16)) == figure("densenet121").macs
    # ... and so are these.
    assert residual_macs((3, 4, 6, 3), bottleneck=False) == figure("resnet34").macs
    assert residual_macs((3, 8, 36, 3), bottleneck=True) == figure("resnet152").macs
    assert residual_macs((3, 8, 36, 3), bottleneck=True, late=True) == figure("resnet152", version="v1.5").macs
    assert dense_macs((6, 12, 32, 32)) == figure("densenet169").macs
    assert dense_macs((6, 12, 48, 32)) == figure("densenet201").macs
    assert squeeze_macs() == figure("squeezenet1_0").macs
    more = conv(56, 256, 256, 3) + conv(28, 512, 512, 3) + conv(14, 512, 512, 3)
    assert figure("vgg16").macs + more == figure("vgg19").macs


# What is written


@pytest.mark.parametrize("name", MODULES)
def test_its_text_is_protobufs_and_opencv_loads_it(name: str) -> None:
    net = netgen.build(name)
    text = write(net)
    assert text == text_format.MessageToString(to_message(net))
    assert netgen.parse_prototxt(text) == net
    names = cv2.dnn.readNetFromCaffe(np.frombuffer(text.encode(), np.uint8)).getLayerNames()
    # The input is none of OpenCV's layers.
    assert list(names) == [layer.name for layer in net.layers[1:]]


OVERHANGS = {
    "googlenet": 4,
    "shufflenet_v1": 4,
    "squeezenet1_1": 2,
    **dict.fromkeys(["densenet121", "densenet169", "densenet201", "se_resnet50"], 1),
    **dict.fromkeys(["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"], 1),
}
"""How many poolings round up, which is theirs as published, and what lint is for."""

REFUSED = ["alexnet", "caffenet", "googlenet", "shufflenet_v1", "squeezenet1_0", "squeezenet1_1", "vgg16", "vgg19"]
"""A Dropout, which one reader refuses, or a ShuffleChannel, which another does."""


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_lint_says_what_is_expected_and_nothing_else(name: str) -> None:
    expected = Counter({"pooling-overhang": OVERHANGS.get(name, 0), "consumers-refuse": int(name in REFUSED)})
    assert Counter(each.rule for each in netgen.lint(netgen.build(name))) == +expected


@pytest.mark.parametrize("name", ["alexnet", "caffenet", "googlenet", "squeezenet1_0", "vgg16"])
def test_without_dropout_every_reader_takes_it(name: str) -> None:
    net = netgen.build(name, dropout=0)
    assert not [each for each in netgen.lint(net) if each.rule == "consumers-refuse"]
    assert netgen.analyze(net).totals()["macs"] == figure(name).macs


# What people vary


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_size_and_classes(name: str) -> None:
    size, channels = ((44, 36), 1) if name == "lenet" else ((256, 320), 3)
    net = netgen.build(name, size=size, classes=7)
    blobs = netgen.infer_shapes(net)
    assert blobs["data"] == (1, channels, *size)
    assert blobs["prob"] in {(1, 7), (1, 7, 1, 1)}


ONE_PIXEL = {"peleenet", "mobilenet_v1", "mobilenet_v2", "vgg16", "vgg19"}
"""These pad every convolution, and run on a single pixel as Caffe would."""


@pytest.mark.parametrize("name", sorted(set(CLASSIFIERS) - ONE_PIXEL))
def test_a_size_that_is_too_small_says_so(name: str) -> None:
    with pytest.raises(netgen.NetgenError, match=r"^layer '\w+[^']*' \(\w+\): |size must be even"):
        netgen.infer_shapes(netgen.build(name, size=1))


@pytest.mark.parametrize("name", sorted(ONE_PIXEL))
def test_a_size_of_one_pixel(name: str) -> None:
    assert netgen.infer_shapes(netgen.build(name, size=1))["prob"][1] == 1000


def outputs(net: netgen.Net, layer: str) -> int:
    params = net.layers[layer].params
    (message,) = (params[each] for each in ("convolution_param", "inner_product_param") if each in params)
    return int(message["num_output"])


def test_variants_are_arguments() -> None:
    build = netgen.build
    assert outputs(build("mobilenet_v1", width=0.25), "conv6/sep") == 256
    assert outputs(build("mobilenet_v1", width=0.1), "conv1") == 8
    # The paper's own code: 1.4 * 1280 = 1792, 0.35 * 32 = 11.2 to 16 as 8 is more than a tenth below.
    assert outputs(build("mobilenet_v2", width=1.4), "conv6_4") == 1792
    assert outputs(build("mobilenet_v2", width=0.35), "conv6_4") == 1280
    assert outputs(build("mobilenet_v2", width=0.35), "conv1") == 16
    assert outputs(build("mobilenet_v2", expansion=4), "conv4_3/expand") == 128
    assert outputs(build("densenet121", growth_rate=12), "conv1") == 24
    assert outputs(build("densenet121", compression=1.0), "conv2_blk") == 256
    assert outputs(build("resnet50", channels=128), "res5c_branch2c") == 1024
    assert "res2d" in {layer.name for layer in build("resnet18", layers=(4, 2)).layers}
    assert outputs(build("se_resnet50", reduction=4), "conv2_1_1x1_down") == 64
    assert outputs(build("squeezenet1_1", squeeze_ratio=0.5), "fire9/squeeze1x1") == 256
    assert outputs(build("googlenet", width=0.5), "inception_5b/3x3") == 192
    assert outputs(build("vgg16", fc_outputs=512), "fc7") == 512
    assert build("vgg16", batch_norm=True).layers["bn5_3"].type == "BatchNorm"
    assert "group" not in build("alexnet", groups=1).layers["conv2"].params["convolution_param"]
    assert netgen.infer_shapes(build("lenet", channels=3))["data"] == (1, 3, 28, 28)


def test_the_stride_of_a_bottleneck_is_where_its_version_has_it() -> None:
    for version, strides in (("v1", (2, 1)), ("v1.5", (1, 2))):
        net = netgen.build("resnet50", version=version)
        found = [net.layers[f"res3a_branch2{x}"].params["convolution_param"]["stride"] for x in "ab"]
        assert found == [(each,) for each in strides]


@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
def test_shufflenet_has_the_papers_channels_for_each_number_of_groups(groups: int) -> None:
    # arXiv 1707.01083, table 1: the channels of the last stage.
    net = netgen.build("shufflenet_v1", groups=groups)
    channels = {1: 576, 2: 800, 3: 960, 4: 1088, 8: 1536}[groups]
    assert netgen.infer_shapes(net)["resx16_elewise"] == (1, channels, 7, 7)
    shuffles = [
        layer.params["shuffle_channel_param"]["group"] for layer in net.layers if layer.type == "ShuffleChannel"
    ]
    assert shuffles == ([groups] * 15 if groups > 1 else [])


def test_shufflenet_as_published_has_the_depthwise_type_of_its_fork() -> None:
    net = netgen.build("shufflenet_v1", depthwise="ConvolutionDepthwise")
    assert sum(layer.type == "ConvolutionDepthwise" for layer in net.layers) == 16
    assert netgen.analyze(net).totals()["macs"] == figure("shufflenet_v1").macs


@pytest.mark.parametrize("width", [0.1, 0.25, 0.5, 1.5, 2.0])
@pytest.mark.parametrize("groups", [1, 2, 3, 4, 8])
def test_shufflenet_fits_its_groups_at_every_width(groups: int, width: float) -> None:
    assert netgen.infer_shapes(netgen.build("shufflenet_v1", groups=groups, width=width))["prob"] == (1, 1000, 1, 1)


@pytest.mark.parametrize("size", [223, 225, 226, 32, 64])
def test_shufflenet_takes_every_size_whose_stages_are_even(size: int) -> None:
    assert netgen.infer_shapes(netgen.build("shufflenet_v1", size=size))["prob"] == (1, 1000, 1, 1)


@pytest.mark.parametrize(
    ("name", "parameters", "text"),
    [
        ("alexnet", {"groups": 3}, "alexnet: groups must be one of 1, 2, 4, 8, 16, 32, got 3"),
        ("alexnet", {"dropout": 1.0}, "alexnet: dropout must be a number from 0 to below 1, got 1.0"),
        ("caffenet", {"size": 0}, "caffenet: size must be a whole number of 1 or more, got 0"),
        ("densenet121", {"pool1": "ROUND"}, "densenet121: pool1 must be one of CEIL, FLOOR, got 'ROUND'"),
        ("densenet169", {"growth_rate": 0}, "densenet169: growth_rate must be a whole number of 1 or more, got 0"),
        ("densenet201", {"compression": 0}, "densenet201: compression must be a finite number above 0, got 0"),
        ("googlenet", {"width": -1}, "googlenet: width must be a finite number above 0, got -1"),
        ("lenet", {"channels": "3"}, "lenet: channels must be a whole number of 1 or more, got '3'"),
        ("mobilenet_v1", {"width": float("inf")}, "mobilenet_v1: width must be a finite number above 0, got inf"),
        ("mobilenet_v2", {"expansion": 0}, "mobilenet_v2: expansion must be a whole number of 1 or more, got 0"),
        ("resnet18", {"layers": [2, 0]}, "resnet18: each of layers must be a whole number of 1 or more, got 0"),
        ("resnet50", {"version": "v2"}, "resnet50: version must be one of v1, v1.5, got 'v2'"),
        ("resnet101", {"channels": 250}, "resnet101: channels must be a multiple of 4, got 250; the nearest is 248"),
        ("se_resnet50", {"reduction": 24}, "se_resnet50: channels must be a multiple of 24, got 256; the nearest is 264"),
        ("shufflenet_v1", {"groups": True}, "shufflenet_v1: groups must be one of 1, 2, 3, 4, 8, got True"),
        ("shufflenet_v1", {"groups": 5}, "shufflenet_v1: groups must be one of 1, 2, 3, 4, 8, got 5"),
        ("shufflenet_v1", {"depthwise": "DepthwiseConvolution"}, "shufflenet_v1: depthwise must be one of Convolution, "
         "ConvolutionDepthwise, got 'DepthwiseConvolution'"),
        ("shufflenet_v1", {"size": (224, 227)}, "shufflenet_v1: size must be even at each of the 3 stages, where a "
         "pooling joins a convolution; got (224, 227); take a multiple of 32, such as 224"),
        ("squeezenet1_1", {"squeeze_ratio": 0}, "squeezenet1_1: squeeze_ratio must be a finite number above 0, got 0"),
        ("vgg16", {"channels": (64, 128)}, "vgg16: channels must have 5 items, one for each stage, got 2"),
        ("vgg19", {"dropout": "half"}, "vgg19: dropout must be a number from 0 to below 1, got 'half'"),
    ],
)  # fmt: skip
def test_wrong_arguments(name: str, parameters: dict[str, Any], text: str) -> None:
    with pytest.raises(netgen.UsageError) as error:
        netgen.build(name, **parameters)
    assert str(error.value) == text
