"""Weights that are one though several modules hold them: by a param's name, and by a layer's name in both phases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.layers.base import text
from netgen.mirror.normalization import BatchNorm

if TYPE_CHECKING:
    from netgen.mirror.blobs import Slot


def tie(owner: Slot, other: Slot) -> bool:
    """Make one blob of two; whether that can be.

    A parameter becomes the same object. Statistics are buffers, which ``Module.to`` replaces: those of two modules of
    one type become the same set of buffers, all at once.
    """
    parameter, its = owner.parameter(), other.parameter()
    if owner.read().shape != other.read().shape or (parameter is None) != (its is None):
        return False
    if parameter is not None:
        setattr(other.module, other.name, parameter)
        return True
    if type(owner.module) is not type(other.module) or owner.name != other.name:
        return False
    other.module._buffers = owner.module._buffers
    if isinstance(owner.module, BatchNorm) and isinstance(other.module, BatchNorm):
        other.module.kept = owner.module.kept
    return True


def tie_phases(owner: Slot, other: Slot) -> None:
    """One blob for two layers of one name in two phases (net.cpp, ShareTrainedLayersWith)."""
    if not tie(owner, other):
        layer, _, index = owner.key.rpartition(":")
        raise NetgenError(
            f"layer {layer!r}: its weight {index} is {text(tuple(owner.read().shape))} in one phase and "
            f"{text(tuple(other.read().shape))} in the other, where Caffe tests with what it trained; make them alike, "
            "or give the layers names of their own"
        )


def tie_named(slots: Iterable[Slot]) -> None:
    """One blob for all of one param name (net.cpp, AppendParam)."""
    owners: dict[str, Slot] = {}
    homes: dict[int, set[int]] = {}
    for slot in slots:
        owner = owners.setdefault(slot.shared, slot) if slot.shared else slot
        layer = slot.key.rpartition(":")[0]
        if slot.parameter() is None:
            homes.setdefault(id(slot.module), set()).add(id(owner.module))
            if len(homes[id(slot.module)]) > 1:
                raise NetgenError(
                    f"layer {layer!r}: it shares some of its statistics with another layer and not all of them; the "
                    "mirror shares all or none"
                )
        if owner is not slot and not tie(owner, slot):
            raise NetgenError(
                f"layer {layer!r}: its weight {slot.shared!r} is {text(tuple(slot.read().shape))}, and "
                f"{text(tuple(owner.read().shape))} in the layer that it shares it with; the mirror needs one shape"
            )
