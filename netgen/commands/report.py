"""``netgen report``: the shapes and the cost of a network."""

from __future__ import annotations

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netgen.commands.common import PROGRAM, add_source, emit, parser_for, say, source
from netgen.errors import NetgenError, UsageError, did_you_mean

if TYPE_CHECKING:
    from netgen.analysis import Analysis
    from netgen.builder import Net
    from netgen.graph import Graph

_DESCRIPTION = """\
The shapes and the cost of one phase of a network, of one forward pass.

Weights (csv and json: learned), statistics and activations are counts of values, macs of multiply-adds, flops of
single operations; live_bytes, bytes_read and bytes_written are bytes in float32, intensity is flops a byte; field
(csv and json: receptive_field) and stride are pixels of the input. In csv and json, weights are shapes of blobs.

Where a layer is refused, text and page show those before it, and say so; the exit code is then 1."""
FORMATS = ("text", "json", "csv", "markdown", "html")


def run(words: list[str]) -> int:
    """Print or write the report that the words ask for; exit code 1 where a layer stopped it."""
    from netgen.analysis import CONVENTIONS

    parser = parser_for("report SRC [key=value ...]", _DESCRIPTION, command=True)
    add_source(parser)
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="text (default), json, csv, markdown, or html: a page with the graph; -o tells by the ending",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write to a file instead of standard output")
    add_state_options(parser)
    parser.add_argument(
        "--convention", choices=tuple(CONVENTIONS), help="print only the total as another tool counts it"
    )
    options = parser.parse_intermixed_args(words)
    return _report(options)


def add_state_options(parser: Any, *, inputs: bool = True) -> None:
    """The options that say which network of a file is meant, and (unless not ``inputs``) the sizes of its inputs."""
    parser.add_argument(
        "--phase", type=str.upper, choices=("TEST", "TRAIN"), default="TEST", help="the phase (default TEST)"
    )
    parser.add_argument("--stage", action="append", default=[], metavar="NAME", help="a stage; may be given again")
    parser.add_argument("--level", type=int, default=0, metavar="N", help="the level (default 0)")
    if inputs:
        add_input_option(parser)


def add_input_option(parser: Any) -> None:
    """The option that gives inputs their shapes."""
    parser.add_argument(
        "--input", action="append", default=[], metavar="BLOB=N,C,H,W", help="the shape of an input; may be given again"
    )


def inputs_of(options: Namespace, *nets: Net) -> dict[str, tuple[int, ...]]:
    """The shapes that ``--input`` options give to blobs of the nets, which must know the state that is asked for."""
    check_state(options, *nets)
    shapes = {}
    for word in options.input:
        name, equals, dims = word.rpartition("=")
        try:
            shapes[name] = tuple(int(dim) for dim in dims.replace("x", ",").split(","))
        except ValueError:
            equals = ""
        if not equals or not name:
            raise UsageError(f"--input: expected BLOB=N,C,H,W, as in --input data=1,3,224,224, got {word!r}")
    blobs = {name for net in nets for name in (*net.inputs, *(top for layer in net.layers for top in layer.tops))}
    for name in shapes:
        if name not in blobs:
            raise UsageError(f"--input: the net has no blob {name!r}{did_you_mean(name, blobs)}")
    return shapes


def misfitting(error: NetgenError, net: Net, inputs: Mapping[str, tuple[int, ...]], options: Namespace) -> NetgenError:
    """A refusal of a network, said of ``--input`` where it stands without that."""
    from netgen.analysis import analyze_as_far_as_possible
    from netgen.misfit import misfit

    if not inputs or type(error) is not NetgenError:
        return error
    own = analyze_as_far_as_possible(net, options.phase, stages=options.stage, level=options.level)
    return error if own.error else misfit(error, inputs, own.inputs, arrays=False)


def check_state(options: Namespace, *nets: Graph) -> None:
    """Raise UsageError for a ``--stage`` that no rule of a layer mentions, and for a ``--level`` where none does."""
    stages, level = getattr(options, "stage", ()), getattr(options, "level", None)
    if not stages and not level:
        return
    rules = [rule for net in nets for layer in net.layers for what in ("include", "exclude")
             for rule in layer.params.get(what, ())]  # fmt: skip
    known = dict.fromkeys(stage for rule in rules for key in ("stage", "not_stage") for stage in rule.get(key, ()))
    for stage in stages:
        if stage not in known:
            there = f" (there are {', '.join(map(repr, known))})" if known else " (there are none)"
            near = did_you_mean(stage, known) or there
            raise UsageError(f"--stage: no layer's include or exclude names the stage {stage!r}{near}")
    if level and not any("min_level" in rule or "max_level" in rule for rule in rules):
        raise UsageError(
            f"--level: no layer's include or exclude has a min_level or max_level, got {level}; leave it out"
        )


def _report(options: Namespace) -> int:
    from netgen.analysis import analyze_as_far_as_possible

    form = format_of(options, FORMATS)
    if options.convention and form != "text":
        raise UsageError(f"--convention: it prints one total, as text, and {form} is asked for; leave one of them out")
    net = source(options.source, options.parameters)
    inputs = inputs_of(options, net)
    analysis = analyze_as_far_as_possible(net, options.phase, inputs, stages=options.stage, level=options.level)
    if analysis.error:
        analysis.error = str(misfitting(NetgenError(analysis.error), net, inputs, options))
    # A page is for people, who see what it says at its top; a program may take a table to be whole.
    if analysis.error and (options.convention or (options.output not in (None, "-") and form != "html")):
        raise NetgenError(analysis.error)
    if options.convention:
        text = "".join(f"{total} {unit}\n" for unit, total in analysis.convention(options.convention).items())
    else:
        text = _page(net, inputs, options, analysis) if form == "html" else _formatted(analysis, form, options.output)
    emit(text, options.output)
    if analysis.error:
        say(f"{PROGRAM}: {analysis.error}")
        return 1
    return 0


def format_of(options: Namespace, formats: Sequence[str]) -> str:
    """The format that is asked for: by ``--format``, else by the ending of the output's name, else text."""
    if options.format:
        return str(options.format)
    ending = os.path.splitext(options.output or "")[1].lower().removeprefix(".")
    form = {"md": "markdown", "htm": "html", "txt": "text", "": "text"}.get(ending, ending)
    if form not in formats:
        raise UsageError(f"-o: the ending .{ending} tells no format; give --format {', '.join(formats)}")
    return form


def _page(net: Net, inputs: Mapping[str, tuple[int, ...]], options: Namespace, analysis: Analysis) -> str:
    from netgen.linting import lint_as_far_as_possible
    from netgen.page import report_page

    findings, _ = lint_as_far_as_possible(net, options.phase, inputs, stages=options.stage, level=options.level)
    return report_page(analysis, findings)


def _formatted(analysis: Any, form: str, output: str | None) -> str:
    from netgen.report import markdown_report, text_report

    if form == "json":
        import json

        return json.dumps(analysis.to_dict(), indent=1, ensure_ascii=False) + "\n"
    if form == "csv":
        return str(analysis.to_csv())
    if form == "markdown":
        return markdown_report(analysis)
    on_terminal = output is None and sys.stdout.isatty()
    return text_report(analysis, shutil.get_terminal_size().columns if on_terminal else None)
