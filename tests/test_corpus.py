"""Real files that nobody here wrote: read, written, read again, and protobuf's own parser as the judge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.protobuf import text_format

import netgen
from netgen.analysis import analyze_as_far_as_possible
from netgen.files import read_text
from netgen.message import from_message, to_message
from netgen.proto import caffe_pb2
from netgen.prototxt import parse, write
from netgen.prototxt.reader import Reader


def accepted_by_caffe(shared: Path) -> list[Path]:
    truth = json.loads((shared / "truth" / "nets" / "shapes.json").read_text(encoding="utf-8"))
    return [shared / "corpus" / "caffe" / name for name in sorted(truth["files"])]


def v2_files(shared: Path) -> list[tuple[str, str]]:
    texts = [(path.name, read_text(path)) for path in sorted((shared / "corpus" / "caffe").iterdir())]
    return [(name, text) for name, text in texts if "layers" not in text.replace("_layers", "")]


def test_every_file_that_caffe_takes_is_read_and_written_exactly(shared: Path) -> None:
    paths = accepted_by_caffe(shared)
    assert len(paths) == 106
    for path in paths:
        text = read_text(path)
        if "layers {" in text:
            continue  # V0 and V1 are upgraded on loading, and have their own test
        graph = parse(text, path.name)
        assert graph.notes == (), path.name
        again = write(graph)
        assert parse(again, path.name) == graph, path.name
        message = text_format.Parse(text, caffe_pb2.NetParameter())
        assert text_format.Parse(again, caffe_pb2.NetParameter()) == message, path.name
        assert to_message(graph) == message, path.name
        assert from_message(message) == graph, path.name


def test_every_v2_file_is_the_same_after_a_round_trip(shared: Path) -> None:
    unknown = 0
    files = v2_files(shared)
    assert len(files) > 400
    for name, text in files:
        if name in BROKEN:
            with pytest.raises(netgen.ParseError):
                parse(text, name)
            continue
        graph = parse(text, name)
        assert parse(write(graph), name) == graph, name
        unknown += bool(graph.notes)
    # Files with fields that no table of the schema has: read all the same.
    assert unknown > 20


def test_the_two_readers_read_real_files_alike(shared: Path) -> None:
    from netgen.prototxt.fast import read_fast

    plain = 0
    for name, text in v2_files(shared)[::4]:
        fast = read_fast(text, "NetParameter")
        if fast is not None:
            reader = Reader(text, name, "NetParameter")
            assert (reader.read(), reader.layers) == fast, name
            plain += 1
    assert plain > 80


BROKEN = {
    "BVLC__caffe__examples__hdf5_classification__train_val@1ed2ce0b.prototxt": "conflict markers",
    "BVLC__caffe__models__bvlc_googlenet__deploy@e052c95e.prototxt": "conflict markers",
    "BVLC__caffe__models__bvlc_googlenet__train_val@1ed2ce0b.prototxt": "conflict markers",
    "BVLC__caffe__prototxt__imagenet_val_channelconstant@7e44b73b.prototxt": "one field twice",
    "chuanqi305__MobileNet-SSD__template__MobileNetSSD_deploy_template.prototxt": "num_output: cls3x",
    "chuanqi305__MobileNet-SSD__template__MobileNetSSD_test_template.prototxt": "num_output: cls3x",
    "happynear__caffe-windows__examples__pycaffe__Inception-ResNet-v1@df96ca3e.prototxt": "a list without commas",
}
"""The V2 files that are broken as text, whatever the schema; V0 and V1 files have their own test."""


def test_what_caffe_cannot_parse_is_refused_at_the_same_line(shared: Path) -> None:
    folder = shared / "truth" / "errors"
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    refused = {
        name: each for name, each in expected.items() if each["stage"] == "parse" and not each.get("may_be_kept")
    }
    refused = {name: each for name, each in refused.items() if name not in KEPT}
    assert len(refused) > 25
    for name, each in refused.items():
        with pytest.raises(netgen.ParseError) as error:
            netgen.load(folder / name)
        if "line" in each:
            assert abs(error.value.line - each["line"]) <= 1, (name, str(error.value))


KEPT = {
    "enum_avg.prototxt": "a value that forks have: kept and told, and refused where its meaning is needed",
    "enum_number.prototxt": "a value that a fork has by this number",
    "v1_unknown_type.prototxt": "a V1 type that stock Caffe does not know",
}


def test_odd_spellings_that_caffe_takes(shared: Path) -> None:
    paths = sorted((shared / "truth" / "layers").glob("spelling_*.prototxt"))
    assert len(paths) > 20
    for path in paths:
        net = netgen.load(path)
        assert net.notes == ()
        # Python's protobuf takes no number but 0 and 1 for a bool; Caffe's takes 0x1.
        text = path.read_text(encoding="utf-8").replace("0x1 ", "1 ")
        assert to_message(net) == text_format.Parse(text, caffe_pb2.NetParameter()), path.name


def test_how_many_real_files_load_and_have_shapes_with_nothing_given(shared: Path) -> None:
    # The others want their data layers' sizes, or have layers and fields of forks that netgen does not know.
    # Both numbers can only rise: a file that loses its shapes is a step back.
    loaded = shaped = 0
    for path in sorted((shared / "corpus" / "caffe").iterdir()):
        try:
            net = netgen.load(path)
        except netgen.NetgenError:
            continue
        loaded += 1
        shaped += not all(analyze_as_far_as_possible(net, phase).error for phase in ("TEST", "TRAIN"))
    assert loaded >= 530
    assert shaped >= 234


def test_a_file_whose_interp_is_openvino_s(shared: Path) -> None:
    # OpenVINO zooms to h zoom_factor, Caffe to h + (h - 1) (zoom_factor - 1), and no field says which is meant: the
    # file is refused where the two first disagree, and reads with the sizes written out.
    [path] = (shared / "corpus" / "caffe").glob("*semantic-segmentation-adas-0001.prototxt")
    text = read_text(path)
    with pytest.raises(
        netgen.NetgenError, match=r"^layer 'AddBackward1223' \(Eltwise\): .* 1x128x63x127 .* 1x128x64x128"
    ):
        netgen.infer_shapes(netgen.parse_prototxt(text))
    for size in ("64\n width: 128", "128\n width: 256", "256\n width: 512"):
        text = text.replace("zoom_factor: 2", f"height: {size}", 1)
    text = text.replace("zoom_factor: 4", "height: 1024\n width: 2048", 1)
    assert list(netgen.infer_shapes(netgen.parse_prototxt(text)).values())[-1][2:] == (1024, 2048)


def test_c3d_has_its_published_weights(shared: Path) -> None:
    # Tran et al. 2015 and its successors: 78.4 million weights and 38.5 thousand million multiply-adds with 101 classes.
    clip = {"data": (1, 3, 16, 112, 112), "label": (1,)}
    [path] = (shared / "corpus" / "caffe").glob("*c3d_ucf101_finetuning_train.prototxt")
    totals = netgen.analyze(netgen.load(path), "TRAIN", clip).totals()
    assert (totals["weights"], totals["macs"]) == (78_409_573, 38_547_378_176)


def test_r_fcn_s_training_files_have_shapes_with_what_their_python_layer_makes(shared: Path) -> None:
    # lib/roi_data_layer of py-R-FCN: N boxes, one label each, 8 values of class-agnostic regression.
    paths = sorted((shared / "corpus" / "caffe").glob("*5step_ohem__stage1_rfcn_ohem_train.pt.prototxt"))
    assert len(paths) == 2
    given = {"data": (1, 3, 224, 224), "rois": (300, 5), "labels": (300, 1, 1, 1)}
    given |= {f"bbox_{what}": (300, 8, 1, 1) for what in ("targets", "inside_weights", "outside_weights")}
    for path in paths:
        shapes = netgen.infer_shapes(netgen.load(path), "TRAIN", given)
        assert shapes["per_roi_loss"] == shapes["labels_ohem"] == (300, 1, 1, 1)
        assert shapes["bbox_loss_weights_ohem"] == (300, 8, 1, 1)
        assert shapes["loss_bbox"] == ()
