"""``netgen weights``: a weights file for a network."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from netgen.commands.common import add_source, parser_for, say, source
from netgen.commands.report import add_state_options, inputs_of, misfitting
from netgen.errors import NetgenError, UsageError, needed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netgen.graph import Graph
    from netgen.weights import Weights

INITS = ("fillers", "zeros", "calibrated")


def run(words: list[str]) -> int:
    """Write new weights for a network, or those of another file in another format."""
    description = (
        "Write a weights file for one phase of a network: new weights, or with --from those of another file.\n"
        "The ending of OUT is its format: .caffemodel, .npz, .caffemodel.h5 or .pt."
    )
    parser = parser_for("weights SRC [key=value ...]", description, command=True)
    add_source(parser)
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="the file to write")
    parser.add_argument(
        "--init", choices=INITS, help="new weights by the network's fillers (default), all zero, or by the fillers "
        "with the statistics of BatchNorm layers taken from random input, and with factors and biases after them by "
        "which rounding does not grow (needs torch)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, metavar="N", help="of new weights (default 0)")
    parser.add_argument("--from", dest="given", metavar="W", help="a weights file of any of these formats to take over")
    parser.add_argument(
        "--ignore-missing", action="store_true", help="with --from: pass over layers that W lacks, which are made new, "
        "and those that the network lacks, by name as Caffe does",
    )  # fmt: skip
    add_state_options(parser)
    options = parser.parse_intermixed_args(words)
    _write(options)
    return 0


def _write(options: Namespace) -> None:
    from netgen.weightfiles import format_for, save_weights
    from netgen.weights import expected_weights

    format_for(options.output)
    new = options.init is not None or options.seed is not None
    if options.given is None and options.ignore_missing:
        raise UsageError("--ignore-missing goes with --from")
    if options.given is not None and new and not options.ignore_missing:
        raise UsageError("--init and --seed make new weights; with --from they need --ignore-missing")
    net = source(options.source, options.parameters)
    inputs = inputs_of(options, net)
    state = {"phase": options.phase, "stages": options.stage, "level": options.level}
    try:
        expected_weights(net, inputs=inputs, **state)
    except NetgenError as error:
        raise misfitting(error, net, inputs, options) from None
    weights = _given(options, net, inputs, state) if options.given else _new(options, net, inputs, state)
    save_weights(weights, options.output, net, **state)


def _given(options: Namespace, net: Graph, inputs: Mapping[str, Any], state: dict[str, Any]) -> Weights:
    from netgen.weightfiles import load_weights
    from netgen.weightfiles.torch import ModuleStateError
    from netgen.weights import expected_weights, match_weights

    expected = expected_weights(net, inputs=inputs, **state)
    try:
        loaded = load_weights(options.given, expected)
    except ModuleStateError:
        return _of_mirror(options, net, inputs, state)
    notes: list[str] = []
    try:
        found = match_weights(expected, loaded, ignore_missing=options.ignore_missing, notes=notes)
    except NetgenError as error:
        raise NetgenError(f"{options.given}: {error}") from None
    for note in notes:
        say(f"note: {options.given}: {note}")
    if len(found) == len(expected):
        return found
    made = _new(options, net, inputs, state)
    return {key: found.get(key, made[key]) for key in expected}


def _of_mirror(options: Namespace, net: Graph, inputs: Mapping[str, Any], state: dict[str, Any]) -> Weights:
    """Those of a file of ``torch.save(mirror.state_dict())``."""
    from importlib import import_module

    from netgen.weights import expected_weights

    # What --ignore-missing passes over is what it was before.
    new = _new(options, net, inputs, state) if options.ignore_missing else None
    mirror = import_module("netgen.mirror").to_torch(net, inputs=inputs, weights=new, **state)
    for note in mirror.load(options.given, ignore_missing=options.ignore_missing):
        say(f"note: {options.given}: {note}")
    weights = mirror.caffe_weights()
    return {key: weights[key] for key in expected_weights(net, inputs=inputs, **state)}


def _new(options: Namespace, net: Graph, inputs: Mapping[str, Any], state: dict[str, Any]) -> Weights:
    from netgen.filling import fill_weights

    seed = options.seed or 0
    init = options.init or "fillers"
    if init != "calibrated":
        return fill_weights(net, seed, inputs=inputs, init=init, **state)
    needed("torch", "torch", "--init calibrated")
    from importlib import import_module

    filled = fill_weights(net, seed, inputs=inputs, **state)
    weights: Weights = import_module("netgen.mirror.calibration").calibrate(net, filled, seed, inputs)
    return weights
