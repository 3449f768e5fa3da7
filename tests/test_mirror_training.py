"""What is trained in PyTorch runs elsewhere: a toy task learned, and OpenCV's answers for the files of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import netgen
from netgen.cli import main
from tests.truth import Array, apart

torch: Any = pytest.importorskip("torch")

if TYPE_CHECKING:
    from pathlib import Path

    from netgen.mirror import Mirror

HEAD = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" include { phase: TRAIN } }'


def task() -> netgen.Net:
    """Whether an image is brighter on the left or on the right, above or below: four classes."""
    net = netgen.Net("task").input(16, 1, 8, 8).conv(8, 3, name="c1", weight_filler="msra").bn(scale=True).relu()
    net.pool(2, 2, name="p1").conv(8, 3, name="c2", group=2, weight_filler="msra").bn(scale=True).relu()
    net.pool(2, 2, name="p2").fc(4, name="score", weight_filler="xavier")
    text = net.to_prototxt().replace(
        'layer {\n  name: "c1"', 'layer { name: "l" type: "Input" top: "label" include { phase: TRAIN } '
        'input_param { shape { dim: 16 } } }\nlayer {\n  name: "c1"', 1
    )  # fmt: skip
    return netgen.parse_prototxt(
        text + HEAD + ' layer { name: "prob" type: "Softmax" bottom: "score" top: "prob" include { phase: TEST } }'
    )


def drawn(seed: int) -> tuple[Any, Any]:
    generator = torch.Generator().manual_seed(seed)
    label = torch.randint(0, 4, (16,), generator=generator)
    image = 0.3 * torch.randn((16, 1, 8, 8), generator=generator)
    for i, kind in enumerate(label.tolist()):
        rows, columns = slice(4 * (kind // 2), 4 * (kind // 2) + 4), slice(4 * (kind % 2), 4 * (kind % 2) + 4)
        image[i, 0, rows, columns] += 1
    return image, label


def test_a_dropout_that_scales_in_testing() -> None:
    # caffe-fast-rcnn, dropout_layer.cpp: what is kept stays as it is in TRAIN, and TEST is times 1 - dropout_ratio.
    net = netgen.Net().input(1, 4000).layer("Dropout", name="d", top="d", dropout_ratio=0.25, scale_train=False)
    ones = torch.ones(1, 4000)
    assert torch.equal(netgen.to_torch(net)(ones), 0.75 * ones)
    assert torch.equal(netgen.to_torch(net, optimize=True)(ones), 0.75 * ones)
    kept = netgen.to_torch(net, "TRAIN")(ones)
    assert set(kept.unique().tolist()) == {0, 1}
    assert abs(float(kept.mean()) - 0.75) < 0.05  # 7 standard deviations


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"dropout_ratio": 1.5}, "dropout_ratio must be 0 or more and less than 1, got 1.5"),
        ({"sqrt_scale": True}, "sqrt_scale of caffe-windows has no mirror"),
    ],
)
def test_a_dropout_that_is_refused(field: dict[str, Any], words: str) -> None:
    net = netgen.Net().input(1, 4).layer("Dropout", name="d", **field)
    with pytest.raises(netgen.NetgenError, match=rf"^layer 'd' \(Dropout\): {words}"):
        netgen.to_torch(net)


@pytest.fixture(scope="module")
def trained() -> Mirror:
    mirror = netgen.to_torch(task(), "TRAIN", seed=1)
    optimizer = torch.optim.SGD(mirror.param_groups(0.05, 5e-4), momentum=0.9)
    losses = []
    for step in range(60):
        image, label = drawn(step)
        optimizer.zero_grad()
        loss: Any = mirror.loss(image, label)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[0] > 1
    assert np.mean(losses[-10:]) < 0.1
    return mirror.eval()


def by_opencv(prototxt: Path, caffemodel: Path, image: Array) -> Array:
    cv2 = pytest.importorskip("cv2")
    net = cv2.dnn.readNetFromCaffe(str(prototxt), str(caffemodel))
    net.setInput(image)
    answer: Array = net.forward()
    return answer


def test_a_trained_mirror_tests_well(trained: Mirror) -> None:
    image, label = drawn(1000)
    assert (trained(image).argmax(1) == label).all()


def test_a_trained_mirror_gives_the_same_in_opencv_folded_too(trained: Mirror, tmp_path: Path) -> None:
    image = drawn(1001)[0]
    expected = trained(image).detach().numpy()
    prototxt, caffemodel = tmp_path / "t.prototxt", tmp_path / "t.caffemodel"
    task().save(tmp_path / "train_test.prototxt")
    assert main([str(tmp_path / "train_test.prototxt"), "--phase", "TEST", "-o", str(prototxt)]) == 0
    trained.save(caffemodel)
    assert apart(expected, by_opencv(prototxt, caffemodel, image.numpy())) <= 1e-5
    again = netgen.to_torch(netgen.load(prototxt), weights=caffemodel)
    assert apart(expected, again(image).detach().numpy()) <= 1e-6  # quotients became sums, and quotients again
    words = ["fold", str(prototxt), "--weights", str(caffemodel), "-o", str(tmp_path / "folded")]
    assert main(words) == 0
    folded = netgen.load(tmp_path / "folded.prototxt")
    assert [layer.type for layer in folded.layers].count("BatchNorm") == 0
    assert (
        apart(expected, by_opencv(tmp_path / "folded.prototxt", tmp_path / "folded.caffemodel", image.numpy())) <= 1e-5
    )
    mirror = netgen.to_torch(folded, weights=tmp_path / "folded.caffemodel")
    assert apart(expected, mirror(image).detach().numpy()) <= 1e-5


def test_peleenet_in_opencv_and_folded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["weights", "peleenet", "--init", "calibrated", "--seed", "2", "-o", "p.caffemodel"]) == 0
    assert main(["peleenet", "-o", "p.prototxt"]) == 0
    assert main(["fold", "peleenet", "--weights", "p.caffemodel", "-o", "folded"]) == 0
    image = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    expected = netgen.run(netgen.build("peleenet"), {"data": image}, "p.caffemodel", ["prob"])["prob"]
    assert 1e-3 < expected.max() < 0.5  # nothing is saturated
    assert apart(expected, by_opencv(tmp_path / "p.prototxt", tmp_path / "p.caffemodel", image)) <= 1e-5
    folded = netgen.load("folded.prototxt")
    assert {layer.type for layer in folded.layers}.isdisjoint({"BatchNorm", "Scale"})
    assert apart(expected, netgen.run(folded, {"data": image}, "folded.caffemodel", ["prob"])["prob"]) <= 1e-5
    answer = by_opencv(tmp_path / "folded.prototxt", tmp_path / "folded.caffemodel", image)
    assert apart(expected, answer) <= 1e-5
