"""Blocks that networks are made of, as plain functions over the builder: ``block(net, ...)`` returns what it ends on.

Write your own in the same style: a function whose first argument is the net, with ``@block`` above it, that returns the
blob (or, for several ends, the tuple of blobs) that it ends on. The net goes on from there, and that is checked. A file
here holds the blocks of a family.
"""

from netgen.blocks.common import (
    classifier,
    conv_block,
    conv_classifier,
    inner_products,
    local_norm,
    named_conv_block,
    named_conv_relu,
)
from netgen.blocks.declare import block
from netgen.blocks.densenet import compress, dense_one_way, norm_relu
from netgen.blocks.inception import fire, inception
from netgen.blocks.mobile import depthwise_separable, inverted_residual, shuffle_unit
from netgen.blocks.pelee import dense, stem, transition
from netgen.blocks.residual import basic, bottleneck, excite, se_bottleneck, squeeze_excite

__all__ = [
    "basic",
    "block",
    "bottleneck",
    "classifier",
    "compress",
    "conv_block",
    "conv_classifier",
    "dense",
    "dense_one_way",
    "depthwise_separable",
    "excite",
    "fire",
    "inception",
    "inner_products",
    "inverted_residual",
    "local_norm",
    "named_conv_block",
    "named_conv_relu",
    "norm_relu",
    "se_bottleneck",
    "shuffle_unit",
    "squeeze_excite",
    "stem",
    "transition",
]
