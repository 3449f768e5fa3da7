"""A plot as a page of HTML, through ``templates/plot.html.j2``, or as a PNG by Pillow; both of the same size."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

from netgen.images import pillow
from netgen.plotting.axes import short
from netgen.templating import render

if TYPE_CHECKING:
    from netgen.plotting.points import Plot, Point

WIDTH, HEIGHT = 860, 560
_LEFT, _RIGHT, _TOP, _BOTTOM = 90, 150, 50, 90
_STOPS = ((47, 95, 208), (138, 79, 201), (214, 69, 123), (239, 134, 54))
"""From the least to the greatest value of the colouring parameter; all of them show on white and on black."""
_PLAIN = (47, 95, 208)
_INK, _GREY, _PALE = (31, 35, 40), (101, 109, 118), (226, 230, 234)
_RADIUS, _FRONT_RADIUS = 4.0, 5.5
_SHARP = 2
"""Pixels of a PNG for a unit; it is drawn twice as large again, and scaled down for smooth edges."""


class Mark(NamedTuple):
    """A point where it is drawn."""

    x: float
    y: float
    color: str
    tip: str
    front: bool


class Place(NamedTuple):
    """A tick, or an entry of the key: where it is, and what it says."""

    at: float
    text: str
    color: str = ""


def html(plot: Plot) -> str:
    """The plot as a page that needs nothing else: SVG with tooltips, light and dark, and a table of the front."""
    scene = _Scene(plot)
    return render("plot.html.j2", None, plot=plot, scene=scene, width=WIDTH, height=HEIGHT)


def png(plot: Plot, what: str) -> bytes:
    """The plot as a PNG of 1,720 x 1,120 pixels; raises UsageError without Pillow, which ``what`` needs."""
    pillow(what)
    from PIL import Image, ImageDraw, ImageFont

    scale = 2 * _SHARP
    image = Image.new("RGB", (WIDTH * scale, HEIGHT * scale), "white")
    fonts = {size: ImageFont.load_default(size * scale) for size in (11, 12, 16)}
    _Brush(ImageDraw.Draw(image), scale, fonts).paint(_Scene(plot), plot)
    out = io.BytesIO()
    image.reduce(2).save(out, "PNG")
    return out.getvalue()


class _Scene:
    """Where everything goes, in units of the picture."""

    def __init__(self, plot: Plot) -> None:
        self.left, self.right, self.top, self.bottom = _LEFT, WIDTH - _RIGHT, _TOP, HEIGHT - _BOTTOM
        self.x_ticks = [Place(self._x(plot, each), short(each)) for each in plot.x.ticks]
        self.y_ticks = [Place(self._y(plot, each), short(each)) for each in plot.y.ticks]
        # The front last, so that nothing lies over it.
        self.marks = [self._mark(plot, each) for each in sorted(plot.points, key=lambda each: each.front)]
        self.line = sorted((mark.x, -mark.y) for mark in self.marks if mark.front) if plot.line else []
        self.line = [(x, -y) for x, y in self.line]
        self.key = [
            Place(self.top + 30 + 20 * i, name if len(name) <= 18 else f"{name[:17]}\u2026", _hex(_color(shade)))
            for i, (name, shade) in enumerate(plot.key)
        ]
        self.front = sorted((point for point in plot.points if point.front), key=lambda each: (each.x, each.y))

    def _x(self, plot: Plot, value: float) -> float:
        return round(self.left + plot.x.place(value) * (self.right - self.left), 2)

    def _y(self, plot: Plot, value: float) -> float:
        return round(self.bottom - plot.y.place(value) * (self.bottom - self.top), 2)

    def _mark(self, plot: Plot, point: Point) -> Mark:
        tip = "\n".join(f"{name} {cell}" for name, cell in zip(plot.names, point.cells, strict=True))
        return Mark(self._x(plot, point.x), self._y(plot, point.y), _hex(_color(point.shade)), tip, point.front)


def _color(shade: float | None) -> tuple[int, int, int]:
    if shade is None:
        return _PLAIN
    place = min(max(shade, 0.0), 1.0) * (len(_STOPS) - 1)
    low = min(int(place), len(_STOPS) - 2)
    red, green, blue = (
        round(one + (place - low) * (other - one)) for one, other in zip(_STOPS[low], _STOPS[low + 1], strict=True)
    )
    return red, green, blue


def _hex(color: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


class _Brush:
    """Pillow's drawing, in units of the picture."""

    def __init__(self, draw: Any, scale: int, fonts: dict[int, Any]) -> None:
        self._draw, self._scale, self._fonts = draw, scale, fonts

    def paint(self, scene: _Scene, plot: Plot) -> None:
        self._text(scene.left, 14, plot.title, "lm", 16)
        self._axes(scene, plot)
        if len(scene.line) > 1:
            self._line(scene.line, _GREY, 1.5)
        for mark in scene.marks:
            radius = _FRONT_RADIUS if mark.front else _RADIUS
            self._disc(mark.x, mark.y, radius, mark.color, _INK if mark.front else (255, 255, 255))
        self._text(scene.left, HEIGHT - 16, plot.caption, "lm", 11, _GREY)
        if plot.color:
            self._text(scene.right + 20, scene.top + 10, plot.color, "lm", 12)
        for entry in scene.key:
            self._disc(scene.right + 25, entry.at, _RADIUS, entry.color, (255, 255, 255))
            self._text(scene.right + 36, entry.at, entry.text, "lm", 11)

    def _axes(self, scene: _Scene, plot: Plot) -> None:
        for tick in scene.x_ticks:
            self._line([(tick.at, scene.top), (tick.at, scene.bottom)], _PALE)
            self._text(tick.at, scene.bottom + 14, tick.text, "mm", 11, _GREY)
        for tick in scene.y_ticks:
            self._line([(scene.left, tick.at), (scene.right, tick.at)], _PALE)
            self._text(scene.left - 8, tick.at, tick.text, "rm", 11, _GREY)
        self._line([(scene.left, scene.top), (scene.left, scene.bottom), (scene.right, scene.bottom)], _GREY)
        self._text((scene.left + scene.right) / 2, scene.bottom + 38, plot.x.name, "mm", 12)
        self._text(scene.left, scene.top - 18, plot.y.name, "rm", 12)

    def _line(self, points: list[tuple[float, float]], color: tuple[int, int, int], width: float = 1.0) -> None:
        scaled = [(x * self._scale, y * self._scale) for x, y in points]
        self._draw.line(scaled, fill=color, width=round(width * self._scale), joint="curve")

    def _disc(self, x: float, y: float, radius: float, color: str, ring: tuple[int, int, int]) -> None:
        box = [each * self._scale for each in (x - radius, y - radius, x + radius, y + radius)]
        self._draw.ellipse(box, fill=color, outline=ring, width=self._scale)

    def _text(self, x: float, y: float, text: str, anchor: str, size: int, color: tuple[int, int, int] = _INK) -> None:
        self._draw.text((x * self._scale, y * self._scale), text, color, self._fonts[size], anchor)
