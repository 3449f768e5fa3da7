"""Every network of the zoo, run: OpenCV and the mirror agree on each blob, and the mirror passes its check.

The networks are small here, by their arguments, and keep all their layers. Weights are made by the fillers, with
BatchNorm's statistics measured, so that values neither die out nor run off.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from netgen.nets import MODULES

pytest.importorskip("torch")

import netgen
from netgen.mirror import checking
from netgen.mirror.calibration import calibrate
from tests.truth import Array, apart

NARROW = {"size": 64, "width": 0.25}
# OpenCV's PriorBox keeps the fractions of its sizes in pixels, which Caffe's drops: these percentages leave none.
PRIORS = {"size": 260, "classes": 3, "scales": (10, 20, 40, 55, 70, 85, 105)}
SMALL: dict[str, dict[str, Any]] = {
    "lenet": {},
    "alexnet": {"size": 99, "fc_outputs": 64},
    "caffenet": {"size": 99, "fc_outputs": 64},
    "vgg16": {"size": 64, "fc_outputs": 64, "channels": (16, 16, 32, 32, 32)},
    "vgg19": {"size": 64, "fc_outputs": 64, "channels": (16, 16, 32, 32, 32)},
    **{name: {"size": 64, "growth_rate": 8} for name in ("peleenet", "densenet121", "densenet169", "densenet201")},
    **{name: {"size": 64, "channels": 16} for name in ("resnet18", "resnet34")},
    **{name: {"size": 64, "channels": 64} for name in ("resnet50", "resnet101", "resnet152")},
    "se_resnet50": {"size": 64, "channels": 64, "reduction": 4},
    "squeezenet1_0": {"size": 64},
    "squeezenet1_1": {"size": 64},
    "yolov2": NARROW,
    "pelee_ssd": {**PRIORS, "growth_rate": 8},
    "mobilenet_ssd": {"size": 100, "classes": 3, "width": 0.25},
    "ssd300_vgg16": PRIORS,
    "ssd512_vgg16": {**PRIORS, "scales": (10, 20, 30, 45, 60, 75, 90, 105)},
}

BRANCH = re.compile(r"scale\w+_branch2[bc]:0")
"""The factors of residual branches.

With 1 a fresh ResNet-152 turns the rounding of float32 into 1e-3: so far are both the mirror and OpenCV from the mirror
in double precision. Trained ones have small factors (arXiv 1706.02677 begins with 0).
"""
HEADS = ("mbox_loc", "mbox_conf_flatten", "mbox_priorbox")
"""What a DetectionOutput reads."""


class Run(NamedTuple):
    """A network, an input, and its files."""

    net: netgen.Net
    image: Array
    prototxt: str
    caffemodel: str

    def reader(self) -> Any:
        """OpenCV with the network and the input."""
        reader = cv2.dnn.readNetFromCaffe(self.prototxt, self.caffemodel)
        reader.setInput(self.image)
        return reader

    def makers(self) -> dict[str, str]:
        """The layer that writes each blob last, by the blob's name."""
        return {top: layer.name for layer in self.net.layers if layer.bottoms for top in layer.tops}


def made(name: str, folder: Path) -> Run:
    net = netgen.build(name, **SMALL.get(name, NARROW))
    weights = netgen.fill_weights(net)
    for key in filter(BRANCH.fullmatch, weights):
        weights[key] *= np.float32(0.1)
    weights = calibrate(net, weights)
    prototxt, caffemodel = folder / "net.prototxt", folder / "net.caffemodel"
    net.save(prototxt)
    netgen.save_weights(weights, caffemodel, net)
    image = np.random.default_rng(1).standard_normal(netgen.infer_shapes(net)["data"]).astype(np.float32)
    return Run(net, image, str(prototxt), str(caffemodel))


@pytest.mark.parametrize("name", MODULES)
def test_opencv_and_the_mirror_agree(name: str, tmp_path: Path) -> None:
    run = made(name, tmp_path)
    makers = run.makers()
    mirror = netgen.run(run.net, {"data": run.image}, run.caffemodel)
    detected = makers.pop("detection_out", None)
    assert all(np.ptp(mirror[blob]) > 0 for blob in makers)

    # Layer by layer: a fused layer leaves no blob, and Winograd's convolutions have an error of their own.
    reader = run.reader()
    reader.enableFusion(False)
    reader.enableWinograd(False)
    names = [*makers.values(), *([detected] if detected else [])]
    opencv = dict(zip([*makers, "detection_out"], reader.forward(names), strict=False))
    far = {blob: apart(mirror[blob], opencv[blob]) for blob in makers}
    assert max(far.values()) < 1e-4, max(far, key=far.__getitem__)
    # As OpenCV runs it unless told otherwise.
    ends = HEADS if detected else netgen.to_torch(run.net).outputs
    fast = run.reader().forward([makers[blob] for blob in ends])
    assert max(apart(mirror[blob], got) for blob, got in zip(ends, fast, strict=True)) < 1e-4
    if detected:
        compare_detections(run.net, opencv)


def compare_detections(net: netgen.Net, blobs: dict[str, Array]) -> None:
    """DetectionOutput on OpenCV's own boxes and scores, as which ones are left hangs on their last digits."""
    layer = net.layers["detection_out"]
    alone = netgen.Net()
    for each in layer.bottoms:
        alone.input(*blobs[each].shape, name=each)
    params = {key: value for key, value in layer.params.items() if key != "include"}
    alone.layer(layer.type, name="found", bottom=list(layer.bottoms), **params)
    found = netgen.run(alone, {each: blobs[each] for each in layer.bottoms}, {})["found"]
    expected = blobs["detection_out"]
    assert found.shape == expected.shape == (1, 1, layer.params["detection_output_param"]["keep_top_k"], 7)
    np.testing.assert_allclose(in_order(found), in_order(expected), rtol=0, atol=1e-6)


def in_order(found: Array) -> Array:
    """The detections by class and score: OpenCV gives the best of all classes first."""
    rows = found.reshape(-1, 7)
    return rows[np.lexsort((rows[:, 2], rows[:, 1]))]


@pytest.mark.parametrize("name", MODULES)
def test_the_mirror_passes_its_check(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_PASSES", 1)  # its time is not asked for
    found = checking.check(netgen.build(name, **SMALL.get(name, NARROW)))
    assert found.differences == ()
    assert found.flops == found.torch_flops > 0
