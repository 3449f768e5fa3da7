"""The optimised mirror: the outputs of the plain one, faster; what it does not do is said."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

import pytest
import torch
from torch import Tensor

import netgen
from netgen.mirror.calibration import calibrate

if TYPE_CHECKING:
    from pathlib import Path

    from netgen.mirror.optimised import Optimised
    from netgen.weights import Weights


def small() -> netgen.Net:
    net = netgen.Net("small").input(1, 3, 33, 33)
    net.conv(16, 3, stride=2, name="c1").bn(scale=True).relu().pool(3, 2, name="p1")
    net.fork(
        lambda net: net.conv(8, 1, name="near").bn(scale=True).relu(negative_slope=0.1),
        lambda net: net.conv(16, 3, group=16, name="wide").bn(scale=True).relu(),
    ).concat(name="both")
    return net.global_pool(name="pool").fc(10, name="score").softmax(name="prob")


def weights_of(net: netgen.Net) -> Weights:
    return calibrate(net, netgen.fill_weights(net))


def image(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def optimised(net: netgen.Net, weights: Weights) -> Optimised:
    return netgen.to_torch(net, weights=weights, optimize=True)


def assert_agree(net: netgen.Net, *shapes: tuple[int, ...]) -> None:
    weights = weights_of(net)
    fast, plain = optimised(net, weights), netgen.to_torch(net, weights=weights)
    for shape in shapes:
        with torch.no_grad():
            expected, got = plain(image(*shape)), fast(image(*shape))
        assert got.shape == expected.shape
        assert (got - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_it_agrees_at_every_shape_that_it_is_given() -> None:
    assert_agree(small(), (1, 3, 33, 33), (2, 3, 33, 33), (1, 3, 47, 20), (1, 3, 33, 33))


def test_peleenet() -> None:
    assert_agree(netgen.build("peleenet", size=96), (1, 3, 96, 96))


def test_batch_norms_are_gone() -> None:
    net = small()
    fast = optimised(net, weights_of(net))
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in fast.modules())
    assert fast.outputs == ("prob",)
    assert fast.inputs == {"data": (1, 3, 33, 33)}


def test_several_outputs_come_by_name() -> None:
    net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="c")
    net.at("c").relu(name="r", top="r")
    net.at("c").sigmoid(name="s", top="s")
    weights = weights_of(net)
    made = optimised(net, weights)(image(1, 3, 8, 8))
    expected = netgen.to_torch(net, weights=weights)(image(1, 3, 8, 8))
    assert list(made) == list(expected) == ["r", "s"]
    assert all(torch.allclose(made[name], expected[name], atol=1e-6) for name in made)


def test_shapes_that_hang_on_values_are_followed() -> None:
    net = netgen.parse_prototxt(
        """layer { name: "x" type: "Input" top: "x" top: "s" input_param { shape { dim: 4 dim: 2 } shape { dim: 4 } } }
        layer { name: "f" type: "Filter" bottom: "x" bottom: "s" top: "y" }"""
    )
    fast = optimised(net, {})
    for kept in (1, 3):
        selector = (torch.arange(4) < kept).float()
        assert fast(image(4, 2), selector).shape == (kept, 2)


def test_a_change_of_type_begins_anew() -> None:
    net = small()
    fast = optimised(net, weights_of(net))
    single = fast(image(1, 3, 33, 33))
    double = fast.double()(image(1, 3, 33, 33).double())
    assert double.dtype == torch.float64
    assert torch.allclose(single.double(), double, atol=1e-5)


def test_fusing_is_left_as_it_was() -> None:
    before = torch.jit.onednn_fusion_enabled()  # type: ignore[no-untyped-call]
    net = small()
    optimised(net, weights_of(net))(image(1, 3, 33, 33))
    assert torch.jit.onednn_fusion_enabled() is before  # type: ignore[no-untyped-call]


def test_what_it_does_not_do() -> None:
    net = small()
    weights = weights_of(net)
    fast = optimised(net, weights)
    with pytest.raises(netgen.UsageError, match="an optimised mirror gives its outputs alone; ask one without"):
        fast(image(1, 3, 33, 33), blobs=["c1"])
    with pytest.raises(netgen.UsageError, match="optimize is for phase TEST, got TRAIN"):
        netgen.to_torch(net, "TRAIN", weights=weights, optimize=True)
    with pytest.raises(
        netgen.UsageError, match="half precision is for a GPU; move the mirror there, or leave half=True"
    ):
        netgen.to_torch(net, weights=weights, optimize=True, half=True)(image(1, 3, 33, 33))
    with pytest.raises(netgen.UsageError, match="half goes with optimize"):
        netgen.to_torch(net, weights=weights, half=True)  # type: ignore[call-overload]
    with pytest.raises(netgen.NetgenError, match="c1"):
        fast(image(1, 4, 33, 33))


TRAIN = "train the mirror without optimize=True, and make another of its weights"
FOLDED = "its weights are folded; ask the mirror without optimize=True for those of Caffe's layers"
ANEW = "its weights are folded as it is made; make another with netgen.to_torch(net, weights=..., optimize=True)"


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("loss", TRAIN), ("param_groups", TRAIN), ("save", FOLDED), ("caffe_weights", FOLDED), ("slots", FOLDED),
        ("load", ANEW), ("load_caffe_weights", ANEW), ("fill", ANEW),
        ("net", "make one without optimize=True for it"), ("phase", "make one without optimize=True for it"),
    ],
)  # fmt: skip
def test_what_a_mirror_has_and_it_lacks_is_told(name: str, way: str) -> None:
    fast = optimised(small(), weights_of(small()))
    with pytest.raises(netgen.UsageError) as caught:
        getattr(fast, name)
    assert str(caught.value) == f"an optimised mirror has no {name!r}, it gives its outputs alone; {way}"
    assert not hasattr(fast, name)
    with pytest.raises(AttributeError, match="'Optimised' object has no attribute 'lose'"):
        _ = fast.lose


def test_it_does_not_train() -> None:
    fast = optimised(small(), weights_of(small()))
    for function in (fast.train, fast.requires_grad_):
        with pytest.raises(netgen.NetgenError) as caught:
            function()
        assert str(caught.value) == f"an optimised mirror is for inference alone; {TRAIN}"
    assert fast.train(False) is fast.requires_grad_(False) is fast


def test_a_state_is_taken_over_by_what_was_made_before(tmp_path: Path) -> None:
    net = small()
    weights = weights_of(net)
    one, other = optimised(net, weights), optimised(net, calibrate(net, netgen.fill_weights(net, 7)))
    data = image(1, 3, 33, 33)
    assert not torch.allclose(one(data), other(data))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(data), other(data))
    with pytest.raises(netgen.UsageError) as caught:
        one.load_state_dict(netgen.to_torch(net, weights=weights).state_dict())
    assert str(caught.value) == f"this is no state of an optimised mirror; {ANEW}"
    torch.save(one, tmp_path / "one.pt")
    assert torch.equal(torch.load(tmp_path / "one.pt", weights_only=False)(data), one(data))


def test_what_layers_keep_from_pass_to_pass_goes_on() -> None:
    net = netgen.parse_prototxt(
        """layer { name: "in" type: "Input" top: "x" top: "c"
          input_param { shape { dim: 3 dim: 2 dim: 4 } shape { dim: 3 dim: 2 } } }
        layer { name: "l" type: "LSTM" bottom: "x" bottom: "c" top: "y"
          recurrent_param { num_output: 5 weight_filler { type: "gaussian" std: 1 } } }
        layer { name: "d" type: "DummyData" top: "d"
          dummy_data_param { shape { dim: 4 } data_filler { type: "gaussian" std: 1 } } }"""
    )
    fast, plain = optimised(net, netgen.fill_weights(net)), netgen.to_torch(net)
    data = (image(3, 2, 4), torch.ones(3, 2))
    seen = []
    for _ in range(3):
        made, expected = fast(*data), plain(*data)
        for name in ("y", "d"):
            assert torch.allclose(made[name], expected[name], atol=1e-6)
        seen.append(made)
    assert not any(torch.allclose(seen[0][name], seen[1][name]) for name in ("y", "d"))
    fast.reset()
    assert torch.allclose(fast(*data)["y"], seen[0]["y"], atol=1e-6)


def test_torchs_warnings_about_its_own_reach_nobody() -> None:
    program = """
