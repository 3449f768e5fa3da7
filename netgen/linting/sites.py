"""One state of a network as the rules see it: its layers in order, and who reads what each of them writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from netgen.graph import EMPTY, Fields, Graph, Layer
from netgen.layers import find

if TYPE_CHECKING:
    from netgen.layers.base import LayerType, Shape
    from netgen.shapes import ShapedLayer
    from netgen.weights import Array
    from netgen.wiring import State

# Caffe weights the tops of its loss layers by itself (LossLayer); these forks' losses lack the word in their names.
_LOSSES = frozenset(("Yolov3", "YoloSeg"))


class Version:
    """What a blob's name stands for between two layers that write it; an in-place layer begins a new version."""

    __slots__ = ("memory", "name", "readers", "writer")

    def __init__(self, name: str, writer: Site | None = None) -> None:
        self.name = name
        self.writer = writer
        """None for an input of the net, and for a bottom that nobody makes."""
        self.readers: list[Site] = []
        """The layers that read it, in order."""
        self.memory = self
        """The version whose memory it uses: in-place layers, Split, Reshape and Flatten have none of their own."""


class Site:
    """A layer in its place: what it reads and writes, and its shapes where they are known."""

    def __init__(self, index: int, layer: Layer, phase: str, bottoms: Sequence[Version]) -> None:
        self.index = index
        self.layer = layer
        self.type = layer.type
        self.bottoms = tuple(bottoms)
        self.tops = tuple(Version(name, self) for name in layer.tops)
        self.shaped: ShapedLayer | None = None
        self._phase = phase

    @cached_property
    def kind(self) -> LayerType | None:
        """What answers for the layer; None for a type that the catalogue lacks."""
        if self.shaped is not None:
            return self.shaped.kind
        kind = find(self.type)
        return None if kind is None else kind(self.layer, self._phase)

    @property
    def fields(self) -> Mapping[str, Any]:
        """The fields of the type's main message with their defaults."""
        return EMPTY if self.kind is None else self.kind.fields

    @property
    def given(self) -> Mapping[str, Any]:
        """Those of them that are set."""
        return EMPTY if self.kind is None else self.kind.given

    @property
    def bottom_shapes(self) -> tuple[Shape, ...]:
        """The shapes of the bottoms, () where they are not known."""
        return () if self.shaped is None else self.shaped.bottoms

    @property
    def top_shapes(self) -> tuple[Shape, ...]:
        """The shapes of the tops, () where they are not known."""
        return () if self.shaped is None else self.shaped.tops

    @property
    def in_place(self) -> tuple[Version, ...]:
        """The versions that it overwrites."""
        return tuple(each for each in self.bottoms if each.name in self.layer.tops)

    @property
    def is_loss(self) -> bool:
        """Whether it adds to what training minimizes."""
        return "Loss" in self.type or self.type in _LOSSES or any(self.layer.params.get("loss_weight", ()))

    @property
    def readers(self) -> list[Site]:
        """The layers that read any of its tops."""
        return [reader for top in self.tops for reader in top.readers]


class Sites:
    """The layers of one state of a network, whether Caffe would take them or not."""

    def __init__(self, net: Graph, state: State, weights: Mapping[str, Array] | None = None) -> None:
        self.params: Fields = net.params
        self.weights: Mapping[str, Array] = {} if weights is None else weights
        """By ``layer:index``; empty where none are given."""
        self.phase = state.phase
        self.inputs = {name: Version(name) for name in net.inputs}
        """The blobs of the net's ``input:`` fields."""
        self.all: list[Site] = []
        self._by_type: dict[str, list[Site]] = {}
        now = dict(self.inputs)
        for layer in net.layers:
            if state.has(layer):
                self._add(layer, now)

    def _add(self, layer: Layer, now: dict[str, Version]) -> None:
        bottoms = [now.setdefault(name, Version(name)) for name in layer.bottoms]
        site = Site(len(self.all), layer, self.phase, bottoms)
        for bottom in dict.fromkeys(bottoms):
            bottom.readers.append(site)
        _share_memory(site)
        now.update((top.name, top) for top in site.tops)
        self.all.append(site)
        self._by_type.setdefault(layer.type, []).append(site)

    def take_shapes(self, shaped: Iterable[ShapedLayer]) -> None:
        """Give the layers their shapes, in order, up to where the walk that makes them raises."""
        # The walk goes first: what it raises after its last layer counts too.
        for each, site in zip(shaped, self.all, strict=False):
            site.shaped = each

    def of(self, *types: str) -> Iterator[Site]:
        """The layers of these types."""
        for name in types:
            yield from self._by_type.get(name, ())

    @cached_property
    def trains(self) -> bool:
        """Whether this is a network with something to minimize, in TRAIN."""
        return self.phase == "TRAIN" and any(site.is_loss for site in self.all)

    @cached_property
    def deployed(self) -> bool:
        """Whether this is what one gives to the readers of Caffe files: all of it hangs on plain inputs."""
        sources = {site.type for site in self.all if not site.bottoms}
        return self.phase == "TEST" and sources <= {"Input", "Parameter"} and not any(s.is_loss for s in self.all)


def _share_memory(site: Site) -> None:
    kind = find(site.type)
    shares = kind is not None and kind.shares_memory and site.bottoms
    bottoms = site.bottoms[:1] if shares else site.in_place
    for top in site.tops if bottoms else ():
        for bottom in bottoms:
            if shares or bottom.name == top.name:
                top.memory = bottom.memory
