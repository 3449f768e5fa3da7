"""What a network costs: weights, multiply-adds, operations, memory, and what each blob sees. Knows no report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from netgen.layers.base import SAME_PLACE, Number, Shape, count

if TYPE_CHECKING:
    from netgen.graph import Graph
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
    known: dict[object, LayerCost] = {}
    costs = []
    for shaped in layers:
        layer = shaped.layer
        # Equal layers on equal shapes share their kind, so what one costs is what all cost, but for shared weights.
        tops = layer.tops
        key = shaped.kind if len(tops) == 1 else (shaped.kind, *[name in layer.bottoms for name in tops])
        cost = known.get(key)
        if cost is None:
            cost = _cost(shaped, owned)
            if not any("name" in spec for spec in layer.params.get("param", ())):
                known[key] = cost
        costs.append(cost)
    return costs


def _cost(shaped: ShapedLayer, owned: set[str]) -> LayerCost:
    layer, kind, bottoms, tops, shapes = shaped
    sizes = [count(shape) for shape in shapes]
    specs = layer.params.get("param", ())
    for i, spec in enumerate(specs[: len(sizes)]):
        name = spec.get("name", "")
        if name and name in owned:
            sizes[i] = 0
        elif name:
            owned.add(name)
    statistics = sum(sizes[len(sizes) - kind.statistics() :]) if kind.statistics() else 0
    own = sum(count(top) for name, top in zip(layer.tops, tops, strict=True) if name not in layer.bottoms)
    moves = not kind.shares_memory
    return LayerCost(
        weights=sum(sizes) - statistics,
        statistics=statistics,
        macs=kind.macs(bottoms, tops) if kind.counted else None,
        flops=kind.flops(bottoms, tops) if kind.counted else None,
        activations=own if moves else 0,
        bytes_read=BYTES * (sum(map(count, bottoms)) + sum(map(count, shapes))) if moves else 0,
        bytes_written=BYTES * sum(map(count, tops)) if moves else 0,
    )


class Memory(NamedTuple):
    """Bytes of activations over one forward pass, in float32, inputs included."""

    held: int
    """What Caffe holds: every blob for as long as the net lives, in-place and shared ones once."""
    peak: int
    """The least that a planner needs at once if it gives a blob's memory back after its last reader."""
    peak_layer: str
    """The layer at which that is."""


def memory(net: Graph, inputs: Mapping[str, Shape], layers: Sequence[ShapedLayer]) -> Memory:
    """The memory of the activations, as Caffe holds it and as a planner could; nothing of weights or workspaces.

    A net's outputs, blobs that nobody reads, stay until the end.
    """
    buffers: dict[str, int] = {}
    sizes: list[int] = []
    for name, shape in inputs.items():
        buffers[name] = len(sizes)
        sizes.append(BYTES * count(shape))
    uses = [_touched(shaped, buffers, sizes) for shaped in layers]
    last = {buffer: step for step, touched in enumerate(uses) for buffer in touched}
    read = {each for shaped, touched in zip(layers, uses, strict=True) for each in touched[: len(shaped.bottoms)]}
    for buffer in range(len(sizes)):
        if buffer not in read:
            last[buffer] = len(uses)
    return _peak(net, layers, sizes, uses, last, live=set(range(len(inputs))))


def _touched(shaped: ShapedLayer, buffers: dict[str, int], sizes: list[int]) -> list[int]:
    """The buffers of a layer's bottoms, then of its tops; a top of its own is a new buffer."""
    layer, kind, _, tops, _ = shaped
    touched = [buffers[name] for name in layer.bottoms]
    for name, shape in zip(layer.tops, tops, strict=True):
        if kind.shares_memory and layer.bottoms:
            buffers[name] = buffers[layer.bottoms[0]]
        elif name not in layer.bottoms:
            buffers[name] = len(sizes)
            sizes.append(BYTES * count(shape))
        touched.append(buffers[name])
    return touched


def _peak(
    net: Graph,
    layers: Sequence[ShapedLayer],
    sizes: list[int],
    uses: list[list[int]],
    last: dict[int, int],
    live: set[int],
) -> Memory:
    now = sum(sizes[buffer] for buffer in live)
    peak, where = now, net.name
    for step, (shaped, touched) in enumerate(zip(layers, uses, strict=True)):
        for buffer in touched:
            if buffer not in live:
                live.add(buffer)
                now += sizes[buffer]
        if now > peak:
            peak, where = now, shaped.layer.name
        for buffer in set(touched):
            if last[buffer] == step:
                live.remove(buffer)
                now -= sizes[buffer]
    return Memory(sum(sizes), peak, where)


def sights(inputs: Mapping[str, Shape], layers: Sequence[ShapedLayer]) -> dict[str, Sight | None]:
    """What each blob sees of the net's inputs; None where that is all of it, or no window at all.

    The field of a layer's top is ``field + (kernel - 1) stride`` of its bottom, its stride ``stride`` times the
    layer's; several bottoms give the largest field, if they have one stride (Araujo et al. 2019, distill.pub).
    """
    start = Sight((1, 1), (1, 1))
    seen: dict[str, Sight | None] = {name: start if len(shape) == 4 else None for name, shape in inputs.items()}
    for layer, kind, bottoms, tops, _ in layers:
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
