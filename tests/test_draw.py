"""``netgen draw``: what is in the picture, and that names are text in it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import netgen
import netgen.drawing.repeats as repeats_module
from netgen.cli import main
from netgen.drawing import dot_text, mermaid_text
from netgen.drawing.picture import Picture, picture
from netgen.drawing.repeats import Run, repeats
from netgen.drawing.text import FAMILIES
from netgen.layers.index import TYPES

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz (the program dot) is not installed")
EVIL = 'a"b<script>alert(1)</script>&amp;\\N\\"]; %%{init}%% `x` #quot; {}|\n\x01\u202eend \u05d0'


def evil() -> netgen.Net:
    net = netgen.Net(EVIL).input(1, 3, 8, 8, name=EVIL).conv(4, 3, name=f"{EVIL}2").relu()
    return net.layer("My<b>\u202eType", name=f"{EVIL}3", my_param={"alpha": netgen.Literal("<i>"), "word": EVIL})


def boxes(shown: Picture) -> dict[str, list[str]]:
    return {box.name: [layer.type for layer in box.layers] for box in shown.boxes if box.layers}


def arrows(shown: Picture) -> list[tuple[str, str, Any]]:
    return [(shown.boxes[each.source].name, shown.boxes[each.target].name, each.shape) for each in shown.arrows]


def test_in_place_layers_are_drawn_inside_the_one_that_they_follow() -> None:
    net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="c").bn(scale=True).relu().pool(2, 2, name="p")
    shown = picture(net)
    assert boxes(shown) == {
        "data": ["Input"],
        "c": ["Convolution", "BatchNorm", "Scale", "ReLU"],
        "p": ["Pooling"],
    }
    assert arrows(shown)[:2] == [("data", "c", (1, 3, 8, 8)), ("c", "p", (1, 4, 8, 8))]
    assert arrows(shown)[2:] == [("p", "p", (1, 4, 4, 4))]  # what nobody reads has an arrow into the open
    assert list(boxes(picture(net, fold="none"))) == ["data", "c", "c/bn", "c/scale", "c/relu", "p"]


def test_a_chain_with_tops_of_its_own_folds_unless_something_reads_between() -> None:
    def net(read: bool) -> netgen.Net:
        made = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="c").batch_norm(name="b", in_place=False)
        made.relu(name="r", in_place=False)
        return made.eltwise(["b", "r"], name="e") if read else made

    assert boxes(picture(net(False)))["c"] == ["Convolution", "BatchNorm", "ReLU"]
    with_reader = picture(net(True))
    assert boxes(with_reader)["c"] == ["Convolution", "BatchNorm"]
    assert [each[:2] for each in arrows(with_reader)][1:4] == [("c", "r"), ("c", "e"), ("r", "e")]


def test_what_follows_a_layer_without_weights_keeps_its_box() -> None:
    net = netgen.Net().input(1, 3, 8, 8).concat(["data", "data"], name="two").relu(name="r", in_place=False)
    assert boxes(picture(net)) == {"data": ["Input"], "two": ["Concat"], "r": ["ReLU"]}


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("peleenet", [3, 4, 8, 6]),  # its dense layers, paper table 1
        ("darknet53", [2, 8, 8, 4]),  # its residual blocks, YOLOv3 paper table 1, but for the first group's single one
        ("resnet50", [2, 3, 5, 2]),  # 3, 4, 6, 3 of which the first has a projection
        ("densenet121", [6, 12, 24, 16]),  # its dense layers, paper table 1
    ],
)
def test_repeated_blocks_are_those_of_the_papers(name: str, times: list[int]) -> None:
    assert [run.times for run in picture(netgen.build(name), fold="blocks").runs] == times


def test_a_folded_block_reads_what_is_before_it_and_gives_what_its_last_copy_gives() -> None:
    shown = picture(netgen.build("peleenet"), fold="blocks")
    assert ("stage3_1", "stage3", (1, 512, 14, 14)) in arrows(shown)
    assert not any(shown.boxes[arrow.target].name.startswith("stage3_2") for arrow in shown.arrows)
    assert {arrow.source for arrow in shown.arrows}.isdisjoint(shown.hidden())


def test_what_works_in_place_behind_the_last_block_is_drawn_behind_the_run() -> None:
    shown = picture(netgen.build("densenet121", layers=(3, 2)), fold="blocks")
    first, last = (shown.boxes[place].name for place in (shown.runs[0].start, shown.runs[0].stop - 1))
    assert (len(shown.runs), shown.runs[0].times, first, last) == (1, 3, "conv2_1/x1/bn", "concat_2_3")
    assert boxes(shown)["concat_2_3"] == ["Concat"]
    assert boxes(shown)["conv2_blk/bn"] == ["BatchNorm", "Scale", "ReLU"]
    assert ("concat_2_1", "conv2_blk/bn", (1, 160, 56, 56)) in arrows(shown)
    assert ("conv2_blk/bn", "conv2_blk", (1, 160, 56, 56)) in arrows(shown)
    whole = boxes(picture(netgen.build("densenet121", layers=(3, 2))))
    assert whole["concat_2_3"] == ["Concat", "BatchNorm", "Scale", "ReLU"]  # with chains alone nothing is taken apart


def test_a_box_that_would_end_no_block_stays_whole() -> None:
    def net(read: bool) -> netgen.Net:
        made = netgen.Net().input(1, 4, 8, 8)
        for i in range(4):
            start = made.last
            made.conv(4, 3, name=f"c{i}").eltwise([start, f"c{i}"], name=f"e{i}")
        made.relu(name="r")
        return made.concat(["e3", "c3"], name="both") if read else made

    assert [run.times for run in picture(net(False), fold="blocks").runs] == [4]
    shown = picture(net(True), fold="blocks")  # the last block is read from outside
    assert [run.times for run in shown.runs] == [3]
    assert boxes(shown)["e3"] == ["Eltwise", "ReLU"]
    assert arrows(shown) == arrows(picture(net(True), fold="blocks"))


def test_blocks_that_differ_or_are_read_from_elsewhere_are_no_run() -> None:
    looks: list[tuple[str, ...]] = [(), ("a",), ("a",), ("a",), ("b",)]
    chain = [[], [(0, 0)], [(1, 0)], [(2, 0)], [(3, 0)]]
    assert repeats(looks, chain) == [Run(1, 1, 3)]
    assert repeats(looks, [*chain[:4], [(3, 0), (1, 0)]]) == [Run(2, 1, 2)]  # the first is read from outside
    assert repeats([(), ("a",), ("c",), ("a",), ("b",)], chain) == []
    assert repeats(looks, [[], [(0, 0)], [(0, 0)], [(0, 0)], [(3, 0)]]) == []  # side by side, not in a row


def test_a_long_chain_is_one_run_and_is_looked_at_once(monkeypatch: Any) -> None:
    net = netgen.Net().input(1, 4, 8, 8)
    for _ in range(1000):
        net.conv(4, 3)
    asked: list[int] = []
    follow = repeats_module._Search._follow

    def counted(search: Any, start: int, length: int) -> bool:
        asked.append(start)
        return follow(search, start, length)

    monkeypatch.setattr(repeats_module._Search, "_follow", counted)
    assert picture(net, fold="blocks").runs == (Run(1, 1, 1000),)
    assert 999 <= len(asked) < 4000  # of 64 lengths at every place


def test_what_caffe_would_refuse_is_drawn_without_shapes(tmp_path: Path, capsys: Any) -> None:
    file = tmp_path / "broken.prototxt"
    file.write_text(
        'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }'
        'layer { name: "a" type: "Strange" bottom: "data" top: "a" }'
        'layer { name: "b" type: "Pooling" bottom: "nowhere" top: "b" pooling_param { kernel_size: 2 } }'
    )
    shown = picture(netgen.load(file))
    assert [each[:2] for each in arrows(shown)] == [("data", "a"), ("nowhere", "b"), ("a", "a"), ("b", "b")]
    assert [each[2] for each in arrows(shown)] == [(1, 3, 8, 8), None, None, None]
    assert main(["draw", str(file), "-o", str(tmp_path / "b.dot")]) == 0
    assert "note: shapes end where a layer is refused: layer 'a' (Strange)" in capsys.readouterr().err


def test_phases_are_drawn_each() -> None:
    net = netgen.parse_prototxt(
        'layer { name: "d" type: "DummyData" top: "d" dummy_data_param { shape { dim: 1 dim: 2 } } }'
        'layer { name: "s" type: "Softmax" bottom: "d" top: "s" include { phase: TEST } }'
        'layer { name: "t" type: "Sigmoid" bottom: "d" top: "t" include { phase: TRAIN } }'
    )
    assert list(boxes(picture(net, "TRAIN", fold="none"))) == ["d", "t"]
    assert list(boxes(picture(net, "TEST", fold="none"))) == ["d", "s"]


def test_every_family_of_layer_types_has_a_colour() -> None:
    assert {row[-1] for row in TYPES.values()} == FAMILIES.keys()


def test_mermaid_has_no_mark_of_a_name() -> None:
    text = mermaid_text(picture(evil()))
    assert text.startswith("flowchart TB\n")
    labels = re.findall(r'^  n\d+\(?\["(.*)"\]\)?(?::::\w+)?$', text, re.MULTILINE)
    assert len(labels) == 4
    for label in labels:
        plain = re.sub(r"#\d+;|<br/>", "", label)
        assert re.fullmatch(r"[\w ,./()=+\u29f5-]*", plain)
    assert "#60;script#62;" in text
    assert "\u202e" not in text
    assert "\x01" not in text


@needs_dot
def test_graphviz_shows_names_as_text() -> None:
    text = dot_text(picture(evil()))
    done = subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True, check=True)
    assert done.stderr == b""
    svg = ET.fromstring(done.stdout)
    tags = {each.tag.rpartition("}")[2] for each in svg.iter()}
    assert "script" not in tags
    words = "\n".join(each.text or "" for each in svg.iter() if each.tag.endswith("}text"))
    shown = 'a"b<script>alert(1)</script>'
    assert shown in words.replace("\xa0", " ")
    tips = [value for each in svg.iter() for key, value in each.attrib.items() if key.endswith("}title")]
    expected = shown + '&amp;/N/"]; %%{init}%% `x` #quot; {}|/n/x01/u202eend'
    assert sum(tip.replace("\u29f5", "/").startswith(expected) for tip in tips) == 6
    assert "\\u202e" in words
    assert "\u202e" not in done.stdout.decode()


@needs_dot
@pytest.mark.parametrize(
    ("ending", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("dot", b"digraph")]
)
def test_the_command_writes_each_format(tmp_path: Path, ending: str, begins: bytes) -> None:
    file = tmp_path / f"net.{ending}"
    words = ["draw", "peleenet", "layers=2", "bottleneck_widths=1", "-o", str(file)]
    assert main([*words, "--fold", "blocks", "--direction", "lr"]) == 0
    assert file.read_bytes().startswith(begins)


@needs_dot
def test_the_svg_has_as_many_boxes_as_the_picture(tmp_path: Path) -> None:
    net = netgen.build("peleenet")
    shown = netgen.draw(net, tmp_path / "p.svg", fold="none")
    assert len(shown.boxes) == len(net.layers) + 1
    text = (tmp_path / "p.svg").read_text(encoding="utf-8")
    assert text.count('class="node"') == len(shown.boxes)
    assert text.count('class="edge"') == len(shown.arrows)
    assert "1x32x112x112" in text


def test_without_graphviz_it_says_what_to_install(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    file = tmp_path / "p.svg"
    assert main(["draw", "peleenet", "-o", str(file)]) == 2
    assert capsys.readouterr().err == (
        f"netgen: {file}: this needs Graphviz, whose program 'dot' is not in the PATH; 'apt install graphviz', 'brew "
        "install graphviz' or graphviz.org brings it, and .dot and .mmd files need nothing\n"
    )
    assert not file.exists()
    assert main(["draw", "peleenet", "-o", str(tmp_path / "p.dot")]) == 0
    assert main(["draw", "peleenet", "-o", str(tmp_path / "p.mmd")]) == 0


def test_a_graphviz_that_fails_is_one_sentence(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    program = tmp_path / "dot"
    program.write_text(f"#!{sys.executable}\nimport sys\nsys.stdin.read()\nsys.exit('Error: no plugin\\nmore')\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["draw", "peleenet", "-o", str(tmp_path / "p.png")]) == 1
    assert "p.png: Graphviz failed: Error: no plugin; a .dot file shows" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "p.jpg"], ".dot, .mmd; did you mean '.png'?\n"),
        (["-o", "p.gif"], "p.gif: the file must end in .svg, .png, .pdf, .dot, .mmd"),
        (["-o", "p.svgz"], "p.svgz: the file must end in .svg, .png, .pdf, .dot, .mmd; did you mean '.svg'?\n"),
        (["-o", "nowhere/p.dot"], "nowhere/p.dot: cannot be written: No such file or directory\n"),
        (["-o", "p.dot", "--fold", "all"], "--fold: must be one of none, chains, blocks, got 'all'"),
    ],
)
def test_a_wrong_command_writes_nothing(
    words: list[str], said: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["draw", "peleenet", *words]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@needs_dot
def test_a_notebook_shows_the_drawing() -> None:
    net = netgen.build("peleenet")
    svg = net._repr_svg_()
    assert svg is not None
    assert ET.fromstring(svg.replace("xlink:", "")).tag.endswith("svg")
    assert svg in net._repr_html_()


def test_a_notebook_without_graphviz_shows_a_table_and_the_reason(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    net = evil()
    assert net._repr_svg_() is None
    shown = net._repr_html_()
    assert shown.startswith("<p>No drawing: a drawing here: this needs Graphviz")
    assert "<table>" in shown
    assert "<script>" not in shown
    assert netgen.Net()._repr_html_()


@needs_dot
def test_a_notebook_is_not_kept_waiting_by_a_large_network(monkeypatch: Any) -> None:
    net = netgen.Net().input(1, 4, 8, 8)
    for i in range(20):
        net.conv(4 + i, 3)
    monkeypatch.setattr("netgen.drawing.notebook._BOXES", 10)
    assert net._repr_svg_() is None
    assert (
        "are too many to draw here; netgen.draw(net, &#x27;net.svg&#x27;) writes a file</p><table>" in net._repr_html_()
    )
    monkeypatch.setattr("netgen.drawing.notebook._BOXES", 1000)
    monkeypatch.setattr("netgen.drawing.notebook._SECONDS", 0.001)
    assert "Graphviz took more than 0.001 s" in netgen.build("peleenet", size=96)._repr_html_()
