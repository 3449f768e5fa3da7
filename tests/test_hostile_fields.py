"""Layers whose fields and bottoms hold what nobody means: a NetgenError or an answer, never another exception."""

from __future__ import annotations

import json
import math
import random
import time
from typing import Any

import pytest

import netgen
from netgen.analysis import analyze_as_far_as_possible
from netgen.layers.detection import prior_ratios
from netgen.layers.index import TYPES
from netgen.scalars import INTEGER_RANGES
from netgen.schema import ENUMS, FIELDS
from tests.cases import CASES

REALS = (0.0, -0.0, 1.0, -1.0, 0.5, 255.0, 1e10, 1e-45, 3.4e38, math.nan, math.inf, -math.inf)
SIZES = (0, 1, 2, 3, 5, 8, 33, 65_536, 2**31 - 1, 2**33)
TEXTS = ("", "x", "é", "a\nb", "x" * 1000, "gaussian", "bilinear")


def value_of(kind: str, of: str, rng: random.Random, depth: int) -> Any:
    if kind in INTEGER_RANGES:
        low, high = INTEGER_RANGES[kind]
        return rng.choice((low, high, high // 2, 0, 1, 2, 3, 7, 46_341, 65_536))
    choices: dict[str, Any] = {
        "float": REALS,
        "double": REALS,
        "bool": (True, False),
        "string": TEXTS,
        "bytes": (b"\0\xff",),
    }
    if kind == "enum":
        return rng.choice(list(ENUMS[of]))
    return rng.choice(choices[kind]) if kind in choices else fields_of(of, rng, depth + 1)


def fields_of(message: str, rng: random.Random, depth: int = 0) -> dict[str, Any]:
    rows = FIELDS[message]
    names = rng.sample(list(rows), min(len(rows), rng.randrange(3))) if depth < 4 else []
    names += [name for name, row in rows.items() if row[1] == "required" and name not in names]
    values = {}
    for name in names:
        _, label, kind, of, _ = rows[name]
        many = rng.choice((0, 1, 2, 3, 40)) if label == "repeated" else 1
        each = [value_of(kind, of or "", rng, depth) for _ in range(many)]
        values[name] = each if label == "repeated" else each[0]
    return values


def shape_of(rng: random.Random) -> tuple[int, ...]:
    axes = rng.choice((0, 1, 2, 3, 4, 4, 4, 5, 33))
    return tuple(rng.choice(SIZES) if rng.random() < 0.15 else rng.choice((1, 4, 8, 9)) for _ in range(axes))


def layer_of_nobody(rng: random.Random) -> netgen.Net:
    case = rng.choice(CASES)
    fields = dict(case.fields)
    for message in TYPES[case.type][0]:
        if message in FIELDS["LayerParameter"] and rng.random() < 0.7:
            given = fields_of(FIELDS["LayerParameter"][message][3] or "", rng)
            fields.update(given if message == TYPES[case.type][0][0] else {message: given})
    net = netgen.Net()
    bottoms = [shape_of(rng) if rng.random() < 0.3 else shape for shape in case.bottoms]
    for i, shape in enumerate(bottoms):
        net.layer("Input", name=f"x{i}", shape=[{"dim": shape} if shape else {}])
    tops = [f"y{i}" for i in range(max(0, len(case.tops) + rng.choice((0, 0, 0, 1, -1))))]
    return net.layer(case.type, name="it", bottom=[f"x{i}" for i in range(len(bottoms))], top=tops, **fields)


@pytest.mark.parametrize("seed", range(4))
def test_any_value_of_any_field_is_taken_or_refused(seed: int) -> None:
    rng = random.Random(seed)
    taken = refused = 0
    while taken + refused < 800:
        try:
            net = layer_of_nobody(rng)
        except netgen.NetgenError:
            continue  # the builder's own checks
        for phase in ("TEST", "TRAIN"):
            analysis = analyze_as_far_as_possible(net, phase)
            json.dumps(analysis.to_dict(), allow_nan=False)
            if not analysis.error:
                netgen.analyze(net, phase)
                taken += 1
                continue
            refused += 1
            with pytest.raises(netgen.NetgenError, match=r"^(layer '(it|x\d)'|input 'x\d')") as error:
                netgen.analyze(net, phase)
            assert len(str(error.value)) < 700
        text = net.to_prototxt()
        assert netgen.parse_prototxt(text).to_prototxt() == text
    assert min(taken, refused) > 150


def test_as_many_aspect_ratios_as_a_file_holds_take_no_time() -> None:
    start = time.monotonic()
    assert len(prior_ratios([2.5 + i for i in range(30_000)], flip=False)) == 30_001
    # 0.2 s where measured; each with each took minutes.
    assert time.monotonic() - start < 10


def test_aspect_ratios_beyond_all_floats() -> None:
    # 1 / 1e-45 is infinite as a float of C++, and so is the difference of the largest and the smallest.
    assert prior_ratios([1e-45, 3.4e38, -3.4e38, 1e-45]) == pytest.approx(
        [1, 1e-45, math.inf, 3.4e38, 0, -3.4e38, 0], rel=1e-6, abs=1e-38
    )
    assert prior_ratios([0.0, -0.0]) == [1, 0, math.inf]


INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 20000] } } }\n'
MANY = {
    "readers of one blob": "".join(
        f'layer {{ name: "a{i}" type: "AbsVal" bottom: "data" top: "a{i}" }}\n' for i in range(20_000)
    ),
    "tops of one layer": 'layer { name: "s" type: "Slice" bottom: "data"'
    + "".join(f' top: "s{i}"' for i in range(20_000))
    + " }",
}


@pytest.mark.parametrize("what", MANY)
def test_twenty_thousand(what: str) -> None:
    net = netgen.parse_prototxt(INPUT + MANY[what])
    start = time.process_time()
    netgen.analyze(net)
    netgen.lint(net)
    # 0.5 s at the most where measured; each with each took from 3 to 20.
    assert time.process_time() - start < 3
