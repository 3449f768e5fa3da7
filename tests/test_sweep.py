"""``netgen sweep``: a row for every variant, in one process or several, in every form."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import netgen
from netgen.sweeping import progress
from tests.sweeps import Run, rows_of

SMALL = ("size=64", "layers=1/1,2", "bottleneck_widths=1/1,1", "growth_rate=7:16:1")


def test_every_variant_has_a_row_with_its_totals(run_sweep: Run, tmp_path: Path) -> None:
    code, err = run_sweep("peleenet", *SMALL, "-o", "out.csv")
    wrong = "peleenet: growth_rate must be an even number of 2 or more, got 7"
    mismatch = "peleenet: bottleneck_widths must have 1 item, one for each stage, got 2"
    assert (code, err) == (0, f"note: 30 of 40 variants could not be built, the first because: {wrong}\n")
    rows = rows_of(tmp_path / "out.csv")
    assert [(row["layers"], row["bottleneck_widths"], row["growth_rate"]) for row in rows] == [
        (layers, widths, str(growth)) for layers in ("1", "1,2") for widths in ("1", "1,1") for growth in range(7, 17)
    ]
    for row in rows:
        if row["error"]:
            assert row["macs"] == row["weights"] == row["net_layers"] == row["uncounted"] == ""
            continue
        layers, widths = (tuple(map(int, row[key].split(","))) for key in ("layers", "bottleneck_widths"))
        net = netgen.build(
            "peleenet", size=64, growth_rate=int(row["growth_rate"]), layers=layers, bottleneck_widths=widths
        )
        totals = netgen.analyze(net).totals()
        totals["net_layers"] = totals.pop("layers")
        assert {key: int(row[key]) for key in totals} == totals
        assert row["uncounted"] == "0"
    assert rows[0]["error"] == wrong
    assert rows[11]["error"] == mismatch
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_several_processes_give_the_same_file(run_sweep: Run, tmp_path: Path) -> None:
    for processes in ("1", "2"):
        assert run_sweep("peleenet", *SMALL, "-o", f"{processes}.csv", "--processes", processes)[0] == 0
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def test_the_formats_hold_the_same(run_sweep: Run, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    words = (
        "peleenet",
        "size=64/96,64",
        "layers=1,2/1,1",
        "bottleneck_widths=1,1",
        "growth_rate=8,9",
        "pool=AVE",
        "eps=1e-5",
    )
    for ending in ("csv", "json", "parquet"):
        assert run_sweep(*words, "-o", f"out.{ending}")[0] == 0
    rows = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    table = parquet.read_table(tmp_path / "out.parquet")
    assert rows[4]["size"] == [96, 64]
    assert rows[2] == {**rows[2], "layers": [1, 1], "growth_rate": 8, "pool": "AVE", "eps": 1e-5, "error": None}
    assert rows[3]["macs"] is None
    # Of a parameter that is a number or a list a column of Parquet holds the words.
    words_of = {(64,): "64", (96, 64): "96,64"}
    assert table.to_pylist() == [
        {**row, "size": words_of[(row["size"],) if isinstance(row["size"], int) else tuple(row["size"])]}
        for row in rows
    ]
    assert str(table.schema.field("layers").type).startswith("list<")
    assert str(table.schema.field("macs").type) == "int64"
    plain = [{key: cell(value) for key, value in row.items()} for row in rows]
    assert rows_of(tmp_path / "out.csv") == plain


def cell(value: Any) -> str:
    return "" if value is None else ",".join(map(str, value)) if isinstance(value, list) else str(value)


def test_an_empty_choice_is_an_empty_file(run_sweep: Run, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for ending in ("csv", "json", "parquet"):
        told = f"note: out.{ending}: no row is left of 1 by --where 'macs < 0'\n"
        assert run_sweep("peleenet", "size=64", "-o", f"out.{ending}", "--where", "macs < 0") == (0, told)
    assert rows_of(tmp_path / "out.csv") == []
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8")) == []
    assert parquet.read_table(tmp_path / "out.parquet").num_rows == 0


def test_a_choice_of_variants(run_sweep: Run, tmp_path: Path) -> None:
    words = ("peleenet", "size=64,96,128", "growth_rate=8,9,16,32", "layers=1", "bottleneck_widths=1")
    run_sweep(*words, "-o", "all.json")
    everything = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    built = [row for row in everything if not row["error"]]
    code, err = run_sweep(*words, "-o", "some.json", "--where", "macs < 12e6 and net_layers > 3")
    some = json.loads((tmp_path / "some.json").read_text(encoding="utf-8"))
    assert some == [row for row in built if row["macs"] < 12e6]
    assert 0 < len(some) < len(built)
    assert (code, err.partition(",")[0]) == (0, "note: 3 of 12 variants could not be built")
    run_sweep(*words, "-o", "failed.json", "--where", "error and size > 64")
    assert len(json.loads((tmp_path / "failed.json").read_text(encoding="utf-8"))) == 2
    run_sweep(*words, "-o", "front.json", "--pareto", "macs,max:weights", "--where", "size > 64")
    front = json.loads((tmp_path / "front.json").read_text(encoding="utf-8"))
    assert [(row["size"], row["growth_rate"]) for row in front] == [(96, 8), (96, 16), (96, 32)]
    run_sweep(*words[:1], "size=128,96,64", *words[2:], "-o", "least.json", "--pareto", "macs")
    (least,) = json.loads((tmp_path / "least.json").read_text(encoding="utf-8"))
    assert least == built[0]


OWN = """\
import os
import netgen
print("at import")

