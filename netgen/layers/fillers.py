"""What Caffe demands of the fillers of new weights (filler.hpp)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netgen.errors import NetgenError, did_you_mean
from netgen.layers.base import Shape, count, text

TYPES = ("constant", "gaussian", "positive_unitball", "uniform", "xavier", "msra", "bilinear")


def check_filler(filler: Mapping[str, Any], shape: Shape, name: str) -> None:
    """Raise NetgenError for a filler, the field ``name``, that cannot fill a blob of this shape.

    A type that is near to no known one is taken for another Caffe's: it fills values, and changes no shape.
    """
    kind = filler.get("type", "constant")
    if not count(shape):
        raise NetgenError(f"{name} would fill no values at all ({text(shape)})")
    if kind == "bilinear" and (len(shape) != 4 or shape[2] != shape[3]):
        raise NetgenError(f"{name}: bilinear fills square filters of 4 axes, got {text(shape)}")
    if kind in ("xavier", "msra") and not shape:
        raise NetgenError(f"{name}: {kind} needs the number of inputs, and a single value has none")
    sparse = filler.get("sparse", -1)
    if sparse != -1 and kind in TYPES and (kind != "gaussian" or sparse < -1 or not shape):
        raise NetgenError(f"{name}: sparse is for gaussian and must be 0 or more, got sparse={sparse} for {kind}")
    if kind not in TYPES:
        near = did_you_mean(kind, TYPES)
        if near:
            raise NetgenError(f"{name}: no filler {kind!r}{near}")
