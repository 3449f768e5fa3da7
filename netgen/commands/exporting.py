"""``netgen export``: a network, and its weights, as Darknet's files."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from netgen.commands.common import parser_for, say, source


def run(words: list[str]) -> int:
    """Write a network as PREFIX.cfg, and its weights as PREFIX.weights."""
    description = (
        "Write a network as PREFIX.cfg, and with its weights as PREFIX.weights, for AlexeyAB's Darknet. A layer that\n"
        "Darknet cannot express is named. The sections of detection heads are to be added."
    )
    parser = parser_for("export NET [key=value ...]", description, command=True)
    parser.add_argument("net", metavar="NET", help="a network's name, a .prototxt, .caffemodel, .cfg or .py file")
    parser.add_argument("parameters", metavar="key=value", nargs="*", help="parameters of the network")
    parser.add_argument("--weights", metavar="FILE", help="the weights, as a .caffemodel")
    parser.add_argument("-o", "--output", metavar="PREFIX", required=True, help="what the new files' names begin with")
    options = parser.parse_intermixed_args(words)
    from netgen.darknet.export import export_darknet

    net = source(options.net, options.parameters)
    weights = None
    if options.weights is not None:
        netgen: Any = import_module("netgen")
        weights = netgen.load_weights(options.weights)
    for note in export_darknet(net, options.output.removesuffix(".cfg"), weights):
        say(f"note: {note}")
    return 0
