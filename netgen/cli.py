"""The command line: ``python -m netgen NET [key=value ...] [-o FILE]``, and the commands beside it.

Exit code 0 when done, 1 when a network is wrong, 2 when the command is. A user's mistake is one sentence on standard
error; only a user's own ``.py`` file shows a traceback, and only its own lines.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from netgen import __version__
from netgen.errors import NetgenError, UsageError
from netgen.files import write_file
from netgen.loading import is_file, is_python, load
from netgen.zoo import call, find, names

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from netgen.builder import Net

PROGRAM = "netgen"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        command = COMMANDS.get(words[0]) if words else None
        code = command(words[1:]) if command else _write_net(words)
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


def _fail(error: BaseException, code: int) -> int:
    place = _place_in_user_file(error)
    message = str(error).encode("unicode_escape", "replace").decode() if not str(error).isprintable() else str(error)
    _say(f"{PROGRAM}: {place}{message}")
    return code


def _say(text: str) -> None:
    """One line on standard error, whatever its encoding."""
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr)


# Writing a network


def _write_net(words: list[str]) -> int:
    if words and not any(word.startswith("-") for word in words):
        # Without options there is nothing to parse, and argparse would cost a tenth of the whole run.
        _emit(source(words[0], words[1:]).to_prototxt(), None)
        return 0
    parser = _parser(
        "NET [key=value ...]",
        f"Write a network as prototxt. Commands: {', '.join(COMMANDS)}; '{PROGRAM} COMMAND --help' tells more.",
    )
    parser.add_argument("net", metavar="NET", help="a network's name, a .prototxt, a .py file or file.py:function")
    parser.add_argument("parameters", metavar="key=value", nargs="*", help="parameters of the network")
    parser.add_argument("-o", "--output", metavar="FILE", help="write to a file instead of standard output")
    parser.add_argument("--templates", metavar="DIR", help="a folder whose templates go before netgen's")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("-h", "--help", action="store_true", help="show this, or with NET what it is and takes")
    if not words or words in (["-h"], ["--help"]):
        parser.print_help(sys.stdout if words else sys.stderr)
        return 0 if words else 2
    options = parser.parse_intermixed_args(words)
    if options.help:
        return _help_on(options.net, parser)
    _emit(source(options.net, options.parameters).to_prototxt(options.templates), options.output)
    return 0


def source(name: str, parameters: Sequence[str] = ()) -> Net:
    """The net that a command's NET and key=value words stand for; what reading it noted goes to standard error."""
    if is_file(name) and not is_python(name):
        if parameters:
            raise UsageError(f"{name}: a file takes no parameters, got {parameters[0]!r}")
        net = load(name)
        for note in net.notes:
            _say(f"note: {note}")
        if not net.layers and not net.params and not net.name:
            _say(f"note: {name}: the file is empty, which is an empty net")
        return net
    function = _guarded(find, name) if is_python(name) else find(name)
    values: dict[str, Any] = {}
    if parameters:
        from netgen.arguments import arguments

        values = arguments(name, function, parameters)
    built: Net = _guarded(call, name, function, values) if is_python(name) else call(name, function, values)
    return built


def _emit(text: str, output: str | None) -> None:
    if output is not None:
        write_file(output, text)
        return
    data = text.encode("utf-8", "surrogateescape")
    stream = getattr(sys.stdout, "buffer", None)
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


# Other commands


def _list(words: list[str]) -> int:
    parser = _parser("list", "Name the networks, each with one line and its parameters.", command=True)
    parser.add_argument("--names", action="store_true", help="the names alone, one on each line")
    options = parser.parse_args(words)
    for name in names():
        try:
            print(name if options.names else _summary(name))
        except NetgenError as error:
            # One package's broken network hides no other.
            print(error)
    return 0


def _summary(name: str) -> str:
    from netgen.zoo import parameters_of

    function = find(name)
    first = (function.__doc__ or "").strip().partition("\n")[0]
    known = parameters_of(function)
    return f"{name}: {first}\n    {' '.join(_default(each) for each in known.values()) if known else ''}".rstrip()


def _default(parameter: Any) -> str:
    value = parameter.default
    if value is parameter.empty:
        return str(parameter.name)
    return f"{parameter.name}={','.join(map(str, value)) if isinstance(value, tuple | list) else value}"


def _help_on(name: str, parser: ArgumentParser) -> int:
    if is_file(name) and not is_python(name):
        parser.print_help()
        return 0
    import inspect

    print(_summary(name) if not is_python(name) else name)
    print(f"\n{inspect.getdoc(_guarded(find, name)) or 'No description.'}")
    return 0


def _completion(words: list[str]) -> int:
    description = 'Print a completion script for a shell: eval "$(netgen completion bash)".'
    parser = _parser("completion", description, command=True)
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    options = parser.parse_args(words)
    from netgen.templating import render

    print(render("completion.sh.j2", None, shell=options.shell, commands=list(COMMANDS), program=PROGRAM))
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {"list": _list, "completion": _completion}


# Help, and other people's files


def _parser(usage: str, description: str, command: bool = False) -> ArgumentParser:
    from argparse import ArgumentParser, RawDescriptionHelpFormatter

    class Parser(ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise UsageError(f"{message}; '{self.prog} --help' tells what it takes")

    name = f"{PROGRAM} {usage}" if command else PROGRAM
    shown = f"{name} [options]" if command else f"{PROGRAM} {usage} [options]"
    return Parser(
        prog=name, usage=shown, description=description, formatter_class=RawDescriptionHelpFormatter,
        add_help=command, allow_abbrev=False,
    )  # fmt: skip


def _guarded(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call what runs a user's file; an exception of its own shows its own traceback, without netgen's lines."""
    try:
        return function(*args, **kwargs)
    except (NetgenError, KeyboardInterrupt, BrokenPipeError):
        raise
    except BaseException as error:
        import traceback

        ours = os.path.dirname(os.path.abspath(__file__))
        frames = [each for each in traceback.extract_tb(error.__traceback__) if not _is_ours(each.filename, ours)]
        lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)] if frames else []
        _say("".join([*lines, *traceback.format_exception_only(error)]).rstrip("\n"))
        raise SystemExit(1) from None


def _is_ours(filename: str, ours: str) -> bool:
    beside = os.path.join(os.path.dirname(ours), "nets")  # in a checkout
    return filename.startswith((ours, beside, "<frozen"))


def _place_in_user_file(error: BaseException) -> str:
    """``file.py:12: `` of the line in a user's file that led to a NetgenError, or ''."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_globals.get("__name__", "").startswith("_netgen_user_"):
            place = f"{os.path.relpath(frame.f_code.co_filename)}:{trace.tb_lineno}: "
        trace = trace.tb_next
    return place
