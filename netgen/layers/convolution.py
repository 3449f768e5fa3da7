"""Convolutions, and the rearrangement that makes matrix products of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import (
    INT_MAX,
    LayerType,
    Shape,
    Window,
    canonical_axis,
    check_size,
    count,
    legacy_shape,
    text,
    truncated,
)

if TYPE_CHECKING:
    from torch.nn import Module

    from netgen.layers.base import Array

# Fields of 3-D convolutions of other Caffes (C3D, video-caffe), and of Intel's fused layers, which take more bottoms.
_FOREIGN = ("kernel_depth", "temporal_stride", "temporal_pad", "filter_group", "shape_offset", "fusion_type")


class Convolution(LayerType):
    """Slides learned filters over the spatial axes, those after ``axis`` (1, the channels).

    Each spatial size is ``(H + 2 pad - (dilation (kernel_size - 1) + 1)) / stride + 1``, divided as C++ does, to 0:
    a window larger than the padded input by less than the stride still gives 1. Several bottoms share the weights.
    Weights: num_output x C/group x kernel, and num_output with ``bias_term``. macs: one for each weight of a filter at
    each output; flops: 2 macs, and 1 an output for the bias. PyTorch rounds down, which differs only where a size
    would be negative. ``hole``, ``hole_h`` and ``hole_w`` (DeepLab) are the dilation. Caffe unrolls one image into a
    column of C x kernel x output values, which must not exceed 2^31 - 1.

    Source: Caffe, src/caffe/layers/base_conv_layer.cpp and conv_layer.cpp.
    """

    messages = ("convolution_param",)
    implied: Mapping[str, int] = {"stride": 1, "pad": 0, "dilation": 1}
    bottoms: tuple[int, int | None] = (1, None)
    tops: tuple[int, int | None] = (1, None)
    same_count = True
    required: tuple[str, ...] = ("num_output",)
    weights = 1

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom = bottoms[0]
        axis = canonical_axis(self.fields["axis"], bottom)
        kernel, stride, pad, dilation = self._window(len(bottom) - axis - 1)
        self._check_channels(bottoms, axis)
        spatial = [*map(self._out, bottom[axis + 1 :], kernel, stride, pad, dilation)]
        if spatial and min(spatial) < 1:
            sizes = f"kernel {text(kernel)}, pad {text(pad)}, dilation {text(dilation)}"
            if self._transposed:
                raise NetgenError(
                    f"the output would be empty ({text(tuple(spatial))}) for the bottom {text(bottom)}: {sizes}"
                )
            raise NetgenError(f"the kernel is larger than the padded bottom {text(bottom)}: {sizes}")
        top = (*bottom[:axis], self.fields["num_output"], *spatial)
        # The filters' side of the matrix product, whatever the group, and the positions of the smaller side.
        channels, smaller = (top[axis], bottom) if self._transposed else (bottom[axis], top)
        column = channels * prod(kernel), *smaller[axis + 1 :]
        if not 0 < prod(column) <= INT_MAX:
            check_size(top, "the top ")
            check_size(column, "Caffe's column buffer ")
        return [top] * len(bottoms)

    def fillers(self) -> tuple[str, ...]:
        return ("weight_filler", "bias_filler")

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        axis = canonical_axis(self.fields["axis"], bottoms[0])
        kernel = self._window(len(bottoms[0]) - axis - 1)[0]
        out, group = self.fields["num_output"], self.fields["group"]
        channels = bottoms[0][axis]
        weight = (channels, out // group, *kernel) if self._transposed else (out, channels // group, *kernel)
        return [weight, (out,)] if self.fields["bias_term"] else [weight]

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        # Each output is made of one filter's values, and transposed each input meets as many.
        values = sum(map(prod, bottoms if self._transposed else tops))
        return values * prod(self.weight_shapes(bottoms)[0][1:])

    def window(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> Window | None:
        if len(bottoms[0]) != 4 or self.fields["axis"] not in (1, -3):
            return None
        kernel, stride, _, dilation = self._window(2)
        sizes = zip(kernel, stride, dilation, strict=True)
        if self._transposed:
            # An output lies under this many of the spread filters, and there are ``stride`` of them for each input.
            return [(-(-(d * (k - 1) + 1) // s), Fraction(1, s)) for k, s, d in sizes]
        return [(d * (k - 1) + 1, s) for k, s, d in sizes]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        bias = sum(map(prod, tops)) if self.fields["bias_term"] else 0
        return 2 * self.macs(bottoms, tops) + bias

    _transposed = False
    _windows: tuple[Shape, Shape, Shape, Shape] | None = None

    @staticmethod
    def _out(size: int, kernel: int, stride: int, pad: int, dilation: int) -> int:
        room = size + 2 * pad - (dilation * (kernel - 1) + 1)
        return room // stride + 1 if room >= 0 else truncated(room, stride) + 1

    def _check_channels(self, bottoms: Sequence[Shape], axis: int) -> None:
        fields = self.fields
        if "num_output" not in fields:
            raise NetgenError("num_output is required and was not given")
        out, group, channels = fields["num_output"], fields["group"], bottoms[0][axis]
        if out < 1 or group < 1:
            raise NetgenError(f"num_output and group must be 1 or more, got num_output={out}, group={group}")
        if out % group:
            raise NetgenError(f"num_output must be a multiple of group, got num_output={out}, group={group}")
        if channels % group:
            raise NetgenError(f"the channels of the bottom must be a multiple of group, got {channels}, group={group}")
        for shape in bottoms[1:]:
            if shape != bottoms[0]:
                raise NetgenError(f"all bottoms must have one shape, got {text(bottoms[0])} and {text(shape)}")

    def _window(self, axes: int) -> tuple[Shape, Shape, Shape, Shape]:
        """kernel_size, stride, pad and dilation for each spatial axis (base_conv_layer.cpp, LayerSetUp)."""
        if self._windows is not None and len(self._windows[0]) == axes:
            return self._windows
        self.refuse(*_FOREIGN)
        given = self.given
        kernel = self._per_axis("kernel_size", ("kernel_h", "kernel_w"), axes)
        stride = self._per_axis("stride", ("stride_h", "stride_w"), axes)
        pad = self._per_axis("pad", ("pad_h", "pad_w"), axes)
        dilation = self._per_axis("dilation", (), axes)
        if not given.keys().isdisjoint(("hole", "hole_h", "hole_w")):
            if axes != 2 or "dilation" in given:
                raise NetgenError("hole is the dilation of 2-D convolutions; give dilation alone")
            hole = given.get("hole", 1)
            dilation = given.get("hole_h", hole), given.get("hole_w", hole)
        for name, sizes in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
            if sizes and min(sizes) < 1:
                raise NetgenError(f"{name} must be 1 or more, got {text(sizes)}")
        self._windows = kernel, stride, pad, dilation
        return self._windows

    def _per_axis(self, name: str, pair: tuple[str, ...], axes: int) -> Shape:
        given = self.given
        values: Shape = given.get(name, ())
        if pair and (pair[0] in given or pair[1] in given):
            if values:
                raise NetgenError(f"either {name} or {pair[0]} and {pair[1]} may be given, not both")
            if axes != 2:
                raise NetgenError(f"{pair[0]} and {pair[1]} are for 2 spatial axes, and the bottom has {axes}")
            # One of pad_h and pad_w leaves the other 0; one alone of the others is refused, as 0.
            return given.get(pair[0], 0), given.get(pair[1], 0)
        if not values and name in self.implied:
            return (self.implied[name],) * axes
        if len(values) == 1:
            return values * axes
        if len(values) != axes:
            raise NetgenError(
                f"{name} must be given once, or once for each of the {axes} spatial axes, got {len(values)}"
            )
        return values

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.products import MODULES, Convolution, unfilled

        axis = canonical_axis(self.fields["axis"], bottoms[0])
        axes = len(bottoms[0]) - axis - 1
        window = self._window(axes)
        bias = bool(self.fields["bias_term"])
        reaches = [d * (k - 1) + 1 for k, d in zip(window[0], window[3], strict=True)]
        small = any(size + 2 * p < r for size, p, r in zip(bottoms[0][axis + 1 :], window[2], reaches, strict=True))
        if axis == 1 and len(bottoms) == 1 and (self._transposed, axes) in MODULES and (self._transposed or not small):
            kernel, stride, pad, dilation = window
            channels, out, group = bottoms[0][1], self.fields["num_output"], self.fields["group"]
            kind = MODULES[self._transposed, axes]
            return unfilled(kind, channels, out, kernel, stride, pad, dilation=dilation, groups=group, bias=bias)
        weight, *terms = self.weight_shapes(bottoms)
        return Convolution(
            weight, terms[0] if terms else None, window,
            group=self.fields["group"], axis=axis, transposed=self._transposed,
        )  # fmt: skip

    def absorbed(self, weights: Sequence[Array], factors: Array, terms: Array) -> list[Array] | None:
        if self.fields["axis"] != 1 or len(self.layer.bottoms) != 1:
            raise NetgenError("its channels are not on axis 1, or it has several bottoms")
        weight, *bias = weights
        if self._transposed:
            groups = weight.reshape(group := self.fields["group"], -1, *weight.shape[1:])
            scaled = (groups * factors.reshape(group, 1, -1, *[1] * (weight.ndim - 2))).reshape(weight.shape)
        else:
            scaled = weight * factors.reshape(-1, *[1] * (weight.ndim - 1))
        return [scaled, bias[0] * factors + terms if bias else terms]


class Deconvolution(Convolution):
    """The transpose of Convolution: each input value spreads a filter over the output.

    Each spatial size is ``stride (H - 1) + dilation (kernel_size - 1) + 1 - 2 pad``. Weights: C x num_output/group x
    kernel, and num_output with ``bias_term``. macs: one for each weight of a filter at each input; flops as for
    Convolution.

    Source: Caffe, src/caffe/layers/deconv_layer.cpp.
    """

    _transposed = True

    def darknet_macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        # Darknet's operations() passes over [deconvolutional], and over [upsample], which this is in plain Caffe.
        return 0

    @staticmethod
    def _out(size: int, kernel: int, stride: int, pad: int, dilation: int) -> int:
        return stride * (size - 1) + dilation * (kernel - 1) + 1 - 2 * pad


class DepthwiseConvolution(Convolution):
    """Convolution with one filter per channel, written with group = num_output = channels.

    Shapes, weights and cost are Convolution's, and so are the numbers on a CPU; the CUDA code of these forks is right
    for one filter per channel alone.

    Source: yonghenglh6/DepthwiseConvolution and MobileNet-YOLO, src/caffe/layers/depthwise_conv_layer.cpp.
    """


class ConvolutionDepthwise(Convolution):
    """Convolution with one filter per channel; num_output and group are not read.

    Sizes as for Convolution with group = num_output = C, of 4 axes always. Weights: C x 1 x kernel, and C with
    ``bias_term``. macs: one for each weight of a filter at each output; flops: 2 macs, and 1 an output for the bias.
    A missing stride is 1 and a missing pad 0 here, where some of these forks read beyond the field.

    Source: farmingyard/caffe-mobilenet, src/caffe/layers/conv_dw_layer.cpp.
    """

    bottoms = (1, 1)
    tops = (1, 1)
    same_count = False
    required = ()

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        n, c, *sizes = legacy_shape(bottoms[0])
        window = self._window(2)
        return [(n, c, *(self._out(size, *each) for size, *each in zip(sizes, *window, strict=True)))]

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        channels = legacy_shape(bottoms[0])[1]
        weight = (channels, 1, *self._window(2)[0])
        return [weight, (channels,)] if self.fields["bias_term"] else [weight]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.products import MODULES, unfilled

        channels = legacy_shape(bottoms[0])[1]
        kernel, stride, pad, dilation = self._window(2)
        kind, bias = MODULES[False, 2], bool(self.fields["bias_term"])
        return unfilled(kind, channels, channels, kernel, stride, pad, dilation=dilation, groups=channels, bias=bias)


class Im2col(Convolution):
    """Copies each window of a convolution into a column.

    The channels become C x kernel values, the spatial sizes are those of Convolution. No weights, and nothing is
    computed. PyTorch: torch.nn.functional.unfold, which also flattens the spatial axes.

    Source: Caffe, src/caffe/layers/im2col_layer.cpp.
    """

    bottoms = (1, 1)
    tops = (1, 1)
    same_count = False
    required = ()
    weights = 0

    def window(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> Window | None:
        return None

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom = bottoms[0]
        axis = canonical_axis(self.fields["axis"], bottom)
        if axis == len(bottom) - 1:
            raise NetgenError(f"there must be a spatial axis after the channels, got axis={axis} of {text(bottom)}")
        window = self._window(len(bottom) - axis - 1)
        sizes = (self._out(size, *each) for size, *each in zip(bottom[axis + 1 :], *window, strict=True))
        return [(*bottom[:axis], bottom[axis] * count(window[0]), *sizes)]

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return []

    def fillers(self) -> tuple[str, ...]:
        return ()

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 0

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 0

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import Function
        from netgen.mirror.products import columns

        axis = canonical_axis(self.fields["axis"], bottoms[0])
        return Function(columns, window=self._window(len(bottoms[0]) - axis - 1), axis=axis)
