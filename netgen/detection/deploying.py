"""The part of a test network that makes boxes of pictures: its data layer an input, what evaluates them left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netgen.builder import Net
from netgen.errors import NetgenError
from netgen.graph import Fields, Graph
from netgen.layers import find
from netgen.preprocessing import transforms
from netgen.shapes import given_shapes
from netgen.wiring import State, filtered

if TYPE_CHECKING:
    from netgen.graph import Layer
    from netgen.layers.base import LayerType

TEST = State("TEST", 0, ())


def deployed(net: Net) -> Net:
    """The layers that the boxes hang on in TEST, the pictures of a data layer an Input of one.

    The same net where no layer gives rows of boxes, several do, or no data layer has pictures alone for it. Raises
    NetgenError where the data layer does not say how large its pictures are, UsageError for what is no net.
    """
    given_shapes(net, TEST, None)
    layers = list(filtered(net, TEST).layers)
    ends = [i for i, layer in enumerate(layers) if _gives_rows(layer)]
    if len(ends) != 1:
        return net
    kept = _behind(layers, ends[0])
    fed = [layer for layer in kept if transforms(layer) and not layer.bottoms]
    needed = {name for layer in kept for name in layer.bottoms}
    if len(fed) != 1 or not needed.isdisjoint(fed[0].tops[1:]):
        return net
    image = _input(fed[0])
    return Net(net.name, Graph(net.name, [image if layer is fed[0] else layer for layer in kept], net.params))


def _input(layer: Layer) -> Layer:
    """The Input of one picture that a data layer stands for, which says as it does what is done to pictures."""
    transform = layer.params["transform_param"]
    # Pictures have three channels, of which a data layer knows by the values of its mean alone.
    told = Fields(
        {**{name: transform[name] for name in transform if name != "mean_file"}, "mean_value": (0.0, 0.0, 0.0)}
    )
    kind = _kind(layer.replace(params=Fields({**layer.params, "transform_param": told})))
    try:
        # The labels' shapes do not matter.
        shape = kind.source_shapes([None, *[(1,)] * (len(layer.tops) - 1)])[0] if kind else ()
    except NetgenError:
        shape = ()
    if len(shape) != 4:
        raise NetgenError(
            f"{layer}: does not say how large the pictures are; give it crop_size or resize_param in transform_param, "
            "or take the deploy file"
        )
    made = Net().input(1, *shape[1:], name=layer.tops[0]).layers[0]
    params = Fields({**made.params, "transform_param": transform})
    return made.replace(name=layer.name, params=params)


def _kind(layer: Layer) -> LayerType | None:
    known = find(layer.type)
    return None if known is None else known(layer, TEST.phase)


def _gives_rows(layer: Layer) -> bool:
    """Whether it gives rows of boxes, and has the fields for it; without them it will be refused."""
    kind = _kind(layer)
    return kind is not None and kind.given.keys() >= set(kind.required) and kind.labels() is not None


def _behind(layers: Sequence[Layer], end: int) -> list[Layer]:
    """The layers that the one at ``end`` hangs on, and itself."""
    needed: set[str] = set()
    kept = []
    for i in range(end, -1, -1):
        if i == end or not needed.isdisjoint(layers[i].tops):
            needed -= set(layers[i].tops)
            needed.update(layers[i].bottoms)
            kept.append(layers[i])
    return kept[::-1]
