"""A network as a picture: DOT, Mermaid, and what Graphviz makes of the DOT."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from netgen.drawing.graphviz import laid_out
from netgen.drawing.picture import FOLDS, Picture, picture
from netgen.drawing.text import DIRECTIONS, dot_text, mermaid_text
from netgen.errors import UsageError, did_you_mean
from netgen.files import write_file

if TYPE_CHECKING:
    from netgen.graph import Graph

__all__ = ["DIRECTIONS", "FOLDS", "FORMATS", "Picture", "dot_text", "draw", "mermaid_text", "picture", "save_picture"]

FORMATS = ("svg", "png", "pdf", "dot", "mmd")


def draw(
    net: Graph,
    path: str | os.PathLike[str],
    phase: str = "TEST",
    inputs: Mapping[str, Sequence[int]] | None = None,
    *,
    fold: str = "chains",
    direction: str = "TB",
    stages: Iterable[str] = (),
    level: int = 0,
) -> Picture:
    """Draw a phase of a network into a file: ``.svg``, ``.png``, ``.pdf``, ``.dot`` or ``.mmd`` (Mermaid).

    ``fold`` says how much goes into a box (see ``netgen.drawing.picture``): "none", "chains" or "blocks";
    ``direction`` is "TB", from top to bottom, or "LR". Returns what is drawn, whose ``error`` says why shapes are
    missing. Raises UsageError for another ending or choice, and without Graphviz for the first three of the endings.
    """
    check(path, direction)
    shown = picture(net, phase, inputs, fold=fold, stages=stages, level=level)
    save_picture(shown, path, direction)
    return shown


def save_picture(shown: Picture, path: str | os.PathLike[str], direction: str = "TB") -> None:
    """Write a picture to a file, in the format of its ending; raises UsageError as ``draw`` does."""
    form = check(path, direction)
    if form == "mmd":
        write_file(path, mermaid_text(shown, direction))
        return
    text = dot_text(shown, direction)
    write_file(path, text if form == "dot" else laid_out(text, form, os.fspath(path)))


def check(path: str | os.PathLike[str], direction: str) -> str:
    """The format of a file to draw into; raises UsageError for an ending or a direction that there is none for."""
    if direction not in DIRECTIONS:
        raise UsageError(f"direction: must be one of {', '.join(DIRECTIONS)}, got {direction!r}")
    name = os.fspath(path)
    form = os.path.splitext(name)[1].lower().removeprefix(".")
    if form not in FORMATS:
        near = did_you_mean(f".{form}", [f".{each}" for each in FORMATS]) if form else ""
        raise UsageError(f"{name}: the file must end in {', '.join(f'.{each}' for each in FORMATS)}{near}")
    return form
