"""A network of Caffe's as a torch module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from netgen.errors import NetgenError, UsageError, did_you_mean
from netgen.fields import shown
from netgen.layers.base import text
from netgen.mirror import memory
from netgen.mirror.binding import by_name, tensor_for
from netgen.mirror.blobs import slots
from netgen.mirror.building import among, joined_pairs, modules_of, shaped_phases
from netgen.mirror.evaluation import DetectionEvaluate
from netgen.mirror.names import escaped
from netgen.mirror.normalization import BatchNorm
from netgen.mirror.precision import full_precision
from netgen.mirror.program import Program, Step, build
from netgen.mirror.recurrent import Recurrent
from netgen.mirror.tying import tie_named, tie_phases
from netgen.mirror.weighted import Weighted
from netgen.misfit import listed
from netgen.shapes import given_shapes, input_shapes, shape_layers
from netgen.weights import expected_of, of_one_name
from netgen.wiring import State

if TYPE_CHECKING:
    import numpy as np

    from netgen.graph import Graph, Layer
    from netgen.layers.base import Shape
    from netgen.mirror.blobs import Slot
    from netgen.shapes import ShapedLayer

    Array = np.ndarray[Any, np.dtype[Any]]


class Mirror(Weighted):
    """A network with Caffe's numbers: modules under the layers' names, blobs by theirs.

    ``train()`` and ``eval()`` are Caffe's phases, TRAIN and TEST: what a module does differs, and in a network with
    include rules also which layers there are. Called with the inputs, in the network's order or by name, it returns
    the output, or a dict of them by blob name where there are several.

    Raises UsageError for what is no net or phase, NetgenError for a network that Caffe refuses, and for a layer whose
    type has no mirror. Its weights are whatever the memory held: ``fill`` or ``load`` sets them, and
    ``netgen.to_torch`` has done so.

    >>> import netgen, torch
    >>> mirror = Mirror(netgen.Net().input(2, 3, 8, 8).conv(4, 3, name="a.b").bn(name="n"), "TRAIN")
    >>> list(mirror.state_dict())
    ['a%2Eb.weight', 'n.running_mean', 'n.running_var', 'n._extra_state']
    >>> mirror.inputs, mirror.outputs, mirror.training
    ({'data': (2, 3, 8, 8)}, ('a.b',), True)
    >>> list(mirror.caffe_weights())
    ['a.b:0', 'n:0', 'n:1', 'n:2']
    """

    # All attributes are declared: no module of a layer may bear the name of one (names.py).
    given: dict[str, Sequence[int]]
    states: dict[str, State]
    missing: dict[str, NetgenError]
    programs: dict[str, Program]
    _seen: dict[str, set[tuple[Shape, ...]]]
    _twins: list[Slot]

    def __init__(
        self,
        net: Graph,
        phase: str = "TEST",
        inputs: Mapping[str, Sequence[int]] | None = None,
        *,
        stages: Iterable[str] = (),
        level: int = 0,
    ) -> None:
        super().__init__(net)
        test = State("TEST", level, stages)
        self.states = {"TRAIN": State("TRAIN", level, test.stages), "TEST": test}
        shaped, self.missing = shaped_phases(net, phase, self.states, inputs or {})
        self.given = dict(inputs or {})
        self._twins = []
        self.programs = self._built(shaped)
        tie_named(self.slots, self._twins)
        self._freeze()
        self._seen = {"TRAIN": set(), "TEST": set()}
        self.train(phase == "TRAIN")

    @property
    def program(self) -> Program:
        """What is done in the present phase; raises NetgenError where the network has no such phase."""
        if self.phase not in self.programs:
            way = "eval()" if self.training else "train()"
            raise NetgenError(
                f"the network cannot run in phase {self.phase}: {self.missing[self.phase]} (mirror.{way})"
            )
        return self.programs[self.phase]

    @property
    def inputs(self) -> dict[str, Shape]:
        """The blobs to be given in the present phase, with the shapes that the network says."""
        return self.program.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """The blobs that no layer reads in the present phase."""
        return self.program.outputs

    def forward(self, *args: Any, blobs: Iterable[str] | str | None = None, **kwargs: Any) -> Any:
        """Run the present phase's layers.

        The inputs are tensors in the network's order, by keyword, or one dict by blob name. Returns the output, or a
        dict of them; with ``blobs`` a dict of those that it names, or of all with "all". Raises UsageError for inputs
        that are not the network's, NetgenError where a layer cannot work on their shapes. In phase TEST a GPU works in
        full precision; training goes by what ``torch.backends`` says, as all training in PyTorch.
        """
        program = self.program
        values = self._bound(program, args, kwargs)
        wanted = self._wanted(program, blobs)
        with nullcontext() if self.training else full_precision(values.values()):
            self._run(program, values, set(wanted))
        if blobs is None and len(wanted) == 1:
            return values[wanted[0]]
        return {name: values[name] for name in wanted}

    def reset(self) -> None:
        """Forget what recurrent layers keep from one pass to the next, as Caffe's do, and DetectionEvaluate's place."""
        for module in self.children():
            if isinstance(module, Recurrent | DetectionEvaluate):
                module.reset()

    def loss(self, *args: Any, **kwargs: Any) -> Tensor:
        """The weighted sum of the losses (``loss_weight``) for inputs as ``forward`` takes them: a single value."""
        program = self.program
        losses: list[Tensor] = []
        self._run(program, self._bound(program, args, kwargs), set(), losses)
        if not losses:
            raise NetgenError(f"phase {self.phase} has no layer with a loss; add one, such as SoftmaxWithLoss")
        return torch.stack([each.sum() for each in losses]).sum()

    # Building

    def _built(self, shaped: dict[str, list[ShapedLayer]]) -> dict[str, Program]:
        """The programs of the phases that ``shaped`` has, its first being the one that must be."""
        joined = joined_pairs(shaped)
        modules: dict[int, nn.Module] = {}
        for phase, layers in list(shaped.items()):
            try:
                made = modules_of(layers, joined[phase], modules)
                self._add(phase, layers, joined[phase], made)
            except NetgenError as error:
                if phase == next(iter(shaped)):
                    raise
                self.missing[phase] = error
                del shaped[phase]
                continue
            modules.update(made)
        return {
            phase: build(layers, input_shapes(self.net, self._given_in(phase)), joined[phase], modules)
            for phase, layers in shaped.items()
        }

    def _add(
        self, phase: str, layers: Sequence[ShapedLayer], joined: Mapping[int, int], made: Mapping[int, nn.Module]
    ) -> None:
        """Take in the modules that a phase made, under their layers' names, and the slots of the phase's weights."""
        again: list[Layer] = []
        expected_of(layers, again)
        seconds = set(joined.values())
        own = self.weights_in[phase] = []
        for i, each in enumerate(layers):
            module = made.get(id(each.layer))
            if module is None:
                own += [slot.key for slot in self.slots.values() if slot.layer is each.layer]
                continue
            for slot in slots(each, module, second=i in seconds):
                if any(each.layer is layer for layer in again):
                    self._take_again(slot)
                else:
                    self._take(phase, slot, own)
            if i not in seconds:
                self._add_as(each.layer.name, module)

    def _take(self, phase: str, slot: Slot, own: list[str]) -> None:
        """Take in a slot of a phase that has ``own`` weights so far; of what has its key already it is a twin."""
        known = self.slots.setdefault(slot.key, slot)
        if known.module is not slot.module:
            tie_phases(known, slot)
            self._twins.append(slot)
            if slot.key in own:  # of another layer of the name, which shares it
                self.slots[slot.key] = known._replace(spec={**known.spec, **slot.spec})
            elif phase == "TRAIN":  # whose multipliers are those that the solver reads
                self.slots[slot.key] = known._replace(spec=slot.spec)
        if slot.key not in own:
            own.append(slot.key)

    def _take_again(self, slot: Slot) -> None:
        """Take in a slot of a layer whose name an earlier one with weights has."""
        # In one phase alone Caffe would test it with what another one has learned.
        if slot.shared or slot.layer.params.keys() & {"include", "exclude"}:
            raise of_one_name(slot.layer)
        self.later.append(slot)

    def _add_as(self, name: str, module: nn.Module) -> None:
        again = 0
        while escaped(name, again) in self._modules:
            again += 1
        self.add_module(escaped(name, again), module)

    def _given_in(self, phase: str) -> dict[str, Shape]:
        """The shapes that were given for blobs of a phase."""
        return given_shapes(self.net, self.states[phase], among(self.net, self.states[phase], self.given))

    # Running

    def _bound(self, program: Program, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Tensor]:
        """The inputs by blob name, on the mirror's device and in its type."""
        own = next(iter(self.parameters()), None)
        named = by_name(list(program.inputs), args, kwargs)
        given = {name: tensor_for(name, value, own) for name, value in named.items()}
        self._check_shapes(program, tuple(tuple(each.shape) for each in given.values()))
        return given

    def _check_shapes(self, program: Program, shapes: tuple[Shape, ...]) -> None:
        """Raise NetgenError where the network cannot take inputs of these shapes (Net::Reshape)."""
        if shapes == tuple(program.inputs.values()) or shapes in self._seen[self.phase]:
            return
        if torch.compiler.is_compiling():
            return
        given = {**self._given_in(self.phase), **dict(zip(program.inputs, shapes, strict=True))}
        for each in shape_layers(self.net, self.states[self.phase], given):
            for i, shape in enumerate(each.weights):
                slot = self.slot_of(each.layer, i)
                had = shape if slot is None else tuple(slot.read().shape)
                if had != shape:
                    raise NetgenError(
                        f"{each.layer}: for inputs of {', '.join(map(text, shapes))} its weight {i} would have to be "
                        f"{text(shape)}, and it is {text(had)}; give inputs of {listed(program.inputs)}"
                    )
        self._seen[self.phase].add(shapes)

    def _wanted(self, program: Program, blobs: Iterable[str] | str | None) -> list[str]:
        if blobs is None:
            return list(program.outputs)
        if blobs == "all":
            return list(program.blobs)
        given: Any = [blobs] if isinstance(blobs, str) else blobs
        names = list(given) if isinstance(given, Iterable) else [given]
        for name in names:
            if name not in program.blobs:
                near = did_you_mean(name, program.blobs) if isinstance(name, str) else ""
                raise UsageError(f"no blob {shown(name)} in phase {self.phase}{near}")
        return names

    def _run(
        self, program: Program, values: dict[str, Tensor], wanted: set[str], losses: list[Tensor] | None = None
    ) -> None:
        """Go through the steps; ``values`` ends with the wanted blobs, ``losses`` with the weighted losses."""
        for step in program.steps:
            try:
                if step.plain and losses is None and step.inner not in wanted:
                    values[step.tops[0]] = step.module(values[step.bottoms[0]])
                else:
                    _work(step, values, wanted, losses)
            except NetgenError as error:
                raise NetgenError(f"{step.layer}: {error}") from None
            except Exception as error:
                if not memory.is_short(error):
                    error.add_note(f"in {step.layer}")
                    raise
                need = memory.need_of(step, self.phase, values)
                raise memory.OutOfMemoryError(f"{step.layer}: out of memory: {need}") from None
            for name in step.spent:
                if name not in wanted:
                    del values[name]


def _work(step: Step, values: dict[str, Tensor], wanted: set[str], losses: list[Tensor] | None) -> None:
    """One step with any number of bottoms and tops, and what it adds to the losses."""
    bottoms = [values[name] for name in step.bottoms]
    if step.stopped:
        bottoms = [each.detach() if stop else each for each, stop in zip(bottoms, step.stopped, strict=True)]
    if step.inner is not None and step.inner in wanted:
        assert isinstance(step.module, BatchNorm)
        values[step.inner], made = step.module.parts(*bottoms)
    else:
        made = step.module(*bottoms)
    parts = (made,) if isinstance(made, Tensor) else made
    values.update(zip(step.tops, parts, strict=False))
    if losses is not None:
        losses += [part * weight for part, weight in zip(parts, step.losses, strict=False) if weight]
