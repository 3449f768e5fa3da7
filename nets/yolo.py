"""YOLOv2 and YOLOv3 (Redmon and Farhadi 2017 and 2018), as Darknet's own ``.cfg`` files have them.

A net's outputs are the convolutions that its yolo or region layers read. Layer names are those of the section numbers,
see ``netgen.blocks.darknet``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.blocks import (
    darknet19_trunk,
    darknet53_trunk,
    darknet_conv,
    darknet_maxpool,
    reorg_route,
    scaled,
    yolo_detection,
    yolo_head,
    yolo_route,
)
from netgen.blocks.yolo import REORGS, UPSAMPLINGS
from netgen.builder import Net
from netgen.errors import UsageError
from netgen.fields import shown
from netgen.ranges import above_zero, at_least, height_and_width, one_of, per_item

if TYPE_CHECKING:
    from netgen.branching import Blob

COCO_CELLS = (0.57273, 0.677385, 1.87446, 2.06253, 3.33843, 5.47434, 7.88282, 3.52778, 9.77052, 9.16828)
"""YOLOv2's anchors for COCO, width and height in turn, in cells of 32 pixels."""
COCO_NINE = (10, 13, 16, 30, 33, 23, 30, 61, 62, 45, 59, 119, 116, 90, 156, 198, 373, 326)
"""YOLOv3's anchors for COCO, width and height in turn, in pixels of the input."""
COCO_SIX = (10, 14, 23, 27, 37, 58, 81, 82, 135, 169, 344, 319)
"""YOLOv3-tiny's."""
REGION = ("yolov2", "yolov2_tiny")
"""The networks here whose output is a region layer's, with anchors in cells and a softmax over the classes."""


