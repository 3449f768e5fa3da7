"""Python values become the fields of a layer, checked against the schema: names, kinds, ranges, how often."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from netgen.errors import NetgenError, did_you_mean
from netgen.graph import Fields, Literal
from netgen.scalars import INTEGER_RANGES, quote, quote_bytes, shortest_float32
from netgen.schema import ENUMS, FIELDS

Check = Callable[[Any], Any]


class FieldError(NetgenError):
    """A field breaks its schema; ``path`` is where, from the outermost message inwards."""

    def __init__(self, path: str, rule: str) -> None:
        super().__init__(f"{path} {rule}" if path else rule)
        self.path = path
        self.rule = rule

    def within(self, outer: str) -> FieldError:
        """The same error, seen from the message around."""
        if self.path:
            return FieldError(f"{outer}.{self.path}", self.rule)
        return FieldError("", f"{self.rule} (in {outer})" if "(in " not in self.rule else self.rule)


class Checked:
    """A value that has been checked already, for the verbs that give the same one to every layer."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def literal(value: Any, path: str = "") -> Any:
    """A Python value as it is held for a field that the schema lacks: scalars as their text.

    Raises FieldError for a name that prototxt cannot hold, and a value that it has no text for.
    """
    if isinstance(value, Mapping):
        for key in value:
            if not (isinstance(key, str) and key.isascii() and key.isidentifier()):
                raise FieldError(path, f"takes names of letters, digits and _, got {shown(key)}")
        return Fields({key: literal(each, f"{path}.{key}") for key, each in value.items() if each is not None})
    if isinstance(value, list | tuple):
        return tuple(literal(each, path) for each in value)
    if isinstance(value, Literal):
        return value
    if isinstance(value, bool):
        return Literal(str(value).lower())
    if isinstance(value, int | float):
        return Literal(repr(value))
    if isinstance(value, bytes):
        return Literal(quote_bytes(value))
    if isinstance(value, str):
        return Literal(quote(value))
    raise FieldError(path, f"takes numbers, strings, bools, netgen.Literal words, dicts and lists, got {shown(value)}")


def is_text(text: str) -> bool:
    """Whether a string can stand in a file: surrogates are for bytes that were no UTF-8, other ones are nothing."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def shown(value: object) -> str:
    """A value for an error message, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_fields(message: str, values: Mapping[str, Any]) -> Fields:
    """``values`` as the fields of one message of the schema; None counts as not given.

    Raises FieldError for an unknown field, a value of the wrong kind or range, and a missing required field.
    """
    checks = checks_of(message)
    fields = {}
    for name, value in values.items():
        if value is not None:
            check = checks.get(name)
            if check is None:
                raise FieldError("", f"no field {name!r}{did_you_mean(name, FIELDS[message])}")
            checked = check(value)
            # A repeated field that is given no value is not there, as in a file.
            if checked != ():
                fields[name] = checked
    for name in _required[message]:
        if name not in fields:
            raise FieldError(name, "is required and was not given")
    return Fields(fields)


_checks: dict[str, dict[str, Check]] = {}
_required: dict[str, tuple[str, ...]] = {}


def checks_of(message: str) -> dict[str, Check]:
    """For each field of a message, the function that turns a Python value into the graph's or raises FieldError."""
    checks = _checks.get(message)
    if checks is None:
        rows = FIELDS[message]
        _required[message] = tuple(name for name, row in rows.items() if row[1] == "required")
        checks = _checks[message] = {}
        for name, (_, label, kind, of, _) in rows.items():
            check = _KINDS[kind](name, kind, of or "")
            checks[name] = _repeated(check, of) if label == "repeated" else _single(name, check, of)
    return checks


def _single(name: str, check: Check, of: str | None) -> Check:
    if of == "BlobShape":
        return check

    def single(value: Any) -> Any:
        if type(value) is list or type(value) is tuple:
            raise FieldError(name, f"takes one value, got {len(value)}: {shown(value)}")
        return check(value)

    return single