def own(width: int = 3, mode: str = "a") -> netgen.Net:
    print("for the author")
    if width == 5:
        raise ValueError("no five")
    if width == 7:
        os._exit(3)
    if width == 8:
        raise SystemExit("bye")
    net = netgen.Net("own").input(1, 3, 8, 8)
    if width == 9:
        net.conv(width, 3, name="c", kernl=4)
    return net.conv(width, name="c")
"""


def test_what_goes_wrong_in_a_py_file_is_a_row(run_sweep: Run, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    code, err = run_sweep(
        "own.py:own", "width=1:12", "mode=a,b", "-o", "own.csv", "--processes", "2", "--where", "weights > 9 or error"
    )
    assert code == 0
    assert "for the author" not in (tmp_path / "own.csv").read_text()
    assert "note: 8 of 24 variants could not be built, the first because: own.py:8: ValueError: no five" in err
    rows = rows_of(tmp_path / "own.csv")
    assert [int(row["width"]) for row in rows] == [width for width in range(4, 13) for _ in "ab"]
    reasons = {int(row["width"]): row["error"] for row in rows if row["error"]}
    assert reasons == {
        5: "own.py:8: ValueError: no five",
        7: "building it ended its process (exit code 3)",
        8: "own.py:12: SystemExit: bye",
        9: "own.py:15: layer 'c' (Convolution): no field 'kernl'; did you mean 'kernel_w'?",
    }
    assert all(int(row["weights"]) == 3 * int(row["width"]) for row in rows if not row["error"])


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["peleenet", "size=64"], 2, "missing: -o/--output; 'netgen sweep --help' tells what it takes"),
        (["peleenet", "-o", "a.csv"], 2, "missing: key=...; 'netgen sweep --help' tells what it takes"),
        (["pelenet", "size=64", "-o", "a.csv"], 2, "no network 'pelenet'; did you mean 'peleenet'? ('netgen list' names them all)"),
        (["peleenet", "size=64", "-o", "a.cvs"], 2, "a.cvs: the file must end in .csv, .parquet, .json; did you mean 'csv'?"),
        (["peleenet", "size=64", "-o", "csv"], 2, "csv: the file must end in .csv, .parquet, .json"),
        (["peleenet", "size=64", "-o", "no/a.csv"], 2, "no/a.csv.part: cannot be written: No such file or directory"),
        (["peleenet", "size=64", "-o", "a.csv", "--processes", "0"], 2, "--processes must be 1 or more, got 0"),
        (["a.prototxt", "size=64", "-o", "a.csv"], 2, "a.prototxt: a file has no parameters; sweep a network of 'netgen list' or a .py file"),
        (["peleenet", "size=64", "size=32", "-o", "a.csv"], 2, "peleenet: size is given twice"),
        (["peleenet", "pool=MAX", "-o", "a.csv", "--where", "pool < 3"], 2, "--where 'pool < 3': 'MAX' and 3 cannot be compared so"),
        (["peleenet", "pool=MAX,AVE", "-o", "a.csv", "--processes", "2", "--where", "pool < 3"], 2, "--where 'pool < 3': 'MAX' and 3 cannot be compared so"),
        (["peleenet", "pool=MAX", "-o", "a.csv", "--pareto", "pool"], 2, "--pareto pool: pool must be a number, got 'MAX'"),
    ],
)  # fmt: skip
def test_refusals_leave_nothing(words: list[str], code: int, message: str, run_sweep: Run, tmp_path: Path) -> None:
    assert run_sweep(*words) == (code, f"netgen: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_parquet_without_pyarrow(run_sweep: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netgen.sweeping.tables.find_spec", lambda _: None)
    assert run_sweep("peleenet", "size=64", "-o", "a.parquet") == (2, (
        "netgen: a.parquet: Parquet needs the package pyarrow: pip install 'netgen[parquet]'; or write a .csv\n"
    ))  # fmt: skip


def test_how_far_it_is(run_sweep: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("peleenet", "size=64,96", "layers=1", "bottleneck_widths=1", "-o", "a.csv")
    monkeypatch.setattr(progress, "_SECONDS", 0.0)
    assert run_sweep(*words) == (0, "")  # nobody looks on
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "tqdm", None)
        _, err = run_sweep(*words)
    assert [line.partition(",")[0] for line in err.splitlines()] == ["1 of 2 variants", "2 of 2 variants"]
    assert err.endswith(" a second, 0 seconds to go\n")
    pytest.importorskip("tqdm")
    _, err = run_sweep(*words)
    assert "100%" in err
    assert "2/2" in err


def test_how_long_it_takes_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: clock[0])
    said: list[str] = []
    with progress.progress(said.append, 1_000, 2_001_000) as show:
        assert said == ["2,000,000 variants"]
        for clock[0], done in ((4.0, 1_040), (5.0, 1_100), (20.0, 1_500), (200.0, 2_000)):
            show(done)
    assert said == ["2,000,000 variants", "20 variants a second, 1,999,900 to go: this takes 28 hours"]
    said.clear()
    with progress.progress(said.append, 0, 1_000) as show:
        for clock[0], done in ((206.0, 100), (260.0, 1_000)):
            show(done)
    assert said == []
