"""``netgen export``: a network, and its weights, as Darknet's files."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from netgen.commands.common import add_source, parser_for, say
from netgen.commands.headed import add_anchors, headed
from netgen.errors import UsageError


def run(words: list[str]) -> int:
    """Write a network as PREFIX.cfg, and its weights as PREFIX.weights."""
    options = _parser().parse_intermixed_args(words)
    from netgen.darknet import load_darknet
    from netgen.darknet.export import export_darknet
    from netgen.detection.heads import heads_like

    if options.heads and options.anchors:
        raise UsageError("--heads: these have anchors; leave --anchors out")
    net, weights, heads, darknet = headed(options)
    if options.heads:
        heads = load_darknet(options.heads).heads
        if not heads:
            raise UsageError(f"{options.heads}: has no [yolo], [region] or [detection]; give the cfg of a detector")
        heads = heads_like(net, heads)
    if isinstance(weights, str):
        netgen: Any = import_module("netgen")
        weights = netgen.load_weights(weights)
    what = net if darknet is None else darknet
    for note in export_darknet(what, options.output.removesuffix(".cfg"), weights or None, heads=heads):
        say(f"note: {note}")
    return 0


def _parser() -> Any:
    description = (
        "Write a network as PREFIX.cfg, and with its weights as PREFIX.weights, for AlexeyAB's Darknet. A layer that\n"
        "Darknet cannot express is named. The [yolo] and [region] sections of a detector are written for a network's\n"
        "name (yolov3), a .cfg, and a file that ends on Yolov3DetectionOutput; for others give --anchors or --heads."
    )
    parser = parser_for("export SRC [key=value ...]", description, command=True)
    add_source(parser)
    parser.add_argument("--weights", metavar="W", help="its weights; for a .cfg also a .weights")
    add_anchors(parser)
    parser.add_argument("--heads", metavar="FILE.cfg", help="a cfg with the heads of the outputs, in their order")
    parser.add_argument("-o", "--output", metavar="PREFIX", required=True, help="what the new files' names begin with")
    return parser
