"""The mirror's weights: shared, frozen, of both phases, filled, saved and loaded."""

from __future__ import annotations

import copy
import io
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import netgen
from tests.weighed import assert_same, random_weights
from tests.weighed import small as small_net

torch: Any = pytest.importorskip("torch")

if TYPE_CHECKING:
    from pathlib import Path

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 5 dim: 5 } } } '


def conv(name: str, bottom: str, top: str, more: str = "", fields: str = "num_output: 4 kernel_size: 1") -> str:
    return (
        f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{top}" {more} '
        f'convolution_param {{ {fields} weight_filler {{ type: "msra" }} }} }} '
    )


def bn(name: str, bottom: str, top: str, more: str = "") -> str:
    return f'layer {{ name: "{name}" type: "BatchNorm" bottom: "{bottom}" top: "{top}" {more} }} '


def parsed(*layers: str) -> netgen.Net:
    return netgen.parse_prototxt(INPUT + "".join(layers))


def batch(seed: int = 1) -> Any:
    return torch.randn((2, 4, 5, 5), generator=torch.Generator().manual_seed(seed)) * 2 + 1


def refusal(function: Any, *args: Any, **named: Any) -> str:
    with pytest.raises(netgen.NetgenError) as caught:
        function(*args, **named)
    return str(caught.value)


# Round trips


@pytest.mark.parametrize("ending", ["caffemodel", "npz", "pt", "caffemodel.h5"])
def test_weights_through_files_and_the_mirror_keep_every_bit(ending: str, tmp_path: Path) -> None:
    if ending.endswith("h5"):
        pytest.importorskip("h5py")
    net, weights = small_net(), random_weights(small_net())
    weights["a/bn:2"][:] = 0.37  # a division by which is not undone by a product
    first, second = tmp_path / f"1.{ending}", tmp_path / f"2.{ending}"
    netgen.save_weights(weights, first, net)
    mirror = netgen.to_torch(net, weights=first)
    assert_same(mirror.caffe_weights(), weights)
    mirror.save(second)
    assert_same(netgen.load_weights(second), weights)
    if ending in ("caffemodel", "npz"):
        assert second.read_bytes() == first.read_bytes()
    for other in (copy.deepcopy(mirror), pickle.loads(pickle.dumps(mirror)), mirror.double().float()):
        assert_same(other.caffe_weights(), weights)


def test_a_state_dict_keeps_the_factor() -> None:
    net = small_net()
    mirror = netgen.to_torch(net, "TRAIN", seed=1)
    for seed in range(3):
        mirror(torch.randn((1, 3, 8, 8), generator=torch.Generator().manual_seed(seed)))
    file = io.BytesIO()
    torch.save(mirror.state_dict(), file)
    file.seek(0)
    other = netgen.to_torch(net, "TRAIN", seed=2)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert other.caffe_weights()["a/bn:2"][0] == np.float32(1 + 0.999 + 0.999**2)
    assert_same(other.caffe_weights(), mirror.caffe_weights())
    for each in (mirror, other):  # and it goes on alike
        each(torch.ones(1, 3, 8, 8))
    assert_same(other.caffe_weights(), mirror.caffe_weights())


def test_new_weights_are_the_fillers_by_the_seed(tmp_path: Path) -> None:
    net = small_net()
    mirror = netgen.to_torch(net, seed=3)
    assert_same(mirror.caffe_weights(), netgen.fill_weights(net, 3))
    assert_same(netgen.to_torch(net, seed=3).caffe_weights(), mirror.caffe_weights())
    assert not np.array_equal(netgen.to_torch(net, seed=4).caffe_weights()["a:0"], mirror.caffe_weights()["a:0"])
    mirror.save(tmp_path / "new.caffemodel")
    image = torch.ones(1, 3, 8, 8)
    assert torch.equal(netgen.to_torch(net, weights=tmp_path / "new.caffemodel")(image), mirror(image))
    assert refusal(netgen.to_torch, net, seed=-1) == "a seed must be a whole number, 0 or more, got -1"


