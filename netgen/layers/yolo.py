"""The heads and losses of YOLO in MobileNet-YOLO.

What they compute hangs on the values or on the release: it is not counted. PyTorch has none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import LayerType, Shape, count, legacy_shape, text
from netgen.layers.checks import check_batch, listed, require

if TYPE_CHECKING:
    from torch.nn import Module


class RegionLoss(LayerType):
    """The loss of a YOLOv2 head.

    Bottoms: the head, N x num (coords + 1 + num_class) x side x side, and the boxes, N x 300 x 5 (30 x 5 in older
    releases; the mirror takes any number): label from 0 on, x, y, width and height as fractions of the image, up to a
    box with x or width 0. Neither count is checked when loading, the head may have 4 axes at most. The top is a single
    value, ().

    The mirror has the last release's arithmetic: the value is the sum of the squares of what Backward passes to the
    head, by the batch; the gradient is that itself, by the batch, and no derivative of the value. Nothing is kept from
    one pass to the next but sums for the log. Of the fields it reads num, num_class, biases, bias_match, rescore,
    thresh and the four scales. Earlier releases drew every box to its anchor in the first 12,800 images, which the
    last one has taken out. There is no code for a GPU.

    Source: MobileNet-YOLO, src/caffe/layers/region_loss_layer.cpp.
    """

    messages = ("region_loss_param",)
    bottoms = (2, 2)
    loss = True
    counted = False

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        legacy_shape(bottoms[0])
        return [()]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import ByValue
        from netgen.mirror.yolo_losses import RegionFields, region_loss

        fields, biases = self.fields, _biases(self)
        for name, wanted in _REGION_FIXED.items():
            if fields.get(name, wanted) != wanted:
                raise NetgenError(
                    f"{name} must be {wanted!r} for a mirror, as the fork computes with that whatever the field says, "
                    f"got {fields[name]!r}; remove it"
                )
        if len(biases) < max(fields["num"], 5):
            raise NetgenError(
                f"biases must be given for each of the {fields['num']} boxes, and 10 values at least (the fork takes "
                f"fewer for 0), got {len(fields['biases'])}"
            )
        given = {name: fields[name] for name in RegionFields._fields if name in fields}
        given |= {"classes": fields["num_class"], "biases": biases[: fields["num"]]}
        return ByValue(region_loss, self.shapes, **given)


_REGION_FIXED = {"coords": 4, "softmax": 1, "softmax_tree": "", "class_map": ""}


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


class Yolov3(LayerType):
    """The loss of one YOLOv3 head.

    Bottoms: the head, N x num (5 + num_class) x H x W, and the boxes, N x 300 x 5, whose count is not checked when
    loading (the mirror takes any number): label from 0 on, x, y, width and height as fractions of the image, up to a
    box with x or width 0. The top is a single value, (). ``side`` is not read: the head's width stands for it, and
    older releases want square heads.

    The mirror has the arithmetic of the last release, which has all fields of the schema. The value is the sum of the
    squares of what is written for the head, where ``iou_loss`` is not MSE without the boxes' codes, for which the mean
    of 1 - GIOU, CIOU or DIOU (for IOU too) counts, all by the batch. The gradient is what is written, by the batch,
    and no derivative of the value; with ``use_logic_gradient`` it is multiplied by the sigmoid's slope, which the fork
    takes of the centre's bare codes where ``iou_loss`` is not MSE. ``noobject_scale`` is not read, ``object_scale``
    with use_logic_gradient alone. Nothing is kept from one pass to the next but sums for the log. Earlier releases lack
    label_smooth_eps (0 is theirs), then max_delta, accumulate, iou_thresh (1 is theirs), DIOU and CIOU; they judge
    whether a place has classes by the first one, write the second label's unscaled, and halve the slopes of the sides.
    On a CPU the fork computes this where it was built for nothing else (CPU_ONLY); a GPU takes the sigmoids and leaves
    the rest to the same code, but for releases whose Backward_gpu passes nothing without use_logic_gradient.

    Source: MobileNet-YOLO, src/caffe/layers/yolov3_layer.cpp, src/caffe/util/bbox_util.cpp.
    """

    messages = ("yolov3_param",)
    bottoms = (2, 2)
    loss = True
    counted = False

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

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import ByValue
        from netgen.mirror.yolo_losses import YoloFields, yolo3_loss

        fields, biases = self.fields, _biases(self)
        mask = fields["mask"][: fields["num"]]
        if len(mask) != fields["num"] or max(mask, default=0) >= len(biases):
            raise NetgenError(
                f"mask must name num of the {len(biases)} pairs of biases, got {', '.join(map(str, mask)) or 'none'} "
                f"for num={fields['num']}"
            )
        given = {name: fields[name] for name in YoloFields._fields if name in fields}
        return ByValue(
            yolo3_loss, self.shapes, **given | {"classes": fields["num_class"], "biases": biases, "mask": mask}
        )


class Yolov3DetectionOutput(LayerType):
    """Decodes YOLOv3 heads into detections.

    Bottoms: ``mask_group_num`` (2) heads; with ``gaussian_box`` they are GaussianYolov3's, with a deviation for each
    code of a box. The top is 1 x 1 x D x 7. How many are found hangs on the values: after loading D is 1, and that is
    the shape here. Older releases want square heads.

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
        heads, step = range(len(bottoms)), len(mask) // len(bottoms)
        masks = [mask[i * step : i * step + fields["num_box"]] for i in heads]
        if any(len(each) != fields["num_box"] for each in masks) or max(mask) >= len(biases):
            raise NetgenError(
                f"mask must name num_box of the {len(biases)} pairs of biases for each of the {len(bottoms)} heads, "
                f"got {listed(mask)} for num_box={fields['num_box']}"
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
            gaussian=fields["gaussian_box"],
        )


