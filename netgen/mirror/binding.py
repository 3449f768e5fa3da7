"""The inputs of a call: which tensor is which blob."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from netgen.errors import UsageError, did_you_mean
from netgen.fields import shown


def by_name(names: Sequence[str], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """What was given for each input, in the network's order: in that order, in one dict, or by keyword."""
    takes = f"the network takes {', '.join(names) or 'no inputs'}"
    if len(args) == 1 and isinstance(args[0], Mapping):
        placed = dict(args[0])
    elif len(args) > len(names):
        raise UsageError(f"{takes}, got {len(args)} inputs")
    else:
        placed = dict(zip(names, args, strict=False))
    twice = next((name for name in kwargs if name in placed), None)
    if twice is not None:
        raise UsageError(f"input {twice!r} is given twice; {takes}")
    given = {**placed, **kwargs}
    for name in given:
        if name not in names:
            near = did_you_mean(name, names) if isinstance(name, str) else ""
            raise UsageError(f"no input {shown(name)}{near} ({takes})")
    for name in names:
        if name not in given:
            raise UsageError(f"input {name!r} is missing; {takes}")
    return {name: given[name] for name in names}


def tensor_for(name: str, value: Any, own: Tensor | None) -> Tensor:
    """An input in the type of ``own``, a weight of the mirror, on whose device it must be."""
    if not isinstance(value, Tensor):
        raise UsageError(f"input {name!r}: give a torch.Tensor of real numbers, got {type(value).__name__}")
    if value.is_complex() or value.is_quantized or value.layout != torch.strided:
        kind = value.dtype if value.layout == torch.strided else value.layout
        raise UsageError(f"input {name!r}: give a torch.Tensor of real numbers, got {kind}")
    if own is None:
        return value if value.is_floating_point() else value.float()
    if value.device != own.device:
        where, there = str(value.device), str(own.device)
        raise UsageError(f"input {name!r} is on {where} and the mirror on {there}; move it with .to({there!r})")
    return value.to(own.dtype)
