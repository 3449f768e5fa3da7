"""Devices: which there are, and what is said where one is not there."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from netgen.errors import UsageError
from netgen.fields import shown
from netgen.mirror import memory

_ABSENT = (AssertionError, RuntimeError, NotImplementedError)
"""What torch raises for a device that it was not built for, or that is not there."""


class Moved(nn.Module):
    """A module that says with a UsageError that it cannot be moved to a device, as with ``to`` and ``cuda``."""

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """As nn.Module does it; raises UsageError where that cannot be."""
        try:
            return super().to(*args, **kwargs)
        except _ABSENT as error:
            raise _cannot_move(error) from None

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        try:
            return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        except _ABSENT as error:
            raise _cannot_move(error) from None


def device_named(name: torch.device | str) -> torch.device:
    """The device of that name, "auto" for a GPU where there is one; raises UsageError for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (*_ABSENT, TypeError, ImportError) as error:
        raise _no_device(name, _reason(error)) from None
    if device.type == "meta":
        raise _no_device(name, "it holds no values")
    return device


def _cannot_move(error: Exception) -> Exception:
    if memory.is_short(error):
        return error
    return UsageError(f"the mirror cannot be moved there: {_reason(error)}; leave it where it is")


def _reason(error: Exception) -> str:
    reason = (str(error) or type(error).__name__).splitlines()[0].partition(". ")[0]
    # Of some twenty that it lists then, a machine has one or two.
    return "torch knows none of this name" if reason.startswith("Expected one of ") else reason


def _no_device(name: object, reason: str) -> UsageError:
    return UsageError(f"device {shown(str(name))} cannot be used: {reason}; take cpu, or auto for what there is")
