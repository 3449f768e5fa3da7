"""PeleeNet against its golden file, and a real reader of Caffe files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from google.protobuf import text_format

import netgen
from netgen.message import to_message
from netgen.proto import caffe_pb2

GOLDEN = Path(__file__).parent / "data" / "PeleeNet.prototxt"


def test_it_means_exactly_the_golden_file() -> None:
    golden = text_format.Parse(GOLDEN.read_text(encoding="utf-8"), caffe_pb2.NetParameter())
    net = netgen.build("peleenet")
    assert to_message(net) == golden
    assert text_format.Parse(net.to_prototxt(), caffe_pb2.NetParameter()) == golden
    assert net == netgen.load(GOLDEN)
    assert [layer.name for layer in net.layers] == [layer.name for layer in golden.layer]


def test_the_copy_here_is_the_shared_golden_file(shared: Path) -> None:
    assert GOLDEN.read_bytes() == (shared / "golden" / "PeleeNet.prototxt").read_bytes()


def test_the_text_is_what_protobuf_prints() -> None:
    net = netgen.build("peleenet")
    assert net.to_prototxt() == text_format.MessageToString(to_message(net))


def test_opencv_loads_it(tmp_path: Path) -> None:
    path = tmp_path / "PeleeNet.prototxt"
    netgen.build("peleenet").save(path)
    names = cv2.dnn.readNetFromCaffe(str(path)).getLayerNames()
    # The input is none of OpenCV's layers.
    assert list(names) == [layer.name for layer in netgen.load(path).layers if layer.type != "Input"]


def test_opencv_runs_it_with_the_published_shapes(tmp_path: Path) -> None:
    # OpenCV wants weights to run: a caffemodel of the same layers with random blobs, written through the schema.
    net = netgen.build("peleenet")
    message = to_message(net)
    rng = np.random.default_rng(0)
    channels: dict[str, int] = {}
    for layer in message.layer:
        add_random_blobs(layer, channels, rng)
    (tmp_path / "net.caffemodel").write_bytes(message.SerializeToString())
    net.save(tmp_path / "net.prototxt")
    reader = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel"))
    reader.setInput(rng.standard_normal((1, 3, 224, 224)).astype(np.float32))
    ends = ["stem", "stage1/pool", "stage2/pool", "stage3/pool", "stage4", "prob"]
    outputs = dict(zip(ends, reader.forward(ends), strict=True))
    assert {name: output.shape for name, output in outputs.items()} == {
        "stem": (1, 32, 56, 56),
        "stage1/pool": (1, 128, 28, 28),
        "stage2/pool": (1, 256, 14, 14),
        "stage3/pool": (1, 512, 7, 7),
        "stage4": (1, 704, 7, 7),
        "prob": (1, 1000),
    }
    assert outputs["prob"].sum() == pytest.approx(1, abs=1e-5)
    assert outputs["prob"].max() < 0.5  # a saturated softmax would prove nothing


def add_random_blobs(layer: Any, channels: dict[str, int], rng: np.random.Generator) -> None:
    def blob(*shape: int, value: float | None = None) -> None:
        made = layer.blobs.add()
        made.shape.dim.extend(shape)
        count = int(np.prod(shape))
        deviation = (1 / int(np.prod(shape[1:]))) ** 0.5  # keeps the scale of what goes through
        made.data.extend([value] * count if value is not None else (deviation * rng.standard_normal(count)).tolist())

    inputs = [channels[name] for name in layer.bottom]
    outputs = inputs[0] if inputs else 3
    if layer.type == "Convolution":
        outputs = layer.convolution_param.num_output
        blob(outputs, inputs[0], layer.convolution_param.kernel_size[0], layer.convolution_param.kernel_size[0])
    elif layer.type == "BatchNorm":
        blob(outputs)
        blob(outputs, value=1.0)
        blob(1, value=1.0)
    elif layer.type == "Scale":
        blob(outputs, value=1.0)
        blob(outputs, value=0.1)
    elif layer.type == "InnerProduct":
        outputs = layer.inner_product_param.num_output
        blob(outputs, inputs[0])
        blob(outputs, value=0.0)
    elif layer.type == "Concat":
        outputs = sum(inputs)
    channels.update(dict.fromkeys(layer.top, outputs))


def test_variants_are_arguments() -> None:
    net = netgen.build(
        "peleenet",
        size=(192, 320),
        classes=10,
        growth_rate=16,
        layers=[2, 2],
        bottleneck_widths=[1, 2],
        pool="AVE",
        eps=1e-5,
    )
    assert net.layers["data"].params["input_param"]["shape"][0]["dim"] == (1, 3, 192, 320)
    assert net.layers["stage1_1/a1"].params["convolution_param"]["num_output"] == 8
    assert net.layers["stage1_1/b3"].params["convolution_param"]["num_output"] == 8
    assert net.layers["stage2"].params["convolution_param"]["num_output"] == 32 + 4 * 16
    assert net.layers["stage1/pool"].params["pooling_param"]["pool"] == "AVE"
    assert net.layers["stem1/bn"].params["batch_norm_param"]["eps"] == 1e-5
    assert net.layers["classifier"].params["inner_product_param"]["num_output"] == 10
    assert "stage3" not in {layer.name for layer in net.layers}


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"growth_rate": 0}, "peleenet: growth_rate must be an even number of 2 or more, got 0"),
        ({"growth_rate": 33}, "peleenet: growth_rate must be an even number of 2 or more, got 33"),
        ({"size": 0}, "peleenet: size must be a whole number of 1 or more, got 0"),
        ({"size": (224, "x")}, "peleenet: size must be a whole number of 1 or more, got 'x'"),
        ({"size": (1, 2, 3)}, "peleenet: size must be a whole number or a pair (height, width), got (1, 2, 3)"),
        ({"classes": True}, "peleenet: classes must be a whole number of 1 or more, got True"),
        ({"layers": []}, "peleenet: layers must be a list of whole numbers, got []"),
        ({"layers": (3, 0)}, "peleenet: each of layers must be a whole number of 1 or more, got 0"),
        ({"layers": (3, 4)}, "peleenet: bottleneck_widths must have 2 items, one for each stage, got 4"),
        ({"pool": "MEAN"}, "peleenet: pool must be one of MAX, AVE, got 'MEAN'"),
        ({"eps": -1.0}, "peleenet: eps must be a finite number above 0, got -1.0"),
        ({"growht_rate": 8}, "peleenet: no parameter 'growht_rate'; did you mean 'growth_rate'? (it takes size, classes, "
         "growth_rate, layers, bottleneck_widths, pool, eps, stem_channels)"),
    ],
)  # fmt: skip
def test_wrong_arguments(parameters: dict[str, Any], text: str) -> None:
    with pytest.raises(netgen.UsageError) as error:
        netgen.build("peleenet", **parameters)
    assert str(error.value) == text
