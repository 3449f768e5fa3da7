"""The schema and the catalogue of layer types hold what Caffe's tables say; generated files are fresh."""

from __future__ import annotations

import json
import keyword
import os
import re
import struct
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from netgen.layers import find
from netgen.layers.base import verb_of
from netgen.layers.index import TYPES, VERBS
from netgen.schema import ENUMS, FIELDS, Field

SHARED = os.environ.get("NETGEN_SHARED")
needs_tables = pytest.mark.skipif(not SHARED, reason="NETGEN_SHARED does not name the folder with Caffe's field tables")

PRIVATE = {"LayerParameter": 30001}
PRIVATE_ELSEWHERE = 10001

# Decisions that follow no rule; the reason stands beside each.
EXCEPTIONS = {
    # Written twice in real MobileNet-YOLO files; SSD's single one reads as well.
    ("TransformationParameter", "resize_param", "label"),
    # A ReLU6Parameter of other forks has its bound `n`, ours also the fields of ReLUParameter.
    ("LayerParameter", "relu6_param", "of"),
    ("V1LayerParameter", "relu6_param", "of"),
}

Row = dict[str, Any]


def table(name: str) -> dict[str, Any]:
    assert SHARED
    data: dict[str, Any] = json.loads((Path(SHARED) / "schema" / f"{name}.json").read_text(encoding="utf-8"))
    return data


def float32(value: float) -> bytes:
    return struct.pack("<f", value)


def same_default(row: Row, field: Field) -> bool:
    """Whether the table's default, a text, is the schema's, a value."""
    _, _, kind, _, default = field
    text = row.get("default")
    if text is None or default is None:
        return text is default
    if kind == "float":
        assert isinstance(default, float)
        return float32(float(text)) == float32(default)
    return str(text) == (str(default).lower() if kind == "bool" else str(default))


def differences(message: str, row: Row) -> list[str]:
    """The names of what a table's field has otherwise than the schema, its number aside."""
    field = FIELDS[message].get(row["name"])
    if field is None:
        return ["missing"]
    _, label, kind, of, _ = field
    found = [
        key
        for key, ours in (("label", label), ("type", kind), ("of", of))
        if ours != row.get(key) and (message, row["name"], key) not in EXCEPTIONS
    ]
    return found if same_default(row, field) else [*found, "default"]


def numbers(*names: str) -> set[tuple[str, int]]:
    """The (message, number) pairs that these tables use."""
    return {
        (message, row["number"]) for name in names for message, rows in table(name)["messages"].items() for row in rows
    }


@needs_tables
@pytest.mark.parametrize(
    ("name", "before"), [("bvlc", []), ("ssd", ["bvlc"]), ("eric612+MobileNet-YOLO", ["bvlc", "ssd"])]
)
def test_covers_the_fields_of(name: str, before: list[str]) -> None:
    taken = numbers(*before)
    wrong = []
    for message, rows in table(name)["messages"].items():
        for row in rows:
            found = differences(message, row)
            if "missing" not in found and FIELDS[message][row["name"]][0] != row["number"]:
                found += [] if (message, row["number"]) in taken else ["number"]
            wrong += [(message, row["name"], key) for key in found]
    assert not wrong


@needs_tables
@pytest.mark.parametrize("name", ["bvlc", "ssd", "eric612+MobileNet-YOLO"])
def test_covers_the_enums_of(name: str) -> None:
    for enum, values in table(name)["enums"].items():
        assert values.items() <= ENUMS[enum].items(), enum


@needs_tables
def test_covers_the_extra_fields() -> None:
    taken = numbers("bvlc", "ssd", "eric612+MobileNet-YOLO")
    for message, rows in table("extra").items():
        for row in rows if message[0].isupper() else ():
            number, label, kind, of, _ = FIELDS[message][row["name"]]
            assert number == row["number"] or (message, row["number"]) in taken, (message, row["name"])
            # Upsample's scale is MobileNet-YOLO's int32.
            assert (kind, of) == (row.get("type", "message"), row.get("of")) or row["name"] == "scale"
            assert label == row.get("label", "optional")


@needs_tables
def test_a_number_is_the_forks_or_private() -> None:
    assert SHARED
    used = set()
    for path in sorted((Path(SHARED) / "schema").glob("*.json")):
        if path.stem == "extra":
            used |= {(m, row["number"]) for m, rows in table("extra").items() if m[0].isupper() for row in rows}
        else:
            used |= numbers(path.stem)
    used |= {("V1" + message, number) for message, number in used if message == "LayerParameter"}
    # Its other fields are ReLUParameter's.
    used |= {("ReLU6Parameter", 2)}
    for message, fields in FIELDS.items():
        for name, (number, *_) in fields.items():
            private = number >= PRIVATE.get(message, PRIVATE_ELSEWHERE)
            assert ((message, number) in used) or private, (message, name, number)


