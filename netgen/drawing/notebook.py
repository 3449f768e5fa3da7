"""A network as a notebook shows it. Nothing is raised here: a cell that ends on a network must not fail over it."""

from __future__ import annotations

from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.scalars import printable

if TYPE_CHECKING:
    from netgen.graph import Graph

_BOXES = 300
_SECONDS = 10.0


def svg(net: Graph) -> str | None:
    """The drawing of the TEST phase with repeated blocks folded; None where there is none."""
    try:
        return _svg(net)
    except Exception:  # whatever it is, ``html`` tells of it
        return None


def html(net: Graph) -> str:
    """The drawing in a box that scrolls, or the table of the layers and why there is no drawing."""
    try:
        return f'<div style="max-height: 48em; overflow: auto; background: #fff">{_svg(net)}</div>'
    except Exception as error:
        reason = str(error) if isinstance(error, NetgenError) else f"{type(error).__name__}: {error}"
    return f"<p>No drawing: {escape(printable(reason))}</p>{_table(net)}"


def _svg(net: Graph) -> str:
    from netgen.drawing.graphviz import check_installed
    from netgen.drawing.picture import picture
    from netgen.drawing.text import dot_text

    check_installed("a drawing here")
    shown = picture(net, fold="blocks")
    boxes = len(shown.boxes) - len(shown.hidden())
    if boxes > _BOXES:
        raise NetgenError(f"{boxes:,} boxes are too many to draw here; netgen.draw(net, 'net.svg') writes a file")
    return _laid_out(dot_text(shown))


@lru_cache(maxsize=4)
def _laid_out(text: str) -> str:
    """The ``<svg>`` alone; kept, as a notebook asks for both forms."""
    from netgen.drawing.graphviz import laid_out

    whole = laid_out(text, "svg", "a drawing here", _SECONDS).decode("utf-8")
    return whole[whole.index("<svg") :]


def _table(net: Graph) -> str:
    from netgen.analysis import analyze_as_far_as_possible
    from netgen.report import html_table

    try:
        return html_table(analyze_as_far_as_possible(net))
    except Exception:
        return f"<pre>{escape(printable(repr(net)))}</pre>"
