"""A name for each blob: layers in place write one name again and again, and here each top has its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netgen.shapes import ShapedLayer

if TYPE_CHECKING:
    from collections.abc import Iterable


def single_tops(layers: Iterable[ShapedLayer], inputs: Iterable[str] = ()) -> tuple[list[ShapedLayer], dict[str, str]]:
    """The layers of one phase with tops of names that no other has, and for each old name what it stands for last.

    The first blob of a name keeps it; ``inputs`` are blobs that no layer makes.
    """
    made: list[ShapedLayer] = []
    now: dict[str, str] = {}
    taken = set(inputs)
    for shaped in layers:
        layer = shaped.layer
        bottoms = tuple(now.get(name, name) for name in layer.bottoms)
        tops = []
        for name in layer.tops:
            new = name
            while new in taken:
                new = f"{new} behind {layer.name}"
            taken.add(new)
            now[name] = new
            tops.append(new)
        made.append(ShapedLayer(layer.replace(bottoms=bottoms, tops=tuple(tops)), shaped.shared))
    return made, now
