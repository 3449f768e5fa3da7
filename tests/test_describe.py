"""What a network is and takes, on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from netgen.cli import main
from netgen.zoo import names

_OPTIONS = "\n'netgen --help' lists the options.\n"


def described(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.endswith(_OPTIONS)
    return out.removesuffix(_OPTIONS)


@pytest.mark.parametrize("name", list(names()))
def test_every_network_says_what_it_is_and_takes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = described(capsys, name, "--help")
    usage, blank, first, *_ = out.splitlines()
    assert usage == f"usage: netgen {name} [key=value ...] [options]"
    assert blank == ""
    assert len(first) > 20
    rows = out.partition("\nparameters:\n")[2].splitlines()
    assert any(row.startswith("  size=") for row in rows)
    assert "layer {" not in out


def test_the_values_stand_under_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    rows = described(capsys, "peleenet", "--help").partition("\nparameters:\n")[2]
    assert rows.splitlines()[3:6] == [
        "  layers=3,4,8,6             a list with commas between, each a whole number",
        "  bottleneck_widths=1,2,4,4  a list with commas between, each a whole number",
        "  pool=MAX                   a word",
    ]


def test_a_py_file_says_what_its_function_or_its_first_lines_say(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    body = "import netgen\n\ndef mine(depth: int = 3, width=8, name=None):\n    {}\n    return netgen.Net('m')\n"
    rows = (
        "parameters:\n"
        "  depth=3                   a whole number\n"
        "  width=8                   a whole number\n"
        "  name=None                 a value\n"
    )
    (tmp_path / "own.py").write_text(body.format('"""A network of mine.\n\n    With more.\n    """'))
    usage = "usage: netgen own.py [key=value ...] [options]\n\n"
    assert described(capsys, "own.py", "--help") == f"{usage}A network of mine.\n\nWith more.\n\n{rows}"
    (tmp_path / "own.py").write_text('"""Networks of mine."""\n' + body.format("pass"))
    assert described(capsys, "own.py", "depth=4", "-h") == f"{usage}Networks of mine.\n\n{rows}"
    (tmp_path / "own.py").write_text(body.format("pass"))
    assert described(capsys, "own.py", "--help") == f"{usage}No description.\n\n{rows}"
    (tmp_path / "own.py").write_text('"""Ready."""\nimport netgen\nnet = netgen.Net("ready")\n')
    assert described(capsys, "own.py", "--help") == f"{usage}Ready.\n\nparameters: none\n"
    (tmp_path / "own.py").write_text('import netgen\nnet = netgen.Net("ready")\n')
    assert described(capsys, "own.py", "--help") == f"{usage}No description.\n\nparameters: none\n"
    (tmp_path / "own.py").write_text("def own(**more): ...\n")
    assert described(capsys, "own.py", "--help") == f"{usage}No description.\n\nparameters: any\n"


def test_help_is_a_word_too(capsys: pytest.CaptureFixture[str]) -> None:
    for words in ((), ("peleenet",), ("report",)):
        assert main([*words, "--help"]) == 0
        expected = capsys.readouterr()
        assert main(["help", *words]) == 0
        assert capsys.readouterr() == expected
    assert main(["help", "peleene"]) == 2
    assert "did you mean 'peleenet'?" in capsys.readouterr().err
