"""New weights that can be run: what is damped, what is opened, and what the layers then give."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

import netgen
from netgen.mirror.calibration import calibrate
from tests.truth import Array, apart

Net = netgen.Net


def image() -> Net:
    return Net().input(1, 4, 12, 12)


def unit(net: Net, name: str, channels: int = 4) -> Net:
    """A convolution, a BatchNorm and, under the name, a Scale."""
    net.conv(channels, 3, name=f"{name}/conv", bias_term=False, weight_filler="msra")
    return net.bn(name=f"{name}/bn").scale(name=name, bias_term=True)


def calibrated(net: Net, **changed: float) -> dict[str, Array]:
    """Weights, of which ``name_index`` was changed before."""
    weights = netgen.fill_weights(net)
    for key, value in changed.items():
        weights[key.replace("_", ":")][:] = value
    return calibrate(net, weights)


def affine(net: Net, *names: str, **changed: float) -> list[tuple[float, float]]:
    """The factor and the bias of layers, each the same for all channels."""
    weights = calibrated(net, **changed)
    found = [[np.unique(weights[f"{name}:{i}"].astype(float).round(4)) for i in (0, 1)] for name in names]
    assert all(len(each) == 1 for pair in found for each in pair), found
    return [(factor.item(), bias.item()) for factor, bias in found]


# Rectifiers


@pytest.mark.parametrize("verb", ["relu", "prelu", "relu6", "elu", "swish", "mish", "hard_swish"])
def test_before_a_rectifier_the_bias_is_the_size_of_the_factor(verb: str) -> None:
    net = getattr(unit(image(), "a"), verb)()
    assert affine(net, "a") == [(1, 1)]
    assert affine(net, "a", a_0=-2.0) == [(-2, 2)]
    assert affine(net, "a", a_1=0.5) == [(1, 0.5)]  # as its filler has it


def test_five_in_six_values_come_through() -> None:
    net = unit(image(), "a").relu(top="out")
    values = netgen.run(net, {"data": np.random.default_rng(3).standard_normal((9, 4, 12, 12))}, calibrated(net))
    assert abs((values["out"] > 0).mean() - 0.841) < 0.03


@pytest.mark.parametrize("verb", ["sigmoid", "tanh", "softmax", "dropout", "global_pool"])
def test_other_biases_stay_at_0(verb: str) -> None:
    assert affine(getattr(unit(image(), "a"), verb)(), "a") == [(1, 0)]


def test_the_normalization_of_a_fork() -> None:
    net = image().conv(4, 3, name="c").bn_layer(name="first").relu()
    for name in ("second", "third"):
        net.eltwise([net.last, net.conv(4, 3, name=f"{name}/conv").bn_layer(name=name).last])
    assert affine(net, "first", "second", "third") == [(1, 1), (0.7071, 0), (0.7071, 0)]


# Residual branches

Join = Callable[[Net, "netgen.Blob", "netgen.Blob"], Net]


def plain(net: Net, trunk: netgen.Blob, branch: netgen.Blob) -> Net:
    return net.eltwise([trunk, branch])


def leaky(net: Net, trunk: netgen.Blob, branch: netgen.Blob) -> Net:
    """As in Darknet, whose branches end on a rectifier; the branch comes first."""
    return net.eltwise([net.at(branch).relu(negative_slope=0.1).last, trunk])


def gated(net: Net, trunk: netgen.Blob, branch: netgen.Blob) -> Net:
    """As in SENet."""
    gate = net.at(branch).global_pool().conv(4, 1).sigmoid().flatten().last
    return net.scale(bottom=[branch, gate], axis=0, bias_term=False).eltwise([net.last, trunk])


def axpy(net: Net, trunk: netgen.Blob, branch: netgen.Blob) -> Net:
    gate = net.at(branch).global_pool().conv(4, 1).sigmoid().last
    return net.layer("Axpy", bottom=[gate, branch, trunk])


@pytest.mark.parametrize(("join", "bias"), [(plain, 0), (leaky, 0.5), (gated, 0), (axpy, 0)])
def test_the_last_factors_of_branches_are_damped(join: Join, bias: float) -> None:
    net = unit(image(), "start").relu()
    for i in range(4):
        trunk = net.last
        unit(unit(net, f"a{i}").relu(), f"b{i}")
        branch = net.last
        if not i:  # into another blob
            trunk = unit(net.at(trunk), "projection").last
        join(net, trunk, branch)
    assert affine(net, "start", "projection", "a3") == [(1, 1), (1, 0), (1, 1)]
    assert affine(net, *(f"b{i}" for i in range(4))) == [(0.5, bias)] * 4


def test_what_is_no_branch_is_not_damped() -> None:
    net = unit(image(), "a").relu()
    trunk = net.last
    net.eltwise([trunk, unit(net, "damped").last])
    net.eltwise([trunk, unit(net.at(trunk), "pooled").pool(3, 1, pad=1).last])
    net.eltwise([trunk, unit(net.at(trunk), "product").last], operation="PROD")
    net.eltwise([trunk, unit(net.at(trunk), "learned").conv(4, 1).last])
    net.eltwise([trunk, unit(net.at(trunk), "spread", 1).layer("Tile", tiles=4).last])
    net.eltwise([unit(net.at(trunk), "left").last, unit(net.at(trunk), "right").last])
    assert affine(net, "damped", "pooled") == [(0.7071, 0)] * 2
    assert affine(net, "product", "learned", "spread", "left", "right") == [(1, 0)] * 5


# What it is for


def test_rounding_does_not_grow_in_resnet152() -> None:
    net = netgen.build("resnet152", size=64, channels=64)
    weights = netgen.fill_weights(net)
    given = torch.from_numpy(np.random.default_rng(1).standard_normal((2, 3, 64, 64)))
    mirror = netgen.to_torch(net, weights=calibrate(net, weights))
    with torch.no_grad():
        single = mirror(given.float()).numpy()
        double = mirror.double()(given).numpy()
    assert apart(double, single) < 1e-5
    # It hangs on the image, and no class has it all.
    assert apart(double[0], double[1]) > 0.1
    assert double.max() < 0.1
