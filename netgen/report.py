"""An analysis as text, Markdown and HTML tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from netgen.layers.base import text as shape_text
from netgen.scalars import printable

if TYPE_CHECKING:
    from netgen.analysis import Analysis

Table = tuple[Sequence[str], list[list[str]]]
_COLUMNS = ("layer", "type", "top", "weights", "macs", "flops", "activations", "field px", "stride px")
_WORDS = frozenset(("layer", "type", "top"))
"""The columns of which no number is shown."""
_WORD = 14
"""How many characters of a word a narrow table keeps rather than a further column: those of 1x512x112x112, a top."""
_UNITS = (
    "weights: learned values; macs: multiply-adds of matrix products; flops: single operations; activations: values in "
    "memory of the layer's own; px: pixels of the input; all of one forward pass"
)
_COSTLIEST = 10


def text_report(analysis: Analysis, width: int | None = None) -> str:
    """The report as text, its tables cut to ``width`` characters; whole without one."""
    title = f"{printable(analysis.name) or '(no name)'}, phase {analysis.phase}"
    inputs = "".join(f"input {printable(name)}: {shape_text(shape)}\n" for name, shape in analysis.inputs.items())
    parts = [f"{title}\n{inputs}", _text(_layers(analysis), width), f"{_wrapped(_UNITS, width)}\n"]
    if analysis.error:
        return "\n".join([*parts, f"INCOMPLETE: {printable(analysis.error)}\n"])
    if analysis.layers:
        parts += [
            "by type\n" + _text(_types(analysis), width),
            "the costliest layers\n" + _text(_costliest(analysis), width),
        ]
    parts.append(_lines(_totals(analysis)))
    return "\n".join(parts)


def markdown_report(analysis: Analysis) -> str:
    """The report as Markdown tables."""
    title = f"# {_escaped(analysis.name or '(no name)')}, phase {analysis.phase}\n"
    inputs = "".join(f"- input {_escaped(name)}: {shape_text(shape)}\n" for name, shape in analysis.inputs.items())
    totals = "".join(f"- {name}: {_escaped(value)}\n" for name, value in _totals(analysis))
    parts = [title, inputs, _markdown(_layers(analysis)), f"{_UNITS}\n"]
    if analysis.error:
        return "\n".join([*parts, f"INCOMPLETE: {_escaped(analysis.error)}\n"])
    return "\n".join([
        *parts, "## By type\n", _markdown(_types(analysis)),
        "## The costliest layers\n", _markdown(_costliest(analysis)), "## Totals\n", totals,
    ])  # fmt: skip


def html_table(analysis: Analysis) -> str:
    """The layers and the totals as one HTML table; every text in it is escaped."""
    from html import escape

    columns, rows = _layers(analysis)
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(printable(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    totals = "; ".join(f"{escape(name)}: {escape(printable(value))}" for name, value in _totals(analysis))
    caption = f"<caption>{escape(printable(analysis.name))}: {totals} ({_UNITS})</caption>"
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


# What the tables say


def _layers(analysis: Analysis) -> Table:
    rows = [
        [
            row["name"], row["type"], " ".join(shape_text(tuple(shape)) for shape in row["shapes"]),
            _count(row["learned"]), _count(row["macs"]), _count(row["flops"]), _count(row["activations"]),
            _pair(row["receptive_field"]), _pair(row["stride"]),
        ]
        for row in analysis.rows()
    ]  # fmt: skip
    return _COLUMNS, rows


def _types(analysis: Analysis) -> Table:
    rows = [
        [name, _count(layers), _count(weights), _count(macs), _count(flops)]
        for name, layers, weights, macs, flops in analysis.by_type()
    ]
    return ("type", "layers", "weights", "macs", "flops"), rows


def _costliest(analysis: Analysis) -> Table:
    total = analysis.totals()["flops"] or 1
    ordered = sorted(analysis.rows(), key=lambda row: -(row["flops"] or 0))[:_COSTLIEST]
    rows = [
        [
            row["name"],
            row["type"],
            _count(row["macs"]),
            _count(row["flops"]),
            f"{100 * (row['flops'] or 0) / total:.1f} %",
        ]
        for row in ordered
    ]
    return ("layer", "type", "macs", "flops", "share of flops"), rows


def _totals(analysis: Analysis) -> list[tuple[str, str]]:
    totals = analysis.totals()
    pairs = [
        ("layers", _count(totals["layers"])),
        ("weights", f"{_count(totals['weights'])} learned, {_count(totals['statistics'])} statistics"),
        ("weight memory", _bytes(totals["weight_bytes"])),
        ("macs", f"{_count(totals['macs'])} multiply-adds of matrix products"),
        ("flops", f"{_count(totals['flops'])} operations"),
        ("activation memory", f"{_bytes(totals['activation_bytes'])} as Caffe holds it"),
        ("peak with reuse", f"{_bytes(totals['peak_activation_bytes'])}{_at(analysis.memory.peak_layer)}"),
        ("moved", f"{_bytes(totals['bytes_read'])} read, {_bytes(totals['bytes_written'])} written"),
    ]
    if analysis.uncounted:
        pairs.append(("not counted", ", ".join(analysis.uncounted)))
    return pairs


def _at(layer: str) -> str:
    return f" at {layer}" if layer else ""


def _count(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"


def _bytes(number: int) -> str:
    return f"{number:,} bytes ({number / 2**20:.1f} MiB)"


def _pair(values: Sequence[Any] | None) -> str:
    if values is None:
        return ""
    return str(values[0]) if values[0] == values[1] else f"{values[0]}x{values[1]}"


# How tables are laid out


def _text(table: Table, width: int | None) -> str:
    columns, rows = table
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *shown, strict=True)]
    left_out: Sequence[str] = ()
    if width is not None:
        _fit(columns, widths, width)
        kept = len(widths)
        columns, left_out, shown = columns[:kept], columns[kept:], [row[:kept] for row in shown]
    aligned: list[Callable[[str, int], str]] = [str.ljust if name in _WORDS else str.rjust for name in columns]
    lines = []
    for row in [list(columns), *shown]:
        cells = [align(_cut(cell, size), size) for cell, size, align in zip(row, widths, aligned, strict=True)]
        lines.append("  ".join(cells).rstrip() + "\n")
    if left_out:
        note = f"no room for: {', '.join(left_out)}; a wider window or a pipe has it"
        lines.append(f"\n{_wrapped(note, width)}\n")
    return "".join(lines)


def _fit(columns: Sequence[str], widths: list[int], width: int) -> None:
    """Leave out columns from the right, as a number that is cut tells nothing, and narrow words, until all fits."""
    words = [i for i, name in enumerate(columns) if name in _WORDS]

    def room(least: int) -> int:
        taken = (min(size, least) if i in words else size for i, size in enumerate(widths))
        return width - sum(taken) - 2 * (len(widths) - 1)

    while room(_WORD) < 0 and len(widths) > len(words) + 1:
        widths.pop()
    while room(width) < 0 and max(widths[i] for i in words) > 8:
        widths[max(words, key=lambda i: widths[i])] -= 1


def _wrapped(text: str, width: int | None) -> str:
    from textwrap import fill

    return fill(text, width or 120)


def _cut(cell: str, size: int) -> str:
    return cell if len(cell) <= size else cell[: size - 1] + "~"


def _markdown(table: Table) -> str:
    columns, rows = table
    rule = [("---" if name in _WORDS else "---:") for name in columns]
    lines = [list(columns), rule, *([_escaped(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _escaped(cell: str) -> str:
    return printable(cell).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def _lines(pairs: Sequence[tuple[str, str]]) -> str:
    size = max(len(name) for name, _ in pairs)
    return "".join(f"{name.ljust(size)}  {printable(value)}\n" for name, value in pairs)
