"""From an image to the input of a network, as the network's own ``transform_param`` says or as a user does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from netgen.caffemodel import load_mean
from netgen.errors import NetgenError, UsageError
from netgen.fields import shown
from netgen.graph import EMPTY
from netgen.images import resized, to_array
from netgen.layers.base import defaults, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netgen.graph import Graph, Layer
    from netgen.layers.base import Array, Shape
    from netgen.wiring import State


class Preprocessing(NamedTuple):
    """(pixel - mean) x scale over channels in an order; ``layer`` is the one whose transform_param says so, or ""."""

    mean: tuple[float, ...] | str = (0.0,)
    """A number, one for each channel in the order of the network's, or the name of a mean file."""
    scale: float = 1.0
    order: str = "BGR"
    layer: str = ""
    size: tuple[int, int] | None = None
    """Height and width that images are scaled to before the middle is taken, where the layer says so."""
    crop: int = 0
    """Its crop_size."""

    def __str__(self) -> str:
        mean = self.mean if isinstance(self.mean, str) else ",".join(f"{each:g}" for each in self.mean)
        return f"mean {mean}, scale {self.scale:g}, {self.order}"


def of_network(net: Graph, state: State) -> Preprocessing:
    """What the ``transform_param`` of the first data layer of a state says, or of any other state's; BGR as Caffe.

    Where there is none, as in deploy files, pixels are as they are.
    """
    layers = sorted((each for each in net.layers if transforms(each)), key=lambda it: not state.has(it))
    return of_layer(layers[0]) if layers else Preprocessing()


def transforms(layer: Layer) -> bool:
    """Whether a layer says how its images are transformed."""
    return "transform_param" in layer.params


def of_layer(layer: Layer) -> Preprocessing:
    """What the ``transform_param`` of a layer says."""
    fields = {**defaults("transform_param"), **layer.params["transform_param"]}
    mean = fields.get("mean_file") or tuple(fields.get("mean_value", ())) or (0.0,)
    return Preprocessing(mean, fields["scale"], "BGR", layer.name, _size(layer, fields), fields["crop_size"])


def _size(layer: Layer, fields: Mapping[str, Any]) -> tuple[int, int] | None:
    """What the layer scales all images to: by ImageData's new_height and new_width, or the SSD fork's resize_param."""
    resizes = fields.get("resize_param", ())
    if len(resizes) == 1 and resizes[0].get("resize_mode", "WARP") == "WARP":
        sizes = resizes[0].get("height", 0), resizes[0].get("width", 0)
    else:
        own = layer.params.get("image_data_param", EMPTY)
        sizes = own.get("new_height", 0), own.get("new_width", 0)
    return sizes if all(sizes) else None


def given_mean(word: str) -> tuple[float, ...] | str:
    """What ``--mean`` stands for: numbers with commas between, or a ``.binaryproto``; raises UsageError."""
    if word.endswith(".binaryproto"):
        return word
    try:
        values = tuple(float(each) for each in word.split(","))
    except ValueError:
        values = ()
    if not values or not all(map(np.isfinite, values)):
        raise UsageError(f"--mean: must be numbers such as 104,117,123, or a .binaryproto, got {shown(word)}")
    return values


def prepared(image: Array, shape: Shape, how: Preprocessing, size: Sequence[int] | None = None) -> Array:
    """An image (H, W, 3) as the input of that shape, N C H W, float32; the N are all the same.

    The image is scaled to ``size`` (H, W), of which the middle is taken, or straight to the input's. Raises UsageError
    for a size below the input's, a number of channels that an image has not, and a mean that does not fit.
    """
    number, channels, height, width = shape
    high, wide = size or (height, width)
    if high < height or wide < width:
        raise UsageError(f"--size: must be {height},{width} or more, as the input is, got {high},{wide}")
    top, left = (high - height) // 2, (wide - width) // 2
    cut = resized(image, high, wide)[top : top + height, left : left + width]
    mean = _mean_image(how, channels, height, width) if isinstance(how.mean, str) else list(how.mean)
    array = to_array(cut, mean=mean, scale=how.scale, order=how.order, channels=channels)
    return np.repeat(array, number, 0)


def _mean_image(how: Preprocessing, channels: int, height: int, width: int) -> Array:
    """The middle of a mean image, as Caffe crops it in TEST (data_transformer.cpp)."""
    name = str(how.mean)
    where = f"{name}: the mean file" + (f" of layer {how.layer!r}" if how.layer else "")
    if not os.path.isfile(name):
        raise UsageError(f"{where} is not there; give --mean with numbers such as 104,117,123, or another file")
    mean = load_mean(name)
    mean = mean[0] if mean.ndim == 4 else mean
    if mean.ndim != 3 or mean.shape[0] != channels or mean.shape[1] < height or mean.shape[2] < width:
        wanted = text((channels, height, width))
        raise NetgenError(f"{where} must be {wanted} or larger, as the input is, got {text(mean.shape)}")
    top, left = (mean.shape[1] - height) // 2, (mean.shape[2] - width) // 2
    return mean[:, top : top + height, left : left + width]


def image_input(inputs: dict[str, Shape]) -> str:
    """The input that takes an image: the first of shape N C H W with 1 or 3 channels; raises NetgenError."""
    for name, shape in inputs.items():
        if len(shape) == 4 and shape[1] in (1, 3):
            return name
    shapes = ", ".join(f"{name} {text(shape)}" for name, shape in inputs.items()) or "none"
    raise NetgenError(
        f"no input takes an image: one must be N C H W with 1 or 3 channels, and the inputs are: {shapes}"
    )
