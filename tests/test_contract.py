"""Every row of the table of layer types through everything that treats all types alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import netgen
from netgen.layers.index import TYPES
from netgen.message import from_message, to_message
from netgen.shapes import shape_layers
from netgen.wiring import State
from tests.cases import CASES

if TYPE_CHECKING:
    from tests.cases.case import Case


def build(case: Case) -> netgen.Net:
    net = netgen.Net(case.type)
    for i, shape in enumerate(case.bottoms):
        net.layer("Input", name=f"x{i}", shape=[{"dim": shape} if shape else {}])
    bottoms = [f"x{i}" for i in range(len(case.bottoms))]
    tops = [f"y{i}" for i in range(len(case.tops))]
    return net.layer(case.type, name="it", bottom=bottoms, top=tops, **case.fields)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.type}-{case.why[:30]}")
def test_a_row(case: Case) -> None:
    net = build(case)
    assert netgen.parse_prototxt(net.to_prototxt()) == net
    assert from_message(to_message(net)) == net

    shaped = shape_layers(net, State(), case.inputs)[-1]
    assert shaped.tops == case.tops
    assert shaped.weights == case.weights
    assert shaped.kind.macs(shaped.bottoms, shaped.tops) == case.macs
    assert shaped.kind.flops(shaped.bottoms, shaped.tops) == case.flops


def test_every_type_has_a_row() -> None:
    assert set(TYPES) - {case.type for case in CASES} == set()
