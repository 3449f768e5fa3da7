"""Help texts in as many columns as the terminal has."""

from __future__ import annotations

import re

_ROW = re.compile(r" *\S(?:\S| (?! ))*  +(?=\S)")
"""What comes before the text of a row: a word, and two blanks or more."""
_OWN = re.compile(r"[-*+] |>>> |[.]{2,3} |:\w|\d+[.)] ")
"""What a line begins with that is none of a text's: an item of a list, or code."""


def fitted(text: str, width: int | None = None) -> str:
    """A text whose lines have at most ``width`` characters (the terminal's when None) where its words let them.

    Lines of a paragraph flow together; a row, which has its text behind two blanks or more, goes on below that text.

    >>> print(fitted("--color    of each kind its own", 24))
    --color    of each kind
               its own
    """
    import shutil
    import textwrap

    width = width or max(shutil.get_terminal_size().columns - 2, 40)
    lines = []
    for line in _flowed(text):
        row = _ROW.match(line)
        indent = " " * row.end() if row and row.end() <= width // 2 else ""
        lines.append(
            textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
        )
    return "\n".join(lines)


def _flowed(text: str) -> list[str]:
    """The lines with those that go on in the next joined: in a text all, in rows what is indented."""
    lines: list[str] = []
    for line in text.split("\n"):
        goes_on = lines and lines[-1] and line and not _ROW.match(line) and not _OWN.match(line)
        if goes_on and line.startswith(" ") == bool(_ROW.match(lines[-1])):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    return lines
