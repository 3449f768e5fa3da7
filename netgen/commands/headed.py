"""The heads of a network that a command names: those of a cfg, of netgen's own networks, or by anchors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from netgen.commands.common import named, say, source
from netgen.errors import UsageError
from netgen.loading import is_file, is_python

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from netgen.builder import Net
    from netgen.darknet import Darknet, Head


class Headed(NamedTuple):
    """A network, its weights' file or what a .weights holds, and its heads, as far as they are known."""

    net: Net
    weights: Any
    heads: Sequence[Head]
    darknet: Darknet | None
    """What a cfg gave."""


def add_anchors(parser: ArgumentParser) -> None:
    """The options that tell the heads of a file that does not."""
    parser.add_argument("--anchors", metavar="W,H,W,H", help="the anchors of YOLO's outputs, the smallest first")
    parser.add_argument("--region", action="store_true", help="the anchors are in cells, and the output is YOLOv2's")


def headed(options: Any) -> Headed:
    """The network of ``source`` and ``parameters``, with ``weights`` and heads, its own or by ``anchors``.

    Notes of what was read go to standard error.
    """
    from netgen.detection.heads import anchors_of, heads_with, is_region, rows_of

    if options.source.endswith(".cfg"):
        return _darknet(options)
    if options.region and not options.anchors:
        raise UsageError("--region: this tells what --anchors are; give them")
    net = source(options.source, options.parameters)
    anchors: Sequence[float] | None = None
    region = options.region
    if options.anchors:
        anchors = numbers("--anchors", options.anchors)
    elif not (is_file(options.source) or is_python(options.source)) and rows_of(net) is None:
        from netgen.arguments import arguments

        function = named(options.source)
        values = arguments(options.source, function, options.parameters) if options.parameters else {}
        anchors, region = anchors_of(function, values), is_region(options.source)
    return Headed(net, options.weights, heads_with(net, anchors, region=region) if anchors else (), None)


def _darknet(options: Any) -> Headed:
    from netgen.darknet import load_darknet
    from netgen.weightfiles import ENDINGS

    for name in ("anchors", "parameters"):
        if getattr(options, name):
            raise UsageError(f"{options.source}: a cfg says its anchors and takes no parameters; leave {name} out")
    caffe = options.weights is not None and os.path.splitext(options.weights)[1].lower() in ENDINGS
    made = load_darknet(options.source, None if caffe else options.weights)
    for note in made.notes:
        say(f"note: {note}")
    return Headed(made.net, options.weights if caffe else made.weights, made.heads, made)


def numbers(option: str, words: str) -> list[float]:
    """The numbers of an option, with commas between them."""
    try:
        return [float(word) for word in words.split(",")]
    except ValueError:
        raise UsageError(f"{option}: must be numbers with commas between, got {words!r}") from None
