"""From a picture to its boxes, in Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import netgen
from netgen.detection.drawing import colour_of, draw
from netgen.detection.preparation import DARKNET, MOBILENET_SSD
from netgen.mirror.detecting import Detections, _from_rows
from netgen.mirror.heads import decode_heads, nms_sort
from tests.detectors import CFG, TINY, picture, ssd, tiny
from tests.test_mirror_truth import case_files, cases

if TYPE_CHECKING:
    from tests.truth import Array


def by_hand(image: Array, thresh: float) -> netgen.Detections:
    """The same boxes, step by step."""
    net, weights = tiny()
    heads = netgen.heads("yolov3_tiny", **TINY)
    blobs = netgen.run(net, {"data": image}, weights)
    outputs = {name: torch.from_numpy(values) for name, values in blobs.items()}
    found = nms_sort(decode_heads(heads, outputs, (64, 96), thresh), 0.45)
    found = found.of(found.scores.amax(1) > 0)
    return Detections(*(each.numpy() for each in found))


def test_yolo_on_a_picture() -> None:
    net, weights = tiny()
    heads = netgen.heads("yolov3_tiny", **TINY)
    found = netgen.detect(net, picture(), weights, heads=heads, thresh=0.2)
    wanted = by_hand(DARKNET.apply(picture(), 96, 64), 0.2)
    assert len(found) == len(wanted) > 3
    order = np.argsort(-wanted.scores.max(1), kind="stable")
    # 60 x 100 in 64 x 96 is 57 x 96
    boxes = wanted.boxes[order].astype(np.float64)
    boxes[:, 1] = (boxes[:, 1] - (64 - 57) / 2 / 64) * 64 / 57
    boxes[:, 3] *= 64 / 57
    np.testing.assert_allclose(found.boxes, boxes, rtol=1e-5, atol=1e-6)
    assert (found.scores == wanted.scores[order]).all()
    assert (found.labels == found.scores.argmax(1)).all()
    assert {array.dtype for array in (found.boxes, found.objectness, found.scores)} == {np.dtype(np.float32)}


def test_a_prepared_input_is_taken_as_it_is() -> None:
    net, weights = tiny()
    detector = netgen.Detector(net, weights, heads=netgen.heads("yolov3_tiny", **TINY), thresh=0.2)
    image = DARKNET.apply(picture(), 96, 64)
    found, wanted = detector(image), by_hand(image, 0.2)
    assert (np.sort(found.boxes, 0) == np.sort(wanted.boxes, 0)).all()
    assert (np.diff(found.scores.max(1)) <= 0).all()
    assert len(detector(image.astype(np.float64))) == len(found)
    with pytest.raises(netgen.UsageError, match="must be of one image, 1 x C x H x W, got 2x3x64x96"):
        detector(np.concatenate([image, image]))


def test_all_kinds_of_pictures_give_the_same(tmp_path: Path) -> None:
    net, weights = tiny()
    detector = netgen.Detector(net, weights, heads=netgen.heads("yolov3_tiny", **TINY), thresh=0.2)
    Image.fromarray(picture()).save(tmp_path / "in.png")
    found = [detector(each) for each in (picture(), Image.fromarray(picture()), tmp_path / "in.png")]
    assert len(found[0]) > 3
    assert all((each.boxes == found[0].boxes).all() for each in found)


def test_the_forks_layer_finds_the_same_boxes() -> None:
    """MobileNet-YOLO's layer in the network, for a picture as large as the input: its rows, its suppression."""
    weights, square = tiny()[1], {**TINY, "size": 96}
    rows = netgen.Detector(netgen.build("yolov3_tiny", detection=True, **square), weights, thresh=0.2)
    assert rows.preparation == DARKNET
    plain = netgen.build("yolov3_tiny", **square)
    heads = netgen.Detector(plain, weights, heads=netgen.heads("yolov3_tiny", **TINY), thresh=0.2, nms=1.0)
    found, wanted = rows(picture()), heads(picture())
    assert found.scores.shape[1] == 3
    assert len(found) > 3
    for box, scores in zip(found.boxes, found.scores, strict=True):
        label = scores.argmax()
        near = np.abs(wanted.boxes - box).max(1) < 1e-4
        assert np.abs(wanted.scores[near, label] - scores[label]).min() < 1e-5


