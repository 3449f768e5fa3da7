"""What a network costs: weights, multiply-adds, operations, memory, and what each blob sees. Knows no report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from netgen.layers.base import SAME_PLACE, LayerType, Number, Shape, count

if TYPE_CHECKING:
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


_KNOWN: WeakKeyDictionary[LayerType, LayerCost] = WeakKeyDictionary()
"""What layers of one kind cost: those that are equal on equal shapes share theirs."""


def layer_costs(layers: Sequence[ShapedLayer]) -> list[LayerCost]:
    """The cost of each layer, in order."""
    owned: set[str] = set()
    costs = []
    for shaped in layers:
        layer = shaped.layer
        cost = _KNOWN.get(shaped.kind)
        if cost is None:
            cost = _cost(shaped, owned)
            shares = any("name" in spec for spec in layer.params.get("param", ()))
            if not shares and len(layer.tops) == 1:
                _KNOWN[shaped.kind] = cost
        costs.append(cost)
    return costs


def _cost(shaped: ShapedLayer, owned: set[str]) -> LayerCost:
    layer, kind, bottoms, tops, shapes = shaped
    sizes = [count(shape) for shape in shapes]
    held, read = sum(sizes), sum([count(shape) for shape in bottoms])
    written = [count(shape) for shape in tops]
    for i, spec in enumerate(layer.params.get("param", ())[: len(sizes)]):
        name = spec.get("name", "")
        if name and name in owned:
            sizes[i] = 0
        elif name:
            owned.add(name)
    statistics = sum(sizes[len(sizes) - kind.statistics() :]) if kind.statistics() else 0
    own = sum([size for name, size in zip(layer.tops, written, strict=True) if name not in layer.bottoms])
    moves = not kind.shares_memory
    return LayerCost(
        weights=sum(sizes) - statistics,
        statistics=statistics,
        macs=kind.macs(bottoms, tops) if kind.counted else None,
        flops=kind.flops(bottoms, tops) if kind.counted else None,
        activations=own if moves else 0,
        bytes_read=BYTES * (read + held) if moves else 0,
        bytes_written=BYTES * sum(written) if moves else 0,
    )


class Memory(NamedTuple):
    """Bytes of activations over one forward pass, in float32, inputs included."""

    held: int
    """What Caffe holds: every blob for as long as the net lives, in-place and shared ones once."""
    peak: int
    """The least that a planner needs at once if it gives a blob's memory back after its last reader."""
    peak_layer: str
    """The layer at which that is."""


def memory(inputs: Mapping[str, Shape], layers: Sequence[ShapedLayer]) -> Memory:
    """The memory of the activations, as Caffe holds it and as a planner could; nothing of weights or workspaces.

    A net's outputs, blobs that nobody reads, stay until the end.
    """
    buffers: dict[str, int] = {}
    sizes: list[int] = []
    births: list[int] = []
    last: list[int] = []
    end = len(layers)

    def bear(name: str, shape: Shape, step: int) -> None:
        buffers[name] = len(sizes)
        sizes.append(BYTES * count(shape))
        births.append(step)
        last.append(end)

    for name, shape in inputs.items():
        bear(name, shape, 0)
    for step, (layer, kind, _, tops, _) in enumerate(layers):
        for name in layer.bottoms:
            last[buffers[name]] = step
        for name, shape in zip(layer.tops, tops, strict=True):
            if kind.shares_memory and layer.bottoms:
                buffers[name] = buffers[layer.bottoms[0]]
            elif name not in layer.bottoms:
                bear(name, shape, step)
                continue
            # Whoever reads the top later reads this memory; if nobody does, it is an output of the net.
            last[buffers[name]] = end
    return _peak(layers, sizes, births, last)


def _peak(layers: Sequence[ShapedLayer], sizes: list[int], births: list[int], last: list[int]) -> Memory:
    changes = [0] * (len(layers) + 2)
    for size, birth, death in zip(sizes, births, last, strict=True):
        changes[birth] += size
        changes[death + 1] -= size
    now, peak, where = 0, 0, ""
    for change, shaped in zip(changes, layers, strict=False):
        now += change
        if now > peak:
            peak, where = now, shaped.layer.name
    return Memory(sum(sizes), max(peak, 0 if layers else sum(sizes)), where)


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
