"""Names become blobs: which layers belong to a phase, and who reads and writes what there.

The rules are Caffe's (net.cpp: FilterNet, StateMeetsRule, AppendTop, AppendBottom; insert_splits.cpp). The builder
applies them to each layer as it is added, in all states that the layers' own rules tell apart; an analysis applies
them to the one state that it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netgen.errors import NetgenError, UsageError, did_you_mean
from netgen.fields import shown
from netgen.graph import Graph

if TYPE_CHECKING:
    from netgen.graph import Layer


class State:
    """Caffe's NetState: what the include and exclude rules of layers are held against."""

    __slots__ = ("level", "phase", "stages")

    def __init__(self, phase: str = "TEST", level: int = 0, stages: Iterable[str] = ()) -> None:
        given: Any = stages
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise UsageError(f"stages must be a list of names, got {shown(given)}")
        if not isinstance(level, int):
            raise UsageError(f"level must be a whole number, got {shown(level)}")
        self.phase = phase
        self.level = level
        self.stages = frozenset(stages)

    def meets(self, rule: Mapping[str, Any]) -> bool:
        """Whether this state fulfils a NetStateRule (net.cpp, StateMeetsRule)."""
        return (
            rule.get("phase", self.phase) == self.phase
            and rule.get("min_level", self.level) <= self.level <= rule.get("max_level", self.level)
            and self.stages.issuperset(rule.get("stage", ()))
            and self.stages.isdisjoint(rule.get("not_stage", ()))
        )

    def has(self, layer: Layer) -> bool:
        """Whether a layer belongs to this state's network (net.cpp, FilterNet)."""
        if "include" not in layer.params and "exclude" not in layer.params:
            return True
        include = layer.params.get("include", ())
        exclude = layer.params.get("exclude", ())
        if include:
            return any(self.meets(rule) for rule in include)
        return not any(self.meets(rule) for rule in exclude)

    def __str__(self) -> str:
        stages = "".join(f", stage {stage}" for stage in sorted(self.stages))
        return f"phase {self.phase}{f', level {self.level}' if self.level else ''}{stages}"


def filtered(graph: Graph, state: State) -> Graph:
    """The network of one state: the layers that belong to it, in order, as they are (net.cpp, FilterNet)."""
    layers = [layer for layer in graph.layers if state.has(layer)]
    return Graph(graph.name, layers, graph.params, graph.notes)


def readers(layers: Sequence[Layer]) -> list[list[int]]:
    """For each of the layers of a state, the places of those that read what it made, its tops in place included."""
    makers: dict[str, int] = {}
    found: list[list[int]] = [[] for _ in layers]
    for i, layer in enumerate(layers):
        for name in layer.bottoms:
            if name in makers:
                found[makers[name]].append(i)
        makers.update(dict.fromkeys(layer.tops, i))
    return found


class UnknownBottomError(NetgenError):
    """A layer reads a blob that no layer before it makes."""


class Wiring:
    """Who wrote and who reads each blob name, layer by layer, in one state of a network."""

    __slots__ = ("broken", "layer_names", "readers", "writers")

    def __init__(self, inputs: Iterable[str] = ()) -> None:
        self.writers: dict[str, str] = dict.fromkeys(inputs, "")
        self.readers: dict[str, str] = {}
        self.layer_names: set[str] = set()
        self.broken = False

    def copy(self) -> Wiring:
        """The same wiring, to go on from on its own."""
        other = Wiring()
        other.writers = self.writers.copy()
        other.readers = self.readers.copy()
        other.layer_names = self.layer_names.copy()
        other.broken = self.broken
        return other

    def check(self, layer: Layer) -> None:
        """Raise what Caffe would refuse about the names of this layer, and a layer name that was used before."""
        self.check_blobs(layer)
        if layer.name in self.layer_names:
            rule = "the layer name is taken: Caffe loads weights by name, into the first layer of it alone"
            raise NetgenError(f"{rule}; give this one another name")

    def check_blobs(self, layer: Layer) -> None:
        """Raise what Caffe would refuse about the blob names of this layer."""
        bottoms = layer.bottoms
        for name in bottoms:
            if name not in self.writers:
                raise UnknownBottomError(
                    f"no layer before it makes the bottom {name!r}{did_you_mean(name, self.writers)}"
                )
        tops = layer.tops
        twice = len(tops) > 1 and len(set(tops)) < len(tops)
        for i, name in enumerate(tops):
            if i < len(bottoms) and bottoms[i] == name:
                self._check_in_place(name, bottoms)
            elif name in self.writers:
                raise NetgenError(
                    f"the top {name!r} is made already, by {self._writer(name)}; give this one another name"
                    + (f", or write top {bottoms.index(name) + 1} in place" if name in bottoms else "")
                )
            if twice and name in tops[:i]:
                raise NetgenError(f"the top {name!r} is named twice; give each top a name of its own")

    def _check_in_place(self, name: str, bottoms: tuple[str, ...]) -> None:
        reader = self.readers.get(name)
        if reader is not None:
            raise NetgenError(
                f"it works in place on {name!r}, which layer {reader!r} has read already; "
                "place it before that layer, or give it a top of its own"
            )
        if bottoms.count(name) > 1:
            raise NetgenError(f"it works in place on {name!r} and reads it a second time; give it a top of its own")

    def _writer(self, name: str) -> str:
        return f"layer {self.writers[name]!r}" if self.writers[name] else "an input of the net"

    def take(self, layer: Layer) -> None:
        """Check the blob names of a layer and take it in; a layer name may come twice."""
        if not self.add_plain(layer):
            self.check_blobs(layer)
            self.add(layer)

    def add_plain(self, layer: Layer) -> bool:
        """Check and add at once a layer with one bottom and one top, as most have; False when in doubt."""
        tops, bottoms, name = layer.tops, layer.bottoms, layer.name
        if len(bottoms) != 1 or len(tops) != 1 or name in self.layer_names or "loss_weight" in layer.params:
            return False
        bottom, top = bottoms[0], tops[0]
        if top == bottom:
            if bottom not in self.writers or bottom in self.readers:
                return False
        else:
            if bottom not in self.writers or top in self.writers:
                return False
            self.readers[bottom] = name
        self.writers[top] = name
        self.layer_names.add(name)
        return True

    def add(self, layer: Layer) -> None:
        """Take a layer in, checked or not: a file's layers are kept whatever Caffe thinks of them."""
        tops, bottoms, name = layer.tops, layer.bottoms, layer.name
        for bottom in bottoms:
            if bottom not in tops:
                self.readers[bottom] = name
        for top in tops:
            self.writers[top] = name
            self.readers.pop(top, None)
        # A top with a weight in the loss has one reader more (insert_splits.cpp).
        for top, weight in zip(tops, layer.params.get("loss_weight", ()), strict=False):
            if weight:
                self.readers[top] = name
        if name:
            self.layer_names.add(name)


