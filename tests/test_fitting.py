"""Help texts in the columns of the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from netgen.nets import MODULES

from netgen.cli import main
from netgen.commands import COMMANDS
from netgen.commands.fitting import fitted
from tests.test_cli import subprocess_run


@pytest.mark.parametrize("columns", ["80", "60"])
def test_help_has_the_columns_of_the_terminal(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for name in (*COMMANDS, *MODULES):
        assert main([name, "--help"]) == 0
        for line in capsys.readouterr().out.splitlines()[1:]:
            # Usage lines are for copying; the default of a parameter is one word.
            assert len(line) <= int(columns) - 2 or "=" in line.split()[0], (name, line)


def test_rows_go_on_below_their_text() -> None:
    text = "--a    does this\n       and that\n--bcd  nothing\n--e    one two three"
    assert fitted(text, 18) == "--a    does this\n       and that\n--bcd  nothing\n--e    one two\n       three"


def test_lists_and_code_keep_their_lines() -> None:
    text = "Two things\nof them:\n\n- one\n- two\n\n    net.conv(3)\n    net.relu()\n>>> f()\n1. first\n2. second"
    assert fitted(text, 40) == text.replace("things\n", "things ")


def test_a_list_for_another_program_has_a_line_for_each_network(tmp_path: Path) -> None:
    lines = subprocess_run(["list"], tmp_path, COLUMNS="40").stdout.splitlines()
    assert max(map(len, lines)) > 80
    assert len([line for line in lines if line.startswith("  ")]) == len(MODULES)
