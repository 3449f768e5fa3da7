"""Blobs that a network makes by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from netgen.layers.base import Shape


class Dummies(nn.Module):
    """DummyData: blobs filled by fillers, the constant ones once and the others anew in each pass."""

    def __init__(self, layer: str, shapes: Sequence[Shape], fillers: Sequence[Mapping[str, Any]]) -> None:
        super().__init__()
        self.layer, self.shapes, self.fillers = layer, shapes, fillers
        self.passes = 0
        empty = [torch.empty(shape) for shape in shapes]
        # On the device meta there is nothing to fill.
        for i, values in enumerate(empty if empty[0].is_meta else self._filled()):
            self.register_buffer(f"top{i}", values, persistent=False)

    def forward(self) -> Tensor | tuple[Tensor, ...]:
        """The blobs."""
        tops: list[Tensor] = [getattr(self, f"top{i}") for i in range(len(self.shapes))]
        drawn = any(filler.get("type", "constant") != "constant" for filler in self.fillers)
        if drawn and not tops[0].is_meta:
            self.passes += 1
            tops = [new.to(top) for new, top in zip(self._filled(), tops, strict=True)]
        return tops[0] if len(tops) == 1 else tuple(tops)

    def _filled(self) -> list[Tensor]:
        from netgen.filling import filled

        return [
            torch.from_numpy(filled(shape, filler, f"{self.layer}:{i}", self.passes))
            for i, (shape, filler) in enumerate(zip(self.shapes, self.fillers, strict=True))
        ]


class Parameter(nn.Module):
    """A learned blob as a top."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape))

    def forward(self) -> Tensor:
        """The blob."""
        return self.weight
