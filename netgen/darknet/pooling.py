"""Sections that pool: maxpool, local_avgpool, avgpool (src/parser.c, parse_maxpool and so on)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netgen.darknet.convolutions import blur, strides, windows
from netgen.darknet.translation import Value, image_of
from netgen.layers.pooling import pooled

if TYPE_CHECKING:
    from netgen.darknet.cfg import Section
    from netgen.darknet.translation import Image, Translation

Pair = tuple[int, int]
_MOST_PARTS = 4096  # a top for each of them


def maxpool(t: Translation, section: Section, before: Value) -> Value:
    """The maximum of each window, of which the cells outside the image are left out; AlexeyAB's maxpool_depth."""
    if section.flag("maxpool_depth"):
        return _over_depth(t, section, before)
    blurred = section.integer("antialiasing", 0)
    steps = strides(section)
    value = _windows(t, section, before, "MAX", (1, 1) if blurred > 0 else steps)
    return blur(t, section, value, blurred, steps) if blurred > 0 else value


def local_avgpool(t: Translation, section: Section, before: Value) -> Value:
    """AlexeyAB's mean of each window, over the cells inside the image."""
    return _windows(t, section, before, "AVE", strides(section))


def avgpool(t: Translation, section: Section, before: Value) -> Value:
    """The mean of each channel."""
    channels, _, _ = image_of(section, before)
    blob = t.add("Pooling", t.image(before), pool="AVE", global_pooling=True)
    return Value(blob, (channels, 1, 1), channels)


def _windows(t: Translation, section: Section, before: Value, pool: str, steps: Pair) -> Value:
    """Darknet's windows by Caffe's Pooling and a Crop or Slice, or where these cannot by DarknetPooling.

    ``padding`` is that of both sides together; window i begins at ``i stride - padding / 2``.
    """
    channels, height, width = image_of(section, before)
    size = section.integer("size", section.integer("stride", 1, least=1), least=1)
    padding = section.integer("padding", size - 1, least=0)
    shape = (channels, *windows(section, (height, width), padding, size, steps))
    value = Value(t.image(before), shape, channels * shape[1] * shape[2])
    first = _first_windows((height, width), shape[1:], size, steps, padding)
    if first is None or (pool == "AVE" and (first != (0, 0) or padding // 2)):
        stride: dict[str, Any] = {
            key: step for key, step in (("stride_h", steps[0]), ("stride_w", steps[1])) if step > 1
        }
        blob = t.add(
            t.unusual("DarknetPooling"), value.blob, pool=pool, kernel_size=size, padding=padding or (), **stride
        )
        return value._replace(blob=blob)
    return value._replace(blob=_plain(t, value, pool, size, steps, padding // 2, first, (height, width)))


def _first_windows(sides: Pair, outs: tuple[int, ...], size: int, steps: Pair, padding: int) -> Pair | None:
    """Which of the windows of Caffe's Pooling is Darknet's first, down and to the right; None where none is.

    With a pad of the same part before and ``first`` strides more the windows are the same, if there are enough.
    """
    for down in (0, 1):
        for right in (0, 1):
            pads = (padding // 2 + down * steps[0], padding // 2 + right * steps[1])
            if max(pads) >= size:
                continue
            made = pooled(sides, (size, size), steps, pads)
            if made[0] >= outs[0] + down and made[1] >= outs[1] + right:
                return down, right
    return None


def _plain(t: Translation, value: Value, pool: str, size: int, steps: Pair, pad: int, first: Pair, sides: Pair) -> str:
    assert value.shape is not None
    pads = (pad + first[0] * steps[0], pad + first[1] * steps[1])
    made = pooled(sides, (size, size), steps, pads)
    outs = value.shape[1:]
    whole = made == outs and first == (0, 0)
    blob = t.add("Pooling", value.blob, **_pooling(pool, size, steps, pads))
    if whole:
        return blob
    if outs == sides:
        # The image itself says the size to cut out.
        return t.add("Crop", [blob, value.blob], "crop", axis=2, offset=first if first[0] != first[1] else first[:1])
    blob = t.cut(blob, "rows", 2, made[0], first[0], first[0] + outs[0])
    return t.cut(blob, "columns", 3, made[1], first[1], first[1] + outs[1])


def _pooling(pool: str, size: int, steps: Pair, pads: Pair) -> dict[str, Any]:
    fields: dict[str, Any] = {"pool": pool, "kernel_size": size}
    for name, pair, default in (("stride", steps, 1), ("pad", pads, 0)):
        if pair[0] != pair[1]:
            fields |= {f"{name}_h": pair[0], f"{name}_w": pair[1]}
        elif pair[0] != default:
            fields[name] = pair[0]
    return fields


def _over_depth(t: Translation, section: Section, before: Value) -> Value:
    """The maximum over channels g, g + out_channels, ... for each g."""
    channels, height, width = image_of(section, before)
    out = section.integer("out_channels", 1, least=1)
    if channels % out or channels // out > _MOST_PARTS:
        what = f"must divide the channels into {_MOST_PARTS} parts at most"
        raise section.error(f"out_channels {what}, got {out} of {channels} channels", "out_channels")
    shape: Image = (out, height, width)
    value = Value(t.image(before), shape, out * height * width)
    if channels == out:
        return value
    parts = t.split(value.blob, "part", 1, range(out, channels, out))
    return value._replace(blob=t.add("Eltwise", parts, operation="MAX"))
