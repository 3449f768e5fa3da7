"""Concat and Eltwise as sections: route, shortcut, sam."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netgen.darknet.outgoing import Part
from netgen.errors import NetgenError
from netgen.layers.base import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from netgen.darknet.outgoing import Export, Section
    from netgen.darknet.translation import Image
    from netgen.shapes import ShapedLayer


def concat(export: Export, shaped: ShapedLayer) -> None:
    """A route; equal parts of layers are the groups of one."""
    blobs, top = shaped.layer.bottoms, shaped.layer.tops[0]
    others = {shape[:1] + shape[2:] for shape in (*shaped.bottoms, *shaped.tops)}
    if len(others) > 1:
        found = " and ".join(map(text, shaped.bottoms))
        raise NetgenError(f"Darknet's route joins channels, axis 1, got {found} as {text(shaped.tops[0])}")
    parts = [export.later.get(blob) for blob in blobs]
    first = parts[0]
    if isinstance(first, Part) and all(_is_alike(export, part, first) for part in parts):
        total = export.shapes[first.source][1]
        size = first.end - first.begin
        layers = [export.index(part.source) for part in parts if isinstance(part, Part)]
        export.add("route", top, layers=layers, groups=total // size, group_id=first.begin // size)
        return
    flat = all(size == 1 for size in shaped.tops[0][2:])
    layers = [export.index(blob, flat=flat) for blob in blobs]
    export.add("route", top, layers=layers)
    if flat:
        export.sizes[-1] = _joined([export.sizes_at(i) for i in layers])


def _is_alike(export: Export, part: object, first: Part) -> bool:
    """Whether a part is as large a share of its blob as the first, at the same place among such shares."""
    if not isinstance(part, Part):
        return False
    total, own = export.shapes[first.source][1], export.shapes[part.source][1]
    size, own_size = first.end - first.begin, part.end - part.begin
    divides = total % size == 0 == first.begin % size and own % own_size == 0 == part.begin % own_size
    return divides and (own // own_size, part.begin // own_size) == (total // size, first.begin // size)


def _joined(sizes: Sequence[Image | None]) -> Image | None:
    """Darknet's sizes of a route: none where height and width differ."""
    known = [each for each in sizes if each is not None]
    if len(known) < len(sizes) or len({each[1:] for each in known}) > 1:
        return None
    return sum(each[0] for each in known), *known[0][1:]


def eltwise(export: Export, shaped: ShapedLayer) -> None:
    """A shortcut with its factors, or sam."""
    fields, blobs = shaped.kind.fields, list(shaped.layer.bottoms)
    if fields["operation"] not in ("SUM", "PROD"):
        raise NetgenError(f"Darknet adds or multiplies layers, got operation: {fields['operation']}")
    if fields["operation"] == "PROD" and len(blobs) > 2:
        raise NetgenError(f"Darknet's sam multiplies two layers, got {len(blobs)}")
    indices = [export.index(blob) for blob in blobs]
    own, factors = _own(list(fields["coeff"]) or [1] * len(blobs), indices, len(export.sections) - 1)
    export.read(blobs[own])
    rest = indices[:own] + indices[own + 1 :]
    kind = "shortcut" if fields["operation"] == "SUM" else "sam"
    _shortcut(export.add(kind, shaped.layer.tops[0], "activation"), rest, factors)


def _own(coefficients: Sequence[float], indices: Sequence[int], last: int) -> tuple[int, tuple[float, float]]:
    """Which bottom a shortcut reads as the layer before it, best the last section, and the factors alpha and beta."""
    fitting = [i for i in range(len(indices)) if len({*coefficients[:i], *coefficients[i + 1 :]}) == 1]
    if not fitting:
        found = ", ".join(f"{each:g}" for each in coefficients)
        raise NetgenError(f"Darknet's shortcut has one coefficient for a bottom and one for all others, got {found}")
    own = next((i for i in fitting if indices[i] == last), fitting[0])
    return own, (float(coefficients[own]), float(coefficients[own - 1]))


def _shortcut(section: Section, layers: Sequence[int], factors: Sequence[float] = (1, 1)) -> None:
    """Give a shortcut, or its like, the layers that it adds and its factors."""
    section.options |= {"from": layers}
    section.options |= {key: value for key, value in zip(("alpha", "beta"), factors, strict=True) if value != 1}
    section.options["activation"] = "linear"
