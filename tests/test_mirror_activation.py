"""Activations where torch's own round otherwise, or make another value of what is not finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import netgen
from tests.mirrors import mirror_of

if TYPE_CHECKING:
    from tests.truth import Array

torch = pytest.importorskip("torch")

FLT_MAX = float(np.finfo(np.float32).max)


def caffes_elu(x: Array, alpha: float) -> Array:
    """As elu_layer.cpp has it, a rounding after each operation."""
    one, alpha32 = np.float32(1), np.float32(alpha)
    top: Array = np.maximum(x, 0) + alpha32 * (np.exp(np.minimum(x, 0)) - one)
    return top


@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_elu_rounds_as_caffe_does_where_it_is_nearly_flat(alpha: float) -> None:
    # exp(-16.846) is 4.8e-8, more than half of float32's step above -1, 6e-8, and exp(-17.4) is less than that
    some = np.array([[-17.4, -17.234, -16.846, -1.0, 0.0, 2.5, -np.inf, np.inf]], np.float32)
    values = np.tile(some, 64)  # so many that torch takes its vectors
    got = mirror_of(f'type: "ELU" elu_param {{ alpha: {alpha} }}', (1, 512))(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(got, caffes_elu(values, alpha), rtol=0, atol=1e-7)
    assert list(got[0, :3] > -alpha) == [False, True, True]
    assert got[0, 1] == got[0, 2]


def test_elu_rounds_the_same_where_gradients_are_kept() -> None:
    mirror = mirror_of('type: "ELU" elu_param { alpha: 0.5 }', (1, 320))
    values = torch.tensor([[-17.234, -1.0, 0.0, 2.5, -0.01]]).tile(64)
    kept = values.clone().requires_grad_()
    top = mirror(kept)
    assert torch.equal(top, mirror(values))
    top.sum().backward()
    # elu_layer.cpp: 1 where x is positive, else the top and alpha
    expected = torch.where(values > 0, torch.ones(()), top.detach() + 0.5)
    torch.testing.assert_close(kept.grad, expected)


BEYOND = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 3 dim: 4 } } }
layer { name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { pool: MAX kernel_size: 1 stride: 2 %s } }
layer { name: "twice" type: "Power" bottom: "p" top: "twice" power_param { scale: %g } }
layer { name: "relu" type: "ReLU" bottom: "twice" top: "relu" }
"""


@pytest.mark.parametrize(("scale", "last"), [(2.0, np.nan), (0.5, 0.0), (-2.0, np.inf)])
def test_relu_makes_nan_of_minus_infinity_that_pooling_brings_about(scale: float, last: float) -> None:
    """relu_layer.cpp: max(x, 0) + 0 * min(x, 0). The third window of each row lies beyond, and holds -FLT_MAX."""
    mirror = netgen.to_torch(netgen.parse_prototxt(BEYOND % ("", scale)))
    top = mirror(torch.tensor([-1.0, 2.0, 3.0, 4.0]).expand(1, 1, 3, 4)).numpy()
    values = np.maximum(np.float32(scale) * np.array([-1, 3], np.float32), 0)
    np.testing.assert_array_equal(top, np.array([[[[*values, last]] * 2]], np.float32))
    assert not np.signbit(top[~np.isnan(top)]).any()


@pytest.mark.parametrize(
    "pooling", ["kernel_size: 1 stride: 2 round_mode: FLOOR", "kernel_size: 2 stride: 2", "kernel_size: 1 stride: 1"]
)
def test_relu_is_as_fast_as_ever_where_no_window_lies_beyond(pooling: str) -> None:
    text = (BEYOND % ("", 2)).replace("kernel_size: 1 stride: 2", pooling)
    mirror = netgen.to_torch(netgen.parse_prototxt(text))
    assert not mirror.get_submodule("relu").overflows
    assert mirror.get_submodule("relu")(torch.tensor(-torch.inf)) == 0
