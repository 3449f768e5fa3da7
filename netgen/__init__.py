"""netgen: describe a network once, in Python; get Caffe's prototxt, shapes and cost of it.

>>> import netgen
>>> net = netgen.Net("tiny").input(1, 3, 32, 32).conv(8, 3, name="conv1").bn(scale=True).relu()
>>> print(net.to_prototxt()[:15])
name: "tiny"
la
"""

from typing import TYPE_CHECKING

from netgen._checkout import install as _install
from netgen._version import __version__
from netgen.blocks.declare import block
from netgen.branching import Blob
from netgen.builder import Net
from netgen.errors import NetgenError, ParseError, UsageError
from netgen.graph import Layer, Literal
from netgen.layers import register
from netgen.loading import load, parse_prototxt
from netgen.zoo import build

if TYPE_CHECKING:
    from netgen.analysis import Analysis, analyze
    from netgen.caffemodel import load_mean, save_mean
    from netgen.darknet import Darknet, export_darknet, load_darknet
    from netgen.detection.heads import heads
    from netgen.detection.preparation import Preparation
    from netgen.drawing import draw
    from netgen.filling import fill_weights
    from netgen.folding import fold
    from netgen.layers.base import LayerType
    from netgen.linting import Finding, lint
    from netgen.mirror import Mirror, to_torch
    from netgen.mirror.detecting import Detections, Detector, detect
    from netgen.mirror.running import run
    from netgen.shapes import infer_shapes
    from netgen.sweeping.variants import Variant, Variants, variants
    from netgen.weightfiles import load_weights, save_weights
    from netgen.weights import expected_weights, match_weights

_install()

__all__ = [
    "Analysis",
    "Blob",
    "Darknet",
    "Detections",
    "Detector",
    "Finding",
    "Layer",
    "LayerType",
    "Literal",
    "Mirror",
    "Net",
    "NetgenError",
    "ParseError",
    "Preparation",
    "UsageError",
    "Variant",
    "Variants",
    "__version__",
    "analyze",
    "block",
    "build",
    "detect",
    "draw",
    "expected_weights",
    "export_darknet",
    "fill_weights",
    "fold",
    "heads",
    "infer_shapes",
    "lint",
    "load",
    "load_darknet",
    "load_mean",
    "load_weights",
    "match_weights",
    "parse_prototxt",
    "register",
    "run",
    "save_mean",
    "save_weights",
    "to_torch",
    "variants",
]


_LATER = {
    "Analysis": "netgen.analysis",
    "Darknet": "netgen.darknet",
    "Detections": "netgen.mirror.detecting",
    "Detector": "netgen.mirror.detecting",
    "Finding": "netgen.linting",
    "LayerType": "netgen.layers.base",
    "Mirror": "netgen.mirror",
    "Preparation": "netgen.detection.preparation",
    "Variant": "netgen.sweeping.variants",
    "Variants": "netgen.sweeping.variants",
    "analyze": "netgen.analysis",
    "detect": "netgen.mirror.detecting",
    "draw": "netgen.drawing",
    "expected_weights": "netgen.weights",
    "export_darknet": "netgen.darknet",
    "fill_weights": "netgen.filling",
    "fold": "netgen.folding",
    "heads": "netgen.detection.heads",
    "infer_shapes": "netgen.shapes",
    "lint": "netgen.linting",
    "load_darknet": "netgen.darknet",
    "load_mean": "netgen.caffemodel",
    "load_weights": "netgen.weightfiles",
    "match_weights": "netgen.weights",
    "run": "netgen.mirror.running",
    "save_mean": "netgen.caffemodel",
    "save_weights": "netgen.weightfiles",
    "to_torch": "netgen.mirror",
    "variants": "netgen.sweeping.variants",
}


def __getattr__(name: str) -> object:
    # Who writes a network need not wait for what analyses one.
    if name in _LATER:
        from importlib import import_module

        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'netgen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