def test_ssd_against_opencv(tmp_path: Path) -> None:
    net, weights = ssd()
    net.save(tmp_path / "net.prototxt")
    netgen.save_weights(weights, tmp_path / "net.caffemodel", net)
    detector = netgen.Detector(net, weights, thresh=0.3)
    assert detector.preparation == MOBILENET_SSD
    found = detector(picture())
    reader = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel"))
    blue_first = np.ascontiguousarray(picture()[:, :, ::-1])
    reader.setInput(cv2.dnn.blobFromImage(blue_first, 0.007843, (300, 300), (127.5, 127.5, 127.5)))
    rows = reader.forward()[0, 0]
    rows = rows[rows[:, 2] > 0.3]
    assert len(found) == len(rows) > 3
    rows = rows[np.argsort(-rows[:, 2], kind="stable")]
    assert (found.labels == rows[:, 1]).all()
    np.testing.assert_allclose(found.scores.max(1), rows[:, 2], rtol=1e-4)
    corners = np.concatenate(
        [found.boxes[:, :2] - found.boxes[:, 2:] / 2, found.boxes[:, :2] + found.boxes[:, 2:] / 2], 1
    )
    np.testing.assert_allclose(corners, rows[:, 3:], atol=1e-4)
    assert (found.objectness == 1).all()
    assert ((found.scores > 0).sum(1) == 1).all()


@pytest.mark.parametrize("name", [name for name in cases() if name.startswith("detout")])
def test_rows_of_real_caffe(name: str) -> None:
    _, arrays = case_files(name)
    (key,) = (key for key in arrays if key.startswith("out:"))
    found = _from_rows(torch.from_numpy(arrays[key]), 30, 0, 0.1)
    rows = [row for row in arrays[key].reshape(-1, 7) if row[1] >= 0 and row[2] > 0.1]
    assert len(found.boxes) == len(rows)
    for box, scores, (_, label, score, left, top, right, bottom) in zip(*found[::2], rows, strict=True):
        middle = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
        assert box.tolist() == pytest.approx(middle, rel=1e-5, abs=1e-6)
        assert scores[int(label)] == score


def test_darknets_files(tmp_path: Path) -> None:
    cfg = tmp_path / "net.cfg"
    cfg.write_text(CFG, encoding="utf-8")
    weights = np.random.default_rng(5).standard_normal(14 * 3 * 4 + 14).astype(np.float32)
    (tmp_path / "net.weights").write_bytes(np.array([0, 2, 0, 0, 0], np.int32).tobytes() + weights.tobytes())
    made = netgen.load_darknet(cfg, tmp_path / "net.weights")
    found = netgen.Detector(made, thresh=0.3)(picture())
    assert len(found) > 3
    warped = netgen.Detector(made, thresh=0.3, fork=True)
    assert warped.preparation is not None
    assert warped.preparation.resize == "warp"
    assert warped.beta == 0.6
    assert (warped(picture()).boxes.shape != found.boxes.shape) or (warped(picture()).boxes != found.boxes).any()


def test_a_drawn_box() -> None:
    found = Detections(
        np.array([[0.5, 0.6, 0.4, 0.4]], np.float32), np.ones(1, np.float32), np.array([[0, 0.875]], np.float32)
    )
    got = np.asarray(draw(np.zeros((400, 500, 3), np.uint8), found, ["cat", "dog"]))
    colour = np.array(colour_of(1))
    frame = np.zeros((400, 500), bool)
    frame[160:320, 150:350] = True
    frame[162:318, 152:348] = False  # 0.6% of 400 rows: 2 pixels wide
    assert (got[frame] == colour).all()
    outside = ~frame
    outside[:160] = False  # where the label is
    assert not got[outside].any()
    label = (got[100:160] == colour).all(-1)
    assert label[:, :150].sum() == 0
    assert label[:, 150:250].sum() > 100
    assert not got[:140].any()


def test_boxes_beyond_the_edges() -> None:
    boxes = np.array([[0.0, 0.0, 9.0, 9.0], [2.0, 2.0, 0.1, 0.1], [0.5, 0.5, np.inf, 0.1]], np.float32)
    found = Detections(boxes[:2], np.ones(2, np.float32), np.full((2, 1), 0.5, np.float32))
    got = np.asarray(draw(np.zeros((40, 50, 3), np.uint8), found))
    assert (got[0, -1] == colour_of(0)).all()
    assert (got[-1, -1] == colour_of(0)).all()
    wide = Detections(boxes[2:], np.ones(1, np.float32), np.full((1, 1), 0.5, np.float32))
    assert (np.asarray(draw(np.zeros((40, 50, 3), np.uint8), wide))[20, 0] == colour_of(0)).all()
