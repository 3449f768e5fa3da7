"""What changed between two networks, by meaning: layers, fields with their defaults filled in, shapes and cost."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from netgen.analysis import Analysis, analyze_as_far_as_possible
from netgen.layers import find
from netgen.layers.base import text
from netgen.schema import FIELDS

if TYPE_CHECKING:
    from netgen.graph import Fields, Graph, Layer

COSTS = ("weights", "statistics", "macs", "flops", "activation_bytes", "peak_activation_bytes")


class FieldChange(NamedTuple):
    """One field that differs; None where it is not set and has no default."""

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.path} {shown(self.old)} -> {shown(self.new)}"


class LayerChange(NamedTuple):
    """A layer that both networks have, with what differs in it."""

    old: Layer
    new: Layer
    fields: tuple[FieldChange, ...]


class Comparison(NamedTuple):
    """What ``compare`` found; false when the networks mean the same."""

    net: tuple[FieldChange, ...]
    """Changed fields of the net itself."""
    removed: tuple[Layer, ...]
    added: tuple[Layer, ...]
    moved: tuple[Layer, ...]
    """Layers that stand elsewhere among those that both networks have."""
    changed: tuple[LayerChange, ...]
    shapes: tuple[FieldChange, ...]
    """Blobs of both networks whose shapes differ."""
    costs: tuple[FieldChange, ...]
    """Totals that differ."""
    errors: tuple[str, str]
    """Why shapes and costs end early in the old and in the new network."""

    def __bool__(self) -> bool:
        return any((self.net, self.removed, self.added, self.moved, self.changed, self.shapes))


def compare(
    old: Graph,
    new: Graph,
    phase: str = "TEST",
    inputs: Mapping[str, Sequence[int]] | None = None,
    *,
    stages: Iterable[str] = (),
    level: int = 0,
) -> Comparison:
    """Compare two networks: all their layers, and the shapes and cost of one phase.

    Layers are the same when they have one name and the same phase rules; a field that is written out with its default
    is no change.

    >>> import netgen
    >>> a, b = netgen.build("peleenet", size=64), netgen.build("peleenet", size=64, eps=1e-5)
    >>> [change.fields[0] for change in compare(a, b).changed][0]
    FieldChange(path='batch_norm_param.eps', old=0.001, new=1e-05)
    """
    pairs, removed, added = _paired(old.layers, new.layers)
    changed = [LayerChange(a, b, tuple(_layer_changes(a, b))) for a, b in pairs]
    before, after = (analyze_as_far_as_possible(net, phase, inputs, stages=stages, level=level) for net in (old, new))
    return Comparison(
        tuple(_changes(_net_fields(old), _net_fields(new))),
        tuple(removed),
        tuple(added),
        tuple(_moved(old.layers, pairs)),
        tuple(change for change in changed if change.fields),
        tuple(_shape_changes(before, after)),
        tuple(_changes(_costs(before), _costs(after))),
        (before.error, after.error),
    )


# Layers


def _keys(layers: Iterable[Layer]) -> dict[tuple[object, ...], Layer]:
    """Layers by name and phase rules; those that share both are told apart by their order."""
    keyed: dict[tuple[object, ...], Layer] = {}
    seen: dict[tuple[object, ...], int] = {}
    for layer in layers:
        key = (layer.name, layer.params.get("include", ()), layer.params.get("exclude", ()))
        seen[key] = number = seen.get(key, 0) + 1
        keyed[*key, number] = layer
    return keyed


def _paired(old: Iterable[Layer], new: Iterable[Layer]) -> tuple[list[tuple[Layer, Layer]], list[Layer], list[Layer]]:
    olds, news = _keys(old), _keys(new)
    pairs = [(olds[key], layer) for key, layer in news.items() if key in olds]
    removed = [layer for key, layer in olds.items() if key not in news]
    added = [layer for key, layer in news.items() if key not in olds]
    return pairs, removed, added


def _moved(old: Iterable[Layer], pairs: Sequence[tuple[Layer, Layer]]) -> Iterator[Layer]:
    """The fewest layers whose moving explains the new order: all but a longest rising run of old places."""
    place = {id(layer): i for i, layer in enumerate(old)}
    places = [place[id(layer)] for layer, _ in pairs]
    ends: list[int] = []
    ends_at: list[int] = []
    before: list[int] = []
    for i, each in enumerate(places):
        length = bisect_left(ends, each)
        ends[length:] = [each, *ends[length + 1 :]]
        ends_at[length:] = [i, *ends_at[length + 1 :]]
        before.append(ends_at[length - 1] if length else -1)
    kept = set()
    i = ends_at[-1] if ends_at else -1
    while i >= 0:
        kept.add(i)
        i = before[i]
    return (new for i, (_, new) in enumerate(pairs) if i not in kept)


# Fields


def _layer_changes(old: Layer, new: Layer) -> Iterator[FieldChange]:
    names = (("type", old.type, new.type), ("bottom", old.bottoms, new.bottoms), ("top", old.tops, new.tops))
    yield from (FieldChange(name, a, b) for name, a, b in names if a != b)
    for path, a, b in _changes(_said(old), _said(new)):
        yield FieldChange(path, _or_default(a, path, old), _or_default(b, path, new))


def _said(layer: Layer) -> dict[str, Any]:
    """The layer's fields by dotted path, but for those that say what they would mean unsaid."""
    implied = _implied_by(layer)
    return {
        path: value
        for path, value in _flat(layer.params).items()
        if path not in implied or any(each != implied[path] for each in value)
    }


