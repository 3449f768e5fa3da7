"""``netgen features``: what its pictures show, counted out here from the numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen
from netgen.cli import main
from netgen.images import read_image
from netgen.mosaic import bars, blob_picture, mosaic, tiles, weight_picture

pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def photo(height: int, width: int, name: str = "in.png") -> Pixels:
    """A smooth image that differs in its channels, saved without loss."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [255 * x / width, 255 * y / height, 127 + 127 * np.sin(x / 9) * np.cos(y / 7)]
    pixels = np.stack(planes, -1).astype(np.uint8)
    Image.fromarray(pixels).save(name)
    return pixels


def seen(name: str) -> Pixels:
    return np.asarray(Image.open(name))


def small() -> netgen.Net:
    net = netgen.Net("small").input(1, 3, 8, 8).conv(5, 3, name="c").relu(in_place=False, name="r")
    net.conv(4, 1, name="one").global_pool(name="g").fc(6, name="f")
    net.save("n.prototxt")
    netgen.save_weights(netgen.fill_weights(net, 3), "w.npz")
    return net


def said(capsys: Any, *words: str, code: int = 0) -> str:
    assert main(["features", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    return str(err)


def grid(channels: Any, columns: int, gap: int) -> Pixels:
    """The picture of a blob, by loops over its numbers."""
    height, width = channels[0].shape
    rows = -(-len(channels) // columns)
    out = np.full((rows * height + (rows - 1) * gap, columns * width + (columns - 1) * gap), 255, np.uint8)
    for i, channel in enumerate(channels):
        low, high = float(channel.min()), float(channel.max())
        y, x = (i // columns) * (height + gap), (i % columns) * (width + gap)
        for row in range(height):
            for column in range(width):
                part = (float(channel[row, column]) - low) / (high - low) if high > low else 0.0
                out[y + row, x + column] = round(255 * part)
    return out


def test_stem1_of_peleenet_is_the_grid_that_its_numbers_make(capsys: Any) -> None:
    from torch import from_numpy
    from torch.nn import functional

    pixels = photo(224, 224)
    net = netgen.build("peleenet")
    weights = netgen.fill_weights(net, 5)
    weights["stem1/bn:0"] = np.linspace(-1, 1, 32, dtype=np.float32)
    weights["stem1/bn:1"] = np.linspace(0.5, 2, 32, dtype=np.float32)
    weights["stem1/bn:2"] = np.ones(1, np.float32)
    netgen.save_weights(weights, "w.npz")
    words = ["--weights", "w.npz", "--image", "in.png", "--blob", "stem1", "-o", "o.png"]
    err = said(capsys, "peleenet", *words, "--mean", "103.94,116.78,123.68", "--scale", "0.017")
    assert "note: input 'data': 1x3x224x224, mean 103.94,116.78,123.68, scale 0.017, BGR\n" in err

    # Convolution, BatchNorm, Scale and ReLU spelt out: that the blob is the right one.
    mean = np.array([103.94, 116.78, 123.68], np.float32)
    data = ((pixels[:, :, ::-1].astype(np.float32) - mean) * np.float32(0.017)).transpose(2, 0, 1)[None]
    made = functional.conv2d(
        from_numpy(data.copy()), from_numpy(weights["stem1:0"].copy()), stride=2, padding=1
    ).numpy()
    each = (slice(None), None, None)
    made = (made[0] - weights["stem1/bn:0"][each]) / np.sqrt(weights["stem1/bn:1"][each] + np.float32(1e-3))
    made = np.maximum(made * weights["stem1/scale:0"][each] + weights["stem1/scale:1"][each], 0)
    expected = grid(made, 6, 1)
    found = seen("o.png")
    assert found.shape == expected.shape == (6 * 112 + 5, 6 * 112 + 5)
    # float32 sums in another order: a value between two levels may fall to either.
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-3
    assert found[:112, :112].std() > 40

    # And that the picture is exactly the blob's.
    blob = netgen.run(net, {"data": data}, weights, blobs=["stem1"])["stem1"]
    np.testing.assert_array_equal(found, grid(blob[0], 6, 1))


def test_preprocessing_is_what_transform_param_says(capsys: Any) -> None:
    pixels = photo(12, 10)
    Path("t.prototxt").write_text(
        'layer { name: "d" type: "Data" top: "data" include { phase: TRAIN } transform_param { scale: 0.5 mean_value: 10 '
        'mean_value: 20 mean_value: 30 } data_param { source: "x" batch_size: 1 } }'
        'layer { name: "i" type: "Input" top: "data" include { phase: TEST } input_param { shape { dim: 1 dim: 3 dim: 6 dim: 10 } } }'
        'layer { name: "p" type: "Power" bottom: "data" top: "p" power_param { power: 1 } }'
    )
    netgen.save_weights({}, "w.npz")
    common = ["t.prototxt", "--weights", "w.npz", "--image", "in.png", "--blob", "p", "-o", "o.png", "--zoom", "1"]
    together = ["--size", "12,10", "--normalise", "all", "--gap", "0"]
    assert "mean 10,20,30, scale 0.5, BGR, as layer 'd' says\n" in said(capsys, *common, *together)
    values = (pixels[3:9, :, ::-1].astype(np.float64) - [10, 20, 30]) * 0.5  # the middle of what is 12 high
    levels = np.rint((values - values.min()) / (values.max() - values.min()) * 255)
    expected = np.full((12, 20), 255)
    for i, place in enumerate(((0, 0), (0, 10), (6, 0))):
        expected[place[0] : place[0] + 6, place[1] : place[1] + 10] = levels[:, :, i]
    np.testing.assert_array_equal(seen("o.png"), expected)
    assert "mean 1, scale 2, RGB\n" in said(capsys, *common, "--mean", "1", "--scale", "2", "--order", "rgb")


def test_the_middle_is_taken_of_what_the_data_layer_scales_to(capsys: Any) -> None:
    pixels = photo(12, 10)
    text = (
        'layer {{ name: "d" type: "ImageData" top: "data" top: "label" transform_param {{ crop_size: 6 mean_value: 1 '
        'mean_value: 2 mean_value: 3 }} image_data_param {{ source: "x" batch_size: 1 {} }} }}'
    )
    netgen.save_weights({}, "w.npz")
    words = ["t.prototxt", "--weights", "w.npz", "--image", "in.png", "--blob", "data", "-o", "o.png", "--zoom", "1"]
    Path("t.prototxt").write_text(text.format("new_height: 12 new_width: 10"))
    scaled = "note: layer 'd' scales images to 12x10, of which the middle is taken\n"
    assert said(capsys, *words).startswith(scaled)
    middle = pixels[3:9, 2:8, ::-1].transpose(2, 0, 1).astype(np.float32)
    np.testing.assert_array_equal(seen("o.png"), grid(middle, 2, 1))
    assert scaled not in said(capsys, *words, "--size", "6,6")
    Path("t.prototxt").write_text(text.format(""))
    assert said(capsys, *words).startswith(
        "note: layer 'd' takes the middle 6x6 of images; this one is scaled to the input (--size H,W: to that before)\n"
    )


def test_a_mean_file_is_subtracted_from_its_middle(capsys: Any) -> None:
    pixels = photo(8, 8)
    small()
    mean = np.random.default_rng(1).uniform(0, 200, (3, 10, 12)).astype(np.float32)
    netgen.save_mean(mean, "m.binaryproto")
    words = ["n.prototxt", "--weights", "w.npz", "--image", "in.png", "--blob", "data", "-o", "o.png", "--zoom", "1"]
    said(capsys, *words, "--mean", "m.binaryproto")
    values = pixels[:, :, ::-1].transpose(2, 0, 1).astype(np.float32) - mean[:, 1:9, 2:10]
    np.testing.assert_array_equal(seen("o.png"), grid(values, 2, 1))
    assert said(capsys, *words, "--mean", "no.binaryproto", code=2) == (
        "netgen: no.binaryproto: the mean file is not there; give --mean with numbers such as 104,117,123, or another file\n"
    )
    netgen.save_mean(mean[:, :7], "m.binaryproto")
    assert "must be 3x8x8 or larger, as the input is, got 3x7x12\n" in said(
        capsys, *words, "--mean", "m.binaryproto", code=1
    )


def test_filters_are_in_colour_over_three_channels(capsys: Any) -> None:
    net = small()
    weights = netgen.fill_weights(net, 3)
    said(capsys, "n.prototxt", "--weights", "w.npz", "--weights-of", "c", "-o", "o.png", "--zoom", "1", "--gap", "1")
    found = seen("o.png")
    assert found.shape == (2 * 3 + 1, 3 * 3 + 2, 3)
    one = weights["c:0"][1].astype(np.float64)
    levels = np.rint((one - one.min()) / (one.max() - one.min()) * 255)
    np.testing.assert_array_equal(found[:3, 4:7], levels[::-1].transpose(1, 2, 0))
    said(capsys, "n.prototxt", "--weights", "w.npz", "--weights-of", "c", "--weights-of", "one", "-o", "several")
    assert sorted(each.name for each in Path("several").iterdir()) == ["000-c.png", "001-one.png"]


def test_several_blobs_or_all_make_a_folder(capsys: Any) -> None:
    photo(20, 20)
    small()
    words = ["n.prototxt", "--weights", "w.npz", "--image", "in.png"]
    said(capsys, *words, "--blob", "r", "--blob", "c", "-o", "two")
    assert sorted(each.name for each in Path("two").iterdir()) == ["000-r.png", "001-c.png"]
    said(capsys, *words, "--all", "-o", "new/all")
    assert sorted(each.name for each in Path("new/all").iterdir()) == [
        "000-data.png", "001-c.png", "002-r.png", "003-one.png", "004-g.png", "005-f.png",
    ]  # fmt: skip


def test_a_name_from_a_file_stays_in_the_folder(capsys: Any) -> None:
    photo(8, 8)
    net = netgen.Net().input(1, 3, 8, 8).power(name="../../x\u202e<b>", scale=2.0).power(name="y/z", scale=2.0)
    net.save("n.prototxt")
    netgen.save_weights({}, "w.npz")
    said(capsys, "n.prototxt", "--weights", "w.npz", "--image", "in.png", "--all", "-o", "all")
    assert sorted(each.name for each in Path("all").iterdir()) == ["000-data.png", "001-.._.._x__b_.png", "002-y_z.png"]


def test_vectors_are_bars_and_other_shapes_are_refused() -> None:
    vector = np.zeros((1, 1000), np.float32)
    vector[0, :2] = 1, -1
    found = blob_picture(vector)
    assert found.shape == (160, 1000, 3)
    blue = (found == (46, 105, 168)).all(-1)
    assert (blue[:, 0].sum(), blue[:, 1].sum()) == (81, 80)  # half of the height each, and the line that both touch
    assert not blue[:, 2:].any()
    assert blob_picture(np.ones((1, 10, 1, 1))).shape == (160, 160, 3)
    with pytest.raises(netgen.UsageError, match=r"a blob of shape 1x2x3x4x5 cannot be drawn: it must be N C H W"):
        blob_picture(np.ones((1, 2, 3, 4, 5)))
    with pytest.raises(netgen.UsageError, match=r"shape \(\) cannot"):
        blob_picture(np.ones(()))
    assert (bars(np.array([np.nan, 1.0]))[:, 3] == (230, 0, 60)).all()


def test_values_that_are_not_finite_are_red() -> None:
    maps = np.array([[[0.0, np.inf], [1.0, 2.0]], [[np.nan] * 2] * 2])
    found = tiles(maps)
    assert found[0].tolist() == [[[0] * 3, [230, 0, 60]], [[128] * 3, [255] * 3]]
    assert (found[1] == (230, 0, 60)).all()
    assert tiles(np.ones((1, 2, 2))).tolist() == [[[0, 0], [0, 0]]]


def test_a_picture_is_readable_and_bounded() -> None:
    assert mosaic(np.zeros((4, 7, 7), np.uint8)).shape == (2 * 7 * 32 + 6, 2 * 7 * 32 + 6)
    with pytest.raises(netgen.UsageError, match=r"the picture would have 32,063 x 32,063 pixels, over 64,000,000"):
        mosaic(np.zeros((1024, 1001, 1001), np.uint8)[:, :1001])
    assert weight_picture(np.zeros((2, 4, 3, 3)), gap=0, zoom=1).shape == (9, 9)  # eight slices
    assert weight_picture(np.zeros((2, 4, 1, 1)), gap=0, zoom=1).shape == (2, 4)


def test_images_that_cannot_be_used(capsys: Any) -> None:
    small()
    Path("empty.jpg").write_bytes(b"")
    Path("text.png").write_text("no image")
    Image.new("RGB", (4, 4)).save("program.eps")
    photo(40, 40)
    Path("cut.png").write_bytes(Path("in.png").read_bytes()[:300])
    Image.fromarray(np.zeros((4, 4), np.uint16)).save("deep.png")
    Image.new("1", (20_000, 20_000)).save("large.png")
    Image.new("1", (8_100, 8_000)).save("over.png")
    for name, code, reason in [
        ("empty.jpg", 1, "empty.jpg: the file is empty; give an image\n"),
        ("text.png", 1, "text.png: this is no image of these formats: JPEG, PNG, BMP, GIF, TIFF, WEBP, PPM\n"),
        ("cut.png", 1, "cut.png: the image is damaged: "),
        ("deep.png", 1, "deep.png: the image has more than 8 bits a channel (mode I;16); convert it to 8\n"),
        ("large.png", 2, "large.png: the image has more than 64,000,000 pixels; scale it down\n"),
        ("over.png", 2, "over.png: the image has more than 64,000,000 pixels, 8,100 x 8,000; scale it down\n"),
        ("program.eps", 1, "program.eps: this is no image of these formats: "),
        ("none.png", 2, "none.png: no such file\n"),
        (".", 2, ".: this is a directory; name a file in it\n"),
    ]:
        words = ["n.prototxt", "--weights", "w.npz", "--image", name, "--blob", "c", "-o", "o.png"]
        assert f"netgen: {reason}" in said(capsys, *words, code=code)
    assert not Path("o.png").exists()


def test_a_file_without_end_is_not_read_to_its_end(monkeypatch: Any) -> None:
    photo(40, 40)
    monkeypatch.setattr("netgen.images._MAX_BYTES", 100)
    with pytest.raises(netgen.UsageError, match=r"in.png: the file has more than 0 MiB; scale the image down"):
        read_image("in.png")


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["--blob", "cc"], 2, "no blob 'cc' in phase TEST; did you mean 'c'?"),
        (["--blob", "c", "--weights-of", "c"], 2, "give either --blob NAME, which may be repeated, or --all, or --weights-of"),
        ([], 2, "give either --blob NAME, which may be repeated, or --all, or --weights-of LAYER"),
        (["--weights-of", "r"], 2, "--weights-of: layer 'r' (ReLU) has no weights in phase TEST"),
        (["--weights-of", "onee"], 2, "--weights-of: the net has no layer 'onee'; did you mean 'one'?"),
        (["--blob", "c", "--size", "4,8"], 2, "--size: must be 8,8 or more, as the input is, got 4,8"),
        (["--blob", "c", "--size", "big"], 2, "--size: must be H,W, as in 256,256, got 'big'"),
        (["--blob", "c", "--mean", "a,b"], 2, "--mean: must be numbers such as 104,117,123, or a .binaryproto, got 'a,b'"),
        (["--blob", "c", "--mean", "1,2"], 2, "mean: must be 1 number or 3, one for each channel, got 2"),
        (["--blob", "c", "--zoom", "0"], 2, "--gap must be 0 or more, and --zoom 1 to 1000"),
        (["--blob", "c", "--input", "data=1,4,8,8"], 1, "no input takes an image: one must be N C H W with 1 or 3 channels"),
    ],
)  # fmt: skip
def test_wrong_commands(words: list[str], code: int, reason: str, capsys: Any) -> None:
    photo(8, 8)
    small()
    assert reason in said(
        capsys, "n.prototxt", "--weights", "w.npz", "--image", "in.png", "-o", "o.png", *words, code=code
    )
    assert not Path("o.png").exists()


def test_what_cannot_be_written(capsys: Any) -> None:
    photo(8, 8)
    small()
    words = ["n.prototxt", "--weights", "w.npz", "--image", "in.png"]
    assert (
        said(capsys, *words, "--blob", "c", "-o", "o.gif", code=2)
        == "netgen: -o: the file must be a .png, got 'o.gif'\n"
    )
    assert "no/o.png: cannot be written: No such file or directory" in said(
        capsys, *words, "--blob", "c", "-o", "no/o.png", code=2
    )
    assert "netgen: -o: several pictures go into a folder, and in.png is a file; give another name" in said(
        capsys, *words, "--all", "-o", "in.png", code=2
    )


def test_without_pillow_it_says_what_to_install(monkeypatch: Any, capsys: Any) -> None:
    small()
    monkeypatch.setitem(sys.modules, "PIL", None)
    words = ["n.prototxt", "--weights", "w.npz", "--image", "in.png", "--blob", "c", "-o", "o.png"]
    assert said(capsys, *words, code=2) == (
        "netgen: netgen features: this needs the package 'pillow', which is not installed; 'pip install pillow', or "
        "netgen with its extra: 'pip install netgen[images]'\n"
    )
