"""Weights that are one though several modules hold them: by a param's name, and by a layer's name in both phases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from netgen.errors import NetgenError
from netgen.layers.base import text
from netgen.mirror.normalization import BatchNorm
from netgen.mirror.views import show

if TYPE_CHECKING:
    from netgen.mirror.blobs import Slot


def tie(owner: Slot, other: Slot) -> bool:
    """Make one blob of two; whether that can be.

    A parameter becomes the same object, or what is seen of it in another shape. Statistics are buffers, which
    ``Module.to`` replaces: those of two modules of one type become the same set of buffers, all at once.
    """
    parameter, its = owner.parameter(), other.parameter()
    if (parameter is None) != (its is None):
        return False
    if parameter is not None and its is not None:
        if parameter.shape == its.shape:
            setattr(other.module, other.name, parameter)
        else:
            show(other.module, other.name, owner.module, owner.name, tuple(its.shape))
        return True
    if type(owner.module) is not type(other.module) or owner.name != other.name:
        return False
    if owner.read().shape != other.read().shape:
        return False
    other.module._buffers = owner.module._buffers
    if isinstance(owner.module, BatchNorm) and isinstance(other.module, BatchNorm):
        other.module.kept = owner.module.kept
    return True


def tie_phases(owner: Slot, other: Slot) -> None:
    """One blob for two layers of one name in two phases (net.cpp, ShareTrainedLayersWith)."""
    if owner.read().shape != other.read().shape or not tie(owner, other):
        layer, _, index = owner.key.rpartition(":")
        raise NetgenError(
            f"layer {layer!r}: its weight {index} is {text(tuple(owner.read().shape))} in one phase and "
            f"{text(tuple(other.read().shape))} in the other, where Caffe tests with what it trained; make them alike, "
            "or give the layers names of their own"
        )


def tie_named(slots: dict[str, Slot], twins: Iterable[Slot]) -> None:
    """One blob for all of one param name, and for their twins in the other phase (net.cpp, AppendParam).

    Each of the slots then says of the multipliers what any of them does.
    """
    owners: dict[str, Slot] = {}
    specs: dict[str, dict[str, Any]] = {}
    homes: dict[int, set[int]] = {}
    for slot in slots.values():
        owner = owners.setdefault(slot.shared, slot) if slot.shared else slot
        if slot.shared:
            specs.setdefault(slot.shared, {}).update(slot.spec)
        if slot.parameter() is None:
            homes.setdefault(id(slot.module), set()).add(id(owner.module))
        _tie_named(owner, slot, len(homes.get(id(slot.module), ())))
    for twin in twins:
        known = slots[twin.key]
        tie(owners.get(known.shared, known), twin)
    for key, slot in slots.items():
        if slot.shared:
            slots[key] = slot._replace(spec=specs[slot.shared])


def _tie_named(owner: Slot, slot: Slot, homes: int) -> None:
    layer = slot.key.rpartition(":")[0]
    if homes > 1:
        raise NetgenError(
            f"layer {layer!r}: it shares some of its statistics with another layer and not all of them; the mirror "
            "shares all or none"
        )
    if owner is not slot and not tie(owner, slot):
        raise NetgenError(
            f"layer {layer!r}: its weight {slot.shared!r}, {text(tuple(slot.read().shape))}, is shared with "
            f"{owner.layer}; the mirror shares a BatchNorm's statistics with the same of another one, and learned "
            "weights with learned weights"
        )
