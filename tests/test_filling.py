"""New weights by Caffe's fillers, held against what their definitions say of the values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any
from zlib import crc32

import numpy as np
import pytest

import netgen
from netgen.filling import fill_weights, filled
from netgen.weights import Array, expected_weights
from tests.own_types import forgotten_types

BIG = (64, 32, 5, 5)


def fill(shape: tuple[int, ...], **fields: Any) -> Array:
    array = filled(shape, fields, "layer:0", 7)
    assert array.dtype == np.float32
    assert array.shape == shape
    return array


def filled_layer(text: str, seed: int = 0) -> dict[str, list[float]]:
    net = netgen.parse_prototxt(
        'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }'
        f'layer {{ name: "l" bottom: "x" top: "y" {text} }}'
    )
    return {key: np.unique(array).tolist() for key, array in fill_weights(net, seed).items()}


def test_constant() -> None:
    assert np.all(fill((3, 4)) == 0)
    assert np.all(fill((3, 4), value=0.5) == 0.5)
    assert fill((), value=2.0).shape == ()


def test_uniform() -> None:
    array = fill(BIG, type="uniform")  # 0 to 1, where neither is given
    assert (array.min(), array.max()) == pytest.approx((0, 1), abs=1e-3)
    array = fill(BIG, type="uniform", min=-2.0, max=3.0)
    assert (array.min(), array.max()) == pytest.approx((-2, 3), abs=1e-3)
    assert array.mean() == pytest.approx(0.5, abs=0.05)  # 8 deviations of a mean of 51,200


def test_gaussian() -> None:
    array = fill(BIG, type="gaussian", mean=1.0, std=0.1)
    assert array.mean() == pytest.approx(1, abs=0.004)
    assert array.std() == pytest.approx(0.1, rel=0.03)


def test_sparse_is_a_share_of_the_outputs() -> None:
    array = fill((50, 2000), type="gaussian", sparse=5)
    assert np.count_nonzero(array) / array.size == pytest.approx(5 / 50, rel=0.05)
    assert array[array != 0].std() == pytest.approx(1, rel=0.05)
    assert not fill((50, 20), type="gaussian", sparse=0).any()


def test_positive_unitball() -> None:
    array = fill(BIG, type="positive_unitball")
    assert array.min() >= 0
    assert array.reshape(64, -1).sum(axis=1) == pytest.approx(1, rel=1e-5)
    assert fill((), type="positive_unitball") == 1


FANS = {"FAN_IN": 32 * 25, "FAN_OUT": 64 * 25, "AVERAGE": 48 * 25}


@pytest.mark.parametrize("norm", FANS)
def test_xavier_and_msra(norm: str) -> None:
    array = fill(BIG, type="xavier", variance_norm=norm)
    limit = math.sqrt(3 / FANS[norm])
    assert (array.min(), array.max()) == pytest.approx((-limit, limit), rel=1e-3)
    array = fill(BIG, type="msra", variance_norm=norm)
    assert array.std() == pytest.approx(math.sqrt(2 / FANS[norm]), rel=0.03)
    assert array.mean() == pytest.approx(0, abs=4 * math.sqrt(2 / FANS[norm] / array.size))


def test_fans_of_few_and_of_many_axes() -> None:
    # filler.hpp: inputs are count / shape(0), outputs count / shape(1), or all where there is no second axis.
    for shape, fan_in, fan_out in (((5000,), 1, 5000), ((200, 50), 50, 200), ((20, 10, 3, 3, 3), 270, 540)):
        for norm, fan in (("FAN_IN", fan_in), ("FAN_OUT", fan_out), ("AVERAGE", (fan_in + fan_out) / 2)):
            assert np.abs(fill(shape, type="xavier", variance_norm=norm)).max() == pytest.approx(
                math.sqrt(3 / fan), rel=2e-3
            )


@pytest.mark.parametrize(
    ("size", "line"),
    [
        (2, [1, 0]),
        (3, [0.25, 0.75, 0.75]),
        (4, [0.25, 0.75, 0.75, 0.25]),
        (5, [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3]),
        (6, [1 / 3, 2 / 3, 1, 2 / 3, 1 / 3, 0]),
    ],
)
def test_bilinear(size: int, line: list[float]) -> None:
    # BilinearFiller's formula by hand: f = ceil(size / 2), c = (2 f - 1 - f % 2) / 2f, 1 - |x / f - c|.
    array = fill((2, 1, size, size), type="bilinear")
    assert array[1, 0] == pytest.approx(np.outer(line, line), abs=1e-7)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ('type: "Scale"', {"l:0": [1]}),
        ('type: "Scale" scale_param { bias_term: true filler { } bias_filler { value: 3 } }', {"l:0": [0], "l:1": [3]}),
        ('type: "Bias"', {"l:0": [0]}),
        ('type: "PReLU"', {"l:0": [0.25]}),
        ('type: "PReLU" prelu_param { filler { value: 0.5 } channel_shared: true }', {"l:0": [0.5]}),
        ('type: "Normalize"', {"l:0": [1]}),
        ('type: "Normalize" norm_param { scale_filler { value: 20 } }', {"l:0": [20]}),
        ('type: "BatchNorm"', {"l:0": [0], "l:1": [1], "l:2": [1]}),
        ('type: "BN"', {"l:0": [1], "l:1": [0], "l:2": [0], "l:3": [1]}),
        ('type: "BN" bn_param { slope_filler { value: 2 } }', {"l:0": [2], "l:1": [0], "l:2": [0], "l:3": [1]}),
        ('type: "BN" bn_param { bn_mode: INFERENCE }', {"l:0": [1], "l:1": [0]}),
        (
            'type: "BN" bn_param { scale_filler { type: "constant" value: 2 } shift_filler { value: 0.5 } }',
            {"l:0": [2], "l:1": [0.5]},
        ),
        ('type: "InnerProduct" inner_product_param { num_output: 2 bias_filler { value: 4 } }', {"l:0": [0], "l:1": [4]}),
        ('type: "Convolution" convolution_param { num_output: 2 kernel_size: 1 }', {"l:0": [0], "l:1": [0]}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_a_new_layer_holds(layer: str, expected: dict[str, list[float]]) -> None:
    assert filled_layer(layer) == expected


def test_other_layers_with_weights() -> None:
    net = netgen.parse_prototxt("""
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 2 dim: 3 } } }
        layer { name: "cont" type: "Input" top: "cont" input_param { shape { dim: 4 dim: 2 } } }
        layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "h"
          recurrent_param { num_output: 5 weight_filler { type: "xavier" } bias_filler { value: 1 } } }
        layer { name: "rnn" type: "RNN" bottom: "x" bottom: "cont" top: "r"
          recurrent_param { num_output: 5 weight_filler { type: "uniform" } bias_filler { value: 2 } } }
        layer { name: "embed" type: "Embed" bottom: "cont" top: "e"
          embed_param { input_dim: 7 num_output: 2 weight_filler { type: "uniform" min: 5 max: 6 } } }
        layer { name: "p" type: "Parameter" top: "p" parameter_param { shape { dim: 3 } } }
    """)
    weights = fill_weights(net)
    assert {key: array.shape for key, array in weights.items()} == expected_weights(net)
    constant = {key: np.unique(array).tolist() for key, array in weights.items() if np.ptp(array) == 0}
    assert constant == {"lstm:1": [1], "rnn:1": [2], "rnn:4": [2], "embed:1": [0], "p:0": [0]}
    assert weights["embed:0"].min() >= 5


def test_a_type_of_ones_own() -> None:
    class Shift(netgen.LayerType):
        messages = ("shift_param",)
        default_fillers = MappingProxyType({"shift_filler": 0.5})

        def shapes(self, bottoms: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
            return list(bottoms)

        def weight_shapes(self, bottoms: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
            return [bottoms[0][1:], (3,)]

        def fillers(self) -> tuple[str, ...]:
            return ("shift_filler",)

    with forgotten_types():
        netgen.register(Shift)
        assert filled_layer('type: "Shift"') == {"l:0": [0.5], "l:1": [0]}


def test_each_weight_hangs_on_the_seed_and_its_name_alone() -> None:
    def net(*names: str) -> netgen.Net:
        made = netgen.Net().input(1, 3, 8, 8)
        for name in names:
            made.conv(3, 3, name=name, weight_filler="msra", bias_term=True, bias_filler={"type": "uniform"})
        return made

    one, more = fill_weights(net("a"), seed=5), fill_weights(net("b", "a", "c"), seed=5)
    for key, array in one.items():
        assert np.array_equal(array, more[key])
    assert not np.array_equal(more["a:0"], more["b:0"])
    assert not np.array_equal(one["a:0"], fill_weights(net("a"), seed=6)["a:0"])
    # The very values: a seed means the same tomorrow and elsewhere.
    assert np.array_equal(one["a:0"], fill_weights(net("a"), seed=np.int64(5))["a:0"])  # type: ignore[arg-type]
    rng = np.random.default_rng([5, crc32(b"a"), 1])
    assert one["a:1"].tolist() == rng.random(3, dtype=np.float32).tolist()


def test_zeros_and_shared_weights() -> None:
    net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="a", weight_filler="msra").bn()
    assert not any(array.any() for array in fill_weights(net, init="zeros").values())
    spec = [{"name": "w"}]
    net = (
        netgen.Net()
        .input(1, 3, 8, 8)
        .conv(3, 3, name="a", weight_filler="msra", param=spec)
        .conv(3, 3, name="b", param=spec)
    )
    weights = fill_weights(net)
    assert weights["b:0"].any()
    assert np.array_equal(weights["a:0"], weights["b:0"])


@pytest.mark.parametrize(
    ("filler", "rule"),
    [
        ({"type": "diagonal"}, "no filler 'diagonal'"),
        ({"type": "gaussian", "std": 0.0}, "gaussian needs a std above 0, got 0"),
        ({"type": "uniform", "min": 2.0}, "uniform needs a min up to its max, got min=2, max=1"),
        ({"type": "gaussian", "sparse": 5}, "gaussian's sparse must be at most the 4 outputs, got 5"),
    ],
)
def test_fillers_that_caffe_refuses(filler: dict[str, Any], rule: str) -> None:
    net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="c", weight_filler=filler)
    with pytest.raises(netgen.NetgenError) as caught:
        fill_weights(net)
    assert str(caught.value) == f"layer 'c' (Convolution): weight 0: {rule}"


def test_wrong_words() -> None:
    net = netgen.Net().input(1, 3, 8, 8)
    for options, rule in (
        ({"init": "zero"}, "init must be one of fillers, zeros, got 'zero'; did you mean 'zeros'?"),
        ({"seed": -1}, "a seed must be a whole number, 0 or more, got -1"),
        ({"seed": 1.5}, "a seed must be a whole number, 0 or more, got 1.5"),
    ):
        with pytest.raises(netgen.UsageError) as caught:
            fill_weights(net, **options)
        assert str(caught.value) == rule
