"""The networks against the Caffe files that were published for them: same layers, names, wiring and fields.

What differs is listed here in full. Left out of the comparison are fillers and learning rates, which only training
reads, and what feeds and what measures a network (data layers, losses, accuracies).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import netgen
from netgen.comparison import compare


class Reference(NamedTuple):
    """A published file, and all that netgen's network has otherwise: fields (path, published, netgen's) and layers."""

    net: str
    file: str
    fields: dict[tuple[str, Any, Any], int] = {}  # noqa: RUF012 (never changed)
    missing: set[str] = set()  # noqa: RUF012
    added: set[str] = set()  # noqa: RUF012
    arguments: dict[str, Any] = {}  # noqa: RUF012


def stats(count: int) -> dict[tuple[str, Any, Any], int]:
    """Deploy files write out what is the default of the phase TEST; training files must not have it."""
    return {("batch_norm_param.use_global_stats", True, None): count}


def global_pool(kernel: int | None) -> dict[tuple[str, Any, Any], int]:
    """The published pooling over a window as large as what is left of 224 pixels, here over all for every size."""
    return {("pooling_param.kernel_size", kernel, None): 1, ("pooling_param.global_pooling", False, True): 1}


ENDS = {"loss", "accuracy", "accuracy_top5", "accuracy/top1", "accuracy/top5"}
KAIMING = "KaimingHe__deep-residual-networks__prototxt__ResNet"
INTEL = "intel__caffe__models__intel_optimized_models"

REFERENCES = [
    Reference("alexnet", "BVLC__caffe__models__bvlc_alexnet__deploy@a6610018"),
    Reference(
        "caffenet", "LisaAnne__lisa-caffe-public__models__bvlc_reference_caffenet__deploy@eca69180",
        missing={"fc8-zero"},
    ),
    Reference("lenet", "BVLC__caffe__examples__mnist__lenet@9f1dc965"),
    Reference("googlenet", "BVLC__caffe__models__bvlc_googlenet__deploy", global_pool(7)),
    Reference("vgg16", f"{INTEL}__benchmark__vgg16__train_val", missing=ENDS - {"accuracy", "accuracy_top5"}, added={"prob"}),
    Reference("vgg19", "intel__caffe__models__default_vgg_19__train_val",
              missing=ENDS - {"accuracy", "accuracy_top5"}, added={"prob"}),
    Reference("squeezenet1_0", "forresti__SqueezeNet__SqueezeNet_v1.0__train_val",
              missing={"loss", "accuracy", "accuracy_top5"}, added={"prob"}),
    Reference("resnet50", f"{KAIMING}-50-deploy", stats(53) | global_pool(7), arguments={"conv1_bias": True}),
    Reference("resnet101", f"{KAIMING}-101-deploy", stats(104) | global_pool(7)),
    Reference("resnet152", f"{KAIMING}-152-deploy", stats(155) | global_pool(7)),
    Reference(
        "resnet18", "linzhi123__pytorch-caffe-darknet-convert__cfg__resnet-18",
        {("batch_norm_param.moving_average_fraction", 0.9, 0.999): 21} | global_pool(7), added={"prob"},
        arguments={"project_first": True},
    ),
    # It pools first with pad 1 and the forks' field for rounding down.
    Reference(
        "resnet18", "soeaver__caffe-model__cls__resnet__deploy_resnet18-priv",
        stats(20) | {("pooling_param.pad", 1, 0): 1, ("pooling_param.ceil_mode", False, True): 1},
    ),
    Reference(
        "se_resnet50", "hujie-frank__SENet__models__SE-ResNet-101",
        stats(104) | global_pool(7) | {("pooling_param.engine", "CAFFE", "DEFAULT"): 33},
        arguments={"layers": (3, 4, 23, 3), "axpy": True},
    ),
    Reference("mobilenet_v1", f"{INTEL}__int8__mobilenet_v1_int8_full_conv_perf", stats(27), added={"prob"}),
]  # fmt: skip

TRAINING = ("param[", "convolution_param.weight_filler", "convolution_param.bias_filler", "scale_param.filler",
            "scale_param.bias_filler", "inner_product_param.weight_filler", "inner_product_param.bias_filler",
            "quantization_param.")  # fmt: skip


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda each: f"{each.net}-{each.file[:20]}")
def test_it_is_the_published_network(reference: Reference, shared: Path) -> None:
    published = netgen.load(shared / "corpus" / "caffe" / f"{reference.file}.prototxt")
    found = compare(published, netgen.build(reference.net, **reference.arguments))
    assert {layer.name for layer in found.removed if layer.bottoms} == reference.missing
    assert {layer.name for layer in found.added if layer.bottoms} == reference.added
    assert not found.moved
    changes = (change for each in found.changed if each.old.bottoms for change in each.fields)
    assert Counter(change[:] for change in changes if not change.path.startswith(TRAINING)) == Counter(reference.fields)


def weights(net: netgen.Net) -> list[tuple[int, ...]]:
    return [tuple(shape) for row in netgen.analyze(net).rows() for shape in row["weights"]]


@pytest.mark.parametrize("depth", [121, 201])
def test_a_densenet_under_other_names_has_the_same_weights_in_the_same_order(depth: int, shared: Path) -> None:
    path = shared / "corpus" / "caffe" / f"soeaver__caffe-model__cls__densenet__deploy_densenet{depth}.prototxt"
    other, ours = netgen.load(path), netgen.build(f"densenet{depth}")
    # Its classifier may be an InnerProduct, whose weights have two axes where a 1x1 convolution's have four.
    assert [shape[:2] for shape in weights(other)] == [shape[:2] for shape in weights(ours)]
    types = [layer.type for layer in other.layers if layer.bottoms]
    assert types[:-2] == [layer.type for layer in ours.layers if layer.bottoms][: len(types) - 2]


HEADS = {
    "densenet121": "conv1 conv1/bn conv1/scale relu1 pool1 conv2_1/x1/bn conv2_1/x1/scale relu2_1/x1 conv2_1/x1 "
    "conv2_1/x2/bn conv2_1/x2/scale relu2_1/x2 conv2_1/x2 concat_2_1 conv2_2/x1/bn",
    "mobilenet_v2": "conv1 conv1/bn conv1/scale relu1 conv2_1/expand conv2_1/expand/bn conv2_1/expand/scale "
    "relu2_1/expand conv2_1/dwise conv2_1/dwise/bn conv2_1/dwise/scale relu2_1/dwise conv2_1/linear conv2_1/linear/bn "
    "conv2_1/linear/scale conv2_2/expand",
    "shufflenet_v1": "conv1 conv1_bn conv1_scale conv1_relu pool1 resx1_conv1 resx1_conv1_bn resx1_conv1_scale "
    "resx1_conv1_relu resx1_conv2 resx1_conv2_bn resx1_conv2_scale resx1_conv3 resx1_conv3_bn resx1_conv3_scale "
    "resx1_match_conv resx1_concat resx1_concat_relu resx2_conv1 resx2_conv1_bn resx2_conv1_scale resx2_conv1_relu "
    "shuffle2 resx2_conv2 resx2_conv2_bn resx2_conv2_scale resx2_conv3 resx2_conv3_bn resx2_conv3_scale resx2_elewise "
    "resx2_elewise_relu resx3_conv1",
    "squeezenet1_1": "conv1 relu_conv1 pool1 fire2/squeeze1x1 fire2/relu_squeeze1x1 fire2/expand1x1 "
    "fire2/relu_expand1x1 fire2/expand3x3 fire2/relu_expand3x3 fire2/concat fire3/squeeze1x1",
}
TAILS = {
    "densenet121": "conv5_16/x2 concat_5_16 conv5_blk/bn conv5_blk/scale relu5_blk pool5 fc6",
    "mobilenet_v2": "conv6_3/linear conv6_3/linear/bn conv6_3/linear/scale conv6_4 conv6_4/bn conv6_4/scale relu6_4 "
    "pool6 fc7",
    "shufflenet_v1": "resx16_conv3_bn resx16_conv3_scale resx16_elewise resx16_elewise_relu pool_ave fc1000",
    "squeezenet1_1": "fire9/concat drop9 conv10 relu_conv10 pool10",
}


@pytest.mark.parametrize("name", HEADS)
def test_names_of_published_files_that_the_data_lacks(name: str) -> None:
    # Copied from the files that the docstrings name: how they begin, how they end.
    net = netgen.build(name, **({"expand_first": True} if name == "mobilenet_v2" else {}))
    names = [layer.name for layer in net.layers if layer.bottoms]
    head, tail = HEADS[name].split(), [*TAILS[name].split(), "prob"]
    assert names[: len(head)] == head
    assert names[-len(tail) :] == tail


def test_the_seams_of_published_files_that_the_data_lacks() -> None:
    # What stands between their repeated parts, and where a sum or a stride is.
    dense, mobile = netgen.build("densenet121"), netgen.build("mobilenet_v2")
    assert [layer.name for layer in dense.layers if layer.name.startswith("pool")] == [f"pool{i}" for i in range(1, 6)]
    assert dense.layers["conv2_blk/bn"].bottoms == ("concat_2_6",)
    assert dense.layers["pool2"].bottoms == ("conv2_blk",)
    assert dense.layers["concat_3_2"].bottoms == ("concat_3_1", "conv3_2/x2")
    sums = [layer.name for layer in mobile.layers if layer.type == "Eltwise"]
    assert sums == [f"block_{each}" for each in ["3_1", "4_1", "4_2", "4_4", "4_5", "4_6", "5_1", "5_2", "6_1", "6_2"]]
    assert mobile.layers["block_5_2"].bottoms == ("block_5_1", "conv5_2/linear")
    strides = {"conv1", *(f"conv{each}/dwise" for each in ("2_2", "3_2", "4_3", "5_3"))}
    found = {layer.name for layer in mobile.layers if layer.params.get("convolution_param", {}).get("stride") == (2,)}
    assert found == strides
    squeeze = netgen.build("squeezenet1_1")
    assert {layer.name: layer.bottoms for layer in squeeze.layers if layer.type == "Pooling"} == {
        "pool1": ("conv1",), "pool3": ("fire3/concat",), "pool5": ("fire5/concat",), "pool10": ("conv10",),
    }  # fmt: skip
    assert "pad" not in squeeze.layers["conv10"].params["convolution_param"]
    shuffle = netgen.build("shufflenet_v1")
    joins = [layer.name for layer in shuffle.layers if layer.type == "Concat"]
    assert joins == ["resx1_concat", "resx5_concat", "resx13_concat"]
    assert shuffle.layers["resx5_concat"].bottoms == ("resx5_match_conv", "resx5_conv3")
    assert [layer.name for layer in shuffle.layers if layer.type == "ShuffleChannel"] == [
        f"shuffle{i}" for i in range(2, 17)
    ]
