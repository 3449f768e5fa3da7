"""The fields of a network as finished lines of prototxt, in the schema's order, for the template to frame.

All that depends on the schema alone (names, order, indentation) is worked out once for each message and depth; numbers,
bools and enum values are looked up as whole lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netgen.graph import Fields, Graph, Layer
from netgen.scalars import quote, quote_bytes
from netgen.schema import FIELDS

_MEMO_SIZE = 4096
_SCALAR, _REAL, _STRING, _BYTES, _MESSAGE, _UNKNOWN = range(6)
_CODES = {"float": _REAL, "double": _REAL, "string": _STRING, "bytes": _BYTES, "message": _MESSAGE}


class _Line:
    """How one field is written at one depth."""

    __slots__ = ("closing", "code", "inner", "memo", "name", "prefix", "repeated")

    def __init__(self, name: str, code: int, repeated: bool, inner: str | None, depth: int) -> None:
        indent = "  " * depth
        self.name = name
        self.code = code
        self.repeated = repeated
        self.prefix = f"{indent}{name} {{" if code == _MESSAGE else f"{indent}{name}: "
        self.closing = indent + "}"
        self.inner = _table(inner, depth + 1) if code == _MESSAGE and inner else None
        self.memo: dict[Any, str] = {}

    def line(self, value: Any) -> str:
        """The line of one scalar."""
        code = self.code
        if type(value) is tuple:  # a list that was kept where the schema has one value
            return f"{self.prefix}[{', '.join(value)}]"
        if code == _STRING:
            return self.prefix + quote(value)
        if code == _BYTES:
            return self.prefix + quote_bytes(value)
        if code == _REAL:
            text = self.prefix + repr(value)
            if not value:  # 0.0 and -0.0 would be one key
                return text
        else:
            text = self.prefix + (("true" if value else "false") if isinstance(value, bool) else str(value))
        if len(self.memo) < _MEMO_SIZE:
            self.memo[value] = text
        return text


class _Table:
    """The lines of one message at one depth; ``plans`` holds the order for each set of fields met so far."""

    __slots__ = ("depth", "lines", "message", "plans")

    def __init__(self, message: str, depth: int) -> None:
        self.message = message
        self.depth = depth
        self.lines: dict[str, _Line] = {}
        self.plans: dict[tuple[str, ...], tuple[_Line, ...]] = {}

    def plan(self, names: tuple[str, ...]) -> tuple[_Line, ...]:
        rows = FIELDS[self.message]
        for name in names:
            if name not in self.lines:
                self.lines[name] = self._line(name)
        # Fields that the schema lacks come last, in the order in which they were read.
        ordered = sorted(names, key=lambda name: rows[name][0] if name in rows else 1 << 40)
        plan = tuple(self.lines[name] for name in ordered)
        if len(self.plans) < _MEMO_SIZE:
            self.plans[names] = plan
        return plan

    def _line(self, name: str) -> _Line:
        row = FIELDS[self.message].get(name)
        if row is None:
            return _Line(name, _UNKNOWN, False, None, self.depth)
        _, label, kind, of, _ = row
        return _Line(name, _CODES.get(kind, _SCALAR), label == "repeated", of, self.depth)


_tables: dict[tuple[str, int], _Table] = {}


def _table(message: str, depth: int) -> _Table:
    table = _tables.get((message, depth))
    if table is None:
        table = _tables[message, depth] = _Table(message, depth)
    return table


def _write(table: _Table, fields: Fields, lines: list[str]) -> None:
    """Append the lines of a message's fields; recursion goes no deeper than the schema."""
    names = tuple(fields)
    append = lines.append
    for how in table.plans.get(names) or table.plan(names):
        value = fields[how.name]
        if how.inner is not None:
            for each in value if how.repeated else (value,):
                append(how.prefix)
                if each:
                    _write(how.inner, each, lines)
                append(how.closing)
        elif how.code == _UNKNOWN:
            _write_unknown(how.name, value, table.depth, lines)
        elif how.repeated:
            for each in value:
                append(how.memo.get(each) or how.line(each))
        else:
            append(how.memo.get(value) or how.line(value))


def _write_unknown(name: str, value: Any, depth: int, lines: list[str]) -> None:
    """The lines of a field that the schema lacks, however deep it nests."""
    stack: list[tuple[str, Any, int]] = [(name, value, depth)]
    while stack:
        name, value, depth = stack.pop()
        indent = "  " * min(depth, 40)
        if isinstance(value, tuple):
            if value:
                stack.extend((name, each, depth) for each in reversed(value))
            else:
                lines.append(f"{indent}{name}: []")
        elif isinstance(value, Fields):
            lines.append(f"{indent}{name} {{")
            stack.append(("", indent + "}", 0))
            stack.extend((key, each, depth + 1) for key, each in reversed(value.items()))
        else:
            lines.append(f"{indent}{name}: {value}" if name else value)


def layer_lines(layer: Layer) -> list[str]:
    """The lines between ``layer {`` and ``}``, indented once."""
    lines = []
    if layer.name:
        lines.append("  name: " + quote(layer.name))
    if layer.type:
        lines.append("  type: " + quote(layer.type))
    lines += ["  bottom: " + quote(bottom) for bottom in layer.bottoms]
    lines += ["  top: " + quote(top) for top in layer.tops]
    if layer.params:
        _write(_table("LayerParameter", 1), layer.params, lines)
    return lines


def net_header(graph: Graph) -> str:
    """The lines of a network's own fields, its name first; not its layers."""
    fields = Fields({"name": graph.name, **graph.params} if graph.name else graph.params)
    return "\n".join(message_lines("NetParameter", fields))


def message_lines(message: str, fields: Fields) -> list[str]:
    """The lines of any message of the schema, not indented."""
    lines: list[str] = []
    _write(_table(message, 0), fields, lines)
    return lines


def layers_with_bodies(graph: Graph) -> Iterator[tuple[Layer, str]]:
    """Each layer with its lines as one text, one at a time: what the template loops over."""
    for layer in graph.layers:
        yield layer, "\n".join(layer_lines(layer))
