"""Pictures as arrays, and their resizing by the rules of the programs that detectors were trained with."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netgen.errors import NetgenError, UsageError
from netgen.fields import shown
from netgen.images import pillow, pixels_of, read_image

Pixels = NDArray[np.uint8]
Planes = NDArray[np.float32]
Places = NDArray[np.int32]

_VALUES: Planes = (np.arange(256) / 255.0).astype(np.float32)


def read_pixels(image: Any) -> Pixels:
    """A picture as H x W x 3 bytes, red first: of a file, of a PIL image, or of such an array.

    Grey becomes three equal channels, and a camera's note of how it was held is not followed, as Darknet does it.
    Raises as ``netgen.images.read_image`` does, and UsageError for what is no picture.
    """
    if isinstance(image, np.ndarray):
        return _checked_array(image)
    if isinstance(image, str | os.PathLike):
        return read_image(image, upright=False)
    if isinstance(image, pillow("the image").Image):
        return pixels_of(image, "the image", upright=False)
    raise UsageError(f"an image must be a file's name, a PIL image or an array, got {shown(image)}")


def _checked_array(array: NDArray[Any]) -> Pixels:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        shape = " x ".join(map(str, array.shape))
        raise UsageError(
            f"an image as an array must be H x W x 3 of uint8, red first, got {shape} of {array.dtype}; a prepared "
            "input must be 1 x C x H x W of floats"
        )
    return np.ascontiguousarray(array)


def fitted(width: int, height: int, net_width: int, net_height: int) -> tuple[int, int]:
    """Width and height of a picture that is scaled into a network's input (image.c, letterbox_image).

    >>> fitted(100, 60, 416, 416)
    (416, 249)
    """
    if np.float32(net_width) / np.float32(width) < np.float32(net_height) / np.float32(height):
        inside = net_width, height * net_width // width
    else:
        inside = width * net_height // height, net_height
    if 0 in inside:
        raise NetgenError(
            f"an image of {width} x {height} scaled into {net_width} x {net_height} would be {inside[0]} x {inside[1]}"
            "; cut it, or resize it by warp"
        )
    return inside


def darknet_resize(pixels: Pixels, width: int, height: int) -> Planes:
    """A picture of H x W x 3 bytes in another size, as 3 x height x width values from 0 to 1 (image.c, resize_image).

    First columns, then rows, each between two neighbours, float32 in every step; corners stay corners. As in Darknet
    the last row is what 1 - dy leaves of one row alone: nearly 0 where float32 puts it just before the picture's end.
    """
    rows, columns = pixels.shape[:2]
    upper, below = _darknet_places(rows, height)
    place, share = _darknet_places(columns, width)
    read, at = np.unique(np.concatenate([upper, np.minimum(upper + 1, rows - 1)]), return_inverse=True)
    first, second = at[:height], at[height:]
    planes = _VALUES[pixels[read].transpose(2, 0, 1)]
    part = (1 - share) * planes[:, :, place] + share * planes[:, :, np.minimum(place + 1, columns - 1)]
    part[:, :, width - 1] = planes[:, :, columns - 1]
    resized: Planes = (1 - below)[:, None] * part[:, first]
    if rows > 1:
        resized[:, :-1] += below[:-1, None] * part[:, second[:-1]]
    return resized


def _darknet_places(before: int, after: int) -> tuple[NDArray[np.int64], Planes]:
    """For each new place the old one before it, and the part of the way to the next."""
    # A single new place is the last one, whose step Darknet finds by a division by 0 and never uses for columns.
    step = np.float32(before - 1) / np.float32(after - 1) if after > 1 else np.float32(0)
    exact = np.arange(after, dtype=np.float32) * step
    whole = exact.astype(np.int64)
    return whole, exact - whole.astype(np.float32)


def opencv_resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """A picture of H x W x C bytes in another size, linearly, as OpenCV has it (resize.cpp, INTER_LINEAR of bytes).

    The centres of pixels decide. Weights are whole 2048ths, and what they make is cut off as there: the same bytes.
    """
    top, bottom, weights = _opencv_places(pixels.shape[0], height)
    left, right, shares = _opencv_places(pixels.shape[1], width, columns=True)
    upper, lower = (
        (pixels[rows][:, left] * shares[0][:, None] + pixels[rows][:, right] * shares[1][:, None]) >> 4
        for rows in (top, bottom)
    )
    first, second = (each[:, None, None] for each in weights)
    return (((first * upper >> 16) + (second * lower >> 16) + 2) >> 2).clip(0, 255).astype(np.uint8)


def _opencv_places(before: int, after: int, *, columns: bool = False) -> tuple[Places, Places, tuple[Places, Places]]:
    """For each new place the two old ones, and their weights in 2048ths."""
    exact = ((np.arange(after) + 0.5) * (before / after) - 0.5).astype(np.float32)
    whole = np.floor(exact).astype(np.int32)
    part = exact - whole.astype(np.float32)
    if columns:  # at the edges; rows keep their parts, of one row twice
        part[(whole < 0) | (whole >= before - 1)] = 0
    weights = tuple(np.rint(each * np.float32(2048)).astype(np.int32) for each in (1 - part, part))
    return whole.clip(0, before - 1), (whole + 1).clip(0, before - 1), (weights[0], weights[1])
