"""The variants of a sweep as points: what ``netgen plot`` draws, before it becomes HTML or PNG."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import NamedTuple

from netgen.errors import ParseError, UsageError, did_you_mean
from netgen.files import read_text
from netgen.plotting.axes import Axis, axis
from netgen.scalars import printable
from netgen.sweeping.job import MEASURED
from netgen.sweeping.pareto import Front

MOST = 5_000
"""How many points beside those of the front are drawn: more are one blot, and a page that no browser likes."""
_SWATCHES = 10


class Sweep(NamedTuple):
    """The rows of a sweep's CSV as text; ``parameters`` are the columns that tell the variants apart."""

    path: str
    columns: tuple[str, ...]
    parameters: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    failed: int
    """How many rows have an error instead of counts; they are not among the rows."""


class Point(NamedTuple):
    """A variant in the plot; ``shade`` is from 0 to 1 along the colours, or None without a colour."""

    x: float
    y: float
    shade: float | None
    cells: tuple[str, ...]
    front: bool


class Plot(NamedTuple):
    """All that a plot shows; ``key`` tells the shade of some values of the colouring parameter."""

    title: str
    caption: str
    names: tuple[str, ...]
    """What the cells of a point are: the parameters, and the two columns shown."""
    x: Axis
    y: Axis
    points: tuple[Point, ...]
    color: str
    key: tuple[tuple[str, float], ...]
    line: bool
    """Whether the front is one of the two columns alone, so that a line can join it."""
    alone: bool
    """Whether the front is one place, and there are others."""
    front: str
    """What is to be small, and with ``max:`` large."""


def read_sweep(path: str) -> Sweep:
    """The CSV that ``netgen sweep`` wrote. Raises UsageError where it cannot be read, ParseError where it is none."""
    if path.lower().endswith((".json", ".parquet")):
        raise UsageError(f"{path}: a plot is made of the CSV of a sweep; have it written as one (-o FILE.csv)")
    text = read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = tuple(map(printable, next(reader, ())))
        lines = [[printable(cell) for cell in line] for line in reader if line]
    except csv.Error as error:
        raise ParseError(path, reader.line_num, 1, f"this is no CSV: {error}") from None
    if len(columns) < 2 or len(set(columns)) < len(columns):
        raise ParseError(path, 1, 1, "the first line must name the columns, each once, as 'netgen sweep' writes them")
    for number, line in enumerate(lines, 2):
        if len(line) != len(columns):
            raise ParseError(path, number, 1, f"row {number - 1} must have {len(columns)} cells, and has {len(line)}")
    measured = (*MEASURED, "error")
    tail = tuple(name.removeprefix("net_") for name in columns[-len(measured) :])
    given = columns[: -len(measured)] if tail == measured else tuple(each for each in columns if each not in measured)
    rows = [dict(zip(columns, line, strict=True)) for line in lines]
    reason = columns[-1] if tail == measured else "error"
    sound = tuple(row for row in rows if not row.get(reason))
    return Sweep(path, columns, given, sound, len(rows) - len(sound))


def plot(sweep: Sweep, x: str = "macs", y: str = "weights", color: str = "", log: str = "", front: str = "") -> Plot:
    """The variants by two of a sweep's columns, and which of them no other betters.

    ``color`` is a column too, by default the first parameter; ``log`` names the axes with a logarithmic scale: "x",
    "y" or "xy". ``front`` is as ``netgen sweep --pareto`` takes it, by default both columns small; where one place is
    then best of all, x small and y large, which the caption says. Rows without a number in the two are left out, and
    the caption counts them. Raises UsageError for a column that is not there, or
    not of numbers, and where nothing is left to show.
    """
    color = color or next(iter(sweep.parameters), "")
    for name in (x, y, *([color] if color else [])):
        if name not in sweep.columns:
            near = did_you_mean(name, sweep.columns) or f" (there are {', '.join(sweep.columns)})"
            raise UsageError(f"{sweep.path}: no column {name!r}{near}")
    rows = [(row, *_pair(sweep, row, x, y)) for row in sweep.rows]
    usable = [
        (row, a, b)
        for row, a, b in rows
        if a is not None and b is not None and (a > 0 or "x" not in log) and (b > 0 or "y" not in log)
    ]
    if not usable:
        raise UsageError(f"{sweep.path}: no row has numbers to show in {x!r} and {y!r}")
    front, members, alone = _chosen(sweep, usable, x, y, front)
    shades, key = _shades([row[color] for row, _, _ in usable]) if color else ({}, ())
    shown = _thinned(len(usable), members)
    names = tuple(dict.fromkeys((*sweep.parameters, x, y)))
    points = [
        Point(
            a,
            b,
            shades.get(row[color]) if color else None,
            tuple([_grouped(row[name]) for name in names]),
            i in members,
        )
        for i, (row, a, b) in enumerate(usable)
        if i in shown
    ]
    return Plot(
        f"{y} by {x}",
        _caption(sweep, len(usable), len(points), len(members), front + alone),
        names,
        axis(x, [a for _, a, _ in usable], "x" in log),
        axis(y, [b for _, _, b in usable], "y" in log),
        tuple(points),
        color,
        key,
        {word.rpartition(":")[2].strip() for word in front.split(",")} == {x, y},
        len({(point.x, point.y) for point in points if point.front})
        == 1
        < len({(point.x, point.y) for point in points}),
        front,
    )


