"""``netgen run``: the blobs that a network makes of its inputs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from netgen.commands.common import add_source, add_weights, parser_for, say, source, weights_for
from netgen.commands.report import add_state_options, check_state
from netgen.errors import NetgenError, ParseError, UsageError, needed

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from netgen.builder import Net
    from netgen.layers.base import Array


def run(words: list[str]) -> int:
    """Run one phase of a network over the arrays of a file and write its blobs to another."""
    options = _parser().parse_intermixed_args(words)
    if not options.output.endswith(".npz"):
        raise UsageError(f"-o: the file must be an .npz, got {options.output!r}")
    net = source(options.source, options.parameters)
    check_state(options, net)
    needed("torch", "torch", "netgen run")
    import numpy as np

    from netgen.analysis import analyze_as_far_as_possible
    from netgen.commands.effort import tell_effort
    from netgen.mirror.devices import device_named
    from netgen.mirror.running import run_with_notes
    from netgen.weightfiles.npz import write

    arrays = _arrays(options, net)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            say(f"note: {options.input}: {name!r} holds values that are not finite")
    blobs = options.blobs if options.blobs == "all" else options.blobs.split(",")
    device = device_named(options.device)
    shapes = {name: array.shape for name, array in arrays.items()}
    cost = analyze_as_far_as_possible(net, options.phase, shapes, stages=options.stage, level=options.level)
    tell_effort(cost, device.type, every_blob=blobs == "all")
    found, notes = run_with_notes(
        net, arrays, weights_for(options.source, options.weights), blobs, options.phase,
        device=device, ignore_missing=options.ignore_missing, stages=options.stage,
        level=options.level,
    )  # fmt: skip
    for note in notes:
        say(f"note: {options.weights}: {note}")
    write(found, options.output)
    return 0


def _parser() -> ArgumentParser:
    description = (
        "Run a network in PyTorch with Caffe's numbers: what the dumps of other programs are compared with\n"
        "('netgen compare'). IN.npz holds an array for each input, by blob name; of a single input IN may be an .npy.\n"
        "OUT.npz gets an array for each blob."
    )
    parser = parser_for("run SRC [key=value ...]", description, command=True)
    add_source(parser)
    add_weights(parser)
    parser.add_argument(
        "--input", metavar="IN", required=True, help="IN.npz (or .npy): the inputs, which also give their shapes"
    )
    parser.add_argument("-o", "--output", metavar="OUT.npz", required=True, help="the file to write")
    parser.add_argument("--blobs", default="all", metavar="A,B", help="the blobs to write (default all)")
    parser.add_argument("--device", default="cpu", metavar="NAME", help="cpu (default), cuda, auto")
    parser.add_argument("--ignore-missing", action="store_true", help="pass over layers that only the net or W has")
    add_state_options(parser, inputs=False)
    return parser


def _arrays(options: Namespace, net: Net) -> dict[str, Array]:
    """The inputs by name; an array without one is the only input that the network has."""
    from netgen.analysis import analyze_as_far_as_possible
    from netgen.weightfiles.npz import read_array, read_arrays

    if "=" in options.input and not os.path.exists(options.input):
        raise UsageError(
            f"--input: must be a file of arrays, which give the inputs their shapes, got {options.input!r}"
        )
    bare = options.input.endswith(".npy")
    try:
        arrays = {"arr_0": read_array(options.input)} if bare else read_arrays(options.input, None)
    except ParseError as error:
        if options.input.endswith((".npy", ".npz")):
            raise
        raise NetgenError(f"{error}; the inputs are arrays: an .npz, or of a single input an .npy") from None
    if list(arrays) != ["arr_0"]:  # as numpy.savez calls the first that is given no name
        return arrays
    inputs = analyze_as_far_as_possible(net, options.phase, stages=options.stage, level=options.level).inputs
    if "arr_0" in inputs:
        return arrays
    if len(inputs) != 1:
        raise UsageError(
            f"{options.input}: an array without a name can be the only input alone, and the net's are "
            f"{', '.join(inputs) or 'not known'}; numpy.savez('in.npz', NAME=array) names it"
        )
    return {next(iter(inputs)): arrays["arr_0"]}
