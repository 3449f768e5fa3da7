"""Weights that several layers of a mirror share: by a param's name, in one shape or in several."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import netgen
from tests.test_mirror_weights import batch, bn, conv, parsed, refusal
from tests.weighed import assert_same

torch: Any = pytest.importorskip("torch")

if TYPE_CHECKING:
    from pathlib import Path


def test_weights_shared_by_name() -> None:
    named = 'param { name: "w" lr_mult: 3 } param { name: "b" lr_mult: 3 }'
    net = parsed(conv("a", "data", "x", named), conv("b", "x", "y", named))
    mirror = netgen.to_torch(net)
    for each in (mirror, copy.deepcopy(mirror), pickle.loads(pickle.dumps(mirror)), copy.deepcopy(mirror).double()):
        assert each.get_submodule("a").weight is each.get_submodule("b").weight
        assert sum(len(group["params"]) for group in each.param_groups(1)) == 2
    weights = mirror.caffe_weights()
    assert list(weights) == ["a:0", "a:1", "b:0", "b:1"]
    assert np.array_equal(weights["a:0"], weights["b:0"])
    mirror.load({"a:0": 2 * weights["a:0"], "a:1": weights["a:1"]})  # a snapshot that has each once
    assert np.array_equal(mirror.caffe_weights()["b:0"], 2 * weights["a:0"])
    weights["b:0"] = weights["b:0"] + 1
    assert refusal(mirror.load, weights) == (
        "the weights do not fit the network: of one param name, and different: 'b:0' from 'a:0'"
    )


LOOSE = 'param { name: "w" share_mode: PERMISSIVE %s }'
WIDE, SMALL = "num_output: 16 kernel_size: 1 bias_term: false", "num_output: 4 kernel_size: 2 bias_term: false"


def of_two_shapes(second: str = "", more: str = "") -> netgen.Net:
    """Two convolutions with the same 64 values, as 16 x 4 x 1 x 1 and as 4 x 4 x 2 x 2."""
    return parsed(conv("a", "data", "x", LOOSE % "", WIDE), conv("b", "data", "y", LOOSE % second + more, SMALL))


def apart() -> netgen.Net:
    return parsed(conv("a", "data", "x", "", WIDE), conv("b", "data", "y", "", SMALL))


def test_one_weight_in_two_shapes_gives_what_two_give() -> None:
    mirror = netgen.to_torch(of_two_shapes(), "TRAIN", seed=3)
    weights = mirror.caffe_weights()
    assert {key: array.shape for key, array in weights.items()} == {"a:0": (16, 4, 1, 1), "b:0": (4, 4, 2, 2)}
    assert np.array_equal(weights["a:0"].ravel(), weights["b:0"].ravel())
    assert [name for name, _ in mirror.named_parameters()] == ["a.weight"]
    two: Any = netgen.to_torch(apart(), "TRAIN", weights=weights)
    changes: list[Any] = [lambda each: each, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))]
    for prepare in [*changes, lambda each: copy.deepcopy(each).double().float()]:
        each = prepare(mirror)
        tops = each(batch())
        for name, top in two(batch()).items():
            assert torch.equal(tops[name], top)
        for one in (each, two):
            one.zero_grad()
            sum(top.square().sum() for top in one(batch()).values()).backward()
        first, second = (two.get_submodule(name).weight.grad for name in "ab")
        torch.testing.assert_close(each.get_submodule("a").weight.grad, first + second.view(first.shape))
        assert each.get_submodule("b").weight.shape == (4, 4, 2, 2)
        assert repr(each.get_submodule("b")) == repr(two.get_submodule("b"))


def test_one_weight_in_two_shapes_is_learned_once_at_the_rate_that_either_says() -> None:
    mirror = netgen.to_torch(of_two_shapes("lr_mult: 0.5"), "TRAIN")
    (group,) = mirror.param_groups(0.1, 0.01)
    assert (len(group["params"]), group["lr"], group["weight_decay"]) == (1, 0.05, 0.01)
    before = mirror.caffe_weights()["a:0"]
    sum(top.sum() for top in mirror(batch()).values()).backward()
    gradient = group["params"][0].grad.numpy()
    torch.optim.SGD(mirror.param_groups(0.1)).step()
    after = mirror.caffe_weights()
    np.testing.assert_allclose(after["a:0"], before - 0.05 * gradient, rtol=1e-5)
    assert np.array_equal(after["a:0"].ravel(), after["b:0"].ravel())
    frozen = netgen.to_torch(of_two_shapes("lr_mult: 0"), "TRAIN")
    assert frozen.param_groups(0.1) == []
    assert not frozen.get_submodule("a").weight.requires_grad


@pytest.mark.parametrize("ending", ["caffemodel", "npz", "pt"])
def test_one_weight_in_two_shapes_through_files(ending: str, tmp_path: Path) -> None:
    net = of_two_shapes()
    mirror = netgen.to_torch(net, seed=4)
    mirror.save(tmp_path / f"w.{ending}")
    written = netgen.load_weights(tmp_path / f"w.{ending}")
    assert {key: array.shape for key, array in written.items()} == {"a:0": (16, 4, 1, 1), "b:0": (4, 4, 2, 2)}
    assert_same(netgen.to_torch(net, weights=tmp_path / f"w.{ending}").caffe_weights(), mirror.caffe_weights())
    blobs = netgen.run(net, {"data": batch().numpy()}, tmp_path / f"w.{ending}")
    for name, top in mirror(batch()).items():
        np.testing.assert_array_equal(blobs[name], top.detach().numpy())
    written["b:0"] = written["b:0"] + 1
    assert refusal(mirror.load, written) == (
        "the weights do not fit the network: of one param name, and different: 'b:0' from 'a:0'"
    )


def test_one_weight_in_two_shapes_in_a_state_dict() -> None:
    mirror, other = (netgen.to_torch(of_two_shapes(), seed=seed) for seed in (5, 6))
    state = mirror.state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == {
        "a.weight": (16, 4, 1, 1), "b.weight": (4, 4, 2, 2),
    }  # fmt: skip
    other.load_state_dict(state)
    assert_same(other.caffe_weights(), mirror.caffe_weights())
    with pytest.raises(RuntimeError, match=r'Missing key\(s\) in state_dict: "b.weight"'):
        other.load_state_dict({"a.weight": state["a.weight"]})
    with pytest.raises(
        RuntimeError, match=r"size mismatch for b.weight: \(16, 4, 1, 1\), and it must be \(4, 4, 2, 2\)"
    ):
        other.load_state_dict(dict.fromkeys(state, state["a.weight"]))
    assert other.load_state_dict({"a.weight": state["a.weight"]}, strict=False).unexpected_keys == []


def test_one_weight_in_two_shapes_is_checked_folded_and_optimised() -> None:
    from netgen.mirror.checking import check

    net = of_two_shapes()
    assert check(net).differences == ()
    weights = netgen.fill_weights(net, 2)
    folded = netgen.fold(net, weights)
    assert_same(folded.weights, weights)
    tops = netgen.to_torch(net, weights=weights)(batch())
    for name, top in netgen.to_torch(net, weights=weights, optimize=True)(batch()).items():
        torch.testing.assert_close(top, tops[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("second", [WIDE, SMALL])
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_what_is_shared_is_so_in_both_phases(phase: str, second: str) -> None:
    net = parsed(
        conv("a", "data", "x", LOOSE % "", WIDE),
        conv("b", "data", "y", LOOSE % "" + "include { phase: TEST }", second),
        conv("b", "data", "y", LOOSE % "" + "include { phase: TRAIN }", second),
    )
    mirror = netgen.to_torch(net, phase)
    assert [name for name, _ in mirror.named_parameters()] == ["a.weight"]
    mirror.load({"a:0": np.ones((16, 4, 1, 1), np.float32)})
    tops = [mirror.train(training)(batch())["y"] for training in (True, False)]
    assert torch.equal(*tops)
    assert tops[0].requires_grad


def test_shared_weights_have_one_rate() -> None:
    of_half = conv("b", "data", "b", 'param { name: "w" lr_mult: 0.5 decay_mult: 2 }')
    net = parsed(conv("a", "data", "a", 'param { name: "w" lr_mult: 3 }'), of_half)
    assert refusal(netgen.to_torch, net) == (
        "layer 'b' (Convolution): shares weight 'w' with layer 'a': its lr_mult must be the same wherever it is given, "
        "got 3 and 0.5"
    )
    mirror = netgen.to_torch(parsed(conv("a", "data", "a", 'param { name: "w" }'), of_half))
    group = mirror.param_groups(1.0, 1.0)[0]
    assert (len(group["params"]), group["lr"], group["weight_decay"]) == (1, 0.5, 2.0)


def test_statistics_shared_by_name() -> None:
    named = "".join(f'param {{ name: "{name}" lr_mult: 0 }} ' for name in "mvf")
    net = parsed(bn("p", "data", "p", named), bn("q", "p", "q", named))
    mirror = netgen.to_torch(net, "TRAIN").double().float()  # to() replaces buffers
    mirror(batch())
    weights = mirror.caffe_weights()
    mean = batch().mean((0, 2, 3)).numpy()
    assert weights["p:2"] == np.float32(1.999)
    np.testing.assert_allclose(weights["p:0"], 0.999 * mean, atol=1e-5)  # and what q adds is 0
    for index in range(3):
        assert np.array_equal(weights[f"p:{index}"], weights[f"q:{index}"])
    assert mirror.load(weights) == []
    partly = 'param { name: "m" lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 }'
    net = parsed(bn("p", "data", "p", partly), bn("q", "p", "q", partly))
    assert refusal(netgen.to_torch, net) == (
        "layer 'q': it shares some of its statistics with another layer and not all of them; the mirror shares all or "
        "none"
    )


def test_statistics_are_shared_with_statistics_alone() -> None:
    net = parsed(
        bn("p", "data", "p", 'param { name: "w" lr_mult: 0 } param { lr_mult: 0 } param { lr_mult: 0 }'),
        'layer { name: "s" type: "Scale" bottom: "p" top: "s" param { name: "w" lr_mult: 0 } } '
        'layer { name: "t" type: "Bias" bottom: "data" top: "t" param { name: "w" lr_mult: 0 } }',
    )
    assert refusal(netgen.to_torch, net) == (
        "layer 's': its weight 'w', 4, is shared with layer 'p' (BatchNorm); the mirror shares a BatchNorm's statistics "
        "with the same of another one, and learned weights with learned weights"
    )
