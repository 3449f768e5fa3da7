"""What each network must count: learned weights, multiply-adds, shapes. Sources named row by row.

Multiply-adds are those of convolutions, deconvolutions and inner products; weights leave out BatchNorm's statistics.
The rows say what others published or counted, never what netgen put out: ``table`` is a table of figures that was
counted twice from two definitions of each network and compared with what its authors published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Shape = tuple[int, ...]


class Figure(NamedTuple):
    """One network with arguments; ``shapes`` are blobs by name, C H W."""

    net: str
    weights: int
    macs: int
    shapes: Mapping[str, Shape]
    source: str
    arguments: dict[str, Any] = {}  # noqa: RUF012 (never changed)
    bflops: float | None = None
    """As Darknet prints them, two for each multiply-add, to two decimals."""

    def __str__(self) -> str:
        return " ".join([self.net, *(f"{key}={value}" for key, value in self.arguments.items())])


_RESNET50 = {
    "conv1": (64, 112, 112), "pool1": (64, 56, 56), "res2c": (256, 56, 56), "res3d": (512, 28, 28),
    "res4f": (1024, 14, 14), "res5c": (2048, 7, 7), "pool5": (2048, 1, 1), "prob": (1000,),
}  # fmt: skip
_SQUEEZENET1_1_227 = {
    "conv1": (64, 113, 113), "pool1": (64, 56, 56), "pool3": (128, 28, 28), "conv10": (1000, 14, 14),
    "pool10": (1000, 1, 1), "prob": (1000, 1, 1),
}  # fmt: skip
_ALEXNET = {
    "conv1": (96, 55, 55), "pool1": (96, 27, 27), "conv2": (256, 27, 27), "pool2": (256, 13, 13),
    "conv5": (256, 13, 13), "pool5": (256, 6, 6), "fc6": (4096,), "prob": (1000,),
}  # fmt: skip
_UPSAMPLE = {"upsample": "Upsample"}
_COCO = {"classes": 81}
_V3_416 = {
    "layer82-conv": (255, 13, 13),
    "layer94-conv": (255, 26, 26),
    "layer106-conv": (255, 52, 52),
}
_SSD300 = {
    "conv4_3_norm": (512, 38, 38), "fc7": (1024, 19, 19), "conv6_2": (512, 10, 10), "conv7_2": (256, 5, 5),
    "conv8_2": (256, 3, 3), "conv9_2": (256, 1, 1), "mbox_loc": (34928,), "mbox_priorbox": (2, 4 * 8732),
}  # fmt: skip
_PELEE = {
    "stage3_tb": (512, 19, 19), "stage4_tb": (704, 10, 10), "stage4_tb/ext/pm2/res": (256, 19, 19),
    "stage4_tb/ext/pm3/res": (256, 10, 10), "stage4_tb/ext/pm4/res": (256, 5, 5),
    "stage4_tb/ext/pm5/res": (256, 3, 3), "stage4_tb/ext/pm6/res": (256, 1, 1),
    "mbox_loc": (20568,), "mbox_priorbox": (2, 4 * 5142),
}  # fmt: skip
_MOBILENET = {
    "conv11": (512, 19, 19), "conv13": (1024, 10, 10), "conv14_2": (512, 5, 5), "conv15_2": (256, 3, 3),
    "conv16_2": (256, 2, 2), "conv17_2": (128, 1, 1), "mbox_loc": (7668,), "mbox_conf": (40257,),
    "mbox_priorbox": (2, 4 * 1917),
}  # fmt: skip

FIGURES = [
    Figure(
        "peleenet", 2_802_248, 507_757_568,
        {"stem": (32, 56, 56), "stage1": (128, 56, 56), "stage1/pool": (128, 28, 28), "stage2": (256, 28, 28),
         "stage2/pool": (256, 14, 14), "stage3": (512, 14, 14), "stage3/pool": (512, 7, 7), "stage4": (704, 7, 7)},
        "table; arXiv 1804.06882: 508 M, 2.8 M",
    ),
    Figure(
        "densenet121", 7_978_856, 2_834_161_664,
        {"conv1": (64, 112, 112), "concat_2_6": (256, 56, 56), "concat_3_12": (512, 28, 28),
         "concat_4_24": (1024, 14, 14), "concat_5_16": (1024, 7, 7), "prob": (1000, 1, 1)},
        "table",
    ),
    Figure("densenet121", 7_978_856, 2_834_161_664, {"pool1": (64, 56, 56)}, "table", {"pool1": "FLOOR"}),
    Figure(
        "densenet169", 14_149_480, 3_359_843_328, {"concat_4_32": (1280, 14, 14), "concat_5_32": (1664, 7, 7)},
        "weights and 3.36 G: torchvision's; macs: growth by growth in test_nets.py",
    ),
    Figure(
        "densenet201", 20_013_928, 4_291_365_888, {"concat_4_48": (1792, 14, 14), "concat_5_32": (1920, 7, 7)},
        "weights and 4.29 G: torchvision's; macs: growth by growth in test_nets.py",
    ),
    Figure(
        "mobilenet_v1", 4_231_976, 568_740_352,
        {"conv1": (32, 112, 112), "conv2_1/sep": (64, 112, 112), "conv6/sep": (1024, 7, 7), "prob": (1000, 1, 1)},
        "table; arXiv 1704.04861: 569 M",
    ),
    Figure(
        "mobilenet_v2", 3_504_872, 300_774_272, {"conv6_4": (1280, 7, 7), "prob": (1000, 1, 1)},
        "table; arXiv 1801.04381: 300 M",
    ),
    Figure(
        "mobilenet_v2", 3_505_960, 429_111_936, {"conv6_4": (1280, 7, 7)},
        "table's note: the first published file strides late", {"expand_first": True, "late_stride": True},
    ),
    Figure("resnet18", 11_689_512, 1_814_073_344, {"pool1": (64, 56, 56), "res5b": (512, 7, 7)}, "table"),
    Figure(
        "resnet18", 11_693_736, 1_814_073_344 + 56 * 56 * 64 * 64, {"res5b": (512, 7, 7)},
        "table's note: an extra shortcut convolution in the first block, 64 to 64 at 56x56", {"project_first": True},
    ),
    Figure(
        "resnet34", 21_797_672, 3_663_761_408, {"res5c": (512, 7, 7)},
        "weights and 3.66 G: torchvision's; macs: block by block in test_nets.py",
    ),
    Figure("resnet50", 25_557_032, 3_857_973_248, _RESNET50, "table"),
    Figure("resnet50", 25_557_032, 4_089_184_256, _RESNET50, "table", {"version": "v1.5"}),
    Figure(
        "resnet50", 25_557_096, 3_857_973_248, {},
        "table's note: a bias in conv1, 64 weights", {"conv1_bias": True},
    ),
    Figure("resnet101", 44_549_160, 7_570_194_432, {"res4b22": (1024, 14, 14), "res5c": (2048, 7, 7)}, "table"),
    Figure("resnet101", 44_549_160, 7_801_405_440, {"res5c": (2048, 7, 7)}, "table", {"version": "v1.5"}),
    Figure(
        "resnet152", 60_192_808, 11_282_415_616, {"res4b35": (1024, 14, 14), "res5c": (2048, 7, 7)},
        "weights: torchvision's; arXiv 1512.03385: 11.3 G; macs: block by block in test_nets.py",
    ),
    Figure(
        "resnet152", 60_192_808, 11_513_626_624, {},
        "weights and 11.51 G: torchvision's; macs: block by block in test_nets.py", {"version": "v1.5"},
    ),
    Figure(
        "se_resnet50", 28_088_024, 3_860_488_192,
        {"pool1/3x3_s2": (64, 56, 56), "conv2_3": (256, 56, 56), "conv3_4": (512, 28, 28), "conv4_6": (1024, 14, 14),
         "conv5_3": (2048, 7, 7), "conv5_3_1x1_up": (2048, 1, 1)},
        "table",
    ),
    Figure("se_resnet50", 28_088_024, 3_860_488_192, {"conv5_3": (2048, 7, 7)}, "table", {"axpy": True}),
    Figure(
        "vgg16", 138_357_544, 15_470_264_320,
        {"pool4": (512, 14, 14), "conv5_3": (512, 14, 14), "pool5": (512, 7, 7), "fc6": (4096,)},
        "table",
    ),
    Figure(
        "vgg19", 143_667_240, 19_632_062_464, {"conv5_4": (512, 14, 14), "pool5": (512, 7, 7), "fc6": (4096,)},
        "weights and 19.63 G: torchvision's; macs: vgg16's and one 3x3 more at 56, 28 and 14, in test_nets.py",
    ),
    Figure(
        "squeezenet1_0", 1_248_424, 861_339_936,
        {"conv1": (96, 111, 111), "pool1": (96, 55, 55), "pool4": (256, 27, 27), "pool8": (512, 13, 13),
         "conv10": (1000, 15, 15)},
        "weights: torchvision's; macs: fire by fire in test_nets.py",
    ),
    Figure("squeezenet1_1", 1_235_496, 387_747_520, _SQUEEZENET1_1_227, "table"),
    Figure("squeezenet1_1", 1_235_496, 349_151_936, {"conv10": (1000, 13, 13)}, "table", {"size": 224}),
    Figure(
        "googlenet", 6_998_552, 1_582_671_872,
        {"pool2/3x3_s2": (192, 28, 28), "pool3/3x3_s2": (480, 14, 14), "pool4/3x3_s2": (832, 7, 7),
         "inception_5b/output": (1024, 7, 7), "pool5/7x7_s1": (1024, 1, 1)},
        "table",
    ),
    Figure("alexnet", 60_965_224, 724_406_816, _ALEXNET, "table"),
    Figure("caffenet", 60_965_224, 724_406_816, _ALEXNET, "table"),
    Figure(
        "shufflenet_v1", 1_814_734, 127_061_304,
        {"pool1": (24, 56, 56), "resx4_elewise": (240, 28, 28), "resx12_elewise": (480, 14, 14),
         "resx16_elewise": (960, 7, 7), "prob": (1000, 1, 1)},
        "table",
    ),
    Figure(
        "lenet", 520 + 25_050 + 400_500 + 5_010, 288_000 + 1_600_000 + 400_000 + 5_000,
        {"conv1": (20, 24, 24), "pool2": (50, 4, 4), "prob": (10,)},
        "by hand: two 5x5 convolutions at 24 and 8, two inner products of 800 to 500 to 10",
    ),
    Figure("darknet19", 20_842_376, 3_645_374_464, {"layer26-softmax": (1000, 1, 1)}, "table", bflops=7.29),
    Figure("darknet19", 20_842_376, 2_790_989_824, {"layer24-conv": (1000, 7, 7)}, "table", {"size": 224}),
    Figure("darknet53", 41_609_928, 9_285_115_904, {"layer75-shortcut": (1024, 8, 8)}, "table", bflops=18.57),
    Figure("darknet53", 41_609_928, 24_516_829_184, {"layer75-shortcut": (1024, 13, 13)}, "table", {"size": 416}),
    Figure("yolov2", 50_962_889, 14_732_084_224, {"layer31-conv": (425, 13, 13)}, "table"),
    Figure("yolov2", 50_962_889, 31_469_126_656, {"layer31-conv": (425, 19, 19)}, "table", {"size": 608}, 62.94),
    Figure("yolov2", 50_962_889, 14_732_084_224, {"layer28-reorg": (256, 13, 13)}, "table", {"reorg": "Permute"}),
    Figure("yolov2_tiny", 11_232_057, 2_703_221_248, {"layer15-conv": (425, 13, 13)}, "table", bflops=5.41),
    Figure(
        "yolov3", 61_949_149, 19_486_412_800,
        {"layer82-conv": (255, 10, 10)}, "table", {"size": 320, **_UPSAMPLE}, 38.97,
    ),
    Figure("yolov3", 61_949_149, 32_932_037_632, _V3_416, "table", _UPSAMPLE, 65.86),
    Figure(
        "yolov3", 61_949_149, 70_345_950_208,
        {"layer106-conv": (255, 76, 76)}, "table", {"size": 608, **_UPSAMPLE}, 140.69,
    ),
    Figure(
        "yolov3_tiny", 8_852_366, 2_782_480_896,
        {"layer12-crop": (512, 13, 13), "layer16-conv": (255, 13, 13), "layer23-conv": (255, 26, 26)},
        "table", _UPSAMPLE, 5.56,
    ),
    Figure(
        "yolov3_spp", 62_998_749, 70_724_486_144,
        {"layer89-conv": (255, 19, 19), "layer101-conv": (255, 38, 38), "layer113-conv": (255, 76, 76)},
        "table", _UPSAMPLE, 141.45,
    ),
    Figure("mobilenet_ssd", 5_783_417, 1_148_479_168, _MOBILENET, "table"),
    Figure("ssd300_vgg16", 26_285_486, 31_373_537_792, {**_SSD300, "mbox_conf": (183372,)}, "table"),
    Figure("ssd300_vgg16", 34_305_206, 34_360_351_232, {**_SSD300, "mbox_conf": (81 * 8732,)}, "table", _COCO),
    Figure("pelee_ssd", 5_417_188, 1_204_968_960, {**_PELEE, "mbox_conf": (107982,)}, "table"),
    Figure("pelee_ssd", 5_972_308, 1_283_950_080, {**_PELEE, "mbox_conf": (81 * 5142,)}, "table", _COCO),
]  # fmt: skip

UPSAMPLINGS: list[tuple[str, dict[str, Any], list[tuple[int, int]]]] = [
    ("yolov3", {"size": 320}, [(256, 10), (128, 20)]),
    ("yolov3", {}, [(256, 13), (128, 26)]),
    ("yolov3", {"size": 608}, [(256, 19), (128, 38)]),
    ("yolov3_tiny", {}, [(128, 13)]),
    ("yolov3_spp", {}, [(256, 19), (128, 38)]),
]
"""The channels and the side of what is upsampled."""
