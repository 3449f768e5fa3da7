"""``netgen completion``."""

from __future__ import annotations

from netgen.commands import COMMANDS
from netgen.commands.common import PROGRAM, emit, parser_for

ANALYSES = ("report", "lint", "diff")
"""The commands that take a network and what ``netgen report`` takes."""


def run(words: list[str]) -> int:
    """Print a completion script for a shell."""
    description = 'Print a completion script for a shell: eval "$(netgen completion bash)".'
    parser = parser_for("completion", description, command=True)
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    options = parser.parse_args(words)
    from netgen.templating import render

    script = {"shell": options.shell, "commands": list(COMMANDS), "analyses": ANALYSES, "program": PROGRAM}
    emit(render("completion.sh.j2", None, **script) + "\n", None)
    return 0
