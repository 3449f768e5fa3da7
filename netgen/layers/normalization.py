"""Layers that normalize by statistics of their input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from netgen.errors import NetgenError
from netgen.layers.base import (
    LayerType,
    SameShape,
    Shape,
    Window,
    canonical_axis,
    count,
    legacy_shape,
    plain,
    refuse_empty,
    text,
)
from netgen.layers.elementwise import Scale

if TYPE_CHECKING:
    from torch.nn import Module

    from netgen.layers.base import Array


class BatchNorm(SameShape):
    """Subtracts the mean and divides by the deviation per channel; has no learned scale.

    The top has the bottom's shape, of 2 axes or more. Weights: C, C and 1, all statistics: the running sums of mean
    and variance, and the factor that both are divided by; so a ``param`` must say ``lr_mult: 0``
    (of three, Caffe does). flops: 2 a value in
    TEST (subtract, multiply). PyTorch's running_mean and running_var are the two divided by the factor, and its
    momentum is 1 - moving_average_fraction; the scale and bias are Caffe's Scale layer. Intel's fused layers
    (use_weight_bias, bias_term, scale_filler) have more weights and are refused.

    Source: Caffe, src/caffe/layers/batch_norm_layer.cpp.
    """

    messages = ("batch_norm_param",)
    in_place = True
    weights = 3
    # Caffe begins with a factor of 0, which divides by the root of eps alone: 316 times what came in. A weights file
    # is to be run, so here the statistics are those of data that need no normalizing.
    fresh_statistics = (0.0, 1.0, 1.0)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        for name in ("use_weight_bias", "bias_term"):
            if self.given.get(name):
                raise NetgenError(f"{name} (Intel) gives the layer more weights; use a Scale layer after it")
        self.refuse("scale_filler")
        if len(bottoms[0]) < 2:
            raise NetgenError(f"the bottom must have 2 axes or more, N x C, got {text(bottoms[0])}")
        refuse_empty(bottoms[0])
        self._check_rates()
        return [bottoms[0]]

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [(bottoms[0][1],), (bottoms[0][1],), (1,)]

    def statistics(self) -> int:
        return 3

    def per_value(self) -> int:
        return 2

    def _check_rates(self) -> None:
        specs = self.layer.params.get("param", ())
        # Three is how older files were written: Caffe sets their lr_mult to 0 (upgrade_proto.cpp, UpgradeNetBatchNorm).
        rates = [spec.get("lr_mult", 1.0) for spec in specs] if len(specs) != 3 else []
        if any(rates):
            raise NetgenError(
                "a param must have lr_mult: 0, as the weights are statistics, got lr_mult "
                f"{', '.join(f'{rate:g}' for rate in rates)}; leave param out"
            )

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        return self._module(bottoms[0])

    def joins(self, after: LayerType, between: Shape) -> bool:
        if not isinstance(after, Scale) or any("name" in spec for spec in after.layer.params.get("param", ())):
            return False
        return after.weight_shapes([between])[0] == between[1:2] and canonical_axis(after.fields["axis"], between) == 1

    def torch_with(self, after: LayerType, bottoms: Sequence[Shape]) -> Module:
        return self._module(bottoms[0], scale=True, bias=bool(after.fields["bias_term"]))

    def _module(self, bottom: Shape, **affine: bool) -> Module:
        from netgen.mirror.normalization import BatchNorm, BatchNorm2d

        kind = BatchNorm2d if len(bottom) == 4 else BatchNorm
        fraction = self.fields["moving_average_fraction"]
        return kind(bottom[1], self.fields["eps"], fraction, self.given.get("use_global_stats"), **affine)

    def affine(self, weights: Sequence[Array], bottom: Shape) -> tuple[Array, Array] | None:
        if not self.given.get("use_global_stats", True):
            raise NetgenError("it normalizes by the statistics of the batch (use_global_stats: false)")
        mean, variance, factor = weights
        inverse = 1 / factor[0] if factor[0] else 0.0
        least = variance * inverse + self.fields["eps"]
        if (least <= 0).any():
            raise NetgenError(f"of {int((least <= 0).sum())} of its {len(least)} channels the variance is below 0")
        factors = least**-0.5
        return factors, -mean * inverse * factors


class BN(SameShape):
    """BatchNorm with learned scale and bias of its own.

    The top has the bottom's shape, of 4 axes at most. Weights, each 1 x C x 1 x 1: PSPNet's fork has slope, bias, mean
    and variance, the last two statistics that need no factor; SegNet's, which ``bn_mode``, ``scale_filler`` and
    ``shift_filler`` give away, has scale and shift alone, with the statistics folded in by ``bn_mode: INFERENCE``.
    flops: 4 a value in TEST, 2 with bn_mode INFERENCE. PyTorch: BatchNorm2d.

    Source: PSPNet, SegNet and other forks, src/caffe/layers/bn_layer.cpp.
    """

    messages = ("bn_param",)
    in_place = True
    verb = "bn_layer"
    own_fields = ("bn_mode", "scale_filler", "shift_filler")
    # The forks leave a scale without a filler at 0, and some the variance: nothing would come out.
    default_fillers = MappingProxyType({"slope_filler": 1.0})
    fresh_statistics = (0.0, 1.0)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        n, _, h, w = legacy_shape(bottoms[0])
        refuse_empty((n, h, w))
        segnet = self._is_segnet()
        pspnet = [name for name in ("slope_filler", "bias_filler", "momentum", "frozen") if name in self.given]
        if segnet and pspnet:
            raise NetgenError(f"{pspnet[0]} is PSPNet's, and {', '.join(segnet)} SegNet's; use those of one")
        return [bottoms[0]]

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [(1, legacy_shape(bottoms[0])[1], 1, 1)] * (2 if self._is_segnet() else 4)

    def fillers(self) -> tuple[str, ...]:
        # SegNet's are not in the schema, and hold unread text.
        return () if self._is_segnet() else ("slope_filler", "bias_filler")

    def new_weights(self) -> list[Mapping[str, Any]]:
        if not self._is_segnet():
            return super().new_weights()
        scale, shift = (plain(self.given.get(name)) for name in ("scale_filler", "shift_filler"))
        return [scale or {"value": 1.0}, shift or {}]

    def statistics(self) -> int:
        return 0 if self._is_segnet() else 2

    def per_value(self) -> int:
        return 2 if self.given.get("bn_mode") in ("INFERENCE", "1") else 4

    def _is_segnet(self) -> list[str]:
        return [name for name in self.own_fields if name in self.given]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.normalization import ForkBatchNorm

        fields = self.fields
        folded = self.given.get("bn_mode") in ("INFERENCE", "1")
        statistics = not self._is_segnet()
        channels = legacy_shape(bottoms[0])[1]
        return ForkBatchNorm(
            channels, fields["eps"], fields["momentum"], statistics=statistics, frozen=fields["frozen"], folded=folded
        )


class LRN(SameShape):
    """Divides by a norm over neighbouring channels or positions.

    The top has the bottom's shape, of 4 axes; local_size is odd. Across channels x / (k + alpha/n sum x^2)^beta with n
    = local_size; within a channel k is 1, and n the area. flops a value: n for the squares and their sum, and 4 across
    channels or 5 within. PyTorch: LocalResponseNorm, for ACROSS_CHANNELS.

    Source: Caffe, src/caffe/layers/lrn_layer.cpp.
    """

    messages = ("lrn_param",)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        size = self.fields["local_size"]
        if size % 2 == 0:
            raise NetgenError(f"local_size must be odd, got {size}")
        if len(bottoms[0]) != 4:
            raise NetgenError(f"the bottom must have 4 axes, N x C x H x W, got {text(bottoms[0])}")
        return [bottoms[0]]

    def netscope_macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0]) * int(self.fields["local_size"])

    def per_value(self) -> int:
        size: int = self.fields["local_size"]
        return size + 4 if self.fields["norm_region"] == "ACROSS_CHANNELS" else size**2 + 5

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from torch import nn

        from netgen.mirror.function import Function
        from netgen.mirror.normalization import within_channel

        size, alpha, beta = (self.fields[name] for name in ("local_size", "alpha", "beta"))
        if self.fields["norm_region"] == "ACROSS_CHANNELS":
            return nn.LocalResponseNorm(size, alpha, beta, self.fields["k"])
        return Function(within_channel, size=size, alpha=alpha, beta=beta)


class MVN(SameShape):
    """Subtracts the mean and divides by the deviation of each image.

    The top is N x C x H x W always: axes that the bottom lacks are 1, and more than 4 are refused. Statistics are over
    H x W, or C x H x W with ``across_channels``. flops: 2 a value, 5 with ``normalize_variance``. PyTorch: InstanceNorm
    adds eps to the variance, Caffe to the deviation.

    Source: Caffe, src/caffe/layers/mvn_layer.cpp.
    """

    messages = ("mvn_param",)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        top = legacy_shape(bottoms[0])
        refuse_empty(top, 1 if self.fields["across_channels"] else 2)
        return [top]

    def window(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> Window | None:
        return None

    def per_value(self) -> int:
        return 5 if self.fields["normalize_variance"] else 2

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.normalization import mean_variance

        names = ("across_channels", "normalize_variance", "eps")
        return Function(mean_variance, **{name: self.fields[name] for name in names})


class Normalize(SameShape):
    """Divides by the L2 norm over channels, or channels and positions, and scales by learned factors.

    The top has the bottom's shape, of 2 to 4 axes. Weights: C, or with ``channel_shared`` a single value without axes.
    flops: 4 a value (square, sum, divide, multiply). PyTorch: torch.nn.functional.normalize takes the larger of norm
    and eps, Caffe adds eps under the root.

    Source: the SSD fork of Caffe, src/caffe/layers/normalize_layer.cpp.
    """

    messages = ("norm_param",)
    weights = 1
    default_fillers = MappingProxyType({"scale_filler": 1.0})

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        if len(bottoms[0]) < 2:
            raise NetgenError(f"the bottom must have 2 axes or more, got {text(bottoms[0])}")
        refuse_empty(legacy_shape(bottoms[0]), 1)
        return [bottoms[0]]

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [()] if self.fields["channel_shared"] else [(bottoms[0][1],)]

    def fillers(self) -> tuple[str, ...]:
        return ("scale_filler",)

    def per_value(self) -> int:
        return 4

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.normalization import Normalize

        across, shared = self.fields["across_spatial"], self.fields["channel_shared"]
        return Normalize(bottoms[0][1], self.fields["eps"], across_spatial=across, channel_shared=shared)
