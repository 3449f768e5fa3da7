"""``netgen lint`` and ``netgen.lint``: each rule seen finding and not finding, and the command around them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import netgen
from netgen.cli import main
from netgen.linting import RULES, lint, lint_as_far_as_possible
from tests.own_types import forgotten_types

Run = Callable[..., tuple[int, str, str]]
Net = netgen.Net


def net(height: int = 16, width: int | None = None, channels: int = 4) -> Net:
    return Net("n").input(1, channels, height, width or height)


def found(net: Net, phase: str = "TEST", **more: tuple[str, ...]) -> list[tuple[str, str]]:
    """The rule of each finding, and the layer."""
    return [(each.rule, each.layer.name if each.layer else "") for each in lint(net, phase, **more)]  # type: ignore[arg-type]


def text(net: Net, rule: str, phase: str = "TEST") -> str:
    """The one finding of a rule, as text."""
    (finding,) = (each for each in lint(net, phase) if each.rule == rule)
    return str(finding)


def parsed(*layers: str) -> Net:
    return netgen.parse_prototxt(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 4, 16, 16] } } }'
        + "".join(f"layer {{ {layer} }}" for layer in layers)
    )


RELU = 'type: "ReLU" bottom: "data" top: "data"'


# Pooling


def test_pooling_overhang() -> None:
    assert text(net(112).pool(3, 2, name="p"), "pooling-overhang") == (
        "layer 'p' (Pooling): its last window hangs over the edge of the 112x112 input: Caffe rounds up to 56x56, and "
        "what rounds down makes 55x55 and other shapes from there on; choose a size, kernel_size or pad with which the "
        "stride divides evenly [pooling-overhang]"
    )
    assert "Caffe rounds up to 57x57, and what rounds down makes 56x56" in text(
        net(112).pool(3, 2, pad=1, name="p"), "pooling-overhang"
    )
    # One axis is enough, and each has its own numbers.
    assert "Caffe rounds up to 8x8, and what rounds down makes 7x8" in text(
        net(16).layer("Pooling", kernel_h=3, kernel_w=2, stride=2, name="p"), "pooling-overhang"
    )
    # A window larger than the image passes in Caffe alone.
    assert "up to 1x1, and what rounds down makes 0x0" in text(net(3).pool(4, 2, name="p"), "pooling-overhang")
    for exact in (net(113).pool(3, 2), net(112).pool(2, 2), net(8).pool(3, 1, pad=1), net(7).global_pool()):
        assert found(exact) == []


def test_pooling_dropped_window() -> None:
    assert text(net(17).pool(2, 2, pad=1, name="p"), "pooling-dropped-window") == (
        "layer 'p' (Pooling): its last window would start in the padding, and Caffe drops it: 17x17 becomes 9x9, where "
        "MNN 3.6.1, OpenVINO's mo 2024.6, caffe2onnx 2.0.1, X2Paddle 1.6.0 and MMdnn 0.3.1 make 10x10; choose a size or "
        "a pad with which the stride divides evenly [pooling-dropped-window]"
    )
    # What rounds down drops it too.
    assert found(net(17).pool(2, 2, pad=1, name="p")) == [("pooling-dropped-window", "p")]
    assert found(net(16).pool(2, 2, pad=1)) == []


def test_pooling_window_outside() -> None:
    assert found(net(8).pool(1, 2, name="p")) == [("pooling-window-outside", "p")]
    assert text(net(8).pool(1, 2, name="p"), "pooling-window-outside") == (
        "layer 'p' (Pooling): its last window lies outside the 8x8 input: the last values of the 5x5 output are "
        "-FLT_MAX; choose a kernel_size of at least the stride, or an odd size [pooling-window-outside]"
    )
    assert "0 or NaN" in text(net(8).pool(1, 2, pool="AVE", name="p"), "pooling-window-outside")
    assert found(net(9).pool(1, 2, name="p")) == []


def test_pooling_rounding_field() -> None:
    floor = net(112).pool(3, 2, round_mode="FLOOR", name="p")
    assert found(floor) == [("pooling-rounding-field", "p")]
    assert text(floor, "pooling-rounding-field") == (
        "layer 'p' (Pooling): round_mode is a field of BVLC master alone: OpenCV 4.14, OpenVINO's mo 2024.6 and MMdnn "
        "0.3.1 refuse it, MNN 3.6.1 rounds up all the same, and in a .caffemodel forks read FLOOR as ceil_mode: true; "
        "choose a size, kernel_size or pad with which the stride divides evenly, and remove it [pooling-rounding-field]"
    )
    assert "as round_mode: FLOOR; choose a size" in text(
        net(112).pool(3, 2, ceil_mode=False, name="p"), "pooling-rounding-field"
    )
    for idle in (net(113).pool(3, 2, ceil_mode=False), net(112).pool(3, 2, ceil_mode=True)):
        assert "it changes nothing here: remove it" in text(idle, "pooling-rounding-field")
    assert ("pooling-overhang", "pool1") in found(net(112).pool(3, 2, ceil_mode=True, name="pool1"))


# BatchNorm


def test_conv_bias_before_bn() -> None:
    biased = net().conv(8, 3, bias_term=True, name="c").bn(scale=True, name="b")
    assert text(biased, "conv-bias-before-bn") == (
        "layer 'c' (Convolution): its bias of 8 weights does nothing, as layer 'b' (BatchNorm), which alone reads it, "
        "subtracts the mean; write bias_term: false, and in trained weights take the bias off that mean "
        "[conv-bias-before-bn]"
    )
    assert found(net().inner_product(num_output=8, name="f").bn(scale=True)) == [("conv-bias-before-bn", "f")]
    assert found(net().conv(8, 3, bias_term=False).bn(scale=True)) == []
    # Somebody else reads the bias, or the BatchNorm is frozen in training, or it is not along the bias.
    two = net().conv(8, 3, bias_term=True, name="c").bn(name="b", top="b").scale(bias_term=True)
    two.eltwise([two.last, "c"], name="e")
    assert found(two) == []
    frozen = net().conv(8, bias_term=True).bn(scale=True, use_global_stats=True)
    assert found(frozen, "TRAIN") == []
    assert found(frozen, "TEST") == [("conv-bias-before-bn", "conv1")]
    assert found(net().inner_product(num_output=8, axis=2).bn(scale=True)) == []


def test_bn_without_scale() -> None:
    bare = net().conv(8, 3, bias_term=False).bn(name="b").relu()
    assert text(bare, "bn-without-scale") == (
        "layer 'b' (BatchNorm): no Scale reads its output: it normalizes without the learned scale and bias that a "
        "batch normalization has elsewhere; add a Scale with bias_term: true after it [bn-without-scale]"
    )
    assert found(net().conv(8, bias_term=False).bn(scale=True).relu()) == []
    # What reads it learns the same; nobody reads it.
    assert found(net().bn(name="b", top="b").conv(8)) == []
    assert found(net().bn(name="b", top="b")) == []
    # A second bottom gives factors that are not the layer's own.
    given = net().bn(name="b", top="b")
    given.input(1, 4, name="s").layer("Scale", bottom=["b", "s"], axis=0, name="by")
    assert ("bn-without-scale", "b") in found(given)


def test_scale_without_bias() -> None:
    assert text(net().bn(name="b", top="b").scale(name="s", bias_term=False), "scale-without-bias") == (
        "layer 's' (Scale): it scales layer 'b' (BatchNorm) and adds no bias, as bias_term is false by default: the "
        "normalization has no learned beta; write bias_term: true [scale-without-bias]"
    )
    assert found(net().bn(name="b", top="b").layer("Scale", name="s", in_place=True).layer("Bias", in_place=True)) == []
    assert found(net().conv(4).layer("Scale", in_place=True)) == []


def test_bn_batch_statistics() -> None:
    batch = net().conv(8, bias_term=False).bn(scale=True, use_global_stats=False, name="b")
    assert found(batch) == [("bn-batch-statistics", "b")]
    assert "remove the field, as Caffe's default is true in TEST and false in TRAIN" in text(
        batch, "bn-batch-statistics"
    )
    assert found(batch, "TRAIN") == []
    assert found(net().conv(8, bias_term=False).bn(scale=True, use_global_stats=True)) == []


# Blobs and names


def train_net(*more: str) -> Net:
    return parsed(
        'name: "label" type: "Input" top: "label" input_param { shape { dim: 1 } }',
        'name: "f" type: "InnerProduct" bottom: "data" top: "f" inner_product_param { num_output: 3 }',
        'name: "loss" type: "SoftmaxWithLoss" bottom: "f" bottom: "label" top: "loss"',
        'name: "acc" type: "Accuracy" bottom: "f" bottom: "label" top: "acc"',
        *more,
    )


def test_dangling_top_in_training() -> None:
    assert found(train_net(), "TRAIN") == []
    dangling = train_net('name: "s" type: "Softmax" bottom: "f" top: "prob"')
    assert text(dangling, "dangling-top", "TRAIN") == (
        "layer 's' (Softmax): no layer reads its top 'prob'; Caffe prints every value of it in the log; read it, remove "
        "it, or give it to a Silence layer [dangling-top]"
    )
    silenced = train_net(
        'name: "s" type: "Softmax" bottom: "f" top: "prob"', 'name: "q" type: "Silence" bottom: "prob"'
    )
    assert found(silenced, "TRAIN") == []
    assert found(dangling, "TEST") == []


def test_dangling_top_elsewhere() -> None:
    # Many ends are outputs.
    heads = net().conv(8, name="trunk").relu()
    heads.conv(2, bottom="trunk", name="box").softmax(name="prob").conv(3, bottom="trunk", name="class")
    assert found(heads) == []
    # A layer that was added and left out again.
    around = parsed(
        'name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param { num_output: 4 kernel_size: 1 }',
        'name: "r" type: "ReLU" bottom: "c" top: "r"',
        'name: "d" type: "Convolution" bottom: "c" top: "d" convolution_param { num_output: 4 kernel_size: 1 }',
    )
    assert text(around, "dangling-top") == (
        "layer 'r' (ReLU): no layer reads its top 'r'; layer 'd' goes on from its bottom 'c' instead, so that it does "
        "nothing; remove it, or name its top as that layer's bottom [dangling-top]"
    )
    unread = parsed(
        'name: "more" type: "Input" top: "more" input_param { shape { dim: 1 } }', f'name: "r" {RELU[:-5]}r"'
    )
    assert "no layer reads its top 'more'; whoever runs the net" in text(unread, "dangling-top")
    old = netgen.parse_prototxt(
        'input: "x" input_dim: [1, 1, 1, 1] input: "im_info" input_dim: [1, 1, 1, 1] '
        'layer { name: "r" type: "ReLU" bottom: "x" top: "r" }'
    )
    assert text(old, "dangling-top") == (
        "the net: input 'im_info': no layer reads it; remove it, or name it as a bottom [dangling-top]"
    )


CONV = 'type: "Convolution" bottom: "data" top: "{}" convolution_param {{ num_output: 4 kernel_size: 1 }}'


def test_duplicate_layer_name() -> None:
    assert text(parsed(f'name: "a" {CONV.format("x")}', f'name: "a" {CONV.format("y")}'), "duplicate-layer-name") == (
        "layer 'a' (Convolution): layer 2 of the phase has the same name; Caffe gives all weights of that name to the "
        "first, and leaves the second as its fillers made it; rename one [duplicate-layer-name]"
    )
    with_relu = parsed(f'name: "a" {CONV.format("x")}', 'name: "a" type: "ReLU" bottom: "x" top: "x"')
    assert "they have 2 and 0 weights" in text(with_relu, "duplicate-layer-name")
    assert "neither has weights" in text(
        parsed('name: "r" type: "ReLU" bottom: "data" top: "r"', 'name: "r" type: "ReLU" bottom: "r" top: "r"'),
        "duplicate-layer-name",
    )
    shared = [f'name: "a" param {{ name: "w" }} {CONV.format(top)}' for top in "xy"]
    assert "they share their weights" in text(parsed(*shared), "duplicate-layer-name")
    # Twins of two phases are one layer in each.
    twins = [f'name: "a" {CONV.format("x")} include {{ phase: {phase} }}' for phase in ("TRAIN", "TEST")]
    assert found(parsed(*twins)) == []


def test_missing_layer_name() -> None:
    nameless = parsed('type: "ReLU" bottom: "data" top: "r"', 'type: "ReLU" bottom: "r" top: "r"')
    assert [each.rule for each in lint(nameless)] == ["missing-layer-name"] * 2
    assert str(lint(nameless)[0]) == (
        "layer '' (ReLU): the layer that makes 'r' has no name, by which Caffe finds weights and tells of errors; give "
        "it one [missing-layer-name]"
    )


def test_in_place_on_input() -> None:
    twice = parsed(f'name: "a" {RELU}', f'name: "b" {RELU}')
    # What the first left, the second may overwrite.
    assert found(twice) == [("in-place-on-input", "a")]
    assert "it works in place on the input 'data', which the next forward finds changed" in str(lint(twice)[0])
    old = netgen.parse_prototxt(f'input: "data" input_dim: [1, 1, 2, 2] layer {{ name: "a" {RELU} }}')
    assert found(old) == [("in-place-on-input", "a")]
    # Flatten and Split show the input's own memory.
    flat = parsed('name: "f" type: "Flatten" bottom: "data" top: "f"', 'name: "a" type: "ReLU" bottom: "f" top: "f"')
    assert found(flat) == [("in-place-on-input", "a")]
    assert found(net().conv(4).relu()) == []
    drop = parsed('name: "d" type: "Dropout" bottom: "data" top: "data"')
    assert found(drop, "TRAIN") == [("in-place-on-input", "d")]
    assert ("in-place-on-input", "d") not in found(drop, "TEST")


def test_in_place_fan_out() -> None:
    conv, flat = f'name: "c" {CONV.format("c")}', 'name: "f" type: "Flatten" bottom: "c" top: "f"'
    relu, late = (
        'name: "r" type: "ReLU" bottom: "f" top: "f"',
        'name: "late" type: "Pooling" bottom: "c" top: "p" pooling_param { global_pooling: true }',
    )
    assert text(parsed(conv, flat, relu, late), "in-place-fan-out") == (
        "layer 'r' (ReLU): it works in place on 'f', which shares its memory with 'c', and layer 'late' reads that "
        "later and finds it changed; give it a top of its own [in-place-fan-out]"
    )
    assert found(parsed(conv, flat, relu)) == []
    assert found(parsed(conv, flat, late, relu)) == []
    split = 'name: "s" type: "Split" bottom: "c" top: "a" top: "b"'
    branches = ['name: "x" type: "ReLU" bottom: "a" top: "a"', 'name: "y" type: "TanH" bottom: "b" top: "y"']
    assert found(parsed(conv, split, *branches)) == [("in-place-fan-out", "x")]
    assert found(parsed(conv, split, *branches[::-1])) == []


def test_eltwise_in_place() -> None:
    pair = [f'name: "{name}" {CONV.format(name)}' for name in "ab"]
    eltwise = 'name: "e" type: "Eltwise" bottom: "a" bottom: "b" top: "a"'
    assert text(parsed(*pair, eltwise), "eltwise-in-place") == (
        "layer 'e' (Eltwise): it sums in place on 'a', which Caffe sets to 0 first: that bottom is lost without a word; "
        "give it a top of its own [eltwise-in-place]"
    )
    assert found(parsed(*pair, f"{eltwise} eltwise_param {{ operation: MAX }}")) == []
    assert found(parsed(*pair, eltwise[:-2] + 'e"')) == []


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
    (lambda net: net.reorg(stride=2), "consumers-refuse", "OpenCV 4.14, MNN 3.6.1, OpenVINO's mo 2024.6, caffe2onnx"),
    (lambda net: net.layer("Scale", top="s"), "consumers-refuse", "refuses a Scale that does not work in place"),
]  # fmt: skip


@pytest.mark.parametrize(("layer", "rule", "message"), CASES)
def test_consumers(layer: Callable[[Net], Net], rule: str, message: str) -> None:
    assert message in text(layer(net().conv(4)), rule)


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


# The command


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["lint", *words])
        return code, *capfd.readouterr()

    return run


def test_exit_codes(run: Run, tmp_path: Path) -> None:
    assert run("peleenet") == (0, "", "")
    code, out, err = run("peleenet", "size=226")
    assert code == 1
    assert len(out.splitlines()) == 4
    assert out.startswith("layer 'stem1/pool' (Pooling): its last window hangs over the edge of the 113x113 input")
    assert err == "4 findings; --ignore RULE leaves a rule out\n"
    assert run("peleenet", "size=226", "--ignore", "pooling-overhang") == (0, "", "")
    assert run("peleenet", "--input", "data=1,3,226,226")[0] == 1
    net(112).pool(3, 2, name="p").layer("Zwirbel", name="z").save(tmp_path / "z.prototxt")
    code, out, err = run("z.prototxt")
    assert code == 1
    assert out.startswith("layer 'p' (Pooling)")
    assert err.splitlines()[0] == "1 finding; --ignore RULE leaves a rule out"
    assert err.splitlines()[1].startswith("netgen: layer 'z' (Zwirbel): the type is not known")
    assert run("z.prototxt", "--ignore", "pooling-overhang")[:2] == (1, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["peleenet", "--ignore", "bn-without-scales"],
            "no rule 'bn-without-scales'; did you mean 'bn-without-scale'?",
        ),
        (["peleenet", "--ignore", "zzz"], "no rule 'zzz' ('netgen lint --list-rules' names them)"),
        (["peleenet", "--input", "data"], "--input: expected BLOB=N,C,H,W"),
        (["peleenet", "--format", "csv"], "argument --format: invalid choice: 'csv'"),
        ([], "missing: SRC"),
        (["nonet"], "no network 'nonet'"),
    ],
)
def test_wrong_commands(words: list[str], message: str, run: Run) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"netgen: {message}")
    assert err.count("\n") == 1


def test_wrong_arguments_from_python() -> None:
    with pytest.raises(netgen.UsageError, match="phase must be TRAIN or TEST, got 'test'"):
        lint(net(), "test")
    with pytest.raises(netgen.UsageError, match=r"give a net \(netgen.load reads one from a file\), got 'x.prototxt'"):
        lint("x.prototxt")  # type: ignore[arg-type]


def test_list_rules(run: Run) -> None:
    code, out, err = run("--list-rules")
    assert (code, err) == (0, "")
    assert [line.partition(": ")[0] for line in out.splitlines()] == list(RULES)
    assert "eltwise-in-place: An Eltwise SUM in place loses its first bottom" in out
    assert all(line.partition(": ")[2] for line in out.splitlines())


def test_json(run: Run, tmp_path: Path) -> None:
    net(17).pool(2, 2, pad=1, name="p\u202e").layer("Zwirbel", name="z").save(tmp_path / "n.prototxt")
    code, out, err = run("n.prototxt", "--format", "json")
    assert code == 1
    assert err.startswith("netgen: layer 'z'")
    report = json.loads(out)
    assert (report["name"], report["phase"]) == ("n", "TEST")
    assert report["error"].startswith("layer 'z'")
    (finding,) = report["findings"]
    assert (finding["rule"], finding["layer"], finding["type"]) == ("pooling-dropped-window", "p\u202e", "Pooling")
    assert finding["message"].startswith("its last window would start in the padding")
    assert json.loads(run("peleenet", "--format", "json")[1]) == {
        "name": "PeleeNet", "phase": "TEST", "findings": [], "error": None,
    }  # fmt: skip


def test_phases_and_stages(run: Run, tmp_path: Path) -> None:
    text = parsed(
        'name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { kernel_size: 3 stride: 2 } '
        'include { phase: TRAIN stage: "s" min_level: 1 }'
    ).to_prototxt()
    (tmp_path / "n.prototxt").write_text(text)
    assert run("n.prototxt") == run("n.prototxt", "--phase", "TRAIN", "--level", "1")
    assert "pooling-overhang" in run("n.prototxt", "--phase", "TRAIN", "--level", "1", "--stage", "s")[1]


# Real files, and large ones


def test_real_files_break_nothing(shared: Path) -> None:
    seen: set[str] = set()
    for path in sorted((shared / "corpus" / "caffe").iterdir())[::4]:
        try:
            read = netgen.load(path)
        except netgen.NetgenError:
            continue
        for phase in ("TEST", "TRAIN"):
            findings, _ = lint_as_far_as_possible(read, phase)
            assert all(str(each).isprintable() for each in findings)
            seen.update(each.rule for each in findings)
    assert {"pooling-overhang", "conv-bias-before-bn", "consumers-refuse", "unknown-field"} <= seen


def test_long_nets_take_linear_time() -> None:
    layers = [netgen.Layer(f"r{i}", "ReLU", ("data",), ("data",)) for i in range(20_000)]
    graph = Net(graph=netgen.parse_prototxt('input: "data" input_dim: [1, 1, 1, 1]'))
    graph._layers.extend(layers)
    assert found(graph) == [("in-place-on-input", "r0")]
