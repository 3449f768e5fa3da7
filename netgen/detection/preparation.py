"""What is done to a picture before a detector sees it, by the family of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from netgen.detection.images import Pixels, Planes, darknet_resize, fitted, opencv_resize
from netgen.errors import UsageError, did_you_mean
from netgen.preprocessing import of_layer, transforms

if TYPE_CHECKING:
    from netgen.darknet import Head
    from netgen.graph import Graph, Layer

Triple = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a picture becomes an input: resized, its channels ordered, then (value - mean) * scale, of values 0 to 255.

    ``resize`` is "letterbox" (scaled to fit, the rest filled with ``pad``) or "warp"; ``sampling`` is "darknet" or
    "opencv", whose linear resizing it is. ``order`` is "rgb" or "bgr", and ``mean`` goes in that order.
    """

    resize: str = "warp"
    sampling: str = "opencv"
    order: str = "bgr"
    mean: Triple = (0.0, 0.0, 0.0)
    scale: float = 1.0
    pad: float = 127.5

    def __post_init__(self) -> None:
        for name, known in (("resize", ("letterbox", "warp")), ("order", ("rgb", "bgr")), ("sampling", _SAMPLINGS)):
            if getattr(self, name) not in known:
                raise UsageError(f"{name} must be {' or '.join(known)}, got {getattr(self, name)!r}")
        if not isinstance(self.mean, Sequence) or len(self.mean) != 3:
            raise UsageError(f"mean must be 3 values, {', '.join(self.order)}, got {self.mean!r}")

    def __str__(self) -> str:
        mean = ",".join(f"{value:g}" for value in self.mean)
        inside = f" on {self.pad:g}" if self.resize == "letterbox" else ""
        scale = "1/255" if self.scale == _PER_BYTE else f"{self.scale:g}"
        return f"{self.order.upper()}, mean {mean}, scale {scale}, {self.resize}{inside} ({self.sampling}'s resizing)"

    def apply(self, pixels: Pixels, width: int, height: int) -> Planes:
        """The input, 1 x 3 x ``height`` x ``width``, for a picture of H x W x 3 bytes, red first."""
        box = width, height
        if self.resize == "letterbox":
            box = fitted(pixels.shape[1], pixels.shape[0], width, height)
        planes = self._resized(pixels, *box)
        if box != (width, height):
            left, top = (width - box[0]) // 2, (height - box[1]) // 2
            whole = np.full((3, height, width), np.float32(self.pad / 255), np.float32)
            whole[:, top : top + box[1], left : left + box[0]] = planes
            planes = whole
        if self.order == "bgr":
            planes = planes[::-1]
        if any(self.mean) or self.scale != _PER_BYTE:
            mean = np.array(self.mean, np.float32)[:, None, None]
            planes = (planes * np.float32(255) - mean) * np.float32(self.scale)
        return np.ascontiguousarray(planes[None], np.float32)

    def _resized(self, pixels: Pixels, width: int, height: int) -> Planes:
        """3 x height x width values from 0 to 1, red first."""
        if self.sampling == "darknet":
            return darknet_resize(pixels, width, height)
        return (opencv_resize(pixels, width, height).transpose(2, 0, 1) / 255.0).astype(np.float32)


_SAMPLINGS = ("darknet", "opencv")
_PER_BYTE = 1 / 255

DARKNET = Preparation("letterbox", "darknet", "rgb", scale=_PER_BYTE)
"""pjreddie/darknet, examples/detector.c (test_detector)."""
FORK = replace(DARKNET, resize="warp")
"""AlexeyAB/darknet, src/detector.c, without -letter_box; also what YOLOv1 was run with (examples/yolo.c)."""
VGG_SSD = Preparation(mean=(104.0, 117.0, 123.0))
"""weiliu89/caffe, the transform_param of models/VGGNet/VOC0712/SSD_300x300."""
MOBILENET_SSD = Preparation(mean=(127.5, 127.5, 127.5), scale=0.007843)
"""chuanqi305/MobileNet-SSD, the transform_param of its templates."""
PELEE = Preparation(mean=(103.94, 116.78, 123.68), scale=0.017)
"""Robert-JunWang/Pelee, the transform_param of its training files."""

FAMILIES: dict[str, Preparation] = {
    "VGG_": VGG_SSD,
    "MobileNet-SSD": MOBILENET_SSD,
    "Pelee": PELEE,
    "pelee": PELEE,
    "YOLOv": DARKNET,
}
"""What networks were trained with, by how their name begins: netgen's own, and those of the published files."""


def chosen(
    net: Graph, heads: Sequence[Head], given: Preparation | Mapping[str, Any] | None, *, fork: bool = False
) -> Preparation | None:
    """What prepares pictures for a network: what is ``given``, else what its transform_param says, else its family's.

    The family is Darknet for a network with heads, else told by the name. None where it is not known, no mean is given
    and the network has no transform_param. Raises UsageError for a mean file, which is for pictures of one size.
    """
    if isinstance(given, Preparation):
        return given
    if not isinstance(given, Mapping | None):
        raise UsageError(f"preparation must be a Preparation or a dict of its fields, got {type(given).__name__}")
    changes = {name: value for name, value in (given or {}).items() if value is not None}
    known = [each.name for each in fields(Preparation)]
    for name in changes:
        if name not in known:
            raise UsageError(f"preparation: no field {name!r}{did_you_mean(name, known)} (it has {', '.join(known)})")
    family = next((each for start, each in FAMILIES.items() if net.name.startswith(start)), None)
    if heads:
        family = FORK if fork or any(each.type == "detection" for each in heads) else DARKNET
    changes = {**_transform(net, changes), **changes}
    if family is None and "mean" not in changes:
        return None
    return replace(family or Preparation(), **changes)


def told_by(net: Graph) -> Layer | None:
    """The layer whose transform_param says how pictures are prepared."""
    return next((layer for layer in net.layers if transforms(layer)), None)


def _transform(net: Graph, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What the network's own transform_param says of what is not among the changes (data_transformer.cpp)."""
    layer = told_by(net)
    if layer is None:
        return {}
    how = of_layer(layer)
    found: dict[str, Any] = {"scale": how.scale, "order": "bgr"}
    if "mean" not in changes:
        if isinstance(how.mean, str):
            raise UsageError(f"{layer}: its mean is the file {how.mean!r}; give mean as numbers, such as 104,117,123")
        found["mean"] = mean_of(how.mean, f"{layer}: transform_param: ")
    for resize in layer.params["transform_param"].get("resize_param", ())[:1]:
        pads = resize.get("pad_value", ())
        kept = resize.get("resize_mode") == "FIT_LARGE_SIZE_AND_PAD"
        found |= {"resize": "letterbox", "pad": pads[0] if pads else 0.0} if kept else {"resize": "warp"}
    return found


def unknown_preparation(net: Graph) -> UsageError:
    """What is said of a network whose pictures are not known."""
    return UsageError(
        f"net {net.name!r}: nothing says how its images are prepared; give mean and scale (mean 127.5,127.5,127.5 and "
        "scale 0.007843 for MobileNet-SSD, 104,117,123 and 1 for SSD on VGG-16), and order and resize if they are not "
        "bgr and warp"
    )


def mean_of(values: Sequence[float], place: str = "") -> Triple:
    """One mean for all channels, or one for each; raises UsageError for others, said of ``place``."""
    if len(values) not in (1, 3):
        raise UsageError(f"{place}mean must be 1 or 3 values, got {len(values)}")
    first, second, third = values if len(values) == 3 else (values[0],) * 3
    return first, second, third
