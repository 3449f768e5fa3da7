"""Graphviz, which lays a drawing out: a program of its own, found in the PATH."""

from __future__ import annotations

import shutil
import subprocess

from netgen.errors import NetgenError, UsageError

_PROGRAM = "dot"


def check_installed(where: str) -> str:
    """Where Graphviz is; raises UsageError that tells how to get it. ``where`` is what needs it."""
    program = shutil.which(_PROGRAM)
    if program is None:
        raise UsageError(
            f"{where}: this needs Graphviz, whose program 'dot' is not in the PATH; 'apt install graphviz', 'brew "
            "install graphviz' or graphviz.org brings it, and .dot and .mmd files need nothing"
        )
    return program


def laid_out(text: str, form: str, where: str, seconds: float | None = None) -> bytes:
    """What Graphviz makes of DOT: ``form`` is svg, png or pdf; ``where`` names the picture in errors.

    Raises UsageError where Graphviz is not installed, NetgenError where it fails or takes more than ``seconds``.
    """
    program = check_installed(where)
    try:
        done = subprocess.run(
            [program, f"-T{form}"], input=text.encode("utf-8"), capture_output=True, timeout=seconds, check=False
        )
    except OSError as error:
        raise UsageError(f"{where}: {program} cannot be run: {error.strerror or error}") from None
    except subprocess.TimeoutExpired:
        raise NetgenError(f"{where}: Graphviz took more than {seconds:g} s; fold more, or write a .dot file") from None
    if done.returncode or not done.stdout:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = lines[0] if lines else f"exit code {done.returncode}"
        raise NetgenError(f"{where}: Graphviz failed: {reason}; a .dot file shows what it was given")
    return done.stdout
