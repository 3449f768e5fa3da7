"""The full reader of the text format: every spelling that protobuf takes, and line and column in every error.

No recursion. ``fast`` reads plain files several times faster and hands over to this one at the first thing it does not
expect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from netgen.graph import Fields, Layer, Literal
from netgen.prototxt.scalars import Field, ScalarError, Table, table_of
from netgen.prototxt.tokens import Source, Token

if TYPE_CHECKING:
    from netgen.errors import ParseError

_CLOSERS = {"{": "}", "<": ">"}
_NUMBERS = ("int32", "int64", "uint32", "float", "double", "bool")


# As protobuf has it for messages. Only fields that the schema lacks can lie so deep, and whoever compares or copies
# their values may go down with them.
DEEPEST = 100


class Frame:
    """A message that is being read: ``table`` is None inside a field that the schema lacks."""

    __slots__ = ("closer", "field", "in_list", "is_layer", "name", "offset", "repeated", "table", "values")

    def __init__(self, name: str, table: Table | None, field: Field | None, closer: str, offset: int) -> None:
        self.name = name
        self.table = table
        self.field = field
        self.closer = closer
        self.offset = offset
        self.in_list = False
        self.is_layer = False
        self.values: dict[str, Any] = {}
        self.repeated: set[str] = set()


class Unknown(NamedTuple):
    """A field, or a value of an enum field, that the schema lacks.

    Where it stands, the field's dotted path, which layer it is in (-1: none), and the enum value ('' for a field, '['
    for a list where the schema has one value).
    """

    offset: int
    path: str
    layer: int
    value: str = ""


class Reader:
    """One reading of one text."""

    def __init__(self, text: str, path: str, message: str) -> None:
        self.source = Source(text, path)
        self.layers: list[Layer] = []
        self.unknown: list[Unknown] = []
        # Nothing hangs on the numbers of a solver, so a fork's list in the place of one (device_id) is kept.
        self._keeps_lists = message == "SolverParameter"
        self._tokens = self.source.tokens()
        self._token = next(self._tokens)
        self._stack = [Frame("", table_of(message), None, "", 0)]

    def read(self) -> Fields:
        """The fields of the whole text; the ``layer`` fields of a net are in ``layers`` instead."""
        while True:
            token = self._token
            frame = self._stack[-1]
            if token.kind == "word":
                self._advance()
                self._field(frame, token)
            elif token.text == frame.closer and token.kind == "sign":
                self._advance()
                self._close(frame)
            elif token.kind == "end" and len(self._stack) == 1:
                break
            else:
                self._refuse_statement(frame, token)
        self._require(self._stack[0])
        return _freeze(self._stack[0])

    # Tokens

    def _advance(self) -> Token:
        token = self._token
        if token.kind != "end":
            self._token = next(self._tokens)
        return token

    def _take(self, *signs: str) -> str:
        """The sign that comes next, if it is one of these; otherwise ''."""
        if self._token.kind == "sign" and self._token.text in signs:
            return self._advance().text
        return ""

    # Statements

    def _field(self, frame: Frame, name: Token) -> None:
        table = frame.table
        field = table.get(name.text) if table is not None else None
        if table is not None and field is None:
            self._note(name)
        colon = self._take(":")
        if opener := self._take("{", "<"):
            self._open(frame, name, field, opener)
            return
        if not colon:
            brace = " or '{'" if field is None or field.kind == "message" else ""
            raise self._expected(f"':'{brace} after {name.text!r}")
        if self._take("["):
            self._list(frame, name, field)
            return
        self._store(frame, name, field, self._scalar(name, field))
        self._take(",", ";")

    def _open(self, frame: Frame, name: Token, field: Field | None, opener: str, in_list: bool = False) -> None:
        table = None
        if field is not None:
            if field.kind != "message":
                rule = f"{name.text} takes a value ({field.kind}), not a block in {opener} {_CLOSERS[opener]}"
                raise self.source.error(name.offset, rule)
            if field.table is None:
                field.table = table_of(field.of)
            table = field.table
            self._refuse_twice(frame, name, field)
        if len(self._stack) > DEEPEST:
            raise self.source.error(name.offset, f"blocks may lie {DEEPEST} deep in each other at most")
        inner = Frame(name.text, table, field, _CLOSERS[opener], name.offset)
        inner.in_list = in_list
        inner.is_layer = len(self._stack) == 1 and field is not None and field.of == "LayerParameter"
        self._stack.append(inner)

    def _close(self, frame: Frame) -> None:
        self._require(frame)
        self._stack.pop()
        outer = self._stack[-1]
        if frame.is_layer:
            self.layers.append(make_layer(_freeze(frame)))
        else:
            self._keep(outer, frame.name, frame.field, _freeze(frame))
        if frame.in_list:
            name = Token("word", frame.name, frame.offset)
            if self._take(","):
                if opener := self._take("{", "<"):
                    self._open(outer, name, frame.field, opener, in_list=True)
                    return
                raise self._expected(f"'{{' in the list of {frame.name}")
            if not self._take("]"):
                raise self._expected(f"',' or ']' in the list of {frame.name}")
        self._take(",", ";")

    def _list(self, frame: Frame, name: Token, field: Field | None) -> None:
        if field is not None and not field.repeated:
            if not (self._keeps_lists and len(self._stack) == 1 and field.kind in _NUMBERS):
                raise self.source.error(self._token.offset - 1, f"{name.text} takes one value, not a list")
            self._refuse_twice(frame, name, field)
        if opener := self._take("{", "<"):
            self._open(frame, name, field, opener, in_list=True)
            return
        if field is not None and not field.repeated:
            self._note(name, "[")
            field = None
        if field is None:
            frame.values.setdefault(name.text, ())
        if not self._take("]"):
            while True:
                self._store(frame, name, field, self._scalar(name, field))
                if self._take("]"):
                    break
                if not self._take(","):
                    raise self._expected(f"',' or ']' in the list of {name.text}")
        self._take(",", ";")

    # Values

    def _scalar(self, name: Token, field: Field | None) -> Any:
        start = self._token
        if start.kind == "string":
            return self._string(name, field)
        if field is not None and field.kind == "message":
            raise self.source.error(start.offset, f"expected '{{' after {name.text!r}, got {start.shown}")
        text = self._take("-")
        if self._token.kind not in ("number", "word"):
            raise self.source.error(start.offset, f"expected a value for {name.text!r}, got {start.shown}")
        text += self._advance().text
        if field is None:
            return Literal(text)
        return self._bare(name, field, text, start.offset)

    def _bare(self, name: Token, field: Field, text: str, offset: int) -> Any:
        try:
            return field.convert(text)
        except ScalarError as error:
            if field.kind == "enum" and text.isidentifier():
                self._note(name, text)
                return Literal(text)
            raise self.source.error(offset, f"{name.text} {error}") from None

    def _string(self, name: Token, field: Field | None) -> Any:
        first = self._token
        pieces = []
        while self._token.kind == "string":
            pieces.append(self._advance())
        if field is None:
            return Literal(" ".join(piece.text for piece in pieces))
        if field.kind not in ("string", "bytes"):
            if field.kind in _NUMBERS:
                self._bare(name, field, first.text, first.offset)
            hint = "; leave out the quotes" if field.kind == "enum" else ""
            raise self.source.error(first.offset, f"{name.text} is no string ({field.kind}), got {first.text}{hint}")
        data = b"".join(self.source.unescaped(piece) for piece in pieces)
        return data if field.kind == "bytes" else data.decode("utf-8", "surrogateescape")

    def _store(self, frame: Frame, name: Token, field: Field | None, value: Any) -> None:
        if field is not None:
            self._refuse_twice(frame, name, field)
        self._keep(frame, name.text, field, value)

    def _keep(self, frame: Frame, name: str, field: Field | None, value: Any) -> None:
        values = frame.values
        if (field is not None and not field.repeated) or (name not in values and field is None):
            values[name] = value
        elif name in frame.repeated:
            values[name].append(value)
        else:
            old = values.get(name, ())
            values[name] = [*(old if isinstance(old, tuple) else (old,)), value]
            frame.repeated.add(name)

    def _note(self, name: Token, value: str = "") -> None:
        layer = len(self.layers) if len(self._stack) > 1 and self._stack[1].is_layer else -1
        path = ".".join([*(each.name for each in self._stack[1:] if not each.is_layer), name.text])
        self.unknown.append(Unknown(name.offset, path, layer, value))

    # Refusals

    def _expected(self, what: str) -> ParseError:
        return self.source.error(self._token.offset, f"expected {what}, got {self._token.shown}")

    def _refuse_twice(self, frame: Frame, name: Token, field: Field) -> None:
        if not field.repeated and name.text in frame.values:
            raise self.source.error(name.offset, f"{name.text} is given twice, and takes one value; keep one of them")

    def _require(self, frame: Frame) -> None:
        for name in frame.table.required if frame.table is not None else ():
            if name not in frame.values:
                raise self.source.error(frame.offset, f"{frame.name} lacks its required field {name!r}")

    def _refuse_statement(self, frame: Frame, token: Token) -> None:
        if token.kind == "end":
            line, _ = self.source.place(frame.offset)
            rule = f"expected {frame.closer!r} before the end of the file, for {frame.name!r} opened at line {line}"
            raise self.source.error(token.offset, rule)
        if token.text == "[":
            raise self.source.error(token.offset, "expected a field name, got '['; protobuf extensions are not read")
        if token.text in "}>" and len(self._stack) == 1:
            rule = f"{token.text!r} closes nothing; delete it, or look for a brace missing above"
            raise self.source.error(token.offset, rule)
        expected = f"a field name or {frame.closer!r}" if frame.closer else "a field name"
        raise self.source.error(token.offset, f"expected {expected}, got {token.shown}")


def _freeze(frame: Frame) -> Fields:
    for name in frame.repeated:
        frame.values[name] = tuple(frame.values[name])
    return Fields(frame.values)


def make_layer(fields: Fields) -> Layer:
    """The layer that a LayerParameter's fields describe; a name or type that is written as "" stays in its params."""
    rest = dict(fields)
    name, type_name = (rest.pop(key) if rest.get(key) else "" for key in ("name", "type"))
    return Layer(name, type_name, rest.pop("bottom", ()), rest.pop("top", ()), Fields(rest))
