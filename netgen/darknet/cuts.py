"""Pooling and Slice for Darknet: what is read of them later decides which section they become."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netgen.darknet.outgoing import Export, Part, Signs, Window
from netgen.errors import NetgenError
from netgen.layers.base import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netgen.layers.base import Shape
    from netgen.shapes import ShapedLayer


def strides(stride: Sequence[int]) -> dict[str, int]:
    """The keys of a stride down and to the right."""
    return {"stride": stride[0]} if stride[0] == stride[1] else {"stride_x": stride[1], "stride_y": stride[0]}


def pooling(export: Export, shaped: ShapedLayer) -> None:
    """The global mean, or windows that wait for what is cut off them."""
    kind: Any = shaped.kind
    (blob,), top, (bottom,) = shaped.layer.bottoms, shaped.layer.tops[0], shaped.bottoms
    kernel, stride, pad = kind._window(bottom)
    pool, outs = kind.fields["pool"], _sides(shaped.tops[0])
    if pool == "AVE" and kernel == bottom[2:] and pad == (0, 0) and outs == (1, 1):
        export.read(blob)
        export.add("avgpool", top)
        return
    if len(shaped.tops) > 1 or kernel[0] != kernel[1] or pool not in ("MAX", "AVE"):
        found = f"pool: {pool}, kernel {text(kernel)}, {len(shaped.tops)} tops"
        raise NetgenError(f"Darknet pools the maximum or mean of square windows, and gives no positions, got {found}")
    _wait(export, top, Window(blob, pool, kernel, stride, pad, (0, 0), outs))


def _wait(export: Export, top: str, window: Window) -> None:
    """Keep windows until it is known what is cut off them; write them where nothing is."""
    export.later[top] = window
    if top not in export.cut:
        export.index(top)


def crop(export: Export, shaped: ShapedLayer) -> None:
    """The windows of a Pooling that a Crop leaves."""
    window = export.later.get(shaped.layer.bottoms[0])
    if not isinstance(window, Window) or shaped.kind.fields["axis"] not in (2, -2):
        raise NetgenError("Darknet crops its input alone; behind a Pooling a Crop of height and width is its padding")
    offsets = shaped.kind.fields["offset"] or (0,)
    first = (window.first[0] + offsets[0], window.first[1] + offsets[-1])
    if shaped.layer.bottoms[1] == window.source:  # which only says the size
        export.readers[window.source] -= 1
    _wait(export, shaped.layer.tops[0], window._replace(first=first, outs=_sides(shaped.tops[0])))


def slice_(export: Export, shaped: ShapedLayer) -> None:
    """Parts of the channels, or of a Pooling's windows."""
    kind: Any = shaped.kind
    (blob,), (bottom,) = shaped.layer.bottoms, shaped.bottoms
    axis = (kind.fields["axis"] if "slice_dim" not in kind.given else kind.given["slice_dim"]) % len(bottom)
    window, begin = export.later.get(blob), 0
    for top, shape in zip(shaped.layer.tops, shaped.tops, strict=True):
        if isinstance(window, Window) and axis in (2, 3):
            first, side = list(window.first), axis - 2
            first[side] += begin
            _wait(export, top, window._replace(first=(first[0], first[1]), outs=_sides(shape)))
        elif axis == 1:
            export.later[top] = Part(blob, begin, begin + shape[1])
        else:
            raise NetgenError(f"Darknet takes parts of the channels alone, got axis {axis}")
        begin += shape[axis]


def materialize(export: Export, blob: str, what: Window | Part | Signs) -> None:
    """Write the section of a blob that is read now."""
    if isinstance(what, Signs):
        raise NetgenError("Darknet reads signs (Threshold, and Power with scale 2 and shift -1) in a convolution alone")
    if isinstance(what, Part):
        total, size = export.shapes[what.source][1], what.end - what.begin
        if total % size or what.begin % size:
            raise NetgenError(f"reads channels {what.begin} to {what.end} of {total}; Darknet's groups are equal parts")
        export.add("route", blob, layers=export.index(what.source), groups=total // size, group_id=what.begin // size)
        return
    found = pooling_section(export, what)
    if found is None:
        mean = "; the mean counts no padding in Darknet" if what.pool == "AVE" and any(what.pad) else ""
        raise NetgenError(
            f"reads windows {text(what.kernel)} whose padding no Darknet pooling has, got stride {text(what.stride)}, "
            f"pad {text(what.pad)}, {text(what.outs)} of {text(export.shapes[what.source][2:])}{mean}"
        )
    export.read(what.source)
    kind, options = found
    export.add(kind, blob, "blur" if kind == "maxpool" and what.stride == (1, 1) else "", **options)


def pooling_section(export: Export, what: Window) -> tuple[str, dict[str, Any]] | None:
    """The section that pools these windows, and its keys; None where none does."""
    sides = export.shapes[what.source][2:]
    before = {pad - first * step for pad, first, step in zip(what.pad, what.first, what.stride, strict=True)}
    # Darknet's default first, if it gives these windows.
    paddings = sorted((2 * min(before), 2 * min(before) + 1), key=lambda padding: padding != what.kernel[0] - 1)
    for padding in paddings:
        outs = tuple(
            (side + padding - what.kernel[0]) // step + 1 for side, step in zip(sides, what.stride, strict=True)
        )
        exact = what.pool == "MAX" or (what.pad == (0, 0) and padding < 2)
        if len(before) == 1 and padding >= 0 and outs == what.outs and exact:
            options: dict[str, Any] = {"size": what.kernel[0], **strides(what.stride)}
            if padding != what.kernel[0] - 1:
                options["padding"] = padding
            return "maxpool" if what.pool == "MAX" else "local_avgpool", options
    return None


def _sides(shape: Shape) -> tuple[int, int]:
    return shape[2], shape[3]
