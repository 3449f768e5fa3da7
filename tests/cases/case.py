"""One row of the table of layer types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Shape = tuple[int, ...]


class Case(NamedTuple):
    """A layer of ``type`` with ``fields`` (as ``Net.layer`` takes them) on ``bottoms``, and what it gives."""

    type: str
    fields: Mapping[str, Any]
    bottoms: tuple[Shape, ...]
    tops: tuple[Shape, ...]
    weights: tuple[Shape, ...] = ()
    macs: int = 0
    flops: int = 0
    why: str = ""
    """How the numbers come about: the derivation, or the source."""
    inputs: Mapping[str, Shape] | None = None
    """The shapes of tops (y0, y1, ...) that come from outside."""
