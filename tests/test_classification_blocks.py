"""The blocks of the classification networks: shapes, names, what they compute, what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

import netgen
from netgen import blocks

Shape = tuple[int, ...]


def net(channels: int = 32, size: int = 16) -> netgen.Net:
    return netgen.Net("n").input(1, channels, size, size)


def end(block: Callable[..., netgen.Blob], *args: Any, channels: int = 32, **kwargs: Any) -> Shape:
    """The shape of what a block ends on."""
    built = net(channels)
    blob = block(built, *args, **kwargs)
    assert blob == built.last
    return netgen.infer_shapes(built)[blob.name]


def test_shapes() -> None:
    assert end(blocks.basic, 32, name="res2a") == (1, 32, 16, 16)
    assert end(blocks.basic, 64, 2, name="res2a", project=True) == (1, 64, 8, 8)
    assert end(blocks.bottleneck, 32, name="res2a") == (1, 32, 16, 16)
    assert end(blocks.bottleneck, 64, 2, name="res2a", project=True, version="v1.5") == (1, 64, 8, 8)
    assert end(blocks.squeeze_excite, 32, name="se") == (1, 32, 1, 1)
    assert end(blocks.se_bottleneck, 64, 2, name="conv2_1", project=True) == (1, 64, 8, 8)
    assert end(blocks.se_bottleneck, 32, name="conv2_1", axpy=True) == (1, 32, 16, 16)
    assert end(blocks.fire, 4, 16, name="fire2") == (1, 32, 16, 16)
    assert end(blocks.inception, [1, 2, 3, 4, 5, 6], name="i") == (1, 1 + 3 + 5 + 6, 16, 16)
    assert end(blocks.dense_one_way, 12, name="conv2_1", concat="c") == (1, 32 + 12, 16, 16)
    assert end(blocks.compress, 8, name="conv2_blk", pool="pool2") == (1, 8, 8, 8)
    assert end(blocks.depthwise_separable, 32, 48, 2, names=("dw", "sep")) == (1, 48, 8, 8)
    assert end(blocks.inverted_residual, 32, 32, name="conv2_1", shortcut="sum") == (1, 32, 16, 16)
    assert end(blocks.inverted_residual, 32, 8, 2, name="conv2_1", expansion=None) == (1, 8, 8, 8)
    assert end(blocks.conv_classifier, 10, pool="p", name="c") == (1, 10, 1, 1)
    assert end(blocks.inner_products, 10, outputs=16) == (1, 10)


@pytest.mark.parametrize(("down", "shape"), [(False, (1, 24, 16, 16)), (True, (1, 60, 8, 8))])
def test_a_shuffle_unit(down: bool, shape: Shape) -> None:
    built = net(24)
    blob = blocks.shuffle_unit(built, 24, 60 if down else 24, number=2, down=down)
    assert netgen.infer_shapes(built)[blob.name] == shape
    assert built.layers["shuffle2"].params["shuffle_channel_param"] == {"group": 3}
    # What is added or joined is what came in, not what the shuffle made of it.
    assert built.layers["resx2_match_conv" if down else "resx2_elewise"].bottoms[0] == "data"


def test_a_dense_layer_leaves_what_it_reads_as_it_is() -> None:
    built = net().conv(8, 1, name="before")
    blocks.dense_one_way(built, 4, name="conv2_1", concat="c")
    assert built.layers["conv2_1/x1/bn"].tops == ("conv2_1/x1/bn",)
    # Nobody else reads what the second one reads: it needs no memory of its own.
    assert built.layers["conv2_1/x2/bn"].tops == ("conv2_1/x1",)
    assert built.layers["c"].bottoms == ("before", "conv2_1/x2")


def test_excite_in_plain_layers_is_what_axpy_says() -> None:
    # OpenCV runs the plain layers; a * x + y is what the authors' axpy_layer.cpp computes.
    built, rng = netgen.Net(), np.random.default_rng(0)
    shapes = {"a": (2, 4, 1, 1), "x": (2, 4, 3, 5), "y": (2, 4, 3, 5)}
    for name, shape in shapes.items():
        built.input(shape, name=name)
    blocks.excite(built, built.blob("a"), built.blob("x"), built.blob("y"), name="z")
    values = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    reader = cv2.dnn.readNetFromCaffe(np.frombuffer(built.to_prototxt().encode(), np.uint8))
    for name, value in values.items():
        reader.setInput(value, name)
    expected = np.maximum(values["a"] * values["x"] + values["y"], 0)
    # One product and one sum in float32.
    np.testing.assert_allclose(reader.forward("z/relu"), expected, rtol=3e-7, atol=3e-7)


@pytest.mark.parametrize(
    ("block", "arguments", "text"),
    [
        ("bottleneck", {"num_output": 30, "name": "r"},
         "block 'bottleneck': num_output must be a multiple of 4, got 30; the nearest is 32"),
        ("bottleneck", {"num_output": 32, "name": "r", "version": "1.5"},
         "block 'bottleneck': version must be one of v1, v1.5, got '1.5'"),
        ("squeeze_excite", {"channels": 40, "name": "s"},
         "block 'squeeze_excite': channels must be a multiple of 16, got 40; the nearest is 32"),
        ("inception", {"widths": [1, 2], "name": "i"},
         "block 'inception': widths must be six whole numbers, one for each convolution, got [1, 2]"),
        ("inverted_residual", {"channels": 32, "num_output": 16, "name": "c", "shortcut": "s"},
         "block 'inverted_residual': a shortcut needs stride 1 and as many channels out as in, got stride=1, 32 channels "
         "in and 16 out; leave it out"),
    ],
)  # fmt: skip
def test_what_blocks_refuse(block: str, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(netgen.NetgenError) as error:
        getattr(blocks, block)(net(), **arguments)
    assert str(error.value) == text
