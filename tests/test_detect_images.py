"""Pictures as inputs: Darknet's resizing value by value, OpenCV's, and what each family was trained with."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from PIL import Image

import netgen
from netgen.darknet import Head
from netgen.detection.images import darknet_resize, fitted, opencv_resize, read_pixels
from netgen.detection.preparation import DARKNET, FORK, MOBILENET_SSD, PELEE, VGG_SSD, Preparation, chosen

if TYPE_CHECKING:
    from tests.truth import Array


def picture(height: int, width: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def looped_resize(pixels: Array, width: int, height: int) -> Array:
    """Darknet's image.c, resize_image, written as it is there, a value at a time."""
    one, zero = np.float32(1), np.float32(0)
    rows, columns, _ = pixels.shape
    part, resized = np.zeros((3, rows, width), np.float32), np.zeros((3, height, width), np.float32)
    for k in range(3):
        values = (pixels[:, :, k] / 255.0).astype(np.float32)
        across = np.float32(columns - 1) / np.float32(width - 1) if width > 1 else zero
        for r in range(rows):
            for c in range(width):
                if c == width - 1 or columns == 1:
                    part[k, r, c] = values[r, columns - 1]
                    continue
                x = np.float32(c) * across
                dx = x - np.float32(int(x))
                part[k, r, c] = (one - dx) * values[r, int(x)] + dx * values[r, int(x) + 1]
        down = np.float32(rows - 1) / np.float32(height - 1) if height > 1 else zero
        for r in range(height):
            y = np.float32(r) * down
            dy = y - np.float32(int(y))
            resized[k, r] = (one - dy) * part[k, int(y)]
            if r != height - 1 and rows != 1:
                resized[k, r] += dy * part[k, int(y) + 1]
    return resized


SIZES = [(7, 5, 13, 9), (20, 31, 8, 8), (9, 9, 9, 9), (1, 6, 4, 3), (6, 1, 3, 4), (5, 7, 1, 1), (1, 1, 3, 2)]


@pytest.mark.parametrize(("rows", "columns", "height", "width"), SIZES)
def test_darknets_resizing(rows: int, columns: int, height: int, width: int) -> None:
    pixels = picture(rows, columns)
    got = darknet_resize(pixels, width, height)
    assert got.dtype == np.float32
    assert (got == looped_resize(pixels, width, height)).all()


def test_darknets_last_row() -> None:
    """Where float32 ends just before the last row, Darknet's last row is dark: so were networks trained and run."""
    for rows, dark in ((26, True), (27, False)):
        got = darknet_resize(np.full((rows, 3, 3), 255, np.uint8), 3, 312)
        assert got[:, :-1] == pytest.approx(1, abs=1e-6)
        assert got[:, -1] == pytest.approx(0 if dark else 1, abs=1e-4)


@pytest.mark.parametrize(("height", "width"), [(60, 100), (61, 100), (100, 61), (50, 50), (301, 299)])
def test_letterboxing(height: int, width: int) -> None:
    pixels = picture(height, width)
    got = DARKNET.apply(pixels, 64, 48)
    inner = fitted(width, height, 64, 48)
    wanted = np.full((1, 3, 48, 64), 0.5, np.float32)
    left, top = (64 - inner[0]) // 2, (48 - inner[1]) // 2
    wanted[0, :, top : top + inner[1], left : left + inner[0]] = looped_resize(pixels, *inner)
    assert got.flags["C_CONTIGUOUS"]
    assert (got == wanted).all()
    assert (FORK.apply(pixels, 64, 48)[0] == looped_resize(pixels, 64, 48)).all()


def test_the_size_inside() -> None:
    # image.c, letterbox_image: whole division
    assert fitted(768, 576, 416, 416) == (416, 312)
    assert fitted(100, 333, 416, 416) == (124, 416)
    assert fitted(64, 48, 128, 96) == (128, 96)
    with pytest.raises(netgen.NetgenError, match="an image of 5000 x 1 scaled into 416 x 416 would be 416 x 0; cut it"):
        fitted(5000, 1, 416, 416)


