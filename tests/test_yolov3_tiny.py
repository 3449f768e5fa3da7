"""YOLOv3-tiny with weights, run by OpenCV, against what Darknet computed layer by layer."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import netgen
from netgen.message import to_message


def darknet_weights(truth: dict[str, Any], channels: dict[int, tuple[int, int, int]]) -> dict[str, list[np.ndarray]]:
    """The weights by the recipe of the reference data, as the blobs of the Caffe layers; checked against its sum."""
    blobs: dict[str, list[np.ndarray]] = {}
    stream = [np.array([0, 2, 0, 0, 0], np.int32).tobytes()]
    for i, (outputs, inputs, size) in channels.items():
        rng = np.random.RandomState(truth["seed"] + i)
        name = f"layer{i + 1}"
        biases = (0.1 * rng.standard_normal(outputs)).astype(np.float32)
        norm = []
        if str(i) in truth["calibration"]:
            mean, variance = truth["calibration"][str(i)]
            norm.append((1 + 0.1 * rng.standard_normal(outputs)).astype(np.float32))
            norm.append((mean + 0.1 * np.sqrt(variance) * rng.standard_normal(outputs)).astype(np.float32))
            norm.append((variance * (0.8 + 0.4 * rng.random_sample(outputs))).astype(np.float32))
            blobs[f"{name}-bn"] = [*norm[1:], np.ones(1, np.float32)]
            blobs[f"{name}-scale"] = [norm[0], biases]
        count = inputs * size * size
        weights = (rng.standard_normal(outputs * count) * np.sqrt(2.0 / count)).astype(np.float32)
        blobs[f"{name}-conv"] = [weights.reshape(outputs, inputs, size, size), *([] if norm else [biases])]
        stream += [each.tobytes() for each in (biases, *norm, weights)]
    assert hashlib.sha256(b"".join(stream)).hexdigest() == truth["weights"]["sha256"]
    return blobs


def test_opencv_gives_darknets_numbers(shared: Path, tmp_path: Path) -> None:
    truth = json.loads((shared / "truth" / "darknet" / "nets" / "yolov3-tiny.json").read_text(encoding="utf-8"))
    net = netgen.build("yolov3_tiny")
    shapes = {each.layer.name: each.weights for each in netgen.analyze(net).layers}
    convolutions = {int(name[5:-5]) - 1: shape[0][:3] for name, shape in shapes.items() if name.endswith("-conv")}
    blobs = darknet_weights(truth, convolutions)  # type: ignore[arg-type]
    blobs["layer20-upsample"] = [np.ones(shapes["layer20-upsample"][0], np.float32)]

    message = to_message(net)
    for layer in message.layer:
        for values in blobs.get(layer.name, ()):
            made = layer.blobs.add()
            made.shape.dim.extend(values.shape)
            made.data.extend(values.ravel())
    (tmp_path / "net.caffemodel").write_bytes(message.SerializeToString())
    net.save(tmp_path / "net.prototxt")
    reader = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel"))
    image = np.random.RandomState(truth["seed"] - 1).random_sample((3, 416, 416)).astype(np.float32)
    assert hashlib.sha256(image.tobytes()).hexdigest() == truth["input"]["sha256"]
    reader.setInput(image[None])

    last = {name.split("-")[0]: name for name in reader.getLayerNames()}
    sections = [each for each in truth["builds"]["alexey"]["layers"] if f"layer{each['i'] + 1}" in last]
    assert len(sections) == 21  # all but two yolo sections and a route back
    outputs = reader.forward([last[f"layer{each['i'] + 1}"] for each in sections])
    for section, output in zip(sections, outputs, strict=True):
        assert list(output.shape[1:]) == section["out"]
        # Darknet sums in another order; 1e-4 of a layer's largest value is what its float32 leaves in deep layers.
        largest = max(abs(section["min"]), abs(section["max"]))
        np.testing.assert_allclose(output.ravel()[section["idx"]], section["val"], rtol=0, atol=1e-4 * largest)
        np.testing.assert_allclose(output.std(), section["std"], rtol=1e-4)
