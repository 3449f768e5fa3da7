"""Layers that combine blobs, or a blob and weights, value by value."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import LayerType, SameShape, Shape, canonical_axis, count, refuse_empty, text

if TYPE_CHECKING:
    from torch.nn import Module

    from netgen.layers.base import Array


class Eltwise(SameShape):
    """The product, weighted sum or maximum of blobs of one shape.

    The top has the shape that all n bottoms have; nothing is broadcast. ``coeff`` is for SUM, one for each bottom.
    flops: n - 1 a value, and n more for the coeff. PyTorch: +, * and torch.maximum, which broadcast. SORT and
    ``coeff_blob`` of other Caffes are refused. In place, Caffe's SUM loses its first bottom.

    Source: Caffe, src/caffe/layers/eltwise_layer.cpp.
    """

    messages = ("eltwise_param",)
    bottoms = (2, None)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.refuse("coeff_blob")
        operation, coeffs = self.fields["operation"], len(self.fields["coeff"])
        if operation not in ("PROD", "SUM", "MAX"):
            raise NetgenError(f"operation must be PROD, SUM or MAX, got {operation} of another Caffe")
        if coeffs not in (0, len(bottoms)):
            raise NetgenError(f"coeff must be given once for each of the {len(bottoms)} bottoms, got {coeffs}")
        if coeffs and operation == "PROD":
            raise NetgenError("coeff is for SUM, and operation is PROD")
        for i, shape in enumerate(bottoms[1:], 2):
            if shape != bottoms[0]:
                raise NetgenError(
                    f"all bottoms must have one shape, got {text(bottoms[0])} and, as bottom {i}, {text(shape)}"
                )
        return [bottoms[0]]

    def netscope_macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0]) if self.fields["operation"] == "PROD" else 0

    def per_value(self) -> int:
        bottoms = len(self.layer.bottoms)
        return bottoms - 1 + (bottoms if self.fields["operation"] == "SUM" and self.fields["coeff"] else 0)

    def summands(self) -> Sequence[int]:
        return range(len(self.layer.bottoms)) if self.fields["operation"] == "SUM" else ()

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.elementwise import Eltwise

        names, top = self.layer.bottoms, self.layer.tops[0]
        in_place = names.index(top) if top in names else None
        return Eltwise(self.fields["operation"], self.fields["coeff"], in_place)


class Scale(SameShape):
    """Multiplies by factors along some axes, learned or the second bottom; may add a learned bias.

    The top has the first bottom's shape. The factors are laid along its axes from ``axis`` (1) on, with the same
    sizes; none are broadcast but the axes before and after. Weights: the factors, of ``num_axes`` axes (1; -1 is all to
    the end, 0 a single value), unless a second bottom gives them; and with ``bias_term`` as many terms. flops: 1 a
    value, 2 with the bias. PyTorch has none; its BatchNorm's weight and bias are Caffe's Scale after a BatchNorm.

    Source: Caffe, src/caffe/layers/scale_layer.cpp.
    """

    messages = ("scale_param",)
    bottoms = (1, 2)
    in_place = True
    weights = 1
    default_fillers = MappingProxyType({"filler": 1.0})

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        factors = bottoms[1] if len(bottoms) == 2 else self.weight_shapes(bottoms)[0]
        start = check_along(bottoms[0], factors, self.fields["axis"])
        if self.fields["bias_term"]:
            refuse_empty(bottoms[0], start + len(factors))
        return [bottoms[0]]

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        axis, num_axes = self.fields["axis"], self.fields["num_axes"]
        bias = self.fields["bias_term"]
        if len(bottoms) == 2:
            return [learned(bottoms[0], axis, len(bottoms[1]))] if bias else []
        return [learned(bottoms[0], axis, num_axes)] * (2 if bias else 1)

    def fillers(self) -> tuple[str, ...]:
        return ("bias_filler",) if len(self.layer.bottoms) == 2 else ("filler", "bias_filler")

    def netscope_macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0])

    def per_value(self) -> int:
        return 2 if self.fields["bias_term"] else 1

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.elementwise import Scale

        shapes = self.weight_shapes(bottoms)
        bias = shapes.pop() if self.fields["bias_term"] else None
        return Scale(self.fields["axis"], shapes[0] if shapes else None, bias)

    def affine(self, weights: Sequence[Array], bottom: Shape) -> tuple[Array, Array] | None:
        if len(self.layer.bottoms) == 2:
            raise NetgenError("its factors are a blob")
        return _per_channel(self, bottom, weights[0], weights[1] if len(weights) > 1 else weights[0] * 0)


class Bias(SameShape):
    """Adds terms along some axes, learned or the second bottom.

    The top has the first bottom's shape; ``axis``, ``num_axes`` and the weights are as for Scale. flops: 1 a value.
    PyTorch: +, with the terms reshaped.

    Source: Caffe, src/caffe/layers/bias_layer.cpp.
    """

    messages = ("bias_param",)
    bottoms = (1, 2)
    in_place = True
    weights = 1

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        terms = bottoms[1] if len(bottoms) == 2 else self.weight_shapes(bottoms)[0]
        start = check_along(bottoms[0], terms, self.fields["axis"])
        refuse_empty(bottoms[0], start + len(terms))
        return [bottoms[0]]

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if len(bottoms) == 2:
            return []
        return [learned(bottoms[0], self.fields["axis"], self.fields["num_axes"])]

    def fillers(self) -> tuple[str, ...]:
        return ("filler",)

    def per_value(self) -> int:
        return 1

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.elementwise import Bias

        shapes = self.weight_shapes(bottoms)
        return Bias(self.fields["axis"], shapes[0] if shapes else None)

    def affine(self, weights: Sequence[Array], bottom: Shape) -> tuple[Array, Array] | None:
        if len(self.layer.bottoms) == 2:
            raise NetgenError("its terms are a blob")
        return _per_channel(self, bottom, weights[0] * 0 + 1, weights[0])


class Axpy(SameShape):
    """a * x + y with one factor a per image and channel; bottoms a, x, y.

    a is N x C or N x C x 1 x 1, x and y have one shape that begins N x C, and the top has it too. flops: 2 a value.
    PyTorch: torch.addcmul, with a reshaped to broadcast.

    Source: hujie-frank/SENet, src/caffe/layers/axpy_layer.cpp.
    """

    bottoms = (3, 3)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        a, x, y = bottoms
        if min(len(a), len(x)) < 2 or a[:2] != x[:2] or (len(a) == 4 and a[2:] != (1, 1)):
            raise NetgenError(f"the first bottom must be N x C or N x C x 1 x 1, got {text(a)} for {text(x)}")
        if x != y:
            raise NetgenError(f"the second and third bottom must have one shape, got {text(x)} and {text(y)}")
        return [x]

    def per_value(self) -> int:
        return 2

    def summands(self) -> Sequence[int]:
        return (1, 2)

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.elementwise import axpy
        from netgen.mirror.function import Function

        return Function(axpy)


def learned(bottom: Shape, axis: int, num_axes: int) -> Shape:
    """The shape of the weights along ``num_axes`` axes of the bottom, -1 for all of them from ``axis`` on."""
    start = canonical_axis(axis, bottom)
    if num_axes < -1:
        raise NetgenError(f"num_axes must be 0 or more, or -1 for all axes from axis {axis} on, got {num_axes}")
    if start + num_axes > len(bottom):
        raise NetgenError(
            f"num_axes reaches beyond the bottom {text(bottom)}: axis {start} and {num_axes} axes are more than its "
            f"{len(bottom)}"
        )
    return bottom[start:] if num_axes == -1 else bottom[start : start + num_axes]


def check_along(bottom: Shape, factors: Shape, axis: int) -> int:
    """The axis that the first axis of ``factors`` lies along; NetgenError where their sizes are not the bottom's."""
    start = canonical_axis(axis, bottom) if factors else 0
    end = start + len(factors)
    if bottom[start:end] != factors:
        raise NetgenError(
            f"the second bottom must have the sizes of the first from axis {start} on, got {text(factors)} for "
            f"{text(bottom)}; nothing is broadcast" + _way_out(bottom, factors)
        )
    return start


def _way_out(bottom: Shape, factors: Shape) -> str:
    """What to do with the usual mistake: N x C x 1 x 1 after a global pooling."""
    if factors[:2] == bottom[:2] and count(factors, 2) == 1:
        return f" (reshape it to {text(factors[:2])} and use axis: 0)"
    return ""


def _per_channel(layer: LayerType, bottom: Shape, factors: Array, terms: Array) -> tuple[Array, Array]:
    """Factors and terms as they are, where there is one for each channel."""
    if factors.shape != bottom[1:2] or canonical_axis(layer.fields["axis"], bottom) != 1:
        raise NetgenError(f"its weights ({text(factors.shape)}) are not one for each channel of {text(bottom)}")
    return factors, terms
