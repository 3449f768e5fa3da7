"""Layers of C3D on clips, N x C x length x height x width.

``kernel_size``, ``stride`` and ``pad`` are those of height and width; ``kernel_depth``, ``temporal_stride`` and
``temporal_pad`` those of the length. C3D 1.0 reads them from ``convolution_param`` and ``pooling_param``, C3D 1.1 from
``convolution3d_param`` and ``pooling3d_param``, and the one that is given holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import LayerType, Shape, check_size, count, text, truncated
from netgen.layers.checks import require

if TYPE_CHECKING:
    from torch.nn import Module

    from netgen.graph import Layer


class _Volume(LayerType):
    """Base of the types whose fields stand in one of two messages."""

    def __init__(self, layer: Layer, phase: str = "TEST") -> None:
        super().__init__(layer, phase)
        newer = self.messages[1]
        if newer in layer.params:
            self.messages, self.given = (newer,), layer.params[newer]


class Convolution3D(_Volume):
    """Slides learned filters over length, height and width.

    Each size is ``(H + 2 pad - kernel) / stride + 1``, divided as C++ does. Weights: num_output x C x kernel_depth x
    kernel_size x kernel_size, whatever ``filter_group``, which must divide num_output, and 1 x 1 x 1 x 1 x num_output
    with ``bias_term``. macs: one for each weight of a filter at each output; flops: 2 macs, and 1 an output for it.
    PyTorch: nn.Conv3d, whose bias has one axis; ``filter_group`` is not its groups, as each group of filters sees all
    channels and the values are those of one group. ``group`` is not read. A GPU's gradients are meant: before C3D 1.0 a
    CPU left those of the channels beyond the first 1 / kernel_depth at 0.

    Source: facebook/C3D, C3D-v1.0/src/caffe/layers/convolution3d_layer.cpp, src/caffe/util/vol2col.cu.
    """

    messages = ("convolution_param", "convolution3d_param")
    required = ("num_output",)
    weights = 1

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom, windows = _clip(bottoms[0]), self._windows()
        outputs = self.fields.get("num_output", 0)
        self._check_outputs(outputs)
        sizes = tuple(self._out(size, *each) for size, each in zip(bottom[2:], windows, strict=True))
        if min(sizes) < 1:
            kernel = text(tuple(each[0] for each in windows))
            raise NetgenError(
                f"the output would be empty ({text(sizes)}) for the bottom {text(bottom)}: kernel {kernel}"
            )
        top = (bottom[0], outputs, *sizes)
        check_size(top, "the top ")
        return [top]

    def fillers(self) -> tuple[str, ...]:
        return ("weight_filler", "bias_filler")

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        outputs = self.fields["num_output"]
        weight = (*self._channels(bottoms[0][1], outputs), *(kernel for kernel, _, _ in self._windows()))
        return [weight, (1, 1, 1, 1, outputs)] if self._has_bias() else [weight]

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0]) * count(self.weight_shapes(bottoms)[0], 1)

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 2 * self.macs(bottoms, tops) + (count(tops[0]) if self._has_bias() else 0)

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.products import Convolution

        weight, *terms = self.weight_shapes(bottoms)
        kernel, stride, pad = zip(*self._windows(), strict=True)
        bias, window = terms[0] if terms else None, (kernel, stride, pad, (1, 1, 1))
        return Convolution(weight, bias, window, group=1, axis=1, transposed=self._transposed)

    _transposed = False

    def _has_bias(self) -> bool:
        return bool(self.fields["bias_term"])

    def _channels(self, channels: int, outputs: int) -> Shape:
        """The first two axes of the weights."""
        return outputs, channels

    def _check_outputs(self, outputs: int) -> None:
        group = self.fields["filter_group"]
        if outputs < 1 or group < 1 or outputs % group:
            raise NetgenError(
                f"num_output must be 1 or more, and a multiple of filter_group, got {outputs}, filter_group={group}"
            )

    def _one(self, name: str, default: int) -> int:
        """The one value of a field that takes one for each axis elsewhere."""
        values = self.fields[name]
        if not isinstance(values, tuple):
            return int(values)
        if len(values) > 1:
            raise NetgenError(f"{name} may be given once, for height and width, got {len(values)} values")
        return values[0] if values else default

    @staticmethod
    def _out(size: int, kernel: int, stride: int, pad: int) -> int:
        return truncated(size + 2 * pad - kernel, stride) + 1

    def _windows(self) -> tuple[tuple[int, int, int], ...]:
        """Kernel, stride and pad of length, height and width."""
        require(self, "kernel_size", "kernel_depth")
        fields = self.fields
        side = self._one("kernel_size", 0), self._one("stride", 1), self._one("pad", 0)
        windows = (fields["kernel_depth"], fields["temporal_stride"], fields["temporal_pad"]), side, side
        _check_windows(windows)
        return windows


class Deconvolution3D(Convolution3D):
    """The transpose of Convolution3D: each input value spreads a filter over the output.

    Each size is ``stride (H - 1) + kernel - 2 pad``. Weights: C x num_output x kernel_depth x kernel_size x
    kernel_size, and 1 x 1 x 1 x 1 x num_output with ``bias_term``, which C3D 1.1 too reads from ``convolution_param``;
    ``filter_group`` is not read. macs: one for each weight of a filter at each input; flops as for Convolution3D.
    PyTorch: nn.ConvTranspose3d, whose bias has one axis.

    Source: facebook/C3D, C3D-v1.0 and C3D-v1.1, src/caffe/layers/deconvolution3d_layer.cpp.
    """

    _transposed = True

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(bottoms[0]) * count(self.weight_shapes(bottoms)[0], 1)

    def _has_bias(self) -> bool:
        return bool(self.message("convolution_param")["bias_term"])

    def _channels(self, channels: int, outputs: int) -> Shape:
        return channels, outputs

    def _check_outputs(self, outputs: int) -> None:
        if outputs < 1:
            raise NetgenError(f"num_output must be 1 or more, got {outputs}")

    @staticmethod
    def _out(size: int, kernel: int, stride: int, pad: int) -> int:
        return stride * (size - 1) + kernel - 2 * pad


class Pooling3D(_Volume):
    """The maximum or mean of each window over length, height and width.

    Each size is ``ceil((H + 2 pad - kernel) / stride) + 1``; ``pad`` is for AVE and for height and width alone, and no
    window is dropped. flops: the kernel's volume an output. PyTorch's ceil_mode drops a window that begins beyond the
    bottom, where MAX is -FLT_MAX here and AVE 0 or NaN. The gradient of MAX goes to every value that equals the
    maximum, in PyTorch to one. AVE divides by the window within the padded input, which is count_include_pad.

    Source: facebook/C3D, C3D-v1.0/src/caffe/layers/pool3d_layer.cpp.
    """

    messages = ("pooling_param", "pooling3d_param")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom, fields = _clip(bottoms[0]), self.fields
        if fields["pool"] not in ("MAX", "AVE") or (fields["pad"] and fields["pool"] != "AVE"):
            raise NetgenError(f"pool must be MAX, without a pad, or AVE, got {fields['pool']}, pad={fields['pad']}")
        sizes = pooled_volume(bottom[2:], self._windows())
        if min(sizes) < 1:
            raise NetgenError(f"the output would be empty ({text(sizes)}) for the bottom {text(bottom)}")
        return [(*bottom[:2], *sizes)]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0]) * count([kernel for kernel, _, _ in self._windows()])

    def _windows(self) -> tuple[tuple[int, int, int], ...]:
        """Kernel, stride and pad of length, height and width."""
        require(self, "kernel_size", "kernel_depth")
        fields = self.fields
        side = fields["kernel_size"], fields["stride"], fields["pad"]
        windows = (fields["kernel_depth"], fields["temporal_stride"], 0), side, side
        _check_windows(windows)
        return windows

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.volumes import VolumePooling

        return VolumePooling(self.fields["pool"], self._windows())


def pooled_volume(sizes: Sequence[int], windows: Sequence[tuple[int, int, int]]) -> Shape:
    """Length, height and width after Pooling3D, by the kernel, stride and pad of each.

    >>> pooled_volume((16, 7, 112), [(1, 1, 0), (2, 2, 0), (2, 2, 1)])
    (16, 4, 57)
    """
    return tuple(
        -(-(size + 2 * pad - kernel) // stride) + 1 for size, (kernel, stride, pad) in zip(sizes, windows, strict=True)
    )


def _clip(bottom: Shape) -> Shape:
    if len(bottom) != 5:
        raise NetgenError(f"the bottom must have 5 axes, N x C x length x height x width, got {text(bottom)}")
    return bottom


def _check_windows(windows: Sequence[tuple[int, int, int]]) -> None:
    for kernel, stride, _ in windows:
        if kernel < 1 or stride < 1:
            raise NetgenError(f"kernels and strides must be 1 or more, got kernel {kernel}, stride {stride}")
