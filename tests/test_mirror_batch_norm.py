"""BatchNorm in training: Caffe's recurrence, computed here in NumPy, against the mirror's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netgen
from tests.truth import Array, apart

torch: Any = pytest.importorskip("torch")

SHAPE = (4, 3, 5, 5)


def net_of(*, scale: bool, joined: bool = True, fraction: float = 0.9, **fields: Any) -> netgen.Net:
    fields |= {"moving_average_fraction": fraction, "eps": 1e-3}
    net = netgen.Net().input(*SHAPE).batch_norm(name="n", top="n", batch_norm_param=fields)
    if scale:
        net.layer("Scale", name="s", bottom="n", top="s", scale_param={"bias_term": True})
    if not joined:
        net.layer("Silence", name="reader", bottom="n", top=[])  # a second reader keeps them apart
    return net


def batches(count: int) -> list[Array]:
    rng = np.random.default_rng(5)
    return [(i + 1) * rng.standard_normal(SHAPE, np.float32) + i for i in range(count)]


def caffe_steps(blobs: list[Array], given: list[Array], fraction: float) -> tuple[list[Array], list[Array]]:
    """batch_norm_layer.cpp, Forward_cpu in TRAIN: what is normalized, and the three blobs after all steps."""
    mean_sum, variance_sum, factor = (each.astype(np.float64) for each in blobs)
    tops = []
    for bottom in given:
        wide = bottom.astype(np.float64)
        values = wide.size // wide.shape[1]
        mean = wide.mean((0, 2, 3))
        variance = (wide**2).mean((0, 2, 3)) - mean**2
        correction = values / (values - 1) if values > 1 else 1.0
        factor = fraction * factor + 1
        mean_sum = fraction * mean_sum + mean
        variance_sum = fraction * variance_sum + correction * variance
        tops.append((wide - mean.reshape(1, -1, 1, 1)) / np.sqrt(variance + 1e-3).reshape(1, -1, 1, 1))
    return tops, [mean_sum, variance_sum, factor]


STARTS = {
    "new": ([0, 0, 0], [0, 0, 0], [0]),
    "summed up": ([3, -2, 1], [5, 4, 9], [7.5]),
    "sums without a factor": ([3, -2, 1], [5, 4, 9], [0]),
}


@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("fraction", [0.9, 0.999])
def test_three_steps_of_training_are_caffes(start: str, scale: bool, fraction: float) -> None:
    net, given = net_of(scale=scale, fraction=fraction), batches(3)
    blobs = [np.array(each, np.float32) for each in STARTS[start]]
    weights = netgen.fill_weights(net) | {f"n:{i}": blob for i, blob in enumerate(blobs)}
    mirror = netgen.to_torch(net, "TRAIN", weights=weights)
    tops = [mirror(torch.from_numpy(each), blobs=["n"])["n"].detach().numpy() for each in given]
    expected, sums = caffe_steps(blobs, given, fraction)
    for got, top in zip(tops, expected, strict=True):
        assert apart(top.astype(np.float32), got) <= 1e-5
    after = mirror.caffe_weights()
    for i, total in enumerate(sums):
        assert apart(np.atleast_1d(total).astype(np.float32), after[f"n:{i}"]) <= 1e-5
    tested = mirror.eval()(torch.from_numpy(given[0])).detach().numpy()
    mean, variance = ((total / sums[2]).reshape(1, -1, 1, 1) for total in sums[:2])
    assert apart(((given[0] - mean) / np.sqrt(variance + 1e-3)).astype(np.float32), tested) <= 1e-5
    assert_unchanged = mirror.caffe_weights()
    assert all(np.array_equal(after[key], assert_unchanged[key]) for key in after)


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("fields", [{}, {"use_global_stats": False}, {"use_global_stats": True}])
def test_joined_with_its_scale_it_is_the_same(phase: str, fields: dict[str, Any]) -> None:
    rng = np.random.default_rng(2)
    weights = {f"n:{i}": rng.random(n).astype(np.float32) + 1 for i, n in enumerate((3, 3, 1))}
    weights |= {f"s:{i}": rng.standard_normal(3).astype(np.float32) for i in range(2)}
    joined, apart_ = (
        netgen.to_torch(net_of(scale=True, joined=joined, **fields), phase, weights=weights) for joined in (True, False)
    )
    assert (len(joined.program.steps), len(apart_.program.steps)) == (1, 3)
    for given in batches(3):
        leaves = [torch.from_numpy(given).requires_grad_() for _ in range(2)]
        tops = [joined(leaves[0], blobs=["s"])["s"], apart_(leaves[1], blobs=["s"])["s"]]
        assert apart(tops[1].detach().numpy(), tops[0].detach().numpy()) <= 1e-6
        for top in tops:
            top.pow(3).sum().backward()
        assert apart(leaves[1].grad.numpy(), leaves[0].grad.numpy()) <= 1e-4
    mine, theirs = joined.caffe_weights(), apart_.caffe_weights()
    for key in weights:
        assert apart(theirs[key], mine[key]) <= 1e-6, key
    for name in ("weight", "bias"):
        grads: list[Any] = [joined.get_submodule("n"), apart_.get_submodule("s")]
        if name == "weight":
            parameters = [grads[0].weight, next(iter(grads[1].parameters()))]
        else:
            parameters = [grads[0].bias, list(grads[1].parameters())[1]]
        assert apart(parameters[1].grad.numpy(), parameters[0].grad.numpy()) <= 1e-5


def test_the_momentum_tends_to_torchs() -> None:
    mirror = netgen.to_torch(net_of(scale=False, fraction=0.5), "TRAIN")
    theirs: Any = torch.nn.BatchNorm2d(3, eps=1e-3, momentum=0.5)
    module: Any = mirror.get_submodule("n")
    assert isinstance(module, torch.nn.BatchNorm2d)
    assert module.momentum == theirs.momentum
    for i, given in enumerate(batches(30)):
        mirror(torch.from_numpy(given))
        theirs(torch.from_numpy(given))
        assert module.kept.factor == pytest.approx(2 * (1 - 0.5 ** (i + 1)))
    # 2^-30 is what is left of how they began
    assert apart(theirs.running_mean.numpy(), module.running_mean.numpy()) <= 1e-6
    assert apart(theirs.running_var.numpy(), module.running_var.numpy()) <= 1e-6


def test_a_single_value_for_a_channel() -> None:
    """Torch refuses it, and Caffe's variance of it is 0 with a correction of 1."""
    net = netgen.Net().input(1, 3).batch_norm(name="n", top="n")
    mirror = netgen.to_torch(net, "TRAIN")
    assert mirror(torch.tensor([[1.0, 2.0, 3.0]])).tolist() == [[0.0, 0.0, 0.0]]
    weights = mirror.caffe_weights()
    assert [weights[f"n:{i}"].tolist() for i in range(3)] == [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0], [1.0]]
