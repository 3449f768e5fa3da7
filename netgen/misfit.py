"""What is said where a network refuses the shapes of its inputs, far behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from netgen.errors import NetgenError, UsageError
from netgen.layers.base import count, text

if TYPE_CHECKING:
    from netgen.layers.base import Shape


def listed(shapes: Mapping[str, Shape]) -> str:
    """Blobs with their shapes."""
    return ", ".join(f"{name} {text(shape)}" for name, shape in shapes.items())


def misfit(error: NetgenError, given: Mapping[str, Shape], own: Mapping[str, Shape], *, arrays: bool) -> NetgenError:
    """The refusal that followed from the shapes given, as one of the inputs that the network has in other shapes.

    With ``arrays``, which it was given, it says how to turn them.
    """
    others = {name: own[name] for name, shape in given.items() if name in own and own[name] != shape}
    if not others:
        return error
    if len(others) > 1:
        found = listed({name: given[name] for name in others})
        return UsageError(f"the inputs must fit where {listed(others)} do, got {found} ({error})")
    ((name, shape),) = others.items()
    found, way = text(given[name]), _way_out(given[name], shape) if arrays else ""
    return UsageError(f"input {name!r}: must fit where {text(shape)} does, got {found}{way} ({error})")


def _way_out(given: Shape, own: Shape) -> str:
    """How to turn the array, where its shape tells."""
    if len(own) == 4:
        channels = own[1]
        if len(given) == 4 and given[3] == channels != given[1]:
            return "; the channels come second: array.transpose(0, 3, 1, 2)"
        if len(given) == 3 and given[2] == channels != given[0]:
            return "; the channels come second: array.transpose(2, 0, 1)[None]"
        if len(given) == 3 and given[0] == channels:
            return "; the images come first: array[None]"
    if count(given) == count(own):
        return f"; array.reshape({', '.join(map(str, own))}) makes it so"
    return ""
