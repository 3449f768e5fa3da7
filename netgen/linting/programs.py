"""The one table of what the programs that read Caffe files refuse, or compute otherwise than Caffe.

Each case was run: one network a case, a convolution and then the case, on the versions of ``VERSIONS``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from netgen.linting.registry import joined

if TYPE_CHECKING:
    from netgen.linting.sites import Site

VERSIONS = {
    "OpenCV": "OpenCV 4.14",
    "MNN": "MNN 3.6.1",
    "OpenVINO": "OpenVINO's mo 2024.6",
    "caffe2onnx": "caffe2onnx 2.0.1",
    "X2Paddle": "X2Paddle 1.6.0",
    "MMdnn": "MMdnn 0.3.1",
}


def with_versions(names: str) -> list[str]:
    """Those of the programs that are named, divided by blanks."""
    return [VERSIONS[name] for name in names.split()]


class Case(NamedTuple):
    """What some layers meet with."""

    types: str
    """The types, divided by blanks."""
    refused_by: str = ""
    """The programs that refuse it, or break, divided by blanks."""
    differs: str = ""
    """Who computes something else from it without a word, and what."""
    way_out: str = "write it with other types where that matters"
    home: str = ""
    """The Caffes that have it, where that is not all."""
    what: str = "this type"
    when: Callable[[Site], bool] = lambda _: True
    """Whether a layer of the types is meant."""


_ALL = " ".join(VERSIONS)
_FORKS = "forks of Caffe"
_MASTER = "BVLC master and no release of Caffe"
_GROUP = "Convolution with num_output and group both the channels is the same, and all of them read it"

DEPTHWISE = (
    Case("ConvolutionDepthwise", "OpenVINO MMdnn", way_out=_GROUP, home=_FORKS),
    Case("DepthwiseConvolution", "OpenCV MNN OpenVINO caffe2onnx MMdnn", way_out=_GROUP, home=_FORKS),
)

CASES = (
    Case("Deconvolution", "MMdnn", what="a Deconvolution with group", when=lambda site: site.fields["group"] > 1),
    Case(
        "Upsample", "OpenCV OpenVINO MMdnn", home=_FORKS,
        way_out="Deconvolution with group and num_output both the channels, kernel_size and stride both the scale, no "
        "bias and weights of 1 is the same, and all of them but MMdnn read it",
    ),
    Case("Interp", "caffe2onnx X2Paddle MMdnn", home="DeepLab's, PSPNet's and other forks of Caffe"),
    Case(
        "Interp", differs="zoom_factor 2 of 17 is 33 in OpenCV 4.14, 25 in MNN 3.6.1, 34 in OpenVINO's mo 2024.6",
        when=lambda site: "zoom_factor" in site.given, way_out="give height and width",
    ),
    Case(
        "Pooling", differs="X2Paddle 1.6.0 computes other means where AVE pools over a pad",
        when=lambda site: site.fields["pool"] == "AVE" and any(site.fields[n] for n in ("pad", "pad_h", "pad_w")),
        way_out="pool without a pad, or check the values there",
    ),
    Case("ReLU6", "MMdnn", home=_FORKS),
    Case("Clip", _ALL, home=_MASTER),
    Case(
        "Swish", "MNN OpenVINO caffe2onnx X2Paddle MMdnn", home=_MASTER,
        way_out="Sigmoid and an Eltwise PROD with its bottom are the same for beta 1",
    ),
    Case("Mish HardSwish", "MNN OpenVINO caffe2onnx X2Paddle MMdnn", home=_FORKS),
    Case("ELU", "caffe2onnx X2Paddle"),
    Case(
        "InnerProduct", differs="OpenCV 4.14 ignores transpose, and multiplies with the weights as if they were not",
        when=lambda site: site.fields["transpose"], way_out="leave it out and transpose the weights",
    ),
    Case("PReLU", "caffe2onnx"),
    Case("Power Slice Reshape", "MMdnn"),
    Case(
        "Eltwise", differs="caffe2onnx 2.0.1 ignores coeff",
        when=lambda site: any(each != 1 for each in site.fields["coeff"]),
        way_out="scale the bottoms by Power or Scale layers instead",
    ),
    Case("Permute", "MMdnn", home="the SSD fork"),
    Case("Normalize", "MMdnn", "X2Paddle 1.6.0 computes other values", home="the SSD fork"),
    Case("ShuffleChannel", "MMdnn", home=_FORKS),
    Case(
        "Axpy", "MNN X2Paddle MMdnn", home=_FORKS,
        way_out="Scale with axis: 0 and the factors, as N x C, for its second bottom, and an Eltwise SUM are the same",
    ),
    Case(
        "Dropout", "caffe2onnx", when=lambda site: site.fields["scale_train"],
        way_out="leave it out of a deploy file, where it does nothing",
    ),
    Case("Reorg", "MNN OpenVINO caffe2onnx X2Paddle MMdnn", home=_FORKS),
    Case(
        "Reorg", differs="OpenCV 4.14 takes every stride for 2, and ignores reverse",
        when=lambda site: site.fields.get("stride", 2) != 2 or site.fields["reverse"],
        way_out="move the values by Reshape and Permute layers instead",
    ),
    Case(
        "PriorBox", differs="OpenCV 4.14 keeps the fractions of min_size and max_size, which Caffe drops",
        when=lambda site: any(each % 1 for name in ("min_size", "max_size") for each in site.fields[name]),
        way_out="give whole numbers",
    ),
    Case(
        "PriorBox", "OpenCV", what="a PriorBox without variance", way_out="write it out; 0.1 is what Caffe takes",
        when=lambda site: not site.fields["variance"],
    ),
    Case("YoloDetectionOutput Yolov3DetectionOutput", _ALL, home=_FORKS),
    Case(
        "Scale", "caffe2onnx", what="a Scale that does not work in place", way_out="let it work in place",
        when=lambda site: len(site.bottoms) == 1 and not site.in_place,
    ),
)  # fmt: skip

_NOT_ROUND_MODE, _NOT_CEIL_MODE = "OpenCV OpenVINO MMdnn", "MNN caffe2onnx X2Paddle MMdnn"
ROUNDING = {
    "round_mode": f"BVLC master alone: {joined(with_versions(_NOT_ROUND_MODE))} refuse it, MNN 3.6.1 rounds up all "
    "the same, and in a .caffemodel forks read FLOOR as ceil_mode: true",
    "ceil_mode": f"forks alone: Caffe itself and {joined(with_versions(_NOT_CEIL_MODE))} refuse it, and in a "
    ".caffemodel BVLC master reads ceil_mode: true as round_mode: FLOOR",
}
"""The fields that say how a Pooling rounds: whose they are, and who does what with them."""
