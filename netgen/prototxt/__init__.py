"""Prototxt: text to graph by our own readers, graph to text through ``templates/net.prototxt.j2``."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netgen.errors import brief, did_you_mean
from netgen.graph import Fields, Graph, Layer
from netgen.prototxt.writer import layers_with_bodies, net_header
from netgen.schema import ENUMS

if TYPE_CHECKING:
    from netgen.prototxt.reader import Reader, Unknown

# Near names are costly to find, and a file with more strange ones than this is not mistyped.
_MOST_HINTS = 1000


def parse(text: str, path: str = "<text>") -> Graph:
    """The network that a prototxt describes, with everything that is in it; ``notes`` tells of unknown fields.

    The ``layers`` of a V0 or V1 file stay as they are, in ``params["layers"]``: see ``netgen.upgrade``. Wiring is not
    checked: a file may hold the twins of several phases. Raises ParseError with line and column.
    """
    fields, layers, notes = read_message(text, path, "NetParameter")
    params = dict(fields)
    name = params.pop("name") if params.get("name") else ""
    return Graph(name, layers, Fields(params), notes)


def read_message(text: str, path: str, message: str) -> tuple[Fields, list[Layer], tuple[str, ...]]:
    """The fields of any message of the schema, a net's ``layer`` fields apart from them, and notes on unknown fields.

    Raises ParseError with line and column.
    """
    # The readers are imported where they are used: writing a network needs none of them.
    from netgen.prototxt.fast import read_fast

    with _uncollected():
        plain = read_fast(text, message)
        if plain is not None:
            return *plain, ()
        from netgen.prototxt.reader import Reader

        reader = Reader(text, path, message)
        return reader.read(), reader.layers, tuple(_notes(reader, message))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Nothing that is read is garbage, and the collector would look through all of it again and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def write(graph: Graph, templates: str | os.PathLike[str] | None = None) -> str:
    """The prototxt of a network, through the template ``net.prototxt.j2`` (of the folder ``templates``, if it has one).

    Fields in schema order, every value exactly, floats as the shortest decimal that reads back to the same float32.
    """
    from netgen.templating import NET_TEMPLATE, render

    return render(NET_TEMPLATE, templates, net=graph, header=net_header(graph), layers=layers_with_bodies(graph))


def _notes(reader: Reader, message: str) -> Iterator[str]:
    text = reader.source.text
    hints: dict[tuple[str, bool, str], str] = {}
    line, begin, last = 1, 0, 0
    for unknown in reader.unknown:
        # They come in the order of the text: counting from the last one keeps a file of unknown fields linear.
        line += text.count("\n", last, unknown.offset)
        begin = text.rfind("\n", last, unknown.offset) + 1 or begin
        last = unknown.offset
        key = (unknown.path, unknown.layer >= 0, unknown.value)
        if key not in hints:
            hints[key] = _hint(unknown, message) if len(hints) < _MOST_HINTS else ""
        where = f"{reader.layers[unknown.layer]}: " if unknown.layer >= 0 else ""
        place = f"{reader.source.path}:{line}:{unknown.offset - begin + 1}"
        yield brief(f"{place}: {where}{_what(unknown.value)} {unknown.path!r} is kept as it is{hints[key]}")


def _what(value: str) -> str:
    if value == "[":
        return "a list of values for"
    return f"unknown value {value!r} of" if value else "unknown field"


def _hint(unknown: Unknown, message: str) -> str:
    """Which field of the message around was meant, or which value of the enum."""
    from netgen.prototxt.scalars import table_of

    if unknown.layer >= 0:
        message = "LayerParameter"
    *outer, name = unknown.path.split(".")
    for part in outer:
        field = table_of(message).get(part)
        if field is None or field.kind != "message":
            return ""
        message = field.of
    if unknown.value == "[":
        return ", though the schema has one"
    if unknown.value:
        return did_you_mean(unknown.value, ENUMS[table_of(message)[name].of])
    return did_you_mean(name, table_of(message))
