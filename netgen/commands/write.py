"""``netgen NET``: a network as prototxt, where the plain form of the command line is not enough."""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING

from netgen import __version__
from netgen.commands import COMMANDS
from netgen.commands.common import PROGRAM, emit, parser_for, say, source
from netgen.commands.report import check_state
from netgen.errors import did_you_mean
from netgen.loading import is_file, is_python
from netgen.prototxt import write
from netgen.wiring import State, filtered

if TYPE_CHECKING:
    from netgen.graph import Graph

_NOTES = 10


def run(words: list[str]) -> int:
    """Write a network, or tell what one is."""
    from textwrap import fill

    parser = parser_for(
        "NET [key=value ...]",
        fill(f"Write a network as prototxt. Commands: {', '.join(COMMANDS)}; '{PROGRAM} COMMAND --help' tells more."),
    )
    parser.add_argument(
        "net", metavar="NET", help="a network's name, a .prototxt, a Darknet .cfg, a .py file or file.py:function"
    )
    parser.add_argument(
        "parameters", metavar="key=value", nargs="*", help="its parameters, which 'netgen NET --help' lists"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to a file instead of standard output")
    parser.add_argument("--templates", metavar="DIR", help="a folder whose templates go before netgen's")
    parser.add_argument(
        "--phase", type=str.upper, choices=("TRAIN", "TEST"), help="only the layers of this phase (default all)"
    )
    parser.add_argument(
        "--stage", action="append", default=[], metavar="NAME", help="of this stage; may be given again"
    )
    parser.add_argument("--level", type=int, metavar="N", help="of this level")
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("-h", "--help", action="store_true", help="show this, or with NET what it is and takes")
    if not words or words in (["-h"], ["--help"]):
        parser.print_help(sys.stdout if words else sys.stderr)
        return 0 if words else 2
    options = parser.parse_intermixed_args(words)
    if options.help:
        from netgen.commands.listing import describe

        if is_file(options.net) and not is_python(options.net):
            parser.print_help()
        else:
            emit(f"{describe(options.net)}\n", None)
        return 0
    net: Graph = source(options.net, options.parameters)
    check_state(options, net)
    if options.phase or options.stage or options.level is not None:
        net = filtered(net, State(options.phase or "TEST", options.level or 0, options.stage))
    _note_unknown_types(net)
    emit(write(net, options.templates), options.output)
    return 0


def _note_unknown_types(net: Graph) -> None:
    """Tell of types that no Caffe known here has: they are written as they are."""
    from netgen.layers.index import TYPES

    unknown = {layer.type: layer for layer in reversed(net.layers) if layer.type not in TYPES}
    for name, layer in islice(unknown.items(), _NOTES):
        say(f"note: {layer}: the type is not known{did_you_mean(name, TYPES)}")
