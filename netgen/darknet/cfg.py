"""Darknet's ``.cfg`` as sections of keys and values, with their lines; knows no section's meaning.

Darknet (src/parser.c, read_cfg; src/option_list.c) takes all blanks out of a line, cuts it at the first ``=``, takes
the first of a repeated key, and reads numbers with atoi and atof, which drop what follows the digits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from netgen.errors import ParseError
from netgen.layers.base import INT_MAX

_COMMENT = re.compile(r"[#;].*")
_WHOLE = re.compile(r"[-+]?\d+(?:\.0*)?", re.ASCII)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_MOST_DIGITS = 40


class Option(NamedTuple):
    """One ``key = value``: the value as written, less the blanks around it, and where it stands."""

    value: str
    line: int
    column: int


class Section:
    """One section: ``type`` as written between the brackets, its line, and its options by key.

    The getters raise ParseError with the line of the key, or of the section where the key is missing, and remember
    which keys were asked for.
    """

    def __init__(self, path: str, type: str, line: int) -> None:
        self.path = path
        self.type = type
        self.line = line
        self.options: dict[str, Option] = {}
        self.known: set[str] = set()

    def error(self, rule: str, key: str = "") -> ParseError:
        """The error for this section, at the key's line if it is there."""
        option = self.options.get(key)
        line, column = (option.line, option.column) if option else (self.line, 1)
        return ParseError(self.path, line, column, f"[{self.type}] {rule}")

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        self.known.add(key)
        return key in self.options

    def integer(self, key: str, default: int, least: int | None = None) -> int:
        """A whole number."""
        if not self.has(key):
            return default
        value = self._whole(key, _uncommented(self.options[key].value))
        if least is not None and value < least:
            raise self.error(f"{key} must be {least} or more, got {value}", key)
        return value

    def flag(self, key: str) -> bool:
        """Whether a key is there and not 0."""
        return self.integer(key, 0) != 0

    def number(self, key: str, default: float) -> float:
        """A finite number."""
        return self._number(key, _uncommented(self.options[key].value)) if self.has(key) else default

    def word(self, key: str, default: str = "") -> str:
        """A word; Darknet takes a comment behind it for a part of it."""
        return "".join(self.options[key].value.split()) if self.has(key) else default

    def text_of(self, key: str) -> str:
        """The value of a key that is there, without a comment behind it."""
        return _uncommented(self.options[key].value)

    def integers(self, key: str) -> list[int]:
        """A list of whole numbers, empty where the key is missing."""
        return [self._whole(key, each) for each in self._items(key)]

    def numbers(self, key: str) -> list[float]:
        """A list of numbers, empty where the key is missing."""
        return [self._number(key, each) for each in self._items(key)]

    def _items(self, key: str) -> Iterator[str]:
        if self.has(key):
            items = _uncommented(self.options[key].value).split(",")
            if not items[-1].strip() and len(items) > 1:
                raise self.error(f"{key} ends with a comma, and Darknet reads one more entry of 0; remove it", key)
            yield from (each.strip() for each in items)

    def _whole(self, key: str, text: str) -> int:
        if not _WHOLE.fullmatch(text) or len(text) > _MOST_DIGITS:
            raise self.error(f"{key} must be a whole number, got {text!r}{_way_out(text)}", key)
        value = int(text.partition(".")[0])
        if not -INT_MAX <= value <= INT_MAX:
            raise self.error(f"{key} must lie in {-INT_MAX}..{INT_MAX}, got {value}", key)
        return value

    def _number(self, key: str, text: str) -> float:
        value = float(text) if _NUMBER.fullmatch(text) else math.inf
        if not math.isfinite(value):
            raise self.error(f"{key} must be a number, got {text!r}{_way_out(text)}", key)
        return value

    def __str__(self) -> str:
        return f"[{self.type}] ({self.path}:{self.line})"


def parse_cfg(text: str, path: str) -> tuple[list[Section], list[str]]:
    """The sections of a cfg file, and remarks on keys that Darknet passes over. Raises ParseError."""
    sections: list[Section] = []
    notes: list[str] = []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            sections.append(Section(path, _section_type(line, path, number), number))
            continue
        key, equals, value = line.partition("=")
        key = "".join(key.split())
        if not equals or not key:
            raise ParseError(path, number, 1, f"expected [section] or key=value, got {_shown(line)}")
        if not sections:
            raise ParseError(path, number, 1, f"{key}= stands before the first section; begin with [net]")
        _take(sections[-1], key, Option(value.strip(), number, raw.index("=") + 2), notes)
    if not sections:
        raise ParseError(path, 0, 0, "there is no section in it; a cfg begins with [net]")
    return sections, notes


def _take(section: Section, key: str, option: Option, notes: list[str]) -> None:
    where = f"{section.path}:{option.line}: [{section.type}] {key}"
    first = section.options.get(key)
    if not option.value:
        notes.append(f"{where} has no value, and Darknet leaves it out; give one or remove it")
    elif first is None:
        section.options[key] = option
    elif _uncommented(first.value) != _uncommented(option.value):
        notes.append(
            f"{where} is given again, as {_shown(option.value)}; Darknet takes the first, {_shown(first.value)} of "
            f"line {first.line}; remove one"
        )


def _section_type(line: str, path: str, number: int) -> str:
    name, bracket, rest = line[1:].partition("]")
    name = "".join(name.split())
    if not bracket or not name or _uncommented(rest):
        raise ParseError(path, number, 1, f"expected [section] alone on its line, got {_shown(line)}")
    return name


def _uncommented(value: str) -> str:
    return _COMMENT.sub("", value).strip()


def _way_out(text: str) -> str:
    """What Darknet makes of text that is no number, and what to write."""
    together = "".join(text.split())
    begun = _NUMBER.match(together)
    if begun is None:
        return "; Darknet reads 0"
    return f"; Darknet reads {begun.group()} and drops the rest, write what is meant"


def _shown(text: str) -> str:
    return repr(text if len(text) <= _MOST_DIGITS else text[:_MOST_DIGITS] + "...")
