"""Weights under one name, ``param { name }``, are one array (net.cpp, AppendParam). Knows no layer type."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from netgen.errors import NetgenError
from netgen.layers.base import Shape, count, text

if TYPE_CHECKING:
    from netgen.graph import Layer


class Owner(NamedTuple):
    """The first layer of those that share a weight, and what the params of all of them say."""

    layer: str
    shape: Shape
    multipliers: dict[str, float]


def check_shared(layer: Layer, weights: Sequence[Shape], shared: dict[str, Owner]) -> None:
    """Weights of one param name are one array, with one rate of learning (net.cpp, AppendParam)."""
    for spec, shape in zip(layer.params.get("param", ()), weights, strict=False):
        name = spec.get("name", "")
        if not name:
            continue
        owner = shared.setdefault(name, Owner(layer.name, shape, {}))
        permissive = spec.get("share_mode") == "PERMISSIVE"
        if (count(owner.shape) != count(shape)) if permissive else (owner.shape != shape):
            raise NetgenError(
                f"shares weight {name!r} ({text(shape)}) with layer {owner.layer!r}, where it is {text(owner.shape)}"
            )
        for field in ("lr_mult", "decay_mult"):
            had = owner.multipliers.setdefault(field, spec[field]) if field in spec else None
            if had is not None and had != spec[field]:
                raise NetgenError(
                    f"shares weight {name!r} with layer {owner.layer!r}: its {field} must be the same wherever it is "
                    f"given, got {had:g} and {spec[field]:g}"
                )
