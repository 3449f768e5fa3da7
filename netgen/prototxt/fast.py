"""The fast reader of the text format: one regular expression a statement, no positions.

It returns None at the first thing that is not plain (an unknown field, a list, an escape, a mistake); ``reader`` then
reads the text again from the start. What both accept, they read alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from netgen.graph import EMPTY, Fields, Layer
from netgen.prototxt.scalars import Field, ScalarError, Table, table_of

# name : value | name { | } | comment | anything else, which is not plain. Possessive, so that a long run of blanks or
# letters is gone through once.
_STATEMENT = re.compile(
    r"""\s*+(?:([A-Za-z_]\w*+)\s*+(?: :\s*+("[^"\\\n]*+"|[\w.+-]++|'[^'\\\n]*+')\s*+[,;]? | :?\s*+(\{) )"""
    r"""| (\}) | \#[^\n]*+ | \Z | (\S[\s\S]*+) )""",
    re.VERBOSE | re.ASCII,
)
_CHUNK = 1 << 16

Statement = tuple[str, str, str, str, str]


def _statements(text: str) -> Iterator[list[Statement]]:
    """The statements of the text, some thousand at a time: all at once would take ten times the text's memory.

    A chunk ends before a line that begins with ``layer``, which no statement of a plain file can span.
    """
    start = 0
    while start < len(text):
        end = text.find("\nlayer", start + _CHUNK)
        end = len(text) if end < 0 else end
        yield _STATEMENT.findall(text, start, end)
        start = end


def read_fast(text: str, message: str) -> tuple[Fields, list[Layer]] | None:  # noqa: C901, PLR0915 (see below)
    """The fields of ``message`` in a plain text, and a net's layers; None when it wants the full reader."""
    # One long loop: a call for each statement would take as long again as the reading itself.
    table = table_of(message)
    values: dict[str, Any] = {}
    lists: list[str] = []
    stack: list[tuple[str, Field, Table, dict[str, Any], list[str]]] = []
    layers: list[Layer] = []
    for statements in _statements(text):
        for name, scalar, opener, closer, other in statements:
            value: Any
            if scalar:
                field = table.get(name)
                if field is None:
                    return None
                if field.quoted:
                    if scalar[0] not in "\"'" or field.kind == "bytes":
                        return None
                    value = scalar[1:-1]
                else:
                    value = field.memo.get(scalar)
                    if value is None:
                        try:
                            value = field.convert(scalar)
                        except (ScalarError, KeyError):
                            return None
            elif opener:
                field = table.get(name)
                if field is None or field.kind != "message" or (name in values and not field.repeated):
                    return None
                stack.append((name, field, table, values, lists))
                if field.table is None:
                    field.table = table_of(field.of)
                table = field.table
                values = {}
                lists = []
                continue
            elif closer:
                if not stack:
                    return None
                for each in lists:
                    values[each] = tuple(values[each])
                for each in table.required:
                    if each not in values:
                        return None
                inner = values
                name, field, table, values, lists = stack.pop()  # noqa: PLW2901 (the block's own name)
                if field.of == "LayerParameter" and not stack:
                    if inner.get("name") == "" or inner.get("type") == "":
                        return None
                    layers.append(
                        Layer(
                            inner.pop("name", ""),
                            inner.pop("type", ""),
                            inner.pop("bottom", ()),
                            inner.pop("top", ()),
                            Fields(inner) if inner else EMPTY,
                        )
                    )
                    continue
                value = Fields(inner) if inner else EMPTY
            elif other:
                return None
            else:
                continue
            if field.repeated:
                if name in values:
                    values[name].append(value)
                else:
                    values[name] = [value]
                    lists.append(name)
            elif name in values:
                return None
            else:
                values[name] = value
    if stack or any(each not in values for each in table.required):
        return None
    for each in lists:
        values[each] = tuple(values[each])
    return Fields(values), layers
