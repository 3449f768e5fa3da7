"""The layers of a ``.caffemodel``, without its weights and whatever fork wrote it."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

import netgen
from netgen.graph import Graph
from netgen.message import to_message
from netgen.prototxt import parse
from netgen.upgrade import upgrade

NET = """
    name: "n"
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
    layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 2 kernel_size: 3 } }
    layer { name: "p" type: "Pooling" bottom: "c" top: "p" phase: TEST pooling_param { pool: AVE kernel_size: 2 } }
"""
V1 = """
    input: "x"
    layers { name: "c" type: CONVOLUTION bottom: "x" top: "c" blobs_lr: 1 convolution_param { num_output: 2 } }
    layers { name: "r" type: RELU bottom: "c" top: "c" }
"""
V0 = 'input: "x" layers { layer { name: "c" type: "conv" num_output: 2 } bottom: "x" top: "c" }'


def weighed(text: str) -> bytes:
    """A network's message with 30,000 weights in every layer."""
    message = to_message(parse(text))
    for layer in [
        *message.layer,
        *message.layers,
        *(layer.layer for layer in message.layers if layer.HasField("layer")),
    ]:
        blob = layer.blobs.add()
        blob.shape.dim.append(30_000)
        blob.data.extend([0.5] * 30_000)
    return bytes(message.SerializeToString())


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tmp_path / "n.caffemodel"


