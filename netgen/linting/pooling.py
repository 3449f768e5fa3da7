"""Rules about the sizes of Pooling, on which the readers of Caffe files disagree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from netgen.layers.base import Shape, text
from netgen.layers.pooling import pooled
from netgen.linting.programs import ROUNDING, with_versions
from netgen.linting.registry import Found, joined, rule

if TYPE_CHECKING:
    from netgen.linting.sites import Site, Sites


class Windows(NamedTuple):
    """The windows of one Pooling layer that rounds as Caffe does by default."""

    site: Site
    bottom: Shape
    top: Shape
    down: Shape
    """The sizes of a reader that rounds down."""
    up: Shape
    """Those of one that rounds up and drops nothing."""
    outside: bool
    """Whether the last window lies beyond the input, on either axis."""


def _windows(site: Site) -> Windows | None:
    """None where the shapes are not known, or one window takes all."""
    if site.kind is None or not site.top_shapes:
        return None
    window = site.kind.window(site.bottom_shapes, site.top_shapes)
    if window is None:
        return None
    bottom, top = site.bottom_shapes[0][2:], site.top_shapes[0][2:]
    (kernel_h, stride_h), (kernel_w, stride_w) = window
    kernel, stride = (kernel_h, kernel_w), (int(stride_h), int(stride_w))
    fields = site.fields
    pad = (fields["pad_h"], fields["pad_w"]) if "pad_h" in site.given else (fields["pad"],) * 2
    axes = list(zip(bottom, top, kernel, stride, pad, strict=True))
    up = tuple(-(-(size + 2 * p - k) // s) + 1 for size, _, k, s, p in axes)
    down = pooled(bottom, kernel, stride, pad, floor=True)
    outside = any((out - 1) * s >= size + p for size, out, _, s, p in axes)
    return Windows(site, bottom, top, down, up, outside)


def _rounds_down(site: Site) -> bool:
    return site.fields["round_mode"] == "FLOOR" or not site.fields["ceil_mode"]


def _rounding_up(net: Sites) -> Iterator[Windows]:
    """The Pooling layers that say nothing of rounding, or say that it is up."""
    for site in net.of("Pooling"):
        windows = _windows(site)
        if windows and not _rounds_down(site):
            yield windows


@rule
def pooling_overhang(net: Sites) -> Found:
    """The last window of a Pooling hangs over the input's edge, so whoever rounds down gets another size.

    Caffe rounds up (pooling_layer.cpp, Reshape); PyTorch, TensorFlow and most chips round down unless told.
    """
    for each in _rounding_up(net):
        if each.top != each.down and not each.outside:
            message = (
                f"its last window hangs over the edge of the {text(each.bottom)} input: Caffe rounds up to "
                f"{text(each.top)}, and what rounds down makes {text(each.down)} and other shapes from there on; "
                "choose a size, kernel_size or pad with which the stride divides evenly"
            )
            yield each.site, message


@rule
def pooling_dropped_window(net: Sites) -> Found:
    """The last window would start in the padding, and Caffe drops it; five of six readers of Caffe files keep it.

    Caffe: pooling_layer.cpp, Reshape. Measured: kernel_size 2, stride 2, pad 1 on 17 is 9 in Caffe and OpenCV, 10 in
    the others.
    """
    for each in _rounding_up(net):
        if each.up != each.top:
            others = joined(with_versions("MNN OpenVINO caffe2onnx X2Paddle MMdnn"))
            message = (
                f"its last window would start in the padding, and Caffe drops it: {text(each.bottom)} becomes "
                f"{text(each.top)}, where {others} make {text(each.up)}; choose a size or a pad with which the stride "
                "divides evenly"
            )
            yield each.site, message


@rule
def pooling_window_outside(net: Sites) -> Found:
    """The last window lies outside the input, as with kernel_size 1 and stride 2 on an even size.

    Caffe rounds up and, without a pad, drops nothing (pooling_layer.cpp): MAX leaves -FLT_MAX there, AVE 0 or NaN.
    """
    for each in _rounding_up(net):
        if each.outside:
            holds = "0 or NaN" if each.site.fields["pool"] == "AVE" else "-FLT_MAX"
            message = (
                f"its last window lies outside the {text(each.bottom)} input: the last values of the {text(each.top)} "
                f"output are {holds}; choose a kernel_size of at least the stride, or an odd size"
            )
            yield each.site, message


@rule
def pooling_rounding_field(net: Sites) -> Found:
    """A Pooling says how it rounds, in a field that most readers do not know, or read as the opposite.

    ``round_mode`` is BVLC master's and ``ceil_mode`` forks'. Both have the number 13, and the same value there means
    down to the one and up to the other, so that a binary file changes its meaning with its reader.
    """
    for site in net.of("Pooling"):
        for name, case in ROUNDING.items():
            if name not in site.given:
                continue
            windows = _windows(site)
            exact = windows is not None and windows.up == windows.down
            if not _rounds_down(site) or exact:
                way_out = "it changes nothing here: remove it"
            else:
                way_out = "choose a size, kernel_size or pad with which the stride divides evenly, and remove it"
            yield site, f"{name} is a field of {case}; {way_out}"
