"""BatchNorm, Scale and Bias folded into the layers before them: the same outputs from fewer layers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import netgen
from netgen.cli import main
from tests.truth import apart

if TYPE_CHECKING:
    from netgen.weights import Weights

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 4 dim: 5 dim: 5 } } } '
BN = 'layer { name: "n" type: "BatchNorm" bottom: "x" top: "x" }'
SCALE = 'layer { name: "s" type: "Scale" bottom: "x" top: "x" scale_param { bias_term: true } }'
PLAIN_SCALE = 'layer { name: "s" type: "Scale" bottom: "x" top: "x" }'
BIAS = 'layer { name: "b" type: "Bias" bottom: "x" top: "x" }'
RELU = 'layer { name: "r" type: "ReLU" bottom: "x" top: "x" }'


def conv(type: str = "Convolution", fields: str = "kernel_size: 3", more: str = "") -> str:
    return (
        f'layer {{ name: "c" type: "{type}" bottom: "data" top: "x" {more} '
        f"convolution_param {{ num_output: 6 {fields} }} }}"
    )


def fc(fields: str = "") -> str:
    return (
        'layer { name: "c" type: "InnerProduct" bottom: "data" top: "x" '
        f"inner_product_param {{ num_output: 6 {fields} }} }}"
    )


ROOTS = {
    "conv": conv(),
    "conv without bias": conv(fields="kernel_size: 3 bias_term: false"),
    "conv with groups": conv(fields="kernel_size: 3 group: 2 pad: 1 stride: 2"),
    "conv along one axis": conv(fields="kernel_h: 3 kernel_w: 1 dilation: 2"),
    "deconv": conv("Deconvolution"),
    "deconv with groups": conv("Deconvolution", "kernel_size: 3 group: 2 stride: 2 bias_term: false"),
    "fc": fc(),
    "fc without bias": fc("bias_term: false"),
    "fc transposed": fc("transpose: true"),
    "fc transposed without bias": fc("transpose: true bias_term: false"),
}
TAILS = {
    "bn": BN,
    "bn, scale": BN + SCALE,
    "bn, scale without bias": BN + PLAIN_SCALE,
    "scale": SCALE,
    "bias": BIAS,
    "all": BN + PLAIN_SCALE + BIAS + SCALE.replace('"s"', '"s2"'),
}


def net_of(*layers: str) -> netgen.Net:
    return netgen.parse_prototxt(INPUT + "".join(layers))


def drawn(net: netgen.Net, seed: int = 3) -> Weights:
    """Weights of which each matters: variances above 0, a factor that is not 1."""
    rng = np.random.default_rng(seed)
    weights = {key: rng.standard_normal(shape, np.float32) for key, shape in netgen.expected_weights(net).items()}
    for key, array in weights.items():
        if key in ("n:1", "n:2", "n2:1", "n2:2"):
            weights[key] = np.abs(array) + np.float32(0.5)
    return weights


def outputs(net: netgen.Net, weights: Weights, blobs: Any = "all") -> dict[str, Any]:
    pytest.importorskip("torch")
    data = np.random.default_rng(1).standard_normal((2, 4, 5, 5)).astype(np.float32)
    return netgen.run(net, {"data": data}, weights, blobs)


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("tail", TAILS)
def test_folded_it_gives_the_same(root: str, tail: str) -> None:
    net = net_of(ROOTS[root], TAILS[tail], RELU)
    weights = drawn(net)
    folded = netgen.fold(net, weights)
    gone = [layer.name for layer in net.layers if layer.type in ("BatchNorm", "Scale", "Bias")]
    assert list(folded.folded) == gone
    assert folded.kept == {}
    assert [layer.name for layer in folded.net.layers] == ["data", "c", "r"]
    assert {key: array.shape for key, array in folded.weights.items()} == netgen.expected_weights(folded.net)
    assert list(folded.weights) == ["c:0", "c:1"]
    before, after = outputs(net, weights), outputs(folded.net, folded.weights)
    assert apart(before["x"], after["x"]) <= 1e-5


@pytest.mark.parametrize("root", ROOTS)
def test_opencv_gives_the_same_of_what_was_folded(root: str, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    if "transpose" in root:
        pytest.skip("OpenCV 4.14 does not read inner_product_param's transpose")
    net = net_of(ROOTS[root], BN, SCALE, RELU)
    weights = drawn(net)
    expected = outputs(net, weights)["x"]
    folded = netgen.fold(net, weights)
    folded.net.save(tmp_path / "f.prototxt")
    netgen.save_weights(folded.weights, tmp_path / "f.caffemodel", folded.net)
    reader = cv2.dnn.readNetFromCaffe(str(tmp_path / "f.prototxt"), str(tmp_path / "f.caffemodel"))
    reader.setInput(np.random.default_rng(1).standard_normal((2, 4, 5, 5)).astype(np.float32))
    assert apart(expected, reader.forward()) <= 1e-5


READER = 'layer { name: "reader" type: "Sigmoid" bottom: "y" top: "z" }'
KEPT: dict[str, tuple[str, dict[str, str]]] = {
    "an input before it": (
        'layer { name: "n" type: "BatchNorm" bottom: "data" top: "x" }',
        {"n": "its bottom is an input of the network"},
    ),
    "no weights before it": (
        'layer { name: "p" type: "ReLU" bottom: "data" top: "x" }' + BN + SCALE,
        {
            "n": "layer 'p' (ReLU) before it has no weights that could take it",
            "s": "layer 'n' (BatchNorm) before it has no weights that could take it",
        },
    ),
    "another reader": (
        conv().replace('top: "x"', 'top: "y"') + BN.replace('bottom: "x"', 'bottom: "y"') + READER,
        {"n": "layer 'reader' (Sigmoid) reads its bottom, too"},
    ),
    "statistics of the batch": (
        conv() + BN.replace("}", "batch_norm_param { use_global_stats: false } }"),
        {"n": "it normalizes by the statistics of the batch (use_global_stats: false)"},
    ),
    "shared weights": (
        conv(more='param { name: "w" }') + BN,
        {"n": "layer 'c' (Convolution) before it shares its weights with others"},
    ),
    "along another axis": (
        conv() + 'layer { name: "s" type: "Scale" bottom: "x" top: "x" scale_param { axis: 2 } }',
        {"s": "its weights (3) are not one for each channel of 2x6x3x3"},
    ),
    "two bottoms": (
        conv() + 'layer { name: "f" type: "Pooling" bottom: "x" top: "f" pooling_param { global_pooling: true } } '
        'layer { name: "g" type: "Flatten" bottom: "f" top: "g" } '
        'layer { name: "s" type: "Scale" bottom: "x" bottom: "g" top: "y" scale_param { axis: 0 } }',
        {"s": "its factors are a blob"},
    ),
    "inner product with an axis": (
        fc("axis: 2") + PLAIN_SCALE,
        {"s": "layer 'c' (InnerProduct) before it cannot take it: its outputs are not on axis 1"},
    ),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_cannot_be_folded_stays_and_is_named(case: str) -> None:
    layers, kept = KEPT[case]
    net = net_of(layers)
    weights = drawn(net)
    folded = netgen.fold(net, weights)
    assert folded.folded == ()
    assert list(folded.kept) == list(kept)
    for name, why in kept.items():
        assert folded.kept[name] == why
    assert [layer.name for layer in folded.net.layers] == [layer.name for layer in net.layers]
    assert all(np.array_equal(array, weights[key]) for key, array in folded.weights.items())
    before, after = outputs(net, weights), outputs(folded.net, folded.weights)
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_only_what_lies_behind_the_other_reader_stays() -> None:
    """The blob is read between: what comes before it is folded, what comes after it is not."""
    layers = [
        conv(),
        BN.replace('top: "x"', 'top: "y"'),
        READER,
        'layer { name: "s" type: "Scale" bottom: "y" top: "w" }',
    ]
    net = net_of(*layers)
    weights = drawn(net)
    folded = netgen.fold(net, weights)
    assert folded.folded == ("n",)
    assert folded.kept == {"s": "layer 'reader' (Sigmoid) reads its bottom, too"}
    before, after = outputs(net, weights), outputs(folded.net, folded.weights)
    for name in ("z", "w"):
        assert apart(before[name], after[name]) <= 1e-5


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    net = net_of(conv(), BN, SCALE, RELU, 'layer { name: "n2" type: "BatchNorm" bottom: "x" top: "y" }')
    net.save("n.prototxt")
    weights = drawn(net)
    netgen.save_weights(weights, "w.npz")
    assert main(["fold", "n.prototxt", "--weights", "w.npz", "-o", "f"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "folded 2 layers into those before them",
        "note: layer 'n2' stays: layer 'r' (ReLU) before it has no weights that could take it",
    ]
    found = netgen.load_weights("f.caffemodel")
    assert all(np.array_equal(found[key], array) for key, array in netgen.fold(net, weights).weights.items())
    del weights["s:1"]
    netgen.save_weights(weights, "w.npz")
    for words, code, said in (
        (["--weights", "w.npz", "-o", "g"], 1, "w.npz: the weights do not fit the network: missing: 's:1'"),
        (["--weights", "no.npz", "-o", "g"], 2, "no.npz: no such file"),
        (["-o", "g"], 2, "missing: --weights; 'netgen fold --help'"),
        (["--weights", "f.caffemodel"], 2, "missing: -o/--output; 'netgen fold --help'"),
    ):
        assert main(["fold", "n.prototxt", *words]) == code
        assert capsys.readouterr().err.startswith(f"netgen: {said}")
        assert not Path("g.caffemodel").exists()
        assert not Path("g.prototxt").exists()


def test_values_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    net = net_of(conv(), BN, SCALE)
    weights = drawn(net)
    weights["n:1"][:2] *= -1
    folded = netgen.fold(net, weights)
    assert folded.kept["n"] == "of 2 of its 6 channels the variance is below 0"
    monkeypatch.chdir(tmp_path)
    net.save("n.prototxt")
    weights["n:1"] = np.abs(weights["n:1"])
    weights["s:0"][1] = np.nan
    netgen.save_weights(weights, "w.npz")
    assert main(["fold", "n.prototxt", "--weights", "w.npz", "-o", "f"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "note: w.npz: weight 's:0': 1 of 6 values are NaN or infinite",
        "folded 2 layers into those before them",
    ]
    assert np.isnan(netgen.load_weights("f.caffemodel")["c:0"]).sum() == 4 * 9


def test_the_files_that_are_read_are_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    net = net_of(conv(), BN)
    net.save("n.prototxt")
    netgen.save_weights(drawn(net), "n.caffemodel", net)
    before = Path("n.caffemodel").read_bytes()
    for prefix in ("n", "./n", "n.prototxt"):
        assert main(["fold", "n.prototxt", "--weights", "n.caffemodel", "-o", prefix]) == 2
        rule = "would replace n.prototxt, which is read here; choose another PREFIX\n"
        assert capsys.readouterr().err.endswith(rule)
    assert Path("n.caffemodel").read_bytes() == before
    assert main(["fold", "n.prototxt", "--weights", "n.caffemodel", "-o", "m.prototxt"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"n.prototxt", "n.caffemodel", "m.prototxt", "m.caffemodel"}