def _chosen(
    sweep: Sweep, usable: Sequence[tuple[Mapping[str, str], float, float]], x: str, y: str, front: str
) -> tuple[str, set[int], str]:
    """The front that is asked for, or one that tells something; the variants on it; and why it is not the usual one.

    What grows in one count mostly grows in the other: then the least variant is the whole front of both.
    """
    rows = [row for row, _, _ in usable]
    usual = front or f"{x},{y}"
    members = _front(sweep, rows, usual)
    if front or x == y or len({usable[i][1:] for i in members}) > 1:
        return usual, members, ""
    other = f"{x},max:{y}"
    more = _front(sweep, rows, other)
    if len({usable[i][1:] for i in more}) < 2:
        return usual, members, ""
    return other, more, f" (that of {usual} is one place alone)"


def _pair(sweep: Sweep, row: Mapping[str, str], x: str, y: str) -> tuple[float | None, float | None]:
    return _number(sweep, row, x), _number(sweep, row, y)


def _number(sweep: Sweep, row: Mapping[str, str], name: str) -> float | None:
    """The number in a cell, None in an empty one; raises UsageError for a word."""
    cell = row[name]
    if cell in ("", "none"):
        return None
    try:
        value = float(cell)
    except ValueError:
        raise UsageError(f"{sweep.path}: the column {name!r} must hold numbers, got {cell!r}; take another") from None
    return value if isfinite(value) else None


def _front(sweep: Sweep, rows: Sequence[Mapping[str, str]], text: str) -> set[int]:
    front = Front(text, sweep.columns)
    names = [word.rpartition(":")[2].strip() for word in text.split(",")]
    for i, row in enumerate(rows):
        front.add(i, {name: _number(sweep, row, name) for name in names})
    return set(front.members)


def _thinned(count: int, members: set[int]) -> set[int]:
    step = -(-count // MOST)
    return members.union(range(0, count, step))


def _shades(cells: Sequence[str]) -> tuple[dict[str, float], tuple[tuple[str, float], ...]]:
    """A shade for each value, by size where all are numbers, else by their order; and some of them for the key."""
    values = list(dict.fromkeys(cells))
    try:
        numbers = {each: float(each) for each in values}
    except ValueError:
        numbers = {}
    if numbers and all(map(isfinite, numbers.values())):
        values.sort(key=lambda each: numbers[each])
        low, high = numbers[values[0]], numbers[values[-1]]
        shades = {each: (numbers[each] - low) / ((high - low) or 1.0) for each in values}
    else:
        shades = {each: i / max(1, len(values) - 1) for i, each in enumerate(values)}
    step = max(1, (len(values) - 1) / (_SWATCHES - 1))
    chosen = [values[round(i * step)] for i in range(min(len(values), _SWATCHES))]
    return shades, tuple((each, shades[each]) for each in chosen)


def _grouped(cell: str) -> str:
    return f"{int(cell):,}" if cell.isascii() and cell.isdecimal() else cell


def _caption(sweep: Sweep, usable: int, drawn: int, members: int, front: str) -> str:
    parts = [f"{usable:,} variants, {members:,} of them on the Pareto front of {front}"]
    if drawn < usable:
        parts.append(f"{drawn:,} are drawn: the front and some of the others, evenly")
    if sweep.failed:
        parts.append(f"{sweep.failed:,} could not be built and are left out")
    if usable < len(sweep.rows):
        parts.append(f"{len(sweep.rows) - usable:,} have no number to show here and are left out")
    return "; ".join(parts)
