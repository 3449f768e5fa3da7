"""What is known of layers that are equal but for their names: networks and their variants repeat themselves."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from netgen.unknown import ALL_KNOWN

if TYPE_CHECKING:
    from netgen.cost import LayerCost
    from netgen.layers.base import LayerType, Shape


class ShapedKind:
    """What is true of all layers that are equal but for their names, on bottoms of the same shapes."""

    __slots__ = ("bottoms", "cost", "kind", "sizes", "tops", "weights")

    def __init__(
        self, kind: LayerType, bottoms: tuple[Shape, ...], tops: tuple[Shape, ...], weights: tuple[Shape, ...]
    ) -> None:
        self.kind = kind
        self.bottoms = bottoms
        self.tops = tops
        self.weights = weights
        self.sizes = tuple(map(prod, tops))
        """The number of values of each top."""
        self.cost: LayerCost | None = None
        """What such a layer costs, once that was asked for."""


Found = dict[tuple["Shape", ...], ShapedKind]


class Kinds(dict[tuple[object, ...], tuple["LayerType", Found]]):
    """The layers met so far, by all that their shapes hang on but the bottoms' shapes, and what was found by those.

    When ``SIZE`` things were found, all is forgotten.
    """

    SIZE = 1 << 14
    finds = 0

    def keep(self, key: tuple[object, ...], found: Found, shared: ShapedKind) -> None:
        """Keep what was found beside what else is known of the kind."""
        if self.finds >= self.SIZE:
            forget()
            found = {}
        self.finds += 1
        found[shared.bottoms] = shared
        self[key] = shared.kind, found


KINDS = Kinds()


def forget() -> None:
    """Forget what was found of layers: for measurements, and for who changes a registered layer type."""
    KINDS.clear()
    KINDS.finds = 0
    ALL_KNOWN.clear()
