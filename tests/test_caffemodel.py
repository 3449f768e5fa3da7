"""Weights in ``.caffemodel`` and ``.binaryproto`` files, held against protobuf and OpenCV."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import netgen
from netgen.caffemodel import read_caffemodel, write_caffemodel
from netgen.proto import caffe_pb2
from tests.weighed import assert_same, message_of, random_weights, small

if TYPE_CHECKING:
    from netgen.weights import Weights


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tmp_path / "n.caffemodel"


def read(model: Path, data: bytes) -> Weights:
    model.write_bytes(data)
    return read_caffemodel(model)


def refused(model: Path, data: bytes) -> str:
    with pytest.raises(netgen.NetgenError) as caught:
        read(model, data)
    assert str(caught.value).startswith(f"{model}: ")
    return str(caught.value).removeprefix(f"{model}: ")


def field(number: int, content: bytes | int, wire: int = 2) -> bytes:
    """One field of a message: a number, or bytes, with their length where the wire type is 2."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | wire) + (varint(len(content)) if wire == 2 else b"") + content


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    return bytes([number & 127 | 128]) + varint(number >> 7) if number > 127 else bytes([number])


def layer(name: str, *blobs: bytes, rest: bytes = b"") -> bytes:
    return field(100, field(1, name.encode()) + b"".join(field(7, blob) for blob in blobs) + rest)


