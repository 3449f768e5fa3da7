"""Runs of layers that an import writes for one section, found again: the import's own translators give the pattern."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from netgen.builder import Net
from netgen.darknet.outgoing import Section, sizes_of
from netgen.darknet.versions import single_tops
from netgen.errors import NetgenError
from netgen.layers.base import count
from netgen.shapes import shape_layers
from netgen.wiring import State

if TYPE_CHECKING:
    from netgen.layers.base import LayerType, Shape
    from netgen.shapes import ShapedLayer

_OF_NEW_WEIGHTS = ("weight_filler", "bias_filler", "engine")


class Pattern(NamedTuple):
    """The layers of a section, the blobs that it reads, and the one that it puts out."""

    layers: tuple[ShapedLayer, ...]
    inputs: tuple[str, ...]
    output: str


class Found(NamedTuple):
    """A pattern in a network: the blobs that it reads there, how often, and the one that it puts out."""

    inputs: tuple[str, ...]
    reads: tuple[int, ...]
    output: str
    layers: tuple[ShapedLayer, ...]


def pattern_of(kind: str, options: Mapping[str, Any], shapes: tuple[Shape, ...]) -> Pattern | None:
    """What an import makes of a section that reads blobs of these shapes, those of ``from`` first; None if it refuses.

    ``from`` in the options must count them from 0.
    """
    return _of_text(Section(kind, dict(options)).text(), shapes)


@lru_cache(maxsize=1 << 12)
def _of_text(text: str, shapes: tuple[Shape, ...]) -> Pattern | None:
    from netgen.darknet.cfg import parse_cfg
    from netgen.darknet.table import SECTIONS
    from netgen.darknet.translation import Translation, Value

    t = Translation("", forks=False)
    for i, shape in enumerate(shapes):
        t.net.input(*shape, name=f"in{i}")
        t.values.append(Value(f"in{i}", sizes_of(shape), count(shape, 1), flat=len(shape) == 2))
    (section,), _ = parse_cfg(text, "")
    short, translator = SECTIONS[section.type]
    t.begin(short, section)
    try:
        output = translator(t, section, t.values[-1]).blob
    except NetgenError:
        return None
    return _of_net(t.net, output)


@lru_cache(maxsize=1 << 8)
def pattern_by(build: Callable[[Net, Shape], object], shape: Shape) -> Pattern:
    """What a function adds to a network that begins with a blob of this shape."""
    net = Net("").input(*shape, name="in0")
    build(net, shape)
    return _of_net(net, net.layers[-1].tops[0])


def _of_net(net: Net, output: str) -> Pattern:
    layers, last = single_tops(shape_layers(net, State()))
    inputs = tuple(top for shaped in layers if shaped.layer.type == "Input" for top in shaped.layer.tops)
    rest = tuple(shaped for shaped in layers if shaped.layer.type != "Input")
    return Pattern(rest, inputs, last[output])


def found_at(pattern: Pattern, layers: Sequence[ShapedLayer], start: int, readers: Counter[str]) -> Found | None:
    """The pattern at a place among layers with single tops; nobody else may read what is within."""
    here = layers[start : start + len(pattern.layers)]
    if len(here) < len(pattern.layers):
        return None
    names: dict[str, str] = {}
    for wanted, shaped in zip(pattern.layers, here, strict=True):
        if not _is_alike(wanted, shaped) or not _bind(wanted, shaped, names):
            return None
        names.update(zip(wanted.layer.tops, shaped.layer.tops, strict=True))
    within = Counter(name for wanted in pattern.layers for name in wanted.layer.bottoms)
    for wanted in pattern.layers:
        for top in wanted.layer.tops:
            if top != pattern.output and readers[names[top]] != within[top]:
                return None
    inputs = tuple(names[name] for name in pattern.inputs)
    return Found(inputs, tuple(within[name] for name in pattern.inputs), names[pattern.output], tuple(here))


def _bind(wanted: ShapedLayer, shaped: ShapedLayer, names: dict[str, str]) -> bool:
    """Whether the bottoms may be those of the pattern, whose names are learned; sums and products take any order."""
    left = list(shaped.layer.bottoms)
    if _takes_any_order(wanted.kind):
        known = [name for name in wanted.layer.bottoms if name in names]
        for name in known:
            if names[name] not in left:
                return False
            left.remove(names[name])
        unknown = [name for name in wanted.layer.bottoms if name not in names]
        return _learn(unknown, left, names)
    return _learn(wanted.layer.bottoms, left, names)


def _learn(wanted: Sequence[str], there: Sequence[str], names: dict[str, str]) -> bool:
    return all(names.setdefault(name, blob) == blob for name, blob in zip(wanted, there, strict=True))


def _takes_any_order(kind: LayerType) -> bool:
    return "operation" in kind.fields and len(set(kind.fields.get("coeff", ()))) < 2


def _is_alike(wanted: ShapedLayer, shaped: ShapedLayer) -> bool:
    if shaped.tops != wanted.tops or len(shaped.bottoms) != len(wanted.bottoms):
        return False
    if wanted.kind.shares_memory and shaped.kind.shares_memory:
        return True
    if shaped.layer.type != wanted.layer.type or sorted(shaped.bottoms) != sorted(wanted.bottoms):
        return False
    ours, theirs = shaped.kind.fields, wanted.kind.fields
    return all(
        _is_close(ours.get(name), theirs.get(name))
        for name in ours.keys() | theirs.keys()
        if name not in _OF_NEW_WEIGHTS
    )


def _is_close(ours: Any, theirs: Any) -> bool:
    """Whether two values of a field are one: numbers may have come through float32."""
    if isinstance(ours, tuple) and isinstance(theirs, tuple) and len(ours) == len(theirs):
        return all(map(_is_close, ours, theirs))
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return math.isclose(ours, theirs, rel_tol=1e-6)
    return bool(ours == theirs)
