"""Which weights a network needs, and whether given ones fit it, by Caffe's rules."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import netgen
from netgen.filling import fill_weights
from netgen.weights import Weights, expected_weights, match_weights, split_key
from tests.weighed import assert_same, random_weights, small

SHARED = """
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 5 } } }
    layer { name: "y" type: "Input" top: "y" input_param { shape { dim: 2 dim: 5 } } }
    layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" } param { name: "b" }
      inner_product_param { num_output: 3 } }
    layer { name: "a_p" type: "InnerProduct" bottom: "y" top: "a_p" param { name: "w" } param { name: "b" }
      inner_product_param { num_output: 3 } }
"""


def refused(net: netgen.Net, weights: Weights, *, ignore_missing: bool = False) -> str:
    with pytest.raises(netgen.NetgenError) as caught:
        match_weights(expected_weights(net), weights, ignore_missing=ignore_missing)
    return str(caught.value).removeprefix("the weights do not fit the network: ")


def test_the_names_of_weights() -> None:
    assert split_key("a:b/c:12") == ("a:b/c", 12)
    assert split_key(":0") == ("", 0)
    for key in ("a", "a:", "a:x", "a:-1", "a:01", "a:\u0661", 5):
        with pytest.raises(netgen.NetgenError, match="it must be called layer:index, as in 'conv1:0'"):
            split_key(key)  # type: ignore[arg-type]


def test_the_shapes_that_caffe_has(shared: Path) -> None:
    nets = json.loads((shared / "truth" / "nets" / "random" / "truth.json").read_text(encoding="utf-8"))
    for file, truth in nets.items():
        expected = expected_weights(netgen.load(shared / "truth" / "nets" / "random" / file))
        assert expected == {
            f"{layer}:{index}": tuple(shape)
            for layer, shapes in truth["params"].items()
            for index, shape in enumerate(shapes)
        }, file


def test_the_weights_that_caffe_has(shared: Path) -> None:
    folder = shared / "truth" / "layers"
    for case in json.loads((folder / "cases.json").read_text(encoding="utf-8")):
        net, phase = netgen.load(folder / f"{case['name']}.prototxt"), case.get("phase", "TEST")
        with np.load(folder / f"{case['name']}.npz") as arrays:
            weights = {key.removeprefix("weight:"): arrays[key] for key in arrays if key.startswith("weight:")}
        expected = expected_weights(net, phase)
        assert expected == {key: array.shape for key, array in weights.items()}, case["name"]
        assert_same(match_weights(expected, weights), {key: weights[key] for key in expected})
        assert {key: array.shape for key, array in fill_weights(net, 0, phase).items()} == expected, case["name"]


def test_the_result_has_the_order_of_the_network() -> None:
    net = small()
    weights = random_weights(net)
    assert_same(match_weights(expected_weights(net), dict(reversed(weights.items()))), weights)


def test_all_that_is_wrong_is_told_at_once() -> None:
    net = small()
    weights = random_weights(net)
    weights["a2:0"] = weights.pop("a:0")
    weights["f/g:2"] = weights["f/g:1"]
    weights["f/g:0"] = weights["f/g:0"][..., None, None]
    weights["a/bn:0"] = weights["a/bn:0"][:3]
    assert refused(net, weights) == (
        "missing: 'a:0' (near: 'a2:0'); unexpected: 'a2:0', 'f/g:2'; wrongly shaped: 'a/bn:0' is 3 and must be 4, 'f/g:0' is "
        "5x384x1x1 and must be 5x384, which Caffe refuses though only axes of 1 differ; ignore_missing (--ignore-missing) "
        "passes over layers that only one of the two has"
    )


def test_a_list_of_many_is_cut() -> None:
    net = netgen.build("peleenet")
    said = refused(net, {f"x{i}:0": np.ones(1, np.float32) for i in range(12)})
    assert f" and {len(expected_weights(net)) - 10} more; unexpected: 'x0:0', 'x1:0'" in said
    assert "'x9:0' and 2 more; no layer is in both, as if they were another network's" in said
    assert len(said) < 1000


def test_by_name_as_caffe_does() -> None:
    net = small()
    weights = random_weights(net)
    some = {key: array for key, array in weights.items() if not key.startswith(("a/bn", "f/g"))}
    notes: list[str] = []
    found = match_weights(expected_weights(net), {**some, "other:0": weights["a:0"]}, ignore_missing=True, notes=notes)
    assert_same(found, some)
    assert notes == [
        "it has no weights for the layers 'a/bn', 'f/g', which stay new",
        "the network lacks its layers 'other', which are passed over",
    ]
    # A layer that both have must have all of its weights in both ("Incompatible number of blobs"), and their shapes.
    del some["b:1/c:1"]
    assert refused(net, some, ignore_missing=True) == "missing: 'b:1/c:1'"
    some = {**weights, "f/g:2": weights["f/g:1"]}
    assert refused(net, some, ignore_missing=True) == "unexpected: 'f/g:2'"
    some = {**weights, "f/g:1": weights["f/g:1"][:4]}
    assert refused(net, some, ignore_missing=True) == "wrongly shaped: 'f/g:1' is 4 and must be 5"


@pytest.mark.parametrize(
    ("got", "fits"),
    [
        ((5, 384), True),
        ((1, 1, 5, 384), True),  # blob.cpp, ShapeEquals: LegacyShape counts from the end
        ((5, 384, 1, 1), False),
        ((1, 5, 384), False),
        ((1, 5, 384, 1), False),
        ((1, 1, 1, 5, 384), False),
        ((384, 5), False),
    ],
)
def test_shapes_that_differ_by_ones(got: tuple[int, ...], fits: bool) -> None:
    weights = random_weights(small())
    wanted = weights["f/g:0"]
    given = {**weights, "f/g:0": wanted.reshape(got)}
    if fits:
        assert_same(match_weights(expected_weights(small()), given), weights)
    else:
        assert refused(small(), given).startswith(
            f"wrongly shaped: 'f/g:0' is {'x'.join(map(str, got))} and must be 5x384"
        )


def test_legacy_shapes_of_a_single_value_and_of_full_axes() -> None:
    net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="c").prelu(name="p", channel_shared=True)
    weights: Weights = {"c:0": np.zeros((4, 3, 3, 3), np.float32), "p:0": np.zeros((1, 1, 1, 1), np.float32)}
    assert match_weights(expected_weights(net), weights)["p:0"].shape == ()
    weights["c:0"] = np.zeros((3, 4, 3, 3), np.float32)
    assert refused(net, weights) == "wrongly shaped: 'c:0' is 3x4x3x3 and must be 4x3x3x3"


def test_shared_weights_are_one() -> None:
    net = netgen.parse_prototxt(SHARED)
    expected = expected_weights(net)
    assert list(expected) == ["a:0", "a:1", "a_p:0", "a_p:1"]
    assert expected.owners == {"a_p:0": "a:0", "a_p:1": "a:1"}
    rng = np.random.default_rng(0)
    one: Weights = {"a:0": rng.random((3, 5), np.float32), "a:1": np.full(3, np.nan, np.float32)}
    both = {**one, "a_p:0": one["a:0"].copy(), "a_p:1": one["a:1"].copy()}
    assert_same(match_weights(expected, both), both)
    # Caffe's HDF5 snapshots hold a shared weight once, and whoever has it may bring it.
    assert_same(match_weights(expected, one), both)
    assert_same(match_weights(expected, {key: both[key] for key in ("a_p:0", "a_p:1")}), both)
    both["a_p:0"] += 1
    assert refused(net, both) == "of one param name, and different: 'a_p:0' from 'a:0'"


def test_weights_shared_permissively_have_their_own_shapes() -> None:
    text = SHARED.replace('param { name: "w" }', 'param { name: "w" share_mode: PERMISSIVE }')
    head, _, last = text.rpartition("inner_product_param {")
    net = netgen.parse_prototxt(f"{head} inner_product_param {{ transpose: true {last}")
    expected = expected_weights(net)
    assert (expected["a:0"], expected["a_p:0"]) == ((3, 5), (5, 3))
    one: Weights = {"a:0": np.arange(15, dtype=np.float32).reshape(3, 5), "a:1": np.ones(3, np.float32)}
    found = match_weights(expected, one)
    assert found["a_p:0"].tolist() == one["a:0"].reshape(5, 3).tolist()
    assert_same(match_weights(expected, found), found)


TWICE = SHARED.replace('"a_p" type', '"a" type')
OF_ONE_NAME = (
    "layer 'a' (InnerProduct): another layer with weights has its name, and Caffe loads weights into the first alone and "
    "leaves this one as its fillers made it; give it a name of its own, or let it share them all (param { name })"
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('param { name: "b" }', ""),
        ('param { name: "w" } param { name: "b" }\n      inner_product_param { num_output: 3',
         'param { name: "v" }\n      inner_product_param { num_output: 3'),
        ('param { name: "w" }', 'param { name: "b2" }'),
        ('num_output: 3', 'num_output: 3 bias_term: false'),
    ],
)  # fmt: skip
def test_two_layers_of_one_name_with_weights_of_their_own(old: str, new: str) -> None:
    head, _, last = TWICE.rpartition('layer { name: "a"')
    assert old in last
    last = last.replace(old, new).replace(' param { name: "b" }', "" if "bias_term" in new else ' param { name: "b" }')
    net = netgen.parse_prototxt(f'{head}layer {{ name: "a"{last}')
    for function in (expected_weights, fill_weights):
        with pytest.raises(netgen.NetgenError) as caught:
            function(net)
        assert str(caught.value) == OF_ONE_NAME


def test_two_layers_of_one_name_that_share_their_weights(tmp_path: Path) -> None:
    net = netgen.parse_prototxt(TWICE)
    assert expected_weights(net) == {"a:0": (3, 5), "a:1": (3,)}
    weights = fill_weights(net, 1)
    assert list(weights) == ["a:0", "a:1"]
    weights["a:0"] = np.arange(15, dtype=np.float32).reshape(3, 5)
    netgen.save_weights(weights, tmp_path / "w.caffemodel", net)
    # Caffe writes both, and loads both into the first (net.cpp, ToProto and CopyTrainedLayersFrom).
    written = netgen.load(tmp_path / "w.caffemodel")
    assert [layer.name for layer in written.layers] == ["x", "y", "a", "a"]
    assert (tmp_path / "w.caffemodel").read_bytes().count(weights["a:0"].tobytes()) == 2
    assert_same(netgen.load_weights(tmp_path / "w.caffemodel"), weights)
    folded = netgen.fold(net, weights)
    assert_same(folded.weights, weights)


def test_values_that_are_not_finite_are_told_of() -> None:
    net = small()
    weights = random_weights(net)
    weights["a:0"][0, 0, 0, :2] = np.nan, np.inf
    weights["f/g:1"][:] = -np.inf
    weights["f/g:0"][:] = 3e38  # finite, though their sum is not
    notes: list[str] = []
    assert_same(match_weights(expected_weights(net), weights, notes=notes), weights)
    assert notes == [
        "weight 'a:0': 2 of 108 values are NaN or infinite",
        "weight 'f/g:1': 5 of 5 values are NaN or infinite",
    ]


def test_what_is_no_dict_of_weights() -> None:
    rule = (
        r"weights must be a dict of arrays by layer:index \(netgen.load_weights reads them from a file\), got 'w.npz'"
    )
    with pytest.raises(netgen.UsageError, match=rule):
        match_weights({}, "w.npz")  # type: ignore[arg-type]
    with pytest.raises(netgen.UsageError, match=rule):
        netgen.save_weights("w.npz", "v.npz")  # type: ignore[arg-type]


def test_what_is_no_array_of_numbers() -> None:
    weights = random_weights(small())
    for value, got in (("text", "str"), ([None], "object"), (np.ones(4, complex), "complex")):
        with pytest.raises(netgen.NetgenError, match=f"weight 'a/bn:0': it must be an array of numbers, got '{got}"):
            match_weights(expected_weights(small()), {**weights, "a/bn:0": value})  # type: ignore[dict-item]
    found = match_weights(expected_weights(small()), {**weights, "a/bn:0": [1, 2, 3, 4]})  # type: ignore[dict-item]
    assert found["a/bn:0"].dtype == np.float32
