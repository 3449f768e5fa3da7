"""Layers of C3D on clips, N x C x length x height x width. They have no mirror in PyTorch.

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

    Source: facebook/C3D, C3D-v1.0/src/caffe/layers/convolution3d_layer.cpp.
    """

    messages = ("convolution_param", "convolution3d_param")
    required = ("num_output",)
    weights = 1

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom, windows = _clip(bottoms[0]), self._windows()
        outputs, group = self.fields.get("num_output", 0), self.fields["filter_group"]
        if outputs < 1 or group < 1 or outputs % group:
            raise NetgenError(
                f"num_output must be 1 or more, and a multiple of filter_group, got {outputs}, filter_group={group}"
            )
        self._check_channels(bottom[1], group)
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
        return [weight, (1, 1, 1, 1, outputs)] if self.fields["bias_term"] else [weight]

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(tops[0]) * count(self.weight_shapes(bottoms)[0], 1)

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 2 * self.macs(bottoms, tops) + (count(tops[0]) if self.fields["bias_term"] else 0)

    def _channels(self, channels: int, outputs: int) -> Shape:
        """The first two axes of the weights."""
        return outputs, channels

    def _check_channels(self, channels: int, group: int) -> None:
        """Nothing: each group of filters sees all channels."""

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

    Each size is ``stride (H - 1) + kernel - 2 pad``. Weights: C x num_output/filter_group x kernel_depth x kernel_size
    x kernel_size, and 1 x 1 x 1 x 1 x num_output with ``bias_term``; filter_group must divide the channels too. macs:
    one for each weight of a filter at each input; flops as for Convolution3D.

    Source: facebook/C3D, C3D-v1.0/src/caffe/layers/deconvolution3d_layer.cpp.
    """

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return count(bottoms[0]) * count(self.weight_shapes(bottoms)[0], 1)

    def _channels(self, channels: int, outputs: int) -> Shape:
        return channels, outputs // self.fields["filter_group"]

    def _check_channels(self, channels: int, group: int) -> None:
        if channels % group:
            raise NetgenError(f"the channels must be a multiple of filter_group, got {channels}, filter_group={group}")

    @staticmethod
    def _out(size: int, kernel: int, stride: int, pad: int) -> int:
        return stride * (size - 1) + kernel - 2 * pad


class Pooling3D(_Volume):
    """The maximum or mean of each window over length, height and width.

    Each size is ``ceil((H + 2 pad - kernel) / stride) + 1``; ``pad`` is for AVE and for height and width alone, and no
    window is dropped. flops: the kernel's volume an output.

    Source: facebook/C3D, C3D-v1.0/src/caffe/layers/pool3d_layer.cpp.
    """

    messages = ("pooling_param", "pooling3d_param")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom, fields = _clip(bottoms[0]), self.fields
        if fields["pool"] not in ("MAX", "AVE") or (fields["pad"] and fields["pool"] != "AVE"):
            raise NetgenError(f"pool must be MAX, without a pad, or AVE, got {fields['pool']}, pad={fields['pad']}")
        sizes = [
            -(-(size + 2 * pad - kernel) // stride) + 1
            for size, (kernel, stride, pad) in zip(bottom[2:], self._windows(), strict=True)
        ]
        if min(sizes) < 1:
            raise NetgenError(f"the output would be empty ({text(tuple(sizes))}) for the bottom {text(bottom)}")
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


def _clip(bottom: Shape) -> Shape:
    if len(bottom) != 5:
        raise NetgenError(f"the bottom must have 5 axes, N x C x length x height x width, got {text(bottom)}")
    return bottom


def _check_windows(windows: Sequence[tuple[int, int, int]]) -> None:
    for kernel, stride, _ in windows:
        if kernel < 1 or stride < 1:
            raise NetgenError(f"kernels and strides must be 1 or more, got kernel {kernel}, stride {stride}")
