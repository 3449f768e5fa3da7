"""What a network costs: weights, multiply-adds, operations, memory, and what each blob sees. Knows no report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import ceil, prod
from typing import TYPE_CHECKING, NamedTuple

from netgen.layers.base import SAME_PLACE, Number, Shape

if TYPE_CHECKING:
    from netgen.graph import Layer
    from netgen.kinds import ShapedKind
    from netgen.shapes import ShapedLayer

BYTES = 4
"""The size of a value: Caffe computes in float32."""


class LayerCost(NamedTuple):
    """What one layer costs in one forward pass."""

    weights: int
    """Learned values; those that it shares with an earlier layer count there."""
    statistics: int
    """Values that are gathered rather than learned: BatchNorm's mean, variance and factor."""
    macs: int | None
    """Multiply-adds of convolutions, inner products and other matrix products; None where they hang on the data."""
    flops: int | None
    """Single operations, as the type's docstring counts them; None where they hang on the data."""
    activations: int
    """Values that it makes in memory of its own: none in place, and none where Caffe shares its bottom's memory."""
    bytes_read: int
    """Bottoms and weights, each once."""
    bytes_written: int
    """Tops, each once; none where nothing is moved."""

    @property
    def intensity(self) -> float | None:
        """Operations for each byte moved; None where either is not known."""
        moved = self.bytes_read + self.bytes_written
        return None if self.flops is None or not moved else self.flops / moved


class Sight(NamedTuple):
    """What one value of a blob sees of the net's input, in height and width."""

    field: tuple[int, int]
    """The receptive field, not clipped to the input."""
    stride: tuple[Number, Number]
    """How far apart two neighbours see; below 1 behind a Deconvolution."""


def layer_costs(layers: Sequence[ShapedLayer]) -> list[LayerCost]:
    """The cost of each layer, in order."""
    owned: set[str] = set()
    costs = []
    for shaped in layers:
        shared = shaped.shared
        cost = shared.cost
        if cost is None:
            cost = _cost(shaped.layer, shared, owned)
            if not shared.kind.names_weights:
                shared.cost = cost
        costs.append(cost)
    return costs


def _cost(layer: Layer, shared: ShapedKind, owned: set[str]) -> LayerCost:
    kind, bottoms, tops, sizes = shared.kind, shared.bottoms, shared.tops, shared.sizes
    held, weights, statistics = _weights(layer, shared, owned) if shared.weights else (0, 0, 0)
    macs, flops = (kind.macs(bottoms, tops), kind.flops(bottoms, tops)) if kind.counted else (None, None)
    if kind.shares_memory:
        return LayerCost(weights, statistics, macs, flops, 0, 0, 0)
    activations = sum([size for i, size in enumerate(sizes) if layer.tops[i] not in layer.bottoms])
    bytes_read, bytes_written = BYTES * (held + sum(map(prod, bottoms))), BYTES * sum(sizes)
    return LayerCost(weights, statistics, macs, flops, activations, bytes_read, bytes_written)


def _weights(layer: Layer, shared: ShapedKind, owned: set[str]) -> tuple[int, int, int]:
    """The values of all weights, of those that are learned and this layer's own, and of those that are statistics."""
    sizes = list(map(prod, shared.weights))
    held = sum(sizes)
    if shared.kind.names_weights:
        for i, spec in enumerate(layer.params["param"][: len(sizes)]):
            name = spec.get("name", "")
            if name and name in owned:
                sizes[i] = 0
            elif name:
                owned.add(name)
    statistics = sum(sizes[-gathered:]) if (gathered := shared.kind.statistics()) else 0
    return held, sum(sizes) - statistics, statistics


class Memory(NamedTuple):
    """Bytes of activations over one forward pass, in float32, inputs included."""

    held: int
    """What Caffe holds: every blob for as long as the net lives, in-place and shared ones once."""
    peak: int
    """The least that a planner needs at once if it gives a blob's memory back after its last reader."""
    peak_layer: str
    """The layer at which that is."""
    live: tuple[int, ...]
    """For each layer, what such a planner needs while it runs."""


