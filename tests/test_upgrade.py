"""Old networks in today's format, held against what Caffe's own upgrade made of 71 real files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import netgen
from netgen.files import read_text
from netgen.prototxt import parse, write
from netgen.upgrade import UpgradeError, upgrade

if TYPE_CHECKING:
    from netgen.graph import Graph

ROOT = Path(__file__).parent.parent

MARKER = "git conflict marker"
PLACEHOLDER = "is a placeholder that was never filled in"
REFUSED = {
    "BVLC__caffe__examples__hdf5_classification__train_val@1ed2ce0b.prototxt": MARKER,
    "BVLC__caffe__models__bvlc_googlenet__deploy@e052c95e.prototxt": MARKER,
    "BVLC__caffe__models__bvlc_googlenet__train_val@1ed2ce0b.prototxt": MARKER,
    "BVLC__caffe__prototxt__imagenet_val_channelconstant@7e44b73b.prototxt": "value is given twice",
    "TheLegendAli__DeepLab-Context__config__DeepLab-LargeFOV__test@f6d04455.prototxt": PLACEHOLDER,
    "TheLegendAli__DeepLab-Context__config__DeepLab-MSc-COCO-LargeFOV__test@f6d04455.prototxt": PLACEHOLDER,
    "TheLegendAli__DeepLab-Context__config__DeepLab-MSc__test@f6d04455.prototxt": PLACEHOLDER,
    "TheLegendAli__DeepLab-Context__config__DeepLab-MSc__train@f6d04455.prototxt": PLACEHOLDER,
    "TheLegendAli__DeepLab-Context__config__DeepLab-Weak-EM-Adapt__train@f6d04455.prototxt": PLACEHOLDER,
    "TheLegendAli__DeepLab-Context__config__DeepLab__test@f6d04455.prototxt": PLACEHOLDER,
    "TheLegendAli__DeepLab-Context__voc12__config__vgg128_noup__test@e5f59fa5.prototxt": PLACEHOLDER,
    "TheLegendAli__DeepLab-Context__voc12__config__vgg128_noup__train.prototxt": PLACEHOLDER,
    "chuanqi305__MobileNet-SSD__template__MobileNetSSD_deploy_template.prototxt": "got cls3x",
    "chuanqi305__MobileNet-SSD__template__MobileNetSSD_test_template.prototxt": "got cls3x",
    "happynear__caffe-windows__examples__pycaffe__Inception-ResNet-v1@df96ca3e.prototxt": "expected ',' or ']'",
}
"""The files of the corpus that no reader can take, and why."""


def same(old: str, new: str) -> Graph:
    """Check that the upgrade of one text is what the other says; gives the upgraded network."""
    graph = upgrade(parse(old))
    assert graph == parse(new)
    assert upgrade(graph) == graph
    return graph


def refused(old: str) -> str:
    with pytest.raises(UpgradeError) as caught:
        upgrade(parse(old))
    return str(caught.value)


def load_or_refusal(path: Path) -> tuple[netgen.Net | None, str]:
    try:
        return netgen.load(path), ""
    except netgen.NetgenError as error:
        return None, str(error)


# Against Caffe


def test_the_corpus_is_upgraded_as_caffe_does_it(shared: Path) -> None:
    paths = sorted((shared / "corpus" / "upgraded").iterdir())
    assert len(paths) == 71
    for path in paths:
        old = parse(read_text(shared / "corpus" / "caffe" / path.name), path.name)
        expected = parse(read_text(path), path.name)
        graph = upgrade(old)
        assert "layers" in old.params
        assert graph == expected, path.name
        # Loading makes the same layers of it, but keeps the one input that Caffe drops for want of a shape.
        loaded = netgen.load(shared / "corpus" / "caffe" / path.name)
        assert loaded.layers == expected.layers, path.name
        assert bool(loaded.inputs) == ("simple_conv" in path.name), path.name


def test_every_file_of_the_corpus_loads_or_says_where_it_is_broken(shared: Path) -> None:
    upgraded = 0
    broken = {}
    for path in sorted((shared / "corpus" / "caffe").iterdir()):
        net, error = load_or_refusal(path)
        if net is None:
            assert re.match(rf"{re.escape(str(path))}:\d+:\d+: ", error), error
            broken[path.name] = error
            continue
        assert "layers" not in net.params
        new = upgrade(net)
        if new != net:
            upgraded += 1
            assert upgrade(new) == new, path.name
            assert parse(write(new)) == new, path.name
    assert broken.keys() == REFUSED.keys()
    for name, reason in REFUSED.items():
        assert reason in broken[name]
    assert upgraded > 150  # V2 files with `input` fields, which loading keeps


# V1


def test_v1_fields() -> None:
    same(
        """
        name: "n" force_backward: true
        layers {
          name: "c" type: CONVOLUTION bottom: "x" top: "c" loss_weight: 2
          param: "w" param: "b" blob_share_mode: PERMISSIVE
          blobs_lr: 1 blobs_lr: 2 blobs_lr: 0 weight_decay: 1 weight_decay: 0
          include { phase: TRAIN } exclude { stage: "s" }
          convolution_param { num_output: 2 kernel_size: 3 pad: 1 }
        }
        layers { name: "r" type: RELU bottom: "c" top: "c" relu_param { negative_slope: 0.5 } }
        """,
        """
        name: "n" force_backward: true
        layer {
          name: "c" type: "Convolution" bottom: "x" top: "c" loss_weight: 2
          param { name: "w" share_mode: PERMISSIVE lr_mult: 1 decay_mult: 1 }
          param { name: "b" lr_mult: 2 decay_mult: 0 }
          param { lr_mult: 0 }
          include { phase: TRAIN } exclude { stage: "s" }
          convolution_param { num_output: 2 kernel_size: 3 pad: 1 }
        }
        layer { name: "r" type: "ReLU" bottom: "c" top: "c" relu_param { negative_slope: 0.5 } }
        """,
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SOFTMAX_LOSS", "SoftmaxWithLoss"),
        ("ABSVAL", "AbsVal"),
        ("HDF5_DATA", "HDF5Data"),
        ("IM2COL", "Im2col"),
        ("SIGMOID_CROSS_ENTROPY_LOSS", "SigmoidCrossEntropyLoss"),
        ("TANH", "TanH"),
        ("LRN", "LRN"),
        ("CONVOLUTION3D", "Convolution3D"),
        ("ROIPOOLING", "ROIPooling"),
        ("RELU6", "ReLU6"),
        ("SEG_ACCURACY", "SegAccuracy"),
    ],
)
def test_v1_types(old: str, new: str) -> None:
    (layer,) = upgrade(parse(f"layers {{ name: 'a' type: {old} }}")).layers
    assert (layer.name, layer.type, layer.params) == ("a", new, {})


def test_every_type_of_caffe_has_a_v2_type_that_netgen_knows() -> None:
    from netgen.layers.index import TYPES
    from netgen.schema import ENUMS

    for name, number in ENUMS["V1LayerParameter.LayerType"].items():
        (layer,) = upgrade(parse(f"layers {{ type: {name} }}")).layers
        assert layer.type in TYPES or not 1 <= number <= 39, name


def test_a_type_that_no_schema_knows_keeps_its_spelling() -> None:
    # BATCHNORM of some fork may have a scale of its own: calling it BatchNorm would be a guess.
    net = netgen.parse_prototxt("layers { name: 'a' type: BATCHNORM }", "old.prototxt")
    assert net.layers["a"].type == "BATCHNORM"
    assert len(net.notes) == 1
    assert net.notes[0].startswith("old.prototxt:1:20: unknown value 'BATCHNORM' of 'layers.type' is kept as it is")


def test_fields_without_a_place_in_v2_are_kept() -> None:
    graph = same(
        """
        layers { name: "a" type: SEG_ACCURACY strict_dim: false
                 padding_param { pad_beg: 1 } mine { s: "a\\"b" e: AVE } batch_norm_param { eps: 1e-3 } }
        layers { name: "b" type: SEG_ACCURACY strict_dim: false }
        """,
        """
        layer { name: "a" type: "SegAccuracy" strict_dim: false
                padding_param { pad_beg: 1 } mine { s: "a\\"b" e: AVE } batch_norm_param { eps: 1e-3 } }
        layer { name: "b" type: "SegAccuracy" strict_dim: false }
        """,
    )
    notes = "\n".join(graph.notes)
    assert "layer 'a' (SEG_ACCURACY) and 1 more: field 'strict_dim' of a fork" in notes
    assert "field 'padding_param' of a fork" in notes
    assert "type SEG_ACCURACY is a fork's; in V2 it is taken to be 'SegAccuracy'" in notes


def test_a_v2_field_of_the_wrong_kind_in_a_v1_layer_is_refused_with_its_place() -> None:
    text = "layers { name: 'ok' }\nlayers { name: 'a' type: BNLL batch_norm_param { eps: AVE } }"
    with pytest.raises(netgen.ParseError, match=r"^f:2:1: layer 'a' \(BNLL\): eps must be a number, got AVE$"):
        netgen.parse_prototxt(text, "f")


def test_the_transformation_leaves_the_data_layer() -> None:
    same(
        """
        layers { name: "a" type: DATA data_param { source: "s" scale: 0.5 crop_size: 3 mirror: true mean_file: "m" } }
        layers { name: "b" type: IMAGE_DATA image_data_param { source: "t" } transform_param { scale: 2 } }
        layers { name: "w" type: WINDOW_DATA window_data_param { crop_size: 5 } transform_param { crop_size: 4 } }
        layers { name: "h" type: HDF5_DATA }
        """,
        """
        layer { name: "a" type: "Data" data_param { source: "s" }
                transform_param { scale: 0.5 crop_size: 3 mirror: true mean_file: "m" } }
        layer { name: "b" type: "ImageData" image_data_param { source: "t" } transform_param { scale: 2 } }
        layer { name: "w" type: "WindowData" window_data_param { } transform_param { crop_size: 5 } }
        layer { name: "h" type: "HDF5Data" }
        """,
    )


# V0


def test_v0_fields() -> None:
    same(
        """
        layers { layer { name: "d" type: "data" source: "s" batchsize: 4 rand_skip: 5
                         scale: 0.5 meanfile: "m" cropsize: 7 mirror: true } top: "d" top: "l" }
        layers { layer { name: "c" type: "conv" num_output: 2 biasterm: false kernelsize: 3 stride: 2 pad: 1 group: 2
                         weight_filler { type: "xavier" } blobs_lr: 1 weight_decay: 0 } bottom: "d" top: "c" }
        layers { layer { name: "p" type: "pool" pool: AVE kernelsize: 3 stride: 2 pad: 1 } bottom: "c" top: "p" }
        layers { layer { name: "f" type: "innerproduct" num_output: 5 biasterm: true } bottom: "p" top: "f" }
        layers { layer { name: "n" type: "lrn" local_size: 3 alpha: 2 beta: 0.5 k: 3 } bottom: "f" top: "n" }
        layers { layer { name: "o" type: "dropout" dropout_ratio: 0.25 } bottom: "n" top: "n" }
        layers { layer { name: "h" type: "hdf5_output" hdf5_output_param { file_name: "x" } } bottom: "n" bottom: "l" }
        layers { layer { name: "w" type: "window_data" source: "s" det_fg_threshold: 0.6 det_crop_mode: "square" } }
        layers { layer { name: "i" type: "images" source: "s" shuffle_images: true new_height: 4 } }
        layers { layer { name: "k" type: "concat" concat_dim: 0 } bottom: "n" bottom: "f" top: "k" }
        layers { layer { name: "s" type: "softmax_loss" } bottom: "k" bottom: "l" include { phase: TRAIN } }
        """,
        """
        layer { name: "d" type: "Data" top: "d" top: "l" data_param { source: "s" batch_size: 4 rand_skip: 5 }
                transform_param { scale: 0.5 mean_file: "m" crop_size: 7 mirror: true } }
        layer { name: "c" type: "Convolution" bottom: "d" top: "c" param { lr_mult: 1 decay_mult: 0 }
                convolution_param { num_output: 2 bias_term: false kernel_size: 3 stride: 2 pad: 1 group: 2
                                    weight_filler { type: "xavier" } } }
        layer { name: "p" type: "Pooling" bottom: "c" top: "p"
                pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
        layer { name: "f" type: "InnerProduct" bottom: "p" top: "f"
                inner_product_param { num_output: 5 bias_term: true } }
        layer { name: "n" type: "LRN" bottom: "f" top: "n" lrn_param { local_size: 3 alpha: 2 beta: 0.5 k: 3 } }
        layer { name: "o" type: "Dropout" bottom: "n" top: "n" dropout_param { dropout_ratio: 0.25 } }
        layer { name: "h" type: "HDF5Output" bottom: "n" bottom: "l" hdf5_output_param { file_name: "x" } }
        layer { name: "w" type: "WindowData"
                window_data_param { source: "s" fg_threshold: 0.6 crop_mode: "square" } }
        layer { name: "i" type: "ImageData" image_data_param { source: "s" shuffle: true new_height: 4 } }
        layer { name: "k" type: "Concat" bottom: "n" bottom: "f" top: "k" concat_param { concat_dim: 0 } }
        layer { name: "s" type: "SoftmaxWithLoss" bottom: "k" bottom: "l" include { phase: TRAIN } }
        """,
    )


PADDING = """
    input: "x" input_shape { dim: 1 dim: 2 dim: 8 dim: 8 }
    layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "x" top: "xp" }
"""


def test_padding_goes_into_every_layer_that_reads_it() -> None:
    graph = same(
        PADDING
        + """
        layers { layer { name: "c" type: "conv" num_output: 2 kernelsize: 5 } bottom: "xp" top: "c" }
        layers { layer { name: "p" type: "pool" kernelsize: 3 } bottom: "xp" top: "p" }
        """,
        """
        layer { name: "input" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 8 dim: 8 } } }
        layer { name: "c" type: "Convolution" bottom: "x" top: "c"
                convolution_param { num_output: 2 kernel_size: 5 pad: 2 } }
        layer { name: "p" type: "Pooling" bottom: "x" top: "p" pooling_param { kernel_size: 3 pad: 2 } }
        """,
    )
    assert graph.notes == ()


def test_padding_that_caffe_refuses() -> None:
    relu = 'layers { layer { name: "r" type: "relu" } bottom: "xp" top: "r" }'
    assert "layer 'r' (relu): reads the padding of layer 'pad' (padding), and only conv and" in refused(PADDING + relu)
    two = 'layers { layer { name: "c" type: "conv" } bottom: "xp" bottom: "x" top: "c" }'
    assert "layer 'c' (conv): reads padding, and then takes one bottom, got 2" in refused(PADDING + two)
    wide = PADDING.replace('bottom: "x"', 'bottom: "x" bottom: "x"')
    conv = 'layers { layer { name: "c" type: "conv" } bottom: "xp" top: "c" }'
    assert "which must have one bottom and one top" in refused(wide + conv)
    assert "layer 'pad' (padding): no layer reads this padding, so it is left out" in upgrade(parse(PADDING)).notes


def test_what_v0_has_no_place_for_is_told_or_kept() -> None:
    graph = same(
        'layers { layer { name: "r" type: "relu" num_output: 3 mine: 4 } } layers { layer { type: "odd" source: "s" } }',
        'layer { name: "r" type: "ReLU" mine: 4 } layer { type: "odd" source: "s" }',
    )
    assert "layer 'r' (relu): a layer of type 'relu' has no 'num_output', and Caffe leaves it out" in graph.notes
    assert "layer '' (odd): the V0 type 'odd' is not known and is kept as it is" in graph.notes
    twice = 'layers { strict_dim: true layer { name: "r" type: "relu" strict_dim: false } }'
    assert "field 'strict_dim' is given twice" in refused(twice)


def test_a_v1_layer_among_v0_layers_keeps_its_fields() -> None:
    same(
        'layers { layer { type: "relu" } } layers { type: POOLING pooling_param { kernel_size: 2 } }',
        'layer { type: "ReLU" } layer { type: "Pooling" pooling_param { kernel_size: 2 } }',
    )


# Inputs and BatchNorm, of any age


def test_inputs_become_one_layer_before_the_others() -> None:
    new = """
        layer { name: "input" type: "Input" top: "a" top: "b"
                input_param { shape { dim: 1 dim: 2 dim: 3 dim: 4 } shape { dim: 5 dim: 6 dim: 7 dim: 8 } } }
        layer { name: "r" type: "ReLU" bottom: "a" top: "a" }
    """
    dims = "".join(f"input_dim: {dim} " for dim in range(1, 9))
    shapes = "input_shape { dim: [1, 2, 3, 4] } input_shape { dim: [5, 6, 7, 8] }"
    names = 'input: "a" input: "b" '
    relu = ' layer { name: "r" type: "ReLU" bottom: "a" top: "a" }'
    assert not same(names + dims + relu, new).notes
    assert not same(names + shapes + relu, new).notes
    # input_shape goes before input_dim, and what is over is lost: told, where Caffe is silent.
    assert "2 input_shape and 1 input_dim for 2 inputs" in same(f"{names} {shapes} input_dim: 9 {relu}", new).notes[0]
    assert "9 input_dim for 2 inputs" in same(f"{names} {dims} input_dim: 9 {relu}", new).notes[0]
    same("input_dim: 1", "input_dim: 1")


def test_inputs_that_cannot_be_layers() -> None:
    rule = "input 'b': takes an input_shape or four input_dim, got 7 input_dim for 2 inputs; give it its shape"
    assert refused('input: "a" input: "b" ' + "input_dim: 1 " * 7) == rule
    assert "got 1 input_shape for 2 inputs" in refused('input: "a" input: "b" input_shape { dim: 1 }')
    text = 'input: "a" layer { name: "r" type: "ReLU" bottom: "a" top: "a" }'
    graph = same(text, text.removeprefix('input: "a"'))
    assert graph.notes == (
        "input 'a': no input_shape or input_dim says its shape, so it becomes no Input layer, and Caffe leaves it out",
    )
    assert upgrade(parse(text), keep_inputs=True) == parse(text)


def test_batch_norm_statistics_are_taken_from_the_solver() -> None:
    layer = 'layer {{ name: "b" type: "{}" {} }}'
    rates = 'param { lr_mult: 1 name: "m" } param { decay_mult: 2 } param { }'
    fixed = 'param { lr_mult: 0 decay_mult: 0 name: "m" }' + " param { lr_mult: 0 decay_mult: 0 }" * 2
    same(layer.format("BatchNorm", rates), layer.format("BatchNorm", fixed))
    for type_name, params in (("BN", rates), ("BatchNorm", "param { lr_mult: 1 }")):
        same(layer.format(type_name, params), layer.format(type_name, params))
