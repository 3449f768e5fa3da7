"""Layers that map each value on its own, and Softmax and Dropout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import SameShape, Shape, canonical_axis, legacy_shape, refuse_empty, text

if TYPE_CHECKING:
    from torch.nn import Module


class ReLU(SameShape):
    """max(x, 0) + negative_slope * min(x, 0).

    The top has the bottom's shape. flops: 1 a value, 2 with a negative_slope. PyTorch: ReLU, LeakyReLU.

    Source: Caffe, src/caffe/layers/relu_layer.cpp.
    """

    messages = ("relu_param",)
    in_place = True
    verb = "relu"

    def per_value(self) -> int:
        return 2 if self.fields["negative_slope"] else 1

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from torch import nn

        return nn.LeakyReLU(self.fields["negative_slope"]) if self.fields["negative_slope"] else nn.ReLU()


class PReLU(SameShape):
    """ReLU with a learned slope per channel, or one for all.

    The top has the bottom's shape, which has 2 to 4 axes. Weights: C, or with ``channel_shared`` a single value without
    axes. flops: 2 a value. PyTorch: PReLU, whose single slope has one axis; both begin at 0.25.

    Source: Caffe, src/caffe/layers/prelu_layer.cpp.
    """

    messages = ("prelu_param",)
    in_place = True
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

    The top has the bottom's shape. flops: 4 a value (compare, exp, subtract, multiply). PyTorch: ELU.

    Source: Caffe, src/caffe/layers/elu_layer.cpp.
    """

    messages = ("elu_param",)
    in_place = True

    def per_value(self) -> int:
        return 4

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from torch import nn

        return nn.ELU(self.fields["alpha"])


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


class AbsVal(SameShape):
    """The absolute value; refuses to work in place.

    The top has the bottom's shape. flops: 1 a value. PyTorch: torch.abs.

    Source: Caffe, src/caffe/layers/absval_layer.cpp.
    """

    refuses_in_place = True

    def per_value(self) -> int:
        return 1

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        import torch

        from netgen.mirror.function import Function

        return Function(torch.abs)


class Power(SameShape):
    """(shift + scale * x) ^ power.

    The top has the bottom's shape. flops a value: 1 each for a scale and a power that are not 1, and a shift that is
    not 0; none at all where scale or power is 0, for the top is constant then. PyTorch: torch.pow.

    Source: Caffe, src/caffe/layers/power_layer.cpp.
    """

    messages = ("power_param",)

    def per_value(self) -> int:
        power, scale, shift = self.fields["power"], self.fields["scale"], self.fields["shift"]
        if power * scale == 0:
            return 0
        return int(scale != 1) + int(shift != 0) + int(power != 1)

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror import activation
        from netgen.mirror.function import Function

        return Function(activation.power, **{name: self.fields[name] for name in ("power", "scale", "shift")})


class Exp(SameShape):
    """base ^ (shift + scale * x), where base -1 stands for e.

    The top has the bottom's shape; base is above 0, or -1. flops a value: 1 for exp, 1 where scale log(base) is not 1,
    1 where base^shift is not 1. PyTorch: torch.exp.

    Source: Caffe, src/caffe/layers/exp_layer.cpp.
    """

    messages = ("exp_param",)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        _check_base(self.fields["base"])
        return [bottoms[0]]

    def per_value(self) -> int:
        base, scale, shift = self.fields["base"], self.fields["scale"], self.fields["shift"]
        log = 1.0 if base == -1 else math.log(base)
        return 1 + int(scale * log != 1) + int(shift * log != 0)

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror import activation
        from netgen.mirror.function import Function

        return Function(activation.exp, **{name: self.fields[name] for name in ("base", "scale", "shift")})


class Log(SameShape):
    """The logarithm to base of (shift + scale * x), where base -1 stands for e.

    The top has the bottom's shape; base is above 0 and not 1, or -1. flops a value: 1 for log, and 1 each for a scale
    that is not 1, a shift that is not 0, and a base. PyTorch: torch.log.

    Source: Caffe, src/caffe/layers/log_layer.cpp.
    """

    messages = ("log_param",)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        base = self.fields["base"]
        _check_base(base)
        if base == 1:
            raise NetgenError("base must not be 1, whose logarithm is 0")
        return [bottoms[0]]

    def per_value(self) -> int:
        fields = self.fields
        return 1 + int(fields["scale"] != 1) + int(fields["shift"] != 0) + int(fields["base"] != -1)

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror import activation
        from netgen.mirror.function import Function

        return Function(activation.log, **{name: self.fields[name] for name in ("base", "scale", "shift")})


class Threshold(SameShape):
    """1 where x is above the threshold, else 0.

    The top has the bottom's shape. flops: 1 a value. PyTorch: a comparison; its Threshold keeps x.

    Source: Caffe, src/caffe/layers/threshold_layer.cpp.
    """

    messages = ("threshold_param",)

    def per_value(self) -> int:
        return 1

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror import activation
        from netgen.mirror.function import Function

        return Function(activation.above, threshold=self.fields["threshold"])


class Clip(SameShape):
    """x held between min and max.

    The top has the bottom's shape. flops: 2 a value. PyTorch: torch.clamp.

    Source: Caffe, src/caffe/layers/clip_layer.cpp.
    """

    messages = ("clip_param",)
    required = ("min", "max")
    in_place = True

    def per_value(self) -> int:
        return 2

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror import activation
        from netgen.mirror.function import Function

        return Function(activation.clip, min=self.fields["min"], max=self.fields["max"])


class Swish(SameShape):
    """x * sigmoid(beta * x).

    The top has the bottom's shape. flops: 5 a value, 6 with a beta that is not 1. PyTorch: SiLU, where beta is 1.

    Source: Caffe, src/caffe/layers/swish_layer.cpp.
    """

    messages = ("swish_param",)
    in_place = True

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

    def per_value(self) -> int:
        return 5

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from torch import nn

        return nn.Hardswish()


class Dropout(SameShape):
    """Zeroes random values in training and scales the others up; the identity in testing.

    The top has the bottom's shape. No flops in TEST. PyTorch: Dropout.

    Source: Caffe, src/caffe/layers/dropout_layer.cpp.
    """

    messages = ("dropout_param",)
    in_place = True

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from torch import nn

        return nn.Dropout(self.fields["dropout_ratio"])


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


def _check_base(base: float) -> None:
    if base != -1 and not 0 < base < math.inf:
        raise NetgenError(f"base must be above 0, or -1 for e, got {base}")