def test_weights_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    net, weights = small_net(), random_weights(small_net())
    mirror = netgen.to_torch(net, weights=weights)
    other = {key: array + 1 for key, array in weights.items()}
    other["a:0"] = other["a:0"][:, :2]
    other["z:0"] = other.pop("f/g:1")
    said = (
        "the weights do not fit the network: missing: 'f/g:1'; unexpected: 'z:0'; wrongly shaped: 'a:0' "
        "is 4x2x3x3 and must be 4x3x3x3; ignore_missing (--ignore-missing) passes over layers that only one of the "
        "two has"
    )
    assert refusal(mirror.load, other) == said
    netgen.save_weights(other | {"f/g:1": weights["f/g:1"]}, tmp_path / "w.npz")
    assert refusal(mirror.load, tmp_path / "w.npz").startswith(
        f"{tmp_path}/w.npz: the weights do not fit the network: "
    )
    assert_same(mirror.caffe_weights(), weights)
    assert refusal(mirror.load, 3) == "weights must be a file's name or a dict of arrays, got int"
    assert refusal(mirror.load, {"a": 1}) == "weight 'a': it must be called layer:index, as in 'conv1:0'"
    weights["a:0"][0, 0] = np.nan
    assert mirror.load(weights) == ["weight 'a:0': 9 of 108 values are NaN or infinite"]


# What the solver makes of them


def test_frozen_layers_and_groups() -> None:
    net = parsed(
        conv("a", "data", "a", "param { lr_mult: 0 } param { lr_mult: 2 decay_mult: 0 }"),
        conv("b", "a", "b", "param { lr_mult: 0.5 }"), bn("n", "b", "n"),
        'layer { name: "s" type: "Scale" bottom: "n" top: "n" scale_param { bias_term: true } } ',
    )  # fmt: skip
    mirror = netgen.to_torch(net, "TRAIN")
    names = {id(parameter): name for name, parameter in mirror.named_parameters()}
    groups = [
        ([names[id(each)] for each in group["params"]], group["lr"], group["weight_decay"])
        for group in mirror.param_groups(0.1, 0.01)
    ]
    assert groups == [(["a.bias"], 0.2, 0.0), (["b.weight"], 0.05, 0.01), (["b.bias", "n.weight", "n.bias"], 0.1, 0.01)]
    assert {name for name, each in mirror.named_parameters() if not each.requires_grad} == {"a.weight"}
    before = mirror.caffe_weights()
    optimizer = torch.optim.SGD(mirror.param_groups(0.1, 0.01), momentum=0.9)
    mirror(batch()).square().sum().backward()
    optimizer.step()
    after = mirror.caffe_weights()
    assert {key for key in after if np.array_equal(before[key], after[key])} == {"a:0", "n:2"}  # 1 at first
    assert not mirror.get_submodule("a").weight.grad


# Two phases


@pytest.mark.parametrize("scale", ["", 'layer { name: "s" type: "Scale" bottom: "n" top: "n" } '])
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_layers_of_one_name_in_two_phases_have_one_set_of_weights(phase: str, scale: str) -> None:
    net = parsed(
        conv("c", "data", "c", "include { phase: TRAIN }"), conv("c", "data", "c", "include { phase: TEST }"),
        bn("n", "c", "n", "include { phase: TRAIN } batch_norm_param { use_global_stats: false }"),
        bn("n", "c", "n", "include { phase: TEST } batch_norm_param { use_global_stats: true }"), scale,
    )  # fmt: skip
    alike = parsed(conv("c", "data", "c"), bn("n", "c", "n"), scale)
    changes: list[Any] = [lambda each: each, copy.deepcopy, lambda each: each.double().float()]
    for prepare in changes:
        mirror, plain = prepare(netgen.to_torch(net, phase)), netgen.to_torch(alike, "TRAIN")
        for each in (mirror.train(), plain.train()):
            optimizer = torch.optim.SGD(each.param_groups(0.1), momentum=0.9)
            for seed in range(3):
                optimizer.zero_grad()
                each(batch(seed)).pow(3).mean().backward()
                optimizer.step()
        assert_same(mirror.caffe_weights(), plain.caffe_weights())
        assert torch.equal(mirror.eval()(batch()), plain.eval()(batch()))


def test_a_pair_that_another_layer_reads_between_in_one_phase() -> None:
    net = parsed(
        bn("n", "data", "n"), 'layer { name: "s" type: "Scale" bottom: "n" top: "s" } ',
        'layer { name: "t" type: "TanH" bottom: "n" top: "t" include { phase: TRAIN } }',
    )  # fmt: skip
    for phase in ("TEST", "TRAIN"):
        mirror = netgen.to_torch(net, phase)
        mirror.load(mirror.caffe_weights() | {"s:0": np.full(4, 3, np.float32)})
        for training in (False, True):
            blobs = mirror.train(training)(batch(), blobs=["n", "s"])
            assert torch.equal(blobs["s"], 3 * blobs["n"])


