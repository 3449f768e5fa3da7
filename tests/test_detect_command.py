"""From a picture to its boxes, on the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import netgen
from netgen.cli import main
from netgen.detection.drawing import draw
from netgen.detection.heads import heads_with
from tests.detectors import CFG, TINY, picture, ssd, tiny


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


def test_yolov2_has_a_region_head(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shape: dict[str, Any] = {"size": 64, "classes": 3, "width": 0.25}
    net = netgen.build("yolov2_tiny", **shape)
    weights = netgen.fill_weights(net, seed=3)
    (head,) = netgen.heads("yolov2_tiny", **shape)
    weights[f"{head.blob}:0"] = np.random.default_rng(4).standard_normal((40, 128, 1, 1)).astype(np.float32)
    netgen.save_weights(weights, files / "v2.caffemodel", net)
    words = ["--weights", files / "v2.caffemodel", "--image", files / "in.png", "--thresh", 0.2]
    wanted = netgen.detect(net, picture(), weights, heads=[head], thresh=0.2)
    assert head.type == "region"
    assert len(wanted) > 3
    boxes = [" ".join(f"{value:.4f}" for value in box) for box in wanted.boxes]
    _, out, _ = ran(capsys, "detect", "yolov2-tiny", "size=64", "classes=3", "width=0.25", *words)
    assert [line.partition(": ")[2] for line in out.splitlines()[1:-1]] == boxes
    net.save(files / "v2.prototxt")
    anchors = ",".join(f"{value:g}" for pair in head.anchors for value in pair)
    assert ran(capsys, "detect", files / "v2.prototxt", *words, "--anchors", anchors, "--region")[1] == out


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
        (("--rgb", "--bgr"), 2, "--bgr: cannot be together with --rgb; leave one of them out"),
        (("--names", "none"), 2, "none: no such file"),
        (("--device", "tpu9"), 2, "device 'tpu9' cannot be used"),
        (("--image", "none.png"), 2, "none.png: no such file"),
        (("--image", "yolo.caffemodel"), 1, "yolo.caffemodel: this is no image of these formats: JPEG, PNG"),
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
