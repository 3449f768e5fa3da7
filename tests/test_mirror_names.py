"""Mirrors of networks in which layers with weights have one name: the first alone gets those of a file, as in Caffe."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen
from tests.test_mirror_weights import batch, bn, conv, parsed, refusal
from tests.weighed import assert_same

torch: Any = pytest.importorskip("torch")

OF_ONE_NAME = (
    "layer 'c' (Convolution): another layer with weights has its name, and Caffe loads weights into the first alone and "
    "leaves this one as its fillers made it; give it a name of its own, or let it share them all (param { name })"
)
NAMED = 'param { name: "w" } param { name: "b" }'
NOTE = "layers 'c': weights go to the first of the name, and later ones keep their own"


def twice(first: str = "", second: str = "", more: str = "num_output: 4 kernel_size: 1") -> netgen.Net:
    return parsed(conv("c", "data", "x", first), conv("c", "data", "y", second, more))


def test_later_layers_of_a_name_are_filled_and_get_nothing_from_a_file(tmp_path: Path) -> None:
    net = twice(more="num_output: 3 kernel_size: 2")
    mirror = netgen.to_torch(net, seed=3)
    assert list(mirror.state_dict()) == ["c.weight", "c.bias", "c%~2.weight", "c%~2.bias"]
    assert list(mirror.caffe_weights()) == ["c:0", "c:1"]
    given = {"c:0": np.ones((4, 4, 1, 1), np.float32), "c:1": np.zeros(4, np.float32)}
    netgen.save_weights(given, tmp_path / "w.npz")
    second = mirror.state_dict()["c%~2.weight"].clone()
    assert mirror.load(tmp_path / "w.npz") == [NOTE]
    assert_same(mirror.caffe_weights(), given)
    assert torch.equal(mirror.state_dict()["c%~2.weight"], second)
    assert 0.1 < second.std() < 1  # by its filler, msra of 16 inputs
    with pytest.warns(UserWarning, match="layers 'c': weights go to the first"):
        blobs = netgen.run(net, {"data": batch().numpy()}, given)
    np.testing.assert_allclose(blobs["x"], batch().numpy().sum(1, keepdims=True).repeat(4, 1), rtol=1e-5)
    for each in (copy.deepcopy(mirror), pickle.loads(pickle.dumps(mirror))):
        assert torch.equal(each(batch())["y"], mirror(batch())["y"])
        each.fill(3)
        assert torch.equal(each.state_dict()["c%~2.weight"], second)


def test_their_fillers_draw_apart_and_both_are_learned() -> None:
    mirror = netgen.to_torch(twice(second="param { lr_mult: 2 } param { lr_mult: 0 }"), "TRAIN")
    first, second = (mirror.get_submodule(name) for name in ("c", "c%~2"))
    assert not torch.equal(first.weight, second.weight)
    groups = mirror.param_groups(0.1)
    assert [(len(group["params"]), group["lr"]) for group in groups] == [(2, 0.1), (1, 0.2)]
    assert groups[1]["params"][0] is second.weight
    assert not second.bias.requires_grad


def test_what_would_mix_them_up_is_refused(tmp_path: Path) -> None:
    net = twice()
    mirror = netgen.to_torch(net)
    assert refusal(mirror.save, tmp_path / "w.caffemodel") == OF_ONE_NAME
    assert refusal(netgen.to_torch, net, optimize=True) == OF_ONE_NAME
    assert refusal(netgen.fold, net, mirror.caffe_weights()) == OF_ONE_NAME
    assert refusal(netgen.to_torch, twice(second="include { phase: TEST }")) == OF_ONE_NAME
    assert refusal(netgen.to_torch, twice(NAMED, 'param { name: "w" }')) == OF_ONE_NAME


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_layers_of_one_name_that_share_all_are_one(phase: str, tmp_path: Path) -> None:
    net = twice(NAMED, 'param { name: "w" lr_mult: 3 } param { name: "b" }')
    mirror = netgen.to_torch(net, phase)
    assert mirror.get_submodule("c").weight is mirror.get_submodule("c%~2").weight
    assert [group["lr"] for group in mirror.param_groups(1)] == [3, 1]
    mirror.save(tmp_path / "w.caffemodel")
    other = netgen.to_torch(net, phase, weights=tmp_path / "w.caffemodel", seed=9)
    tops = other(batch())
    assert torch.equal(tops["x"], tops["y"])
    assert torch.equal(tops["x"], mirror(batch())["x"])
    assert mirror.load(tmp_path / "w.caffemodel") == []
    fast = netgen.to_torch(net, weights=tmp_path / "w.caffemodel", optimize=True)(batch())
    torch.testing.assert_close(fast["y"], tops["x"], rtol=1e-4, atol=1e-4)


def test_statistics_of_one_name_are_one() -> None:
    named = "".join(f'param {{ name: "{name}" lr_mult: 0 }} ' for name in "mvf")
    net = parsed(bn("n", "data", "x", named), bn("n", "data", "y", named))
    mirror = netgen.to_torch(net, "TRAIN")
    mirror(batch())
    assert mirror.caffe_weights()["n:2"] == np.float32(1.999)
    tops = mirror.eval()(batch())
    assert torch.equal(tops["x"], tops["y"])


def test_real_files_with_two_layers_of_a_name_run(shared: Path) -> None:
    net = netgen.load(shared / "corpus" / "caffe" / "opencv__opencv__testdata__dnn__layers__shared_weights.prototxt")
    one, two = (torch.arange(4.0).view(1, 1, 2, 2) + i for i in (1, 5))
    # all its fillers are constant, 1 and 0, so that Caffe gives the sums of the inputs
    assert netgen.to_torch(net)(one, two).tolist() == [[10.0, 26.0]]
