"""Arithmetic on each value: powers, exponentials, logarithms, thresholds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import SameShape, Shape

if TYPE_CHECKING:
    from torch.nn import Module


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
        from netgen.mirror import arithmetic
        from netgen.mirror.function import Function

        return Function(arithmetic.power, **{name: self.fields[name] for name in ("power", "scale", "shift")})


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
        from netgen.mirror import arithmetic
        from netgen.mirror.function import Function

        return Function(arithmetic.exp, **{name: self.fields[name] for name in ("base", "scale", "shift")})


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
        from netgen.mirror import arithmetic
        from netgen.mirror.function import Function

        return Function(arithmetic.log, **{name: self.fields[name] for name in ("base", "scale", "shift")})


class Threshold(SameShape):
    """1 where x is above the threshold, else 0.

    The top has the bottom's shape. flops: 1 a value. PyTorch: a comparison; its Threshold keeps x.

    Source: Caffe, src/caffe/layers/threshold_layer.cpp.
    """

    messages = ("threshold_param",)

    def per_value(self) -> int:
        return 1

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror import arithmetic
        from netgen.mirror.function import Function

        return Function(arithmetic.above, threshold=self.fields["threshold"])


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
        from netgen.mirror import arithmetic
        from netgen.mirror.function import Function

        return Function(arithmetic.clip, min=self.fields["min"], max=self.fields["max"])


def _check_base(base: float) -> None:
    if base != -1 and not 0 < base < math.inf:
        raise NetgenError(f"base must be above 0, or -1 for e, got {base}")
