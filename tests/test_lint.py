"""``netgen lint`` and ``netgen.lint``: each rule seen finding and not finding, and the command around them."""

from __future__ import annotations

from collections.abc import Callable

import netgen
from netgen.linting import lint

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


def test_bn_untouched() -> None:
    normal = net().conv(8, bias_term=False).bn(scale=True, name="b")
    fresh = netgen.fill_weights(normal, init="zeros")
    (finding,) = lint(normal, weights=fresh)
    assert str(finding) == (
        "layer 'b' (BatchNorm): its statistics are untouched, as their factor in the weights is 0: in TEST it "
        "multiplies by 316.2, 1 over the root of eps, and saturates what follows; train it, or make weights with "
        "--init calibrated [bn-untouched]"
    )
    assert lint(normal, "TRAIN", weights=fresh) == lint(normal) == []
    assert lint(normal, weights={**fresh, "b:2": fresh["b:2"] + 1}) == []


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
