"""The text of the pages that ``-o FILE.html`` writes: what is in them, and that nothing gets out of its place."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import netgen
from netgen.analysis import analyze
from netgen.cli import main
from netgen.comparison import compare
from netgen.page import diff_page, report_page, vendored

VENDOR = Path(__file__).parent.parent / "templates" / "vendor"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u2028\u202e\x07"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        return code, *capfd.readouterr()

    return run


class Page(HTMLParser):
    """The elements of a page with their attributes, its scripts, and the text outside of them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  HTMLParser passes it
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data

    @property
    def data(self) -> Any:
        return json.loads(self.scripts[0])


def hostile() -> netgen.Net:
    net = netgen.Net(HOSTILE).input(1, 3, 112, 112)
    return net.pool(3, 2, name=HOSTILE)


def pages() -> dict[str, str]:
    net = hostile()
    other = netgen.Net(HOSTILE).input(1, 3, 112, 112).pool(2, 2, name=HOSTILE).relu(name=f"{HOSTILE}/relu")
    return {
        "report": report_page(analyze(net), netgen.lint(net)),
        "diff": diff_page(analyze(net), analyze(other), compare(net, other)),
    }


def test_the_data_is_the_json_report(run: Run, tmp_path: Path) -> None:
    assert run("report", "peleenet", "-o", "out.html") == (0, "", "")
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    page = Page(text)
    (network,) = page.data["networks"]
    assert network["report"] == analyze(netgen.build("peleenet")).to_dict()
    families = dict(page.data["families"])
    assert set(families) == {layer["type"] for layer in network["report"]["layers"]}
    assert (families["Convolution"], families["ReLU"], families["Concat"]) == ("convolution", "activation", "reshaping")
    assert "507,757,568 multiply-adds" in page.text
    assert "1,031,516,304 operations" in page.text
    assert len(text.encode()) < 1_500_000


def test_live_memory_peaks_where_the_report_says() -> None:
    report = analyze(netgen.build("peleenet")).to_dict()
    live = [layer["live_bytes"] for layer in report["layers"]]
    assert max(live) == report["totals"]["peak_activation_bytes"]
    assert report["layers"][live.index(max(live))]["name"] == report["peak_layer"]
    assert live[0] == 4 * 3 * 224 * 224  # the input alone


@pytest.mark.parametrize("kind", ["report", "diff"])
def test_nothing_is_asked_of_anyone(kind: str) -> None:
    text = pages()[kind]
    page = Page(text)
    attributes = {name for _, attrs in page.elements for name in attrs}
    assert not attributes & {"src", "srcset", "action", "poster", "background", "ping", "xlink:href"}
    assert {attrs["href"] for _, attrs in page.elements if "href" in attrs} == {"#layers"}
    assert not {tag for tag, _ in page.elements} & {"link", "img", "iframe", "object", "embed", "base", "form"}
    style = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert not re.search(r"url\(|@import|https?:", "".join(style))
    assert "sourceMappingURL" not in text
    (policy,) = [attrs["content"] for _, attrs in page.elements if attrs.get("http-equiv") == "Content-Security-Policy"]
    hashes = " ".join(f"'sha256-{b64encode(sha256(each.encode()).digest()).decode()}'" for each in page.scripts[1:])
    assert policy == f"default-src 'none'; style-src 'unsafe-inline'; script-src {hashes}"


@pytest.mark.parametrize("kind", ["report", "diff"])
def test_text_of_files_stays_text(kind: str) -> None:
    page = Page(pages()[kind])
    plain = Page(report_page(analyze(netgen.build("lenet")), []))
    assert len(page.scripts) == len(plain.scripts) == 4
    assert not any("onerror" in attrs for _, attrs in page.elements)
    assert page.data["networks"][0]["report"]["layers"][1]["name"] == HOSTILE
    assert not set("<>&\u2028") & set(page.scripts[0])
    assert "\u202e" not in page.text
    assert "</script><script>alert(1)</script>" in page.text
    assert "\\u202e\\x07" in page.text


def test_findings_lead_to_their_layers() -> None:
    net = hostile()
    page = Page(report_page(analyze(net), netgen.lint(net)))
    links = [json.loads(attrs["data-goto"] or "") for _, attrs in page.elements if "data-goto" in attrs]
    assert links == [[0, HOSTILE]] * len(netgen.lint(net))
    for finding in netgen.lint(net):
        assert finding.message in page.text
        assert finding.rule in page.text


