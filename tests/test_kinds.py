"""What is found of a layer once and used for its equals, and what the builder has checked already."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from netgen.nets import MODULES

import netgen
from netgen.graph import Graph
from netgen.kinds import KINDS, forget
from netgen.layers.base import LayerType, Shape
from netgen.shapes import infer_shapes
from tests.own_types import forgotten_types


def convolutions() -> netgen.Net:
    """Two kinds on two shapes each, all met twice."""
    net = netgen.Net().input(1, 8, 16, 16)
    for size in (1, 2):
        for i in range(2):
            net.conv(8, 3, name=f"conv{size}{i}").relu(name=f"relu{size}{i}")
        net.pool(2, 2, name=f"pool{size}")
    return net


def test_equal_layers_on_equal_shapes_are_worked_out_once() -> None:
    forget()
    layers = netgen.analyze(convolutions()).layers
    assert [type(kind).__name__ for kind, _ in KINDS.values()] == ["Convolution", "ReLU", "Pooling"]
    assert [len(found) for _, found in KINDS.values()] == [2, 2, 2]
    assert KINDS.finds == 6
    assert len({shaped.shared for shaped in layers[1:]}) == 6


def test_all_is_forgotten_when_much_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    monkeypatch.setattr(KINDS, "SIZE", 4)
    before = infer_shapes(convolutions())
    assert KINDS.finds == sum(len(found) for _, found in KINDS.values()) == 3
    assert infer_shapes(convolutions()) == before


def test_weights_under_one_name_are_counted_with_the_first_layer() -> None:
    net = netgen.Net().input(1, 4, 8, 8)
    for i in range(3):
        net.conv(4, 1, name=f"c{i}", param_name="w")
    assert [cost.weights for cost in netgen.analyze(net).costs] == [0, 16, 0, 0]
    assert [cost.weights for cost in netgen.analyze(net).costs] == [0, 16, 0, 0]


def test_a_type_of_ones_own_may_remember_its_bottom() -> None:
    class Remembering(LayerType):
        def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
            self.height = bottoms[0][2]
            return [bottoms[0]]

        def flops(self, _bottoms: Sequence[Shape], _tops: Sequence[Shape]) -> int:
            return self.height

    with forgotten_types():
        netgen.register(Remembering)
        net = netgen.Net().input(1, 1, 8, 8).layer("Remembering", name="a").pool(2, 2, name="p")
        net.layer("Remembering", name="b")
        assert [cost.flops for cost in netgen.analyze(net).costs] == [0, 8, 64, 4]


@pytest.mark.parametrize("name", MODULES)
def test_the_wiring_of_a_built_net_is_known_and_right(name: str) -> None:
    built = netgen.build(name)
    assert built.wired == all("include" not in layer.params for layer in built.layers)
    assert infer_shapes(built) == infer_shapes(Graph(built.name, built.layers, built.params))


def test_the_wiring_is_asked_again_where_the_builder_did_not_check_all_of_it() -> None:
    net = convolutions()
    assert not netgen.parse_prototxt(net.to_prototxt()).wired
    assert not netgen.Net(graph=net).relu(name="more").wired
    assert not net.dropout(name="drop", include="TRAIN").wired
    broken = Graph("broken", list(convolutions().layers)[1:])
    with pytest.raises(netgen.NetgenError, match="no layer before it makes the bottom 'data'"):
        infer_shapes(netgen.Net(graph=broken))
