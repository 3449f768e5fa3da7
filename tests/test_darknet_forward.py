"""Networks with weights against what Darknet itself computes, layer by layer."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen

SHARED = os.environ.get("NETGEN_SHARED")
FOLDER = Path(SHARED or "") / "truth/darknet/forward"
CASES: list[dict[str, Any]] = json.loads((FOLDER / "cases.json").read_text(encoding="utf-8"))["cases"] if SHARED else []
FEED_FORWARD = [case for case in CASES if "recurrent" not in case["flags"]]

# What these blobs hold is before the head's own arithmetic; and a cost puts out nothing.
HEADS = ("yolo", "gaussian_yolo", "region", "detection", "cost")

LOWEST = -np.finfo(np.float32).max
TOLERANCE = 1e-4
"""Of the layer's largest value: README.md of the data, for sqrt(variance + 1e-5) against pjreddie's CPU code."""

needs_data = pytest.mark.skipif(not SHARED, reason="NETGEN_SHARED does not name the folder of reference data")


@needs_data
@pytest.mark.parametrize("forks", [False, True], ids=["plain", "forks"])
@pytest.mark.parametrize("case", FEED_FORWARD, ids=lambda case: case["name"])
def test_the_numbers(case: dict[str, Any], forks: bool) -> None:
    if "quirk" in case["flags"] and "lrn" not in case["name"]:
        pytest.skip(f"a fault of Darknet's own CPU code: {case['note']}")
    if "tiny_variance" in case["flags"] and case["build"] == "pjreddie":
        pytest.skip(
            "pjreddie's CPU code adds 1e-6 to the deviation, and its GPU code 1e-5 to the variance, as Caffe does"
        )
    path = FOLDER / case["name"]
    made = netgen.load_darknet(f"{path}.cfg", f"{path}.weights", forks=forks)
    truth = np.load(f"{path}.npz")
    blobs = netgen.run(made.net, {"data": truth["in"][None]}, made.weights, blobs="all")
    for layer in made.layers:
        if layer.type not in HEADS:
            wanted = truth[f"out:{layer.index}"].ravel()
            error = np.abs(blobs[layer.blob].ravel() - wanted).max()
            assert error <= TOLERANCE * np.abs(wanted).max(), (layer.index, layer.type)


def windows(image: np.ndarray[Any, Any], pool: str, size: int, stride: int, padding: int) -> np.ndarray[Any, Any]:
    """Darknet's windows one by one (src/maxpool_layer.c, forward_maxpool_layer)."""
    rows, columns = ((side + padding - size) // stride + 1 for side in image.shape[1:])
    top = np.empty((image.shape[0], rows, columns), np.float32)
    for i in range(rows):
        for j in range(columns):
            y, x = i * stride - padding // 2, j * stride - padding // 2
            cells = image[:, max(y, 0) : max(y + size, 0), max(x, 0) : max(x + size, 0)].reshape(len(image), -1)
            top[:, i, j] = cells.max(1, initial=LOWEST) if pool == "MAX" else cells.mean(1)
    return top


@pytest.mark.parametrize("kind", ["cfg", "layer"])
@pytest.mark.parametrize("pool", ["MAX", "AVE"])
@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [(2, 1, 1), (2, 2, 1), (3, 2, 2), (3, 1, 2), (3, 1, 4), (2, 2, 0), (2, 1, 2), (3, 2, 3), (4, 3, 6)],
)
def test_windows_of_any_padding(kind: str, pool: str, size: int, stride: int, padding: int, tmp_path: Path) -> None:
    net, blob = netgen.Net().input(1, 2, 6, 9), "top"
    if kind == "layer":
        net.layer(
            "DarknetPooling", top=blob, pool=pool, kernel_size=size, stride_h=stride, stride_w=stride, padding=padding
        )
    else:
        section = "maxpool" if pool == "MAX" else "local_avgpool"
        text = f"[net]\nwidth=9\nheight=6\nchannels=2\n[{section}]\n{size=}\n{stride=}\n{padding=}\n"
        (tmp_path / "t.cfg").write_text(text, encoding="utf-8")
        made = netgen.load_darknet(tmp_path / "t.cfg")
        net, blob = made.net, made.blobs[0]
    image = np.random.RandomState(1).randn(1, 2, 6, 9).astype(np.float32)
    top = netgen.run(net, {"data": image}, {}, blobs="all")[blob]
    # Sums of 9 float32 in another order
    np.testing.assert_allclose(top[0], windows(image[0], pool, size, stride, padding), rtol=1e-6, atol=1e-6)


@needs_data
@pytest.mark.parametrize("case", FEED_FORWARD, ids=lambda case: case["name"])
def test_every_weight_has_the_shape_that_caffe_gives_it(case: dict[str, Any]) -> None:
    path = FOLDER / case["name"]
    made = netgen.load_darknet(f"{path}.cfg", f"{path}.weights")
    wanted = {
        f"{each.layer.name}:{i}": shape
        for each in netgen.analyze(made.net).layers
        for i, shape in enumerate(each.weights)
    }
    assert {name: array.shape for name, array in made.weights.items()} == wanted
    assert {array.dtype.name for array in made.weights.values()} <= {"float32"}


def yolov3_tiny(folder: Path, record: dict[str, Any]) -> tuple[Path, Path]:
    """The cfg and the weights that the record was made with, by its recipe (README.md of the data)."""
    cfg = Path(SHARED or "") / "corpus/darknet" / str(record["corpus_cfg"])
    data = [struct.pack("<3iQ", 0, 2, 0, 0)]
    for layer in netgen.load_darknet(cfg).layers:
        runs = dict(layer.runs)
        if runs:
            random = np.random.RandomState(record["seed"] + layer.index)
            n, inputs = runs["b"], runs["w"] // runs["b"]
            arrays = [0.1 * random.standard_normal(n)]
            if "s" in runs:
                mean, variance = (np.asarray(each) for each in record["calibration"][str(layer.index)])
                arrays += [
                    1 + 0.1 * random.standard_normal(n),
                    mean + 0.1 * np.sqrt(variance) * random.standard_normal(n),
                    variance * (0.8 + 0.4 * random.random_sample(n)),
                ]
            arrays.append(random.standard_normal(n * inputs) * np.sqrt(2.0 / inputs))
            data += [array.astype("<f4").tobytes() for array in arrays]
    weights = folder / "yolov3-tiny.weights"
    weights.write_bytes(b"".join(data))
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == record["weights"]["sha256"]
    return cfg, weights


@needs_data
def test_the_whole_of_yolov3_tiny(tmp_path: Path) -> None:
    text = (FOLDER.parent / "nets/yolov3-tiny.json").read_text(encoding="utf-8")
    record = json.loads(text)
    made = netgen.load_darknet(*yolov3_tiny(tmp_path, record))
    image = np.random.RandomState(record["seed"] - 1).random_sample((3, 416, 416)).astype(np.float32)
    blobs = netgen.run(made.net, {"data": image[None]}, made.weights, blobs="all")
    for build in record["builds"].values():
        for truth in build["layers"]:
            if truth["type"] != "yolo":
                values = blobs[made.blobs[truth["i"]]].ravel()[truth["idx"]]
                error = np.abs(values - np.array(truth["val"])).max()
                assert error <= TOLERANCE * max(abs(truth["min"]), abs(truth["max"])), truth["i"]
