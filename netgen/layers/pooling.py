"""Layers that reduce windows or regions to one value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import LayerType, Shape, Window, count, legacy_shape, text

if TYPE_CHECKING:
    from torch.nn import Module

Pair = tuple[int, int]


class Pooling(LayerType):
    """The maximum or mean of each window of kernel_size x kernel_size; MAX may give the positions as a second top.

    Each spatial size is ``ceil((H + 2 pad - kernel_size) / stride) + 1``, with ``round_mode: FLOOR`` (BVLC master) or
    ``ceil_mode: false`` (forks) the floor. With any pad, and only then, the last window is dropped if it starts beyond
    the input and the padding before it: if ``(size - 1) stride >= H + pad``. ``global_pooling`` takes the whole image.
    flops: kernel_size^2 an output, of compares (MAX) or additions and the division (AVE), 3 of them for STOCHASTIC;
    windows at the border count in full, the positions nothing. PyTorch's ceil_mode drops a window in the padding also
    where there is none, and AVE divides by the window within the padded input, which is count_include_pad.

    Source: Caffe, src/caffe/layers/pooling_layer.cpp.
    """

    messages = ("pooling_param",)
    tops = (1, 2)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self._check_method()
        kernel, stride, pad = self._window(bottoms[0])
        floor = self._floors()
        sizes = pooled(bottoms[0][2:], kernel, stride, pad, floor=floor)
        if min(sizes) < 0:
            what = f"kernel {text(kernel)}, pad {text(pad)}"
            raise NetgenError(f"the kernel is larger than the padded bottom {text(bottoms[0])}: {what}")
        return [(*bottoms[0][:2], *sizes)] * len(self.layer.tops)

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        kernel = self._window(bottoms[0])[0]
        return (3 if self.fields["pool"] == "STOCHASTIC" else 1) * count(kernel) * count(tops[0])

    def window(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> Window | None:
        kernel, stride, _ = self._window(bottoms[0])
        if self.fields["global_pooling"]:
            return None
        return list(zip(kernel, stride, strict=True))

    def _check_method(self) -> None:
        self.refuse("axis", "pad_3d", "kernel_size_3d", "stride_3d", "kernel_depth", "temporal_stride")
        method = self.fields["pool"]
        if method not in ("MAX", "AVE", "STOCHASTIC"):
            raise NetgenError(f"pool must be MAX, AVE or STOCHASTIC, got {method} of another Caffe")
        if method != "MAX" and len(self.layer.tops) > 1:
            raise NetgenError(f"only MAX has a second top, the positions; pool is {method}")

    def _floors(self) -> bool:
        """Whether sizes round down, which BVLC and the forks say with different fields."""
        by_mode: bool = self.fields["round_mode"] == "FLOOR"
        if "ceil_mode" not in self.given:
            return by_mode
        by_flag = not self.fields["ceil_mode"]
        if "round_mode" in self.given and by_mode != by_flag:
            raise NetgenError("round_mode and ceil_mode say the opposite of each other; give one of them")
        return by_flag

    def _window(self, bottom: Shape) -> tuple[Pair, Pair, Pair]:
        """Kernel, stride and pad as (h, w) (pooling_layer.cpp, LayerSetUp)."""
        if len(bottom) != 4:
            raise NetgenError(f"the bottom must have 4 axes, N x C x H x W, got {text(bottom)}")
        given, fields = self.given, self.fields
        stride, pad = self._pair("stride"), self._pair("pad")
        if fields["global_pooling"]:
            if given.keys() & {"kernel_size", "kernel_h", "kernel_w"}:
                raise NetgenError("global_pooling takes the whole image; leave kernel_size out")
            if pad != (0, 0) or stride != (1, 1):
                raise NetgenError(f"global_pooling needs pad 0, stride 1; got pad {text(pad)}, stride {text(stride)}")
            return (bottom[2], bottom[3]), stride, pad
        both = "kernel_h" in given and "kernel_w" in given
        if ("kernel_size" in given) == both:
            what = "both" if both else "neither"
            raise NetgenError(f"give kernel_size, or kernel_h and kernel_w, got {what} (or global_pooling: true)")
        kernel = (fields["kernel_h"], fields["kernel_w"]) if both else (fields["kernel_size"],) * 2
        check_window(kernel, stride, pad, fields["pool"])
        return kernel, stride, pad

    def _pair(self, name: str) -> Pair:
        h, w = f"{name}_h", f"{name}_w"
        given = [each for each in (name, h, w) if each in self.given]
        if given not in ([], [name], [h, w]):
            raise NetgenError(f"give {name}, or both {h} and {w}, got {' and '.join(given)}")
        return (self.fields[h], self.fields[w]) if h in given else (self.fields[name],) * 2

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.pooling import Pooling

        kernel, stride, pad = self._window(bottoms[0])
        window = None if self.fields["global_pooling"] else kernel
        mask = len(self.layer.tops) > 1
        return Pooling(self.fields["pool"], window, stride, pad, floor=self._floors(), mask=mask)


def check_window(kernel: Pair, stride: Pair, pad: Pair, method: str) -> None:
    """Raise NetgenError for a window that a Pooling layer refuses."""
    if min(kernel) < 1 or min(stride) < 1:
        raise NetgenError(f"kernel and stride must be 1 or more, got kernel {text(kernel)}, stride {text(stride)}")
    if pad != (0, 0) and method == "STOCHASTIC":
        raise NetgenError("pad is for MAX and AVE only, got STOCHASTIC")
    if pad[0] >= kernel[0] or pad[1] >= kernel[1]:
        raise NetgenError(f"pad must be smaller than the kernel, got pad {text(pad)}, kernel {text(kernel)}")


def pooled(sizes: Sequence[int], kernel: Pair, stride: Pair, pad: Pair, *, floor: bool = False) -> Shape:
    """The spatial sizes after pooling.

    >>> pooled((112, 8), (3, 1), (2, 2), (0, 0)), pooled((112, 8), (3, 1), (2, 2), (1, 0))
    ((56, 5), (57, 4))
    """
    outs = []
    for size, k, s, p in zip(sizes, kernel, stride, pad, strict=True):
        span = size + 2 * p - k
        out = (span // s if floor else -(-span // s)) + 1
        # A pad on one axis has Caffe look at both.
        if any(pad) and (out - 1) * s >= size + p:
            out -= 1
        outs.append(out)
    return tuple(outs)


class SPP(LayerType):
    """Spatial pyramid pooling: about 4^level values of each channel, from an input of any size.

    Level i pools with a kernel and stride of ``ceil(H / 2^i)`` and a pad of half of what that exceeds H, rounded up, so
    that there are 2^i windows unless the pad adds one; the pad must be smaller than the kernel, as for Pooling. The
    top is N x (the sum of the levels' values), or the pooled N x C x 1 x 1 if pyramid_height is 1. flops: the kernel's
    area for each value of each level, as for Pooling. PyTorch's adaptive pooling cuts windows of other sizes.

    Source: Caffe, src/caffe/layers/spp_layer.cpp.
    """

    messages = ("spp_param",)
    required = ("pyramid_height",)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom = bottoms[0]
        if len(bottom) != 4 or 0 in bottom[2:]:
            raise NetgenError(f"the bottom must have 4 axes, N x C x H x W, with H and W over 0, got {text(bottom)}")
        levels = [(*bottom[:2], *sizes) for _, _, sizes in self._levels(bottom)]
        if len(levels) == 1:
            return levels
        return [(bottom[0], sum(count(level, 1) for level in levels))]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        method = 3 if self.fields["pool"] == "STOCHASTIC" else 1
        values = sum(count(kernel) * count(sizes) for kernel, _, sizes in self._levels(bottoms[0]))
        return method * values * count(bottoms[0], 0, 2)

    def _levels(self, bottom: Shape) -> list[tuple[Pair, Pair, Shape]]:
        """The kernel, the pad and the output's sizes of each level (spp_layer.cpp, GetPoolingParam)."""
        height = self.fields.get("pyramid_height", 0)
        if height < 1:
            raise NetgenError(f"pyramid_height must be 1 or more, got {self.fields.get('pyramid_height', 'none')}")
        levels = []
        for level in range(height):
            bins = 2**level
            kernel = (-(-bottom[2] // bins), -(-bottom[3] // bins))
            pad = ((kernel[0] * bins - bottom[2] + 1) // 2, (kernel[1] * bins - bottom[3] + 1) // 2)
            try:
                check_window(kernel, kernel, pad, self.fields["pool"])
            except NetgenError as error:
                raise NetgenError(
                    f"level {level} of the pyramid, of {bins}x{bins} windows on {bottom[2]}x{bottom[3]}: {error}"
                ) from None
            levels.append((kernel, pad, pooled(bottom[2:], kernel, kernel, pad)))
        return levels

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.pooling import Pyramid

        return Pyramid(self.fields["pool"], self._levels)


class ROIPooling(LayerType):
    """The maximum of each cell of a grid laid over each region; bottoms are the features and the regions.

    For R regions of (image, x1, y1, x2, y2) the top is R x C x pooled_h x pooled_w. The cost hangs on the regions'
    sizes and is not counted. PyTorch has none; torchvision.ops.roi_pool is the same.

    Source: rbgirshick/caffe-fast-rcnn, src/caffe/layers/roi_pooling_layer.cpp.
    """

    messages = ("roi_pooling_param",)
    bottoms = (2, 2)
    required = ("pooled_h", "pooled_w")
    counted = False

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.refuse("pooled_size")
        h, w = self.fields["pooled_h"], self.fields["pooled_w"]
        if h < 1 or w < 1:
            raise NetgenError(f"pooled_h and pooled_w must be 1 or more, got {h} and {w}")
        return [(legacy_shape(bottoms[1])[0], legacy_shape(bottoms[0])[1], h, w)]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import ByValue
        from netgen.mirror.regions import roi_pool

        names = ("pooled_h", "pooled_w", "spatial_scale")
        return ByValue(roi_pool, self.shapes, **{name: self.fields[name] for name in names})


class PSROIPooling(LayerType):
    """Position-sensitive ROIPooling: each cell takes the mean of its own channels.

    The channels must be output_dim x group_size^2; for R regions the top is R x output_dim x group_size x group_size.
    The cost hangs on the regions' sizes and is not counted. PyTorch has none; torchvision.ops.ps_roi_pool is the same
    but for its rounding of the regions.

    Source: daijifeng001/caffe-rfcn, src/caffe/layers/psroi_pooling_layer.cpp.
    """

    messages = ("psroi_pooling_param",)
    bottoms = (2, 2)
    required = ("spatial_scale", "output_dim", "group_size")
    counted = False

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        out, group = self.fields.get("output_dim", 0), self.fields.get("group_size", 0)
        if out < 1 or group < 1:
            raise NetgenError(f"output_dim and group_size must be 1 or more, got {out} and {group}")
        channels = legacy_shape(bottoms[0])[1]
        if channels != out * group**2:
            raise NetgenError(
                f"the channels must be output_dim x group_size^2, {out} x {group}^2 = {out * group**2}, got {channels}"
            )
        return [(legacy_shape(bottoms[1])[0], out, group, group)]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.function import ByValue
        from netgen.mirror.regions import psroi_pool

        return ByValue(psroi_pool, self.shapes, **{name: self.fields[name] for name in self.required})
