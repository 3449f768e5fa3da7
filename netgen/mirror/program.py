"""The order of work: which module reads and makes which blobs, and when a blob may go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from torch import nn
from torch.nn.modules.conv import _ConvNd

from netgen.mirror.activation import ReLU
from netgen.mirror.normalization import BatchNorm
from netgen.mirror.pooling import Pooling
from netgen.mirror.volumes import VolumePooling
from netgen.wiring import readers

if TYPE_CHECKING:
    from netgen.graph import Layer
    from netgen.layers.base import Shape
    from netgen.shapes import ShapedLayer

_FRESH = (_ConvNd, nn.Linear, BatchNorm)
"""Modules whose top nobody else holds, and which need it no more for their gradients."""


class Step(NamedTuple):
    """One module's work."""

    layer: Layer
    after: Layer | None
    """The layer that is one module with it."""
    module: nn.Module
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    stopped: tuple[bool, ...]
    """For each bottom, whether no gradient goes there (propagate_down); () for none."""
    losses: tuple[float, ...]
    """The weight of each top in the loss; () for none."""
    inner: str | None
    """The blob between the two layers that are one module."""
    spent: tuple[str, ...]
    """The blobs that no later step reads."""
    plain: bool
    """Whether there is one bottom, whose gradient goes on, and one top, as for most layers."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layer, and the one that is one module with it."""
        return (self.layer,) if self.after is None else (self.layer, self.after)


class Program(NamedTuple):
    """The steps of one phase, and the blobs around them."""

    inputs: dict[str, Shape]
    outputs: tuple[str, ...]
    blobs: dict[str, Shape]
    """Every blob in the order in which it is first made, with the shape in which the last layer leaves it."""
    steps: tuple[Step, ...]


def pairs(shaped: Sequence[ShapedLayer]) -> dict[int, int]:
    """Layers that can be one module with a later one, its only reader, by their places (BatchNorm and Scale)."""
    read_by = readers([each.layer for each in shaped])
    found = {}
    for i, each in enumerate(shaped):
        last = read_by[i]
        if len(each.layer.tops) == 1 and len(last) == 1 and not each.layer.params.get("loss_weight"):
            after = shaped[last[0]]
            if len(after.layer.bottoms) == len(after.layer.tops) == 1 and each.kind.joins(after.kind, each.tops[0]):
                found[i] = last[0]
    return found


def is_fed(each: ShapedLayer) -> bool:
    """Whether the tops of a layer come from the caller: those of data layers, and of types unknown to netgen."""
    from netgen.layers.base import LayerType

    return each.kind.opaque and bool(each.layer.tops) and type(each.kind).torch is LayerType.torch


def build(
    shaped: Sequence[ShapedLayer],
    inputs: dict[str, Shape],
    joined: dict[int, int],
    modules: dict[int, nn.Module],
) -> Program:
    """The program of one phase. ``joined`` are the pairs by place, ``modules`` the modules by the layers' ids."""
    inputs = dict(inputs)
    blobs = dict(inputs)
    available = dict.fromkeys(inputs)
    seconds = set(joined.values())
    steps: list[Step] = []
    for i, each in enumerate(shaped):
        for name in each.layer.bottoms:
            available.pop(name, None)
        for name, shape in zip(each.layer.tops, each.tops, strict=True):
            blobs[name] = shape
            available[name] = None
        if is_fed(each):
            inputs.update(zip(each.layer.tops, each.tops, strict=True))
        elif i not in seconds:
            steps.append(_step(each, shaped[joined[i]] if i in joined else None, modules))
    _work_in_place(steps)
    _follow_overflow(steps)
    return Program(inputs, tuple(available), blobs, tuple(_with_spent(steps, available)))


def _step(each: ShapedLayer, after: ShapedLayer | None, modules: dict[int, nn.Module]) -> Step:
    layer = each.layer
    tops, inner, last = layer.tops, None, each
    if after is not None:
        tops, last = after.layer.tops, after
        inner = layer.tops[0] if layer.tops != tops else None
    propagate = layer.params.get("propagate_down", ())
    weights = last.layer.params.get("loss_weight", ())
    if not weights and last.kind.loss:
        weights = (1.0, *[0.0] * (len(tops) - 1))
    stopped = () if all(propagate) else tuple(not each for each in propagate)
    losses = tuple(weights) if any(weights) else ()
    joined = None if after is None else after.layer
    plain = len(layer.bottoms) == len(tops) == 1 and not stopped
    return Step(layer, joined, modules[id(layer)], layer.bottoms, tops, stopped, losses, inner, (), plain)


def _work_in_place(steps: Iterable[Step]) -> None:
    """Let a ReLU that Caffe has in place be so here, where nothing else holds what it overwrites."""
    makers: dict[str, nn.Module] = {}
    for step in steps:
        if isinstance(step.module, nn.ReLU | nn.LeakyReLU) and step.bottoms == step.tops:
            step.module.inplace = isinstance(makers.get(step.tops[0]), _FRESH)
        makers.update(dict.fromkeys(step.tops, step.module))


def _follow_overflow(steps: Iterable[Step]) -> None:
    """Let each ReLU that -FLT_MAX of a window beyond its bottom may reach do as Caffe does with minus infinity."""
    reached: set[str] = set()
    for step in steps:
        comes = not reached.isdisjoint(step.bottoms)
        if comes and isinstance(step.module, ReLU):
            step.module.overflows = True
        if comes or (isinstance(step.module, Pooling | VolumePooling) and step.module.misses):
            reached.update(step.tops)


def _with_spent(steps: Sequence[Step], outputs: Iterable[str]) -> list[Step]:
    kept = set(outputs)
    done: list[Step] = []
    for step in reversed(steps):
        names = (*step.bottoms, *step.tops)
        spent = tuple(name for name in dict.fromkeys(names) if name not in kept)
        kept.update(spent)
        done.append(step._replace(spent=spent))
    return done[::-1]
