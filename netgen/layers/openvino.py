"""Layers of networks that were written for OpenVINO, which no Caffe computes. PyTorch has none of them."""

from __future__ import annotations

from collections.abc import Sequence

from netgen.errors import NetgenError
from netgen.layers.base import LayerType, Shape, count, legacy_shape, refuse_empty, text


class PriorBoxClustered(LayerType):
    """One default box of each ``width`` and ``height`` at each position of a feature map, and their variances.

    Bottoms: the feature map, H x W, and the image. The top is 1 x 2 x 4 H W P with P widths, and as many heights.
    flops: 8 a box (a sum and a quotient for each corner), 16 with ``clip``.

    Source: OpenVINO, src/core/shape_inference/include/prior_box_clustered_shape_inference.hpp.
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


class CTCGreedyDecoder(LayerType):
    """The likeliest label of each step of a sequence, without repetitions and blanks, -1 behind the last.

    Bottoms: T x N x classes, and T x N that tells where sequences go on. The top is N x T x 1 x 1. It is not counted.

    Source: OpenVINO, src/core/shape_inference/include/ctc_greedy_decoder_shape_inference.hpp.
    """

    messages = ("ctc_decoder_param",)
    bottoms = (2, 2)
    counted = False

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        scores, steps = bottoms
        if len(scores) != 3 or steps[:2] != scores[:2] or count(steps, 2) != 1:
            raise NetgenError(f"the bottoms must be T x N x classes and T x N, got {text(scores)} and {text(steps)}")
        return [(scores[1], scores[0], 1, 1)]