def memory(inputs: Mapping[str, Shape], layers: Sequence[ShapedLayer]) -> Memory:
    """The memory of the activations, as Caffe holds it and as a planner could; nothing of weights or workspaces.

    A net's outputs, blobs that nobody reads, stay until the end.
    """
    end = len(layers)
    changes = [0] * (end + 2)
    sizes = {name: BYTES * prod(shape) for name, shape in inputs.items()}
    last = dict.fromkeys(sizes, end)
    views: list[tuple[str, str]] = []
    changes[0] = sum(sizes.values())
    for step, shaped in enumerate(layers):
        bottoms = shaped.layer.bottoms
        for name in bottoms:
            last[name] = step
        for i, name in enumerate(shaped.layer.tops):
            # Unless somebody reads it after this, it is an output of the net.
            last[name] = end
            if name not in sizes:
                sizes[name] = size = BYTES * shaped.shared.sizes[i]
                if bottoms and shaped.shared.kind.shares_memory:
                    views.append((bottoms[0], name))
                    sizes[name] = size = 0
                changes[step] += size
    for owner, name in reversed(views):
        last[owner] = max(last[owner], last[name])
    for name, size in sizes.items():
        changes[last[name] + 1] -= size
    return _peak(layers, sum(sizes.values()), changes)


def _peak(layers: Sequence[ShapedLayer], held: int, changes: Sequence[int]) -> Memory:
    """The most that is there at once, by what is more at each layer than at the one before."""
    if not layers:
        return Memory(held, held, "", ())
    live = tuple(accumulate(changes[: len(layers)]))
    peak = max(live)
    return Memory(held, peak, layers[live.index(peak)].layer.name if peak else "", live)


def sights(inputs: Mapping[str, Shape], layers: Sequence[ShapedLayer]) -> dict[str, Sight | None]:
    """What each blob sees of the net's inputs; None where that is all of it, or no window at all.

    The field of a layer's top is ``field + (kernel - 1) stride`` of its bottom, its stride ``stride`` times the
    layer's; several bottoms give the largest field, if they have one stride (Araujo et al. 2019, distill.pub). Behind a
    Deconvolution with dilation, whose holes may fall on inputs, it is no less than what is seen.
    """
    start = Sight((1, 1), (1, 1))
    seen: dict[str, Sight | None] = {name: start if len(shape) == 4 else None for name, shape in inputs.items()}
    for shaped in layers:
        layer, kind, bottoms, tops = shaped.layer, shaped.kind, shaped.bottoms, shaped.tops
        if not bottoms:
            seen.update((name, start if len(top) == 4 else None) for name, top in zip(layer.tops, tops, strict=True))
            continue
        sight = _joined([seen[name] for name in layer.bottoms])
        window = kind.window(bottoms, tops) if sight is not None else None
        if sight is not None and window is not SAME_PLACE:
            sight = _through(sight, window) if window is not None else None
        for name in layer.tops:
            seen[name] = sight
    return seen


def _joined(sights: Sequence[Sight | None]) -> Sight | None:
    first = sights[0]
    if len(sights) == 1 or first is None:
        return first
    if any(sight is None or sight.stride != first.stride for sight in sights):
        return None
    fields = [sight.field for sight in sights if sight is not None]
    return Sight((max(field[0] for field in fields), max(field[1] for field in fields)), first.stride)


def _through(sight: Sight, window: Sequence[tuple[int, Number]]) -> Sight:
    """What is seen through a layer's window: for height and width its kernel, dilated, and its stride."""
    (height, width), (down, right) = sight
    (kernel_h, stride_h), (kernel_w, stride_w) = window
    field = height + (kernel_h - 1) * down, width + (kernel_w - 1) * right
    return Sight((ceil(field[0]), ceil(field[1])), (down * stride_h, right * stride_w))
