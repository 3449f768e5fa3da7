"""What the catalogue or the schema lacks: kept on reading, refused where its meaning is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netgen.errors import NetgenError, did_you_mean
from netgen.graph import Fields, Literal
from netgen.schema import FIELDS

if TYPE_CHECKING:
    from netgen.graph import Layer
    from netgen.layers.base import LayerType

ALL_KNOWN: set[Fields] = set()
"""Fields of layers in which there was nothing that the schema lacks."""


_HARMLESS = frozenset(
    (
        "strict_dim",  # DeepLab: whether weights that are copied must have the same axes, or as many values
        "device",  # a branch of BVLC's for several GPUs: where the layer runs
        "convolution_param.mem_group_size",  # clarifai's: for how many images at once the windows are unrolled
        # pynetbuilder's, after DataParameter: neither the files nor the processes change a batch
        "memory_data_param.source",
        "memory_data_param.share_in_parallel",
    )
)
"""Fields of forks that change neither a shape nor a value."""

_CODE = "engine"
"""The field of many messages that says which code does the work, whatever its value."""


def unknown_type(layer: Layer) -> str:
    """What is said of a layer whose type the catalogue lacks."""
    if not layer.type:
        return "has no type; say which layer it is"
    from netgen.layers.index import TYPES

    near = did_you_mean(layer.type, TYPES)
    return (
        f"the type is not known, so its shapes are not{near or ''} (a type of your own: netgen.register; or give the "
        "shapes of all its tops as inputs)"
    )


def refuse_unknown_fields(layer: Layer, kind: type[LayerType]) -> None:
    """Refuse what the schema lacks: it was kept on reading, and may change the shapes."""
    if layer.params in ALL_KNOWN:
        return
    if _all_known(layer.params, "LayerParameter"):
        ALL_KNOWN.add(layer.params)
        return
    messages = set(kind.messages)
    own = {f"{kind.messages[0]}.{name}" for name in kind.own_fields}
    stack: list[tuple[str, Fields, str]] = [("", layer.params, "LayerParameter")]
    while stack:
        path, fields, message = stack.pop()
        rows = FIELDS[message]
        for name, value in fields.items():
            row = rows.get(name)
            if row is None and (path + name in own or name in messages or path + name in _HARMLESS):
                continue
            if isinstance(value, Literal) and row is not None and name == _CODE:
                continue
            if row is None or isinstance(value, Literal):
                what = f"the value {value} of" if row is not None else "the field"
                near = did_you_mean(name, rows) if row is None else ""
                way_out = near or _way_out(layer, kind)
                raise NetgenError(f"{what} {path + name!r} is not known, and could change its shapes{way_out}")
            if row[2] == "message":
                inner = value if row[1] == "repeated" else (value,)
                stack += [(f"{path}{name}.", each, row[3] or "") for each in inner]


def _way_out(layer: Layer, kind: type[LayerType]) -> str:
    if kind.opaque and layer.tops:
        names = ", ".join(f"{name!r}: (...)" for name in layer.tops)
        return f"; give the shapes of its tops: inputs={{{names}}} (--input {layer.tops[0]}=...)"
    return "; remove it, or give the layer a type of your own (netgen.register)"


def _all_known(fields: Fields, message: str) -> bool:
    """Whether the schema has all of these fields and values; quick, as it nearly always is so."""
    rows = FIELDS[message]
    if not fields.keys() <= rows.keys():
        return False
    for name, value in fields.items():
        kind = type(value)
        if kind is Literal or (kind is Fields and not _all_known(value, rows[name][3] or "")):
            return False
        if kind is tuple and value and type(value[0]) in (Fields, Literal):
            of = rows[name][3] or ""
            if not all(type(each) is Fields and _all_known(each, of) for each in value):
                return False
    return True
