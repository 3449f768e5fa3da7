"""The parser of a command's words: argparse, whose mistakes are UsageErrors in netgen's manner."""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any, NoReturn

from netgen.commands.common import emit
from netgen.errors import UsageError, did_you_mean

_KINDS = {"int": "a whole number", "float": "a number"}


class Parser(ArgumentParser):
    """An ArgumentParser that knows which option a misspelt one was meant to be."""

    def error(self, message: str) -> NoReturn:
        """Raise a UsageError for what argparse found."""
        what = _said(message)
        raise UsageError(what if what.endswith("?") else f"{what}; '{self.prog} --help' tells what it takes")

    def format_help(self) -> str:
        """The same, with the description in as many columns as the rest."""
        from netgen.commands.fitting import fitted

        self.description = fitted(self.description or "")
        return super().format_help()

    def _print_message(self, message: str, file: Any = None) -> None:
        """Argparse would pass over a device that is full, and go to standard error where standard output is closed."""
        if file is sys.stderr and file is not None:
            super()._print_message(message, file)
        elif message:
            emit(message, None)

    def parse_known_args(  # type: ignore[override]  # of typeshed's overloads, this is the one that commands need
        self, args: Sequence[str], namespace: Any = None
    ) -> tuple[Namespace, list[str]]:
        """The same; what is no option is refused first, as argparse would then miss what is meant by it."""
        for word in _options(args):
            name = word.partition("=")[0]
            if not self._knows(name):
                self.error(f"no option {name!r}{self._near(name) or self._way_out(name)}")
        return super().parse_known_args(args, namespace)

    def _knows(self, name: str) -> bool:
        short = name[:2] if name[1] != "-" else name  # -oFILE
        return not {name, short}.isdisjoint(self._option_string_actions)

    def _near(self, name: str) -> str:
        """Which option was meant, of a long one's beginning a long one."""
        if not name.startswith("--"):
            return did_you_mean(name, self._option_string_actions)
        known = [each for each in self._option_string_actions if each.startswith("--")]
        begun = next((each for each in known if each.startswith(name)), None)
        return f"; did you mean {begun!r}?" if begun else did_you_mean(name, known)

    def _way_out(self, name: str) -> str:
        if not name.startswith("--") or not any(action.metavar == "key=value" for action in self._actions):
            return ""
        return f"; a parameter of the network is given as {name.lstrip('-')}=..."


def _options(words: Sequence[str]) -> list[str]:
    """The words that argparse takes for options: none behind a ``--``, no negative number, none with a blank."""
    ended = words.index("--") if "--" in words else len(words)
    return [
        word for word in words[:ended]
        if word[:1] == "-" and len(word) > 1 and " " not in word.partition("=")[0]
        and not re.match(r"-\.?\d", word)
    ]  # fmt: skip


def _said(message: str) -> str:
    """What argparse found, as netgen says it."""
    option, is_one, rule = message.removeprefix("argument ").partition(": ")
    if not message.startswith("argument ") or not is_one:
        # Argparse calls words that may be left out required, too.
        what = message.replace(", key=value", "").replace("the following arguments are required: ", "missing: ")
        return what.replace("unrecognized arguments: ", "not taken: ")
    if rule == "expected one argument":
        return f"{option}: a value must follow, as in {option.rpartition('/')[2]}=VALUE"
    if found := re.fullmatch(r"invalid (int|float) value: (.*)", rule, re.DOTALL):
        return f"{option}: must be {_KINDS[found[1]]}, got {found[2]}"
    if found := re.fullmatch(r"invalid choice: (.*) \(choose from (.*)\)", rule, re.DOTALL):
        choices = [each.strip("'") for each in found[2].split(", ")]
        near = did_you_mean(found[1].strip("'"), choices)
        return f"{option}: must be one of {', '.join(choices)}, got {found[1]}{near}"
    if rule.startswith("not allowed with argument "):
        return f"{option}: cannot be together with {rule.rpartition(' ')[2]}; leave one of them out"
    return f"{option}: {rule}"
