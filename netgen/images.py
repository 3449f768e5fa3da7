"""Images from files as networks take them, and arrays as PNG files; needs Pillow, imported when it is called."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from netgen.errors import ParseError, UsageError, needed
from netgen.files import read_bytes, write_file

if TYPE_CHECKING:
    from netgen.layers.base import Array

MAX_PIXELS = 64_000_000
"""The largest image that is read or written: 8,000 x 8,000, which is 192 MB in memory."""
ORDERS = ("BGR", "RGB")
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""What is read: Pillow starts other programs for some of the other formats."""
_MAX_BYTES = 256 * 2**20


def pillow(what: str) -> Any:
    """Pillow's module Image, which ``what`` needs; raises UsageError that tells how to get it."""
    needed("PIL", "images", what, "pillow")
    from PIL import Image

    return Image


def read_image(path: str | os.PathLike[str], *, upright: bool = True) -> Array:
    """An image file as uint8 of shape (H, W, 3), red first; transparency is dropped.

    It is turned as its EXIF says unless ``upright`` is False.

    Raises UsageError where the file cannot be opened or has over ``MAX_PIXELS`` pixels, and ParseError where it is
    empty, damaged, no image, or one of over 8 bits a channel.
    """
    name = os.fspath(path)
    image_module = pillow(name)
    data = read_bytes(name, _MAX_BYTES + 1)
    if not data:
        raise ParseError(name, 0, 0, "the file is empty; give an image")
    if len(data) > _MAX_BYTES:
        raise UsageError(f"{name}: the file has more than {_MAX_BYTES >> 20} MiB; scale the image down")
    with warnings.catch_warnings():
        warnings.simplefilter("error", image_module.DecompressionBombWarning)
        warnings.simplefilter("ignore", UserWarning)  # of odd metadata, which does not matter here
        try:
            return pixels_of(image_module.open(io.BytesIO(data), formats=_FORMATS), name, upright=upright)
        except (image_module.DecompressionBombWarning, image_module.DecompressionBombError):
            raise _too_large(name, "") from None
        except (UsageError, ParseError):
            raise
        except image_module.UnidentifiedImageError:
            raise ParseError(name, 0, 0, f"this is no image of these formats: {', '.join(_FORMATS)}") from None
        except Exception as error:  # decoders raise anything at all over damaged data
            raise ParseError(name, 0, 0, f"the image is damaged: {str(error) or type(error).__name__}") from None


def pixels_of(image: Any, name: str, *, upright: bool) -> Array:
    """What ``read_image`` gives of a Pillow image."""
    from PIL import ImageOps

    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(name, f", {width:,} x {height:,}")
    if image.mode.startswith(("I", "F")):
        raise ParseError(name, 0, 0, f"the image has more than 8 bits a channel (mode {image.mode}); convert it to 8")
    return np.asarray((ImageOps.exif_transpose(image) if upright else image).convert("RGB"), np.uint8)


def _too_large(name: str, size: str) -> UsageError:
    return UsageError(f"{name}: the image has more than {MAX_PIXELS:,} pixels{size}; scale it down")


def resized(image: Array, height: int, width: int) -> Array:
    """An image (H, W, 3) in another size, by Pillow's bilinear filter.

    That averages where it scales down, unlike OpenCV's INTER_LINEAR, which Caffe's own tools use.
    """
    if image.shape[:2] == (height, width):
        return image
    image_module = pillow("resizing an image")
    small = image_module.fromarray(image).resize((width, height), image_module.Resampling.BILINEAR)
    return np.asarray(small, np.uint8)


def to_array(
    image: Array,
    *,
    mean: Array | Sequence[float] | float = 0.0,
    scale: float = 1.0,
    order: str = "BGR",
    channels: int = 3,
) -> Array:
    """What a network takes of an image (H, W, 3): float32 of shape (1, channels, H, W), (pixel - mean) x scale.

    That is Caffe's DataTransformer (data_transformer.cpp, Transform). ``mean`` is one number, one for each channel, or
    an array (channels, H, W), in the order of the channels that ``order`` says; a single channel is the luma
    0.299 R + 0.587 G + 0.114 B. Raises UsageError for another order, number of channels or shape of the mean.

    >>> to_array(np.array([[[10, 20, 30]]], np.uint8), mean=[1, 2, 3], scale=0.5).tolist()
    [[[[14.5]], [[9.0]], [[3.5]]]]
    """
    if order not in ORDERS:
        raise UsageError(f"order: must be one of {', '.join(ORDERS)}, got {order!r}")
    planes = image.transpose(2, 0, 1).astype(np.float32)
    if channels == 1:
        planes = np.rint(np.tensordot(np.array([0.299, 0.587, 0.114]), planes, 1))[None].astype(np.float32)
    elif channels == 3:
        planes = planes[::-1] if order == "BGR" else planes
    else:
        raise UsageError(f"an image has 1 or 3 channels, and the network takes {channels}; give it an array")
    means = np.asarray(mean, np.float32)
    if means.ndim == 1:
        if means.size not in (1, channels):
            several = f" or {channels}, one for each channel" if channels > 1 else ""
            raise UsageError(f"mean: must be 1 number{several}, got {means.size}")
        means = means[:, None, None]
    elif means.ndim and means.shape != planes.shape:
        raise UsageError(f"mean: must be an array of shape {planes.shape} as the image is, got {means.shape}")
    return ((planes - means) * np.float32(scale))[None].astype(np.float32)


def write_png(pixels: Array, path: str | os.PathLike[str]) -> None:
    """Write uint8 of shape (H, W) or (H, W, 3) as a PNG file, whole or not at all; raises UsageError."""
    name = os.fspath(path)
    height, width = pixels.shape[:2]
    if height * width > MAX_PIXELS:
        raise UsageError(f"{name}: the picture would have {width:,} x {height:,} pixels, over {MAX_PIXELS:,}")
    data = io.BytesIO()
    pillow(name).fromarray(pixels).save(data, "PNG")
    write_file(path, data.getvalue())