@pytest.mark.parametrize(
    ("rows", "columns", "height", "width"),
    [*SIZES, (37, 61, 300, 300), (500, 375, 300, 300), (600, 600, 300, 300), (150, 150, 304, 304)],
)
def test_opencvs_resizing(rows: int, columns: int, height: int, width: int) -> None:
    pixels = picture(rows, columns)
    assert (opencv_resize(pixels, width, height) == cv2.resize(pixels, (width, height))).all()


@pytest.mark.parametrize(
    ("family", "mean", "scale"),
    [
        (VGG_SSD, (104, 117, 123), 1),
        (MOBILENET_SSD, (127.5, 127.5, 127.5), 0.007843),
        (PELEE, (103.94, 116.78, 123.68), 0.017),
    ],
)
def test_ssd_families(family: Preparation, mean: tuple[float, ...], scale: float) -> None:
    pixels = picture(30, 40)
    got = family.apply(pixels, 40, 30)[0]
    for channel, value in enumerate(mean):
        wanted = (pixels[:, :, 2 - channel].astype(np.float64) - value) * scale  # blue first
        np.testing.assert_allclose(got[channel], wanted, rtol=1e-5, atol=2e-5 * scale)


def test_families_by_name() -> None:
    families = {
        "ssd300_vgg16": VGG_SSD, "ssd512_vgg16": VGG_SSD, "mobilenet_ssd": MOBILENET_SSD, "pelee_ssd": PELEE,
        "yolov2": DARKNET, "yolov2_tiny": DARKNET, "yolov3": DARKNET, "yolov3_tiny": DARKNET, "yolov3_spp": DARKNET,
        "resnet18": None,
    }  # fmt: skip
    for name, family in families.items():
        assert chosen(netgen.build(name), (), None) == family


@pytest.mark.parametrize(
    ("file", "family"),
    [
        ("intel__caffe__models__intel_optimized_models__ssd__VGGNet__VOC0712__SSD_300x300__deploy", VGG_SSD),
        ("chuanqi305__MobileNet-SSD__template__MobileNetSSD_deploy_template", MOBILENET_SSD),
        ("eric612__MobileNet-YOLO__models__pelee__deploy", PELEE),
    ],
)
def test_families_of_published_files(shared: Path, file: str, family: Preparation) -> None:
    text = (shared / "corpus" / "caffe" / f"{file}.prototxt").read_text(encoding="utf-8")
    net = netgen.Net(text.split("name:")[1].split('"')[1])
    assert chosen(net, (), None) == family


def test_changes_of_a_family() -> None:
    net = netgen.build("mobilenet_ssd")
    changed = chosen(net, (), {"mean": (1.0, 2.0, 3.0), "scale": None, "order": "rgb"})
    assert changed == Preparation("warp", "opencv", "rgb", (1.0, 2.0, 3.0), 0.007843)
    own = Preparation("letterbox", order="rgb")
    assert chosen(net, (), own) is own
    assert chosen(netgen.Net("x"), (), {"scale": 2.0}) is None
    assert chosen(netgen.Net("x"), (), {"mean": (1.0, 2.0, 3.0)}) == Preparation(mean=(1.0, 2.0, 3.0))
    assert str(own) == "RGB, mean 0,0,0, scale 1, letterbox on 127.5 (opencv's resizing)"
    heads = netgen.heads("yolov3_tiny")
    assert chosen(netgen.Net("x"), heads, None) == DARKNET
    assert chosen(netgen.Net("x"), heads, None, fork=True) == FORK
    first = Head(1, "detection", 0, "x", None, 2, 4, 1, (), (), {})
    assert chosen(netgen.Net("x"), [first], None) == FORK  # YOLOv1 saw warped pictures


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"resize": "crop"}, "resize must be letterbox or warp, got 'crop'"),
        ({"order": "gbr"}, "order must be rgb or bgr, got 'gbr'"),
        ({"mean": (1.0,)}, "mean must be 3 values, b, g, r, got .1.0,."),
        ({"scales": 1.0}, "preparation: no field 'scales'; did you mean 'scale'?"),
        (3, "preparation must be a Preparation or a dict of its fields, got int"),
    ],
)
def test_preparations_that_are_none(given: Any, message: str) -> None:
    with pytest.raises(netgen.UsageError, match=message.replace("?", r"\?")):
        chosen(netgen.build("mobilenet_ssd"), (), given)


