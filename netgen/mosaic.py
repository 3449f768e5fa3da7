"""Arrays as pictures: the channels of a blob and the filters of a layer side by side, a vector as bars."""

from __future__ import annotations

from math import ceil, isqrt
from typing import TYPE_CHECKING

import numpy as np

from netgen.errors import UsageError
from netgen.images import MAX_PIXELS
from netgen.layers.base import text

if TYPE_CHECKING:
    from netgen.layers.base import Array

NORMALISE = ("each", "all")
_WIDTH = 512
_GAP = 6
_BAR_HEIGHT = 160
_BARS = 16_384
_NOT_FINITE = (230, 0, 60)
_BAR, _PAPER = (46, 105, 168), 255


def blob_picture(blob: Array, normalise: str = "each", gap: int | None = None, zoom: int | None = None) -> Array:
    """The first item of a blob as uint8 pixels of shape (H, W) or (H, W, 3).

    The channels of N C H W are tiles; a blob N C, or N C 1 1, is a bar for each value from 0 up or down; a blob of
    three axes is one tile. Raises UsageError for another one, which has no channels of two axes.
    """
    item = blob[0] if blob.ndim else blob
    if item.ndim == 3 and item.shape[1:] == (1, 1):
        item = item.reshape(-1)
    if item.ndim == 1 and 0 < item.size <= _BARS:
        return bars(item)
    if item.ndim not in (2, 3) or not item.size:
        raise UsageError(f"a blob of shape {text(blob.shape)} cannot be drawn: it must be N C H W, N H W or N C")
    return mosaic(tiles(item if item.ndim == 3 else item[None], normalise), gap, zoom)


def weight_picture(
    weight: Array, normalise: str = "each", order: str = "BGR", gap: int | None = None, zoom: int | None = None
) -> Array:
    """The filters of a layer as uint8 pixels of shape (H, W) or (H, W, 3).

    Filters over three channels are tiles in colour, of channels in ``order``, each with one darkest and one brightest
    value; of all others every slice (output, input) is a tile. A matrix, also one of 1x1 filters, is one tile with an
    output in each row; a vector is bars. Raises UsageError for another shape.
    """
    if weight.ndim == 4 and weight.shape[2:] == (1, 1):
        weight = weight[:, :, 0, 0]
    if weight.ndim == 4 and weight.shape[1] == 3 and weight.size:
        coloured = tiles(weight, normalise).transpose(0, 2, 3, 1)
        return mosaic(coloured[..., ::-1] if order == "BGR" else coloured, gap, zoom)
    if weight.ndim == 4:
        weight = weight.reshape(-1, *weight.shape[2:])
    return blob_picture(weight[None], normalise, gap, zoom)


def tiles(maps: Array, normalise: str = "each") -> Array:
    """Maps (n, ...) as uint8: the least value is 0, the greatest 255, of each map or of all together.

    What is all one value is 0. Maps (n, H, W) with values that are not finite become (n, H, W, 3), these in red.

    >>> maps = np.array([[[0.0, 1.0]], [[2.0, 4.0]]])
    >>> tiles(maps).tolist(), tiles(maps, "all").tolist()
    ([[[0, 255]], [[0, 255]]], [[[0, 64]], [[128, 255]]])
    """
    if normalise not in NORMALISE:
        raise UsageError(f"normalise: must be one of {', '.join(NORMALISE)}, got {normalise!r}")
    values = maps.astype(np.float64)
    finite = np.isfinite(values)
    axes = None if normalise == "all" else tuple(range(1, maps.ndim))
    least = np.min(values, axes, keepdims=True, where=finite, initial=np.inf)
    with np.errstate(invalid="ignore"):
        span = np.max(values, axes, keepdims=True, where=finite, initial=-np.inf) - least
        levels = np.where(finite & (span > 0), (values - least) / np.where(span > 0, span, 1.0), 0.0)
    pixels: Array = np.rint(levels * 255).astype(np.uint8)
    if finite.all() or maps.ndim != 3:
        return pixels
    coloured = np.repeat(pixels[..., None], 3, axis=3)
    coloured[~finite] = _NOT_FINITE
    return coloured


def mosaic(tiled: Array, gap: int | None = None, zoom: int | None = None) -> Array:
    """Tiles (n, H, W) or (n, H, W, 3) row by row in a square grid, as wide as it is high or a row less high.

    Every value is ``zoom`` pixels wide and high, by default as many as make the picture about 512 pixels wide, 1 at
    least; between tiles are ``gap`` white pixels, by default as many as a value has, 6 at most. Raises UsageError for a
    picture over ``MAX_PIXELS``.
    """
    count, height, width = tiled.shape[:3]
    columns = isqrt(count - 1) + 1
    rows = ceil(count / columns)
    zoom = zoom or max(1, _WIDTH // (columns * (width + 1)))
    gap = min(zoom, _GAP) if gap is None else gap
    high, wide = height * zoom, width * zoom
    size = (rows * (high + gap) - gap, columns * (wide + gap) - gap)
    if size[0] * size[1] > MAX_PIXELS:
        shape = f"{size[1]:,} x {size[0]:,}"
        raise UsageError(f"the picture would have {shape} pixels, over {MAX_PIXELS:,}; take a smaller input or zoom")
    out = np.full((*size, *tiled.shape[3:]), _PAPER, np.uint8)
    for i in range(count):
        top, left = i // columns * (high + gap), i % columns * (wide + gap)
        out[top : top + high, left : left + wide] = tiled[i].repeat(zoom, 0).repeat(zoom, 1)
    return out


def bars(values: Array) -> Array:
    """A vector as bars from 0 up or down, pixels (H, W, 3); a grey line is 0, and what is not finite is red."""
    values = values.astype(np.float64)
    finite = np.isfinite(values)
    shown = np.where(finite, values, 0.0)
    low, high = min(0.0, float(shown.min())), max(0.0, float(shown.max()))
    unit = (_BAR_HEIGHT - 1) / ((high - low) or 1.0)
    zero = round(high * unit)
    width = max(1, min(16, _WIDTH * 2 // values.size))
    out = np.full((_BAR_HEIGHT, values.size * width, 3), _PAPER, np.uint8)
    out[zero] = 160
    for i, end in enumerate(np.rint((high - shown) * unit).astype(int)):
        left = i * width
        right = left + max(1, width - 1)
        if not finite[i]:
            out[:, left:right] = _NOT_FINITE
        elif end != zero:
            out[min(end, zero) : max(end, zero) + 1, left:right] = _BAR
    return out
