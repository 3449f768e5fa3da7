"""Blocks that networks are made of, as plain functions over the builder: ``block(net, ...)`` returns what it ends on.

Write your own in the same style: a function whose first argument is the net, with ``@block`` above it, that returns the
blob (or, for several ends, the tuple of blobs) that it ends on. The net goes on from there, and that is checked. A file
here holds the blocks of a family, and is imported when one of them is asked for.
"""

from typing import TYPE_CHECKING

from netgen.blocks.declare import block

if TYPE_CHECKING:
    from netgen.blocks.common import (
        classifier,
        conv_block,
        conv_classifier,
        inner_products,
        local_norm,
        named_conv_block,
        named_conv_relu,
        scaled,
        vgg_trunk,
    )
    from netgen.blocks.darknet import (
        darknet19_trunk,
        darknet53_trunk,
        darknet_classifier,
        darknet_conv,
        darknet_maxpool,
        darknet_residual,
    )
    from netgen.blocks.densenet import compress, dense_one_way, norm_relu
    from netgen.blocks.googlenet import fire, inception
    from netgen.blocks.mobile import depthwise_separable, inverted_residual, shuffle_unit
    from netgen.blocks.pelee import dense, stem, transition
    from netgen.blocks.residual import basic, bottleneck, excite, se_bottleneck, squeeze_excite
    from netgen.blocks.ssd import Source, multibox_head, priors_per_cell, ssd_conv, ssd_extra
    from netgen.blocks.yolo import (
        darknet_reorg,
        head_channels,
        nearest_upsampling,
        reorg_route,
        spatial_pyramid,
        yolo_detection,
        yolo_head,
        yolo_route,
    )

__all__ = [
    "Source",
    "basic",
    "block",
    "bottleneck",
    "classifier",
    "compress",
    "conv_block",
    "conv_classifier",
    "darknet19_trunk",
    "darknet53_trunk",
    "darknet_classifier",
    "darknet_conv",
    "darknet_maxpool",
    "darknet_reorg",
    "darknet_residual",
    "dense",
    "dense_one_way",
    "depthwise_separable",
    "excite",
    "fire",
    "head_channels",
    "inception",
    "inner_products",
    "inverted_residual",
    "local_norm",
    "multibox_head",
    "named_conv_block",
    "named_conv_relu",
    "nearest_upsampling",
    "norm_relu",
    "priors_per_cell",
    "reorg_route",
    "scaled",
    "se_bottleneck",
    "shuffle_unit",
    "spatial_pyramid",
    "squeeze_excite",
    "ssd_conv",
    "ssd_extra",
    "stem",
    "transition",
    "vgg_trunk",
    "yolo_detection",
    "yolo_head",
    "yolo_route",
]

_FAMILIES = {
    "common": (
        "classifier conv_block conv_classifier inner_products local_norm named_conv_block named_conv_relu scaled "
        "vgg_trunk"
    ),
    "darknet": "darknet19_trunk darknet53_trunk darknet_classifier darknet_conv darknet_maxpool darknet_residual",
    "densenet": "compress dense_one_way norm_relu",
    "googlenet": "fire inception",
    "mobile": "depthwise_separable inverted_residual shuffle_unit",
    "pelee": "dense stem transition",
    "residual": "basic bottleneck excite se_bottleneck squeeze_excite",
    "ssd": "Source multibox_head priors_per_cell ssd_conv ssd_extra",
    "yolo": (
        "darknet_reorg head_channels nearest_upsampling reorg_route spatial_pyramid yolo_detection yolo_head yolo_route"
    ),
}
_HOMES = {name: family for family, names in _FAMILIES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    # One network needs one or two families, and the start is to be short.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"netgen.blocks.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'netgen.blocks' has no attribute {name!r}")