def test_the_solver_reads_the_training_layers_multipliers() -> None:
    net = parsed(
        conv("c", "data", "c", "include { phase: TEST }"),
        conv("c", "data", "c", "include { phase: TRAIN } param { lr_mult: 0 } param { lr_mult: 2 }"),
    )
    for phase in ("TEST", "TRAIN"):
        mirror = netgen.to_torch(net, phase)
        assert [group["lr"] for group in mirror.param_groups(0.1)] == [0.2]
        assert not mirror.caffe_weights().keys() - {"c:0", "c:1"}
        assert not mirror.get_submodule("c").weight.requires_grad


def test_a_mirrors_own_state_from_a_file(tmp_path: Path) -> None:
    net, path = small_net(), tmp_path / "trained.pth"
    # Torch's state holds Caffe's statistics divided by their factor: by 1 nothing is rounded.
    weights = {key: abs(value) for key, value in random_weights(net).items()} | {"a/bn:2": np.ones(1, np.float32)}
    mirror = netgen.to_torch(net, weights=weights)
    torch.save(mirror.state_dict(), path)
    assert_same(netgen.to_torch(net, weights=path).caffe_weights(), weights)
    image = {"data": np.ones((1, 3, 8, 8), np.float32)}
    assert np.array_equal(netgen.run(net, image, path)["prob"], netgen.run(net, image, weights)["prob"])

    state = {**mirror.state_dict(), "z.weight": torch.ones(1), "a.weight": torch.ones(3, 1)}
    del state["f/g.bias"]
    torch.save(state, path)
    other = netgen.to_torch(net, seed=2)
    before = other.caffe_weights()
    assert refusal(other.load, path) == (
        f"{path}: the module's state does not fit the network: missing: 'f/g.bias'; unexpected: 'z.weight'; "
        "wrongly shaped: 'a.weight' is 3x1 and must be 4x3x3x3"
    )
    assert_same(other.caffe_weights(), before)

    for key in ("a.weight", "f/g.weight"):
        del state[key]
    state["b:1/c.bias"] = torch.full((6,), torch.nan)
    torch.save(state, path)
    assert (
        other.load(path, ignore_missing=True)
        == other.notes
        == [
            "what the state lacks is passed over: 'a.weight', 'f/g.bias', 'f/g.weight'",
            "what the state has, and the network lacks is passed over: 'z.weight'",
            "'b:1/c.bias' has values that are NaN or infinite",
        ]
    )
    assert np.array_equal(other.caffe_weights()["b:1/c:0"], weights["b:1/c:0"])
    assert np.array_equal(other.caffe_weights()["a:0"], before["a:0"])


def test_layers_of_one_name_that_cannot_be_one() -> None:
    net = parsed(
        conv("c", "data", "c", "include { phase: TEST }"),
        conv("c", "data", "c", "include { phase: TRAIN }", "num_output: 3 kernel_size: 1"),
    )
    mirror = netgen.to_torch(net)
    assert mirror(batch()).shape == (2, 4, 5, 5)
    assert refusal(mirror.train(), batch()) == (
        "the network cannot run in phase TRAIN: layer 'c': its weight 0 is 4x4x1x1 in one phase and 3x4x1x1 in the "
        "other, where Caffe tests with what it trained; make them alike, or give the layers names of their own "
        "(mirror.eval())"
    )


def test_weights_of_the_phase_at_hand(tmp_path: Path) -> None:
    net = parsed(conv("a", "data", "a"), conv("aux", "a", "aux", "include { phase: TRAIN }"))
    weights = netgen.fill_weights(net, 5)
    assert list(weights) == ["a:0", "a:1"]
    mirror = netgen.to_torch(net, weights=weights, seed=6)
    assert np.array_equal(mirror.caffe_weights()["aux:0"], netgen.fill_weights(net, 6, "TRAIN")["aux:0"])
    assert mirror.load(weights) == ["it has no weights for the layers 'aux', which only the other phase has"]
    with pytest.warns(UserWarning, match="it has no weights for the layers 'aux'"):
        assert list(netgen.run(net, {"data": batch().numpy()}, weights)) == ["data", "a"]
    for name, there in (("test.caffemodel", ["a:0", "a:1"]), ("train.npz", ["a:0", "a:1", "aux:0", "aux:1"])):
        mirror.train(name.startswith("train")).save(tmp_path / name)
        assert list(netgen.load_weights(tmp_path / name)) == there
        mirror.eval().load(tmp_path / name)
    assert refusal(mirror.train().load, weights).startswith(
        "the weights do not fit the network: missing: 'aux:0', 'aux:1'; "
    )
