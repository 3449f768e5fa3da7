"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from netgen.errors import NetgenError, UsageError, did_you_mean
from netgen.linting.sites import Site, Sites
from netgen.scalars import printable

if TYPE_CHECKING:
    from netgen.graph import Layer

Found = Iterator[tuple[Site | None, str]]
Check = Callable[[Sites], Found]


class Finding(NamedTuple):
    """One thing that Caffe accepts and people regret; its text is ``layer 'x' (Type): what; why; way out [rule]``."""

    rule: str
    layer: Layer | None
    """None where it is about the net."""
    message: str

    def __str__(self) -> str:
        return printable(f"{self.layer or 'the net'}: {self.message} [{self.rule}]")


RULES: dict[str, Check] = {}
"""The rules by name; their docstrings give the reasons."""


def rule(check: Check) -> Check:
    """Register a function as the rule of its name in kebab case; it yields where and what, the net itself as None."""
    name = check.__name__.replace("_", "-")
    if name in RULES:
        raise NetgenError(f"rule {name!r}: there is one already; choose another name")
    RULES[name] = check
    return check


def chosen(ignore: Iterable[str]) -> dict[str, Check]:
    """The rules but for those to ignore. Raises UsageError for a name that none has."""
    ignored = {ignore} if isinstance(ignore, str) else set(ignore)
    for name in sorted(ignored - RULES.keys()):
        raise UsageError(f"no rule {name!r}{did_you_mean(name, RULES)} ('netgen lint --list-rules' names them)")
    return {name: check for name, check in RULES.items() if name not in ignored}


def joined(names: Iterable[str]) -> str:
    """Names in a sentence.

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
