"""Mirrors of one layer, for the tests of what the layer's module does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import netgen

if TYPE_CHECKING:
    from netgen.mirror import Mirror

Shape = tuple[int, ...]


def mirror_of(layer: str, *bottoms: Shape, tops: int = 1, phase: str = "TEST") -> Mirror:
    """The mirror of a layer named ``it``, ``type: "..."`` and fields as in a prototxt, over inputs a, b, c, ..."""
    from netgen.mirror import to_torch

    names = "abcdefgh"[: len(bottoms)]
    shapes = "".join(f"shape {{ {' '.join(f'dim: {dim}' for dim in shape)} }} " for shape in bottoms)
    net = netgen.parse_prototxt(
        f"""layer {{ name: "data" type: "Input" {_named("top", names)} input_param {{ {shapes} }} }}
        layer {{ name: "it" {layer} {_named("bottom", names)} {_named("top", "xyz"[:tops])} }}"""
    )
    return to_torch(net, phase)


def _named(field: str, names: str) -> str:
    return " ".join(f'{field}: "{name}"' for name in names)
