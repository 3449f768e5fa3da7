"""Bare scalars of the text format (numbers and words) as values of a schema field; strings are the readers' matter.

Accepts what protobuf's C++ parser accepts (text_format.cc, Consume*): 0x1F and 017, ``1.``, ``.5``, ``1.5f``, ``inf``,
``t`` and ``True``, numbers for enum values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from netgen.errors import did_you_mean
from netgen.scalars import INTEGER_RANGES, shortest_float32
from netgen.schema import ENUMS, FIELDS

_INTEGER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"(-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[fF]?", re.ASCII)
_WORD_FLOAT = re.compile(r"-?(?:inf|infinity|nan)", re.ASCII | re.IGNORECASE)
_BOOLEANS = {"true": True, "True": True, "t": True, "false": False, "False": False, "f": False}


class ScalarError(ValueError):
    """A bare scalar that its field does not take; the text is the rule and what was found."""


def _whole(text: str) -> int | None:
    if not _INTEGER.fullmatch(text):
        return None
    digits = text.lstrip("-")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1] not in "xX"
    # More digits than any field holds: not worth converting, and Python refuses thousands of them.
    if len(digits) > 30:
        return 10**30
    number = int(digits, 8) if octal else int(digits, 0)
    return -number if text[0] == "-" else number


def _integer(text: str, kind: str, _: str) -> int:
    number = _whole(text)
    low, high = INTEGER_RANGES[kind]
    if number is None or (text[0] == "-" and low == 0):
        raise ScalarError(f"must be a whole number{' of 0 or more' if low == 0 else ''}, got {text}")
    if not low <= number <= high:
        raise ScalarError(f"must lie in {low}..{high} ({kind}), got {text if len(text) < 40 else text[:37] + '...'}")
    return number


def _real(text: str, kind: str, _: str) -> float:
    match = _FLOAT.fullmatch(text)
    if match:
        number = float(match[1])
    elif _WORD_FLOAT.fullmatch(text):
        number = float(text)
    else:
        whole = _whole(text)
        if whole is None:
            raise ScalarError(f"must be a number, got {text}")
        number = float(whole)
    return number if kind == "double" else shortest_float32(number)


def _boolean(text: str, _: str, __: str) -> bool:
    value = _BOOLEANS.get(text)
    if value is None:
        number = _whole(text)
        if number not in (0, 1) or text[0] == "-":
            raise ScalarError(f"must be true or false, got {text}")
        value = bool(number)
    return value


def _enum(text: str, _: str, of: str) -> str:
    values = ENUMS[of]
    if text in values:
        return text
    number = _whole(text)
    if number is not None:
        for name, value in values.items():
            if value == number:
                return name
    choices = ", ".join(values) if len(values) <= 12 else f"the {len(values)} values of {of}"
    raise ScalarError(f"must be one of {choices}, got {text}{did_you_mean(text, values)}")


def _no_bare(text: str, _: str, __: str) -> Any:
    raise ScalarError(f'must be a quoted string, got {text}; write "{text}"')


_CONVERT: dict[str, Callable[[str, str, str], Any]] = {
    **dict.fromkeys(("int32", "int64", "uint32"), _integer),
    **dict.fromkeys(("float", "double"), _real),
    **dict.fromkeys(("string", "bytes", "message"), _no_bare),
    "bool": _boolean,
    "enum": _enum,
}


class Field:
    """How the readers take one schema field."""

    __slots__ = ("kind", "memo", "of", "quoted", "repeated", "table")

    def __init__(self, label: str, kind: str, of: str, memo: dict[str, Any]) -> None:
        self.kind = kind
        self.of = of
        self.quoted = kind in ("string", "bytes")
        self.repeated = label == "repeated"
        self.memo = memo
        self.table: Table | None = None

    def convert(self, text: str) -> Any:
        """The value of a bare scalar; raises ScalarError."""
        value = self.memo.get(text)
        if value is None:
            value = _CONVERT[self.kind](text, self.kind, self.of)
            if len(self.memo) < 4096:
                self.memo[text] = value
        return value


class Table(dict[str, Field]):
    """The fields of one message by name, with the names of the required ones."""

    __slots__ = ("message", "required")

    def __init__(self, message: str) -> None:
        super().__init__()
        self.message = message
        self.required: tuple[str, ...] = ()


_tables: dict[str, Table] = {}
_memos: dict[tuple[str, str], dict[str, Any]] = {}


def table_of(message: str) -> Table:
    """The reading table of a message; made once, with one memo for each kind of scalar."""
    table = _tables.get(message)
    if table is None:
        table = _tables[message] = Table(message)
        for name, (_, label, kind, of, _) in FIELDS[message].items():
            table[name] = Field(label, kind, of or "", _memos.setdefault((kind, of or ""), {}))
        table.required = tuple(name for name, row in FIELDS[message].items() if row[1] == "required")
    return table
