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
from netgen.blocks import block
from netgen.branching import Blob
from netgen.builder import Net
from netgen.errors import NetgenError, ParseError, UsageError
from netgen.graph import Layer, Literal
from netgen.layers import register
from netgen.loading import load, parse_prototxt
from netgen.zoo import build

if TYPE_CHECKING:
    from netgen.analysis import Analysis, analyze
    from netgen.layers.base import LayerType
    from netgen.linting import Finding, lint
    from netgen.shapes import infer_shapes

_install()

__all__ = [
    "Analysis",
    "Blob",
    "Finding",
    "Layer",
    "LayerType",
    "Literal",
    "Net",
    "NetgenError",
    "ParseError",
    "UsageError",
    "__version__",
    "analyze",
    "block",
    "build",
    "infer_shapes",
    "lint",
    "load",
    "parse_prototxt",
    "register",
]


_LATER = {
    "Analysis": "netgen.analysis",
    "LayerType": "netgen.layers.base",
    "Finding": "netgen.linting",
    "analyze": "netgen.analysis",
    "infer_shapes": "netgen.shapes",
    "lint": "netgen.linting",
}


def __getattr__(name: str) -> object:
    # Who writes a network need not wait for what analyses one.
    if name in _LATER:
        from importlib import import_module

        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module 'netgen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
