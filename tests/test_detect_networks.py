"""Detection by what the network's file says: its data layer, its transform_param and its threshold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen
from netgen.cli import main
from netgen.detection.deploying import deployed
from netgen.detection.heads import rows_of
from netgen.detection.preparation import Preparation
from tests.detectors import picture, ssd

pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")

RESIZE = "resize_param {{ prob: 1 resize_mode: {} height: 300 width: 300 }}"
WARP = RESIZE.format("WARP")
DATA = """
layer {{
  name: "pictures" type: "AnnotatedData" top: "data" top: "label" include {{ phase: TEST }}
  transform_param {{ scale: 0.01 mean_value: 100 mean_value: 110 mean_value: 120 {} }}
  data_param {{ source: "lmdb" batch_size: 8 }}
}}
"""
EVALUATE = """
layer {
  name: "evaluate" type: "DetectionEvaluate" bottom: "detection_out" bottom: "label" top: "evaluated"
  detection_evaluate_param { num_classes: 21 background_label_id: 0 }
}
"""


def with_data(transform: str = WARP) -> netgen.Net:
    """The SSD as it is tested, with a data layer and with what evaluates it, under a name of no family."""
    net = ssd()[0].to_prototxt()
    head, _, rest = net.partition("layer {")
    _, _, layers = rest.partition("layer {")
    assert 'type: "Input"' in rest.partition("layer {")[0]
    assert head.startswith("name:")
    return netgen.parse_prototxt(f'name: "mine"{DATA.format(transform)}layer {{{layers}{EVALUATE}')


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(picture()).save("in.png")
    netgen.save_weights(ssd()[1], "ssd.npz", ssd()[0])


def ran(capsys: pytest.CaptureFixture[str], *words: Any, code: int = 0) -> tuple[str, str]:
    assert main(["detect", *map(str, words), "--weights", "ssd.npz", "--image", "in.png"]) == code
    out, err = capsys.readouterr()
    return out, err


def test_a_test_network_detects_in_one_picture_without_what_evaluates_it() -> None:
    net = deployed(with_data())
    assert net.layers[0].type == "Input"
    assert [layer.name for layer in net.layers][1:] == [layer.name for layer in ssd()[0].layers][1:]
    assert netgen.analyze(net).inputs == {"data": (1, 3, 300, 300)}
    assert rows_of(net) == ("detection_out", 21, 0)


def test_networks_that_stay_as_they_are() -> None:
    for net in (ssd()[0], netgen.build("lenet")):
        assert deployed(net) is net or deployed(net) == net


def test_what_is_no_network_or_lacks_fields_is_refused_as_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    name: Any = "ssd.prototxt"
    with pytest.raises(netgen.UsageError, match="give a net"):
        netgen.detect(name, picture(), ssd()[1])
    Path("t.prototxt").write_text(
        'layer { name: "d" type: "DetectionOutput" bottom: "a" bottom: "b" bottom: "c" top: "d" }'
    )
    assert ran(capsys, "t.prototxt", code=1)[1].startswith(
        "netgen: layer 'd' (DetectionOutput): no layer before it makes"
    )


def test_transform_param_says_how_pictures_are_prepared(capsys: pytest.CaptureFixture[str]) -> None:
    with_data().save("t.prototxt")
    out, err = ran(capsys, "t.prototxt", "--thresh", "0.3")
    assert err == ""
    assert out.splitlines()[0] == (
        "prepared: BGR, mean 100,110,120, scale 0.01, warp (opencv's resizing), 300 x 300, as layer 'pictures' says"
    )
    how = Preparation(mean=(100.0, 110.0, 120.0), scale=0.01)
    expected = netgen.detect(ssd()[0], picture(), ssd()[1], thresh=0.3, preparation=how)
    assert len(expected) > 0
    found = netgen.detect(with_data(), picture(), ssd()[1], thresh=0.3)
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert out.splitlines()[-1] == f"{len(expected)} box{'es' if len(expected) > 1 else ''}"


def test_what_is_given_goes_before_it(capsys: pytest.CaptureFixture[str]) -> None:
    with_data().save("t.prototxt")
    words = ("t.prototxt", "--thresh", "0.3", "--mean", "1,2,3")
    first = ran(capsys, *words)[0].splitlines()[0]
    assert first.startswith("prepared: BGR, mean 1,2,3, scale 0.01, warp")
    assert first.endswith(", as layer 'pictures' says")
    first = ran(capsys, *words, "--scale", "2", "--rgb")[0].splitlines()[0]
    assert first == "prepared: RGB, mean 1,2,3, scale 2, warp (opencv's resizing), 300 x 300"


def test_a_resize_that_keeps_proportions_is_a_letterbox() -> None:
    pads = RESIZE.format("FIT_LARGE_SIZE_AND_PAD").replace("}", "pad_value: 99 }")
    detector = netgen.Detector(with_data(f"{pads} crop_size: 300"), ssd()[1])
    assert detector.prepares() == Preparation("letterbox", mean=(100.0, 110.0, 120.0), scale=0.01, pad=99.0)


def test_what_the_file_does_not_say(capsys: pytest.CaptureFixture[str]) -> None:
    with_data("").save("t.prototxt")
    assert ran(capsys, "t.prototxt", code=1) == (
        "",
        "netgen: layer 'pictures' (AnnotatedData): does not say how large the pictures are; give it crop_size or "
        "resize_param in transform_param, or take the deploy file\n",
    )
    one_mean = re.sub(r" *mean_value: 1[12]0.*\n", "", with_data("crop_size: 300").to_prototxt())
    assert one_mean.count("mean_value") == 1
    Path("t.prototxt").write_text(one_mean)
    assert "BGR, mean 100,100,100, scale 0.01" in ran(capsys, "t.prototxt", "--thresh", "0.3")[0]


def test_a_mean_file_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    net = (
        ssd()[0]
        .to_prototxt()
        .replace('type: "Input"', 'type: "Input" transform_param { mean_file: "m.binaryproto" }', 1)
    )
    netgen.parse_prototxt(net).save("t.prototxt")
    assert ran(capsys, "t.prototxt", code=2)[1] == (
        "netgen: layer 'data' (Input): its mean is the file 'm.binaryproto'; give mean as numbers, such as 104,117,123\n"
    )
    assert ran(capsys, "t.prototxt", "--mean", "1,2,3", "--thresh", "0.3")[0].startswith(
        "prepared: BGR, mean 1,2,3, scale 1,"
    )
    netgen.parse_prototxt(net.replace('mean_file: "m.binaryproto"', "mean_value: 1 mean_value: 2")).save("t.prototxt")
    assert ran(capsys, "t.prototxt", code=2)[1] == (
        "netgen: layer 'data' (Input): transform_param: mean must be 1 or 3 values, got 2\n"
    )


def test_options_that_change_nothing_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("mobilenet-ssd", "width=0.25")
    layer = "note: layer 'detection_out' (DetectionOutput)"
    assert ran(capsys, *words, "--thresh", "0.25")[1] == ""
    assert ran(capsys, *words, "--thresh", "0.1")[1] == (
        f"{layer}: its confidence_threshold is 0.25, below which --thresh 0.1 finds no boxes; lower it in the prototxt\n"
    )
    assert ran(capsys, *words, "--fork")[1] == (
        f"{layer}: --fork is for Darknet's heads, and changes nothing here; leave it out\n"
    )
    assert ran(capsys, *words, "--nms", "0.3")[1] == (
        f"{layer}: it suppresses boxes by its own nms_threshold, and --nms changes nothing; set it in the prototxt\n"
    )