def _implied_by(layer: Layer) -> dict[str, float]:
    """What the layer's type says of each entry of a repeated field that is not given, by dotted path."""
    kind = find(layer.type)
    return {f"{kind.messages[0]}.{name}": value for name, value in kind.implied.items()} if kind else {}


def _net_fields(net: Graph) -> dict[str, Any]:
    return {"name": net.name, **_flat(net.params, "NetParameter")}


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[FieldChange]:
    for path in [*old, *(path for path in new if path not in old)]:
        if old.get(path) != new.get(path):
            yield FieldChange(path, old.get(path), new.get(path))


def _flat(fields: Fields, message: str = "LayerParameter", path: str = "") -> dict[str, Any]:
    """The fields that say something, by dotted path; those that say their default are left out."""
    rows = FIELDS.get(message, {})
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        _, label, kind, of, default = rows.get(name, (0, "optional", "", None, None))
        if kind == "message" and label != "repeated":
            flat.update(_flat(value, of or "", f"{path}{name}."))
        elif kind == "message":
            flat.update(_flat_list(value, of or "", f"{path}{name}"))
        elif value != _implied(label, kind, default):
            flat[path + name] = value
    return flat


def _flat_list(values: Sequence[Fields], message: str, path: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for i, each in enumerate(values):
        flat.update(_flat(each, message, f"{path}[{i}]."))
    # How many there are says something, but for ParamSpecs, which are there for every weight.
    if path != "param" and values:
        flat[f"{path} count"] = len(values)
    return flat


def _or_default(value: Any, path: str, layer: Layer) -> Any:
    """The value, or what the layer's type or the schema has for a field that says nothing."""
    if value is not None:
        return value
    implied = _implied_by(layer)
    if path in implied:
        return (implied[path],)
    message: str | None = "LayerParameter"
    default = None
    for part in path.split("."):
        row = FIELDS.get(message or "", {}).get(part.partition("[")[0])
        if row is None:
            return None
        message, default = row[3], row[4]
    return default


def _implied(label: str, kind: str, default: Any) -> Any:
    if label == "repeated":
        return ()
    # Without a default a field that is not set means something else than 0 (Caffe asks has_...), but for flags.
    return False if default is None and kind == "bool" else default


# Shapes and cost


def _shape_changes(old: Analysis, new: Analysis) -> Iterator[FieldChange]:
    for name, shape in old.blobs.items():
        if name in new.blobs and new.blobs[name] != shape:
            yield FieldChange(name, text(shape), text(new.blobs[name]))


def _costs(analysis: Analysis) -> dict[str, int]:
    totals = analysis.totals()
    return {name: totals[name] for name in COSTS}


def shown(value: Any) -> str:
    """A field's value as a line of text has it."""
    if value is None:
        return "not set"
    if isinstance(value, tuple):
        return "[" + ", ".join(shown(each) for each in value) + "]"
    return repr(value) if isinstance(value, str) and not value.isidentifier() else str(value)
