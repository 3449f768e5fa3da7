"""The blocks of Darknet, YOLO and SSD."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import netgen
from netgen.blocks import (
    Source,
    conv_block,
    darknet_conv,
    darknet_maxpool,
    darknet_reorg,
    darknet_residual,
    head_channels,
    multibox_head,
    nearest_upsampling,
    priors_per_cell,
    spatial_pyramid,
    ssd_extra,
    yolo_detection,
    yolo_head,
    yolo_route,
)
from netgen.message import to_message


def net(*shape: int) -> netgen.Net:
    return netgen.Net("n").input(*(shape or (1, 3, 64, 64)))


def shape(built: netgen.Net) -> tuple[int, ...]:
    return netgen.infer_shapes(built)[built.last.name]


def run(built: netgen.Net, folder: Path, values: np.ndarray, blobs: dict[str, np.ndarray] | None = None) -> np.ndarray:
    """What OpenCV computes, an implementation that is not ours."""
    message = to_message(built)
    for layer in message.layer:
        if layer.name in (blobs or {}):
            made = layer.blobs.add()
            made.shape.dim.extend((blobs or {})[layer.name].shape)
            made.data.extend((blobs or {})[layer.name].ravel().tolist())
    (folder / "n.caffemodel").write_bytes(message.SerializeToString())
    built.save(folder / "n.prototxt")
    reader = cv2.dnn.readNetFromCaffe(str(folder / "n.prototxt"), str(folder / "n.caffemodel"))
    reader.setInput(values)
    return np.asarray(reader.forward(built.last.name))


# Darknet


def test_layers_are_numbered_as_sections_are() -> None:
    built = net()
    darknet_conv(built, 32)
    darknet_maxpool(built)
    darknet_conv(built, 64)
    darknet_residual(built, 64)
    assert [layer.name for layer in built.layers][1:6] == [
        "layer1-conv", "layer1-bn", "layer1-scale", "layer1-act", "layer2-maxpool",
    ]  # fmt: skip
    assert built.last.name == "layer6-shortcut"
    assert built.layers["layer6-shortcut"].bottoms == ("layer3-conv", "layer5-conv")
    assert built.layers["layer1-act"].params["relu_param"]["negative_slope"] == 0.1
    built.conv(8, 3, name="mine")
    assert darknet_conv(built, 8).name == "layer7-conv"
    with built.scope("head"):
        assert darknet_conv(built, 8, 1).name == "head/layer8-conv"
        assert darknet_conv(built, 8, 1).name == "head/layer9-conv"


def darknet_pooled(values: np.ndarray, size: int, stride: int) -> np.ndarray:
    """forward_maxpool_layer of Darknet's src/maxpool_layer.c, one image and channel at a time."""
    padding = size - 1
    offset = -(padding // 2)
    out = (np.array(values.shape[2:]) + padding - size) // stride + 1
    made = np.full((*values.shape[:2], *out), -np.inf, np.float32)
    for row, column in np.ndindex(*out):
        rows = [r for r in range(offset + row * stride, offset + row * stride + size) if 0 <= r < values.shape[2]]
        columns = [
            c for c in range(offset + column * stride, offset + column * stride + size) if 0 <= c < values.shape[3]
        ]
        made[:, :, row, column] = values[:, :, rows][:, :, :, columns].max(axis=(2, 3))
    return made


@pytest.mark.parametrize(("size", "stride"), [(2, 1), (2, 2), (3, 1), (5, 1), (13, 1)])
@pytest.mark.parametrize("sides", [(13, 13), (8, 9), (2, 3)])
def test_maxpool_is_darknets(size: int, stride: int, sides: tuple[int, int], tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((1, 2, *sides)).astype(np.float32) - 5
    built = net(*values.shape)
    darknet_maxpool(built, size, stride)
    expected = darknet_pooled(values, size, stride)
    assert shape(built) == expected.shape
    np.testing.assert_array_equal(run(built, tmp_path, values), expected)


def test_maxpool_refuses_what_it_cannot_be() -> None:
    with pytest.raises(netgen.NetgenError) as error:
        darknet_maxpool(net(), 4, 2)
    assert str(error.value) == (
        "block 'darknet_maxpool': kernel_size must be odd with stride 1, or 2 with stride 1 or 2, got kernel_size=4, "
        "stride=2; write it as pool(...) with the padding that you want"
    )


# YOLO


def test_upsampling_repeats_each_value(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal((1, 3, 4, 5)).astype(np.float32)
    built = net(*values.shape)
    nearest_upsampling(built, 3, name="up")
    found = run(built, tmp_path, values, {"up": np.ones((3, 1, 2, 2), np.float32)})
    np.testing.assert_array_equal(found, values.repeat(2, axis=2).repeat(2, axis=3))
    forks = net(*values.shape)
    nearest_upsampling(forks, 3, upsample="Upsample")
    assert shape(forks) == found.shape
    with pytest.raises(netgen.NetgenError) as error:
        nearest_upsampling(net(), 3, upsample="Resize", name="up")
    assert str(error.value) == "layer 'up': upsample must be one of Deconvolution, Upsample, got 'Resize'"


def test_heads_check_their_size() -> None:
    assert head_channels(3, 80) == head_channels(3, 80, 255) == 255
    built = net(1, 512, 13, 13)
    assert yolo_head(built, 5, 20, num_output=125).name == "layer1-conv"
    assert shape(built) == (1, 125, 13, 13)
    with pytest.raises(netgen.NetgenError) as error:
        yolo_head(built, 3, 80, num_output=75)
    assert str(error.value) == (
        "block 'yolo_head': num_output must be anchors * (5 + classes) = 3 * (5 + 80) = 255, got 75; give "
        "num_output=255 or classes=20"
    )
    with pytest.raises(netgen.NetgenError, match=r"got 256; give num_output=255$"):
        yolo_head(built, 3, 80, num_output=256)
    with pytest.raises(netgen.NetgenError, match=r"got 15; give num_output=255$"):
        yolo_head(built, 3, 80, num_output=15)
    assert len(built.layers) == 2  # nothing was added


def test_a_detection_block_and_its_route() -> None:
    built = net(1, 128, 8, 8)
    finer = built.last
    darknet_conv(built, 256, 3, 2)
    start = yolo_detection(built, 64)
    assert (start.name, shape(built)) == ("layer6-conv", (1, 64, 4, 4))
    head = yolo_head(built, 3, 4, channels=128)
    assert (head.name, shape(built)) == ("layer8-conv", (1, 27, 4, 4))
    yolo_route(built.at(start), 32, finer)
    assert (built.last.name, shape(built)) == ("layer13-route", (1, 160, 8, 8))
    assert built.layers["layer11-conv"].bottoms == ("layer6-conv",)
    assert built.layers["layer13-route"].bottoms == ("layer12-upsample", "data")


def test_a_pyramid_keeps_the_size_and_counts_its_routes() -> None:
    built = net(1, 8, 19, 19)
    spatial_pyramid(built, (3, 5))
    assert shape(built) == (1, 24, 19, 19)
    assert built.layers["layer4-route"].bottoms == ("layer3-maxpool", "layer1-maxpool", "data")
    with pytest.raises(netgen.NetgenError, match=r"block 'spatial_pyramid': kernel_sizes must be odd, got 4$"):
        spatial_pyramid(built, (4,))
    yolo_detection(built, 16, pyramid=(5, 9, 13))
    assert shape(built) == (1, 16, 19, 19)


def test_reorg_refuses_what_darknet_cannot() -> None:
    for channels, size in ((6, (4, 4)), (8, (3, 4)), (8, (4, 5))):
        with pytest.raises(netgen.NetgenError) as error:
            darknet_reorg(net(), channels, size)
        assert str(error.value) == (
            "layer 'layer1-reorg': channels must be a multiple of 4, and the sides of 2, "
            f"got {channels}x{size[0]}x{size[1]}"
        )
    with pytest.raises(netgen.NetgenError, match=r"'layer1-reorg': reorg must be one of Reorg, Permute, got 'Swap'$"):
        darknet_reorg(net(), 8, (4, 4), reorg="Swap")


Block = Callable[[netgen.Net, tuple[int, ...]], object]


@pytest.mark.parametrize(
    ("case", "layer", "block"),
    [
        ("pj_maxpool_2_1", 1, lambda net, _: darknet_maxpool(net, 2, 1)),
        ("pj_maxpool_2_2", 1, lambda net, _: darknet_maxpool(net, 2, 2)),
        ("pj_upsample", 2, lambda net, bottom: nearest_upsampling(net, bottom[1])),
        ("pj_reorg", 1, lambda net, bottom: darknet_reorg(net, bottom[1], bottom[2:], reorg="Permute")),
        ("pj_reorg", 1, lambda net, bottom: darknet_reorg(net, bottom[1], bottom[2:])),
        ("ax_reorg", 1, lambda net, bottom: darknet_reorg(net, bottom[1], bottom[2:], reorg="Permute")),
    ],
)
def test_darknet_computed_the_same(shared: Path, tmp_path: Path, case: str, layer: int, block: Block) -> None:
    values = np.load(shared / "truth" / "darknet" / "forward" / f"{case}.npz")
    bottom, top = values[f"out:{layer - 1}"][None], values[f"out:{layer}"][None]
    built = net(*bottom.shape)
    block(built, bottom.shape)
    assert shape(built) == top.shape
    ones = {"layer1-upsample": np.ones((bottom.shape[1], 1, 2, 2), np.float32)}
    np.testing.assert_array_equal(run(built, tmp_path, bottom, ones), top)


# SSD


@pytest.mark.parametrize(
    ("ratios", "flip", "most", "priors"),
    [
        ((2,), True, (), 3),
        ((2,), True, 60, 4),
        ((2, 3), True, 60, 6),
        ((2, 3), False, 60, 4),
        ((1, 2), True, 60, 4),  # 1 is there already
        ((2, 2, 0.5), True, 60, 4),  # so is a repeated one, and the inverse of one
        ((), True, (), 1),
        ((1.0000001,), True, (), 1),  # within 1e-6
    ],
)
def test_priors_of_a_cell_are_those_of_the_layer(ratios: Sequence[float], flip: bool, most: Any, priors: int) -> None:
    source = Source("data", 30, most, ratios)
    assert priors_per_cell(source, flip=flip) == priors
    built = net(1, 8, 4, 5)
    multibox_head(built, [source], 3, flip=flip)
    blobs = netgen.infer_shapes(built)
    assert blobs["mbox_priorbox"] == (1, 2, 4 * 20 * priors)
    assert blobs["mbox_conf_softmax"] == (1, 20 * priors, 3)


def test_several_sizes_of_one_source() -> None:
    assert priors_per_cell(Source("x", (30, 60), (60, 90), (2,))) == 8
    built = net(1, 8, 4, 5)
    multibox_head(built, [Source("data", (30, 60), (60, 90), (2,), step=8, name="a", priors=8)], 2)
    assert built.layers["a_mbox_priorbox"].params["prior_box_param"]["max_size"] == (60, 90)
    assert netgen.infer_shapes(built)["a_mbox_loc"] == (1, 32, 4, 5)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (Source("data", 30, 60, priors=6),
         "priors must be what PriorBox makes, 3 aspect ratios (1 and those given, each with its inverse) x 1 min_size + "
         "1 max_size = 4, got 6; give priors=4"),
        (Source("data", 0), "min_size must be given, above 0, got 0"),
        (Source("data", ()), "min_size must be given, above 0, got ()"),
        (Source("data", 30, 30), "max_size must be above its min_size, got 30 for 30"),
        (Source("data", (30, 60), 90), "max_size must be given for each min_size (2) or not at all, got 1"),
        (Source("data", 30, 60, (2, 0)), "each aspect_ratio must be above 0, got (2, 0)"),
    ],
)  # fmt: skip
def test_wrong_sources(source: Source, text: str) -> None:
    built = net()
    with pytest.raises(netgen.NetgenError) as error:
        multibox_head(built, [source], 21)
    assert str(error.value) == f"block 'multibox_head': source 'data': {text}"


def test_a_head_needs_sources_and_classes() -> None:
    with pytest.raises(netgen.NetgenError) as error:
        multibox_head(net(), [Source("data", 30)], 1)
    assert str(error.value) == (
        "block 'multibox_head': there must be a source or more, and 2 classes or more with the background, got 1 and 1"
    )
    with pytest.raises(netgen.NetgenError, match=r"got 0 and 21$"):
        multibox_head(net(), [], 21)


def test_extra_layers() -> None:
    built = net(1, 64, 19, 19)
    assert ssd_extra(built, 16, 32, names=("a", "b")).layer == "b_relu"
    assert shape(built) == (1, 32, 10, 10)
    ssd_extra(built, 16, 32, names=("c", "d"), stride=1, pad=0, conv=conv_block)
    assert shape(built) == (1, 32, 8, 8)
    assert [layer.name for layer in built.layers][-4:] == ["d", "d/bn", "d/scale", "d/relu"]
    assert built.layers["a"].params["param"][1] == {"lr_mult": 2.0, "decay_mult": 0.0}


def test_a_folded_block_has_a_bias_instead_of_its_norm() -> None:
    built = net().apply(conv_block, 8, 3, name="a", folded=True)
    assert [layer.name for layer in built.layers] == ["data", "a", "a/relu"]
    assert built.layers["a"].params["convolution_param"]["bias_term"] is True


def test_detection_fields_can_be_changed() -> None:
    built = net()
    multibox_head(built, [Source("data", 30)], 3, detection={"keep_top_k": 7})
    assert built.layers["detection_out"].params["detection_output_param"]["keep_top_k"] == 7
    assert built.layers["detection_out"].params["include"] == ({"phase": "TEST"},)
