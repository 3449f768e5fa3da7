from __future__ import annotations

import copy
import pickle

import pytest

import netgen
from netgen.graph import Fields, Graph, Layer


def test_fields_are_read_only() -> None:
    fields = Fields({"num_output": 8})
    for change in (
        "fields['num_output'] = 9",
        "fields.update(num_output=9)",
        "fields.pop('num_output')",
        "fields.clear()",
    ):
        with pytest.raises(TypeError, match="read-only"):
            exec(change)  # noqa: S102 (a statement is what is refused)
    assert fields == {"num_output": 8}


def test_layers_are_values() -> None:
    layer = Layer("conv1", "Convolution", ("data",), ("conv1",), Fields({"phase": "TEST"}))
    assert layer == Layer("conv1", "Convolution", ("data",), ("conv1",), Fields({"phase": "TEST"}))
    assert layer != layer.replace(tops=("other",))
    assert hash(layer) == hash(layer.replace(name="conv1"))
    with pytest.raises(
        AttributeError, match=r"layer 'conv1' is read-only; make a new one with Layer.replace\(name=...\)"
    ):
        layer.name = "conv2"
    with pytest.raises(TypeError, match="a layer has no 'bottom'"):
        layer.replace(bottom=("x",))
    assert pickle.loads(pickle.dumps(layer)) == layer == copy.deepcopy(layer)


def test_layers_of_a_net_are_found_by_position_and_name() -> None:
    net = netgen.Net().input(1, 3, 8, 8).conv(4, name="conv1")
    assert [layer.name for layer in net.layers] == ["data", "conv1"]
    assert net.layers[-1] is net.layers["conv1"]
    assert net.layers[:1] == [net.layers[0]]
    assert (net.layers["conv1"].bottoms, net.layers["conv1"].tops) == (("data",), ("conv1",))
    assert net.layers["conv1"].params["convolution_param"]["num_output"] == 4
    with pytest.raises(KeyError):
        net.layers["conv2"]
    with pytest.raises(AttributeError):
        net.layers.append(net.layers[0])  # type: ignore[attr-defined]


def test_notes_are_no_part_of_a_network() -> None:
    assert Graph("n", notes=["something"]) == Graph("n")
    assert Graph("n") != Graph("m")
