"""``netgen.lint`` on fields, on the programs that read Caffe files, and on all rules at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import netgen
from netgen.linting import RULES, lint, lint_as_far_as_possible
from tests.own_types import forgotten_types
from tests.test_lint import CONV, found, net, parsed, text, train_net

Net = netgen.Net


# Fields


def test_unused_param_message() -> None:
    wrong = parsed('name: "s" type: "Softmax" bottom: "data" top: "s" loss_param { ignore_label: 255 }')
    assert str(lint(wrong)[0]) == (
        "layer 's' (Softmax): it does not read loss_param, and Caffe ignores that in silence; remove it, or write "
        "softmax_param if that was meant [unused-param-message]"
    )
    right = 'name: "s" type: "Softmax" bottom: "data" top: "s" softmax_param { axis: 1 } include { phase: TEST }'
    assert found(parsed(right)) == []


def test_unknown_field() -> None:
    layer = 'name: "z" type: "Zwirbel" bottom: "data" top: "z" zwirbel_param { a: 1 } pooling_param { pool: MEAN }'
    odd = netgen.parse_prototxt(f"multinode: 3 layer {{ {layer} }}")
    findings, error = lint_as_far_as_possible(odd, inputs={"z": (1, 2)})
    assert [str(each) for each in findings] == [
        "the net: the field 'multinode' is in no Caffe that is known here: other programs refuse the file, or read past "
        "it; remove it, unless your Caffe has it [unknown-field]",
        "layer 'z' (Zwirbel): the field 'zwirbel_param' is in no Caffe that is known here: other programs refuse the "
        "file, or read past it; remove it, unless your Caffe has it [unknown-field]",
        "layer 'z' (Zwirbel): the value 'MEAN' of 'pooling_param.pool' is in no Caffe that is known here: other programs "
        "refuse the file, or read past it; remove it, unless your Caffe has it [unknown-field]",
    ]
    assert "no layer before it makes the bottom 'data'" in error
    # A type may know fields that the schema lacks.
    segnet = parsed('name: "b" type: "BN" bottom: "data" top: "b" bn_param { bn_mode: INFERENCE }')
    assert found(segnet) == []
    assert "did you mean 'kernel_size'?" in str(
        lint_as_far_as_possible(parsed(f'name: "c" {CONV.format("c")[:-2]} kernel_sizes: 1 }}'))[0][0]
    )


def test_a_type_of_ones_own_reads_its_own_message() -> None:
    with forgotten_types():
        kind = type("Sine", (netgen.LayerType,), {"messages": ("sine_param",), "shapes": lambda _, bottoms: bottoms})
        layer = 'name: "s" type: "Sine" bottom: "data" top: "s" sine_param { a: 1 }'
        assert [each.rule for each in lint_as_far_as_possible(parsed(layer))[0]] == ["unknown-field"]
        netgen.register(kind)
        assert found(parsed(layer)) == []


# The programs that read Caffe files


def test_depthwise_spelling() -> None:
    depthwise = net().depthwise_convolution(num_output=4, kernel_size=3, group=4, name="d")
    depthwise.depthwise_convolution(num_output=4, kernel_size=3, group=4)
    assert [str(each) for each in lint(depthwise, "TRAIN")] == [
        "layer 'd' (DepthwiseConvolution): OpenCV 4.14, MNN 3.6.1, OpenVINO's mo 2024.6, caffe2onnx 2.0.1 and MMdnn "
        "0.3.1 refuse this type, a type of forks of Caffe (2 layers here); Convolution with num_output and group both "
        "the channels is the same, and all of them read it [depthwise-spelling]"
    ]
    assert found(net().conv(4, 3, group=4)) == []


def boxes(net: Net, least: float, **fields: Any) -> Net:
    return net.prior_box([net.last, "data"], min_size=[least], **fields)


# A layer of each case, and the programs that refuse or change it.
CASES: list[tuple[Callable[[Net], Net], str, str]] = [
    (lambda net: net.upsample(scale=2), "consumers-refuse", "OpenCV 4.14, OpenVINO's mo 2024.6 and MMdnn 0.3.1 refuse"),
    (lambda net: net.layer("Deconvolution", num_output=4, kernel_size=2, stride=2, group=4), "consumers-refuse",
     "MMdnn 0.3.1 refuses a Deconvolution with group"),
    (lambda net: net.interp(height=8, width=8), "consumers-refuse", "caffe2onnx 2.0.1, X2Paddle 1.6.0 and MMdnn"),
    (lambda net: net.interp(zoom_factor=2), "consumers-differ", "33 in OpenCV 4.14, 25 in MNN 3.6.1"),
    (lambda net: net.layer("Pooling", pool="AVE", kernel_size=3, pad=1), "consumers-differ", "X2Paddle 1.6.0 computes"),
    (lambda net: net.relu6(), "consumers-refuse", "MMdnn 0.3.1 refuses this type, a type of forks"),
    (lambda net: net.clip(min=0, max=6), "consumers-refuse", "a type of BVLC master"),
    (lambda net: net.swish(), "consumers-refuse", "MNN 3.6.1, OpenVINO's mo 2024.6"),
    (lambda net: net.hard_swish(), "consumers-refuse", "MNN 3.6.1, OpenVINO's mo 2024.6"),
    (lambda net: net.elu(), "consumers-refuse", "caffe2onnx 2.0.1 and X2Paddle 1.6.0 refuse"),
    (lambda net: net.prelu(), "consumers-refuse", "caffe2onnx 2.0.1 refuses this type; "),
    (lambda net: net.power(scale=2), "consumers-refuse", "MMdnn 0.3.1 refuses this type; "),
    (lambda net: net.dropout(), "consumers-refuse", "leave it out of a deploy file"),
    (lambda net: net.normalize(), "consumers-refuse", "MMdnn 0.3.1 refuses this type, a type of the SSD fork"),
    (lambda net: net.normalize(), "consumers-differ", "X2Paddle 1.6.0 computes other values"),
    (lambda net: net.reorg(stride=2), "consumers-refuse", "): MNN 3.6.1, OpenVINO's mo 2024.6, caffe2onnx"),
    (lambda net: net.reorg(stride=4), "consumers-differ", "OpenCV 4.14 takes every stride for 2, and ignores reverse"),
    (lambda net: net.reorg(stride=2, reverse=True), "consumers-differ", "ignores reverse"),
    (lambda net: boxes(net, 2.5, variance=[0.1]), "consumers-differ", "OpenCV 4.14 keeps the fractions of min_size"),
    (lambda net: boxes(net, 2, max_size=[4.5], variance=[0.1]), "consumers-differ", "which Caffe drops; give whole"),
    (lambda net: boxes(net, 2), "consumers-refuse", "OpenCV 4.14 refuses a PriorBox without variance; write it out"),
    (lambda net: net.yolo_detection_output(num_classes=2), "consumers-refuse", "OpenCV 4.14, MNN 3.6.1, OpenVINO's mo"),
    (lambda net: net.yolov3_detection_output(num_classes=2, mask_group_num=1), "consumers-refuse", "OpenCV 4.14, MNN"),
    (lambda net: net.inner_product(num_output=3, transpose=True), "consumers-differ", "OpenCV 4.14 ignores transpose"),
    (lambda net: net.layer("Scale", top="s"), "consumers-refuse", "refuses a Scale that does not work in place"),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "rule", "message"), CASES)
def test_consumers(layer: Callable[[Net], Net], rule: str, message: str) -> None:
    assert message in text(layer(net().conv(4)), rule)


def opencv(made: Net) -> np.ndarray[Any, Any]:
    reader = cv2.dnn.readNetFromCaffe(np.frombuffer(made.to_prototxt().encode(), np.uint8))
    values = np.random.default_rng(0).standard_normal(netgen.infer_shapes(made)["data"]).astype(np.float32)
    reader.setInput(values)
    return np.asarray(reader.forward())


def test_opencv_does_what_is_said_of_it() -> None:
    def image() -> Net:
        return Net().input(1, 36, 12, 12)

    two = opencv(image().reorg(stride=2))
    assert two.shape == (1, 144, 6, 6)
    for other in (image().reorg(stride=3), image().reorg(stride=2, reverse=True)):
        assert netgen.infer_shapes(other)["reorg1"] != two.shape
        np.testing.assert_array_equal(opencv(other), two)
    whole, more = (opencv(boxes(image(), least, variance=[0.1])) for least in (2, 2.5))
    assert np.abs(whole - more).max() > 0.01
    with pytest.raises(cv2.error, match="varianceParameterRetrieved"):
        opencv(boxes(image(), 2))
    head = Net().input(1, 35, 2, 2)
    with pytest.raises(cv2.error, match='of type "YoloDetectionOutput"'):
        opencv(head.yolo_detection_output(num_classes=2, num_box=5, biases=[1.0] * 10))


def test_opencv_ignores_transpose(tmp_path: Path) -> None:
    made = Net().input(1, 4, 1, 1).inner_product(name="i", num_output=4, transpose=True, bias_term=False)
    weights = {"i:0": np.arange(16, dtype=np.float32).reshape(4, 4)}
    made.save(tmp_path / "n.prototxt")
    netgen.save_weights(weights, tmp_path / "n.caffemodel", made)
    reader = cv2.dnn.readNetFromCaffe(str(tmp_path / "n.prototxt"), str(tmp_path / "n.caffemodel"))
    reader.setInput(np.array([1, 2, 3, 4], np.float32).reshape(1, 4, 1, 1))
    assert (
        reader.forward().tolist()
        == [(weights["i:0"] @ [1, 2, 3, 4]).tolist()]
        != [([1, 2, 3, 4] @ weights["i:0"]).tolist()]
    )


def test_consumers_eltwise() -> None:
    def weighted(*coeff: float) -> Net:
        pair = net().conv(4, name="a").conv(4, bottom="data", name="b")
        return pair.eltwise(["a", "b"], coeff=list(coeff), name="e")

    assert "caffe2onnx 2.0.1 ignores coeff" in text(weighted(1, -1), "consumers-differ")
    assert found(weighted(1, 1)) == []


def test_consumers_are_asked_of_deploy_nets_alone() -> None:
    assert found(net().conv(4).elu()) == [("consumers-refuse", "conv1/elu")]
    assert found(net().conv(4).elu(), "TRAIN") == []
    trained = train_net('name: "e" type: "ELU" bottom: "f" top: "e"')
    assert found(trained) == []
    fine = net().conv(4).relu().pool(2, 2).layer("Deconvolution", num_output=4, kernel_size=2).fc(3).softmax()
    assert found(fine) == []


# All of it


def test_peleenet_is_clean() -> None:
    assert lint(netgen.build("peleenet")) == []
    assert found(netgen.build("peleenet"), "TRAIN") == []


def test_findings_are_in_the_order_of_the_layers() -> None:
    many = net(17).pool(2, 2, pad=1, name="p").conv(8, bias_term=True, name="c").bn(name="b").relu().elu(name="e")
    assert found(many) == [
        ("pooling-dropped-window", "p"), ("conv-bias-before-bn", "c"), ("bn-without-scale", "b"), ("consumers-refuse", "e"),
    ]  # fmt: skip
    assert found(many, ignore=("bn-without-scale", "consumers-refuse")) == found(many)[:2]
    with pytest.raises(netgen.UsageError, match=r"no rule 'pooling-overhung'; did you mean 'pooling-overhang.\?"):
        lint(many, ignore=["pooling-overhung"])


def test_what_caffe_refuses_is_an_error_after_what_was_found() -> None:
    stopped = net(112).pool(3, 2, name="p").layer("Zwirbel", name="z").pool(3, 2, name="q").elu(name="e")
    with pytest.raises(netgen.NetgenError, match=r"^layer 'z' \(Zwirbel\): the type is not known"):
        lint(stopped)
    findings, error = lint_as_far_as_possible(stopped)
    # Rules that need no shapes go on behind it.
    assert [each.rule for each in findings] == ["pooling-overhang", "consumers-refuse"]
    assert error.startswith("layer 'z'")
    with pytest.raises(netgen.NetgenError, match="input 'dta': the net has no such blob"):
        lint(net(), inputs={"dta": (1, 2)})
    assert found(stopped, inputs={"z": (1, 4, 8, 8)}) == [  # type: ignore[arg-type]
        ("pooling-overhang", "p"), ("pooling-overhang", "q"), ("consumers-refuse", "e"),
    ]  # fmt: skip


def test_a_rule_registered_twice_is_refused() -> None:
    from netgen.linting.registry import rule

    with pytest.raises(netgen.NetgenError, match="rule 'pooling-overhang': there is one already"):
        rule(RULES["pooling-overhang"])


def test_text_of_files_is_data() -> None:
    hostile = parsed('name: "\\n\\033[31m" type: "ReLU" bottom: "data" top: "data"')
    assert str(lint(hostile)[0]).isprintable()
    odd_type = netgen.parse_prototxt('layer { name: "a" type: "x\\nlayer" top: "x" } layer { name: "a" type: "\\033" }')
    findings, _ = lint_as_far_as_possible(odd_type)
    assert findings
    assert all(str(each).isprintable() for each in findings)
