"""Weights in torch's files: a state dict whose keys are ``layer:index``, or that of a mirror."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from netgen.errors import NetgenError, ParseError, needed
from netgen.fields import shown
from netgen.files import writing
from netgen.weights import array_of, split_key

if TYPE_CHECKING:
    from netgen.layers.base import Shape
    from netgen.weights import Array, Weights

_DAMAGE = (pickle.UnpicklingError, OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, AttributeError,
           IndexError, AssertionError, ImportError, OverflowError, MemoryError)  # fmt: skip


class ModuleStateError(ParseError):
    """A module's own state, whose keys only its mirror knows; ``state`` is that."""

    def __init__(self, name: str, state: Mapping[str, Any]) -> None:
        rule = (
            f"its key {shown(next(iter(state)))} is not layer:index; netgen.to_torch(net).load reads a mirror's own "
            "state, and netgen weights NET --from FILE writes that in another format"
        )
        super().__init__(name, 0, 0, rule)
        self.state = state


def read(name: str, expected: Mapping[str, Shape] | None) -> Weights:  # noqa: ARG001 - torch makes room as it reads
    """The weights in a ``.pt``; a file with anything but tensors in plain containers is refused, and none of it run.

    Raises ModuleStateError for the state of a module, ParseError for what is no state.
    """
    torch = needed("torch", "torch", name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of another pickle's version: what is wrong is told below
            values = torch.load(name, map_location="cpu", weights_only=True)
    except _DAMAGE:  # whose text advises to run what is in the file
        rule = "this is no state dict of tensors alone, or a part of one; save it with torch.save(module.state_dict())"
        raise ParseError(name, 0, 0, rule) from None
    if not isinstance(values, Mapping):
        raise ParseError(name, 0, 0, f"this is no state dict of tensors alone, got {shown(type(values).__name__)}")
    tensors = all(isinstance(each, torch.Tensor) for each in values.values())
    if values and tensors and all(isinstance(key, str) and not _is_key(key) for key in values):
        raise ModuleStateError(name, values)
    weights: Weights = {}
    for key, tensor in values.items():
        if not _is_key(key):
            raise ParseError(name, 0, 0, f"its key {shown(key)} is not layer:index, as others are; rename or remove it")
        if not isinstance(tensor, torch.Tensor) or not tensor.dtype.is_floating_point:
            raise ParseError(name, 0, 0, f"{key!r}: it must be a tensor of numbers, got {shown(type(tensor).__name__)}")
        weights[key] = array_of(key, tensor.detach().float().numpy())
    return weights


def _is_key(key: Any) -> bool:
    try:
        split_key(key)
    except NetgenError:
        return False
    return True


def write(weights: Mapping[str, Array], name: str) -> None:
    """Write a state dict that ``torch.load`` reads with ``weights_only=True``."""
    torch = needed("torch", "torch", name)
    # A view onto a file is read-only, which torch's tensors are not.
    tensors = {key: torch.from_numpy(np.array(array, np.float32)) for key, array in weights.items()}
    with writing(name) as file:
        torch.save(tensors, file)
