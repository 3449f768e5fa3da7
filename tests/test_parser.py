"""What the commands say of options that are misspelt, left out or given a wrong value."""

from __future__ import annotations

import pytest

from netgen.cli import main
from netgen.commands import COMMANDS


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["report", "peleenet", "--fromat", "json"], "no option '--fromat'; did you mean '--format'?"),
        (["report", "peleenet", "--phse=TEST"], "no option '--phse'; did you mean '--phase'?"),
        (["report", "peleenet", "--ph", "TEST"], "no option '--ph'; did you mean '--phase'?"),
        (["detect", "peleenet", "--m"], "no option '--m'; did you mean '--mean'?"),
        (["check", "--phse", "TEST"], "no option '--phse'; did you mean '--phase'?"),
        (["run", "peleenet", "--weigths", "w", "--input", "x"], "no option '--weigths'; did you mean '--weights'?"),
        (["report", "peleenet", "-input", "data=1,3,8,8"], "no option '-input'; did you mean '--input'?"),
        (["peleenet", "--size", "3"], "no option '--size'; a parameter of the network is given as size=...; "
         "'netgen --help' tells what it takes"),
        (["peleenet", "-x"], "no option '-x'; 'netgen --help' tells what it takes"),
        (["list", "--all"], "no option '--all'; 'netgen list --help' tells what it takes"),
        (["list", "more"], "not taken: more; 'netgen list --help' tells what it takes"),
        (["list", "--", "--names"], "not taken: -- --names; 'netgen list --help' tells what it takes"),
        (["report"], "missing: SRC; 'netgen report --help' tells what it takes"),
        (["peleenet", "-o"], "-o/--output: a value must follow, as in --output=VALUE; 'netgen --help' tells what it takes"),
        (["features", "lenet", "--mean", "-1,-2,-3"], "--mean: a value must follow, as in --mean=VALUE; "
         "'netgen features --help' tells what it takes"),
        (["report", "peleenet", "--phase", "TST"], "--phase: must be one of TEST, TRAIN, got 'TST'; did you mean 'TEST'?"),
        (["report", "peleenet", "--format", "x"], "--format: must be one of text, json, csv, markdown, html, got 'x'; "
         "'netgen report --help' tells what it takes"),
        (["report", "peleenet", "--level", "x"], "--level: must be a whole number, got 'x'; "
         "'netgen report --help' tells what it takes"),
        (["compare", "a", "b", "--tolerance", "x"], "--tolerance: must be a number, got 'x'; "
         "'netgen compare --help' tells what it takes"),
    ],
)  # fmt: skip
def test_wrong_options(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr() == ("", f"netgen: {text}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_knows_what_its_misspelt_option_was_meant_to_be(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--hlep"]) == 2
    assert capsys.readouterr() == ("", "netgen: no option '--hlep'; did you mean '--help'?\n")


def test_what_begins_with_a_dash_and_is_no_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "lenet", "--level", "-1"]) == 2
    assert ", got -1;" in capsys.readouterr().err
    assert main(["report", "lenet", "--convention=macs", "-o-", "--", "size=28"]) == 0
    assert capsys.readouterr() == ("2293000 macs\n", "")
