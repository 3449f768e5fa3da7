"""What Darknet computes and Caffe has no layers for: netgen's own types, and one of forks.

An imported ``.cfg`` has them only where plain layers do not give the same numbers. No stock Caffe takes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import LayerType, SameShape, Shape, Window, count, legacy_shape, refuse_empty, text, truncated
from netgen.layers.checks import require
from netgen.layers.pooling import check_window

if TYPE_CHECKING:
    from torch.nn import Module


class Local(LayerType):
    """A convolution whose filters are others at each position.

    N x C x H x W becomes N x num_output x h x w with ``h = (H + 2 pad - kernel_size) / stride + 1``, rounded down, and
    ``y[m, l] = b[m, l] + sum over k of x_col[k, l] W[m, 0, k, l]``: l runs over the h w positions row by row, x_col is
    Im2col's (k runs over channel, row, column of the window; zeros beyond the border). Weights:
    num_output x 1 x (C kernel_size^2) x (h w), and with ``bias_term`` 1 x 1 x num_output x (h w). macs: one for each
    value of the first; flops: 2 macs, and 1 an output for the bias. PyTorch: F.unfold and a sum over its columns.

    Darknet stores the weights as (h w, num_output, C, size, size) and the bias as (num_output, h, w).

    Source: caffe-windows and other forks, src/caffe/layers/local_layer.cpp; Darknet, src/local_layer.c,
    forward_local_layer.
    """

    messages = ("local_param",)
    weights = 1
    required = ("num_output", "kernel_size")
    refuses_in_place = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require(self, "num_output", "kernel_size")
        fields = self.fields
        if min(fields["num_output"], fields["kernel_size"], fields["stride"]) < 1:
            raise NetgenError(
                f"num_output, kernel_size and stride must be 1 or more, got {fields['num_output']}, "
                f"{fields['kernel_size']} and {fields['stride']}"
            )
        if len(bottoms[0]) != 4:
            raise NetgenError(f"the bottom must have 4 axes, N x C x H x W, got {text(bottoms[0])}")
        kernel, pad = fields["kernel_size"], fields["pad"]
        if min(bottoms[0][2:]) < kernel:
            raise NetgenError(f"the bottom must be as large as the kernel, got {text(bottoms[0])}, {kernel=}")
        sizes = [(size + 2 * pad - kernel) // fields["stride"] + 1 for size in bottoms[0][2:]]
        return [(bottoms[0][0], fields["num_output"], *sizes)]

    def weight_shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        _, out, *sizes = self.shapes(bottoms)[0]
        weight = (out, 1, bottoms[0][1] * self.fields["kernel_size"] ** 2, count(sizes))
        return [weight, (1, 1, out, count(sizes))] if self.fields["bias_term"] else [weight]

    def fillers(self) -> tuple[str, ...]:
        return ("weight_filler", "bias_filler")

    def macs(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return bottoms[0][0] * count(self.weight_shapes(bottoms)[0])

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 2 * self.macs(bottoms, tops) + (count(tops[0]) if self.fields["bias_term"] else 0)

    def window(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> Window | None:
        return [(self.fields["kernel_size"], self.fields["stride"])] * 2

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.darknet import Local

        weight, *bias = self.weight_shapes(bottoms)
        window = (self.fields[name] for name in ("kernel_size", "stride", "pad"))
        return Local(weight, bias[0] if bias else None, *window)


class DarknetPooling(LayerType):
    """The maximum or mean of each window, where Darknet pads otherwise than Caffe's Pooling can.

    Each size is ``(H + padding - kernel_size) / stride + 1``, truncated: ``padding`` is that of both sides together.
    Window i begins at ``i stride - padding / 2``, rounded down, and covers kernel_size values; those outside the image
    are left out: of the maximum, which is -FLT_MAX where none is left, and of the mean's divisor, too. flops:
    kernel_size^2 an output. PyTorch: F.pad (with -inf, or with zeros and a count of ones beside it) and F.unfold.

    Source: Darknet, src/maxpool_layer.c, forward_maxpool_layer, and AlexeyAB's forward_local_avgpool_layer (AVE).
    """

    messages = ("darknet_pooling_param",)
    required = ("kernel_size",)
    refuses_in_place = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require(self, "kernel_size")
        fields = self.fields
        kernel, stride = (fields["kernel_size"],) * 2, (fields["stride_h"], fields["stride_w"])
        check_window(kernel, stride, (0, 0), fields["pool"])
        if fields["pool"] == "STOCHASTIC":
            raise NetgenError("pool must be MAX or AVE, got STOCHASTIC")
        if len(bottoms[0]) != 4:
            raise NetgenError(f"the bottom must have 4 axes, N x C x H x W, got {text(bottoms[0])}")
        spans = [size + fields["padding"] - kernel[0] for size in bottoms[0][2:]]
        sizes = [truncated(span, step) + 1 for span, step in zip(spans, stride, strict=True)]
        return [(*bottoms[0][:2], *sizes)]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        area: int = self.fields["kernel_size"] ** 2
        return area * count(tops[0])

    def window(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> Window | None:
        kernel = self.fields["kernel_size"]
        return [(kernel, self.fields["stride_h"]), (kernel, self.fields["stride_w"])]

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.darknet import windows
        from netgen.mirror.function import Function

        fields = self.fields
        stride = fields["stride_h"], fields["stride_w"]
        return Function(
            windows, pool=fields["pool"], kernel=fields["kernel_size"], stride=stride, padding=fields["padding"],
            shapes=self.shapes,
        )  # fmt: skip


class DarknetShortcut(LayerType):
    """Adds a blob of another size: every second, third, ... value of a larger one, or a smaller one spread out.

    Bottoms x, N x C x H x W, and y, N x c x h x w; the top is x with ``alpha x + beta y`` in the cells where the two
    meet. With s = h / H and t = H / h, truncated and 1 at least, these are ``x[k, j t, i t]`` and ``y[k, j s, i s]``
    for k < min(C, c), j < min(H, h), i < min(W, w); the other cells of x stay as they are, without alpha. w / W and W /
    w must give the same s and t. flops: 3 for each of those cells. PyTorch: x.clone() and strided slices.

    Source: Darknet, src/blas.c, shortcut_cpu.
    """

    messages = ("darknet_shortcut_param",)
    bottoms = (2, 2)
    refuses_in_place = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        x, y = bottoms
        if len(x) != 4 or len(y) != 4 or x[0] != y[0]:
            raise NetgenError(f"the bottoms must be N x C x H x W with one N, got {text(x)} and {text(y)}")
        refuse_empty(x)
        refuse_empty(y)
        if x[2] // y[2] != x[3] // y[3] or y[2] // x[2] != y[3] // x[3]:
            raise NetgenError(f"height and width must be in one ratio, got {text(x)} and {text(y)}")
        return [x]

    def flops(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> int:
        return 3 * count([min(pair) for pair in zip(*bottoms, strict=True)])

    def window(self, bottoms: Sequence[Shape], tops: Sequence[Shape]) -> Window | None:
        return None

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.darknet import shortcut
        from netgen.mirror.function import Function

        return Function(shortcut, alpha=self.fields["alpha"], beta=self.fields["beta"])


class DarknetLRN(SameShape):
    """Divides by a norm over neighbouring channels, whose window runs as Darknet's does.

    ``y[c] = x[c] S[c]^-beta``, where ``S[0] = k + alpha (x[0]^2 + ... + x[n/2 - 1]^2)`` with n = local_size, and
    ``S[c] = S[c-1] + alpha x[c + n/2]^2 - alpha x[c - (n-1)/2 - 1]^2``, divisions rounded down, leaving out what lies
    outside the channels. So the channel n/2 is never added, and subtracted all the same; and alpha is not divided by n,
    as Caffe's LRN does. The fields are LRN's; Darknet's own defaults are size 5, alpha 1e-4, beta 0.75, kappa (k) 1.
    The top has the bottom's shape, N x C x H x W with n/2 channels at least. flops: 7 a value (square, two products and
    sums, power, product). PyTorch: cumsum over shifted squares.

    Source: Darknet, src/normalization_layer.c, forward_normalization_layer.
    """

    messages = ("lrn_param",)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        size = self.fields["local_size"]
        shape = legacy_shape(bottoms[0])
        if len(bottoms[0]) != 4:
            raise NetgenError(f"the bottom must have 4 axes, N x C x H x W, got {text(bottoms[0])}")
        if size < 1 or size // 2 > shape[1]:
            raise NetgenError(f"local_size must be 1 or more, and half of it the channels at most, got {size}")
        return [bottoms[0]]

    def per_value(self) -> int:
        return 7

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.darknet import running_norm
        from netgen.mirror.function import Function

        size, alpha, beta, k = (self.fields[name] for name in ("local_size", "alpha", "beta", "k"))
        return Function(running_norm, size=size, alpha=alpha, beta=beta, k=k)


class DarknetStair(SameShape):
    """``floor(x / 2)`` where ``n = floor(x)`` is even, else ``x - n + floor(x / 2)``.

    The top has the bottom's shape. flops: 5 a value. It jumps at every even number. PyTorch: torch.floor and
    torch.where.

    Source: Darknet, src/activations.h, stair_activate.
    """

    in_place = True

    def per_value(self) -> int:
        return 5

    def torch(self, bottoms: Sequence[Shape]) -> Module:
        from netgen.mirror.darknet import stair
        from netgen.mirror.function import Function

        return Function(stair)
