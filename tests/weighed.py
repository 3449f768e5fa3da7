"""Networks with weights, for the tests of what reads and writes them."""

from __future__ import annotations

from typing import Any

import numpy as np

import netgen
from netgen.message import to_message
from netgen.weights import Weights, expected_weights, split_key


def small() -> netgen.Net:
    """A net with weights of one, two and four axes, and slashes and colons in its layers' names."""
    net = netgen.Net("small").input(1, 3, 8, 8).conv(4, 3, name="a").bn(scale=True).relu()
    return net.conv(6, 3, name="b:1/c", group=2, bias_term=True).fc(5, name="f/g").softmax(name="prob")


def random_weights(net: netgen.Net, seed: int = 0) -> Weights:
    """Normal values for all of a net's weights."""
    rng = np.random.default_rng(seed)
    return {key: rng.standard_normal(shape, np.float32) for key, shape in expected_weights(net).items()}


def message_of(net: netgen.Net, weights: Weights) -> Any:
    """The NetParameter that protobuf makes of a net and weights."""
    message = to_message(net)
    layers = {layer.name: layer for layer in message.layer}
    for key, array in weights.items():
        blob = layers[split_key(key)[0]].blobs.add()
        blob.shape.dim.extend(array.shape)
        blob.data.extend(array.reshape(-1).tolist())
    return message


def assert_same(found: Weights, expected: Weights) -> None:
    """The same weights in the same order, to the last bit."""
    assert list(found) == list(expected)
    for key, array in expected.items():
        assert found[key].dtype == np.float32, key
        assert found[key].shape == array.shape, key
        assert found[key].tobytes() == array.tobytes(), key