def field(number: int, content: bytes | int) -> bytes:
    """One field of a message: bytes with their length, or a number."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number: int) -> bytes:
    return bytes([number & 127 | 128]) + varint(number >> 7) if number > 127 else bytes([number])


def layer(name: str, type_name: str, *fields: bytes) -> bytes:
    return field(100, field(1, name.encode()) + field(2, type_name.encode()) + b"".join(fields))


def refused(path: Path) -> str:
    with pytest.raises(netgen.NetgenError) as caught:
        netgen.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("text", [NET, V1, V0], ids=["V2", "V1", "V0"])
def test_the_layers_without_the_weights(text: str, model: Path) -> None:
    data = weighed(text)
    assert len(data) > 100_000
    net = netgen.load(written(model, data))
    expected = upgrade(parse(text), keep_inputs=True) if "layers" in text else parse(text)
    assert net == expected
    assert not any("blobs" in each.params for each in net.layers)
    assert isinstance(net, netgen.Net)
    # What old models have instead of Input layers: a name, and the shape is for the user to give.
    assert net.inputs == expected.inputs


def test_the_corpus_through_caffemodels(shared: Path, model: Path) -> None:
    paths = sorted((shared / "corpus" / "upgraded").iterdir())
    for path in paths:
        old = parse((shared / "corpus" / "caffe" / path.name).read_text(encoding="utf-8"))
        for graph in (old, parse(path.read_text(encoding="utf-8"))):
            try:
                data = to_message(graph).SerializeToString()
            except netgen.NetgenError:
                assert any("unknown" in note for note in graph.notes)
                continue
            expected = upgrade(old, keep_inputs=True)
            assert netgen.load(written(model, data)).layers == expected.layers, path.name


def test_what_the_schema_lacks_is_noted(model: Path) -> None:
    convolution = field(106, field(1, 4) + field(999, 1) + field(15, 77))
    net = netgen.load(written(model, layer("c", "Convolution", convolution, field(7777, b"abc")) + field(55, 1)))
    assert net.layers["c"].params == {"convolution_param": {"num_output": 4}}
    assert net.notes == (
        f"{model}: layer 'c': field convolution_param.number 999 is not in the schema and is ignored",
        f"{model}: layer 'c': convolution_param.engine 77 is not in the schema and is ignored",
        f"{model}: layer 'c': field number 7777 is not in the schema and is ignored",
        f"{model}: net: field number 55 is not in the schema and is ignored",
    )


def test_a_v1_type_that_the_schema_lacks_is_noted(model: Path) -> None:
    net = netgen.load(written(model, field(2, field(4, b"a") + field(5, 999))))
    assert (net.layers["a"].type, net.notes) == (
        "",
        (f"{model}: layer 'a': type 999 is not in the schema and is ignored",),
    )


def test_numbers_that_forks_give_to_other_messages(model: Path) -> None:
    upsample = layer("u", "Upsample", field(149, field(1, 2)))  # darknet2caffe's upsample_param, reorg_param here
    intel = layer("i", "Convolution", field(149, b"MKL2017"))  # Intel's engine, a string
    reorg = layer("r", "Reorg", field(149, field(1, 2)))
    net = netgen.load(written(model, upsample + intel + reorg))
    assert [each.params.keys() for each in net.layers] == [set(), set(), {"reorg_param"}]
    what = "field number 149 (reorg_param) means something else in other forks, and is ignored"
    assert net.notes == (f"{model}: layer 'i' and 1 more: {what}",)


def test_rounding_that_may_be_the_opposite_is_noted(model: Path) -> None:
    net = netgen.load(written(model, layer("p", "Pooling", field(121, field(13, 1)))))
    assert net.layers["p"].params == {"pooling_param": {"round_mode": "FLOOR"}}
    assert "layer 'p' (Pooling): round_mode FLOOR would be ceil_mode: true from another fork" in net.notes[0]


def test_what_is_no_caffemodel(model: Path, tmp_path: Path) -> None:
    no_model = "this is no .caffemodel, or a part of one: "
    assert refused(written(model, b"\x89HDF\r\n\x1a\n" + bytes(50))).startswith("this is an HDF5 file")
    assert refused(written(model, b"version https://git-lfs.github.com/spec/v1\n")).startswith("this is a git-lfs")
    assert refused(written(model, b"")) == "the file is empty"
    assert refused(written(model, b"layer { }")).startswith(no_model)
    assert refused(written(model, bytes(100))) == no_model + "field number 0 at byte 0"
    assert refused(written(model, weighed(NET)[:-1])).startswith(no_model + "field 100 at byte")
    assert refused(written(model, b"\xff" * 20)) == no_model + "a number at byte 0 does not end"
    assert refused(written(model, field(1, b"only a name"))).startswith("there are no layers in it")
    assert refused(tmp_path / "absent.caffemodel") == "no such file"
    (tmp_path / "folder.caffemodel").mkdir()
    assert refused(tmp_path / "folder.caffemodel").startswith("this is a directory")


def test_a_message_that_protobuf_refuses_names_its_field(model: Path) -> None:
    cut = layer("ok", "ReLU") + layer("c", "Convolution", field(106, b"\x08"))
    assert refused(written(model, cut)).startswith("layer 'c': field number 106 does not hold a convolution_param; ")


def test_names_that_are_no_utf8_are_kept_as_bytes(model: Path) -> None:
    net = netgen.load(written(model, layer("a", "ReLU", field(3, b"\xff\xfe"), field(6, field(1, b"\xe9")))))
    assert net.layers["a"].bottoms == ("\udcff\udcfe",)
    assert '"\\377\\376"' in net.to_prototxt()
    assert netgen.parse_prototxt(net.to_prototxt()) == net


def test_an_old_model_that_cannot_be_upgraded(model: Path) -> None:
    both = weighed(NET) + weighed(V1)
    assert refused(written(model, both)).startswith("the net has both 'layer' (V2) and 'layers' (V0, V1) fields")


def test_damaged_models_are_read_or_refused(model: Path) -> None:
    rng = random.Random(20140)
    models = [bytes(to_message(parse(text)).SerializeToString()) for text in (NET, V1, V0)]
    loaded = 0
    for _ in range(1500):
        data = bytearray(rng.choice(models))
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        else:
            for _ in range(rng.randrange(1, 5)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            loaded += isinstance(netgen.load(written(model, bytes(data))), Graph)
        except netgen.NetgenError:
            continue
    assert 100 < loaded < 1400


def test_random_bytes_are_read_or_refused(model: Path) -> None:
    rng = random.Random(20140)
    for _ in range(500):
        try:
            netgen.load(written(model, rng.randbytes(rng.randrange(1, 60))))
        except netgen.NetgenError:
            continue


@pytest.mark.skipif(sys.platform == "win32", reason="a file's hole takes its room on the disk there")
def test_weights_are_stepped_over(model: Path) -> None:
    # 3 GB, more than protobuf reads: all of it a hole in the file but for the layers' heads.
    size = 3 << 30
    head = field(1, b"c") + field(2, b"ReLU")
    length = len(head) + len(varint(7 << 3 | 2)) + len(varint(size)) + size
    with open(model, "wb") as file:
        file.write(varint(100 << 3 | 2) + varint(length) + head + varint(7 << 3 | 2) + varint(size))
        file.seek(size, 1)
        file.write(layer("last", "TanH"))
    assert [each.type for each in netgen.load(model).layers] == ["ReLU", "TanH"]
