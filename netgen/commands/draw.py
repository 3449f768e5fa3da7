"""``netgen draw``: a network as a picture."""

from __future__ import annotations

from netgen.commands.common import add_source, parser_for, say, source
from netgen.commands.report import add_state_options, inputs_of


def run(words: list[str]) -> int:
    """Draw one phase of a network into a file; where shapes end, a note says why."""
    from netgen.drawing import DIRECTIONS, FOLDS, check, draw

    description = (
        "Draw one phase of a network: a box for each layer, coloured by its kind, with shapes on the arrows.\n"
        ".svg, .png and .pdf need Graphviz; .dot and .mmd (Mermaid) need nothing.\n\n"
        "--fold none    a box for each layer\n"
        "--fold chains  BatchNorm, Scale, ReLU and what works in place inside the layer that they follow (default)\n"
        "--fold blocks  and blocks that repeat themselves once, times their number; types and fields are equal, while\n"
        "               channels may grow from one to the next, as in dense blocks"
    )
    parser = parser_for("draw SRC [key=value ...] -o FILE", description, command=True)
    add_source(parser)
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="FILE.svg, .png, .pdf, .dot or .mmd")
    parser.add_argument("--fold", choices=FOLDS, default="chains", help="how much goes into a box, as above")
    parser.add_argument("--direction", type=str.upper, choices=DIRECTIONS, default="TB", help="down (TB) or right (LR)")
    add_state_options(parser)
    options = parser.parse_intermixed_args(words)
    check(options.output, options.direction)
    net = source(options.source, options.parameters)
    shown = draw(
        net, options.output, options.phase, inputs_of(options, net), fold=options.fold,
        direction=options.direction, stages=options.stage, level=options.level,
    )  # fmt: skip
    if shown.error:
        say(f"note: shapes end where a layer is refused: {shown.error}")
    return 0
