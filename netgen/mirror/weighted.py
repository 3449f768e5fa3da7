"""What a mirror does with its weights: Caffe's blobs, their files and fillers, and what the solver makes of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from netgen.errors import NetgenError, UsageError
from netgen.fields import shown
from netgen.filling import fill_layers
from netgen.layers.base import text as shape_text
from netgen.mirror.devices import Moved
from netgen.mirror.normalization import BatchNorm
from netgen.shapes import walk_layers
from netgen.weights import Expected, key_of, match_weights, of_one_name, split_key

if TYPE_CHECKING:
    import numpy as np

    from netgen.graph import Graph, Layer
    from netgen.layers.base import Shape
    from netgen.mirror.blobs import Slot
    from netgen.mirror.program import Program
    from netgen.wiring import State

    Array = np.ndarray[Any, np.dtype[Any]]


class Weighted(Moved):
    """The weights of a network's mirror."""

    net: Graph
    slots: dict[str, Slot]
    """Where each blob lies, by ``layer:index``."""
    notes: list[str]
    """What was noted of the weights that were loaded last: what was passed over, and what is not finite."""
    later: list[Slot]
    """Those of further layers of a name, which have weights of their own and get none from files, as in Caffe."""
    weights_in: dict[str, list[str]]
    """The blobs that a phase has, by its name."""
    programs: dict[str, Program]
    states: dict[str, State]

    def __init__(self, net: Graph) -> None:
        super().__init__()
        self.net = net
        self.slots = {}
        self.later = []
        self.notes = []
        self.weights_in = {}

    def slot_of(self, layer: Layer, index: int) -> Slot | None:
        """Where a layer's weight lies; None for what the mirror lacks."""
        key = key_of(layer.name, index)
        own = (slot for slot in self.later if slot.layer is layer and slot.key == key)
        return next(own, self.slots.get(key))

    @property
    def phase(self) -> str:
        """TRAIN or TEST, Caffe's word for ``training``."""
        return "TRAIN" if self.training else "TEST"

    def param_groups(self, lr: float, weight_decay: float = 0.0) -> list[dict[str, Any]]:
        """Groups for a torch optimizer that honour lr_mult and decay_mult; what is frozen (lr_mult 0) is in none.

        Raises UsageError for rates that are no numbers from 0 on.
        """
        for name, rate in (("lr", lr), ("weight_decay", weight_decay)):
            if not isinstance(rate, int | float | Tensor) or not rate >= 0:
                raise UsageError(f"{name} must be a number, 0 or more, got {shown(rate)}")
        groups: dict[tuple[float, float], dict[int, nn.Parameter]] = {}
        taken: set[int] = set()
        for slot in (*self.slots.values(), *self.later):
            parameter = slot.parameter()
            if parameter is None or slot.lr_mult == 0 or id(parameter) in taken:
                continue
            taken.add(id(parameter))
            groups.setdefault((slot.lr_mult, slot.decay_mult), {})[id(parameter)] = parameter
        return [
            {"params": list(parameters.values()), "lr": lr * by_lr, "weight_decay": weight_decay * by_decay}
            for (by_lr, by_decay), parameters in groups.items()
        ]

    def caffe_weights(self) -> dict[str, Array]:
        """The weights as Caffe has them, {"layer:index": float32 array}; copies. Of one name the first layer's."""
        return {key: slot.read().float().cpu().numpy().copy() for key, slot in self.slots.items()}

    def load_caffe_weights(self, weights: Mapping[str, Array], *, ignore_missing: bool = False) -> list[str]:
        """Take over weights as Caffe has them; returns notes on what was passed over and what is not finite.

        Weights of layers that only the other phase has may be missing. Raises NetgenError that names all else that is
        missing, unexpected or wrongly shaped, before anything changes (``netgen.match_weights``).
        """
        notes: list[str] = []
        expected = self._expected()
        lacking = [name for name in self.lone_layers() if not any(split_key(key)[0] == name for key in weights)]
        for key in [key for key in expected if split_key(key)[0] in lacking]:
            del expected[key]
        if lacking:
            names = ", ".join(map(repr, lacking))
            notes.append(f"it has no weights for the layers {names}, which only the other phase has")
        if self.later:
            names = ", ".join(dict.fromkeys(repr(slot.layer.name) for slot in self.later))
            notes.append(f"layers {names}: weights go to the first of the name, and later ones keep their own")
        for key, value in match_weights(expected, weights, ignore_missing=ignore_missing, notes=notes).items():
            self.slots[key].write(_tensor_of(value))
        self.notes = notes
        return notes

    def lone_layers(self) -> list[str]:
        """The layers with weights that the present phase lacks."""
        own = {split_key(key)[0] for key in self.weights_in.get(self.phase, ())}
        return list(dict.fromkeys(split_key(key)[0] for key in self.slots if split_key(key)[0] not in own))

    def load(self, weights: str | os.PathLike[str] | Mapping[str, Array], *, ignore_missing: bool = False) -> list[str]:
        """``load_caffe_weights`` from arrays, or a file of any format that ``netgen.load_weights`` reads.

        A file of ``torch.save(mirror.state_dict())``, of a mirror of this network, is taken too.
        """
        if isinstance(weights, Mapping):
            return self.load_caffe_weights(weights, ignore_missing=ignore_missing)
        if not isinstance(weights, str | os.PathLike):
            raise UsageError(f"weights must be a file's name or a dict of arrays, got {type(weights).__name__}")
        from netgen.weightfiles import load_weights
        from netgen.weightfiles.torch import ModuleStateError

        try:
            try:
                loaded = load_weights(weights, self._expected())
            except ModuleStateError as found:
                return self._take_state(found.state, ignore_missing)
            return self.load_caffe_weights(loaded, ignore_missing=ignore_missing)
        except NetgenError as error:
            name = os.fspath(weights)
            raise error if str(error).startswith(name) else NetgenError(f"{name}: {error}") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the present phase's weights to a file for Caffe and its like, as its ending says (``save_weights``).

        Raises NetgenError where two layers of one name have weights of their own: Caffe would mix them up in loading.
        """
        from netgen.weightfiles import save_weights

        if self.later:
            raise of_one_name(self.later[0].layer)
        state = self.states[self.phase]
        weights = self.caffe_weights()
        own = {key: weights[key] for key in self.weights_in.get(self.phase, ())}
        save_weights(own, path, self.net, phase=state.phase, stages=state.stages, level=state.level)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As nn.Module does it; raises UsageError for what is no module's state: a file's name, Caffe's weights."""
        given: Any = state_dict
        if not isinstance(given, Mapping):
            raise UsageError(f"give a module's state, as torch.load(file) returns it, got {shown(given)}")
        if given and all(isinstance(key, str) and key.rpartition(":")[2].isdecimal() for key in given):
            raise UsageError("these are Caffe's weights, by layer:index, and no module's state; give them to load()")
        return super().load_state_dict(state_dict, strict, assign)

    def _take_state(self, state: Mapping[str, Tensor], ignore_missing: bool) -> list[str]:
        """Take over a mirror's state, whose faults are told as ``match_weights`` tells them; returns notes."""
        own = self.state_dict()
        ours, theirs = ({key.rpartition(".")[0] for key in each} for each in (own, state))
        missing = [key for key in own.keys() - state.keys() if not ignore_missing or key.rpartition(".")[0] in theirs]
        more = [key for key in state.keys() - own.keys() if not ignore_missing or key.rpartition(".")[0] in ours]
        both = [key for key in own if key in state]
        shaped = [f"{key!r} is {shape_text(state[key].shape)} and must be {shape_text(own[key].shape)}"
                  for key in both if own[key].shape != state[key].shape]  # fmt: skip
        named = {"missing": map(repr, sorted(missing)), "unexpected": map(repr, sorted(more)), "wrongly shaped": shaped}
        faults = [f"{what}: {', '.join(each)}" for what, names in named.items() if (each := list(names))]
        if faults:
            raise NetgenError(f"the module's state does not fit the network: {'; '.join(faults)}")
        self.load_state_dict({key: state[key] for key in both}, strict=False)
        passed = {"lacks": own.keys() - state.keys(), "has, and the network lacks": state.keys() - own.keys()}
        self.notes = [f"what the state {what} is passed over: {', '.join(map(repr, sorted(keys)))}"
                      for what, keys in passed.items() if keys]  # fmt: skip
        self.notes += [
            f"{key!r} has values that are NaN or infinite" for key in both if not state[key].isfinite().all()
        ]
        return self.notes

    def fill(self, seed: int = 0) -> None:
        """Give every layer new weights by its fillers, and every BatchNorm Caffe's state before training.

        That state is a factor of 0, of which the first pass in training makes that pass's statistics; until then
        testing takes 0 and 1 for mean and variance, where Caffe's zeros would multiply by 1 over the root of eps.
        """
        for phase in self.programs:
            layers = walk_layers(self.net, self.states[phase], self._given_in(phase))
            for shaped, index, value in fill_layers(layers, seed):
                slot = self.slot_of(shaped.layer, index)
                assert slot is not None, "the mirror has the same layers"
                slot.write(_tensor_of(value))
        for module in self.modules():
            if isinstance(module, BatchNorm):
                module.start()

    def _expected(self) -> Expected:
        expected = Expected()
        owners: dict[str, str] = {}
        for key, slot in self.slots.items():
            expected[key] = tuple(slot.read().shape)
            if slot.shared and owners.setdefault(slot.shared, key) != key:
                expected.owners[key] = owners[slot.shared]
        return expected

    def _freeze(self) -> None:
        """No gradients for weights whose lr_mult is 0."""
        for slot in (*self.slots.values(), *self.later):
            parameter = slot.parameter()
            if parameter is not None and slot.lr_mult == 0:
                parameter.requires_grad_(False)

    def _given_in(self, phase: str) -> dict[str, Shape]:
        """The shapes that were given for blobs of a phase."""
        raise NotImplementedError


def _tensor_of(array: Array) -> Tensor:
    """An array as a tensor, which torch wants to be allowed to write to."""
    return torch.from_numpy(array if array.flags.writeable else array.copy())
