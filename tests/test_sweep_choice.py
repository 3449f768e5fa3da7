"""Which variants of a sweep are kept: conditions on its columns, and the front."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

import netgen
from netgen.cli import main
from netgen.sweeping.pareto import Front
from netgen.sweeping.where import Where

ROW = {
    "macs": 200,
    "weights": 10,
    "size": 224,
    "layers": (3, 4),
    "pool": "AVE",
    "eps": 1e-5,
    "flag": True,
    "error": None,
}
FAILED = {**ROW, "macs": None, "weights": None, "error": "no such thing"}


@pytest.mark.parametrize(
    ("text", "row", "failed"),
    [
        ("macs < 300", True, False),
        ("macs <= 199.5", False, False),
        ("100 < macs < 300", True, False),
        ("100 < macs < 150", False, False),
        ("not macs > 300", True, True),
        ("macs < 300 or error", True, True),
        ("error", False, True),
        ("error == none", True, False),
        ("error != None", False, True),
        ("weights / macs == 0.05", True, False),
        ("weights // 3 * 3 + 1 == 10 and weights % 3 == 1", True, False),
        ("-weights + 11 == +1", True, False),
        ("pool == 'AVE'", True, True),
        ("pool in ('MAX', 'STOCHASTIC')", False, False),
        ("size not in [192, 320]", True, True),
        ("layers == (3, 4)", True, True),
        ("flag and flag == true", True, True),
        ("macs / (size - 224) > 0", False, False),  # a division by 0 is no number
        ("2e400 - macs > 0", True, False),
    ],
)  # fmt: skip
def test_conditions(text: str, row: bool, failed: bool) -> None:
    where = Where(text, list(ROW))
    assert (where(ROW), where(FAILED)) == (row, failed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mac < 3", "no column 'mac'; did you mean 'macs'?"),
        ("zzz < 3", "no column 'zzz' (there are macs, weights, size, layers, pool, eps, flag, error)"),
        ("macs = 3", "is no condition (invalid syntax); write one such as \"macs < 300e6 and pool == 'AVE'\""),
        ("", "is no condition (invalid syntax); write one such as \"macs < 300e6 and pool == 'AVE'\""),
        ("__import__('os')", "\"__import__('os')\" cannot stand in a condition, which takes numbers, 'words', lists, columns, + - * / // %, < <= > >= == != in, and, or, not"),
        ("macs.real", "'macs.real' cannot stand in a condition, which takes numbers, 'words', lists, columns, + - * / // %, < <= > >= == != in, and, or, not"),
        ("9 ** 9 ** 9 > macs", "'9 ** 9 ** 9' cannot stand in a condition, which takes numbers, 'words', lists, columns, + - * / // %, < <= > >= == != in, and, or, not"),
        ("macs is 3", "'is' cannot stand in a condition; write =="),
        ("~macs", "'~' cannot stand in a condition; write not"),
        ("b'x' == pool", "\"b'x'\" cannot stand in a condition, which takes numbers, 'words', lists, columns, + - * / // %, < <= > >= == != in, and, or, not"),
    ],
)  # fmt: skip
def test_conditions_that_are_none(text: str, message: str) -> None:
    with pytest.raises(netgen.UsageError) as error:
        Where(text, list(ROW))
    assert str(error.value) == f"--where {text!r}: {message}"


@pytest.mark.parametrize(
    "text", ["(" * 5000 + "macs" + ")" * 5000, "macs" + " + 1" * 100_000, "not " * 100_000 + "macs"]
)
def test_a_condition_without_end(text: str) -> None:
    with pytest.raises(netgen.UsageError, match=r"is too long or nested too deep$|is no condition"):
        Where(text, list(ROW))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pool < 3", "'AVE' and 3 cannot be compared so"),
        ("pool * 3 == 'x'", "takes numbers to reckon with, got 'AVE'"),
        ("3 in size", "3 and 224 cannot be compared so"),
    ],
)
def test_values_that_do_not_go_together(text: str, message: str) -> None:
    where = Where(text, list(ROW))
    with pytest.raises(netgen.UsageError) as error:
        where(ROW)
    assert str(error.value) == f"--where {text!r}: {message}"


@pytest.mark.parametrize("seed", range(5))
def test_the_front_is_what_no_other_betters(seed: int) -> None:
    random = Random(seed)
    rows: list[dict[str, Any]] = [{key: random.randint(0, 12) for key in "abc"} for _ in range(300)]
    for text, keys in (("a,b", [("a", 1), ("b", 1)]), ("min:a,max:b,c", [("a", 1), ("b", -1), ("c", 1)])):
        points = [tuple(sign * row[key] for key, sign in keys) for row in rows]
        expected = [
            i for i, one in enumerate(points)
            if not any(two != one and all(b <= a for a, b in zip(one, two, strict=True)) for two in points)
        ]  # fmt: skip
        front = Front(text, ["a", "b", "c"])
        came = [i for i, row in enumerate(rows) if front.add(i, row)]
        assert sorted(front.members) == expected
        assert set(expected) <= set(came)


def test_the_front_has_no_place_for_what_is_missing() -> None:
    front = Front("macs,weights", list(ROW))
    assert not front.add(0, FAILED)
    assert not front.add(1, {**ROW, "macs": float("nan")})
    assert front.add(2, ROW)
    assert front.add(3, ROW)  # as good, not better
    assert sorted(front.members) == [2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("macs,weight", "--pareto macs,weight: no column 'weight'; did you mean 'weights'?"),
        ("macs,", "--pareto macs,: no column '' (there are macs, weights, size, layers, pool, eps, flag, error)"),
        ("most:macs", "--pareto most:macs: a column to be large is max:NAME, to be small NAME, got 'most:macs'"),
        ("pool", "--pareto pool: pool must be a number, got 'AVE'"),
    ],
)
def test_a_front_of_what_is_none(text: str, message: str) -> None:
    with pytest.raises(netgen.UsageError) as error:
        Front(text, list(ROW)).add(0, ROW)
    assert str(error.value) == message


def test_that_no_row_is_left_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["sweep", "lenet", "classes=2,3", "--processes", "1", "-o", "l.json"]
    assert main([*words, "--where", "macs < 1"]) == 0
    assert capsys.readouterr().err == "note: l.json: no row is left of 2 by --where 'macs < 1'\n"
    assert Path("l.json").read_text() == "[]\n"
    assert main([*words, "--where", "macs > 1"]) == 0
    assert capsys.readouterr().err == ""
    assert Path("l.json").read_text().count("\n") == 4
