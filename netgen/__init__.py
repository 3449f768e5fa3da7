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
    from netgen.layers.base import LayerType

_install()

__all__ = [
    "Blob",
    "Layer",
    "LayerType",
    "Literal",
    "Net",
    "NetgenError",
    "ParseError",
    "UsageError",
    "__version__",
    "block",
    "build",
    "load",
    "parse_prototxt",
    "register",
]


def __getattr__(name: str) -> object:
    # Who defines a layer type wants its base; who writes a network need not wait for it.
    if name == "LayerType":
        from netgen.layers.base import LayerType

        return LayerType
    raise AttributeError(f"module 'netgen' has no attribute {name!r}")
