"""Darknet, YOLO and SSD: what the arguments do, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

import netgen
from netgen.cli import main
from tests.figures import UPSAMPLINGS


@pytest.mark.parametrize(("name", "args", "upsampled"), UPSAMPLINGS)
def test_a_deconvolution_adds_its_own_weights_and_work_and_nothing_else(
    name: str, args: dict[str, Any], upsampled: list[tuple[int, int]]
) -> None:
    plain = netgen.analyze(netgen.build(name, **args))
    forks = netgen.analyze(netgen.build(name, upsample="Upsample", **args))
    # 2 x 2 weights for each channel; each value of the bottom meets all of its channel's.
    assert plain.totals()["weights"] - forks.totals()["weights"] == sum(4 * channels for channels, _ in upsampled)
    assert plain.totals()["macs"] - forks.totals()["macs"] == sum(4 * c * side * side for c, side in upsampled)
    assert plain.blobs == forks.blobs
    for shaped in plain.layers:
        if shaped.layer.type == "Deconvolution":
            fields = shaped.layer.params["convolution_param"]
            assert fields["weight_filler"] == {"type": "constant", "value": 1.0}
            assert shaped.layer.params["param"] == ({"lr_mult": 0.0, "decay_mult": 0.0},)
            assert (fields["bias_term"], fields["group"]) == (False, fields["num_output"])


def outputs(net: netgen.Net) -> dict[str, tuple[int, ...]]:
    analysis = netgen.analyze(net)
    read = {name for shaped in analysis.layers for name in shaped.layer.bottoms}
    return {name: shape for name, shape in analysis.blobs.items() if name not in read}


@pytest.mark.parametrize(
    ("name", "args", "anchors", "boxes"),
    [
        ("yolov3", {}, 3, 10_647),
        ("yolov3_spp", {"size": 416}, 3, 10_647),
        ("yolov3_tiny", {}, 3, 2_535),
        ("yolov2", {}, 5, 845),
        ("yolov2_tiny", {}, 5, 845),
    ],
)
def test_the_outputs_are_the_heads_and_their_boxes_are_as_many_as_published(
    name: str, args: dict[str, Any], anchors: int, boxes: int
) -> None:
    found = outputs(netgen.build(name, **args))
    assert sum(anchors * height * width for _, _, height, width in found.values()) == boxes
    assert {shape[1] for shape in found.values()} == {anchors * 85}


@pytest.mark.parametrize(
    ("name", "priors"), [("ssd300_vgg16", 8732), ("ssd512_vgg16", 24564), ("mobilenet_ssd", 1917), ("pelee_ssd", 5142)]
)
def test_priors(name: str, priors: int) -> None:
    net = netgen.build(name, classes=7)
    blobs = netgen.analyze(net).blobs
    assert (blobs["mbox_loc"], blobs["mbox_priorbox"]) == ((1, 4 * priors), (1, 2, 4 * priors))
    assert (blobs["mbox_conf"], blobs["mbox_conf_reshape"]) == ((1, 7 * priors), (1, priors, 7))
    assert outputs(net) == {"detection_out": (1, 1, 1, 7)}


def test_ssd512_is_ssd300_with_one_more_source() -> None:
    # Extra layers: conv8_2 and conv9_2 differ in stride and padding only; conv10_1 is 1x1 from 256 to 128, conv10_2 4x4
    # back, both with biases. Heads of 3x3 from 256 channels, 4 + 21 values a prior, plus a bias each: conv8_2's has 6
    # priors for 4, and conv10_2's is new with 4.
    extra = 256 * 128 + 128 + 16 * 128 * 256 + 256
    heads = (9 * 256 + 1) * 25 * (2 + 4)
    small, large = (netgen.analyze(netgen.build(name)).totals()["weights"] for name in ("ssd300_vgg16", "ssd512_vgg16"))
    assert large - small == extra + heads


@pytest.mark.parametrize(
    ("name", "args", "found"),
    [
        ("darknet19", {}, set()),
        ("darknet53", {}, set()),
        ("yolov2_tiny", {}, set()),
        ("yolov2", {}, {("consumers-refuse", "Reorg")}),
        ("yolov2", {"reorg": "Permute"}, {("consumers-refuse", "Permute"), ("consumers-refuse", "Reshape")}),
        ("yolov3", {}, {("consumers-refuse", "Deconvolution")}),
        ("yolov3_spp", {}, {("consumers-refuse", "Deconvolution")}),
        ("yolov3_tiny", {}, {("consumers-refuse", "Deconvolution")}),
        ("yolov3", {"upsample": "Upsample"}, {("consumers-refuse", "Upsample")}),
        ("mobilenet_ssd", {}, {("consumers-refuse", "Permute"), ("consumers-refuse", "Reshape")}),
        (
            "pelee_ssd",
            {},
            {
                ("consumers-refuse", "Permute"),
                ("consumers-refuse", "Reshape"),
                ("pooling-overhang", "Pooling"),
            },
        ),
        (
            "ssd300_vgg16",
            {},
            {
                ("consumers-refuse", "Permute"),
                ("consumers-refuse", "Reshape"),
                ("consumers-refuse", "Normalize"),
                ("consumers-differ", "Normalize"),
                ("pooling-overhang", "Pooling"),
            },
        ),
    ],
)
def test_lint_finds_what_is_known_and_nothing_else(
    name: str, args: dict[str, Any], found: set[tuple[str, str]]
) -> None:
    findings = netgen.lint(netgen.build(name, **args))
    assert {(each.rule, each.layer.type if each.layer else "") for each in findings} == found


def test_folding_leaves_the_batch_norms_out() -> None:
    for name in ("mobilenet_ssd", "pelee_ssd"):
        deploy, train = (netgen.analyze(netgen.build(name, folded=folded)) for folded in (True, False))
        # A bias for each channel instead of a factor and a bias.
        channels = [each.bottoms[0][1] for each in train.layers if each.layer.type == "BatchNorm"]
        assert len(channels) == {"mobilenet_ssd": 1 + 13 * 2 + 4 * 2, "pelee_ssd": 4 + 21 * 5 + 4 + 5 * 4}[name]
        assert train.totals()["weights"] - deploy.totals()["weights"] == sum(channels)
        assert train.totals()["macs"] == deploy.totals()["macs"]
        assert not {each.layer.type for each in deploy.layers} & {"BatchNorm", "Scale"}


def test_width_multiplies_all_but_the_outputs() -> None:
    half = netgen.analyze(netgen.build("yolov3", width=0.5)).blobs
    assert (half["layer1-conv"][1], half["layer75-shortcut"][1], half["layer82-conv"][1]) == (16, 512, 255)
    # 9.6 and 12.8, to multiples of 8 that are no more than a tenth below
    assert netgen.analyze(netgen.build("darknet19", width=0.3)).blobs["layer1-conv"][1] == 16
    assert netgen.analyze(netgen.build("darknet19", width=0.4)).blobs["layer1-conv"][1] == 16
    for name in ("darknet53", "yolov2", "yolov2_tiny", "yolov3_tiny", "yolov3_spp", "mobilenet_ssd"):
        whole, narrow = (netgen.analyze(netgen.build(name, width=w)).totals()["macs"] for w in (1, 0.5))
        assert whole / 5 < narrow < whole / 2, name


def test_the_decoders_of_forks() -> None:
    layer = netgen.build("yolov3", detection=True).layers["detection_out"]
    fields = layer.params["yolov3_detection_output_param"]
    assert layer.bottoms == ("layer82-conv", "layer94-conv", "layer106-conv")
    assert (fields["mask"], fields["anchors_scale"]) == ((6, 7, 8, 3, 4, 5, 0, 1, 2), (32, 16, 8))
    assert (fields["mask_group_num"], fields["num_box"], fields["num_classes"]) == (3, 3, 80)
    tiny = netgen.build("yolov3-tiny", detection=True, classes=20, anchors=[10, 14, 81, 82])
    fields = tiny.layers["detection_out"].params["yolov3_detection_output_param"]
    assert (fields["mask"], fields["biases"], fields["num_box"]) == ((1, 0), (10, 14, 81, 82), 1)
    assert netgen.analyze(tiny).blobs["layer16-conv"] == (1, 25, 13, 13)
    region = netgen.build("yolov2", detection=True).layers["detection_out"]
    assert region.bottoms == ("layer31-conv",)
    assert region.params["yolo_detection_output_param"]["num_box"] == 5


def test_other_sizes_of_ssd() -> None:
    fields = netgen.build("ssd300_vgg16").layers["conv8_2_mbox_priorbox"].params["prior_box_param"]
    assert (fields["step"], fields["min_size"], fields["max_size"]) == (100.0, (213.0,), (264.0,))
    fields = netgen.build("ssd300_vgg16", size=(400, 500)).layers["conv8_2_mbox_priorbox"].params["prior_box_param"]
    assert "step" not in fields
    assert (fields["min_size"], fields["max_size"]) == ((284.0,), (352.0,))
    for name in ("ssd300_vgg16", "ssd512_vgg16", "pelee_ssd"):
        for size in (257, (257, 640)):
            netgen.analyze(netgen.build(name, size=size))
    assert netgen.analyze(netgen.build("mobilenet_ssd", size=1)).blobs["mbox_loc"] == (1, 4 * 33)


@pytest.mark.parametrize(
    ("size", "end", "found"),
    [
        (302, 100, [60, 105, 151, 196, 241, 286, 302]),  # of 60.4, 105.7, 151.0, 196.3, 241.6, 286.9 and 302.0
        (4, 100, [0.8, 1.4, 2, 2.6, 3.2, 3.8, 4]),  # the first would be 0
        (300, 95.1, [60, 105, 150, 195, 240, 285, 285.3]),  # the last two would be one
    ],
)
def test_sizes_of_priors_are_whole_pixels_where_these_rise(size: int, end: float, found: list[float]) -> None:
    layers = netgen.build("mobilenet_ssd", size=size, scales=(20, 35, 50, 65, 80, 95, end)).layers
    priors = [layer.params["prior_box_param"] for layer in layers if layer.type == "PriorBox"]
    assert [*(each["min_size"][0] for each in priors), priors[-1]["max_size"][0]] == found


def test_variants_of_pelee() -> None:
    net = netgen.build("pelee_ssd", growth_rate=16, layers=(1, 1, 1, 2), bottleneck_widths=(1, 1, 2, 2))
    blobs = netgen.analyze(net).blobs
    assert [blobs[f"stage{i}_tb"][1] for i in range(1, 5)] == [48, 64, 80, 112]
    assert blobs["stage3_1/branch1a"][1] == 16


def test_on_the_command_line(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["yolov3-tiny", "upsample=Upsample", "classes=1", "size=320,416"]) == 0
    net = netgen.parse_prototxt(capfd.readouterr()[0])
    assert netgen.analyze(net).blobs["layer23-conv"] == (1, 18, 20, 26)
    assert net.layers["layer20-upsample"].type == "Upsample"


@pytest.mark.parametrize(
    ("name", "parameters", "text"),
    [
        ("yolov3", {"size": 400}, "yolov3: size must be a multiple of 32, got 400"),
        ("yolov2", {"size": (416, 100)}, "yolov2: size must be a multiple of 32, got 100"),
        ("yolov3_tiny", {"upsample": "Resize"},
         "yolov3_tiny: upsample must be one of Deconvolution, Upsample, got 'Resize'"),
        ("yolov2", {"reorg": "Reshape"}, "yolov2: reorg must be one of Reorg, Permute, got 'Reshape'"),
        ("yolov3", {"anchors": (10, 13, 16)},
         "yolov3: anchors must be widths and heights in turn, an even number, got (10, 13, 16)"),
        ("yolov3", {"anchors": (10, 13)}, "yolov3: anchors must be as many for each of 3 outputs, got 1 in all"),
        ("yolov3_tiny", {"anchors": (10, 13, 16, 30, 33, 23)},
         "yolov3_tiny: anchors must be as many for each of 2 outputs, got 3 in all"),
        ("yolov2", {"anchors": (10, 0)}, "yolov2: each of anchors must be a finite number above 0, got 0"),
        ("yolov2_tiny", {"classes": 0}, "yolov2_tiny: classes must be a whole number of 1 or more, got 0"),
        ("yolov3", {"layers": (1, 2, 8)}, "yolov3: layers must have 5 items, one for each stage, got 3"),
        ("yolov3_spp", {"pyramid": (5, 8)}, "yolov3_spp: each of pyramid must be odd, got (5, 8)"),
        ("darknet53", {"width": 0}, "darknet53: width must be a finite number above 0, got 0"),
        ("darknet19", {"eps": -1}, "darknet19: eps must be a finite number above 0, got -1"),
        ("ssd300_vgg16", {"size": 256}, "ssd300_vgg16: size must be a whole number of 257 or more, got 256"),
        ("mobilenet_ssd", {"classes": 1}, "mobilenet_ssd: classes must be a whole number of 2 or more, got 1"),
        ("ssd512_vgg16", {"scales": (1, 2)},
         "ssd512_vgg16: scales must have 8 items, one for each source and the last's end, got (1, 2)"),
        ("pelee_ssd", {"scales": (7, 15, 33, 33, 69, 87, 105)},
         "pelee_ssd: scales must rise, got (7, 15, 33, 33, 69, 87, 105)"),
        ("pelee_ssd", {"scales": (0, 15, 33, 51, 69, 87, 105)},
         "pelee_ssd: each of scales must be a finite number above 0, got 0"),
        ("pelee_ssd", {"growth_rate": 31}, "pelee_ssd: growth_rate must be an even number of 2 or more, got 31"),
        ("pelee_ssd", {"layers": (3, 4, 8)}, "pelee_ssd: layers must have 4 items, one for each stage, got 3"),
    ],
)  # fmt: skip
def test_wrong_arguments(name: str, parameters: dict[str, Any], text: str) -> None:
    with pytest.raises(netgen.UsageError) as error:
        netgen.build(name, **parameters)
    assert str(error.value) == text
