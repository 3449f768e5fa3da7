"""``netgen plot``: which points are drawn, where, and what is said of the others."""

from __future__ import annotations

import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import netgen
from netgen.cli import main
from netgen.plotting.axes import log_ticks, nice_ticks
from netgen.plotting.points import MOST, plot, read_sweep
from netgen.sweeping.job import MEASURED

COUNTS = [name for name in MEASURED if name not in ("macs", "weights")]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def table(*rows: tuple[Any, Any, Any, str], parameter: str = "width") -> None:
    """A sweep's CSV of (parameter, macs, weights, error), quoted where need be."""
    lines = [",".join([_quoted(parameter), *MEASURED, "error"])]
    for value, macs, weights, error in rows:
        counts = {**dict.fromkeys(COUNTS, "" if error else "1"), "macs": macs, "weights": weights}
        lines.append(",".join([_quoted(str(value)), *(str(counts[name]) for name in MEASURED), _quoted(error)]))
    Path("s.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"'


def said(capsys: Any, *words: str, code: int = 0) -> str:
    assert main(["plot", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    return str(err)


def page() -> tuple[str, ET.Element]:
    """The page, and the SVG in it."""
    text = Path("s.html").read_text(encoding="utf-8")
    found = re.search(r"<svg.*</svg>", text, re.DOTALL)
    assert found
    return text, ET.fromstring(found[0])


def circles(svg: ET.Element) -> list[tuple[float, float, bool, str]]:
    return [
        (float(each.attrib["cx"]), float(each.attrib["cy"]), each.get("class") == "front", each.findtext("title") or "")
        for each in svg.iter("circle")
    ]


def test_points_are_where_their_numbers_are(capsys: Any) -> None:
    table((1, 0, 100, ""), (2, 50, 50, ""), (4, 100, 0, ""), (3, 75, 75, ""), (9, "", "", "cannot be built"))
    assert said(capsys, "s.csv", "-o", "s.html") == ""
    text, svg = page()
    found = circles(svg)
    left, right, top, bottom = 90, 860 - 150, 50, 560 - 90
    # The one that another betters is drawn first, under the front.
    assert [each[:3] for each in found] == [
        (left + 0.75 * (right - left), bottom - 0.75 * (bottom - top), False),
        (left, top, True),
        ((left + right) / 2, (top + bottom) / 2, True),
        (right, bottom, True),
    ]
    assert found[1][3] == "width 1\nmacs 0\nweights 100"
    assert "4 variants, 3 of them on the Pareto front of macs,weights; 1 could not be built and are left out." in text
    line = svg.find("polyline")
    assert line is not None
    assert [float(each) for each in re.split("[ ,]", line.attrib["points"].strip())] == [
        left, top, (left + right) / 2, (top + bottom) / 2, right, bottom,
    ]  # fmt: skip


def test_a_real_sweep_is_drawn(capsys: Any) -> None:
    words = ["growth_rate=16,32", "size=64,96", "layers=1,1,1,1/2,1", "-o", "s.csv", "--processes", "1"]
    assert main(["sweep", "peleenet", *words]) == 0
    capsys.readouterr()
    options = ["--x", "peak_activation_bytes", "--color", "size", "--pareto", "macs,max:weights"]
    said(capsys, "s.csv", "-o", "s.html", *options)
    text, svg = page()
    assert len(circles(svg)) == 4
    assert "4 could not be built" in text
    tips = [each[3] for each in circles(svg)]
    assert sum(tip.startswith("growth_rate 16\nsize 64\nlayers 1,1,1,1\npeak_activation_bytes ") for tip in tips) == 1
    assert svg.find("polyline") is None  # a front in other columns is no line here
    net = netgen.build("peleenet", growth_rate=32, size=96, layers=(1, 1, 1, 1))
    assert any(f"weights {netgen.analyze(net).totals()['weights']:,}" in tip for tip in tips)


def test_colours_go_by_size_or_by_order() -> None:
    table((10, 1, 1, ""), (0, 2, 2, ""), (5, 3, 3, ""))
    shown = plot(read_sweep("s.csv"))
    assert [point.shade for point in shown.points] == [1.0, 0.0, 0.5]
    assert [name for name, _ in shown.key] == ["0", "5", "10"]
    table(("MAX", 1, 1, ""), ("AVE", 2, 2, ""), ("none", 3, 3, ""))
    assert plot(read_sweep("s.csv")).key == (("MAX", 0.0), ("AVE", 0.5), ("none", 1.0))
    table(*((i, i, i, "") for i in range(100)))
    assert [name for name, _ in plot(read_sweep("s.csv")).key] == [str(11 * i) for i in range(10)]


def test_a_logarithmic_axis_leaves_out_what_it_cannot_show(capsys: Any) -> None:
    table((1, 0, 5, ""), (2, 1, 6, ""), (3, 10, 7, ""), (4, 100, 8, ""))
    said(capsys, "s.csv", "-o", "s.html", "--log", "x")
    text, svg = page()
    assert [round(each[0]) for each in sorted(circles(svg))] == [90, 400, 710]
    assert "3 variants" in text
    assert "1 have no number to show here and are left out" in text


def test_a_front_of_one_place_gives_way_to_one_that_tells_more(capsys: Any) -> None:
    table((1, 10, 10, ""), (2, 20, 30, ""), (3, 30, 20, ""), (4, 30, 40, ""))
    assert said(capsys, "s.csv", "-o", "s.html") == ""
    text, svg = page()
    assert (
        "4 variants, 3 of them on the Pareto front of macs,max:weights (that of macs,weights is one place alone)."
        in text
    )
    assert [each[3].split()[1] for each in circles(svg) if each[2]] == ["1", "2", "4"]
    assert svg.find("polyline") is not None
    note = "one place is best in all of macs,weights; --pareto takes others, max:NAME to be large"
    assert said(capsys, "s.csv", "-o", "s.html", "--pareto", "macs,weights") == f"note: {note}\n"
    assert "4 variants, 1 of them on the Pareto front of macs,weights." in page()[0]
    table((1, 10, 40, ""), (2, 20, 30, ""))
    assert said(capsys, "s.csv", "-o", "s.html") == ""
    assert "2 of them on the Pareto front of macs,weights." in page()[0]
    table((1, 10, 40, ""), (2, 20, 40, ""))  # best in both ways
    assert said(capsys, "s.csv", "-o", "s.html") == f"note: {note}\n"
    table((1, 10, 40, ""), (2, 10, 40, ""))
    assert said(capsys, "s.csv", "-o", "s.html") == ""
    assert "2 of them on the Pareto front of macs,weights." in page()[0]


def test_many_points_are_thinned_and_the_front_is_whole() -> None:
    table(*((i, 1000 + i, 1000 + i, "") for i in range(3 * MOST + 1)), (0, 1, 9999, ""))
    shown = plot(read_sweep("s.csv"))
    assert len(shown.points) < MOST + 3
    assert [(point.x, point.y) for point in shown.points if point.front] == [(1000, 1000), (1, 9999)]
    assert "15,002 variants, 2 of them on the Pareto front of macs,weights; 3,752 are drawn" in shown.caption


def test_what_a_file_says_is_text(capsys: Any) -> None:
    evil = '</title><script>alert("1")</script>\u202e\n&amp;'
    table((evil, 1, 1, ""), parameter=evil)
    said(capsys, "s.csv", "-o", "s.html")
    text, svg = page()
    assert "<script" not in text
    assert "\u202e" not in text
    shown = evil.replace("\u202e", "\\u202e").replace("\n", "\\n")
    assert circles(svg)[0][3].startswith(f"{shown} {shown}\n")
    said(capsys, "s.csv", "-o", "s.png")


def test_the_page_asks_for_nothing(capsys: Any) -> None:
    table((1, 1, 1, ""))
    said(capsys, "s.csv", "-o", "s.html")
    text, _ = page()
    assert not re.search(r"(src|href)=|url\(|@import|https?:", text)
    assert "prefers-color-scheme: dark" in text


def test_the_png_shows_the_points(capsys: Any) -> None:
    image_module = pytest.importorskip("PIL.Image")
    table((1, 0, 100, ""), (2, 50, 50, ""), (4, 100, 0, ""), (3, 75, 75, ""))
    said(capsys, "s.csv", "-o", "s.png")
    image = image_module.open("s.png").convert("RGB")
    assert image.size == (1720, 1120)
    assert image.getpixel((2 * 90, 2 * 50)) == (47, 95, 208)  # the least
    assert image.getpixel((2 * 710, 2 * 470)) == (239, 134, 54)  # the greatest
    assert image.getpixel((2 * 555, 2 * 155)) != (255, 255, 255)


def test_ticks_are_round_and_enclose() -> None:
    for low, high in [
        (0, 1),
        (0.031, 0.97),
        (-3, 5),
        (123_456, 987_654),
        (1e9, 1e9 + 1),
        (5, 5),
        (0, 0),
        (2.5e-7, 1e-6),
    ]:
        ticks = nice_ticks(low, high)
        assert ticks[0] <= low
        assert ticks[-1] >= high
        assert 4 <= len(ticks) <= 12
        steps = [b - a for a, b in pairwise(ticks)]
        assert max(steps) - min(steps) <= 1e-6 * max(steps) + 1e-12 * abs(high)
    for low, high in [(1, 1), (3, 4), (0.02, 7000), (10, 1000)]:
        ticks = log_ticks(low, high)
        assert ticks[0] <= low
        assert ticks[-1] >= high
        assert len(ticks) >= 2
    assert log_ticks(10, 1000)[0] == 10
    assert log_ticks(10, 1000)[-1] == 1000


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["-o", "s.svg"], "s.svg: the file must end in .html, .png"),
        (["-o", "s.html", "--x", "mac"], "s.csv: no column 'mac'; did you mean 'macs'?"),
        (["-o", "s.html", "--color", "nothing-like-it"], "s.csv: no column 'nothing-like-it' (there are width, layers, "),
        (["-o", "s.html", "--x", "width"], "s.csv: the column 'width' must hold numbers, got 'a'; take another"),
        (["-o", "s.html", "--pareto", "maccs"], "--pareto maccs: no column 'maccs'; did you mean 'macs'?"),
        (["-o", "s.html", "--pareto", "width"], "s.csv: the column 'width' must hold numbers, got 'a'; take another"),
        (["-o", "no/s.html"], "no/s.html: cannot be written: No such file or directory"),
    ],
)  # fmt: skip
def test_wrong_commands(words: list[str], reason: str, capsys: Any) -> None:
    table(("a", 1, 1, ""))
    assert reason in said(capsys, "s.csv", *words, code=2)
    assert [each.name for each in Path().iterdir()] == ["s.csv"]


