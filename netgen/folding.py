"""BatchNorm, Scale and Bias folded into the layers before them, in the network and in its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from netgen.builder import Net
from netgen.errors import NetgenError
from netgen.graph import Fields, Graph
from netgen.shapes import ShapedLayer, given_shapes, shape_layers
from netgen.weights import expected_weights, key_of, match_all, param_name
from netgen.wiring import State, filtered, readers

if TYPE_CHECKING:
    from netgen.graph import Layer
    from netgen.layers.base import Array as Numbers
    from netgen.weights import Array, Weights


class Folded(NamedTuple):
    """A network with fewer layers and the same outputs."""

    net: Net
    weights: Weights
    folded: tuple[str, ...]
    """The layers that are gone."""
    kept: dict[str, str]
    """The layers that could have gone, each with the reason why it did not."""


def fold(net: Graph, weights: Mapping[str, Array], inputs: Mapping[str, Sequence[int]] | None = None) -> Folded:
    """The TEST network with every BatchNorm, Scale and Bias folded into the layer before it that can take it.

    A Convolution, Deconvolution or InnerProduct takes what scales its channels and adds to them: its weights are
    multiplied, and it gets a bias. ``weights`` are all those of the network, {"layer:index": array}. What reads the
    top in between, or works by statistics of the batch, stands in the way, and is told of in ``kept``. The blob keeps
    the name that it has after the last layer folded. Raises NetgenError for weights that do not fit
    (match_all), UsageError for what is no net.

    >>> import netgen
    >>> net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="c").bn(scale=True).relu().bn(name="n")
    >>> folded = fold(net, netgen.fill_weights(net))
    >>> [layer.name for layer in folded.net.layers], folded.folded
    (['data', 'c', 'c/relu', 'n'], ('c/bn', 'c/scale'))
    >>> folded.kept
    {'n': "layer 'c/relu' (ReLU) before it has no weights that could take it"}
    """
    state = State("TEST")
    given_shapes(net, state, inputs)
    graph = filtered(net, state)
    shaped = shape_layers(graph, state, inputs)
    matched = match_all(expected_weights(graph, "TEST", inputs), weights)
    return _Folding(graph, shaped, matched).done()


class _Folding:
    """What is folded into what, by the layers' places."""

    def __init__(self, graph: Graph, shaped: Sequence[ShapedLayer], weights: Weights) -> None:
        self.graph, self.shaped, self.weights = graph, shaped, weights
        self.readers = readers([each.layer for each in shaped])
        self.makers = _makers(shaped)
        self.roots: dict[int, int] = {}
        self.affine: dict[int, tuple[Numbers, Numbers]] = {}
        self.tops: dict[int, str] = {}
        self.kept: dict[str, str] = {}

    def done(self) -> Folded:
        for i, each in enumerate(self.shaped):
            try:
                self._fold(i, each)
            except NetgenError as error:
                self.kept[each.layer.name] = str(error)
        changed = {root: self._absorbing(root) for root in self.affine}
        layers, weights = [], {}
        for i, each in enumerate(self.shaped):
            if i in self.roots:
                continue
            layers.append(changed[i][0] if i in changed else each.layer)
            arrays = changed[i][1] if i in changed else self._arrays(each)
            weights.update({key_of(each.layer.name, index): array for index, array in enumerate(arrays)})
        folded = tuple(self.shaped[i].layer.name for i in self.roots)
        net = Net(graph=Graph(self.graph.name, layers, self.graph.params))
        return Folded(net, weights, folded, self.kept)

    def _arrays(self, each: ShapedLayer) -> list[Array]:
        return [self.weights[key_of(each.layer.name, index)] for index in range(len(each.weights))]

    def _fold(self, i: int, each: ShapedLayer) -> None:
        """Fold one layer into the one that made its bottom; raises NetgenError with what stands in the way."""
        arrays = [array.astype(np.float64) for array in self._arrays(each)]
        step = each.kind.affine(arrays, each.bottoms[0]) if each.bottoms else None
        if step is None:
            return
        maker = self.makers[i]
        if maker is None or not self.shaped[maker].layer.bottoms:
            raise NetgenError("its bottom is an input of the network")
        root = self.roots.get(maker, maker)
        self._check_root(root)
        if self.readers[maker] != [i]:
            others = [self.shaped[j].layer for j in self.readers[maker] if j != i]
            raise NetgenError(f"{others[0]} reads its bottom, too")
        factors, terms = self.affine.get(root, (np.ones(1), np.zeros(1)))
        self.affine[root] = factors * step[0], terms * step[0] + step[1]
        self.roots[i] = root
        self.tops[root] = each.layer.tops[0]

    def _check_root(self, root: int) -> None:
        each = self.shaped[root]
        layer = each.layer
        try:
            one = np.ones(each.tops[0][1])
            able = bool(each.weights) and each.kind.absorbed(self._arrays(each), one, one) is not None
        except NetgenError as error:
            raise NetgenError(f"{layer} before it cannot take it: {error}") from None
        if not able:
            raise NetgenError(f"{layer} before it has no weights that could take it")
        if any(param_name(layer, index) for index in range(len(each.weights))):
            raise NetgenError(f"{layer} before it shares its weights with others")

    def _absorbing(self, root: int) -> tuple[Layer, list[Array]]:
        """A layer with what was folded into it, and its weights."""
        each = self.shaped[root]
        factors, terms = self.affine[root]
        channels = np.ones(each.tops[0][1])
        arrays = [array.astype(np.float64) for array in self._arrays(each)]
        absorbed = each.kind.absorbed(arrays, factors * channels, terms * channels)
        assert absorbed is not None, "a layer that cannot take it was refused before"
        message = each.kind.messages[0]
        fields = Fields({name: value for name, value in each.kind.given.items() if name != "bias_term"})
        layer = each.layer.replace(tops=(self.tops[root],), params=Fields({**each.layer.params, message: fields}))
        return layer, [array.astype(np.float32) for array in absorbed]


def _makers(shaped: Sequence[ShapedLayer]) -> list[int | None]:
    """For each layer, the place of the layer that made its first bottom; None for an input's."""
    writers: dict[str, int] = {}
    found: list[int | None] = []
    for i, each in enumerate(shaped):
        found.append(writers.get(each.layer.bottoms[0]) if each.layer.bottoms else None)
        writers.update(dict.fromkeys(each.layer.tops, i))
    return found
