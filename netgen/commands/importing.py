"""``netgen import``: a Darknet network, and its weights, as Caffe files."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from netgen.commands.common import parser_for, say
from netgen.errors import UsageError
from netgen.files import write_file


def run(words: list[str]) -> int:
    """Write a Darknet network as PREFIX.prototxt, and its weights as PREFIX.caffemodel."""
    description = (
        "Write a Darknet network as PREFIX.prototxt, and with its weights as PREFIX.caffemodel: plain Caffe layers\n"
        "where these give the same numbers. What no stock Caffe takes, and keys that are not read, are told."
    )
    parser = parser_for("import FILE.cfg", description, command=True)
    parser.add_argument("cfg", metavar="FILE.cfg", help="a Darknet network")
    parser.add_argument("--weights", metavar="FILE", help="its .weights, or a partial file such as darknet53.conv.74")
    parser.add_argument("--cutoff", type=int, metavar="N", help="the weights are those of the first N layers alone")
    parser.add_argument("--forks", action="store_true", help="take forks' shorter layers: Upsample, Reorg, Mish, ReLU6")
    parser.add_argument("-o", "--output", metavar="PREFIX", required=True, help="what the new files' names begin with")
    options = parser.parse_args(words)
    if options.cfg.endswith((".prototxt", ".caffemodel", ".weights")):
        raise UsageError(
            f"{options.cfg}: must be a Darknet .cfg; .weights go with --weights, and Caffe's files need no import"
        )
    if options.cutoff is not None and options.weights is None:
        raise UsageError("--cutoff: this tells how many layers the weights are of; give --weights, too")
    from netgen.darknet import load_darknet

    made = load_darknet(options.cfg, options.weights, cutoff=options.cutoff, forks=options.forks)
    for note in made.notes:
        say(f"note: {note}")
    if made.heads:
        told = ", ".join(f"[{head.type}]" for head in made.heads)
        say(
            f"note: {options.cfg}: the prototxt ends before its heads, {told}; detect and export --heads read them here"
        )
    prefix = options.output.removesuffix(".prototxt")
    text = made.net.to_prototxt()
    if options.weights is not None:
        netgen: Any = import_module("netgen")
        netgen.save_weights(made.weights, f"{prefix}.caffemodel", made.net)
    write_file(f"{prefix}.prototxt", text)
    return 0
