"""Rules about fields that do not do what their author thought."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netgen.errors import did_you_mean
from netgen.graph import Fields, Literal
from netgen.linting.registry import Found, joined, rule
from netgen.schema import ENUMS, FIELDS

if TYPE_CHECKING:
    from netgen.linting.sites import Site, Sites

# Intel's tools write it into layers of any type.
_ANYWHERE = frozenset(("quantization_param",))
# Several forks have a type of this name, and they read different blocks.
_SEVERAL = frozenset(("VideoData",))


@rule
def unused_param_message(net: Sites) -> Found:
    """A ``*_param`` block that the layer's type does not read: Caffe ignores it in silence (layer.hpp)."""
    blocks = {name for name in FIELDS["LayerParameter"] if name.endswith("_param")} - _ANYWHERE
    for site in net.all:
        if site.kind is None or site.type in _SEVERAL:
            continue
        reads = site.kind.messages
        for name in site.layer.params:
            if name in blocks and name not in reads:
                yield site, f"it does not read {name}, and Caffe ignores that in silence; {_way_out(site, reads)}"


def _way_out(site: Site, reads: tuple[str, ...]) -> str:
    missing = [name for name in reads if name not in site.layer.params]
    return f"remove it, or write {joined(missing)} if that was meant" if missing else "remove it"


@rule
def unknown_field(net: Sites) -> Found:
    """A field, or a value of an enumeration, that no known Caffe has; kept as it is, and its meaning is not known.

    Caffe itself refuses the file, as do most readers.
    """
    for what, near, _ in _unknown(net.params, "NetParameter"):
        yield None, _tell(what, near)
    for site in net.all:
        own = _own(site)
        for what, near, path in _unknown(site.layer.params, "LayerParameter"):
            if path not in own:
                yield site, _tell(what, near)


def _own(site: Site) -> set[str]:
    """What the schema lacks, and the type reads all the same: single fields, and the messages of a user's type."""
    if site.kind is None or not site.kind.messages:
        return set()
    main = site.kind.messages[0]
    return {*site.kind.messages, *(f"{main}.{name}" for name in site.kind.own_fields)}


def _tell(what: str, near: str) -> str:
    way_out = near or "; remove it, unless your Caffe has it"
    return f"{what} is in no Caffe that is known here: other programs refuse the file, or read past it{way_out}"


def _unknown(fields: Fields, message: str) -> Iterator[tuple[str, str, str]]:
    """What the schema lacks, outermost first: what it is, the name that is near, and its path."""
    stack: list[tuple[str, Fields, str]] = [("", fields, message)]
    while stack:
        path, each, of = stack.pop()
        rows = FIELDS[of]
        for name, value in each.items():
            row = rows.get(name)
            if row is None:
                yield f"the field {path + name!r}", did_you_mean(name, rows), path + name
                continue
            for one in value if row[1] == "repeated" else (value,):
                if isinstance(one, Literal):
                    yield f"the value {str(one)!r} of {path + name!r}", did_you_mean(one, ENUMS[row[3] or ""]), ""
                elif row[2] == "message":
                    stack.append((f"{path}{name}.", one, row[3] or ""))