def _repeated(check: Check, of: str | None) -> Check:
    def repeated(value: Any) -> Any:
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            return (check(value),)
        items = list(value)
        if of == "BlobShape" and not any(isinstance(item, Iterable) for item in items):
            return (check(items),)
        return tuple([check(item) for item in items])

    return repeated


def _integer(name: str, kind: str, _: str) -> Check:
    low, high = INTEGER_RANGES[kind]

    def integer(value: Any) -> int:
        if type(value) is not int:
            if isinstance(value, bool) or not hasattr(value, "__index__"):
                raise FieldError(name, f"must be a whole number, got {shown(value)}")
            value = operator.index(value)
        if not low <= value <= high:
            raise FieldError(name, f"must lie in {low}..{high} ({kind}), got {value}")
        return int(value)

    return integer


def _real(name: str, kind: str, _: str) -> Check:
    memo: dict[float, float] = {}

    def real(value: Any) -> float:
        if type(value) is float and value in memo:
            return memo[value] if value else value
        if isinstance(value, str | bytes | bool) or not hasattr(value, "__float__"):
            raise FieldError(name, f"must be a number, got {shown(value)}")
        number = float(value)
        if kind == "double":
            return number
        result = shortest_float32(number)
        if len(memo) < 4096:
            memo[number] = result
        return result

    return real


def _boolean(name: str, _: str, __: str) -> Check:
    def boolean(value: Any) -> bool:
        if value is True or value is False:
            return value
        if type(value).__name__ in ("bool", "bool_"):  # numpy's
            return bool(value)
        raise FieldError(name, f"must be True or False, got {shown(value)}")

    return boolean


def _string(name: str, _: str, __: str) -> Check:
    def string(value: Any) -> str:
        if not isinstance(value, str):
            raise FieldError(name, f"must be a string, got {shown(value)}")
        if not is_text(value):
            raise FieldError(name, f"holds a character that is not text, got {shown(value)}")
        return str(value)

    return string


def _data(name: str, _: str, __: str) -> Check:
    def data(value: Any) -> bytes:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise FieldError(name, f"must be bytes, got {shown(value)}")
        return bytes(value)

    return data


def _enum(name: str, _: str, of: str) -> Check:
    values = ENUMS[of]
    names = {number: each for each, number in reversed(values.items())}

    def enum(value: Any) -> str:
        if isinstance(value, str) and value in values:
            return value
        if type(value) is int and value in names:
            return names[value]
        near = did_you_mean(value, values) if isinstance(value, str) else ""
        raise FieldError(name, f"must be one of {', '.join(values)}, got {shown(value)}{near}")

    return enum


def _message(name: str, _: str, of: str) -> Check:
    shorthand = _SHORTHANDS.get(of)

    def message(value: Any) -> Fields:
        if not isinstance(value, Mapping):
            try:
                given = shorthand(value) if shorthand else None
            except FieldError as error:
                raise error.within(name) from None
            if given is None:
                raise FieldError(name, f"must be a dict of the fields of {of}, got {shown(value)}")
            value = given
        try:
            return check_fields(of, value)
        except FieldError as error:
            raise error.within(name) from None

    return message


_FILLERS = ("bilinear", "constant", "gaussian", "msra", "positive_unitball", "uniform", "xavier")


def _filler(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, str):
        near = did_you_mean(value, _FILLERS) if value not in _FILLERS else ""
        if near:
            raise FieldError("", f"no filler {value!r}{near} (a filler of your own: {{'type': {value!r}}})")
        return {"type": value}
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"type": "constant", "value": value}
    return None


_SHORTHANDS: dict[str, Callable[[Any], Mapping[str, Any] | None]] = {
    "FillerParameter": _filler,
    "NetStateRule": lambda value: {"phase": value} if isinstance(value, str) else None,
    "BlobShape": lambda value: {"dim": value} if isinstance(value, list | tuple) else None,
}
_KINDS: dict[str, Callable[[str, str, str], Check]] = {
    "int32": _integer,
    "int64": _integer,
    "uint32": _integer,
    "float": _real,
    "double": _real,
    "bool": _boolean,
    "string": _string,
    "bytes": _data,
    "enum": _enum,
    "message": _message,
}
