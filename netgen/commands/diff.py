"""``netgen diff``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from netgen.commands.common import emit, parser_for, say, source
from netgen.commands.report import add_state_options, format_of, inputs_of
from netgen.errors import NetgenError

if TYPE_CHECKING:
    from netgen.comparison import Comparison
    from netgen.graph import Graph, Layer

FORMATS = ("text", "json", "html")
Inputs = dict[str, tuple[int, ...]]


def run(words: list[str]) -> int:
    """Print what changed between two networks; exit code 0 where nothing did, 1 where something did, 2 for trouble."""
    parser = parser_for(
        "diff OLD NEW", "What changed between two networks, by meaning: layers, fields, shapes, cost.", command=True
    )
    parser.add_argument("old", metavar="OLD", help="a network's name, a .prototxt, .caffemodel, .cfg or .py file")
    parser.add_argument("new", metavar="NEW", help="another")
    parser.add_argument(
        "--format", choices=FORMATS, help="text (default), json, or html: a page; -o tells by the ending"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to a file instead of standard output")
    add_state_options(parser)
    options = parser.parse_args(words)
    try:
        return _compared(options)
    except NetgenError as error:
        error.exit_code = 2  # 1 is said of networks that differ
        raise


def _compared(options: Namespace) -> int:
    from netgen.comparison import compare
    from netgen.upgrade import upgrade

    # An input is an input, whether an ``input:`` field or an Input layer says so.
    nets = [source(name) for name in (options.old, options.new)]
    inputs = inputs_of(options, *nets)
    old, new = (upgrade(net) for net in nets)
    found = compare(old, new, options.phase, inputs, stages=options.stage, level=options.level)
    form = format_of(options, FORMATS)
    if form == "html":
        text = _page((old, new), inputs, options, found)
    elif form == "json":
        import json

        text = json.dumps(_to_dict(found), indent=1, ensure_ascii=False) + "\n"
    else:
        text = "".join(f"{line}\n" for line in _lines(found))
    emit(text, options.output)
    for name, error in zip((options.old, options.new), found.errors, strict=True):
        if error:
            say(f"note: {name}: shapes and cost end at {error}")
    return int(bool(found))


def _page(nets: tuple[Graph, Graph], inputs: Inputs, options: Namespace, found: Comparison) -> str:
    from netgen.analysis import analyze_as_far_as_possible
    from netgen.page import diff_page

    old, new = (
        analyze_as_far_as_possible(net, options.phase, inputs, stages=options.stage, level=options.level)
        for net in nets
    )
    return diff_page(old, new, found, (options.old, options.new))


def _lines(found: Comparison) -> Iterator[str]:
    for change in found.net:
        yield f"net: {change}"
    for sign, layers in (("-", found.removed), ("+", found.added), (">", found.moved)):
        for layer in layers:
            yield f"{sign} {layer}{_rules(layer)}" + (" moved" if sign == ">" else "")
    for each in found.changed:
        yield f"~ {each.new}: {'; '.join(map(str, each.fields))}"
    for change in found.shapes:
        yield f"blob {change.path!r}: {change.old} -> {change.new}"
    for change in found.costs:
        yield f"{change.path}: {change.old:,} -> {change.new:,} ({change.new - change.old:+,})"


def _rules(layer: Layer) -> str:
    """The phase rules by which layers of one name are told apart."""
    from netgen.comparison import shown

    return "".join(
        f" {what} {', '.join(f'{key} {shown(value)}' for key, value in rule.items())}"
        for what in ("include", "exclude")
        for rule in layer.params.get(what, ())
    )


def _to_dict(found: Comparison) -> dict[str, Any]:
    def fields(changes: Any) -> list[dict[str, Any]]:
        return [change._asdict() for change in changes]

    return {
        "different": bool(found),
        "net": fields(found.net),
        "removed": [layer.name for layer in found.removed],
        "added": [layer.name for layer in found.added],
        "moved": [layer.name for layer in found.moved],
        "changed": [{"name": each.new.name, "fields": fields(each.fields)} for each in found.changed],
        "shapes": fields(found.shapes),
        "costs": fields(found.costs),
        "errors": {side: error or None for side, error in zip(("old", "new"), found.errors, strict=True)},
    }
