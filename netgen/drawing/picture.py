"""What a drawing shows of a network: boxes of layers, the blobs between them as arrows, and what repeats itself."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from netgen.drawing.repeats import Run, Source, repeats
from netgen.errors import NetgenError, UsageError
from netgen.layers.index import TYPES
from netgen.shapes import given_shapes, input_shapes, walk_layers
from netgen.wiring import State, filtered, readers

if TYPE_CHECKING:
    from netgen.graph import Graph, Layer
    from netgen.layers.base import Shape

FOLDS = ("none", "chains", "blocks")
"""How much goes into one box: a layer, a layer and what is done to its top, or that, and repeated blocks once."""


class Box(NamedTuple):
    """Layers that are drawn as one, the first giving the name; none for an input or an output of the network."""

    name: str
    layers: tuple[Layer, ...]


class Arrow(NamedTuple):
    """A blob on its way from one box to another, by their places; no shape where it is not known."""

    source: int
    target: int
    blob: str
    shape: Shape | None


class Picture(NamedTuple):
    """A drawing of one phase. The boxes in the later copies of a run have no arrows and are not shown."""

    name: str
    phase: str
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    runs: tuple[Run, ...]
    error: str
    """Why no shapes are known from some layer on; "" where all are."""

    def hidden(self) -> set[int]:
        """The boxes that stand in the picture as copies of others."""
        return {place for run in self.runs for place in range(run.start + run.length, run.stop)}


def picture(
    net: Graph,
    phase: str = "TEST",
    inputs: Mapping[str, Sequence[int]] | None = None,
    *,
    fold: str = "chains",
    stages: Iterable[str] = (),
    level: int = 0,
) -> Picture:
    """What is to be drawn of a phase of a network.

    With ``fold="chains"`` a layer that changes a blob in place is drawn inside the one that made it, and so is one with
    a top of its own of a type that people write in place (BatchNorm, Scale, ReLU, ...) where a layer with weights
    begins the chain; each of them only where nothing else reads the blob between the two. ``"blocks"`` draws what
    repeats itself once: see ``repeats``. ``"none"`` gives each layer a box. Layers that Caffe would refuse are drawn
    without shapes. Raises UsageError for another fold.

    >>> import netgen
    >>> net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="c").bn(scale=True).relu().pool(2, 2, name="p")
    >>> [(box.name, len(box.layers)) for box in picture(net).boxes]
    [('data', 1), ('c', 4), ('p', 1), ('p', 0)]
    """
    if fold not in FOLDS:
        raise UsageError(f"fold: must be one of {', '.join(FOLDS)}, got {fold!r}")
    state = State(phase, level, stages)
    given = given_shapes(net, state, inputs)
    layers = list(filtered(net, state).layers)
    known: list[tuple[Shape, ...]] = []
    error = ""
    try:
        known.extend(shaped.tops for shaped in walk_layers(net, state, given))
    except NetgenError as refusal:
        error = str(refusal)
    try:
        shapes = dict(input_shapes(net, given))
    except NetgenError:
        shapes = {}
    sketch = _Sketch(layers, net.inputs, shapes, chains=fold != "none")
    for place, layer in enumerate(layers):
        sketch.add(place, layer, known[place] if place < len(known) else (None,) * len(layer.tops))
    sketch.end()
    runs = sketch.runs() if fold == "blocks" else ()
    return Picture(net.name, phase, tuple(map(Box._make, sketch.boxes)), sketch.shown(runs), tuple(runs), error)


class _Sketch:
    """The boxes and arrows so far, layer by layer."""

    def __init__(
        self, layers: Sequence[Layer], inputs: Iterable[str], shapes: Mapping[str, Shape], *, chains: bool
    ) -> None:
        self.boxes: list[tuple[str, tuple[Layer, ...]]] = []
        self.arrows: list[Arrow] = []
        self._slots: list[int] = []  # of each arrow, which of its source's tops it is
        self._chains = chains
        self._readers = readers(layers)
        self._shapes: dict[str, Shape | None] = dict(shapes)
        self._makers: dict[str, tuple[int, int, int]] = {}  # of a blob: the box, the top's number, the layer's place
        self._unread: dict[str, None] = {}
        for name in inputs:
            self._source(name)

    def _source(self, name: str) -> None:
        self._makers[name] = (len(self.boxes), 0, -1)
        self.boxes.append((name, ()))

    def add(self, place: int, layer: Layer, shapes: Sequence[Shape | None]) -> None:
        """The next layer, with the shapes of its tops."""
        box = self._chain(place, layer)
        if box is not None:
            name, inside = self.boxes[box]
            self.boxes[box] = (name, (*inside, layer))
        else:
            for bottom in layer.bottoms:
                if bottom not in self._makers:
                    self._source(bottom)  # nobody makes it: Caffe would refuse the layer
            box = len(self.boxes)
            self.boxes.append((layer.name, (layer,)))
            for bottom in layer.bottoms:
                source, slot, _ = self._makers[bottom]
                self._arrow(source, box, bottom, slot)
        for bottom in layer.bottoms:
            self._unread.pop(bottom, None)
        for slot, (top, shape) in enumerate(zip(layer.tops, shapes, strict=True)):
            self._makers[top] = (box, slot, place)
            self._shapes[top] = shape
            self._unread[top] = None

    def _arrow(self, source: int, target: int, blob: str, slot: int) -> None:
        self.arrows.append(Arrow(source, target, blob, self._shapes.get(blob)))
        self._slots.append(slot)

    def _chain(self, place: int, layer: Layer) -> int | None:
        """The box that a layer is drawn in with the one before it."""
        if not self._chains or len(layer.bottoms) != 1 or len(layer.tops) != 1 or layer.bottoms[0] not in self._makers:
            return None
        box, _, maker = self._makers[layer.bottoms[0]]
        if maker < 0 or len(self.boxes[box][1][-1].tops) != 1 or self._readers[maker] != [place]:
            return None
        if layer.bottoms == layer.tops:
            return box
        row, first = TYPES.get(layer.type), TYPES.get(self.boxes[box][1][0].type)
        return box if row is not None and row[1] and first is not None and first[6] else None

    def end(self) -> None:
        """Give the blobs that nobody reads an arrow into the open."""
        for name in self._unread:
            source, slot, _ = self._makers[name]
            self._arrow(source, len(self.boxes), name, slot)
            self.boxes.append((name, ()))

    def runs(self) -> list[Run]:
        """The repeated blocks among the boxes; where a box keeps one more from being a block, it is drawn as two."""
        runs = self._repeats()
        cuts = self._last_ones(runs)
        whole = self.boxes, self.arrows, self._slots
        while cuts:
            self.boxes, self.arrows, self._slots = whole[0][:], whole[1][:], whole[2][:]
            for box in sorted(cuts, reverse=True):
                self._split(box, cuts[box])
            more = self._repeats()
            # Where a blob is read from elsewhere it is no block all the same, and the box stays whole.
            repeated = {place for run in more for place in range(run.start, run.stop)}
            kept = {box: cuts[box] for i, box in enumerate(sorted(cuts)) if box + i in repeated}
            if len(kept) == len(cuts):
                return more
            cuts = kept
        self.boxes, self.arrows, self._slots = whole
        return runs

    def _repeats(self) -> list[Run]:
        sources: list[list[Source]] = [[] for _ in self.boxes]
        for arrow, slot in zip(self.arrows, self._slots, strict=True):
            sources[arrow.target].append((arrow.source, slot))
        return repeats([_look(layers) for _, layers in self.boxes], sources)

    def _last_ones(self, runs: Iterable[Run]) -> dict[int, int]:
        """The boxes that end one more block of a run but for what works in place behind it, and the block's layers.

        So ends a dense block, on whose last Concat the BatchNorm of the transition works.
        """
        found = {}
        for run in runs:
            end = run.stop + run.length - 1
            if end >= len(self.boxes):
                continue
            size = len(self.boxes[run.stop - 1][1])
            cut = [*(layers for _, layers in self.boxes[run.stop : end]), self.boxes[end][1][:size]]
            ends = [layers for _, layers in self.boxes[run.stop - run.length : run.stop]]
            if len(self.boxes[end][1]) > size and list(map(_look, cut)) == list(map(_look, ends)):
                found[end] = size
        return found

    def _split(self, box: int, size: int) -> None:
        """Give the layers of a box but the first ones a box of their own, behind it."""
        name, layers = self.boxes[box]
        self.boxes[box : box + 1] = [(name, layers[:size]), (layers[size].name, layers[size:])]
        self.arrows = [
            arrow._replace(
                source=arrow.source + (arrow.source >= box), target=arrow.target + (arrow.target > box)
            )
            for arrow in self.arrows
        ]  # fmt: skip
        blob = layers[size].bottoms[0]
        self.arrows.append(Arrow(box, box + 1, blob, self._shapes.get(blob)))
        self._slots.append(0)

    def shown(self, runs: Iterable[Run]) -> tuple[Arrow, ...]:
        """The arrows without those of the copies in runs; what a run's last copy gives comes from its first."""
        moved: dict[int, int | None] = {}
        for run in runs:
            moved.update(dict.fromkeys(range(run.start + run.length, run.stop)))
            moved[run.stop - 1] = run.start + run.length - 1
        found = []
        for arrow in self.arrows:
            source = moved.get(arrow.source, arrow.source)
            if source is not None and arrow.target not in moved:
                found.append(arrow._replace(source=source))
        return tuple(found)


def _look(layers: Iterable[Layer]) -> tuple[Hashable, ...]:
    """What must be equal of two boxes for them to stand for each other."""
    return tuple([(layer.type, len(layer.tops), layer.params) for layer in layers])