def test_no_number_is_used_twice() -> None:
    for message, fields in FIELDS.items():
        taken = [field[0] for field in fields.values()]
        assert taken == sorted(set(taken)), message
        assert not [number for number in taken if 19000 <= number <= 19999], message
    for enum, values in ENUMS.items():
        assert len(set(values.values())) == len(values), enum


def test_references_lead_somewhere() -> None:
    for message, fields in FIELDS.items():
        for name, (_, _, kind, of, default) in fields.items():
            known = {"message": FIELDS.keys(), "enum": ENUMS.keys()}.get(kind, {None})
            assert of in known, (message, name)
            assert kind != "enum" or default is None or (of is not None and default in ENUMS[of]), (message, name)


def test_fields_that_change_shapes_are_known() -> None:
    assert {"hole", "hole_h", "hole_w", "kernel_depth", "temporal_stride"} <= FIELDS["ConvolutionParameter"].keys()
    assert {"ceil_mode", "round_mode", "kernel_size_3d", "kernel_depth"} <= FIELDS["PoolingParameter"].keys()
    assert FIELDS["PoolingParameter"]["ceil_mode"] == (10001, "optional", "bool", None, True)
    assert FIELDS["PoolingParameter"]["round_mode"][0] == 13


def test_a_float_default_is_the_shortest_decimal() -> None:
    assert FIELDS["BatchNormParameter"]["moving_average_fraction"][4] == 0.999
    assert FIELDS["LRNParameter"]["alpha"][4] == 1.0
    assert FIELDS["SolverParameter"]["clamp_weights_lower"][4] == -999999.9
    assert float32(-999999.9) == float32(-999999.875)


def test_generated_files_are_fresh() -> None:
    pytest.importorskip("grpc_tools", reason="grpcio-tools, which compiles caffe.proto, is not installed")
    from netgen.proto import generate

    assert not generate.stale(generate.outputs()), f"run {generate.COMMAND}"


def test_check_names_a_stale_file(tmp_path: Path) -> None:
    from netgen.proto import generate

    fresh, old = tmp_path / "fresh.py", tmp_path / "old.py"
    fresh.write_bytes(b"a\n")
    old.write_bytes(b"b\r\n")
    missing = tmp_path / "missing.py"
    assert generate.stale({fresh: "a\n", old: "b\n", missing: ""}) == [old, missing]


def test_reads_a_small_net() -> None:
    text_format = pytest.importorskip("google.protobuf.text_format")
    from netgen.proto import caffe_pb2

    text = """
        name: "n"
        layer {
          name: "pool" type: "Pooling" bottom: "data" top: "pool"
          include { phase: TEST }
          pooling_param { pool: AVE kernel_size: 3 ceil_mode: false }
        }
        layers { type: CONVOLUTION convolution_param { num_output: 4 hole: 2 pad: 1 pad: 2 } }
    """
    net = text_format.Parse(text, caffe_pb2.NetParameter())
    pooling = net.layer[0].pooling_param
    assert (pooling.pool, pooling.kernel_size, pooling.ceil_mode, pooling.stride) == (1, 3, False, 1)
    assert net.layer[0].include[0].phase == caffe_pb2.Phase.Value("TEST")
    assert list(net.layers[0].convolution_param.pad) == [1, 2]
    again = caffe_pb2.NetParameter.FromString(net.SerializeToString())
    assert again == net


def test_schema_is_the_descriptor() -> None:
    caffe_pb2 = pytest.importorskip("netgen.proto.caffe_pb2", exc_type=ImportError)
    for message, descriptor in caffe_pb2.DESCRIPTOR.message_types_by_name.items():
        assert {f.name: f.number for f in descriptor.fields} == {n: f[0] for n, f in FIELDS[message].items()}
        assert getattr(caffe_pb2, message).DESCRIPTOR is descriptor


CLASH = """
    from google.protobuf import descriptor_pb2, descriptor_pool

    for file_name, package in (("caffe.proto", "caffe"), ("caffe/proto/caffe.proto", "netgen"),
                               ("netgen/proto/caffe.proto", "other")):
        file = descriptor_pb2.FileDescriptorProto(name=file_name, package=package)
        message = file.message_type.add(name="NetParameter")
        message.field.add(name="name", number=9, label=1, type=5)
        descriptor_pool.Default().AddSerializedFile(file.SerializeToString())

    from netgen.proto import caffe_pb2

    assert caffe_pb2.NetParameter(name="ours").SerializeToString() == b"\\n\\x04ours"
    for name in ("caffe.NetParameter", "netgen.NetParameter"):
        theirs = descriptor_pool.Default().FindMessageTypeByName(name)
        assert [field.number for field in theirs.fields] == [9]
    print("both")
"""


