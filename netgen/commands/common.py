"""What the commands share: their parser, where nets come from, where output goes, whose tracebacks are shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from typing import TYPE_CHECKING, Any

from netgen.errors import NetgenError, UsageError, did_you_mean
from netgen.files import write_file
from netgen.loading import is_file, is_python, load
from netgen.scalars import printable
from netgen.zoo import call, find

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from netgen.builder import Net

PROGRAM = "netgen"
_NOTES = 10
_ENDINGS = (".prototxt", ".cfg", ".caffemodel", ".py")
"""Of the files that networks are read from."""


def say(text: str) -> None:
    """One line on standard error, whatever its encoding; what does not print is escaped."""
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    print(printable(text).encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr)


def source(name: str, parameters: Sequence[str] = ()) -> Net:
    """The net that a command's NET and key=value words stand for; what reading it noted goes to standard error."""
    if is_file(name) and not is_python(name):
        if parameters:
            raise UsageError(f"{name}: a file takes no parameters, got {parameters[0]!r}")
        net = load(name)
        for note in net.notes[:_NOTES]:
            say(f"note: {note}")
        if len(net.notes) > _NOTES:
            say(f"note: {name}: {len(net.notes) - _NOTES} more notes like these")
        if not net.layers and not net.params and not net.name:
            say(f"note: {name}: the file is empty, which is an empty net")
        return net
    function = named(name)
    values: dict[str, Any] = {}
    if parameters:
        from netgen.arguments import arguments

        values = arguments(name, function, parameters)
    built: Net = guarded(call, name, function, values)
    return built


def named(name: str) -> Callable[..., Any]:
    """The function that builds the network of that name, or in that ``.py`` file."""
    if is_python(name):
        found: Callable[..., Any] = guarded(find, name)
        return found
    try:
        return find(name)
    except UsageError as error:
        from netgen.commands import COMMANDS

        if "." in name:
            files = []
            with suppress(OSError):  # a folder that is gone or closed to us
                files = [each for each in os.listdir(".") if os.path.isfile(each)]
            raise UsageError(f"{name}: no such file, and no network of that name{did_you_mean(name, files)}") from None
        near = did_you_mean(name, COMMANDS)
        if near and "did you mean" not in str(error):
            raise UsageError(f"no command {name!r}{near}") from None
        file = next((f"{name}{ending}" for ending in _ENDINGS if name and os.path.isfile(f"{name}{ending}")), None)
        if file:
            raise UsageError(f"no network {name!r}; did you mean the file {file!r}?") from None
        raise


def add_source(parser: ArgumentParser) -> None:
    """The words that name a network, for ``source``."""
    parser.add_argument("source", metavar="SRC", help="a network's name, a .prototxt, .caffemodel, .cfg or .py file")
    what = f"parameters of the network, which '{PROGRAM} SRC --help' lists"
    parser.add_argument("parameters", metavar="key=value", nargs="*", help=what)


def add_weights(parser: ArgumentParser) -> None:
    """The option that names a weights file, for ``weights_for``."""
    what = "a weights file: .caffemodel, .npz, .h5, .pt, and for a .cfg a .weights"
    parser.add_argument("--weights", metavar="W", required=True, help=what)


def weights_for(source: str, path: str) -> str | dict[str, Any]:
    """The weights file that a command's words name; of a Darknet ``.cfg``'s own files what is in them."""
    from netgen.weightfiles import ENDINGS

    if not source.endswith(".cfg") or os.path.splitext(path)[1].lower() in ENDINGS:
        return path
    from netgen.darknet import load_darknet

    return load_darknet(source, path).weights


def emit(text: str, output: str | None) -> None:
    """Write to a file, whole or not at all, or to standard output as UTF-8."""
    if output is not None and output != "-":
        write_file(output, text)
        return
    data = text.encode("utf-8", "surrogateescape")
    stream = getattr(sys.stdout, "buffer", None)
    if sys.stdout is None:
        raise UsageError("standard output is closed; write to a file with -o")
    try:
        if stream is None:
            sys.stdout.write(data.decode("utf-8", "replace"))
        else:
            stream.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"standard output: cannot be written: {error.strerror or error}") from None


def parser_for(usage: str, description: str, command: bool = False) -> ArgumentParser:
    """The parser of a command line, whose mistakes are UsageErrors."""
    from argparse import RawDescriptionHelpFormatter

    from netgen.commands.parser import Parser

    name = f"{PROGRAM} {usage.partition(' ')[0]}" if command else PROGRAM
    return Parser(
        prog=name,
        usage=f"{PROGRAM} {usage} [options]",
        description=description,
        formatter_class=RawDescriptionHelpFormatter,
        add_help=command,
        allow_abbrev=False,
    )


def guarded(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call what runs a user's file; an exception of its own shows its own traceback, without netgen's lines."""
    try:
        # What a network's file prints is for its author, not for the prototxt.
        with redirect_stdout(sys.stderr):
            return function(*args, **kwargs)
    except (NetgenError, KeyboardInterrupt, BrokenPipeError):
        raise
    except BaseException as error:
        import traceback

        ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        frames = [each for each in traceback.extract_tb(error.__traceback__) if not _is_ours(each.filename, ours)]
        if not frames and not isinstance(error, SyntaxError):
            raise  # a fault of netgen's own, which must not be hidden
        lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)] if frames else []
        for line in "".join([*lines, *traceback.format_exception_only(error)]).splitlines():
            say(line)
        raise SystemExit(1) from None


def _is_ours(filename: str, ours: str) -> bool:
    beside = os.path.join(os.path.dirname(ours), "nets")  # in a checkout
    return filename.startswith((ours, beside, "<frozen"))