def test_a_difference_is_marked_in_both(run: Run, tmp_path: Path) -> None:
    for name, growth in (("a", "16"), ("b", "32")):
        assert run("peleenet", "size=64", f"growth_rate={growth}", "-o", f"{name}.prototxt")[0] == 0
    code, out, err = run("diff", "a.prototxt", "b.prototxt", "-o", "out.html")
    assert (code, out, err) == (1, "", "")
    page = Page((tmp_path / "out.html").read_text(encoding="utf-8"))
    found = compare(netgen.load(str(tmp_path / "a.prototxt")), netgen.load(str(tmp_path / "b.prototxt")))
    changed = [each.new.name for each in found.changed]
    assert changed
    assert page.data["marks"] == [[side, name, "changed"] for name in changed for side in (0, 1)]
    assert str(found.changed[0].fields[0]) in page.text
    assert [len(each["report"]["layers"]) for each in page.data["networks"]] == [482, 482]


def test_a_difference_is_written_in_any_form(run: Run, tmp_path: Path) -> None:
    text = run("diff", "lenet", "alexnet")[1]
    assert run("diff", "lenet", "alexnet", "-o", "out.txt") == (1, "", "")
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == text
    assert run("diff", "lenet", "alexnet", "-o", "out.json") == (1, "", "")
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["different"]


def test_the_page_of_a_refused_network_says_so_and_shows_the_layers_before(run: Run, tmp_path: Path) -> None:
    netgen.Net("n").input(1, 3, 8, 8).conv(4, 3, name="c").layer(f"No{HOSTILE}", name="z").relu().save(
        tmp_path / "n.prototxt"
    )
    code, out, err = run("report", "n.prototxt", "-o", "out.html")
    assert (code, out) == (1, "")
    assert err.startswith("netgen: layer 'z' (No")
    text = (tmp_path / "out.html").read_text(encoding="utf-8")
    page = Page(text)
    assert [layer["name"] for layer in page.data["networks"][0]["report"]["layers"]] == ["data", "c"]
    assert "INCOMPLETE: layer 'z' (No</script><script>" in page.text
    assert ": the type is not known" in page.text.partition("INCOMPLETE")[2]
    assert "before the one that is refused" in page.text
    assert "432 bytes" in page.text  # 4 * 3 * 3 * 3 weights
    assert len(page.scripts) == 4
    assert run("report", "n.prototxt", "--format", "html")[:2] == (1, text)
    assert "INCOMPLETE" not in Page(report_page(analyze(netgen.build("lenet")), [])).text


def test_the_page_of_a_network_whose_first_layer_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.prototxt").write_text('layer { name: "x" type: "Nobody" top: "x" }', encoding="utf-8")
    code, out, err = run("report", "bad.prototxt", "-o", "out.html")
    assert (code, out) == (1, "")
    assert "INCOMPLETE: layer 'x' (Nobody)" in Page((tmp_path / "out.html").read_text(encoding="utf-8")).text
    code, out, err = run("report", "lenet", "-o", "no/such/out.html")
    assert (code, out) == (2, "")
    assert "no/such/out.html: cannot be written: No such file or directory" in err


def test_a_net_without_layers_has_a_page() -> None:
    net = netgen.Net("empty")
    page = Page(report_page(analyze(net), []))
    assert page.data["networks"][0]["report"]["layers"] == []


def test_the_libraries_are_those_of_the_manifest(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, VENDOR / "fetch.py", "--check"], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    manifest = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))
    page = Page(report_page(analyze(netgen.build("lenet")), []))
    notice = (VENDOR.parent.parent / "NOTICE").read_text(encoding="utf-8")
    for row, library in zip(manifest, vendored(), strict=True):
        for file in row["files"].values():
            assert sha256((VENDOR / file["name"]).read_bytes()).hexdigest() == file["sha256"]
        assert library.licence.strip() in page.text
        assert row["name"] in notice
        assert row["version"] in library.script


def test_a_changed_library_is_told(tmp_path: Path) -> None:
    for file in VENDOR.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "d3.min.js").write_text("alert(1)", encoding="utf-8")
    (tmp_path / "dagre.LICENSE.txt").unlink()
    done = subprocess.run(
        [sys.executable, tmp_path / "fetch.py", "--check"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["d3.min.js", "dagre.LICENSE.txt"]
