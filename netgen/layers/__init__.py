"""The layer types, one class each, in one file per family; none is imported before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netgen.layers.index import TYPES, VERBS

if TYPE_CHECKING:
    from netgen.layers.base import LayerType


def find(type_name: str) -> type[LayerType] | None:
    """The class of a layer type by Caffe's name of it, None for a type that the catalogue lacks."""
    kind = _found.get(type_name)
    if kind is None:
        row = TYPES.get(type_name)
        if row is None or type_name in _registered:
            return _registered.get(type_name)
        from importlib import import_module

        kind = _found[type_name] = getattr(import_module(f"netgen.layers.{row[-1]}"), type_name)
    return kind


def register(kind: type[LayerType]) -> type[LayerType]:
    """Add a layer type of your own, a subclass of LayerType named as the type: the builder and its verbs then know it.

    Usable as a decorator. Raises NetgenError when the type or its verb is there already.

    ::

        @netgen.register
        class Sine(netgen.LayerType):
            def shapes(self, bottoms):
                return list(bottoms)

        net.sine(name="wave")
    """
    from netgen.errors import NetgenError
    from netgen.layers.base import LayerType, verb_of
    from netgen.rules import RULES

    if not isinstance(kind, type) or not issubclass(kind, LayerType):
        raise NetgenError(f"netgen.register takes a subclass of netgen.LayerType, got {kind!r}")
    name, verb = kind.__name__, kind.verb or verb_of(kind.__name__)
    if name in TYPES or verb in VERBS:
        raise NetgenError(f"layer type {name!r}: the type or its verb {verb!r} is known already; choose another name")
    TYPES[name] = kind.row(kind.__module__)
    VERBS[verb] = name
    _registered[name] = kind
    RULES.pop(name, None)  # layers of it that were made before went by no rule
    return kind


_found: dict[str, type[LayerType]] = {}
_registered: dict[str, type[LayerType]] = {}