def floats(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


def shape(*dims: int) -> bytes:
    return field(7, field(1, b"".join(map(varint, dims))))


# Against protobuf


def test_what_is_written_is_what_protobuf_writes(model: Path) -> None:
    net = small()
    net.fc(2, name="last", include="TEST", lr_mult=[1, 2])  # fields before and after the blobs
    weights = random_weights(net)
    write_caffemodel(weights, model, net)
    expected = message_of(net, weights)
    assert caffe_pb2.NetParameter.FromString(model.read_bytes()) == expected
    assert model.read_bytes() == expected.SerializeToString(deterministic=True)
    assert_same(read_caffemodel(model), weights)
    assert netgen.load(model) == net


def test_without_a_net_there_are_names_and_blobs(model: Path) -> None:
    weights = random_weights(small())
    write_caffemodel(weights, model)
    message = caffe_pb2.NetParameter.FromString(model.read_bytes())
    assert [each.name for each in message.layer] == ["a", "a/bn", "a/scale", "b:1/c", "f/g"]
    assert {descriptor.name for each in message.layer for descriptor, _ in each.ListFields()} == {"name", "blobs"}
    assert_same(read_caffemodel(model), weights)


def test_values_are_a_view_onto_the_file(model: Path) -> None:
    write_caffemodel(random_weights(small()), model)
    array: Any = read_caffemodel(model)["a:0"]
    assert not array.flags.writeable
    while isinstance(array, np.ndarray):
        array = array.base
    assert isinstance(memoryview(array).obj, mmap.mmap)


def test_arrays_of_any_layout_are_written(model: Path) -> None:
    plain = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    write_caffemodel({"a:0": plain.transpose(2, 1, 0), "a:1": plain[:, ::2], "a:2": plain.astype(np.float64)}, model)
    expected = {"a:0": plain.transpose(2, 1, 0).copy(), "a:1": plain[:, ::2].copy(), "a:2": plain}
    assert_same(read_caffemodel(model), expected)


def test_files_of_all_ages(model: Path) -> None:
    values = np.arange(6, dtype=np.float32)
    blob = caffe_pb2.BlobProto(num=1, channels=1, height=2, width=3, data=values)
    old = caffe_pb2.NetParameter()
    old.layers.add(name="v1", type="INNER_PRODUCT").blobs.add().CopyFrom(blob)
    inner = old.layers.add()
    inner.layer.name, inner.layer.type = "v0", "innerproduct"
    inner.layer.blobs.add().CopyFrom(blob)
    expected = values.reshape(1, 1, 2, 3)
    assert_same(read(model, old.SerializeToString()), {"v1:0": expected, "v0:0": expected})
    # The old fields go before the shape (blob.cpp, FromProto); those that are not there are 0.
    blob.shape.dim.extend([6])
    new = caffe_pb2.NetParameter()
    new.layer.add(name="v2").blobs.add().CopyFrom(blob)
    assert_same(read(model, new.SerializeToString()), {"v2:0": expected})
    assert refused(model, layer("c", field(4, 6) + field(5, floats(*range(6))))) == (
        "layer 'c', weight 0: it declares the shape 0x0x0x6, 0 values, and holds 6"
    )


def test_doubles_go_before_floats(model: Path) -> None:
    message = caffe_pb2.NetParameter()
    blob = message.layer.add(name="d").blobs.add(data=[1, 2, 3], double_data=[0.1, 1e300])
    blob.shape.dim.extend([2])
    assert_same(read(model, message.SerializeToString()), {"d:0": np.array([0.1, np.inf], np.float32)})


def test_values_packed_unpacked_and_in_parts(model: Path) -> None:
    one, two = (b"".join(field(5, floats(i), 5) for i in part) for part in (range(3), range(5, 9)))
    data = layer("u", one + field(5, floats(3, 4)) + field(6, floats(9)) + two + shape(9))
    assert caffe_pb2.NetParameter.FromString(data).layer[0].blobs[0].data == list(range(9))
    assert_same(read(model, data), {"u:0": np.arange(9, dtype=np.float32)})
    doubles = b"".join(field(8, np.array(i, "<f8").tobytes(), 1) for i in range(4)) + field(7, field(1, 4))
    assert_same(read(model, layer("u", doubles)), {"u:0": np.arange(4, dtype=np.float32)})


def test_a_single_value_without_axes(model: Path) -> None:
    write_caffemodel({"p:0": np.array(0.25, np.float32)}, model)
    assert caffe_pb2.NetParameter.FromString(model.read_bytes()).layer[0].blobs[0].HasField("shape")
    assert_same(read_caffemodel(model), {"p:0": np.array(0.25, np.float32)})


def test_fields_of_forks_are_passed_over(model: Path) -> None:
    fork = field(149, b"MKL2017") + field(7777, b"abc") + field(300, 5)
    data = layer("c", field(10001, 3) + field(5, floats(1, 2)) + shape(2) + field(555, b"x"), rest=fork) + field(55, 1)
    assert_same(read(model, data), {"c:0": np.array([1, 2], np.float32)})


# Against OpenCV


def opencv() -> Any:
    cv2: Any = pytest.importorskip("cv2")
    return cv2.dnn


@pytest.mark.parametrize("net", [small(), netgen.build("peleenet", size=64)], ids=["small", "peleenet"])
def test_opencv_reads_the_weights(net: netgen.Net, model: Path) -> None:
    weights = random_weights(net)
    write_caffemodel(weights, model, net)
    net.save(model.with_suffix(".prototxt"))
    reader = opencv().readNetFromCaffe(str(model.with_suffix(".prototxt")), str(model))
    compared = 0
    for key, array in weights.items():
        name, index = key.rpartition(":")[::2]
        if net.layers[name].type in ("Convolution", "InnerProduct"):
            found = reader.getParam(name, int(index))
            assert np.array_equal(found.reshape(array.shape), array), key
            compared += 1
    assert compared == sum(1 for key in weights if "/bn:" not in key and "/scale:" not in key)


def test_halves_that_opencv_writes(model: Path, tmp_path: Path) -> None:
    weights = random_weights(small())
    write_caffemodel(weights, model, small())
    opencv().shrinkCaffeModel(str(model), str(tmp_path / "half.caffemodel"))
    found = read_caffemodel(tmp_path / "half.caffemodel")
    assert (tmp_path / "half.caffemodel").stat().st_size < model.stat().st_size
    for key, array in weights.items():
        assert np.allclose(found[key], array, rtol=2**-10, atol=1e-7), key  # the last bit of a half
    assert found["a:0"].dtype == np.float32
    assert not np.array_equal(found["a:0"], weights["a:0"])


# What is refused


def test_a_file_cut_short_names_the_layer(model: Path) -> None:
    whole = message_of(small(), random_weights(small())).SerializeToString()
    said = refused(model, whole[:-1000])
    assert said.startswith("this is no .caffemodel, or a part of one: field 100 at byte ")
    assert said.endswith(f" and its message ends at {len(whole) - 1000}, in layer 'f/g'")
    assert refused(model, b"") == "the file is empty"
    assert refused(model, field(1, b"name")) == "there are no layers in it"


def test_blobs_that_do_not_agree_with_themselves(model: Path) -> None:
    values = field(5, floats(1, 2, 3))
    for blob, rule in {
        values + shape(2): "it declares the shape 2, 2 values, and holds 3",
        values: "it declares the shape (), 1 values, and holds 3",
        shape(2): "it declares the shape 2, 2 values, and holds 0",
        values + shape(-3): "the blob would be -3, and no axis may be negative",
        values + shape(2**40, 2**40): f"the blob would be {2**40}x{2**40}, more than the 2147483647 values of a blob",
        field(5, b"12345") + shape(1): "its values at byte",
        field(5, 7) + field(6, floats(1)): "field 5 at byte 8 does not hold the values (as C3D 1.0 writes it)",
        field(10, 3) + field(12, b"12") + shape(1): "its raw_data is of kind 3, and of numbers only 0 to 2",
    }.items():
        assert refused(model, layer("x", blob)).startswith(f"layer 'x', weight 0: {rule}"), rule
    cut = "this is no .caffemodel, or a part of one: layer 'x', weight 1: a number at byte 17 does not end"
    assert refused(model, layer("x", field(5, floats(1)), b"\x08")) == cut


def test_two_layers_of_one_name(model: Path) -> None:
    blob = field(5, floats(1)) + shape(1)
    assert_same(read(model, layer("a", blob) + layer("a")), {"a:0": np.ones(1, np.float32)})
    assert_same(read(model, layer("a", blob) + layer("a", blob)), {"a:0": np.ones(1, np.float32)})  # shared
    other = field(5, floats(2)) + shape(1)
    for second in ([other], [blob, blob], [field(5, floats(1)) + shape(1, 1)]):
        assert "two layers 'a' have different weights" in refused(model, layer("a", blob) + layer("a", *second))
    assert "two layers 'a' have different weights" in refused(model, layer("a", blob, blob) + layer("a", blob))
    assert refused(model, layer("a", blob) + layer("b") + layer("a", other)) == (
        "two layers 'a' have different weights, of which Caffe loads the last into the first layer of that name; "
        "give them names of their own"
    )
    both = layer("a") + field(2, field(4, b"b"))
    assert refused(model, both) == "the net has both 'layer' (V2) and 'layers' (V0, V1) fields"


def test_weights_that_the_net_has_no_layer_for(model: Path) -> None:
    weight = np.ones(1, np.float32)
    with pytest.raises(
        netgen.NetgenError,
        match=r"weights of a layer 'f/h', which the net does not have in phase TEST; did you mean 'f/g'\?",
    ):
        write_caffemodel({"f/h:0": weight}, model, small())
    with pytest.raises(netgen.NetgenError, match=r"weight 'a:0': it is not there, and 'a:1' is"):
        write_caffemodel({"a:1": weight}, model, small())
    assert not model.exists()


def test_what_is_no_net_or_phase(model: Path) -> None:
    with pytest.raises(netgen.UsageError, match=r"give a net \(netgen.load reads one from a file\), got 'n.prototxt'"):
        netgen.save_weights({}, model, "n.prototxt")  # type: ignore[arg-type]
    with pytest.raises(netgen.UsageError, match="phase must be TRAIN or TEST, got 'test'"):
        netgen.save_weights({}, model, small(), phase="test")
    assert not model.exists()


def test_only_the_layers_of_the_phase_are_written(model: Path) -> None:
    net = small()
    net.softmax_with_loss(bottom=["f/g", "f/g"], name="loss", include="TRAIN")
    write_caffemodel({}, model, net)
    names = [each.name for each in caffe_pb2.NetParameter.FromString(model.read_bytes()).layer]
    assert names == [each.name for each in small().layers]


def test_more_than_protobuf_reads_is_refused_before_it_is_written(model: Path) -> None:
    # A view of one value that has the length of many: 2 GB of weights take no room.
    large = np.broadcast_to(np.float32(0), (1 << 29,))
    with pytest.raises(netgen.NetgenError) as caught:
        write_caffemodel({"a:0": large}, model)
    assert str(caught.value) == (
        f"{model}: it would have 2147483679 bytes, and protobuf reads no more than 2147483647; write .npz or .caffemodel.h5"
    )
    assert list(model.parent.iterdir()) == []


def test_a_write_that_fails_leaves_what_was_there(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "ascontiguousarray", full)
    with pytest.raises(netgen.UsageError, match=r"n.caffemodel: cannot be written: No space left on device"):
        write_caffemodel({"a:0": np.ones(1, np.float32)}, model)
    assert [each.name for each in model.parent.iterdir()] == ["n.caffemodel"]
    assert model.read_bytes() == b"old"


def test_a_file_may_be_written_over_while_it_is_read(model: Path) -> None:
    weights = random_weights(small())
    write_caffemodel(weights, model)
    write_caffemodel({key: array * 2 for key, array in read_caffemodel(model).items()}, model)
    assert_same(read_caffemodel(model), {key: array * 2 for key, array in weights.items()})


# Mean files


def test_means(tmp_path: Path) -> None:
    path = tmp_path / "mean.binaryproto"
    mean = np.random.default_rng(0).random((3, 4, 5), np.float32)
    netgen.save_mean(mean, path)
    expected = caffe_pb2.BlobProto(num=1, channels=3, height=4, width=5, data=mean.reshape(-1))
    assert path.read_bytes() == expected.SerializeToString()
    assert netgen.load_mean(path).shape == (1, 3, 4, 5)
    assert np.array_equal(netgen.load_mean(path)[0], mean)
    with pytest.raises(netgen.NetgenError, match=r"a mean must be C x H x W or 1 x C x H x W, got 4x5"):
        netgen.save_mean(mean[0], path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        netgen.NetgenError, match=r"this is no mean file \(.binaryproto\), or a part of one: field 5 at"
    ):
        netgen.load_mean(path)