class YoloSeg(LayerType):
    """The loss of a segmentation head; a third bottom weighs the classes.

    Head and targets must have one batch and as many values; the top is a single value, (). The weights, how many
    places each class has in each image, came with a later release, and are not checked when loading.

    The mirror has the last release's arithmetic: the value is the sum of the squares of what Backward passes to the
    head, by the batch; the gradient is that itself, by the batch: object_scale (sigmoid - target), no derivative of
    the value. With weights a place with a target above 0.5 counts 2 - n / m times, for the n places of its class and
    the m others. Other fields are not read. Nothing is kept from one pass to the next but sums for the log. The last
    release reads this from a GPU's sigmoids, as its code for a CPU alone does not compile, and without weights from a
    pointer that was not set; what it means is what earlier releases compute. One between weighed by n over the places
    of all classes, whatever the target.

    Source: MobileNet-YOLO, src/caffe/layers/yolo_seg.cpp.
    """

    messages = ("yolo_seg_param",)
    bottoms = (2, 3)
    loss = True
    counted = False

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        head, targets = bottoms[:2]
        check_batch(head, targets)
        if count(head) != count(targets):
            raise NetgenError(f"head and targets must have as many values, got {text(head)} and {text(targets)}")
        return [()]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import ByValue
        from netgen.mirror.yolo_losses import segmentation_loss

        for name in ("use_logic_gradient", "use_hardsigmoid"):
            if self.fields[name]:
                raise NetgenError(f"{name} has no mirror, as the fork does nothing about it; remove it")
        return ByValue(segmentation_loss, self.shapes, object_scale=self.fields["object_scale"])


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


class EvalDetection(LayerType):
    """Marks each box of a YOLOv2 head as true or false against the ground truth.

    Bottoms: the head, side^2 num_object (num_class + 5) values for each image; the ground truth, and others that are
    not read. The top is N x (num_class + 4 side^2 num_object): how many boxes of each class there are, and for each
    that was found its label, its score, and whether it is true or false, by label and falling score; 0 behind the last.

    The ground truth is 1 x 1 x G x 8 as AnnotatedData writes it, whose labels begin with 1, or N x 30 x 5: label from 0
    on, x, y, width and height as fractions of the image, up to a box with x 0. Boxes of all classes suppress one
    another from an overlap of ``nms`` on; where that is below 0, its default, none is found at all. What scores 0.005
    is found. A box is true that overlaps its best one of the class by ``threshold`` first, and false where others did
    before, or the class has none; one with too little overlap is neither. ``sqrt`` and ``constriant`` are not read. The
    releases know 5 boxes at each position, whatever num_object says: the mirror takes no other number.

    Source: intel/caffe and Ewenwan/caffe-yolov2, src/caffe/layers/eval_detection_layer.cpp, after yeahkun/caffe-yolo.
    """

    messages = ("eval_detection_param",)
    bottoms = (2, None)
    counted = False

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        fields, head = self.fields, bottoms[0]
        boxes = fields["side"] ** 2 * fields["num_object"]
        values = boxes * (fields["num_class"] + 5)
        if count(head, 1) != values:
            raise NetgenError(
                f"each image must have side^2 num_object (num_class + 5) = {values} values, got {count(head, 1)} "
                f"({text(head)})"
            )
        return [(head[0], fields["num_class"] + 4 * boxes)]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import ByValue
        from netgen.mirror.yolo import eval_detection

        fields, biases, (head, truth) = self.fields, _biases(self), bottoms[:2]
        if fields["num_object"] != 5 or len(biases) < 5:
            raise NetgenError(
                "num_object must be 5 for a mirror, with 10 values of biases, as the fork reads these whatever it "
                f"says, got {fields['num_object']} and {len(fields['biases'])}"
            )
        if len(head) != 4:
            raise NetgenError(f"the head must have 4 axes for a mirror, N x C x H x W, got {text(head)}")
        if truth[:2] + truth[3:] != (1, 1, 8) and (truth[:1] != head[:1] or count(truth, 1) != 150):
            raise NetgenError(
                f"the ground truth must be 1 x 1 x G x 8, or N x 30 x 5 with the head's N, got {text(truth)}"
            )
        return ByValue(
            eval_detection,
            self.shapes,
            classes=fields["num_class"],
            biases=biases[:5],
            threshold=fields["threshold"],
            nms_threshold=fields["nms"],
            score_type=fields["score_type"],
        )
