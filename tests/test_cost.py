"""What networks cost, against published figures and numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

import netgen
from netgen.analysis import Analysis, analyze


def rows(analysis: Analysis) -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in analysis.rows()}


def test_peleenet_has_its_published_figures() -> None:
    totals = analyze(netgen.build("peleenet")).totals()
    assert totals["weights"] == 2_802_248
    assert totals["weights"] + totals["statistics"] == 2_812_089
    assert totals["macs"] == 507_757_568


def test_peleenet_as_other_tools_count_it() -> None:
    analysis = analyze(netgen.build("peleenet"))
    assert analysis.convention("netscope") == {"macc": 510_728_928}
    assert analysis.convention("macs") == {"macs": 507_757_568}
    assert analysis.convention("torch") == analysis.convention("darknet") == {"flops": 2 * 507_757_568}
    with pytest.raises(netgen.UsageError, match="convention 'thop': choose from macs, netscope, darknet, torch"):
        analysis.convention("thop")


def test_an_upsampling_counts_in_darknet_nothing_however_it_is_written() -> None:
    published = {"flops": 65_864_075_264}
    plain, forks = (analyze(netgen.build("yolov3", upsample=each)) for each in ("Deconvolution", "Upsample"))
    assert plain.convention("darknet") == forks.convention("darknet") == forks.convention("torch") == published
    # torch runs the two Deconvolutions, each a multiply-add for 2 x 2 weights and every value that goes in.
    assert plain.convention("torch") == {"flops": 65_864_075_264 + 2 * 4 * (256 * 13**2 + 128 * 26**2)}


def test_one_layer_by_hand() -> None:
    net = netgen.Net().input(2, 3, 8, 8).conv(4, 3, name="c", bias_term=True).relu().fc(5, name="f")
    found = rows(analyze(net))
    assert found["c"] == {
        "name": "c", "type": "Convolution", "bottoms": ["data"], "tops": ["c"], "shapes": [[2, 4, 8, 8]],
        "weights": [[4, 3, 3, 3], [4]], "learned": 112, "statistics": 0,
        "macs": 2 * 4 * 64 * 27, "flops": 2 * 2 * 4 * 64 * 27 + 2 * 4 * 64, "activations": 512,
        "live_bytes": 4 * (2 * 3 * 64 + 512), "bytes_read": 4 * (2 * 3 * 64 + 112), "bytes_written": 4 * 512,
        "intensity": round((2 * 2 * 4 * 64 * 27 + 512) / (4 * (384 + 112 + 512)), 3),
        "receptive_field": [3, 3], "stride": [1, 1],
    }  # fmt: skip
    assert (found["c/relu"]["activations"], found["c/relu"]["bytes_written"]) == (0, 2048)
    assert (found["f"]["macs"], found["f"]["receptive_field"]) == (2 * 5 * 256, None)


def test_the_batch_scales_what_it_should_and_nothing_else() -> None:
    net = netgen.build("peleenet", size=64)
    one, four = (analyze(net, inputs={"data": (n, 3, 64, 64)}).totals() for n in (1, 4))
    for key in ("macs", "flops", "activations", "activation_bytes", "peak_activation_bytes", "bytes_written"):
        assert four[key] == 4 * one[key], key
    for key in ("layers", "weights", "statistics", "weight_bytes"):
        assert four[key] == one[key], key


def test_weights_that_are_shared_count_once() -> None:
    net = netgen.Net().input(1, 3, 8, 8)
    net.conv(4, 3, name="a", param_name="w").conv(4, 3, name="b", bottom="data", param_name="w")
    analysis = analyze(net)
    assert analysis.totals()["weights"] == 108
    assert [cost.weights for cost in analysis.costs] == [0, 108, 0]


def test_memory_as_caffe_holds_it_and_as_a_planner_could() -> None:
    # data 192, a 256, b 256 values; the relu works in place on a, and the flatten shares b's memory.
    net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="a").relu().conv(4, 3, name="b").flatten(name="f")
    found = analyze(net).memory
    assert found.held == 4 * (192 + 256 + 256)
    assert (found.peak, found.peak_layer) == (4 * (256 + 256), "b")
    # A blob that is read again later stays.
    net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="a").conv(4, 3, name="b").conv(4, 3, name="c")
    net.eltwise(["a", "c"], name="d")
    found = analyze(net).memory
    assert (found.peak, found.peak_layer) == (4 * 3 * 256, "c")
    # What nobody reads is an output of the net, and stays until the end.
    net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="out").conv(4, 3, name="b", bottom="data").conv(4, 3, name="c")
    assert analyze(net).memory.peak == 4 * 3 * 256


def test_what_a_blob_sees() -> None:
    net = netgen.Net().input(1, 3, 64, 64).conv(4, 7, 2, name="c").bn(scale=True).relu().pool(3, 2, name="p")
    net.conv(4, 3, name="d", dilation=2).deconv(4, 4, 2, name="u", group=4)
    net.concat(["u", "c"], name="j").conv(4, (1, 5), name="k").global_pool(name="g")
    found = rows(analyze(net))
    sights = {name: (row["receptive_field"], row["stride"]) for name, row in found.items()}
    assert sights["c"] == sights["c/relu"] == ([7, 7], [2, 2])
    assert sights["p"] == ([11, 11], [4, 4])  # 7 + 2 x 2
    assert sights["d"] == ([27, 27], [4, 4])  # 11 + 4 x 4: the dilated kernel spans 5
    assert sights["u"] == ([31, 31], [2, 2])  # two inputs, 4 apart, under each output
    assert sights["j"] == ([31, 31], [2, 2])
    assert sights["k"] == ([31, 39], [2, 2])
    assert sights["g"] == (None, None)


def test_what_cannot_be_counted_is_listed() -> None:
    net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="c")
    net.layer("Python", name="py", top="py", python_param={"module": "m", "layer": "L"})
    analysis = analyze(net, inputs={"py": (1, 4)})
    assert analysis.uncounted == ["py"]
    assert rows(analysis)["py"]["macs"] is None
    assert analysis.totals()["macs"] == 4 * 64 * 27


# Figures of networks that real files describe, from the table that was computed twice from different definitions


@pytest.mark.parametrize(
    ("file", "size", "weights", "macs"),
    [
        ("soeaver__caffe-model__cls__densenet__deploy_densenet121", 224, 7_978_856, 2_834_161_664),
        ("eric612__MobileNet-YOLO__models__convert__darknet19_deploy", 416, 50_962_889, 14_732_084_224),  # YOLOv2
        ("eric612__MobileNet-YOLO__models__convert__darknet19_deploy", 608, 50_962_889, 31_469_126_656),
        ("eric612__MobileNet-YOLO__models__darknet_yolov3__yolov3", 320, 61_949_149, 19_486_412_800),
        ("eric612__MobileNet-YOLO__models__darknet_yolov3__yolov3", 416, 61_949_149, 32_932_037_632),
        ("eric612__MobileNet-YOLO__models__darknet_yolov3__yolov3", 608, 61_949_149, 70_345_950_208),
        ("eric612__MobileNet-YOLO__models__darknet_yolov3__yolov3-spp", 608, 62_998_749, 70_724_486_144),
        (
            "intel__caffe__models__intel_optimized_models__int8__mobilenet_v1_int8_full_conv_perf",
            224,
            4_231_976,
            568_740_352,
        ),
        (
            "intel__caffe__models__intel_optimized_models__ssd__VGGNet__VOC0712__SSD_300x300__deploy",
            300,
            26_285_486,
            31_373_537_792,
        ),
        (
            "intel__caffe__models__intel_optimized_models__ssd__VGGNet__coco__SSD_300x300__deploy",
            300,
            34_305_206,
            34_360_351_232,
        ),
        ("soeaver__caffe-model__cls__resnet__deploy_resnet18-priv", 224, 11_689_512, 1_814_073_344),
        ("soeaver__caffe-model__cls__resnet__deploy_resnet50", 224, 25_557_032 + 64, 3_857_973_248),  # a bias in conv1
        ("KaimingHe__deep-residual-networks__prototxt__ResNet-101-deploy", 224, 44_549_160, 7_570_194_432),
        ("Robert-JunWang__Pelee__model__voc__deploy_merged", 304, 5_417_188, 1_204_968_960),
        ("soeaver__caffe-model__cls__vgg__deploy_vgg16-tf", 224, 138_357_544, 15_470_264_320),
        (
            "happynear__caffe-windows__examples__GoogLeNet__googlenet_deploy_prob@df96ca3e",
            224,
            6_998_552,
            1_582_671_872,
        ),
    ],
)
def test_published_figures_of_real_files(file: str, size: int, weights: int, macs: int, shared: Path) -> None:
    net = netgen.load(shared / "corpus" / "caffe" / f"{file}.prototxt")
    totals = analyze(net, inputs={"data": (1, 3, size, size)}).totals()
    assert (totals["weights"], totals["macs"]) == (weights, macs)


def test_netscope_on_a_real_file(shared: Path) -> None:
    name = "intel__caffe__models__intel_optimized_models__int8__mobilenet_v1_int8_full_conv_perf.prototxt"
    assert analyze(netgen.load(shared / "corpus" / "caffe" / name)).convention("netscope") == {"macc": 573_783_040}
