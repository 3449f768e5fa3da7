"""Layers that reduce axes to a value or an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import LayerType, Shape, canonical_axis, count, refuse_empty, text

if TYPE_CHECKING:
    from torch.nn import Module


class Reduction(LayerType):
    """The sum, mean, sum of absolute values or of squares over all axes from ``axis`` (0) on.

    The top keeps the axes before ``axis``; with axis 0 it is a single value without axes. flops: 1 a value of the
    bottom for SUM and MEAN, 2 for ASUM and SUMSQ, and 1 an output for MEAN or for a coeff that is not 1. PyTorch:
    torch.sum and torch.mean over several dims.

    Source: Caffe, src/caffe/layers/reduction_layer.cpp.
    """

    messages = ("reduction_param",)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        axis = canonical_axis(self.fields["axis"], bottoms[0])
        if self.fields["operation"] in ("SUM", "MEAN"):
            refuse_empty(bottoms[0], axis)
        return [bottoms[0][:axis]]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        operation = self.fields["operation"]
        scaled = operation == "MEAN" or self.fields["coeff"] != 1
        each = 2 if operation in ("ASUM", "SUMSQ") else 1
        return each * count(bottoms[0]) + (count(tops[0]) if scaled else 0)

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import reduction

        names = ("operation", "axis", "coeff")
        return Function(reduction, **{name: self.fields[name] for name in names})


class ArgMax(LayerType):
    """The positions, or values, of the ``top_k`` (1) largest elements.

    With ``axis`` the top has top_k on it, of positions or (``out_max_val``) values. Without, all but the first axis
    count as one, and the top is N x 1 x top_k, or N x 2 x top_k with ``out_max_val``, and 1 for each axis of the bottom
    after the third. flops: 1 a value of the bottom, a compare. PyTorch: torch.topk; of equal values Caffe takes the
    last.

    Source: Caffe, src/caffe/layers/argmax_layer.cpp.
    """

    messages = ("argmax_param",)
    verb = "argmax"

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom, top_k = bottoms[0], self.fields["top_k"]
        if not bottom:
            raise NetgenError("the bottom must have an axis, got a single value")
        axis = canonical_axis(self.given["axis"], bottom) if "axis" in self.given else None
        most = count(bottom, 1) if axis is None else bottom[axis]
        if not 1 <= top_k <= most:
            where = "after the first axis" if axis is None else f"on axis {axis}"
            raise NetgenError(f"top_k must lie in 1..{most}, the values {where} of {text(bottom)}, got {top_k}")
        if axis is not None:
            return [(*bottom[:axis], top_k, *bottom[axis + 1 :])]
        return [(bottom[0], 2 if self.fields["out_max_val"] else 1, top_k, *[1] * (len(bottom) - 3))]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(bottoms[0])

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.reshaping import argmax

        return Function(
            argmax, top_k=self.fields["top_k"], axis=self.given.get("axis"), out_max_val=self.fields["out_max_val"]
        )
