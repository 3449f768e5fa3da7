"""Activations, which map each value on its own, and Softmax and Dropout."""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import SameShape, Shape, canonical_axis, legacy_shape, refuse_empty, text

if TYPE_CHECKING:
    from torch.nn import Module


class ReLU(SameShape):
    """max(x, 0) + negative_slope * min(x, 0).

    The top has the bottom's shape. flops: 1 a value, 2 with a negative_slope. PyTorch: ReLU, LeakyReLU; of minus
    infinity they make 0 where Caffe, which multiplies it by 0, makes NaN.

    Source: Caffe, src/caffe/layers/relu_layer.cpp.
    """

    messages = ("relu_param",)
    in_place = True
    rectifies = True
    verb = "relu"

    def per_value(self) -> int:
        return 2 if self.fields["negative_slope"] else 1

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from torch import nn

        from netgen.mirror.activation import ReLU

        return nn.LeakyReLU(self.fields["negative_slope"]) if self.fields["negative_slope"] else ReLU()


class PReLU(SameShape):
    """ReLU with a learned slope per channel, or one for all.

    The top has the bottom's shape, which has 2 to 4 axes. Weights: C, or with ``channel_shared`` a single value without
    axes. flops: 2 a value. PyTorch: PReLU, whose single slope has one axis; both begin at 0.25.

    Source: Caffe, src/caffe/layers/prelu_layer.cpp.
    """

    messages = ("prelu_param",)
    in_place = True
    rectifies = True
    verb = "prelu"
    weights = 1
    default_fillers = MappingProxyType({"filler": 0.25})

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if len(bottoms[0]) < 2:
            raise NetgenError(f"the bottom must have 2 axes or more, got {text(bottoms[0])}")
        legacy_shape(bottoms[0])
        refuse_empty(bottoms[0], 1)
        return [bottoms[0]]

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [()] if self.fields["channel_shared"] else [(bottoms[0][1],)]

    def fillers(self) -> tuple[str, ...]:
        return ("filler",)

    def per_value(self) -> int:
        return 2

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.activation import PReLU

        return PReLU(None if self.fields["channel_shared"] else bottoms[0][1])


class ELU(SameShape):
    """x where positive, else alpha * (exp(x) - 1).

    The top has the bottom's shape. flops: 4 a value (compare, exp, subtract, multiply). PyTorch: ELU, which rounds
    otherwise on CPUs.

    Source: Caffe, src/caffe/layers/elu_layer.cpp.
    """

    messages = ("elu_param",)
    in_place = True
    rectifies = True

    def per_value(self) -> int:
        return 4

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.activation import ELU

        return ELU(self.fields["alpha"])


class Sigmoid(SameShape):
    """1 / (1 + exp(-x)).

    The top has the bottom's shape. flops: 4 a value (negate, exp, add, divide). PyTorch: Sigmoid.

    Source: Caffe, src/caffe/layers/sigmoid_layer.cpp.
    """

    messages = ("sigmoid_param",)
    in_place = True

    def per_value(self) -> int:
        return 4

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from torch import nn

        return nn.Sigmoid()


class TanH(SameShape):
    """The hyperbolic tangent.

    The top has the bottom's shape. flops: 5 a value, as 2 / (1 + exp(-2x)) - 1. PyTorch: Tanh.

    Source: Caffe, src/caffe/layers/tanh_layer.cpp.
    """

    messages = ("tanh_param",)
    in_place = True
    verb = "tanh"

    def per_value(self) -> int:
        return 5

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from torch import nn

        return nn.Tanh()


class BNLL(SameShape):
    """log(1 + exp(x)).

    The top has the bottom's shape. flops: 3 a value (exp, add, log). PyTorch: Softplus, which is x itself above 20.

    Source: Caffe, src/caffe/layers/bnll_layer.cpp.
    """

    def per_value(self) -> int:
        return 3

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror import activation
        from netgen.mirror.function import Function

        return Function(activation.bnll)


class Swish(SameShape):
    """x * sigmoid(beta * x).

    The top has the bottom's shape. flops: 5 a value, 6 with a beta that is not 1. PyTorch: SiLU, where beta is 1.

    Source: Caffe, src/caffe/layers/swish_layer.cpp.
    """

    messages = ("swish_param",)
    in_place = True
    rectifies = True

    def per_value(self) -> int:
        return 5 if self.fields["beta"] == 1 else 6

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror import activation
        from netgen.mirror.function import Function

        return Function(activation.swish, beta=self.fields["beta"])


class ReLU6(SameShape):
    """min(max(x, 0), n), where n is 6 by default.

    The top has the bottom's shape. flops: 2 a value, 3 with a negative_slope. PyTorch: ReLU6.

    Source: MobileNet-YOLO and other forks, src/caffe/layers/relu6_layer.cpp.
    """

    messages = ("relu6_param",)
    in_place = True
    rectifies = True
    verb = "relu6"

    def per_value(self) -> int:
        return 3 if self.fields["negative_slope"] else 2

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror import activation
        from netgen.mirror.function import Function

        return Function(activation.relu6, n=self.fields["n"], negative_slope=self.fields["negative_slope"])


class Mish(SameShape):
    """x * tanh(log(1 + exp(x))).

    The top has the bottom's shape. flops: 9 a value: BNLL's 3, TanH's 5, and the product. PyTorch: Mish.

    Source: forks, among them synopsys-caffe, src/caffe/layers/mish_layer.cpp.
    """

    in_place = True
    rectifies = True

    def per_value(self) -> int:
        return 9

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from torch import nn

        return nn.Mish()


class HardSwish(SameShape):
    """x * min(max(x + 3, 0), 6) / 6.

    The top has the bottom's shape. flops: 5 a value. PyTorch: Hardswish.

    Source: forks, among them synopsys-caffe, src/caffe/layers/hard_swish_layer.cpp.
    """

    in_place = True
    rectifies = True

    def per_value(self) -> int:
        return 5

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from torch import nn

        return nn.Hardswish()


class Dropout(SameShape):
    """Zeroes random values in training and scales the others up; the identity in testing.

    With ``scale_train: false`` of py-faster-rcnn's Caffe the values are scaled down by 1 - dropout_ratio in testing,
    and not up in training. The top has the bottom's shape. No flops in TEST, or 1 a value for that scale. PyTorch:
    Dropout.

    Source: Caffe, src/caffe/layers/dropout_layer.cpp.
    """

    messages = ("dropout_param",)
    in_place = True

    def per_value(self) -> int:
        return 0 if self.fields["scale_train"] else 1

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from torch import nn

        from netgen.mirror.activation import UnscaledDropout

        ratio = self.fields["dropout_ratio"]
        if not 0 <= ratio < 1:
            raise NetgenError(f"dropout_ratio must be 0 or more and less than 1, got {ratio}")
        if self.fields["sqrt_scale"]:
            raise NetgenError("sqrt_scale of caffe-windows has no mirror; remove it")
        return nn.Dropout(ratio) if self.fields["scale_train"] else UnscaledDropout(ratio)


class Softmax(SameShape):
    """exp(x), normalized to sum 1 along ``axis`` (1, the channels).

    The top has the bottom's shape. flops: 5 a value (maximum, subtract, exp, sum, divide). PyTorch: Softmax.

    Source: Caffe, src/caffe/layers/softmax_layer.cpp.
    """

    messages = ("softmax_param",)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        axis = canonical_axis(self.fields["axis"], bottoms[0])
        refuse_empty(bottoms[0], axis, axis + 1)
        return [bottoms[0]]

    def per_value(self) -> int:
        return 5

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from torch import nn

        return nn.Softmax(self.fields["axis"])
