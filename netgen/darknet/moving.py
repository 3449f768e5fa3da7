"""Sections that move values: upsample, reorg, reorg3d, crop (src/parser.c, parse_upsample and so on)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netgen.darknet.translation import Value, image_of

if TYPE_CHECKING:
    from netgen.darknet.cfg import Section
    from netgen.darknet.translation import Image, Translation


_MOST_STRIDE = 64  # a top for each cell of a block


def upsample(t: Translation, section: Section, before: Value) -> Value:
    """Each value repeated stride x stride times, times ``scale``; with a negative stride blocks are summed."""
    channels, height, width = image_of(section, before)
    stride, scale = section.integer("stride", 2), section.number("scale", 1.0)
    if stride == 0:
        raise section.error("stride must not be 0", "stride")
    step, filler = abs(stride), {"type": "constant", "value": scale}
    sides = (height * step, width * step) if stride > 0 else (height // step, width // step)
    if min(sides) < 1:
        raise section.error(f"sums blocks of {step}x{step}, larger than the {height}x{width} it reads", "stride")
    shape = (channels, *sides)
    value = Value(t.image(before), shape, channels * sides[0] * sides[1])
    if t.forks and stride > 0 and scale == 1:
        return value._replace(blob=t.add(t.unusual("Upsample"), value.blob, scale=step))
    blob = t.add(
        "Deconvolution" if stride > 0 else "Convolution", value.blob, num_output=channels, kernel_size=step,
        stride=step, group=channels, bias_term=False, weight_filler=filler,
    )  # fmt: skip
    t.fixed[f"{blob}:0"] = ((channels, 1, step, step), (scale,))
    return value._replace(blob=blob)


def reorg(t: Translation, section: Section, before: Value) -> Value:
    """Darknet's own reordering: the values are taken for c/s^2 channels of s h x s w before blocks become channels.

    ``extra`` appends zeros to the flat values, ``flatten`` puts the channels last (src/reorg_layer.c).
    """
    channels, height, width = image_of(section, before)
    step, extra = _block(section), section.integer("extra", 0, least=0)
    reverse, flatten = section.flag("reverse"), section.flag("flatten")
    if extra:
        zeros = t.add("DummyData", [], "zeros", shape={"dim": (1, extra)})
        return Value(t.add("Concat", [t.vector(before), zeros]), None, before.outputs + extra, flat=True)
    shape = _reorganised(section, before.shape or (0, 0, 0), step, reverse)
    blob = t.image(before)
    if flatten:
        blob = _flattened(t, blob, (channels, height, width), shape, reverse)
    elif step > 1 and t.forks:
        blob = t.add(t.unusual("Reorg"), blob, stride=step, reverse=reverse or ())
    elif step > 1 and reverse:
        blob = _spread(t, blob, (channels, height, width), step)
    elif step > 1:
        blob = t.reshape(blob, "as", channels // step**2, height * step, width * step)
        blob = _gathered(t, blob, channels // step**2, height * width, step)
        blob = t.reshape(blob, "", *shape)
    return before._replace(blob=blob, shape=shape, flat=False)


def _block(section: Section) -> int:
    stride = section.integer("stride", 1, least=1)
    if stride > _MOST_STRIDE:
        raise section.error(f"stride must be {_MOST_STRIDE} at most, got {stride}", "stride")
    return stride


def _reorganised(section: Section, shape: Image, step: int, reverse: bool) -> Image:
    channels, height, width = shape
    if channels % step**2:
        raise section.error(f"stride^2 must divide the channels, got {channels} channels, stride={step}", "stride")
    if reverse:
        return channels // step**2, height * step, width * step
    if height % step or width % step:
        raise section.error(f"stride must divide height and width, got {height}x{width}, stride={step}", "stride")
    return channels * step**2, height // step, width // step


def reorg3d(t: Translation, section: Section, before: Value) -> Value:
    """AlexeyAB's plain space to depth: channel (dy s + dx) c + k."""
    channels, height, width = shape = image_of(section, before)
    step, reverse = _block(section), section.flag("reverse")
    if step == 1:
        return before
    if reverse:
        new = _reorganised(section, shape, step, reverse)
        return before._replace(blob=_spread(t, t.image(before), shape, step), shape=new, flat=False)
    if height % step or width % step:
        raise section.error(f"stride must divide height and width, got {height}x{width}, stride={step}", "stride")
    new = (channels * step**2, height // step, width // step)
    blob = _gathered(t, t.image(before), channels, new[1] * new[2], step)
    return before._replace(blob=t.reshape(blob, "", *new), shape=new, flat=False)


def _gathered(t: Translation, blob: str, channels: int, places: int, step: int) -> str:
    """Blocks of step x step as channels, the place in the block before the channel; the positions in one row.

    Im2col puts the channel first, so its parts are put together anew.
    """
    columns = t.add("Im2col", blob, "columns", kernel_size=step, stride=step)
    rows = t.reshape(columns, "rows", channels, step**2, places)
    return t.add("Concat", t.split(rows, "cell", 2, range(1, step**2)), "cells", axis=1)


def _spread(t: Translation, blob: str, shape: Image, step: int) -> str:
    """Channels as blocks of step x step, the place in the block before the channel."""
    channels, height, width = shape
    rest = channels // step**2
    cells = t.split(blob, "cell", 1, range(rest, channels, rest))
    lines = []
    for row in range(step):
        parts = [
            t.reshape(cell, f"column{row * step + i}", rest * height, width, 1)
            for i, cell in enumerate(cells[row * step : (row + 1) * step])
        ]
        line = t.add("Concat", parts, f"row{row}", axis=3)
        lines.append(t.reshape(line, f"line{row}", rest * height, 1, width * step))
    return t.reshape(t.add("Concat", lines, "lines", axis=2), "", rest, height * step, width * step)


def _flattened(t: Translation, blob: str, shape: Image, new: Image, reverse: bool) -> str:
    """The values with the channels last, or from there back, under the sizes of reorg (src/blas.c, flatten)."""
    channels, height, width = shape
    if reverse:
        blob = t.reshape(blob, "last", height, width, channels)
        blob = t.add(t.unusual("Permute"), blob, "permuted", order=(0, 3, 1, 2))
    else:
        blob = t.add(t.unusual("Permute"), blob, "permuted", order=(0, 2, 3, 1))
    return t.reshape(blob, "", *new)


def crop(t: Translation, section: Section, before: Value) -> Value:
    """The middle of the image, and 2 x - 1 of it unless noadjust=1 (src/crop_layer.c, forward_crop_layer)."""
    channels, height, width = image_of(section, before)
    rows, columns = section.integer("crop_height", 1, least=1), section.integer("crop_width", 1, least=1)
    if rows > height or columns > width:
        raise section.error(f"cuts {rows}x{columns} out of {height}x{width}, which is smaller", "crop_height")
    top, left = (height - rows) // 2, (width - columns) // 2
    blob = t.cut(t.image(before), "rows", 2, height, top, top + rows)
    blob = t.cut(blob, "columns", 3, width, left, left + columns)
    if not section.flag("noadjust"):
        blob = t.add("Power", blob, scale=2, shift=-1)
    return Value(blob, (channels, rows, columns), channels * rows * columns)
