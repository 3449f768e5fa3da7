"""What the README shows, done as it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import netgen
from tests.own_types import forgotten_types

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture
def _forget() -> Iterator[None]:
    with forgotten_types():
        yield


@pytest.mark.usefixtures("_forget")
def test_the_python_examples_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    values: dict[str, Any] = {}
    first, mistake, block, report, own, weights, _, _ = blocks("python")
    exec(first, values)  # noqa: S102 (our own README)
    assert netgen.load("tiny.prototxt") == values["net"]
    assert capsys.readouterr().out.startswith('name: "tiny"')

    code, _, comment = mistake.partition("\n")
    with pytest.raises(netgen.NetgenError) as error:
        exec(code, values)  # noqa: S102
    assert comment.strip() == f"# netgen.NetgenError: {error.value}"

    exec(block, values)  # noqa: S102
    net = netgen.Net().input(1, 64, 8, 8).apply(values["residual"], "r")
    assert net.last.layer == "r/relu"

    exec(report, values)  # noqa: S102
    for line in report.splitlines():
        code, comment = (part.strip() for part in line.partition("#")[::2])
        if comment and not comment.startswith("the JSON"):
            assert repr(eval(code, values)) == comment  # noqa: S307

    exec(own, values)  # noqa: S102
    assert capsys.readouterr().out.strip() == own.strip().rpartition("# ")[2]

    exec(weights, values)  # noqa: S102
    shape = next(line for line in weights.splitlines() if ".shape" in line)
    assert repr(eval(shape, values)) == shape.rpartition("# ")[2]  # noqa: S307
    assert values["weights"].keys() == netgen.expected_weights(values["net"]).keys()


@pytest.mark.usefixtures("_forget")
def test_the_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    values: dict[str, Any] = {"netgen": netgen}
    *_, trained, own = blocks("python")
    exec(trained, values)  # noqa: S102 (our own README)
    assert netgen.load_weights("digits.caffemodel").keys() == netgen.expected_weights(values["net"]).keys()
    for line in trained.splitlines()[-4:]:
        code, _, comment = line.partition("  # ")
        assert not comment or repr(eval(code, values)) == comment  # noqa: S307
    exec(own, values)  # noqa: S102
    assert capsys.readouterr().out.strip() == own.strip().rpartition("# ")[2]


def test_the_house_style_works(tmp_path: Path) -> None:
    (template,) = blocks("jinja")
    (tmp_path / "net.prototxt.j2").write_text(template, encoding="utf-8")
    net = netgen.build("peleenet", size=64, layers=(1,), bottleneck_widths=(1,))
    older = netgen.parse_prototxt(net.to_prototxt(tmp_path))
    assert older.name == "PeleeNet"
    assert older.params == {"input": ("data",), "input_shape": ({"dim": (1, 3, 64, 64)},)}
    assert list(older.layers) == net.layers[1:]


def test_the_commands_are_there() -> None:
    from netgen.commands import COMMANDS

    (commands,) = blocks("sh")
    assert {line.split()[1] for line in commands.splitlines() if line.startswith("netgen ")} >= {"list", "peleenet"}
    for command in COMMANDS:
        assert f"netgen {command}" in README