class Wirings:
    """The wirings of all states that the layers so far tell apart: one as long as no layer has a rule.

    A state in which a bottom is missing that another state has is not a network (a training file has no TEST data): it
    is broken, and nothing more is asked of it; only a bottom that is missing in every state is an error.
    """

    __slots__ = ("_bounds", "_stages", "_states", "ruled")

    def __init__(self, graph: Graph) -> None:
        self._states: list[tuple[State, Wiring]] = [(State(), Wiring(graph.inputs))]
        self.ruled = False
        self._bounds: set[int] = set()
        self._stages: set[str] = set()
        for layer in graph.layers:
            self._split(layer)
            for state, wiring in self._states:
                if state.has(layer):
                    wiring.add(layer)

    def add(self, layer: Layer) -> None:
        """Check a layer in every state that has it, then take it in; raises NetgenError with the rule."""
        if "include" in layer.params or "exclude" in layer.params:
            self._split(layer)
        if not self.ruled:
            wiring = self._states[0][1]
            if not wiring.add_plain(layer):
                wiring.check(layer)
                wiring.add(layer)
            return
        self._add_where_it_is(layer)

    def _add_where_it_is(self, layer: Layer) -> None:
        missing: NetgenError | None = None
        wirings, broken = [], []
        for state, wiring in self._states:
            if not state.has(layer):
                continue
            try:
                wiring.check(layer)
                wirings.append(wiring)
            except UnknownBottomError as error:
                missing = NetgenError(f"in {state}, {error}")
                broken.append(wiring)
            except NetgenError as error:
                if not wiring.broken:
                    raise NetgenError(f"in {state}, {error}") from None
        if missing and all(wiring.broken for wiring in wirings):
            raise missing
        for wiring in wirings:
            wiring.add(layer)
        for wiring in broken:
            wiring.broken = True

    def _split(self, layer: Layer) -> None:
        """Tell apart the states that this layer's rules are the first to tell apart."""
        rules = [*layer.params.get("include", ()), *layer.params.get("exclude", ())]
        if not rules:
            return
        if not self.ruled:
            self.ruled = True
            wiring = self._states[0][1]
            self._states = [(State("TRAIN"), wiring), (State("TEST"), wiring.copy())]
        for rule in rules:
            for bound in ([rule["min_level"]] if "min_level" in rule else []) + (
                [rule["max_level"] + 1] if "max_level" in rule else []
            ):
                self._split_levels(bound)
            for stage in {*rule.get("stage", ()), *rule.get("not_stage", ())} - self._stages:
                self._stages.add(stage)
                # Sets of several stages are not tried: the twins of two stages would be refused for a net nobody runs.
                plain = [(state, wiring) for state, wiring in self._states if not state.stages]
                self._states += [(State(s.phase, s.level, (stage,)), w.copy()) for s, w in plain]

    def _split_levels(self, bound: int) -> None:
        """Tell the levels below ``bound`` from the others: the states on one side of it get twins on the other."""
        if bound in self._bounds:
            return
        low = max((each for each in self._bounds if each < bound), default=None)
        high = min((each for each in self._bounds if each > bound), default=None)
        for state, wiring in self._states[:]:
            level = state.level
            if (low is None or low <= level) and (high is None or level < high):
                other = bound - 1 if level >= bound else bound
                self._states.append((State(state.phase, other, state.stages), wiring.copy()))
        self._bounds.add(bound)
