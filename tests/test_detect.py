"""From a picture to its boxes, in Python and on the command line."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

import netgen
from netgen.cli import main
from netgen.detection.drawing import colour_of, draw
from netgen.detection.heads import heads_with
from netgen.detection.preparation import DARKNET, MOBILENET_SSD
from netgen.mirror.detecting import Detections, _from_rows
from netgen.mirror.heads import decode_heads, nms_sort
from tests.test_mirror_truth import case_files, cases

if TYPE_CHECKING:
    from tests.truth import Array

TINY: dict[str, Any] = {"size": (64, 96), "classes": 3, "width": 0.25}
SMALL: dict[str, Any] = {"width": 0.25}


def picture(height: int = 60, width: int = 100) -> Array:
    return np.random.default_rng(2).integers(0, 256, (height, width, 3), dtype=np.uint8)


@cache
def tiny() -> tuple[netgen.Net, dict[str, Array]]:
    """A YOLOv3-tiny whose outputs are spread widely enough to find something."""
    net = netgen.build("yolov3_tiny", **TINY)
    weights = netgen.fill_weights(net, seed=3)
    rng = np.random.default_rng(4)
    for head in netgen.heads("yolov3_tiny", **TINY):
        shape = weights[f"{head.blob}:0"].shape
        weights[f"{head.blob}:0"] = rng.standard_normal(shape).astype(np.float32)
    return net, weights


@cache
def ssd() -> tuple[netgen.Net, dict[str, Array]]:
    net = netgen.build("mobilenet_ssd", **SMALL)
    weights = netgen.fill_weights(net, seed=3)
    for key, values in weights.items():
        if key.endswith("mbox_conf:0"):
            weights[key] = values * 6
    return net, weights


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


CFG = """[net]
width=16
height=12
channels=3
[convolutional]
filters=14
size=2
stride=2
pad=0
activation=linear
[yolo]
anchors=4,4, 8,6
classes=2
num=2
nms_kind=diounms
beta_nms=0.6
"""


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


def ran(capsys: pytest.CaptureFixture[str], *words: Any) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def files(tmp_path: Path) -> Path:
    Image.fromarray(picture()).save(tmp_path / "in.png")
    for name, (net, weights) in {"yolo": tiny(), "ssd": ssd()}.items():
        netgen.save_weights(weights, tmp_path / f"{name}.caffemodel", net)
    return tmp_path


YOLO_WORDS = ("yolov3-tiny", "size=64,96", "classes=3", "width=0.25")


def test_the_command(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "names").write_text("cat\ndog\n\nhorse\n")
    words = ["--weights", files / "yolo.caffemodel", "--image", files / "in.png", "--thresh", 0.2]
    code, out, err = ran(capsys, "detect", *YOLO_WORDS, *words, "-o", files / "out.png", "--names", files / "names")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "prepared: RGB, mean 0,0,0, scale 1/255, letterbox on 127.5 (darknet's resizing), 96 x 64"
    net, weights = tiny()
    found = netgen.detect(net, picture(), weights, heads=netgen.heads("yolov3_tiny", **TINY), thresh=0.2)
    assert lines[-1] == f"{len(found)} boxes"
    assert len(lines) == len(found) + 2
    name = ("cat", "dog", "horse")[found.labels[0]]
    assert lines[1].startswith(f"{name} {found.scores[0].max():.2f}")
    assert lines[1].endswith(": " + " ".join(f"{value:.4f}" for value in found.boxes[0]))
    drawn = np.asarray(Image.open(files / "out.png"))
    assert drawn.shape == (60, 100, 3)
    assert (drawn != picture()).any()
    assert (drawn == np.asarray(draw(picture(), found, ("cat", "dog", "horse")))).all()


def test_a_file_with_anchors(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--weights", files / "yolo.caffemodel", "--image", files / "in.png", "--thresh", 0.2]
    tiny()[0].save(files / "net.prototxt")
    anchors = "10,14,23,27,37,58,81,82,135,169,344,319"
    _, wanted, _ = ran(capsys, "detect", *YOLO_WORDS, *words)
    code, out, err = ran(capsys, "detect", files / "net.prototxt", *words, "--anchors", anchors)
    assert (code, out, err) == (0, wanted, "")
    code, out, err = ran(capsys, "detect", files / "net.prototxt", *words)
    assert code == 1
    assert err == (
        "netgen: net 'YOLOv3-tiny': has no layer that gives boxes (DetectionOutput, YoloDetectionOutput, "
        "Yolov3DetectionOutput); its outputs are 'layer16-conv' 1x24x2x3, 'layer23-conv' 1x24x4x6; where these are "
        "YOLO's, give their anchors\n"
    )


def test_changes_of_the_preparation(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--weights", files / "ssd.caffemodel", "--image", files / "in.png", "--thresh", 0.3]
    for given, wanted in [
        ((), "prepared: BGR, mean 127.5,127.5,127.5, scale 0.007843, warp (opencv's resizing), 300 x 300"),
        (
            ("--mean", "1,2,3", "--scale", "0.5", "--rgb", "--resize", "letterbox"),
            "prepared: RGB, mean 1,2,3, scale 0.5, letterbox on 127.5 (opencv's resizing), 300 x 300",
        ),
        (
            ("--mean=120", "--bgr"),
            "prepared: BGR, mean 120,120,120, scale 0.007843, warp (opencv's resizing), 300 x 300",
        ),
    ]:
        code, out, err = ran(capsys, "detect", "mobilenet-ssd", "width=0.25", *words, *given)
        assert (code, err) == (0, "")
        assert out.splitlines()[0] == wanted


def test_names_with_and_without_the_background(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "detect",
        "mobilenet-ssd",
        "width=0.25",
        "--weights",
        files / "ssd.caffemodel",
        "--image",
        files / "in.png",
    ]
    words += ["--thresh", "0.3", "--names", files / "names"]
    found = netgen.detect(*ssd()[:1], picture(), ssd()[1], thresh=0.3)
    for first in (0, 1):
        (files / "names").write_text("\n".join(f"kind{i}" for i in range(first, 21)))
        code, out, _ = ran(capsys, *words)
        assert code == 0
        assert out.splitlines()[1].startswith(f"kind{found.labels[0]} ")
    (files / "names").write_text("cat\ndog")
    code, _, err = ran(capsys, *words)
    assert code == 1
    assert "names: must have a name for each class, 21 (or 20, without the background) lines, got 2" in err


def test_darknets_files_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.cfg").write_text(CFG, encoding="utf-8")
    Image.fromarray(picture()).save(tmp_path / "in.png")
    values = np.random.default_rng(5).standard_normal(14 * 3 * 4 + 14).astype(np.float32)
    (tmp_path / "net.weights").write_bytes(np.array([0, 2, 0, 0, 0], np.int32).tobytes() + values.tobytes())
    words = ["detect", tmp_path / "net.cfg", "--weights", tmp_path / "net.weights", "--image", tmp_path / "in.png"]
    code, out, _ = ran(capsys, *words, "--thresh", 0.3)
    assert code == 0
    assert out.splitlines()[0].endswith("letterbox on 127.5 (darknet's resizing), 16 x 12")
    made = netgen.load_darknet(tmp_path / "net.cfg", tmp_path / "net.weights")
    netgen.save_weights(made.weights, tmp_path / "net.caffemodel", made.net)
    words[3] = tmp_path / "net.caffemodel"
    assert ran(capsys, *words, "--thresh", 0.3)[:2] == (0, out)
    assert ran(capsys, *words, "--fork")[1].splitlines()[0].endswith("warp (darknet's resizing), 16 x 12")
    code, _, err = ran(capsys, *words, "--anchors", "1,2")
    assert (code, "net.cfg: a cfg says its anchors and takes no parameters; leave anchors out" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--anchors", "1,x"), 2, "--anchors: must be numbers with commas between, got '1,x'"),
        (("--anchors", "1,2,3"), 2, "anchors must be widths and heights in turn, an even number, got [1.0, 2.0, 3.0]"),
        (("--anchors", "1,2" + ",3,4" * 9), 2, "must be N x 5 (5 + classes) x H x W for 5 anchors, got 1x24x2x3; give"),
        (("--anchors", "1,2"), 2, "1 anchors must be as many for each output, got 'layer16-conv' 1x24x2x3, 'layer23"),
        (("--region",), 2, "--region: this tells what --anchors are; give them"),
        (("--mean", "1,2"), 2, "mean must be 1 or 3 values, got 2"),
        (("--thresh", "1.5"), 2, "thresh must lie from 0 to 1, got 1.5"),
        (("--nms", "-1"), 2, "nms must lie from 0 to 1, got -1"),
        (("-o", "out.txt"), 2, "out.txt: the ending must be that of a picture, such as .png or .jpg"),
        (("--names", "none"), 2, "none: no such file"),
        (("--device", "tpu9"), 2, "device 'tpu9' cannot be used"),
        (("--image", "none.png"), 2, "none.png: no such file"),
        (("--image", "yolo.caffemodel"), 1, "yolo.caffemodel: must be an image that Pillow reads, and is none"),
        (("--weights", "ssd.caffemodel"), 1, "ssd.caffemodel: the weights do not fit the network: missing: "),
    ],
)
def test_mistakes(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: Any,
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(files)
    standard = ["--weights", "yolo.caffemodel", "--image", "in.png"]
    got, out, err = ran(capsys, "detect", *YOLO_WORDS, *standard, *words)
    assert (got, out) == (code, "")
    assert message in err
    assert err.count("\n") == 1


def test_networks_that_cannot(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--weights", files / "ssd.caffemodel", "--image", files / "in.png"]
    code, _, err = ran(capsys, "detect", "lenet", *words)
    assert code == 1
    assert "its outputs are 'prob' 1x10; where these are YOLO's, give their anchors" in err
    net = netgen.parse_prototxt(ssd()[0].to_prototxt())
    net.name = "mine"
    net.save(files / "mine.prototxt")
    code, _, err = ran(capsys, "detect", files / "mine.prototxt", *words)
    assert code == 2
    assert "net 'mine': nothing says how its images are prepared; give mean and scale" in err
    with pytest.raises(netgen.UsageError, match="nothing says how its images are prepared"):
        netgen.detect(net, picture(), ssd()[1])
    assert ran(capsys, "detect", files / "mine.prototxt", *words, "--mean", "127.5", "--scale", "0.007843")[0] == 0
    grey = netgen.Net("grey").input(1, 1, 28, 28).conv(7, 1, name="head")
    heads = heads_with(grey, [4, 4])
    with pytest.raises(netgen.UsageError, match="'grey': has an input of 1 channels"):
        netgen.detect(grey, picture(), netgen.fill_weights(grey), heads=heads)
    with pytest.raises(netgen.UsageError, match="resnet18: this is no YOLO network"):
        netgen.heads("resnet18")
    with pytest.raises(netgen.UsageError, match="a detector needs weights"):
        netgen.detect(ssd()[0], picture())


def test_without_pillow(files: Path) -> None:
    code = f"""
import sys
sys.modules["PIL"] = None
from netgen.cli import main
sys.exit(main(["detect", "yolov3", "--weights", {str(files / "yolo.caffemodel")!r}, "--image", "in.png"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "netgen: netgen detect: this needs the package 'pillow', which is not installed; 'pip install pillow', or netgen "
        "with its extra: 'pip install netgen[images]'\n"
    )
