"""Layers that multiply with one learned matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import LayerType, Shape, canonical_axis, count, refuse_empty

if TYPE_CHECKING:
    from torch.nn import Module

    from netgen.layers.base import Array


class InnerProduct(LayerType):
    """Each output is a weighted sum of all inputs from ``axis`` (1) on.

    The top keeps the axes before ``axis``, M values of them, and ends with num_output. With K the number of values
    from ``axis`` on, weights: num_output x K, or K x num_output with ``transpose``, and num_output with ``bias_term``.
    macs: M K num_output; flops: 2 macs, and 1 an output for the bias. PyTorch: Linear after a flatten, whose weight is
    that without ``transpose``.

    Source: Caffe, src/caffe/layers/inner_product_layer.cpp.
    """

    messages = ("inner_product_param",)
    required = ("num_output",)
    weights = 1

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        axis = canonical_axis(self.fields["axis"], bottoms[0])
        if self.fields["bias_term"]:
            refuse_empty(bottoms[0], 0, axis)
        return [(*bottoms[0][:axis], _num_output(self))]

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        out = self.fields["num_output"]
        inputs = count(bottoms[0], canonical_axis(self.fields["axis"], bottoms[0]))
        weight = (inputs, out) if self.fields["transpose"] else (out, inputs)
        return [weight, (out,)] if self.fields["bias_term"] else [weight]

    def fillers(self) -> tuple[str, ...]:
        return ("weight_filler", "bias_filler")

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0]) * count(bottoms[0], len(tops[0]) - 1)

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 2 * self.macs(bottoms, tops) + (count(tops[0]) if self.fields["bias_term"] else 0)

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.products import Linear, TransposedLinear, unfilled

        axis = canonical_axis(self.fields["axis"], bottoms[0])
        sizes = count(bottoms[0], axis), self.fields["num_output"]
        if self.fields["transpose"]:
            return TransposedLinear(*sizes, axis, bias=self.fields["bias_term"])
        return unfilled(Linear, *sizes, axis, bias=self.fields["bias_term"])

    def absorbed(self, weights: Sequence[Array], factors: Array, terms: Array) -> list[Array] | None:
        if self.fields["axis"] != 1:
            raise NetgenError("its outputs are not on axis 1")
        weight, *bias = weights
        scaled = weight * (factors if self.fields["transpose"] else factors[:, None])
        return [scaled, bias[0] * factors + terms if bias else terms]


class Embed(LayerType):
    """Looks up a row of the weights for each index.

    The top has the bottom's axes and one more, num_output. Weights: input_dim x num_output, and num_output with
    ``bias_term``. No macs; flops: 1 an output for the bias. PyTorch: Embedding, which has no bias.

    Source: Caffe, src/caffe/layers/embed_layer.cpp.
    """

    messages = ("embed_param",)
    required = ("num_output", "input_dim")
    weights = 1

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if self.fields.get("input_dim", 0) < 1:
            raise NetgenError(f"input_dim must be 1 or more, got {self.fields.get('input_dim', 'none')}")
        if self.fields["bias_term"]:
            refuse_empty(bottoms[0])
        return [(*bottoms[0], _num_output(self))]

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        out = self.fields["num_output"]
        weight = (self.fields["input_dim"], out)
        return [weight, (out,)] if self.fields["bias_term"] else [weight]

    def fillers(self) -> tuple[str, ...]:
        return ("weight_filler", "bias_filler")

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0]) if self.fields["bias_term"] else 0

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.products import Embed

        return Embed(self.fields["input_dim"], self.fields["num_output"], bias=self.fields["bias_term"])


def _num_output(layer: LayerType) -> int:
    out: int = layer.fields.get("num_output", 0)
    if out < 1:
        raise NetgenError(f"num_output must be 1 or more, got {layer.fields.get('num_output', 'none')}")
    return out
