"""The published figures of the Darknet, YOLO and SSD networks.

Each was counted twice from other definitions than netgen's, and agrees with what was published where that is known.
Weights are learned values; multiply-adds those of convolutions and inner products.
"""

from __future__ import annotations

from typing import Any, NamedTuple

UPSAMPLE = {"upsample": "Upsample"}
COCO = {"classes": 81}


class Figures(NamedTuple):
    net: str
    args: dict[str, Any]
    weights: int
    macs: int
    shapes: dict[str, tuple[int, ...]]
    """Blobs and their shapes without the batch."""
    bflops: float | None = None
    """As Darknet prints them, two for each multiply-add, to two decimals."""

    def __str__(self) -> str:
        return "-".join([self.net, *map(str, self.args.values())])


V3_416: dict[str, tuple[int, ...]] = {
    "layer82-conv": (255, 13, 13),
    "layer94-conv": (255, 26, 26),
    "layer106-conv": (255, 52, 52),
}
SSD300: dict[str, tuple[int, ...]] = {
    "conv4_3_norm": (512, 38, 38), "fc7": (1024, 19, 19), "conv6_2": (512, 10, 10), "conv7_2": (256, 5, 5),
    "conv8_2": (256, 3, 3), "conv9_2": (256, 1, 1), "mbox_loc": (34928,), "mbox_priorbox": (2, 4 * 8732),
}  # fmt: skip
PELEE: dict[str, tuple[int, ...]] = {
    "stage3_tb": (512, 19, 19), "stage4_tb": (704, 10, 10), "stage4_tb/ext/pm2/res": (256, 19, 19),
    "stage4_tb/ext/pm3/res": (256, 10, 10), "stage4_tb/ext/pm4/res": (256, 5, 5),
    "stage4_tb/ext/pm5/res": (256, 3, 3), "stage4_tb/ext/pm6/res": (256, 1, 1),
    "mbox_loc": (20568,), "mbox_priorbox": (2, 4 * 5142),
}  # fmt: skip
MOBILENET: dict[str, tuple[int, ...]] = {
    "conv11": (512, 19, 19), "conv13": (1024, 10, 10), "conv14_2": (512, 5, 5), "conv15_2": (256, 3, 3),
    "conv16_2": (256, 2, 2), "conv17_2": (128, 1, 1), "mbox_loc": (7668,), "mbox_conf": (40257,),
    "mbox_priorbox": (2, 4 * 1917),
}  # fmt: skip

FIGURES = [
    Figures("darknet19", {}, 20_842_376, 3_645_374_464, {"layer26-softmax": (1000, 1, 1)}, 7.29),
    Figures("darknet19", {"size": 224}, 20_842_376, 2_790_989_824, {"layer24-conv": (1000, 7, 7)}),
    Figures("darknet53", {}, 41_609_928, 9_285_115_904, {"layer75-shortcut": (1024, 8, 8)}, 18.57),
    Figures("darknet53", {"size": 416}, 41_609_928, 24_516_829_184, {"layer75-shortcut": (1024, 13, 13)}),
    Figures("yolov2", {}, 50_962_889, 14_732_084_224, {"layer31-conv": (425, 13, 13)}),
    Figures("yolov2", {"size": 608}, 50_962_889, 31_469_126_656, {"layer31-conv": (425, 19, 19)}, 62.94),
    Figures("yolov2", {"reorg": "Permute"}, 50_962_889, 14_732_084_224, {"layer28-reorg": (256, 13, 13)}),
    Figures("yolov2_tiny", {}, 11_232_057, 2_703_221_248, {"layer15-conv": (425, 13, 13)}, 5.41),
    Figures("yolov3", {"size": 320, **UPSAMPLE}, 61_949_149, 19_486_412_800, {"layer82-conv": (255, 10, 10)}, 38.97),
    Figures("yolov3", UPSAMPLE, 61_949_149, 32_932_037_632, V3_416, 65.86),
    Figures("yolov3", {"size": 608, **UPSAMPLE}, 61_949_149, 70_345_950_208, {"layer106-conv": (255, 76, 76)}, 140.69),
    Figures(
        "yolov3_tiny", UPSAMPLE, 8_852_366, 2_782_480_896,
        {"layer12-crop": (512, 13, 13), "layer16-conv": (255, 13, 13), "layer23-conv": (255, 26, 26)}, 5.56,
    ),
    Figures(
        "yolov3_spp", UPSAMPLE, 62_998_749, 70_724_486_144,
        {"layer89-conv": (255, 19, 19), "layer101-conv": (255, 38, 38), "layer113-conv": (255, 76, 76)}, 141.45,
    ),
    Figures("mobilenet_ssd", {}, 5_783_417, 1_148_479_168, MOBILENET),
    Figures("ssd300_vgg16", {}, 26_285_486, 31_373_537_792, {**SSD300, "mbox_conf": (183372,)}),
    Figures("ssd300_vgg16", COCO, 34_305_206, 34_360_351_232, {**SSD300, "mbox_conf": (81 * 8732,)}),
    Figures("pelee_ssd", {}, 5_417_188, 1_204_968_960, {**PELEE, "mbox_conf": (107982,)}),
    Figures("pelee_ssd", COCO, 5_972_308, 1_283_950_080, {**PELEE, "mbox_conf": (81 * 5142,)}),
]  # fmt: skip

UPSAMPLINGS: list[tuple[str, dict[str, Any], list[tuple[int, int]]]] = [
    ("yolov3", {"size": 320}, [(256, 10), (128, 20)]),
    ("yolov3", {}, [(256, 13), (128, 26)]),
    ("yolov3", {"size": 608}, [(256, 19), (128, 38)]),
    ("yolov3_tiny", {}, [(128, 13)]),
    ("yolov3_spp", {}, [(256, 19), (128, 38)]),
]
"""The channels and the side of what is upsampled."""

NAMES = (
    "darknet19", "darknet53", "yolov2", "yolov2_tiny", "yolov3", "yolov3_tiny", "yolov3_spp",
    "pelee_ssd", "mobilenet_ssd", "ssd300_vgg16", "ssd512_vgg16",
)  # fmt: skip
