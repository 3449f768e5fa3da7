"""Layers of networks that were written for OpenVINO, which no public Caffe computes; the mirror does as OpenVINO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import LayerType, Shape, count, legacy_shape, refuse_empty, text

if TYPE_CHECKING:
    from torch.nn import Module


class PriorBoxClustered(LayerType):
    """One default box of each ``width`` and ``height`` at each position of a feature map, and their variances.

    Bottoms: the feature map, H x W, and the image. The top is 1 x 2 x 4 H W P with P widths, and as many heights.
    flops: 8 a box (a sum and a quotient for each corner), 16 with ``clip``. PyTorch has none.

    ``step_w`` and ``step_h``, or else ``step``, are the pixels between positions; where all are 0 the image's size by
    the map's is. ``variance`` is 0.1 where none is given, and one holds for all four numbers. img_size, img_h and img_w
    have no mirror, as some releases take them for the image's size and some do not; further fields are not read.

    Source: OpenVINO, src/core/shape_inference/include/prior_box_clustered_shape_inference.hpp and
    src/core/reference/include/openvino/reference/prior_box_clustered.hpp.
    """

    messages = ("prior_box_param",)
    bottoms = (2, 2)
    required = ("width", "height")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        widths, heights = self.fields["width"], self.fields["height"]
        if not widths or len(widths) != len(heights):
            raise NetgenError(
                f"width and height must be given as often as each other, got {len(widths)}, {len(heights)}"
            )
        refuse_empty(bottoms[0])
        return [(1, 2, 4 * count(legacy_shape(bottoms[0]), 2) * len(widths))]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return (4 if self.fields["clip"] else 2) * tops[0][2]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.detection import PriorBox

        fields = self.fields
        for name in ("img_size", "img_h", "img_w"):
            if fields.get(name):
                raise NetgenError(f"{name} has no mirror, as OpenVINO's releases differ about it; remove it")
        variance = fields["variance"] or (0.1,)
        if len(variance) not in (1, 4):
            raise NetgenError(f"variance must be given once, or 4 times, got {len(variance)} values")
        step = tuple(fields.get(name) or fields.get("step", 0.0) for name in ("step_h", "step_w"))
        return PriorBox(
            list(zip(fields["width"], fields["height"], strict=True)),
            variance,
            step=(step[0], step[1]) if any(step) else None,
            offset=fields["offset"],
            clip=fields["clip"],
        )


class CTCGreedyDecoder(LayerType):
    """The likeliest label of each step of a sequence, without repetitions and blanks, -1 behind the last.

    Bottoms: T x N x classes, of which the last is the blank, and T x N that tells where sequences go on: they end
    before the first 0, which must not be that of the first step, as releases differ about it. The top is N x T x 1 x 1.
    With ``ctc_merge_repeated: false`` repetitions stay. It is not counted. No gradient passes. PyTorch has none.

    Source: OpenVINO, src/core/shape_inference/include/ctc_greedy_decoder_shape_inference.hpp and
    src/core/reference/include/openvino/reference/ctc_greedy_decoder.hpp.
    """

    messages = ("ctc_decoder_param",)
    bottoms = (2, 2)
    counted = False

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        scores, steps = bottoms
        if len(scores) != 3 or steps[:2] != scores[:2] or count(steps, 2) != 1:
            raise NetgenError(f"the bottoms must be T x N x classes and T x N, got {text(scores)} and {text(steps)}")
        refuse_empty(scores)
        return [(scores[1], scores[0], 1, 1)]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.decoding import greedy_labels
        from netgen.mirror.function import ByValue

        return ByValue(greedy_labels, self.shapes, merge=self.fields["ctc_merge_repeated"])
