"""Arithmetic without weights as a module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from netgen.layers.base import Shape


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


def has_values(blob: Tensor) -> bool:
    """Whether a check may look at values: on the meta device are none, and what is being recorded stops at a look."""
    if blob.is_meta or not blob.numel() or torch.compiler.is_compiling():
        return False
    return not (blob.is_cuda and torch.cuda.is_current_stream_capturing())


class ByValue(Function):
    """A function whose tops' shapes may hang on the values.

    On the meta device, where there are none, the tops are empty tensors of the shapes after loading.
    """

    def __init__(
        self, function: Callable[..., Any], shapes: Callable[[Sequence[Shape]], list[Shape]], **fields: Any
    ) -> None:
        super().__init__(function, **fields)
        self.shapes = shapes

    def forward(self, *bottoms: Tensor) -> Any:
        """The tops: a tensor, or a tuple of them where there are several."""
        if not bottoms[0].is_meta:
            return super().forward(*bottoms)
        tops = [bottoms[0].new_empty(shape) for shape in self.shapes([tuple(each.shape) for each in bottoms])]
        return tops[0] if len(tops) == 1 else tuple(tops)