def yolov2(
    size: int | tuple[int, int] = 416,
    classes: int = 80,
    anchors: Sequence[float] = COCO_CELLS,
    width: float = 1.0,
    reorg: str = "Reorg",
    detection: bool = False,
    eps: float = 1e-5,
) -> Net:
    """YOLOv2: 1 3 416 416 -> 1 425 13 13, for each anchor x, y, width, height, objectness and 80 classes.

    Darknet-19's features, and finer ones through Darknet's reorg: ``reorg`` is Reorg, a layer of forks, or Permute,
    the SSD fork's, between two Reshapes, which is exact too (``netgen.blocks.darknet_reorg``). ``anchors`` are widths
    and heights in turn, in cells; ``width`` multiplies the channels, to multiples of 8; ``size`` must be a multiple of
    32. ``detection`` adds MobileNet-YOLO's YoloDetectionOutput.

    Paper: YOLO9000, arXiv 1612.08242; yolov2.cfg of pjreddie/darknet. With the defaults: 50,962,889 learned weights and
    14,732,084,224 multiply-adds; at 608 31,469,126,656 (published: 62.94 BFLOPs, two for each).
    """
    one_of(REORGS, "yolov2", reorg=reorg)
    net = _input("yolov2", "YOLOv2", size, width, eps, multiple_of=32)
    height, breadth = height_and_width("yolov2", size)
    count = _anchors("yolov2", anchors, classes, scales=1)

    finer, _ = darknet19_trunk(net, width, eps=eps)
    for _ in range(2):
        darknet_conv(net, scaled(1024, width), 3, eps=eps)
    reorg_route(net, scaled(64, width), finer, (height // 16, breadth // 16), reorg=reorg, eps=eps)
    yolo_head(net, count, classes, channels=scaled(1024, width), eps=eps)
    return _region_output(net, anchors, classes) if detection else net


def yolov2_tiny(
    size: int | tuple[int, int] = 416,
    classes: int = 80,
    anchors: Sequence[float] = COCO_CELLS,
    width: float = 1.0,
    detection: bool = False,
    eps: float = 1e-5,
) -> Net:
    """YOLOv2-tiny: 1 3 416 416 -> 1 425 13 13, for each anchor x, y, width, height, objectness and 80 classes.

    The arguments are YOLOv2's, and ``size`` may be any. The last max-pooling keeps the size: a Pooling and a Crop
    (``netgen.blocks.darknet_maxpool``).

    yolov2-tiny.cfg of pjreddie/darknet. With the defaults: 11,232,057 learned weights and 2,703,221,248 multiply-adds
    (published: 5.41 BFLOPs, two for each).
    """
    net = _input("yolov2_tiny", "YOLOv2-tiny", size, width, eps)
    count = _anchors("yolov2_tiny", anchors, classes, scales=1)

    _tiny_trunk(net, width, eps)
    yolo_head(net, count, classes, channels=scaled(512, width), eps=eps)
    return _region_output(net, anchors, classes) if detection else net


def yolov3(
    size: int | tuple[int, int] = 416,
    classes: int = 80,
    anchors: Sequence[float] = COCO_NINE,
    layers: Sequence[int] = (1, 2, 8, 8, 4),
    width: float = 1.0,
    upsample: str = "Deconvolution",
    detection: bool = False,
    eps: float = 1e-5,
) -> Net:
    """YOLOv3: 1 3 416 416 -> 1 255 13 13, 1 255 26 26 and 1 255 52 52, 10,647 boxes of 80 classes.

    ``anchors`` are widths and heights in turn, in pixels, the smallest first; a third of them goes to each output, the
    largest to the coarsest. ``layers`` is the number of residual blocks in each stage of Darknet-53, ``width``
    multiplies the channels, to multiples of 8; ``size`` must be a multiple of 32. ``upsample`` is Deconvolution, with
    fixed weights, or Upsample, a layer of forks. ``detection`` adds MobileNet-YOLO's Yolov3DetectionOutput.

    Paper: arXiv 1804.02767; yolov3.cfg of pjreddie/darknet. With the defaults: 61,949,149 learned weights and
    32,932,037,632 multiply-adds (published: 65.86 BFLOPs, two for each); 19,486,412,800 at 320, 70,345,950,208 at 608.
    Those are without the two Deconvolutions' 1,536 fixed weights, and at 416 519,168 multiply-adds.
    """
    return _yolov3("yolov3", "YOLOv3", size, classes, anchors, layers, width, upsample, detection, eps)


def yolov3_spp(
    size: int | tuple[int, int] = 608,
    classes: int = 80,
    anchors: Sequence[float] = COCO_NINE,
    layers: Sequence[int] = (1, 2, 8, 8, 4),
    width: float = 1.0,
    upsample: str = "Deconvolution",
    detection: bool = False,
    pyramid: Sequence[int] = (5, 9, 13),
    eps: float = 1e-5,
) -> Net:
    """YOLOv3 with spatial pyramid pooling: 1 3 608 608 -> 1 255 19 19, 1 255 38 38 and 1 255 76 76.

    ``pyramid`` gives the odd kernels of the max-poolings behind the coarsest features; the others are YOLOv3's.

    yolov3-spp.cfg of pjreddie/darknet. With the defaults: 62,998,749 learned weights and 70,724,486,144 multiply-adds
    (published: 141.45 BFLOPs, two for each), without the two Deconvolutions' 1,536 fixed weights and 1,109,008
    multiply-adds.
    """
    per_item(1, "yolov3_spp", pyramid=pyramid)
    if not all(each % 2 for each in pyramid):
        raise UsageError(f"yolov3_spp: each of pyramid must be odd, got {shown(pyramid)}")
    return _yolov3("yolov3_spp", "YOLOv3-spp", size, classes, anchors, layers, width, upsample, detection, eps, pyramid)


def yolov3_tiny(
    size: int | tuple[int, int] = 416,
    classes: int = 80,
    anchors: Sequence[float] = COCO_SIX,
    width: float = 1.0,
    upsample: str = "Deconvolution",
    detection: bool = False,
    eps: float = 1e-5,
) -> Net:
    """YOLOv3-tiny: 1 3 416 416 -> 1 255 13 13 and 1 255 26 26, 2,535 boxes of 80 classes.

    The arguments are YOLOv3's, the anchors for two outputs. The last max-pooling keeps the size: a Pooling and a Crop
    (``netgen.blocks.darknet_maxpool``).

    yolov3-tiny.cfg of pjreddie/darknet. With the defaults: 8,852,366 learned weights and 2,782,480,896 multiply-adds
    (published: 5.56 BFLOPs, two for each), without the Deconvolution's 512 fixed weights and 86,528 multiply-adds.
    """
    one_of(UPSAMPLINGS, "yolov3_tiny", upsample=upsample)
    net = _input("yolov3_tiny", "YOLOv3-tiny", size, width, eps, multiple_of=32)
    count = _anchors("yolov3_tiny", anchors, classes, scales=2)

    finer = _tiny_trunk(net, width, eps)
    coarse = darknet_conv(net, scaled(256, width), 1, eps=eps)
    heads = [yolo_head(net, count, classes, channels=scaled(512, width), eps=eps)]
    yolo_route(net.at(coarse), scaled(128, width), finer, upsample=upsample, eps=eps)
    heads.append(yolo_head(net, count, classes, channels=scaled(256, width), eps=eps))
    return _yolo_output(net, heads, anchors, classes) if detection else net


def _yolov3(
    where: str, name: str, size: int | tuple[int, int], classes: int, anchors: Sequence[float], layers: Sequence[int],
    width: float, upsample: str, detection: bool, eps: float, pyramid: Sequence[int] = (),
) -> Net:  # fmt: skip
    one_of(UPSAMPLINGS, where, upsample=upsample)
    per_item(1, where, layers=layers)
    if len(layers) != 5:
        raise UsageError(f"{where}: layers must have 5 items, one for each stage, got {len(layers)}")
    net = _input(where, name, size, width, eps, multiple_of=32)
    count = _anchors(where, anchors, classes, scales=3)

    *_, finest, finer, _ = darknet53_trunk(net, layers, width, eps=eps)
    heads: list[Blob] = []
    for channels, joined in ((512, None), (256, finer), (128, finest)):
        if joined is not None:
            yolo_route(net, scaled(channels, width), joined, upsample=upsample, eps=eps)
        here = yolo_detection(net, scaled(channels, width), pyramid=() if heads else pyramid, eps=eps)
        heads.append(yolo_head(net, count, classes, channels=scaled(2 * channels, width), eps=eps))
        net.at(here)
    net.at(heads[-1])
    return _yolo_output(net, heads, anchors, classes) if detection else net


def _input(where: str, name: str, size: int | tuple[int, int], width: float, eps: float, multiple_of: int = 1) -> Net:
    height, breadth = height_and_width(where, size, multiple_of=multiple_of)
    above_zero(where, width=width, eps=eps)
    return Net(name).input(1, 3, height, breadth)


def _anchors(where: str, anchors: Sequence[float], classes: int, *, scales: int) -> int:
    """The number of anchors of each output."""
    at_least(1, where, classes=classes)
    if not isinstance(anchors, list | tuple) or not anchors or len(anchors) % 2:
        raise UsageError(f"{where}: anchors must be widths and heights in turn, an even number, got {shown(anchors)}")
    for each in anchors:
        above_zero(where, **{"each of anchors": each})
    count, rest = divmod(len(anchors) // 2, scales)
    if rest:
        raise UsageError(
            f"{where}: anchors must be as many for each of {scales} outputs, got {len(anchors) // 2} in all"
        )
    return count


def _tiny_trunk(net: Net, width: float, eps: float) -> Blob:
    """The first seven convolutions of the tiny networks; returns the fifth, N 256 H/16 W/16, and stays at the end."""
    ends = []
    for i in range(6):
        ends.append(darknet_conv(net, scaled(16 * 2**i, width), 3, eps=eps))
        darknet_maxpool(net, 2, 2 if i < 5 else 1)
    darknet_conv(net, scaled(1024, width), 3, eps=eps)
    return ends[4]


def _region_output(net: Net, anchors: Sequence[float], classes: int) -> Net:
    return net.yolo_detection_output(
        num_classes=classes, num_box=len(anchors) // 2, biases=anchors, name="detection_out"
    )


def _yolo_output(net: Net, heads: Sequence[Blob], anchors: Sequence[float], classes: int) -> Net:
    """The forks' decoder; the coarsest head comes first and has the last anchors."""
    boxes = len(anchors) // 2 // len(heads)
    masks = [range(i * boxes, (i + 1) * boxes) for i in reversed(range(len(heads)))]
    return net.yolov3_detection_output(
        heads,
        num_classes=classes,
        num_box=boxes,
        biases=anchors,
        mask=[each for mask in masks for each in mask],
        mask_group_num=len(heads),
        anchors_scale=[32 // 2**i for i in range(len(heads))],
        name="detection_out",
    )
