"""A picture as text, for Graphviz and for Mermaid. Names come from files: all that has a meaning there is escaped."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from netgen.graph import Fields
from netgen.layers.base import defaults
from netgen.layers.base import text as shape_text
from netgen.layers.index import TYPES
from netgen.scalars import printable
from netgen.templating import render

if TYPE_CHECKING:
    from netgen.drawing.picture import Box, Picture
    from netgen.drawing.repeats import Run
    from netgen.graph import Layer

DIRECTIONS = ("TB", "LR")
FAMILIES = {
    "data": "#d7dce2", "convolution": "#bfdcf7", "inner_product": "#c9d0f8", "pooling": "#c6e8cc",
    "activation": "#fbdcc4", "arithmetic": "#fbe6d4", "normalization": "#f8edb9", "elementwise": "#f3d9ee",
    "darknet": "#d3dbf6", "reshaping": "#d9e5e8",
    "resizing": "#cdebe8", "reduction": "#dfe3c3", "recurrent": "#dccff5", "loss": "#f7c9c9", "detection": "#fbd0dc",
    "yolo": "#fbd0dc", "openvino": "#fbd0dc", "mining": "#f7c9c9", "volumes": "#bfdcf7",
}  # fmt: skip
"""The colour of each family of layer types, which is a file of ``netgen/layers``."""
OTHER = "#eeeeee"
"""The colour of types that netgen lacks, or that are registered from outside."""
_FIELDS = 6
_LINE = 38
_NAME = 60
_BACKSLASH = "\u29f5"


class Part(NamedTuple):
    """One layer as a box shows it: its type, lines of what is set of its fields, its family and that one's colour."""

    type: str
    lines: list[str]
    family: str
    colour: str


class Frame(NamedTuple):
    """A box as the templates see it: ``tip`` is shown under the mouse."""

    id: int
    name: str
    parts: list[Part]
    tip: str


def dot_text(shown: Picture, direction: str = "TB") -> str:
    """The picture in Graphviz's language, through ``templates/draw.dot.j2``."""
    return _rendered("draw.dot.j2", shown, direction, _dot_string)


def mermaid_text(shown: Picture, direction: str = "TB") -> str:
    """The picture as a Mermaid flowchart, through ``templates/draw.mmd.j2``."""
    return _rendered("draw.mmd.j2", shown, direction, _mermaid_string)


def _rendered(template: str, shown: Picture, direction: str, string: Callable[[str], str]) -> str:
    frames = [_frame(place, box) for place, box in enumerate(shown.boxes)]
    first = {run: range(run.start, run.start + run.length) for run in shown.runs}
    inside = shown.hidden().union(*first.values())
    arrows = [
        (each, printable(each.blob), "" if each.shape is None else shape_text(each.shape)) for each in shown.arrows
    ]
    return render(
        template,
        None,
        title=f"{_cut(shown.name) or '(no name)'}, {shown.phase}",
        direction=direction,
        boxes=[frame for frame in frames if frame.id not in inside],
        groups=[(run.times, _ends(shown, run), [frames[place] for place in places]) for run, places in first.items()],
        arrows=arrows,
        colours={**FAMILIES, "other": OTHER},
        string=string,
    )


def _frame(place: int, box: Box) -> Frame:
    tip = "\n".join(
        f"{printable(layer.name)} ({printable(layer.type)}) {' '.join(_settings(layer))}".rstrip()
        for layer in box.layers
    )
    return Frame(place, _cut(box.name) or "(no name)", [_part(layer) for layer in box.layers], tip or "a blob")


def _part(layer: Layer) -> Part:
    row = TYPES.get(layer.type)
    family = row[-1] if row is not None and row[-1] in FAMILIES else "other"
    return Part(_cut(layer.type) or "(no type)", list(_wrapped(_settings(layer))), family, FAMILIES.get(family, OTHER))


def _ends(shown: Picture, run: Run) -> str:
    """What the first and the last copy of a block end on: ``stage3_1 ... stage3_8``."""
    ends = [shown.boxes[place].name for place in (run.start + run.length - 1, run.stop - 1)]
    return " \u2026 ".join(_cut(each, _LINE) for each in ends)


def _settings(layer: Layer) -> list[str]:
    """What is set of a layer's own fields and is not the default: ``kernel_size 3``. Fillers and the like are not."""
    row = TYPES.get(layer.type)
    found = []
    for message, fields in layer.params.items():
        if not isinstance(fields, Fields) or (row is not None and message not in row[0]):
            continue
        usual = defaults(message)
        for name, value in fields.items():
            values = value if isinstance(value, tuple) else (value,)
            if not any(isinstance(each, Fields) for each in values) and usual.get(name) != value:
                found.append(f"{printable(name)} {','.join(map(_value, values))}")
    return found


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, float) else _cut(str(value), 20)


def _wrapped(words: Sequence[str]) -> Iterator[str]:
    """The first of the settings, as lines of a readable length."""
    line = ""
    for word in [*words[:_FIELDS], *(["\u2026"] if len(words) > _FIELDS else [])]:
        if line and len(line) + len(word) + 2 > _LINE:
            yield line
            line = ""
        line = f"{line}, {word}" if line else _cut(word, _LINE)
    if line:
        yield line


def _cut(text: str, length: int = _NAME) -> str:
    shown = printable(text)
    return shown if len(shown) <= length else f"{shown[: length // 2]}\u2026{shown[1 - (length + 1) // 2 :]}"


def _dot_string(text: str) -> str:
    r"""A quoted string of DOT, in which ``&...;`` and ``\N`` and the like would have a meaning.

    Some strings go through Graphviz's escapes once and others twice, so a backslash becomes one that only looks so.

    >>> print(_dot_string('a "b" & <i>'))
    "a &quot;b&quot; &amp; &lt;i&gt;"
    """
    return f'"{escape(text)}"'.replace("\\", _BACKSLASH).replace("\n", "&#10;")


def _mermaid_string(text: str) -> str:
    """A quoted string of Mermaid, whose entities are numbers between # and ;. Letters and a few marks need none.

    A backslash becomes one that only looks so: before an n even its entity would break the line.

    >>> print(_mermaid_string('say "hi" <b>'))
    "say #34;hi#34; #60;b#62;"
    """
    return '"' + _MEANT.sub(lambda char: f"#{ord(char[0])};", text.replace("\\", _BACKSLASH)) + '"'


_MEANT = re.compile(rf"[^\w ,./()=+{_BACKSLASH}-]")
