"""Arithmetic without weights as a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Function(nn.Module):
    """A function of tensors; its keyword arguments are the layer's fields."""

    def __init__(self, function: Callable[..., Any], **fields: Any) -> None:
        super().__init__()
        self.function = function
        self.fields = fields

    def forward(self, *bottoms: Tensor) -> Any:
        """The tops: a tensor, or a tuple of them where there are several."""
        return self.function(*bottoms, **self.fields)

    def extra_repr(self) -> str:
        """The function's name and arguments."""
        fields = "".join(f", {name}={value!r}" for name, value in self.fields.items())
        return getattr(self.function, "__name__", repr(self.function)) + fields
