"""``netgen list``, and the help on one network."""

from __future__ import annotations

import sys
from typing import Any

from netgen.commands.common import PROGRAM, emit, guarded, parser_for
from netgen.commands.fitting import fitted
from netgen.errors import NetgenError
from netgen.zoo import find, groups, parameters_of

_WIDTH = 24


def run(words: list[str]) -> int:
    """Name the networks that there are."""
    parser = parser_for("list", "Name the networks, each with a line that says what it is.", command=True)
    parser.add_argument("--names", action="store_true", help="the names alone, one on each line")
    options = parser.parse_args(words)
    lines: list[str] = []
    for title, names in groups():
        if not options.names:
            lines.append(f"{title}:")
        width = max(map(len, names))
        lines += (name if options.names else f"  {name:<{width}}  {_first_line(name)}" for name in names)
    if not options.names:
        lines.append(f"'{PROGRAM} NET --help' tells what a network is and which parameters it takes.")
    text = "\n".join(lines)
    emit(f"{fitted(text) if sys.stdout is not None and sys.stdout.isatty() else text}\n", None)
    return 0


def _first_line(name: str) -> str:
    try:
        return (find(name).__doc__ or "").strip().partition("\n")[0]
    except NetgenError as error:
        return str(error)  # one package's broken network hides no other


def describe(name: str) -> str:
    """How to write a network: its docstring (or its module's), its parameters, their defaults and what they take."""
    import inspect

    from netgen.arguments import taken

    function = guarded(find, name)
    text = inspect.getdoc(function)
    if text is None:
        text = inspect.cleandoc(getattr(function, "__globals__", {}).get("__doc__") or "")
    lines = [f"usage: {PROGRAM} {name} [key=value ...] [options]", "", text or "No description.", ""]
    known = parameters_of(function)
    kinds = guarded(taken, function)
    shown = {_default(known[key]): kinds[key] for key in known} if known else {}
    width = max(_WIDTH, *map(len, shown)) if shown else 0
    what = "parameters:" if shown else f"parameters: {'any' if known is None else 'none'}"
    rows = [f"  {default:<{width}}  {kind}" for default, kind in shown.items()]
    return fitted("\n".join([*lines, what, *rows, "", f"'{PROGRAM} --help' lists the options."]))


def _default(parameter: Any) -> str:
    value = parameter.default
    if value is parameter.empty:
        return f"{parameter.name}=..."
    return f"{parameter.name}={','.join(map(str, value)) if isinstance(value, tuple | list) else value}"
