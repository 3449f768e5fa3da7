"""``netgen list``, and the help on one network."""

from __future__ import annotations

from typing import Any

from netgen.commands.common import guarded, parser_for
from netgen.errors import NetgenError
from netgen.loading import is_python
from netgen.zoo import find, names, parameters_of


def run(words: list[str]) -> int:
    """Name the networks that there are."""
    parser = parser_for("list", "Name the networks, each with one line and its parameters.", command=True)
    parser.add_argument("--names", action="store_true", help="the names alone, one on each line")
    options = parser.parse_args(words)
    for name in names():
        try:
            print(name if options.names else summary(name))
        except NetgenError as error:
            # One package's broken network hides no other.
            print(error)
    return 0


def summary(name: str) -> str:
    """A network in two lines: what it is, what it takes."""
    function = find(name)
    first = (function.__doc__ or "").strip().partition("\n")[0]
    known = parameters_of(function)
    return f"{name}: {first}\n    {' '.join(_default(each) for each in known.values()) if known else ''}".rstrip()


def _default(parameter: Any) -> str:
    value = parameter.default
    if value is parameter.empty:
        return str(parameter.name)
    return f"{parameter.name}={','.join(map(str, value)) if isinstance(value, tuple | list) else value}"


def describe(name: str) -> str:
    """A network's name, parameters and docstring."""
    import inspect

    function = guarded(find, name)
    text = inspect.getdoc(function) or "No description."
    if not is_python(name):
        return f"{summary(name)}\n\n{text}"
    known = parameters_of(function) or {}
    return f"{name}\n    {' '.join(_default(each) for each in known.values())}".rstrip() + f"\n\n{text}"
