"""The text format's tokens, each with its place in the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from netgen.errors import ParseError

# Possessive, so that the memory for going back is not as large as a long string.
_TOKEN = re.compile(
    r"""(?:\s++|\#[^\n]*+)*+(?:
      (?P<word>[A-Za-z_][A-Za-z0-9_]*+)
    | (?P<number>(?:0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?)(?P<glued>[A-Za-z0-9_]*))
    | (?P<string>"(?:[^"\\\n]++|\\.)*+"|'(?:[^'\\\n]++|\\.)*+')
    | (?P<sign>[{}<>\[\]:;,-])
    | (?P<end>\Z)
    | (?P<junk>.)
    )""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_SIMPLE_ESCAPES = dict(zip("abfnrtv\\'\"?", b"\a\b\f\n\r\t\v\\'\"?", strict=True))


class Token(NamedTuple):
    """A word, number, string or sign of the text, and where it begins."""

    kind: str
    text: str
    offset: int

    @property
    def shown(self) -> str:
        """The token as an error names it."""
        if self.kind == "end":
            return "the end of the file"
        return repr(self.text) if len(self.text) <= 40 else repr(self.text[:37] + "...")


class Source:
    """A text that is being read, and what its errors are called by."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text.removeprefix("\ufeff")
        self.path = path

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of a position, from 1."""
        return self.text.count("\n", 0, offset) + 1, offset - self.text.rfind("\n", 0, offset)

    def error(self, offset: int, rule: str) -> ParseError:
        """What is wrong at a position: the rule, or the conflict marker or placeholder that stands there."""
        line, column = self.place(offset)
        begin = offset - column + 1
        if self.text.startswith(("<<<<<<<", "=======", ">>>>>>>", "|||||||"), begin):
            rule = "this is a git conflict marker; choose one side of the conflict and delete the markers"
        elif placeholder := re.match(r"\$\{?\w*\}?|\{\{.*?\}\}|@\w+@", self.text[offset : offset + 80]):
            rule = f"{placeholder[0]} is a placeholder that was never filled in; put the value in its place"
        return ParseError(self.path, line, column, rule)

    def tokens(self) -> Iterator[Token]:
        """The tokens in order, an ``end`` token last; raises ParseError at what is none."""
        for match in _TOKEN.finditer(self.text):
            kind = match.lastgroup
            if kind == "glued":
                kind = "number"
            assert kind is not None
            token = Token(kind, match[kind], match.start(kind))
            if kind == "junk":
                raise self._junk(token)
            yield token
            if kind == "end":
                return

    def _junk(self, token: Token) -> ParseError:
        if token.text in "\"'":
            return self.error(token.offset, f"the string that opens here with {token.text} is not closed on its line")
        if token.text == "/" and self.text[token.offset + 1 : token.offset + 2] in ("/", "*"):
            return self.error(token.offset, "expected a field name, got '/'; comments begin with '#'")
        if token.text == "=":
            return self.error(token.offset, "expected ':', got '='; write 'field: value'")
        return self.error(token.offset, f"expected a field name or a value, got {token.shown}")

    def unescaped(self, token: Token) -> bytes:
        """The bytes that a string token stands for."""

        def byte(match: re.Match[str]) -> str:
            octal, hexadecimal, short, long, simple = match.groups()
            if octal or hexadecimal:
                code = int(octal, 8) & 255 if octal else int(hexadecimal, 16)
                return bytes([code]).decode("latin-1")
            if short or long:
                try:
                    return chr(int(short or long, 16)).encode("utf-8", "surrogatepass").decode("latin-1")
                except (ValueError, OverflowError):
                    raise self.error(token.offset, f"{match[0]} in this string is no character") from None
            if simple not in _SIMPLE_ESCAPES:
                raise self.error(token.offset + match.start() + 1, f"\\{simple} in this string is no escape sequence")
            return chr(_SIMPLE_ESCAPES[simple])

        inside = token.text[1:-1].encode("utf-8", "surrogateescape")
        if b"\\" not in inside:
            return inside
        return _ESCAPE.sub(byte, inside.decode("latin-1")).encode("latin-1")
