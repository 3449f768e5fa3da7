"""The command line: ``python -m netgen NET [key=value ...] [-o FILE]``, and the commands beside it.

Exit code 0 when done, 1 when a network is wrong, 2 when the command is. A user's mistake is one sentence on standard
error; only a user's own ``.py`` file shows a traceback, and only its own lines.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from netgen.commands import COMMANDS
from netgen.commands.common import PROGRAM, emit, say, source
from netgen.errors import NetgenError
from netgen.zoo import place_in_user_file


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _run(words)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        # Whoever read the output has gone; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except NetgenError as error:
        return _fail(error, error.exit_code)
    except KeyboardInterrupt:
        return 130
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else _fail(error, 2)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in ("jinja2", "markupsafe", "google", "numpy", "torch"):
            raise
        say(f"{PROGRAM}: the package {package!r} is not installed; 'pip install .' in netgen's folder brings it")
        return 2


def _run(words: list[str]) -> int:
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    if words and words[0] in COMMANDS:
        code: int = import_module(f"netgen.commands.{COMMANDS[words[0]]}").run(words[1:])
        return code
    if words and not any(word.startswith("-") for word in words):
        # Without options there is nothing to parse, and argparse would cost a tenth of the whole run.
        emit(source(words[0], words[1:]).to_prototxt(), None)
        return 0
    from netgen.commands.write import run

    return run(words)


def _fail(error: BaseException, code: int) -> int:
    place = place_in_user_file(error)
    say(f"{PROGRAM}: {place}{error}")
    return code
