"""A weight that is another module's, seen in a shape of its own (``share_mode: PERMISSIVE``)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from netgen.layers.base import Shape


def show(module: nn.Module, name: str, owner: nn.Module, its: str, shape: Shape) -> None:
    """Make an attribute of a module, a parameter till now, what another module has under ``its``, in this shape."""
    if not isinstance(module, Viewing):
        kind: Any = type(module)
        module.__class__ = _viewing(kind)
        module.__dict__["views"] = {}
    module._parameters.pop(name, None)
    module.__dict__["views"][name] = owner, its, shape


class Viewing(nn.Module):
    """What a module's class becomes, whose type and name stay: the views are made anew whenever they are asked for.

    Gradients so reach the one parameter, and nothing is left behind when that moves to another device. A state dict
    has the views too, as it has a parameter twice that two modules have.
    """

    views: dict[str, tuple[nn.Module, str, Shape]]
    """By name the module that has it, its name there, and the shape in which it is seen."""

    def __getattr__(self, name: str) -> Any:
        """What is no attribute, as nn.Module has it; asked after all else."""
        found = self.__dict__.get("views", {}).get(name)
        if found is None:
            return super().__getattr__(name)
        owner, its, shape = found
        return getattr(owner, its).view(shape)

    def __reduce__(self) -> Any:
        """A class that is made while running is not found by its name."""
        return _unmade, (type(self).__bases__[1],), self.__dict__

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name in self.views:
            view: Tensor = getattr(self, name)
            destination[prefix + name] = view if keep_vars else view.detach()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *more: Any) -> None:
        _, strict, missing, _, errors = more
        rest = {key: value for key, value in state_dict.items() if key.removeprefix(prefix) not in self.views}
        super()._load_from_state_dict(rest, prefix, *more)
        for name, (_, _, shape) in self.views.items():
            given = state_dict.get(prefix + name)
            if given is None:
                missing += [prefix + name] if strict else []
            elif tuple(given.shape) != shape:
                errors.append(f"size mismatch for {prefix + name}: {tuple(given.shape)}, and it must be {shape}.")
            else:
                with torch.no_grad():
                    getattr(self, name).copy_(given)


@cache
def _viewing(kind: Any) -> Any:
    return type(kind.__name__, (Viewing, kind), {})


def _unmade(kind: Any) -> nn.Module:
    """A module without a state yet, for pickle and copy."""
    made: nn.Module = object.__new__(_viewing(kind))
    return made
