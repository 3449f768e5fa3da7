"""Layer types of a user's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

import netgen
from netgen import layers
from netgen.shapes import infer_shapes
from tests.own_types import forgotten_types


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    with forgotten_types():
        yield


class Sine(netgen.LayerType):
    """The sine of every value, each row twice."""

    def shapes(self, bottoms: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        n, c, h, w = bottoms[0]
        return [(n, c, 2 * h, w)]


def test_a_registered_type_has_a_verb_and_shapes() -> None:
    assert netgen.register(Sine) is Sine
    net = netgen.Net().input(1, 3, 8, 8).sine(name="wave")
    assert net.layers["wave"].type == "Sine"
    assert layers.find("Sine") is Sine
    assert infer_shapes(net)["wave"] == (1, 3, 16, 8)
    with pytest.raises(netgen.NetgenError, match=r"layer 'bad' \(Sine\): no field 'alpha'"):
        net.sine(name="bad", alpha=1)


def test_a_type_is_registered_once_and_not_over_another() -> None:
    netgen.register(Sine)
    with pytest.raises(netgen.NetgenError, match="layer type 'Sine': the type or its verb 'sine' is known already"):
        netgen.register(Sine)
    with pytest.raises(netgen.NetgenError, match="layer type 'ReLU': the type or its verb 're_lu' is known already"):
        netgen.register(type("ReLU", (netgen.LayerType,), {}))


def test_a_type_that_looks_like_a_known_one_must_be_registered() -> None:
    net = netgen.Net().input(1, 3, 8, 8)
    with pytest.raises(netgen.NetgenError, match="did you mean 'Softmax'"):
        net.layer("Softmaxx", name="s")
    netgen.register(type("Softmaxx", (netgen.LayerType,), {}))
    assert net.layer("Softmaxx", name="s").layers["s"].type == "Softmaxx"


class Waves(netgen.LayerType):
    """``count`` waves beside one another."""

    messages = ("waves_param",)

    def shapes(self, bottoms: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
        n, c, h, w = bottoms[0]
        return [(n, c * self.given.get("count", 1), h, w)]


def test_a_registered_type_may_have_a_message_of_its_own() -> None:
    netgen.register(Waves)
    fields = {"count": 3, "freq": 0.5, "mode": netgen.Literal("FAST"), "label": 'a"b', "on": True, "many": [1, 2]}
    net = netgen.Net().input(1, 2, 8, 8).waves(name="w", waves_param=fields)
    again = netgen.parse_prototxt(net.to_prototxt())
    assert again == net
    (kind,) = (each.kind for each in netgen.analyze(again).layers if each.layer.name == "w")
    assert kind.given == {"count": 3, "freq": 0.5, "mode": "FAST", "label": 'a"b', "on": True, "many": (1, 2)}
    assert infer_shapes(again)["w"] == (1, 6, 8, 8)
    with pytest.raises(netgen.NetgenError, match="no field 'other_param'"):
        net.waves(name="v", other_param={"count": 3})


def mistaken(result: object) -> type[netgen.LayerType]:
    return type("Mistaken", (netgen.LayerType,), {"shapes": lambda _self, _bottoms: result, "__module__": __name__})


@pytest.mark.parametrize("result", [(1, 3, 8, 8), [(1, 3), (1, 3)], None, [(1, 2.5)], []])
def test_what_shapes_must_return_is_said(result: object) -> None:
    netgen.register(mistaken(result))
    net = netgen.Net().input(1, 3, 8, 8).mistaken(name="m")
    with pytest.raises(netgen.NetgenError) as error:
        infer_shapes(net)
    assert str(error.value) == (
        f"layer 'm' (Mistaken): shapes() of its type must return a list of 1 tuples of whole numbers, got {result!r}"
    )


def test_mistakes_in_a_type_of_ones_own_name_the_layer() -> None:
    broken = type("Broken", (netgen.LayerType,), {"shapes": lambda _self, bottoms: bottoms[3], "__module__": __name__})
    netgen.register(broken)
    netgen.register(type("Empty", (netgen.LayerType,), {"__module__": __name__}))
    with pytest.raises(
        netgen.NetgenError, match=r"layer 'b' \(Broken\): shapes\(\) of its type raised IndexError: tuple index"
    ):
        infer_shapes(netgen.Net().input(1, 3, 8, 8).broken(name="b"))
    with pytest.raises(netgen.NetgenError, match=r"layer 'e' \(Empty\): its type has no shapes\(\)"):
        infer_shapes(netgen.Net().input(1, 3, 8, 8).empty(name="e"))
    with pytest.raises(netgen.NetgenError, match=r"netgen.register takes a subclass of netgen.LayerType, got 3"):
        netgen.register(3)  # type: ignore[arg-type]