import netgen, torch
net = netgen.Net().input(1, 3, 33, 33).conv(16, 3, name="c").bn(scale=True).relu()
fast = netgen.to_torch(net, optimize=True)
for size in (33, 20, 33):
    fast(torch.zeros(1, 3, size, size))
"""
    done = subprocess.run([sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def _fails(*_: object, **__: object) -> NoReturn:
    raise RuntimeError("no more")


@pytest.mark.parametrize("missing", ["trace", "freeze", "enable_onednn_fusion", "onednn_fusion_enabled"])
@pytest.mark.parametrize("how", ["absent", "fails"])
def test_without_fusing_its_kernels_give_the_same(missing: str, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = small()
    weights = weights_of(net)
    fused = optimised(net, weights)(image(2, 3, 33, 33))
    if how == "absent":
        monkeypatch.delattr(torch.jit, missing)
    else:
        monkeypatch.setattr(torch.jit, missing, _fails)
    fast = optimised(net, weights)
    for _ in range(2):
        got = fast(image(2, 3, 33, 33))
        assert (got - fused).abs().max() <= 1e-5 * fused.abs().max()
    (run,) = fast._runs.values()
    assert not isinstance(run, torch.jit.ScriptModule)
    convolved = next(module for module in fast.modules() if isinstance(module, torch.nn.Conv2d))
    assert convolved.weight.is_contiguous(memory_format=torch.channels_last)
    if missing == "trace":
        assert_agree(netgen.build("peleenet", size=96), (1, 3, 96, 96))


@pytest.mark.parametrize("fuses", [True, False])
def test_mistakes_are_told_in_any_pass(fuses: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not fuses:
        monkeypatch.setattr(torch.jit, "trace", _fails)
    net = netgen.Net().input(2, 1, name="rows").embed(num_output=3, input_dim=7, name="e")
    fast = optimised(net, netgen.fill_weights(net))
    for _ in range(2):
        with pytest.raises(netgen.NetgenError, match=r"layer 'e' \(Embed\): indices must lie in 0..6"):
            fast(torch.full((2, 1), 9.0))
        assert fast(torch.full((2, 1), 6.0)).shape == (2, 1, 3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("half", [False, True])
def test_on_a_gpu(half: bool) -> None:
    net = small()
    weights = weights_of(net)
    fast = netgen.to_torch(net, weights=weights, optimize=True, half=half).cuda()
    expected = netgen.to_torch(net, weights=weights)(image(2, 3, 33, 33))
    for _ in range(2):
        got = fast(image(2, 3, 33, 33).cuda()).cpu()
        assert (got - expected).abs().max() <= (1e-2 if half else 1e-4) * expected.abs().max()


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_windows_in_other_types(kind: torch.dtype) -> None:
    # A window beyond the image (k1 s2) and one that overhangs: both are padded with what no maximum is below.
    net = netgen.Net().input(1, 2, 8, 8).pool(1, 2, name="beyond").pool(3, 2, name="over")
    net.at("data").layer("Pooling", name="mask", top=["m", "at"], kernel_size=2, stride=2)
    data = image(1, 2, 8, 8).to(kind)
    found = netgen.to_torch(net).to(kind)(data)
    assert {blob.dtype for blob in found.values()} == {kind}
    expected = netgen.to_torch(net)(data.float())
    assert torch.equal(found["at"].float(), expected["at"])
    assert torch.equal(found["m"].float(), expected["m"])
