"""Wiring in each phase, stage and level that the layers of a net under construction tell apart."""

from __future__ import annotations

import pytest

import netgen


def net() -> netgen.Net:
    return netgen.Net("n").input(1, 3, 32, 32)


# Phases


def test_train_and_test_twins_are_normal() -> None:
    built = netgen.Net("n")
    for phase, source in (("TRAIN", "train_lmdb"), ("TEST", "test_lmdb")):
        built.data(name="data", top=["data", "label"], source=source, batch_size=8, include=phase)
    built.conv(8, 3, name="c").fc(10, name="score")
    built.layer("Accuracy", name="accuracy", bottom=["score", "label"], include="TEST")
    built.layer("SoftmaxWithLoss", name="loss", bottom=["score", "label"])
    assert [layer.name for layer in built.layers].count("data") == 2
    with pytest.raises(netgen.NetgenError, match="in phase TEST, the layer name is taken"):
        built.conv(8, name="accuracy", top="other", bottom="data", include="TEST")
    built.conv(8, name="accuracy", top="accuracy", bottom="data", include="TRAIN")
    with pytest.raises(netgen.NetgenError, match="in phase TRAIN, the top 'data' is made already, by layer 'data'"):
        built.data(name="more", top="data", batch_size=1, include="TRAIN")


def test_a_training_file_needs_no_test_data() -> None:
    built = netgen.Net().data(name="data", top=["data", "label"], batch_size=8, include="TRAIN").conv(8, 3, name="c")
    with pytest.raises(netgen.NetgenError, match="no layer makes a blob 'labels'; did you mean 'label'"):
        built.layer("SoftmaxWithLoss", name="loss", bottom=["c", "labels"])
    with pytest.raises(netgen.NetgenError, match="in phase TEST, no layer before it makes the bottom 'data'"):
        built.conv(8, name="d", bottom="data", include="TEST")


def test_stages_and_levels() -> None:
    built = netgen.Net()
    built.input(1, 3, 8, 8, include={"stage": "deploy"})
    built.layer("Data", name="data", top=["data", "label"], batch_size=8, include={"not_stage": "deploy"})
    built.conv(8, name="c")
    built.conv(8, name="low", top="x", bottom="c", include={"max_level": 0})
    built.conv(8, name="high", top="x", bottom="c", include={"min_level": 1})
    with pytest.raises(netgen.NetgenError, match="level 1, the top 'x' is made already, by layer 'high'"):
        built.conv(8, name="higher", top="x", bottom="c", include={"min_level": 1})


def test_an_in_place_layer_after_a_weighted_top_is_refused() -> None:
    # insert_splits.cpp counts a weight in the loss as one reader more.
    built = net().conv(8, name="c", loss_weight=1)
    with pytest.raises(netgen.NetgenError, match="in place on 'c', which layer 'c' has read already"):
        built.relu()


def test_a_net_that_was_read_goes_on() -> None:
    text = 'name: "old" input: "x" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 } layer { name: "r" type: "ReLU" bottom: "x" top: "r" }'
    built = netgen.parse_prototxt(text)
    assert built.last.name == "r"
    built.conv(8, name="c").relu()
    assert [layer.name for layer in built.layers] == ["r", "c", "c/relu"]
    with pytest.raises(netgen.NetgenError, match="the layer name is taken"):
        built.conv(8, name="r", top="s")


def test_a_file_is_kept_whatever_its_wiring_and_can_be_gone_on_with() -> None:
    built = netgen.parse_prototxt(
        'layer { name: "a" type: "ReLU" bottom: "nobody" top: "a" } layer { name: "a" top: "a" }'
    )
    assert len(built.layers) == 2
    assert built.relu(name="b", in_place=False).layers[-1].bottoms == ("a",)


def test_thousands_of_layers_take_their_time_each() -> None:
    built = net()
    for _ in range(5000):
        built.conv(8)
    assert built.last.name == "conv5000"
