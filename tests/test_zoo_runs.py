"""Every network of the zoo at its own size: OpenCV and the mirror agree on each blob, and the mirror passes its check.

Weights are those of ``netgen weights --init calibrated``. None is excused: OpenCV 4.14 has every layer, Reorg too. Most
of what is between the two is its Winograd convolution: of yolov2's largest output it is 3.3e-5 away from the mirror in
double precision, 6e-6 without (``enableWinograd(False)``), and the mirror in single precision 5e-6.
"""

from __future__ import annotations

from collections.abc import Iterator
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

    def ends(self) -> list[str]:
        """The outputs, or what a DetectionOutput reads, as which boxes are left hangs on its last digits."""
        layers = [layer for layer in self.net.layers if layer.type != "DetectionOutput"]
        read = {name for layer in layers for name in layer.bottoms if name not in layer.tops}
        return [top for layer in layers for top in layer.tops if top not in read]


@pytest.fixture
def run(name: str, tmp_path: Path) -> Iterator[Run]:
    net = netgen.build(name)
    prototxt, caffemodel = tmp_path / "net.prototxt", tmp_path / "net.caffemodel"
    net.save(prototxt)
    netgen.save_weights(calibrate(net, netgen.fill_weights(net)), caffemodel, net)
    image = np.random.default_rng(1).standard_normal(netgen.infer_shapes(net)["data"]).astype(np.float32)
    yield Run(net, image, str(prototxt), str(caffemodel))
    caffemodel.unlink()  # all of them are 4 GB


@pytest.mark.parametrize("name", MODULES)
def test_opencv_and_the_mirror_agree(run: Run) -> None:
    makers = run.makers()
    mirror = netgen.run(run.net, {"data": run.image}, run.caffemodel)
    detected = makers.pop("detection_out", None)
    assert all(np.ptp(mirror[blob]) > 0 for blob in makers)

    # Layer by layer: a fused layer leaves no blob.
    reader = run.reader()
    reader.enableFusion(False)
    names = [*makers.values(), *([detected] if detected else [])]
    opencv = dict(zip([*makers, "detection_out"], reader.forward(names), strict=False))
    far = {blob: apart(mirror[blob], opencv[blob]) for blob in makers}
    assert max(far.values()) < 1e-4, max(far, key=far.__getitem__)
    # As OpenCV runs it unless told otherwise.
    ends = dict.fromkeys(run.ends())
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
    monkeypatch.setattr(checking, "_timed", lambda found, *_, **__: found)  # what it takes is not asked for
    found = checking.check(netgen.build(name))
    assert found.differences == ()
    assert found.flops == found.torch_flops > 0
