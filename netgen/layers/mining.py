"""Online hard example mining: R-FCN's losses that tell the loss of each box, and the choice of the boxes to learn.

R-FCN's release computes them on a GPU alone; the mirror does it anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import LayerType, Shape, canonical_axis, legacy_shape, text
from netgen.layers.checks import require
from netgen.layers.loss import SmoothL1Loss, SoftmaxWithLoss

if TYPE_CHECKING:
    from torch.nn import Module


class SoftmaxWithLossOHEM(SoftmaxWithLoss):
    """SoftmaxWithLoss with two more tops: the softmax, and the loss of each label.

    The tops are (), the shape of the scores and that of the labels; the loss of a label that is ignored is 0, and only
    the first top passes a gradient back. flops: as SoftmaxWithLoss. PyTorch: as SoftmaxWithLoss, and
    F.cross_entropy(reduction="none"). ``normalization: PRE_FIXED`` is read by Intel's Caffe, and ends others.

    Source: daijifeng001/caffe-rfcn, src/caffe/layers/softmax_loss_ohem_layer.cpp and .cu.
    """

    tops = (1, 3)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [*super().shapes(bottoms), *bottoms]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        axis = canonical_axis(self.message("softmax_param")["axis"], bottoms[0])
        return self._function("softmax_loss_ohem", axis=axis, **self._labels())


class SmoothL1LossOHEM(SmoothL1Loss):
    """SmoothL1Loss with one more top: the loss of each place.

    The tops are () and N x 1 x H x W of the bottoms. A third bottom weighs the differences. flops: as SmoothL1Loss.
    PyTorch: as SmoothL1Loss with sigma 1; loss_param says what the sum is divided by, which is the places N H W where
    it says nothing. The weights are no factors of the gradient, and only the first top passes one back.

    Source: daijifeng001/caffe-rfcn, src/caffe/layers/smooth_L1_loss_ohem_layer.cpp and .cu.
    """

    messages = ("loss_param",)
    bottoms = (2, 3)
    tops = (1, 2)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        number, _, height, width = legacy_shape(bottoms[0])
        return [*super().shapes(bottoms), (number, 1, height, width)]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        return self._function("smooth_l1_loss_ohem", normalization=self._labels()["normalization"])


class BoxAnnotatorOHEM(LayerType):
    """Keeps the labels and the weights of those ``roi_per_img`` boxes of each image that cost most, and ignores others.

    Bottoms: boxes, N x 5; the loss of each, N; the labels, N; the weights, N x C; more axes must agree in all of them.
    The tops are N x 1 x H x W and N x C x H x W, where H and W are 1 for what has no such axes. It is not counted. No
    gradient passes. PyTorch has none; which of equal losses count Caffe leaves to std::sort, here the first do.

    Source: daijifeng001/caffe-rfcn, src/caffe/layers/box_annotator_ohem_layer.cpp and .cu.
    """

    messages = ("box_annotator_ohem_param",)
    bottoms = (4, 4)
    tops = (2, 2)
    required = ("roi_per_img",)
    counted = False

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require(self, "roi_per_img")
        if self.fields["roi_per_img"] < 1:
            raise NetgenError(f"roi_per_img must be 1 or more, got {self.fields['roi_per_img']}")
        number, _, height, width = legacy_shape(bottoms[0])
        channels = legacy_shape(bottoms[3])[1]
        for shape, size in zip(bottoms, (5, 1, 1, channels), strict=True):
            if legacy_shape(shape) != (number, size, height, width):
                wanted = text((number, size, height, width))
                raise NetgenError(
                    f"its bottoms must have 5, 1, 1 and C channels and agree else, got {text(shape)} for {wanted}"
                )
        return [(number, 1, height, width), (number, channels, height, width)]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import ByValue
        from netgen.mirror.mining import annotate_boxes

        names = ("roi_per_img", "ignore_label")
        return ByValue(annotate_boxes, self.shapes, **{name: self.fields[name] for name in names})
