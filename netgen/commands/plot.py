"""``netgen plot``: the variants of a sweep as a picture."""

from __future__ import annotations

from netgen.commands.common import parser_for, say
from netgen.errors import UsageError, did_you_mean
from netgen.files import write_file

_FORMATS = ("html", "png")


def run(words: list[str]) -> int:
    """Draw the rows of a sweep's CSV as points."""
    parser = parser_for(
        "plot SWEEP.csv -o FILE",
        "The variants that 'netgen sweep' wrote as points: two of their costs, coloured by a parameter, and the\n"
        "Pareto front, whose points no other betters. A page shows the parameters of a point under the mouse.",
        command=True,
    )
    parser.add_argument("sweep", metavar="SWEEP.csv", help="what 'netgen sweep' wrote")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="FILE.html, or .png (with Pillow)")
    parser.add_argument("--x", default="macs", metavar="NAME", help="the column to the right (default macs)")
    parser.add_argument("--y", default="weights", metavar="NAME", help="the column upwards (default weights)")
    parser.add_argument("--color", default="", metavar="NAME", help="the column of the colours (default: the first)")
    parser.add_argument("--log", default="", choices=("x", "y", "xy"), help="which axes are logarithmic")
    parser.add_argument(
        "--pareto",
        default="",
        metavar="NAMES",
        help="as of 'netgen sweep': what is to be small, or max:NAME (default X,Y; where that is one place, X,max:Y)",
    )
    options = parser.parse_args(words)
    form = options.output.rpartition(".")[2].lower() if "." in options.output else ""
    if form not in _FORMATS:
        near = did_you_mean(form, _FORMATS) if form else ""
        raise UsageError(f"{options.output}: the file must end in .html, .png{near}")
    from netgen.plotting.pictures import html, png
    from netgen.plotting.points import plot, read_sweep

    shown = plot(read_sweep(options.sweep), options.x, options.y, options.color, options.log, options.pareto)
    if shown.alone:
        say(f"note: one place is best in all of {shown.front}; --pareto takes others, max:NAME to be large")
    write_file(options.output, html(shown) if form == "html" else png(shown, options.output))
    return 0
