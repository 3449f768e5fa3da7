"""C3D's layers in the mirror, against plain loops over every place of every window."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen
from tests.mirrors import mirror_of

torch: Any = pytest.importorskip("torch")

Array = np.ndarray[Any, np.dtype[np.float64]]
Window = tuple[tuple[int, int, int], ...]
"""Kernel, stride and pad of length, height and width."""
LEAST = float(np.finfo(np.float32).min)


def values(seed: int, *shape: int) -> Array:
    """Numbers that float32 holds, as weights are."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32).astype(float)


def places(window: Window, at: tuple[int, ...]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The places of one window: in the filter, and in the blob that it slides over, beyond which they may lie."""
    inside = product(*(range(kernel) for kernel, _, _ in window))
    steps = [(stride, pad) for _, stride, pad in window]
    return [
        (each, tuple(i * stride - pad + k for i, (stride, pad), k in zip(at, steps, each, strict=True)))
        for each in inside
    ]


def within(at: tuple[int, ...], sizes: tuple[int, ...]) -> bool:
    return all(0 <= i < size for i, size in zip(at, sizes, strict=True))


def convolved(
    bottom: Array, weight: Array, bias: Array | None, window: Window, sizes: tuple[int, ...], grad: Array
) -> list[Array]:
    """The top, and the gradients of bottom, weight and bias."""
    top = np.zeros((len(bottom), len(weight), *sizes))
    to_bottom, to_weight = np.zeros_like(bottom), np.zeros_like(weight)
    for n, o, *at in np.ndindex(*top.shape):
        for inside, where in places(window, tuple(at)):
            if within(where, bottom.shape[2:]):
                top[n, o, *at] += bottom[n, :, *where] @ weight[o, :, *inside]
                to_bottom[n, :, *where] += grad[n, o, *at] * weight[o, :, *inside]
                to_weight[o, :, *inside] += grad[n, o, *at] * bottom[n, :, *where]
    if bias is not None:
        top += bias.reshape(1, -1, 1, 1, 1)
    return [top, to_bottom, to_weight, grad.sum((0, 2, 3, 4)).reshape(1, 1, 1, 1, -1)]


def spread(
    bottom: Array, weight: Array, bias: Array | None, window: Window, sizes: tuple[int, ...], grad: Array
) -> list[Array]:
    """The same of the transpose."""
    top = np.zeros((len(bottom), weight.shape[1], *sizes))
    to_bottom, to_weight = np.zeros_like(bottom), np.zeros_like(weight)
    for n, c, *at in np.ndindex(*bottom.shape):
        for inside, where in places(window, tuple(at)):
            if within(where, sizes):
                top[n, :, *where] += bottom[n, c, *at] * weight[c, :, *inside]
                to_bottom[n, c, *at] += grad[n, :, *where] @ weight[c, :, *inside]
                to_weight[c, :, *inside] += grad[n, :, *where] * bottom[n, c, *at]
    if bias is not None:
        top += bias.reshape(1, -1, 1, 1, 1)
    return [top, to_bottom, to_weight, grad.sum((0, 2, 3, 4)).reshape(1, 1, 1, 1, -1)]


def pooled(bottom: Array, window: Window, sizes: tuple[int, ...], grad: Array, method: str) -> list[Array]:
    """The top and the gradient of the bottom."""
    top, to_bottom = np.zeros((*bottom.shape[:2], *sizes)), np.zeros_like(bottom)
    ends = [size + pad for size, (_, _, pad) in zip(bottom.shape[2:], window, strict=True)]
    for n, c, *at in np.ndindex(*top.shape):
        seen = places(window, tuple(at))
        spans = [
            min(i * stride - pad + kernel, end) - (i * stride - pad)
            for i, end, (kernel, stride, pad) in zip(at, ends, window, strict=True)
        ]
        found = [where for _, where in seen if within(where, bottom.shape[2:])]
        if method == "AVE":
            volume = float(np.prod(spans))
            total = sum(bottom[n, c, *where] for where in found)
            top[n, c, *at] = total / volume if volume else np.nan
        else:
            best = LEAST
            for where in found:
                best = max(best, bottom[n, c, *where])
            top[n, c, *at] = best
        for where in found:
            share = 1 / volume if method == "AVE" else float(bottom[n, c, *where] == top[n, c, *at])
            to_bottom[n, c, *where] += grad[n, c, *at] * share
    return [top, to_bottom]


def fields(window: Window, message: str, **more: Any) -> str:
    (depth, step, before), (kernel, stride, pad), _ = window
    given = {"kernel_size": kernel, "stride": stride, "pad": pad, "kernel_depth": depth, "temporal_stride": step}
    given |= {"temporal_pad": before} if "convolution" in message else {}
    return f"{message} {{ {' '.join(f'{name}: {value}' for name, value in (given | more).items())} }}"


def window_of(depth: tuple[int, int, int], side: tuple[int, int, int]) -> Window:
    return depth, side, side


def close(found: Any, expected: Array) -> None:
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-12, atol=1e-12)


CONVOLUTIONS = [
    ("convolution_param", window_of((3, 1, 1), (3, 1, 1)), (4, 5, 4), (4, 5, 4), {}),
    ("convolution_param", window_of((2, 3, 0), (3, 2, 1)), (6, 5, 6), (2, 3, 3), {"filter_group": 2}),
    ("convolution3d_param", window_of((2, 1, 2), (1, 2, 0)), (2, 4, 5), (5, 2, 3), {"bias_term": "false"}),
    # C++ rounds -1 / 2 to 0: a window beyond the bottom, where zeros are.
    ("convolution3d_param", window_of((4, 2, 0), (2, 1, 0)), (3, 3, 2), (1, 2, 1), {"filter_group": 4}),
]


@pytest.mark.parametrize(("message", "window", "sizes", "tops", "more"), CONVOLUTIONS)
def test_convolution(message: str, window: Window, sizes: Any, tops: Any, more: dict[str, Any]) -> None:
    layer = f'type: "Convolution3D" {fields(window, message, num_output=4, **more)}'
    compare(layer, convolved, (4, 3), window, sizes, tops, bias="bias_term" not in more)


TRANSPOSED = [
    ("convolution_param", window_of((2, 2, 0), (3, 2, 1)), (2, 3, 2), (4, 5, 3), {}),
    ("convolution_param", window_of((3, 1, 1), (2, 3, 0)), (3, 2, 2), (3, 5, 5), {"bias_term": "false"}),
    ("convolution3d_param", window_of((1, 2, 0), (4, 2, 1)), (2, 2, 3), (3, 4, 6), {"filter_group": 3}),
]


@pytest.mark.parametrize(("message", "window", "sizes", "tops", "more"), TRANSPOSED)
def test_deconvolution(message: str, window: Window, sizes: Any, tops: Any, more: dict[str, Any]) -> None:
    layer = f'type: "Deconvolution3D" {fields(window, message, num_output=4, **more)}'
    compare(layer, spread, (3, 4), window, sizes, tops, bias="bias_term" not in more)


def compare(layer: str, reference: Any, channels: Any, window: Window, sizes: Any, tops: Any, *, bias: bool) -> None:
    bottom, weight = values(0, 2, 3, *sizes), values(1, *channels, *(kernel for kernel, _, _ in window))
    term, grad = values(2, 1, 1, 1, 1, 4), values(3, 2, 4, *tops)
    mirror = mirror_of(layer, bottom.shape).double()
    mirror.load_caffe_weights({"it:0": weight, **({"it:1": term} if bias else {})})
    given = torch.from_numpy(bottom).requires_grad_()
    top = mirror(given)
    top.backward(torch.from_numpy(grad))
    expected = reference(bottom, weight, term if bias else None, window, tops, grad)
    found = [top, given.grad, *(parameter.grad for parameter in mirror.parameters())]
    assert len(found) == 3 + bias
    for each, wanted in zip(found, expected, strict=False):
        assert each.shape == wanted.shape
        close(each, wanted)


def test_a_deconvolution_of_the_second_release_has_the_bias_that_its_message_denies() -> None:
    said = mirror_of(
        'type: "Deconvolution3D" convolution3d_param { num_output: 2 kernel_size: 1 kernel_depth: 1 bias_term: false }',
        (1, 3, 1, 1, 1),
    )
    assert {key: each.shape for key, each in said.caffe_weights().items()} == {
        "it:0": (3, 2, 1, 1, 1),
        "it:1": (1, 1, 1, 1, 2),
    }


POOLS = [
    ("MAX", "pooling_param", window_of((2, 2, 0), (2, 2, 0)), (4, 6, 6), (2, 3, 3)),
    ("MAX", "pooling3d_param", window_of((1, 1, 0), (3, 2, 0)), (2, 6, 7), (2, 3, 3)),
    # Strides beyond the kernel: the last windows lie beyond the bottom.
    ("MAX", "pooling_param", window_of((1, 3, 0), (2, 5, 0)), (5, 8, 6), (3, 3, 2)),
    ("AVE", "pooling_param", window_of((2, 2, 0), (3, 2, 1)), (5, 6, 7), (3, 4, 4)),
    ("AVE", "pooling3d_param", window_of((3, 1, 0), (2, 1, 3)), (4, 3, 2), (2, 8, 7)),
    ("AVE", "pooling_param", window_of((1, 3, 0), (2, 5, 1)), (5, 8, 6), (3, 3, 3)),
]


@pytest.mark.parametrize(("method", "message", "window", "sizes", "tops"), POOLS)
def test_pooling(method: str, message: str, window: Window, sizes: Any, tops: Any) -> None:
    # Of few different values, so that windows have several maxima.
    bottom, grad = np.round(values(4, 2, 3, *sizes)), values(5, 2, 3, *tops)
    found, given = pool(method, message, window, bottom, grad)
    top, to_bottom = pooled(bottom, window, tops, grad, method)
    close(found, top)
    close(given.grad, to_bottom)


def pool(method: str, message: str, window: Window, bottom: Array, grad: Array) -> tuple[Any, Any]:
    mirror = mirror_of(f'type: "Pooling3D" {fields(window, message, pool=method)}', bottom.shape)
    given = torch.from_numpy(bottom).requires_grad_()
    top = mirror(given)
    assert top.shape == grad.shape
    top.backward(torch.from_numpy(grad))
    return top, given


def test_all_maxima_of_a_window_get_its_gradient() -> None:
    # pool3d_layer.cpp, Backward: bottom_diff += top_diff (bottom == top), where Pooling remembers one place.
    _, given = pool(
        "MAX", "pooling_param", window_of((2, 2, 0), (2, 2, 0)), np.ones((1, 1, 2, 2, 2)), np.full((1,) * 5, 3.0)
    )
    assert given.grad.flatten().tolist() == [3.0] * 8


def test_a_maximum_passes_over_nan_and_minus_infinity() -> None:
    bottom = np.array([np.nan, 2, -np.inf, np.nan, np.nan, -np.inf, np.inf, 1]).reshape(1, 1, 4, 1, 2)
    window = window_of((1, 1, 0), (2, 2, 0))
    top, given = pool("MAX", "pooling_param", window, bottom, np.ones((1, 1, 4, 1, 1)))
    assert top.flatten().tolist() == [2, LEAST, LEAST, np.inf]
    assert given.grad.flatten().tolist() == [0, 1, 0, 0, 0, 0, 1, 0]


def test_relu_after_a_window_beyond_the_bottom_is_told_so() -> None:
    net = netgen.parse_prototxt(
        """layer { name: "data" type: "Input" top: "a" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 1 dim: 1 } } }
        layer { name: "p" type: "Pooling3D" bottom: "a" top: "p"
                pooling_param { kernel_size: 1 kernel_depth: 1 temporal_stride: 2 } }
        layer { name: "r" type: "ReLU" bottom: "p" top: "r" }"""
    )
    mirror = netgen.to_torch(net)
    assert mirror.program.steps[-1].module.overflows


def test_weights_come_back_from_a_file(tmp_path: Path) -> None:
    layer = 'type: "Convolution3D" convolution_param { num_output: 4 kernel_size: 3 kernel_depth: 2 }'
    mirrors = [mirror_of(layer, (1, 3, 4, 4, 4)) for _ in range(2)]
    weights = {"it:0": values(6, 4, 3, 2, 3, 3).astype(np.float32), "it:1": values(7, 1, 1, 1, 1, 4).astype(np.float32)}
    mirrors[0].load_caffe_weights(weights)
    mirrors[0].save(tmp_path / "c3d.caffemodel")
    saved = netgen.load_weights(tmp_path / "c3d.caffemodel")
    assert {key: each.shape for key, each in saved.items()} == {key: each.shape for key, each in weights.items()}
    mirrors[1].load(tmp_path / "c3d.caffemodel")
    for key, each in mirrors[1].caffe_weights().items():
        np.testing.assert_array_equal(each, weights[key])


SMALL = """
layer { name: "data" type: "Input" top: "a" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 8 dim: 8 } } }
layer { name: "c" type: "Convolution3D" bottom: "a" top: "c"
        convolution_param { num_output: 4 kernel_size: 3 kernel_depth: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
layer { name: "p" type: "Pooling3D" bottom: "c" top: "p" pooling_param { kernel_size: 2 kernel_depth: 1 stride: 2 } }
layer { name: "m" type: "Pooling3D" bottom: "p" top: "m"
        pooling_param { pool: AVE kernel_size: 2 kernel_depth: 2 stride: 2 pad: 1 } }
"""


@pytest.mark.parametrize("lacks_fusion", [False, True])
def test_clips_in_an_optimised_mirror(lacks_fusion: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: Any) -> None:
        raise RuntimeError

    if lacks_fusion:
        monkeypatch.setattr("netgen.mirror.optimised._fused", lacking)
    net = netgen.parse_prototxt(SMALL)
    weights = netgen.fill_weights(net)
    clip = torch.from_numpy(values(8, 2, 3, 4, 8, 8)).float()
    found, expected = (netgen.to_torch(net, weights=weights, optimize=each)(clip) for each in (True, False))
    assert expected.abs().max() > 0.1
    assert (found - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_clips_of_half_precision() -> None:
    net = netgen.parse_prototxt(SMALL)
    weights = netgen.fill_weights(net)
    clip = torch.from_numpy(values(8, 2, 3, 4, 8, 8)).float()
    expected, found = (netgen.to_torch(net, weights=weights)(clip), netgen.to_torch(net, weights=weights).half()(clip))
    assert found.dtype == torch.half
    # Sums of 81 products of numbers with 11 bits.
    assert (found - expected).abs().max() <= 4e-3 * expected.abs().max()
