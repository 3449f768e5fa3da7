"""``netgen lint``: what Caffe accepts and people regret."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from netgen.commands.common import PROGRAM, add_source, emit, parser_for, say, source
from netgen.commands.report import add_state_options, inputs_of, misfitting
from netgen.errors import NetgenError

if TYPE_CHECKING:
    from netgen.graph import Graph
    from netgen.linting import Finding
    from netgen.weights import Weights


def run(words: list[str]) -> int:
    """Print what is found in the net that the words name; exit code 1 for any finding, and where a layer stopped it."""
    from netgen.linting import RULES

    # A rule's docstring begins with what it finds.
    rules = "\n".join(f"{name}: {(check.__doc__ or '').partition(chr(10))[0]}" for name, check in RULES.items())
    parser = parser_for(
        "lint SRC [key=value ...]",
        "What Caffe accepts and people regret, in one phase of a network. Exit code 1 if there is any.",
        command=True,
    )
    add_source(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="text (default) or json")
    parser.add_argument("--ignore", action="append", default=[], metavar="RULE", help="a rule; may be given again")
    parser.add_argument("--list-rules", action="version", version=rules, help="name the rules and what they find")
    parser.add_argument(
        "--weights", metavar="W", help="a weights file, to be looked at too; a .caffemodel as SRC is its own"
    )
    add_state_options(parser)
    return _lint(parser.parse_intermixed_args(words))


def _lint(options: Namespace) -> int:
    from netgen.linting import chosen, lint_as_far_as_possible
    from netgen.scalars import printable

    chosen(options.ignore)  # a misspelt rule is told before a net is built
    net = source(options.source, options.parameters)
    inputs = inputs_of(options, net)
    findings, error = lint_as_far_as_possible(
        net, options.phase, inputs, stages=options.stage, level=options.level, ignore=options.ignore,
        weights=_weights(options, net),
    )  # fmt: skip
    if options.format == "json":
        emit(_json(net, options.phase, findings, error), None)
    else:
        emit("".join(f"{finding}\n" for finding in findings), None)
    if findings and options.format == "text":
        say(f"{len(findings)} finding{'s' if len(findings) > 1 else ''}; --ignore RULE leaves a rule out")
    if error:
        say(f"{PROGRAM}: {printable(str(misfitting(NetgenError(error), net, inputs, options)))}")
    return 1 if findings or error else 0


def _weights(options: Namespace, net: Graph) -> Weights | None:
    """The weights to look at; raises NetgenError for those of a network that has no layer in common with the net."""
    path = options.weights or (options.source if options.source.lower().endswith(".caffemodel") else None)
    if path is None:
        return None
    from netgen.weightfiles import load_weights
    from netgen.weights import split_key

    weights = load_weights(path)
    names = {split_key(key)[0] for key in weights}
    if options.weights and names.isdisjoint(layer.name for layer in net.layers):
        raise NetgenError(f"{options.weights}: no layer of the network has weights there, as if they were another's")
    return weights


def _json(net: Graph, phase: str, findings: list[Finding], error: str) -> str:
    import json

    rows = [
        {
            "rule": finding.rule,
            "layer": finding.layer.name if finding.layer else None,
            "type": finding.layer.type if finding.layer else None,
            "message": finding.message,
        }
        for finding in findings
    ]
    # ASCII: names in files need not be text.
    return json.dumps({"name": net.name, "phase": phase, "findings": rows, "error": error or None}, indent=1) + "\n"
