"""Variants from Python: grids and draws, one by one; and how the words of a sweep become values."""

from __future__ import annotations

import re
import sys
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest

import netgen
from netgen.sweeping.words import axes
from netgen.zoo import find


def small(width: int = 4, mode: str = "plain", scale: float = 1.0, both: int | tuple[int, int] = 1) -> netgen.Net:
    if mode == "wrong":
        raise ValueError("no such mode")
    del scale, both
    return netgen.Net("small").input(1, 3, 8, 8).conv(width, name="c")


def test_a_grid_is_every_combination_and_the_last_turns_fastest() -> None:
    found = netgen.variants("peleenet", growth_rate=range(16, 33, 8), size=[64, 96], pool="AVE")
    expected = [{"growth_rate": g, "size": s, "pool": "AVE"} for g, s in product((16, 24, 32), (64, 96))]
    assert [variant.parameters for variant in found] == expected
    assert len(found) == 6
    assert found[-1].parameters == expected[-1]
    assert [variant.parameters for variant in found[1:3]] == expected[1:3]
    assert found[3].net == netgen.build("peleenet", **expected[3])
    assert repr(found) == "<6 variants of peleenet>"
    assert repr(found[0]) == "<Variant of peleenet: growth_rate=16, size=64, pool=AVE>"


def test_a_net_is_built_at_the_first_look_and_kept() -> None:
    seen: list[int] = []

    def counted(width: int) -> netgen.Net:
        seen.append(width)
        return small(width)

    (one, _) = netgen.variants(counted, width=[3, 5])
    assert seen == []
    assert one.net is one.net
    assert seen == [3]


def test_a_variant_that_cannot_be_built_stops_no_other() -> None:
    found = netgen.variants("peleenet", growth_rate=[15, 16])
    with pytest.raises(netgen.UsageError, match="growth_rate must be an even number of 2 or more, got 15"):
        _ = found[0].net
    assert len(found[1].net.layers) == 482


def test_a_tuple_is_one_value_and_an_array_several() -> None:
    found = netgen.variants("peleenet", size=(192, 320), growth_rate=np.arange(16, 48, 16))
    assert [variant.parameters for variant in found] == [
        {"size": (192, 320), "growth_rate": 16}, {"size": (192, 320), "growth_rate": 32},
    ]  # fmt: skip
    assert type(found[0].parameters["growth_rate"]) is int


def test_a_grid_of_a_million_million_is_at_hand() -> None:
    found = netgen.variants("peleenet", growth_rate=range(2, 2_000_002, 2), classes=range(1, 1_000_001))
    assert len(found) == 10**12
    assert found[10**12 - 1].parameters == {"growth_rate": 2_000_000, "classes": 1_000_000}


