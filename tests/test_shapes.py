"""Shapes beyond what the vectors from Caffe say: inputs from outside, forks' fields, empty and huge blobs."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

import netgen
from netgen.shapes import infer_shapes, shape_layers
from netgen.wiring import State

Shape = tuple[int, ...]
IMAGE = (1, 8, 6, 6)
CONV = {"num_output": 8, "kernel_size": 3}
POOL = {"kernel_size": 2}


def shapes_of(text: str, inputs: dict[str, Shape] | None = None, phase: str = "TEST") -> dict[str, Shape]:
    return infer_shapes(netgen.parse_prototxt(text), phase, inputs)


class Refused(NamedTuple):
    type: str
    fields: dict[str, Any]
    bottoms: tuple[Shape, ...]
    words: str
    tops: int = 1


REFUSED = [
    Refused("Convolution", {**CONV, "kernel_depth": 3}, (IMAGE,), "'kernel_depth' of other Caffes"),
    Refused("Convolution", {**CONV, "temporal_stride": 2}, (IMAGE,), "'temporal_stride' of other Caffes"),
    Refused("Convolution", {**CONV, "fusion_type": "SUM_FUSION"}, (IMAGE,), "'fusion_type' of other Caffes"),
    Refused("Convolution", {**CONV, "stride_h": 2}, (IMAGE,), "stride must be 1 or more, got 2x0"),
    Refused("Convolution", {**CONV, "weight_filler": "bilinear", "kernel_size": [3, 2]}, (IMAGE,), "square filters"),
    Refused("Convolution", {**CONV, "weight_filler": {"type": "xaiver"}}, (IMAGE,), "did you mean 'xavier'?"),
    Refused(
        "Convolution", {**CONV, "weight_filler": {"type": "msra", "sparse": 1}}, (IMAGE,), "sparse is for gaussian"
    ),
    Refused("Convolution", CONV, ((1, 0, 6, 6),), "would fill no values at all (8x0x3x3)"),
    Refused("Convolution", {**CONV, "num_output": 1}, ((1, 64, 2100, 2100),), "column buffer would be 576x2098x2098"),
    Refused(
        "Convolution", {"num_output": 6, "kernel_size": 1}, ((1, 1, 20000, 20000),), "top 'y0' would be 1x6x20000x20000"
    ),
    Refused(
        "Deconvolution", {**CONV, "num_output": 1, "stride": 2}, ((1, 1, 24000, 24000),), "the top would be 1x1x48001"
    ),
    Refused("ConvolutionDepthwise", {"kernel_size": 3}, ((1, 8, 6, 6, 6),), "4 axes at most"),
    Refused("Im2col", {"kernel_size": 3}, ((2, 8),), "there must be a spatial axis"),
    Refused("Pooling", {**POOL, "kernel_depth": 2}, (IMAGE,), "'kernel_depth' of other Caffes"),
    Refused("Pooling", {**POOL, "kernel_size_3d": [2]}, (IMAGE,), "'kernel_size_3d' of other Caffes"),
    Refused("Pooling", {**POOL, "pool": "DEF"}, (IMAGE,), "got DEF of another Caffe"),
    Refused("Pooling", {**POOL, "pool": "AVE"}, (IMAGE,), "only MAX has a second top", 2),
    Refused("Pooling", {**POOL, "ceil_mode": True, "round_mode": "FLOOR"}, (IMAGE,), "the opposite"),
    Refused("Pooling", {**POOL, "pool": "STOCHASTIC", "pad": 1}, (IMAGE,), "got STOCHASTIC"),
    Refused("Pooling", {**POOL, "stride": 0}, (IMAGE,), "1 or more, got kernel 2x2, stride 0x0"),
    Refused("Pooling", {**POOL, "stride": 1, "stride_h": 1, "stride_w": 1}, (IMAGE,), "give stride, or both"),
    Refused("Pooling", {}, ((1, 8, 6),), "must have 4 axes"),
    Refused("SPP", {"pyramid_height": 3}, ((1, 1, 3, 8),), "level 2 of the pyramid, of 4x4 windows on 3x8: pad must"),
    Refused("SPP", {"pyramid_height": 0}, (IMAGE,), "pyramid_height must be 1 or more, got 0"),
    Refused("SPP", {"pyramid_height": 1}, ((1, 1, 0, 8),), "H and W over 0"),
    Refused("ROIPooling", {"pooled_h": 0, "pooled_w": 7}, (IMAGE, (3, 5)), "got 0 and 7"),
    Refused(
        "PSROIPooling", {"spatial_scale": 1, "output_dim": 2, "group_size": 3}, (IMAGE, (3, 5)), "2 x 3^2 = 18, got 8"
    ),
    Refused("InnerProduct", {"num_output": 0}, (IMAGE,), "num_output must be 1 or more, got 0"),
    Refused("InnerProduct", {"num_output": 2, "axis": 4}, (IMAGE,), "axis must lie in -4..3"),
    Refused("InnerProduct", {"num_output": 2}, ((0, 3),), "no values"),
    Refused("Embed", {"num_output": 2, "input_dim": 0}, ((3,),), "input_dim must be 1 or more, got 0"),
    Refused("PReLU", {}, ((3,),), "2 axes or more"),
    Refused("PReLU", {}, ((1, 2, 3, 4, 5),), "4 axes at most"),
    Refused("PReLU", {"channel_shared": True, "filler": "xavier"}, (IMAGE,), "a single value has none"),
    Refused("Exp", {"base": 0}, (IMAGE,), "base must be above 0, or -1 for e, got 0"),
    Refused("Log", {"base": 1}, (IMAGE,), "base must not be 1"),
    Refused("Softmax", {"axis": 4}, (IMAGE,), "axis must lie in -4..3"),
    Refused("Softmax", {}, ((2, 0, 3),), "no values (2x0x3, of it 0)"),
    Refused("BatchNorm", {}, ((3,),), "2 axes or more"),
    Refused("BatchNorm", {}, ((0, 3, 2, 2),), "no values"),
    Refused("BatchNorm", {"lr_mult": [0, 1]}, (IMAGE,), "lr_mult 0, 1; leave param out"),
    Refused("BatchNorm", {"param": [{"decay_mult": 0}]}, (IMAGE,), "got lr_mult 1"),
    Refused("BatchNorm", {"use_weight_bias": True}, (IMAGE,), "use_weight_bias (Intel)"),
    Refused("LRN", {"local_size": 0}, (IMAGE,), "local_size must be odd, got 0"),
    Refused("LRN", {}, ((1, 8, 6),), "must have 4 axes"),
    Refused("MVN", {}, ((1, 2, 3, 4, 5),), "4 axes at most"),
    Refused("Normalize", {}, ((3,),), "2 axes or more"),
    Refused("Eltwise", {"operation": "SORT"}, (IMAGE, IMAGE), "got SORT of another Caffe"),
    Refused("Eltwise", {"coeff_blob": True}, (IMAGE, IMAGE), "'coeff_blob' of other Caffes"),
    Refused("Eltwise", {}, (IMAGE, IMAGE, (1, 8, 1, 1)), "got 1x8x6x6 and, as bottom 3, 1x8x1x1"),
    Refused("Scale", {}, (IMAGE, (1, 8, 1, 1)), "nothing is broadcast (reshape it to 1x8 and use axis: 0)"),
    Refused("Scale", {"num_axes": 4}, (IMAGE,), "axis 1 and 4 axes are more than its 4"),
    Refused("Scale", {"axis": 0, "bias_term": True}, ((2, 3, 0), (2, 3)), "no values"),
    Refused("Bias", {"num_axes": -2}, (IMAGE,), "num_axes must be 0 or more"),
    Refused("Bias", {}, ((2, 3, 0),), "no values"),
    Refused("Axpy", {}, ((1, 8, 6, 1), IMAGE, IMAGE), "got 1x8x6x1 for 1x8x6x6"),
    Refused("Axpy", {}, ((1, 8), IMAGE, (1, 8, 6)), "must have one shape"),
    Refused("Reduction", {"axis": 4}, (IMAGE,), "axis must lie in -4..3"),
    Refused("Reduction", {}, ((2, 0),), "no values"),
    Refused("ArgMax", {"top_k": 0}, (IMAGE,), "top_k must lie in 1..288"),
    Refused("ArgMax", {"top_k": 7, "axis": 2}, (IMAGE,), "top_k must lie in 1..6"),
    Refused("ArgMax", {}, ((),), "must have an axis"),
    Refused("Input", {"shape": [[1], [2]]}, (), "once for each of the 3 tops, got 2", 3),
    Refused("Input", {}, (), "inputs={'y0': (N, C, H, W)} (--input y0=N,C,H,W)"),
    Refused("Input", {"shape": [[1] * 33]}, (), "has 33 axes"),
    Refused("Input", {"shape": [[46341, 46341]]}, (), "more than the 2147483647"),
    Refused("Input", {"shape": [[1, -1]]}, (), "no axis may be negative"),
    Refused(
        "Data", {"batch_size": 4}, (), "lies in the database; give it: inputs={'y0': (N, C, H, W)} (--input y0=N,C,H,W)"
    ),
    Refused("Data", {"data_param": {}, "transform_param": {"mean_value": [1, 2]}}, (), "inputs={'y0'"),
    Refused("Data", {"batch_size": 1, "transform_param": {"flow": True, "crop_size": 2}}, (), "the field 'flow'"),
    Refused("Data", {"transform_param": {"mean_file": "m", "mean_value": [1]}}, (), "mean_file or mean_value"),
    Refused("Data", {"batch_size": 4, "transform_param": {"crop_size": 2}}, (), "(--input y0=4,C,2,2)"),
    Refused("ImageData", {"new_height": 5}, (), "given together, got 5 and 0", 2),
    Refused("ImageData", {"new_height": 5, "new_width": 5, "transform_param": {"crop_size": 6}}, (), "6x6 of 5x5", 2),
    Refused("ImageData", {"batch_size": 0, "new_height": 5, "new_width": 5}, (), "batch_size must be 1 or more", 2),
    Refused("ImageData", {"new_length": 16, "new_height": 5, "new_width": 5}, (), "the field 'new_length'", 2),
    Refused("WindowData", {"batch_size": 1}, (), "transform_param.crop_size must be 1 or more", 2),
    Refused("MemoryData", {"batch_size": 1, "channels": 0, "height": 2, "width": 2}, (), "channels=0", 2),
    Refused("HDF5Data", {"batch_size": 1}, (), "lies in the HDF5 files; give it: inputs={'y0': (N, ...)}"),
    Refused("HDF5Data", {"transform_param": {"scale": 2}}, (), "transform_param is not for HDF5Data"),
    Refused("DummyData", {}, (), "shape must be given once, got 0"),
    Refused("DummyData", {"shape": [[1]], "num": 1}, (), "not both"),
    Refused("DummyData", {"num": 1, "channels": 1, "height": 1}, (), "width must be given once, got 0"),
    Refused("DummyData", {"shape": [[0, 3]]}, (), "would fill no values"),
    Refused(
        "Python", {"module": "m", "layer": "L"}, (IMAGE,), "lie in Python code, m.L; give them: inputs={'y0': (...)}"
    ),
    Refused("AnnotatedData", {"transform_param": {"crop_size": 2}}, (), "batch_size must be 1 or more, got none"),
    Refused("VideoData", {"new_length": 16}, (), "the field 'new_length'"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.type}-{case.words[:30]}")
def test_a_refusal_says_the_rule_and_what_was_found(case: Refused) -> None:
    net = netgen.Net()
    for i, shape in enumerate(case.bottoms):
        net.layer("Input", name=f"x{i}", shape=[{"dim": shape} if shape else {}])
    bottoms, tops = [f"x{i}" for i in range(len(case.bottoms))], [f"y{i}" for i in range(case.tops)]
    net.layer(case.type, name="it", bottom=bottoms, top=tops, **case.fields)
    with pytest.raises(netgen.NetgenError) as refused:
        infer_shapes(net)
    message = str(refused.value)
    assert message.startswith(f"layer 'it' ({case.type}): ")
    assert case.words in message


def test_inputs_reshape_the_net() -> None:
    net = netgen.Net().input(1, 3, 224, 224).conv(8, 3, stride=2, name="c").pool(3, 2, name="p")
    expected = {"data": (2, 3, 113, 60), "c": (2, 8, 57, 30), "p": (2, 8, 28, 15)}
    assert infer_shapes(net, inputs={"data": [2, 3, 113, 60]}) == expected


def test_a_python_layer_takes_the_shapes_of_its_tops_from_outside() -> None:
    text = """
        layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 1 dim: 8 dim: 6 dim: 6 } } }
        layer { name: "p" type: "Python" bottom: "x" top: "r" python_param { module: "m" layer: "L" } }
        layer { name: "s" type: "Python" bottom: "r" python_param { module: "m" layer: "Sink" } }
        layer { name: "f" type: "ROIPooling" bottom: "x" bottom: "r" top: "y" roi_pooling_param { pooled_h: 2 pooled_w: 3 } }
    """
    assert shapes_of(text, {"r": (300, 5)})["y"] == (300, 8, 2, 3)


def test_a_type_that_is_not_known_takes_them_too_and_is_not_counted() -> None:
    text = 'layer { name: "d" type: "DocData" top: "x" doc_data_param { batch_size: 1 } } layer { type: "AbsVal" bottom: "x" top: "y" }'
    net = netgen.parse_prototxt(text)
    layers = shape_layers(net, State(), {"x": (2, 3)})
    assert [layer.tops for layer in layers] == [((2, 3),), ((2, 3),)]
    assert [layer.kind.counted for layer in layers] == [False, True]
    with pytest.raises(netgen.NetgenError, match=r"the type is not known.*the shapes of all its tops as inputs"):
        infer_shapes(net)


def test_fields_of_forks_do_not_matter_where_the_shape_is_given() -> None:
    text = 'layer { name: "d" type: "Data" top: "x" transform_param { max_resize: 9 } }'
    assert shapes_of(text, {"x": (2, 3)}) == {"x": (2, 3)}
    with pytest.raises(netgen.NetgenError, match=r"'transform_param.max_resize' is not known"):
        shapes_of(text)


def test_what_is_said_of_an_unknown_field_names_a_way_out() -> None:
    for layer, way_out in (
        (
            'type: "VideoData" top: "x" top: "y" new_param { a: 1 }',
            "; give the shapes of its tops: inputs={'x': (...), 'y': (...)} (--input x=...)",
        ),
        (
            'type: "ReLU" bottom: "x" top: "x" qqqqqqqq: 1',
            "; remove it, or give the layer a type of your own (netgen.register)",
        ),
        (
            'type: "Convolution" bottom: "x" top: "y" convolution_param { num_outputs: 1 }',
            "; did you mean 'num_output'?",
        ),
    ):
        with pytest.raises(netgen.NetgenError) as caught:
            shapes_of(
                f'input: "x" input_shape {{ dim: [1, 3, 8, 8] }} layer {{ {layer} }}'
                if "bottom" in layer
                else f"layer {{ {layer} }}"
            )
        assert str(caught.value).endswith(f"is not known, and could change its shapes{way_out}")


def test_fields_of_forks_that_change_no_shape_and_no_value() -> None:
    text = """
        layer { name: "d" type: "MemoryData" top: "x" top: "l" memory_data_param {
          source: "s" share_in_parallel: false batch_size: 2 channels: 3 height: 8 width: 8 } }
        layer { name: "c" type: "Convolution" bottom: "x" top: "y" strict_dim: false device { type: GPU device_id: 0 }
          convolution_param { num_output: 4 kernel_size: 3 engine: SPATIAL mem_group_size: 8 } }
    """
    assert shapes_of(text)["y"] == (2, 4, 6, 6)
    for other in ("strict_dims: false", "convolution_param { num_output: 4 kernel_size: 3 strict_dim: false }"):
        with pytest.raises(netgen.NetgenError, match="is not known, and could change its shapes"):
            shapes_of(
                f'input: "x" input_shape {{ dim: [1, 3, 8, 8] }} layer {{ type: "Convolution" bottom: "x" top: "y" {other} }}'
            )


def test_only_inputs_are_given() -> None:
    net = netgen.Net().input(1, 3, 8, 8).conv(8, 3, pad=0, name="c").relu()
    assert infer_shapes(net, inputs={"data": (1, 3, 8, 8), "c": (1, 8, 6, 6)})["c"] == (1, 8, 6, 6)
    with pytest.raises(
        netgen.NetgenError, match=r"^layer 'c' \(Convolution\): the top 'c' has the shape 1x8x6x6, and 9"
    ):
        infer_shapes(net, inputs={"c": (9,)})
    with pytest.raises(netgen.NetgenError, match=r"^input 'dta': the net has no such blob; did you mean 'data'"):
        infer_shapes(net, inputs={"dta": (1,)})


def test_input_fields_without_shape_stand_for_nothing() -> None:
    relu = 'layer { name: "r" type: "ReLU" bottom: "x" top: "y" }'
    assert shapes_of(f'input: "x" {relu}', {"x": (2, 3)}) == {"x": (2, 3), "y": (2, 3)}
    with pytest.raises(netgen.NetgenError, match=r"'r'.*makes the bottom 'x'.*says the shape of the input 'x'"):
        shapes_of(f'input: "x" {relu}')
    source = 'layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 4 } } }'
    assert shapes_of(f'input: "x" {source} {relu}', {"x": (2, 3)}) == {"x": (2, 3), "y": (2, 3)}
    with pytest.raises(netgen.NetgenError, match=r"^input 'y': there must be an input_shape for each"):
        shapes_of('input: "x" input: "y" input_shape { dim: 1 }')
    with pytest.raises(netgen.NetgenError, match=r"^input 'x': .*got 0 input_shape and 3 input_dim"):
        shapes_of('input: "x" input_dim: 1 input_dim: 2 input_dim: 3')


def test_in_place_is_refused_where_caffe_refuses_it() -> None:
    net = netgen.Net().input(2, 3, name="x").abs_val(top="x", bottom="x")
    with pytest.raises(netgen.NetgenError, match=r"\(AbsVal\): does not work in place; give it a top of its own"):
        infer_shapes(net)


def test_a_convolution_in_place_leaves_its_shape_behind() -> None:
    net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, pad=0, name="c", top="data").relu(name="r", in_place=False)
    assert infer_shapes(net) == {"data": (1, 4, 6, 6), "r": (1, 4, 6, 6)}
    assert infer_shapes(net, inputs={"data": (2, 3, 9, 9)})["data"] == (2, 4, 7, 7)


@pytest.mark.parametrize(
    ("fields", "weights", "flops"),
    [
        ("", ((1, 3, 1, 1),) * 4, 4),
        ("frozen: true slope_filler { type: 'constant' }", ((1, 3, 1, 1),) * 4, 4),
        ("scale_filler { type: 'constant' value: 1 } shift_filler { type: 'constant' }", ((1, 3, 1, 1),) * 2, 4),
        ("bn_mode: INFERENCE", ((1, 3, 1, 1),) * 2, 2),
    ],
)
def test_the_fields_of_bn_tell_whose_it_is(fields: str, weights: tuple[Shape, ...], flops: int) -> None:
    """PSPNet's has four blobs (bn_layer.cpp, LayerSetUp), SegNet's two."""
    net = netgen.parse_prototxt(
        'layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }'
        f'layer {{ name: "b" type: "BN" bottom: "x" top: "y" bn_param {{ {fields} }} }}'
    )
    layer = shape_layers(net, State())[-1]
    assert layer.weights == weights
    assert layer.kind.flops(layer.bottoms, layer.tops) == 96 * flops
    assert layer.kind.statistics() == (2 if len(weights) == 4 else 0)


def test_a_mixture_of_bns_is_refused() -> None:
    with pytest.raises(netgen.NetgenError, match="momentum is PSPNet's, and bn_mode SegNet's"):
        shapes_of(
            'layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }'
            'layer { name: "b" type: "BN" bottom: "x" top: "y" bn_param { momentum: 0.9 bn_mode: LEARN } }'
        )


def test_three_params_of_a_batch_norm_are_forced_to_0() -> None:
    """caffe-semantics: three blocks are forced to lr_mult 0; a single lr_mult 1 is fatal."""
    net = netgen.Net().input(1, 3, 8, 8).batch_norm(name="b", lr_mult=[1, 1, 1])
    layer = shape_layers(net, State())[-1]
    assert (layer.weights, layer.kind.statistics()) == (((3,), (3,), (1,)), 3)


def test_empty_blobs_pass_where_caffe_sets_up_no_array_over_them() -> None:
    net = netgen.Net().input(0, 3, 8, 8).conv(4, 3, pad=0, name="c").pool(2, name="p").relu(name="r", in_place=False)
    net.scale(name="s", bias_term=True, in_place=False).eltwise(bottom=["s", "p"], name="e")
    assert infer_shapes(net)["e"] == (0, 4, 3, 3)


def test_a_loss_needs_no_top() -> None:
    # net.cpp, Init: AutoTopBlobs of a LossLayer gives it the top that the file leaves out.
    net = netgen.parse_prototxt(
        'layer { name: "x" type: "Input" top: "x" top: "l" input_param { shape { dim: [2, 5] } shape { dim: 2 } } }'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "l" }'
    )
    assert netgen.infer_shapes(net) == {"x": (2, 5), "l": (2,)}
    assert netgen.analyze(net).totals()["layers"] == 2
    accuracy = netgen.parse_prototxt(net.to_prototxt().replace("SoftmaxWithLoss", "Accuracy"))
    with pytest.raises(netgen.NetgenError, match="takes 1 to 2 tops, got 0"):
        netgen.infer_shapes(accuracy)


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ('layer { name: "a" type: "ReLU" bottom: "b" top: "a" } layer { name: "b" type: "ReLU" bottom: "a" top: "b" }',
         "layer 'a' (ReLU): no layer before it makes the bottom 'b'; layer 'b' makes it later: the order is wrong, or the "
         "layers form a cycle"),
        ('layer { name: "d" type: "Data" top: "d" include { phase: TRAIN } } layer { name: "a" type: "ReLU" bottom: "d" top: "a" }',
         "layer 'a' (ReLU): no layer before it makes the bottom 'd'; layer 'd' makes it, and is not in phase TEST but in "
         "phase TRAIN"),
    ],
)  # fmt: skip
def test_why_a_bottom_is_missing(layers: str, text: str) -> None:
    with pytest.raises(netgen.NetgenError) as error:
        netgen.infer_shapes(netgen.parse_prototxt(layers))
    assert str(error.value) == text
