"""``key=value`` words of a command line become the arguments of a network's function, by its annotations."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from netgen.errors import UsageError
from netgen.zoo import parameters_of, unknown_parameter

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def arguments(name: str, function: Callable[..., Any], words: Iterable[str]) -> dict[str, Any]:
    """The keyword arguments that the words stand for; raises UsageError for one that the function does not take."""
    return {key: typed(name, key, text, hint) for key, text, hint in keyed(name, function, words)}


def keyed(name: str, function: Callable[..., Any], words: Iterable[str]) -> Iterator[tuple[str, str, Any]]:
    """The parameter, the text and the annotated type of each ``key=value`` word; raises UsageError as ``arguments``."""
    known = parameters_of(function)
    hints: dict[str, Any] = {}
    seen: set[str] = set()
    for word in words:
        key, equals, text = word.partition("=")
        key = key.replace("-", "_")
        if not equals or not key:
            raise UsageError(f"{name}: expected key=value, got {word!r}")
        if key in seen:
            raise UsageError(f"{name}: {key} is given twice")
        if known is not None and key not in known:
            raise UsageError(f"{name}: {unknown_parameter(key, known)}")
        seen.add(key)
        hints = hints or typing.get_type_hints(function)
        yield key, text, hints.get(key, _kind_of_default(known, key))


def typed(name: str, key: str, text: str, hint: Any, way_out: str = "") -> Any:
    """One parameter's text as a value of its annotated type; raises UsageError."""
    try:
        return _value(text, hint)
    except ValueError:
        raise UsageError(f"{name}: {key} must be {_spoken(hint)}, got {text!r}{way_out}") from None


def taken(function: Callable[..., Any]) -> dict[str, str]:
    """What each parameter takes, in words; {} for a function that takes any."""
    known = parameters_of(function) or {}
    hints = typing.get_type_hints(function)
    return {key: _spoken(hints.get(key, _kind_of_default(known, key))) for key in known}


def kinds(hint: Any) -> tuple[Any, ...]:
    """The types that an annotation allows, those of a union one by one."""
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def is_list(kind: Any) -> bool:
    """Whether values of this type are lists, with commas between."""
    origin = typing.get_origin(kind) or kind
    return isinstance(origin, type) and issubclass(origin, Sequence) and not issubclass(origin, str | bytes)


def _kind_of_default(known: Mapping[str, Any] | None, key: str) -> Any:
    """What a parameter without an annotation takes: what its default is."""
    default = known[key].default if known is not None else None
    if isinstance(default, bool | int | float | str):
        return type(default)
    return Sequence[type(default[0])] if isinstance(default, tuple | list) and default else Any  # type: ignore[misc]


def _value(text: str, hint: Any) -> Any:
    """The text as a value of the annotated type; raises ValueError."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _first_that_fits(text, typing.get_args(hint))
    if hint is type(None):
        if text.lower() != "none":
            raise ValueError(text)
        return None
    if hint is bool:
        if text.lower() not in _BOOLEANS:
            raise ValueError(text)
        return _BOOLEANS[text.lower()]
    if origin is typing.Literal:
        if text not in typing.get_args(hint):
            raise ValueError(text)
        return text
    if origin is not None and issubclass(origin, Sequence):
        return _items(text, origin, typing.get_args(hint))
    if hint in (int, float):
        return hint(text)
    return text if hint is str else _guess(text)


def _first_that_fits(text: str, hints: tuple[Any, ...]) -> Any:
    # None and str last: they would take what another type says better.
    for hint in sorted(hints, key=lambda each: (each is str, each is type(None))):
        try:
            return _value(text, hint)
        except ValueError:
            continue
    raise ValueError(text)


def _items(text: str, origin: Any, hints: tuple[Any, ...]) -> tuple[Any, ...]:
    words = [word.strip() for word in text.strip("()[] ").split(",") if word.strip()]
    each = hints[0] if hints else Any
    if origin is tuple and hints and hints[-1] is not Ellipsis:
        if len(words) != len(hints):
            raise ValueError(text)
        return tuple(_value(word, hint) for word, hint in zip(words, hints, strict=True))
    return tuple(_value(word, each) for word in words)


def _guess(text: str) -> Any:
    import ast

    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _spoken(hint: Any) -> str:
    """A type as a person would name it."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_spoken(each) for each in inner)
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin is tuple and inner[-1] is not Ellipsis:
        return f"{len(inner)} values with commas between"
    if origin is not None:
        return "a list with commas between" + (f", each {_spoken(inner[0])}" if inner else "")
    known = {int: "a whole number", float: "a number", bool: "true or false", str: "a word", type(None): "none"}
    return known.get(hint, "a value")
