"""The pages in a real browser: they open from disk, ask nobody for anything, and do what their controls say."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import netgen
from netgen.analysis import analyze
from netgen.comparison import compare
from netgen.page import diff_page, report_page
from tests.browser import Tab, chromium

HOSTILE = "</script><script>document.title='broken'</script><b>\"'&\u202e\x07"
Open = Callable[[netgen.Net], Tab]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Callable[[netgen.Net], Path]:
    """Makes the page of a net, once."""
    made: list[tuple[netgen.Net, Path]] = []
    folder = tmp_path_factory.mktemp("pages")

    def write(net: netgen.Net) -> Path:
        for known, path in made:
            if known is net:
                return path
        path = folder / f"{len(made)}.html"
        path.write_text(report_page(analyze(net), netgen.lint(net)), encoding="utf-8")
        made.append((net, path))
        return path

    return write


@pytest.fixture
def page(browser: Any, write: Callable[[netgen.Net], Path]) -> Open:
    return lambda net: Tab(browser, write(net)).open()


@pytest.fixture(scope="module")
def peleenet() -> netgen.Net:
    return netgen.build("peleenet")


@pytest.fixture(scope="module")
def large() -> netgen.Net:
    """1,170 layers: 117 residual blocks of ten layers, in nine stages."""
    net = netgen.Net("large").input(1, 16, 32, 32)
    for stage in range(9):
        for block in range(13):
            name, start = f"stage{stage}/block{block}", net.last
            net.conv(16, 3, name=f"{name}/a").bn(scale=True).relu()
            net.conv(16, 3, name=f"{name}/b").bn(scale=True)
            net.eltwise([start, net.last], name=f"{name}/sum").relu()
            if block < 12 or stage < 8:
                net.dropout(name=f"{name}/drop")
    assert len(net.layers) == 1170
    return net


@pytest.fixture(scope="module")
def chain() -> netgen.Net:
    """1,170 layers with a node each and no blocks: what is hardest to lay out."""
    net = netgen.Net("chain").input(1, 16, 32, 32)
    for i in range(1169):
        net.conv(16, 3, name=f"conv{i}")
    return net


def nodes_of(net: netgen.Net) -> int:
    """The nodes of a net in which whatever works in place does so on the layer before it: all other layers."""
    return sum(layer.bottoms != layer.tops for layer in net.layers)


def milliseconds_to_ready(tab: Tab) -> int:
    """From the start of loading until all controls work; the best of three, as others use the machine too."""
    return min(int(tab.open().js("document.documentElement.dataset.ready")) for _ in range(3))


def press(tab: Tab, what: str, number: int = 0) -> None:
    tab.one(f"[data-network='{number}'] [data-do={what}]").click()


def selected(tab: Tab) -> list[int]:
    """The layers that are marked as selected, in the graph and in the table."""
    return [*tab.js("[...document.querySelectorAll('.row.selected')].map((each) => +each.dataset.layer)"),
            *tab.js("[...document.querySelectorAll('tr.selected')].map((each) => +each.dataset.row)")]  # fmt: skip


def in_sight(tab: Tab, selector: str, frame: str) -> bool:
    code = """((a, b) => a.top >= b.top && a.bottom <= b.bottom && a.left >= b.left && a.right <= b.right)(
        document.querySelector(a[0]).getBoundingClientRect(), document.querySelector(a[1]).getBoundingClientRect())"""
    return bool(tab.js(code, selector, frame))


def test_it_opens_from_disk_and_asks_for_nothing(page: Open, peleenet: netgen.Net) -> None:
    tab = page(peleenet)
    assert tab.requests() == [tab.page.as_uri()]
    assert tab.complaints() == []
    tab.picture("peleenet-light")


def test_it_is_ready_in_time(
    page: Open, peleenet: netgen.Net, large: netgen.Net, chain: netgen.Net, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, net, most in (("PeleeNet", peleenet, 1000), ("1,170 layers", large, 3000), ("1,170 nodes", chain, 3000)):
        tab = page(net)
        took = milliseconds_to_ready(tab)
        size = tab.page.stat().st_size
        folded = tab.js("performance.now()")
        press(tab, "unfold")
        unfolding = tab.js("performance.now()") - folded
        with capsys.disabled():
            print(f"\n{name}: {size:,} bytes, ready after {took} ms, unfolded in {unfolding:.0f} ms more")
        assert took < most


@pytest.mark.parametrize("name", ["peleenet", "yolov3", "googlenet", "pelee_ssd", "large"])
def test_the_graph_has_the_nodes_and_edges_of_the_network(page: Open, request: Any, name: str) -> None:
    net = request.getfixturevalue(name) if name in {"peleenet", "large"} else netgen.build(name)
    tab = page(net)
    press(tab, "unfold")
    assert len(tab.all(".node")) == nodes_of(net)
    rows = tab.js("[...document.querySelectorAll('[data-layer]')].map((each) => +each.dataset.layer)")
    assert sorted(rows) == list(range(len(net.layers)))
    # Each reader of a blob has one arrow, however many borders of blocks the way to it crosses.
    arrows = len(tab.all(".edge path[marker-end]"))
    assert arrows == sum(len(layer.bottoms) for layer in net.layers if layer.bottoms != layer.tops)
    shapes = {"\N{MULTIPLICATION SIGN}".join(map(str, shape)) for shape in netgen.infer_shapes(net).values()}
    assert set(tab.js("[...document.querySelectorAll('.edge text')].map((each) => each.textContent)")) <= shapes
    press(tab, "fit")
    tab.picture(f"{name}-unfolded")


@pytest.mark.parametrize("name", ["peleenet", "yolov3", "googlenet", "pelee_ssd"])
def test_nothing_lies_on_anything_else(page: Open, name: str) -> None:
    tab = page(netgen.build(name))
    press(tab, "unfold")
    overlaps = """((boxes) => boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) =>
        a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)).length)(
        [...document.querySelectorAll('.node .box, .edge g > rect')].map((each) => each.getBoundingClientRect()))"""
    assert tab.js(overlaps) == 0
    wide = """[...document.querySelectorAll('.node')].filter((node) => [...node.querySelectorAll('.row')].some((row) =>
        row.querySelector('.name').getBBox().x + row.querySelector('.name').getBBox().width
        > row.querySelector('.type').getBBox().x)).length"""
    assert tab.js(wide) == 0


def test_blocks_fold_and_unfold(page: Open, peleenet: netgen.Net) -> None:
    tab = page(peleenet)
    folded = len(tab.all(".folded"))
    inside = "[data-layer='40']"
    assert (peleenet.layers[40].name, tab.all(inside)) == ("stage1_2/a1", [])
    tab.one(".folded[data-scope='stage1_2']").click()
    assert len(tab.all(inside)) == 1
    assert len(tab.all(".folded")) == folded - 1
    tab.picture("peleenet-one-block")
    tab.one(".open[data-scope='stage1_2'] .fold").click()
    assert tab.all(inside) == []
    press(tab, "unfold")
    assert tab.all(".folded") == []
    press(tab, "fold")
    assert len(tab.all(".folded")) == folded


def test_a_block_that_would_come_before_and_after_itself_is_none(page: Open) -> None:
    net = netgen.Net("loops").input(1, 3, 8, 8)
    for name in ("in/a", "in/b", "out", "in/c", "left/a", "right/a", "right/b", "left/b", "fine/a", "fine/b"):
        net.conv(3, 1, name=name)
    tab = page(net)
    scopes = tab.js("[...document.querySelectorAll('[data-scope]')].map((each) => each.dataset.scope)")
    assert scopes == ["right", "fine"]
    assert len(tab.all(".node")) == 11
    # Nothing runs upwards.
    assert tab.js("[...document.querySelectorAll('.edge path')].every((each) => each.getPointAtLength(0).y <"
                  " each.getPointAtLength(each.getTotalLength()).y)")  # fmt: skip


def test_search_finds_layers(page: Open, peleenet: netgen.Net) -> None:
    tab = page(peleenet)
    box, output = tab.one("input[type=search]"), tab.one(".tools output")
    tab.browser.find_element("css selector", "body").send_keys("/")
    assert tab.js("document.activeElement === a[0]", box)
    box.send_keys("STAGE4_2/B concat")
    assert output.text == "0 found"
    box.clear()
    box.send_keys("stage4_2/b1/relu")
    assert output.text == "1 found"
    box.send_keys("\n")
    (index,) = [i for i, layer in enumerate(peleenet.layers) if layer.name == "stage4_2/b1/relu"]
    assert selected(tab) == [index, index]
    assert in_sight(tab, f"[data-layer='{index}']", ".graph svg")
    box.clear()
    box.send_keys("stage2 relu")
    hits = [i for i, x in enumerate(peleenet.layers) if "stage2" in x.name and "relu" in f"{x.name} {x.type}".lower()]
    assert output.text == f"{len(hits)} found"
    box.send_keys("\n\n")
    assert (output.text, selected(tab)) == (f"2 of {len(hits)}", [hits[1], hits[1]])


def test_the_table_sorts_and_filters(page: Open, peleenet: netgen.Net) -> None:
    tab = page(peleenet)
    order = "[...document.querySelectorAll('.layers tbody tr:not([hidden])')].map((each) => +each.dataset.row)"
    rows = list(analyze(peleenet).rows())
    tab.one("th[data-column=macs] button").click()
    assert tab.js(order) == sorted(range(len(rows)), key=lambda i: -(rows[i]["macs"] or 0))
    assert tab.one("th[data-column=macs]").get_attribute("aria-sort") == "descending"
    tab.one("th[data-column=macs] button").click()
    assert tab.js(order) == sorted(range(len(rows)), key=lambda i: rows[i]["macs"] or 0)
    tab.one("th[data-column=type] button").click()
    assert tab.js(order) == sorted(range(len(rows)), key=lambda i: rows[i]["type"].lower())
    tab.one("th[data-column=index] button").click()
    tab.one(".filters input").send_keys("stage1 conv")
    shown = [i for i, row in enumerate(rows) if "stage1" in row["name"] and row["type"] == "Convolution"]
    assert tab.js(order) == shown
    total = tab.js("document.querySelectorAll('.layers tfoot td')[6].textContent")
    assert total == f"{sum(rows[i]['macs'] for i in shown):,}"
    tab.one(".filters select").send_keys("ReLU")
    assert tab.js(order) == []


def test_table_graph_and_charts_lead_to_each_other(page: Open, peleenet: netgen.Net) -> None:
    tab = page(peleenet)
    tab.js("document.querySelector('[data-row=\"41\"] button').click()")
    assert selected(tab) == [41, 41]
    assert in_sight(tab, "[data-layer='41']", ".graph svg")
    details = tab.one("[data-part=details]").text
    for said in (
        "stage1_2/a1/bn",
        "0 multiply-adds",
        "100,352 operations",
        "0 values",
        "33 values",
        "pixels of the input",
    ):
        assert said in details
    assert {"field px", "stride px"} <= {each.text for each in tab.all(".layers th")}
    press(tab, "start")
    tab.one("[data-layer='3']").click()
    assert selected(tab) == [3, 3]
    tab.one(".filters input").send_keys("fc")
    tab.js("window.scrollTo(0, 0)")
    tab.one(".details h3 button:first-of-type").click()
    top, bottom, height = tab.js("(({top, bottom}) => [top, bottom, innerHeight])(a[0].getBoundingClientRect())",
                                 tab.one("[data-row='3']"))  # fmt: skip
    assert 0 < top < bottom < height
    report = analyze(peleenet)
    peak = tab.one("[data-peak]")
    assert peak.get_attribute("data-peak") == str([each.layer.name for each in report.layers].index("stage1_3"))
    assert peak.text == "peak 3.1 MiB at stage1_3"
    assert len(tab.all(".along svg")) == 3
    tab.picture("peleenet-charts")


def test_the_keyboard_suffices(page: Open, peleenet: netgen.Net) -> None:
    from selenium.webdriver.common.keys import Keys

    tab = page(peleenet)
    graph = tab.one(".graph svg")
    graph.send_keys(Keys.ARROW_DOWN)
    assert selected(tab) == [0, 0]
    graph.send_keys(Keys.ARROW_DOWN * 5 + Keys.ARROW_UP)
    assert selected(tab) == [4, 4]
    scale = "+document.querySelector('.graph svg > g').getAttribute('transform').split(/[()]/)[3]"
    before = tab.js(scale)
    graph.send_keys("+")
    assert tab.js(scale) == pytest.approx(1.25 * before)
    graph.send_keys("0")
    assert in_sight(tab, ".graph svg > g", ".graph svg")
    tab.js("document.querySelector('[data-row=\"40\"] button').click()")
    graph.send_keys(Keys.ENTER)
    assert tab.all("[data-layer='40']") == []
    graph.send_keys(Keys.ENTER)
    assert len(tab.all("[data-layer='40']")) == 1


def test_both_themes(page: Open, peleenet: netgen.Net) -> None:
    tab = page(peleenet)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = tab.js(ground)
    tab.theme("dark")
    dark = tab.js(ground)
    assert (light, dark) == ("rgb(246, 247, 249)", "rgb(20, 23, 28)")
    tab.picture("peleenet-dark")
    button = tab.one("[data-theme-button]")
    for name, seen in (("light", light), ("dark", dark), ("auto", dark)):
        button.click()
        assert (button.text, tab.js(ground)) == (f"theme: {name}", seen)


def test_a_hostile_name_is_text(page: Open) -> None:
    net = netgen.Net(HOSTILE).input(1, 3, 112, 112).pool(3, 2, name=HOSTILE).relu(name="__proto__/constructor")
    tab = page(net)
    assert tab.complaints() == []
    assert tab.js("document.title") != "broken"
    press(tab, "unfold")
    shown = HOSTILE.replace("\u202e", "\\u202e").replace("\x07", "\\x07")
    assert shown in tab.one("[data-row='1']").text
    assert tab.js("document.querySelector('[data-layer=\"1\"] title').textContent").startswith(shown)
    tab.js("document.querySelector('[data-row=\"1\"] button').click()")
    assert tab.one("[data-part=details] .name").text == shown
    tab.picture("hostile")


def test_a_difference_moves_together(browser: Any, tmp_path: Path) -> None:
    old, new = netgen.build("peleenet"), netgen.build("peleenet", growth_rate=24)
    path = tmp_path / "diff.html"
    path.write_text(diff_page(analyze(old), analyze(new), compare(old, new)), encoding="utf-8")
    tab = Tab(browser, path).open()
    assert (tab.requests(), tab.complaints()) == ([path.as_uri()], [])
    (first, *_) = tab.all(".changes button")
    name = first.text
    first.click()
    marked = tab.js("[...document.querySelectorAll('.row.selected')].map((each) => [each.dataset.mark, "
                    "each.closest('[data-network]').dataset.network, each.querySelector('title').textContent])")  # fmt: skip
    assert [(mark, number) for mark, number, _ in marked] == [("changed", "0"), ("changed", "1")]
    assert all(title.startswith(f"{name} (Convolution)") for _, _, title in marked)
    tab.js("window.scrollTo(0, 0)")
    tab.picture("diff")


def test_it_prints(page: Open, peleenet: netgen.Net) -> None:
    tab = page(peleenet)
    frame = "document.querySelector('.graph svg').getAttribute('viewBox')"
    tab.js(f"addEventListener('beforeprint', () => window.printed = {frame})")
    pdf = base64.b64decode(tab.browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert pdf.startswith(b"%PDF")
    # All of the table is there, not the part that the screen shows.
    assert pdf.count(b"/Type /Page\n") > 5
    assert tab.js("window.printed.split(' ').map(Number).every((each, i) => i < 2 ? each === 0 : each > 300)")
    assert tab.js(frame) is None