def test_draws_hang_on_the_seed_and_the_number_alone() -> None:
    def draw(random: Random) -> dict[str, Any]:
        return {"width": random.randint(1, 10**6)}

    found = netgen.variants(small, draw, count=5, seed=7, scale=2.0)
    one_by_one = [found[i].parameters for i in (4, 2, 0, 1, 3)]
    together = [variant.parameters for variant in netgen.variants(small, draw, count=5, seed=7, scale=2.0)]
    assert [together[i] for i in (4, 2, 0, 1, 3)] == one_by_one
    assert len({each["width"] for each in together}) == 5
    assert all(each["scale"] == 2.0 for each in together)
    assert [variant.parameters for variant in netgen.variants(small, draw, count=5, seed=8, scale=2.0)] != together


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        (["peleenet"], {"growthrate": [1]}, "peleenet: no parameter 'growthrate'; did you mean 'growth_rate'? (it takes size, "),
        (["pelenet"], {}, "no network 'pelenet'; did you mean 'peleenet'?"),
        ([3], {}, "variants: give a network's name or a function that returns a net, got 3"),
        ([small], {"width": []}, "width: give at least one value, got none"),
        ([small], {"count": 3}, "variants: count is for a function's draws; a grid has as many variants as it has points"),
        ([small, 5], {}, "variants: what draws must be a function of a random.Random, got 5"),
        ([small, dict], {}, "variants: count must say how many to draw, a whole number, got None"),
        ([small, dict], {"count": 2, "width": [1, 2]}, "variants: width has several values; let the function draw one, or give a tuple"),
        ([small], {"width": range(10**10), "scale": range(10**10)}, f"a grid may have {sys.maxsize:,} variants at most, got 100,000,000,000,000,000,000; give fewer values"),
    ],
)  # fmt: skip
def test_refusals(args: list[Any], kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(netgen.UsageError, match=f"^{re.escape(message)}"):
        netgen.variants(*args, **kwargs)


def test_what_draws_must_return_parameters() -> None:
    wrong: Any = lambda random: [random]  # noqa: E731
    with pytest.raises(netgen.UsageError, match=r"^the function must return a dict of parameters by name, returned \["):
        _ = netgen.variants(small, wrong, count=1)[0]
    with pytest.raises(
        netgen.UsageError, match=r"^'width' is drawn by the function and given beside it; give it once$"
    ):
        _ = netgen.variants(small, lambda _: {"width": 1}, count=1, width=3)[0]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("growth_rate=16,24", [16, 24]),
        ("growth-rate=16:32:8", [16, 24, 32]),
        ("growth_rate=16:31:8", [16, 24]),
        ("growth_rate=32:16:-8", [32, 24, 16]),
        ("classes=1:3", [1, 2, 3]),
        ("classes=7,1:3,9", [7, 1, 2, 3, 9]),
        ("size=64,192:256:32", [64, 192, 224, 256]),
        ("size=224/320,192", [224, (320, 192)]),
        ("size=320,192/", [(320, 192)]),
        ("size=192:256:32/320,192", [192, 224, 256, (320, 192)]),
        ("layers=3,4,8,6", [(3, 4, 8, 6)]),
        ("layers=3,4,8,6/2,3,5,3", [(3, 4, 8, 6), (2, 3, 5, 3)]),
        ("pool=MAX,AVE", ["MAX", "AVE"]),
        # In floating point 0.1 + 2 x 0.1 is 0.30000000000000004, and 0.3 would be missed.
        ("eps=0.1:0.3:0.1", [0.1, 0.2, 0.3]),
        ("eps=1e-5:3e-5:1e-5", [1e-5, 2e-5, 3e-5]),
        ("eps=1:2", [1.0, 2.0]),
    ],
)  # fmt: skip
def test_words(word: str, expected: list[Any]) -> None:
    (values,) = axes("peleenet", find("peleenet"), [word]).values()
    assert list(values) == expected
    assert [type(value) for value in values] == [type(value) for value in expected]


def test_a_long_range_is_not_held() -> None:
    (values,) = axes("peleenet", find("peleenet"), ["classes=1:1000000000000"]).values()
    assert len(values) == 10**12
    assert values[-1] == 10**12
    assert values[1:3] == [2, 3]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("growth_rate=16,x", "growth_rate must be a whole number, got 'x'; between values put commas, or give lo:hi:step, as in growth_rate=16:32:8"),
        ("growth_rate=16,,24", "growth_rate must be a whole number, got ''; between values put commas, or give lo:hi:step, as in growth_rate=16:32:8"),
        ("growth_rate=1.5:3", "growth_rate=1.5:3: a range takes whole numbers, lo:hi:step, as in growth_rate=192:320:32"),
        ("eps=1:x", "eps=1:x: a range takes numbers, lo:hi:step, as in eps=192:320:32"),
        ("eps=0:inf:1", "eps=0:inf:1: a range takes numbers, lo:hi:step, as in eps=192:320:32"),
        ("size=1:2:3:4", "size=1:2:3:4: a range is lo:hi:step, as in size=192:320:32, got 4 numbers"),
        ("classes=5:1", "classes=5:1: a step of 1 never arrives at hi; give a step that leads from lo to hi, below 0 to go down"),
        ("classes=1:5:0", "classes=1:5:0: a step of 0 never arrives at hi; give a step that leads from lo to hi, below 0 to go down"),
        ("classes=0:99999999999999999999", f"classes=0:99999999999999999999: a range may have {sys.maxsize:,} numbers at most, got 100,000,000,000,000,000,000; give a larger step"),
        ("layers=3,4;5", "layers must be a list with commas between, each a whole number, got '3,4;5'; between lists put /, as in layers=1,2/3,4"),
        ("layers=1:3", "layers must be a list with commas between, each a whole number, got '1:3'; between lists put /, as in layers=1,2/3,4"),
        ("size=a", "size must be a whole number or 2 values with commas between, got 'a'; between values put commas, or give lo:hi:step, as in size=16:32:8; a list ends in /, as in size=1,2/"),
        ("sizes=1", "no parameter 'sizes'; did you mean 'size'? (it takes size, classes, growth_rate, layers, bottleneck_widths, pool, eps, stem_channels)"),
        ("size", "expected key=value, got 'size'"),
    ],
)  # fmt: skip
def test_words_that_are_none(word: str, message: str) -> None:
    with pytest.raises(netgen.UsageError) as error:
        axes("peleenet", find("peleenet"), [word])
    assert str(error.value) == f"peleenet: {message}"
