"""What a mirror is made of: the layers of both phases, which of them are one module, and the modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import nn

from netgen.errors import NetgenError, UsageError
from netgen.mirror import memory
from netgen.mirror.program import is_fed, pairs
from netgen.shapes import shape_layers

if TYPE_CHECKING:
    from netgen.graph import Graph
    from netgen.shapes import ShapedLayer
    from netgen.wiring import State


def shaped_phases(
    net: Graph, phase: str, states: Mapping[str, State], given: Mapping[str, Sequence[int]]
) -> tuple[dict[str, list[ShapedLayer]], dict[str, NetgenError]]:
    """The layers of both phases with their shapes, and why a phase other than ``phase`` cannot be."""
    if phase not in states:
        raise UsageError(f"phase must be TRAIN or TEST, got {phase!r}")
    shaped = {phase: shape_layers(net, states[phase], given)}
    missing: dict[str, NetgenError] = {}
    other = "TRAIN" if phase == "TEST" else "TEST"
    try:
        shaped[other] = shape_layers(net, states[other], among(net, states[other], given))
    except NetgenError as error:
        missing[other] = error
    return shaped, missing


def among(net: Graph, state: State, given: Mapping[str, Sequence[int]]) -> dict[str, Sequence[int]]:
    """What was given for blobs that a state has."""
    makes = {*net.inputs, *(top for layer in net.layers if state.has(layer) for top in layer.tops)}
    return {name: shape for name, shape in given.items() if name in makes}


def joined_pairs(shaped: Mapping[str, list[ShapedLayer]]) -> dict[str, dict[int, int]]:
    """The pairs of layers that are one module in every phase that has the first of them."""
    found = {phase: pairs(layers) for phase, layers in shaped.items()}
    partners: dict[str, set[str | None]] = {}
    for phase, layers in shaped.items():
        for i, each in enumerate(layers):
            second = found[phase].get(i)
            partners.setdefault(each.layer.name, set()).add(None if second is None else layers[second].layer.name)
    return {
        phase: {i: j for i, j in found[phase].items() if len(partners[layers[i].layer.name]) == 1}
        for phase, layers in shaped.items()
    }


def modules_of(
    layers: Sequence[ShapedLayer], joined: Mapping[int, int], known: Mapping[int, nn.Module]
) -> dict[int, nn.Module]:
    """A module for each layer that ``known`` lacks, by the layers' ids; two that are joined have one."""
    made: dict[int, nn.Module] = {}
    firsts = {second: first for first, second in joined.items()}
    for i, each in enumerate(layers):
        if i in firsts:
            module = made.get(id(layers[firsts[i]].layer))
            if module is not None:
                made[id(each.layer)] = module
        elif id(each.layer) not in known and not is_fed(each):
            made[id(each.layer)] = _module(each, layers[joined[i]] if i in joined else None)
    return made


def _module(each: ShapedLayer, after: ShapedLayer | None) -> nn.Module:
    # Layers that are equal but for their names share a kind, and where a top lies over a bottom is told by the names.
    kind = type(each.kind)(each.layer, each.kind.phase)
    try:
        with memory.told(lambda: f"its weights are {memory.size_of(each.weights)}"):
            module = kind.torch(each.bottoms) if after is None else kind.torch_with(after.kind, each.bottoms)
    except NetgenError as error:
        raise NetgenError(f"{each.layer}: {error}") from None
    if not isinstance(module, nn.Module):
        raise NetgenError(f"{each.layer}: torch() of its type must return a torch.nn.Module, got {module!r}")
    return module
