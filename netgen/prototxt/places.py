"""Where a field stands in a text that was read: for errors that turn up after the reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from netgen.errors import ParseError
from netgen.prototxt.tokens import Source


def error_at(text: str, path: str, rule: str, places: Iterable[tuple[str, int]]) -> ParseError:
    """The error at the last of these places, each a top-level field's name and which one of that name it is."""
    source = Source(text, path)
    wanted = set(places)
    seen: Counter[str] = Counter()
    offset = -1
    depth = 0
    for token in source.tokens():
        if token.kind == "sign":
            depth += (token.text in "{<") - (token.text in "}>")
        elif token.kind == "word" and depth == 0:
            if (token.text, seen[token.text]) in wanted:
                offset = token.offset
            seen[token.text] += 1
    return ParseError(path, *(source.place(offset) if offset >= 0 else (0, 0)), rule)