@pytest.mark.parametrize(
    ("content", "code", "reason"),
    [
        (b"", 1, "s.csv:1:1: the first line must name the columns, each once, as 'netgen sweep' writes them"),
        (b"\x89PNG\r\n\x1a\n\x00", 1, "s.csv:1:1: the first line must name the columns"),
        (b"macs,weights\n1\n", 1, "s.csv:2:1: row 1 must have 2 cells, and has 1"),
        (b'macs,weights\n"1"2,3\n', 1, "s.csv:2:1: this is no CSV: "),
        (b"macs,weights,error\n,,bad\n", 2, "s.csv: no row has numbers to show in 'macs' and 'weights'"),
    ],
)
def test_files_that_are_no_sweep(content: bytes, code: int, reason: str, capsys: Any) -> None:
    Path("s.csv").write_bytes(content)
    assert reason in said(capsys, "s.csv", "-o", "s.html", code=code)


def test_without_pillow_the_page_is_still_there(monkeypatch: Any, capsys: Any) -> None:
    table((1, 1, 1, ""))
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert "s.png: this needs the package 'pillow', which is not installed; 'pip install pillow'" in said(
        capsys, "s.csv", "-o", "s.png", code=2
    )
    said(capsys, "s.csv", "-o", "s.html")


def test_other_formats_of_a_sweep_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("s.json", "s.parquet"):
        assert main(["plot", name, "-o", "p.png"]) == 2
        rule = f"netgen: {name}: a plot is made of the CSV of a sweep; have it written as one (-o FILE.csv)\n"
        assert capsys.readouterr().err == rule
