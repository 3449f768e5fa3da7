"""``netgen fold``: BatchNorm and Scale folded into the layers before them."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from netgen.commands.common import add_source, add_weights, parser_for, say, source, weights_for
from netgen.commands.report import add_input_option, inputs_of
from netgen.errors import NetgenError, UsageError
from netgen.files import is_same_file


def run(words: list[str]) -> int:
    """Write the TEST network with fewer layers, and its weights."""
    options = _parser().parse_intermixed_args(words)
    prefix = _prefix(options)
    net = source(options.source, options.parameters)
    inputs = inputs_of(options, net)
    from netgen.files import write_file
    from netgen.folding import fold
    from netgen.prototxt import write
    from netgen.weightfiles import load_weights, save_weights
    from netgen.weights import expected_weights, match_all

    expected = expected_weights(net, inputs=inputs)
    given = weights_for(options.source, options.weights)
    loaded = load_weights(given, expected) if isinstance(given, str) else given
    notes: list[str] = []
    try:
        match_all(expected, loaded, notes)
        found = fold(net, loaded, inputs)
    except NetgenError as error:
        raise NetgenError(f"{options.weights}: {error}") from None
    save_weights(found.weights, f"{prefix}.caffemodel", found.net)
    write_file(f"{prefix}.prototxt", write(found.net))
    for note in notes:
        say(f"note: {options.weights}: {note}")
    say(f"folded {len(found.folded)} layers into those before them")
    for name, why in found.kept.items():
        say(f"note: layer {name!r} stays: {why}")
    return 0


def _parser() -> ArgumentParser:
    description = (
        "Write PREFIX.prototxt and PREFIX.caffemodel: the TEST network with BatchNorm, Scale and Bias layers folded\n"
        "into the Convolution, Deconvolution or InnerProduct before them. What stays is named."
    )
    parser = parser_for("fold SRC [key=value ...]", description, command=True)
    add_source(parser)
    add_weights(parser)
    parser.add_argument("-o", "--output", metavar="PREFIX", required=True, help="the files' names without endings")
    add_input_option(parser)
    return parser


def _prefix(options: Namespace) -> str:
    """What the new files' names begin with; raises UsageError where they are those that are read."""
    prefix: str = options.output.removesuffix(".prototxt").removesuffix(".caffemodel")
    for read in (options.source, options.weights):
        if any(is_same_file(read, f"{prefix}{ending}") for ending in (".prototxt", ".caffemodel")):
            raise UsageError(f"-o: {prefix} would replace {read}, which is read here; choose another PREFIX")
    return prefix