def test_pictures_of_all_kinds(tmp_path: Path) -> None:
    pixels = picture(5, 7)
    image = Image.fromarray(pixels)
    for kind in ("a.png", "a.bmp", "a.ppm"):
        image.save(tmp_path / kind)
        assert (read_pixels(tmp_path / kind) == pixels).all()
        assert (read_pixels(str(tmp_path / kind)) == pixels).all()
    assert (read_pixels(image) == pixels).all()
    assert (read_pixels(pixels[:, ::-1]) == pixels[:, ::-1]).all()
    grey = read_pixels(image.convert("L"))
    assert grey.shape == (5, 7, 3)
    assert (grey[..., 0] == grey[..., 2]).all()
    assert read_pixels(image.convert("RGBA")).shape == (5, 7, 3)
    assert read_pixels(image.convert("P")).shape == (5, 7, 3)


def test_pictures_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("no picture")
    whole = tmp_path / "whole.png"
    Image.fromarray(picture(50, 50)).save(whole)
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:-2000])
    for name, kind, message in [
        ("empty.jpg", netgen.NetgenError, "empty.jpg: the file is empty; give an image"),
        ("text.jpg", netgen.NetgenError, "text.jpg: this is no image of these formats: JPEG, PNG"),
        ("cut.png", netgen.NetgenError, "cut.png: the image is damaged: "),
        ("none.png", netgen.UsageError, "none.png: no such file"),
        (".", netgen.UsageError, "this is a directory; name a file in it"),
    ]:
        with pytest.raises(kind, match=message):
            read_pixels(tmp_path / name)
    for value, message in [
        (3, "an image must be a file's name, a PIL image or an array, got 3"),
        (np.zeros((2, 2)), "as an array must be H x W x 3 of uint8, red first, got 2 x 2 of float64; a prepared"),
        (np.zeros((0, 2, 3), np.uint8), "got 0 x 2 x 3 of uint8"),
    ]:
        with pytest.raises(netgen.UsageError, match=message):
            read_pixels(value)


def test_damaged_pictures_raise_nothing_else(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    for kind in ("png", "jpg", "bmp", "gif", "tiff", "webp"):
        path = tmp_path / f"whole.{kind}"
        Image.fromarray(picture(20, 20)).save(path)
        whole = path.read_bytes()
        for _ in range(60):
            data = bytearray(whole[: rng.integers(1, len(whole) + 1)])
            for place in rng.integers(0, len(data), 3):
                data[place] = rng.integers(0, 256)
            (tmp_path / "bad").write_bytes(data)
            # What passes is a picture all the same.
            with suppress(netgen.NetgenError):
                assert read_pixels(tmp_path / "bad").shape[2] == 3


def test_pictures_too_large(tmp_path: Path) -> None:
    # A bilevel PNG of 20,000 x 20,000 has 50 kB, and would be 1.2 GB as bytes.
    for sides, message in [
        ((20_000, 20_000), "large.png: the image has more than 64,000,000 pixels; scale it down"),
        ((8_001, 8_000), "large.png: the image has more than 64,000,000 pixels, 8,001 x 8,000; scale it down"),
    ]:
        Image.new("1", sides).save(tmp_path / "large.png")
        with pytest.raises(netgen.NetgenError, match=message):
            read_pixels(tmp_path / "large.png")