def test_lives_beside_another_caffe_proto() -> None:
    pytest.importorskip("google.protobuf")
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CLASH)], cwd=root, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "both\n"), done.stderr


def layer_parameter_messages() -> dict[str, str]:
    """The message fields of LayerParameter, and the message of each."""
    return {name: field[3] for name, field in FIELDS["LayerParameter"].items() if field[3] and field[2] == "message"}


def test_the_index_is_what_the_classes_say() -> None:
    for name, row in TYPES.items():
        kind = find(name)
        assert kind is not None
        assert kind.__name__ == name
        assert kind.__module__ == f"netgen.layers.{row[-1]}"
        assert row == kind.row(row[-1])
        assert "Source: " in (kind.__doc__ or "")
    assert find("NoSuchType") is None


@pytest.mark.parametrize("name", sorted(TYPES))
def test_a_type_names_fields_of_the_schema(name: str) -> None:
    messages = layer_parameter_messages()
    params, _, required, *counts, same_count, _, _ = TYPES[name]
    assert set(params) <= messages.keys()
    known = {field for param in params for field in FIELDS[messages[param]]}
    assert set(required) <= known
    declared = {field for param in params for field, row in FIELDS[messages[param]].items() if row[1] == "required"}
    assert declared <= set(required)
    for least, most in counts:
        assert most is None or 0 <= least <= most
    assert not same_count or counts[0] == counts[1]


def test_every_type_has_a_verb_of_its_own() -> None:
    assert sorted(VERBS.values()) == sorted(TYPES)
    for verb, name in VERBS.items():
        assert verb.isidentifier(), verb
        assert verb == verb.lower(), verb
        assert not keyword.iskeyword(verb), verb
        kind = find(name)
        assert kind is not None
        assert verb == (kind.verb or verb_of(name))
    # The builder's own short verbs, each for a type that has a long one besides.
    assert not {"conv", "bn", "pool", "global_pool", "fc"} & VERBS.keys()


@pytest.mark.parametrize(
    ("name", "verb"),
    [
        ("InnerProduct", "inner_product"),
        ("AbsVal", "abs_val"),
        ("LSTMUnit", "lstm_unit"),
        ("HDF5Data", "hdf5_data"),
        ("SmoothL1Loss", "smooth_l1_loss"),
        ("PSROIPooling", "psroi_pooling"),
        ("Im2col", "im2col"),
        ("Yolov3DetectionOutput", "yolov3_detection_output"),
        ("BNLL", "bnll"),
    ],
)
def test_a_verb_is_the_type_in_snake_case(name: str, verb: str) -> None:
    assert verb_of(name) == verb


@needs_tables
def test_knows_every_type_that_caffe_knows() -> None:
    assert SHARED
    text = (Path(SHARED) / "truth" / "nets" / "shapes.json").read_text(encoding="utf-8")
    lists = set(re.findall(r"known types: ([\w, ]+)", text))
    assert lists
    for types in lists:
        assert set(types.split(", ")) <= TYPES.keys()


@needs_tables
def test_what_caffe_loaded_is_within_the_counts() -> None:
    assert SHARED
    text_format = pytest.importorskip("google.protobuf.text_format")
    from netgen.proto import caffe_pb2

    messages = layer_parameter_messages()
    checked = set()
    for path in sorted((Path(SHARED) / "truth" / "layers").glob("*.prototxt")):
        if path.stem.startswith("spelling_"):
            continue
        for layer in text_format.Parse(path.read_text(encoding="utf-8"), caffe_pb2.NetParameter()).layer:
            params, _, required, (least_in, most_in), (least_out, most_out), same_count, _, _ = TYPES[layer.type]
            checked.add(layer.type)
            where = (path.name, layer.name)
            assert least_in <= len(layer.bottom) <= (most_in or len(layer.bottom)), where
            assert least_out <= len(layer.top) <= (most_out or len(layer.top)), where
            assert not same_count or len(layer.bottom) == len(layer.top), where
            given = {field.name for param in params for field, _ in getattr(layer, param).ListFields()}
            assert set(required) <= given, where
            written = {field.name for field, _ in layer.ListFields() if field.name in messages} - {"transform_param"}
            assert written - {"param", "include", "exclude", "blobs"} <= set(params), where
    assert len(checked) > 50


def test_no_family_is_imported_at_start() -> None:
    code = "import sys, netgen.schema, netgen.layers; print(*sorted(n for n in sys.modules if n.startswith('netgen.layers')))"
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["netgen.layers", "netgen.layers.index"]
