"""``netgen list``: the networks that there are, netgen's own and those of other packages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from netgen.nets import DETECTORS, MODULES

from netgen.cli import main
from tests.test_cli import ROOT, subprocess_run

if TYPE_CHECKING:
    import pytest


def test_each_network_has_a_line_among_those_of_its_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    title, first, *lines = out.splitlines()
    assert (title, first.split(":")[0]) == (
        "Classification:",
        "  peleenet       PeleeNet, a DenseNet variant for small devices",
    )
    assert lines[-1] == "'netgen NET --help' tells what a network is and which parameters it takes."
    detection = lines.index("Detection:")
    assert [line.split()[0] for line in lines[detection + 1 : -1]] == list(DETECTORS)
    assert main(["list", "--names"]) == 0
    assert capsys.readouterr().out.split() == list(MODULES)


def test_networks_of_other_packages(tmp_path: Path) -> None:
    (tmp_path / "other_nets.py").write_text(
        'import netgen\n\ndef tiny(width: int = 4):\n    """A tiny one."""\n    return netgen.Net("t").input(1, 3, 8, 8).conv(width)\n'
    )
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[netgen.nets]\ntiny = other_nets:tiny\nbroken = no_such_module:f\n")
    path = f"{ROOT}{os.pathsep}{tmp_path}"
    done = subprocess_run(["tiny", "width=2"], tmp_path, PYTHONPATH=path)
    assert "num_output: 2" in done.stdout
    listed = subprocess_run(["list"], tmp_path, PYTHONPATH=path)
    broken = "network 'broken' of no_such_module:f: cannot be loaded: No module named 'no_such_module'"
    assert f"\nOf other packages:\n  broken  {broken}\n  tiny    A tiny one.\n" in listed.stdout
    assert listed.returncode == 0
    refused = subprocess_run(["broken"], tmp_path, PYTHONPATH=path)
    assert (refused.returncode, refused.stderr) == (
        2, "netgen: network 'broken' of no_such_module:f: cannot be loaded: No module named 'no_such_module'\n"
    )  # fmt: skip
