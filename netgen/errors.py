"""The exceptions that netgen raises for the mistakes of its users.

A message is one sentence, "where: rule, what was found; way out". Inner functions raise the rule; whoever walks the
layers adds the place once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any


class NetgenError(Exception):
    """Something is wrong with a network or a file; the base class of every error that netgen raises on purpose."""

    exit_code = 1

    def __init__(self, *message: object) -> None:
        super().__init__(*(brief(each) if isinstance(each, str) else each for each in message))


class ParseError(NetgenError):
    """A file or text cannot be read.

    ``path`` is the file as it was named (or ``"<text>"``), ``line`` and ``column`` are 1-based, 0 when the mistake has
    no single place.
    """

    def __init__(self, path: str, line: int, column: int, rule: str) -> None:
        place = f"{path}:{line}:{column}" if line else path
        super().__init__(f"{place}: {rule}")
        self.path = path
        self.line = line
        self.column = column
        self.rule = rule


class UsageError(NetgenError):
    """The request is wrong rather than the network: an unknown network, parameter, option or file."""

    exit_code = 2


def needed(package: str, extra: str, what: str, project: str = "") -> Any:
    """The module of an optional package, which ``what`` needs; raises UsageError that tells how to get it.

    ``project`` is what pip calls it, where that is another name.
    """
    from importlib import import_module

    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != package:
            raise
        project = project or package
        way = f"'pip install {project}', or netgen with its extra: 'pip install netgen[{extra}]'"
        raise UsageError(f"{what}: this needs the package {project!r}, which is not installed; {way}") from None


_LONG = re.compile(r"""'[^'\n]{400,}'|"[^"\n]{400,}"|(?<![^\s'"])[^\s'"]{400,}""")


def brief(message: str) -> str:
    """A message with the middle left out of every name and value that is no name but a file gone wrong."""
    if len(message) < 400:
        return message
    return _LONG.sub(lambda match: f"{match[0][:60]} ... {match[0][-60:]}", message)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name nearest to ``name``: the first that begins with it, else the most alike; None if none is near."""
    import difflib

    if len(name) > 100:
        return None
    folded: dict[str, str] = {}
    for each in known:
        folded.setdefault(_fold(each), each)
    wanted = _fold(name)
    begun = [each for each in folded if each.startswith(wanted)] if len(wanted) > 2 and wanted not in folded else []
    found = begun or difflib.get_close_matches(wanted, list(folded), 1, 0.6)
    return folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'X'?"`` for the known name that is nearest to ``name``, or ``""`` when none is near."""
    found = nearest(name, known)
    return "" if found is None else f"; did you mean {found!r}?"


def _fold(name: str) -> str:
    # Half of what the schema's messages are called is this ending: it would make strangers look alike.
    return name.lower().removesuffix("_param").replace("_", "").replace("-", "")
