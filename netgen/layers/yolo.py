"""The heads and losses of YOLO in MobileNet-YOLO.

What they compute hangs on the values or on the release: it is not counted. PyTorch has none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import LayerType, Shape, count, legacy_shape, text
from netgen.layers.checks import check_batch, require

if TYPE_CHECKING:
    from torch.nn import Module

_OWN_LOSS = (
    "has no mirror, because its gradient is not that of its value, and releases differ in both; give it one: a "
    "subclass of netgen.LayerType with torch(bottoms), or leave the layer out and add the loss in PyTorch"
)


class _OwnGradient:
    """What the losses have in common: Caffe passes back what is written out by hand, no gradient of what it shows."""

    loss = True
    counted = False

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        raise NetgenError(_OWN_LOSS)


class RegionLoss(_OwnGradient, LayerType):
    """The loss of a YOLOv2 head.

    Bottoms: the head, N x num (coords + 1 + num_class) x side x side, and the boxes, N x 300 x 5 (30 x 5 in older
    releases); neither count is checked when loading, the head may have 4 axes at most. The top is a single value, ().

    Source: MobileNet-YOLO, src/caffe/layers/region_loss_layer.cpp.
    """

    messages = ("region_loss_param",)
    bottoms = (2, 2)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        legacy_shape(bottoms[0])
        return [()]


class YoloDetectionOutput(LayerType):
    """Decodes YOLOv2 heads into detections.

    Bottoms: one or two heads, or more that are not read. The top is 1 x 1 x D x 7. How many are found hangs on the
    values: after loading D is 1, and that is the shape here. ``side`` is not read: the head's width stands for it.

    Source: MobileNet-YOLO, src/caffe/layers/yolo_detection_output_layer.cpp.
    """

    messages = ("yolo_detection_output_param",)
    bottoms = (1, None)
    required = ("num_classes",)
    counted = False
    dynamic = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require(self, "num_classes")
        legacy_shape(bottoms[0])
        return [(1, 1, 1, 7)]

    def labels(self) -> tuple[int, int]:
        """They begin with 1; there is no background among them."""
        return self.fields["num_classes"], 1

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import ByValue
        from netgen.mirror.yolo import yolo2_output

        fields = self.fields
        biases = _biases(self)
        if len(biases) < fields["num_box"]:
            raise NetgenError(f"biases must be given for each of the {fields['num_box']} boxes, got {len(biases)}")
        return ByValue(
            yolo2_output,
            self.shapes,
            classes=fields["num_classes"],
            biases=biases[: fields["num_box"]],
            threshold=fields["confidence_threshold"],
            nms_threshold=fields["nms_threshold"],
        )


class Yolov3(_OwnGradient, LayerType):
    """The loss of one YOLOv3 head.

    Bottoms: the head, N x num (5 + num_class) x H x W, and the boxes, N x 300 x 5, whose count is not checked when
    loading. The top is a single value, (). ``side`` is not read: the head's width stands for it, and older releases
    want square heads.

    Source: MobileNet-YOLO, src/caffe/layers/yolov3_layer.cpp.
    """

    messages = ("yolov3_param",)
    bottoms = (2, 2)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        head, boxes = bottoms
        wanted = self.fields["num"] * (5 + self.fields["num_class"])
        _, channels, height, width = legacy_shape(head)
        if count(head, 1) != width * height * wanted:
            raise NetgenError(
                f"the head must have num (5 + num_class) = {wanted} channels, got {channels} ({text(head)})"
            )
        check_batch(head, boxes)
        return [()]


class Yolov3DetectionOutput(LayerType):
    """Decodes YOLOv3 heads into detections.

    Bottoms: ``mask_group_num`` (2) heads. The top is 1 x 1 x D x 7. How many are found hangs on the values: after
    loading D is 1, and that is the shape here.

    Source: MobileNet-YOLO, src/caffe/layers/yolov3_detection_output_layer.cpp.
    """

    messages = ("yolov3_detection_output_param",)
    bottoms = (1, None)
    required = ("num_classes",)
    counted = False
    dynamic = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require(self, "num_classes")
        if self.fields["mask_group_num"] != len(bottoms):
            raise NetgenError(
                f"there must be mask_group_num bottoms, got {len(bottoms)}, "
                f"mask_group_num={self.fields['mask_group_num']}"
            )
        legacy_shape(bottoms[0])
        return [(1, 1, 1, 7)]

    def labels(self) -> tuple[int, int]:
        """They begin with 1; there is no background among them."""
        return self.fields["num_classes"], 1

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import ByValue
        from netgen.mirror.yolo import yolo3_output

        fields, biases, mask = self.fields, _biases(self), self.fields["mask"]
        if fields["gaussian_box"]:
            raise NetgenError("has no mirror for gaussian_box, whose decoding is not known here; remove the field")
        heads, step = range(len(bottoms)), len(mask) // len(bottoms)
        masks = [mask[i * step : i * step + fields["num_box"]] for i in heads]
        if any(len(each) != fields["num_box"] for each in masks) or max(mask) >= len(biases):
            raise NetgenError(
                f"mask must name num_box of the {len(biases)} pairs of biases for each of the {len(bottoms)} heads, "
                f"got {', '.join(map(str, mask)) or 'none'} for num_box={fields['num_box']}"
            )
        if len(fields["anchors_scale"]) < len(bottoms):
            raise NetgenError(f"anchors_scale must be given for each head, got {len(fields['anchors_scale'])}")
        return ByValue(
            yolo3_output,
            self.shapes,
            classes=fields["num_classes"],
            biases=[[biases[place] for place in each] for each in masks],
            scales=fields["anchors_scale"][: len(bottoms)],
            threshold=fields["confidence_threshold"],
            nms_threshold=fields["nms_threshold"],
        )


class YoloSeg(_OwnGradient, LayerType):
    """The loss of a segmentation head; a third bottom weighs the classes.

    Head and targets must have one batch and as many values; the top is a single value, (). The weights came with a
    later release, and are not checked when loading.

    Source: MobileNet-YOLO, src/caffe/layers/yolo_seg.cpp.
    """

    messages = ("yolo_seg_param",)
    bottoms = (2, 3)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        head, targets = bottoms[:2]
        check_batch(head, targets)
        if count(head) != count(targets):
            raise NetgenError(f"head and targets must have as many values, got {text(head)} and {text(targets)}")
        return [()]


class SegmentationEvaluate(LayerType):
    """Compares a segmentation with its ground truth: intersection over union of each class.

    The top is 1 x 1 x 1 x C, with the channels of the second bottom, the ground truth; ``num_classes`` must be given,
    and is not read.

    Source: MobileNet-YOLO, src/caffe/layers/segmentation_evaluate_layer.cpp.
    """

    messages = ("segmentation_evaluate_param",)
    bottoms = (2, 2)
    required = ("num_classes",)
    counted = False
    dynamic = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require(self, "num_classes")
        return [(1, 1, 1, legacy_shape(bottoms[1])[1])]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import ByValue
        from netgen.mirror.yolo import segmentation_evaluate

        return ByValue(segmentation_evaluate, self.shapes, threshold=self.fields["threshold"])


def _biases(layer: LayerType) -> list[tuple[float, float]]:
    """The widths and heights that the boxes begin with."""
    values = layer.fields["biases"]
    return list(zip(values[::2], values[1::2], strict=False))
