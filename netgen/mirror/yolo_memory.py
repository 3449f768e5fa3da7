"""The head of a YOLO loss as memory, what MobileNet-YOLO reads and writes there, and the boxes of the truth.

The fork's blobs have one axis for it: a box whose centre lies past the right edge is one of the next row, one past the
last row one of the next channel. That is followed as far as the fork has computed what it reads.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from netgen.errors import NetgenError
from netgen.layers.base import legacy_shape, text
from netgen.mirror.centred import alike
from netgen.mirror.detection import wide
from netgen.mirror.loss import valued


class Memory(NamedTuple):
    """A head N x B (5 + classes) x H x W as the fork holds it, and the gradient that it writes, both in one axis."""

    codes: Tensor
    diff: Tensor
    shape: tuple[int, int, int, int, int]
    """N, B, 5 + classes, H, W."""

    @property
    def plane(self) -> int:
        """The places of a channel."""
        return self.shape[3] * self.shape[4]

    @property
    def grid(self) -> Tensor:
        """W and H."""
        return self.codes.new_tensor(self.shape[:2:-1])

    def starts(self, image: int, box: Tensor | int, steps: Tensor) -> Tensor:
        """Where the channels of boxes begin, for each its number among B and its place (x, y)."""
        places = (steps[:, 1] * self.shape[4] + steps[:, 0]).long()
        return (image * self.shape[1] + box) * self.shape[2] * self.plane + places

    def channels(self, starts: Tensor, image: int) -> Tensor:
        """The places in memory of the boxes that begin at ``starts``, K x (5 + classes)."""
        found = starts[:, None] + torch.arange(self.shape[2], device=starts.device) * self.plane
        self.check(found, image)
        return found

    def check(self, places: Tensor, image: int) -> None:
        """Raise NetgenError for places after the images up to this one: what is there the fork has not computed."""
        end = (image + 1) * math.prod(self.shape[1:])
        if places.numel() and not 0 <= int(places.min()) <= int(places.max()) < end:
            raise NetgenError(
                f"the boxes of image {image} must have their centres in it and labels below the classes: for one of "
                "them the fork would read beyond what it has computed; remove it"
            )


def memory_of(head: Tensor, number: int, length: int, *, square: bool = False) -> Memory:
    """The memory of a head with ``number`` boxes at a place, each with ``length`` channels."""
    batch, channels, height, width = legacy_shape(tuple(head.shape))
    if channels != number * length or (square and height != width):
        raise NetgenError(
            f"the head must {'be square and ' if square else ''}have {number} (5 + {length - 5}) = {number * length} "
            f"channels, got {text(tuple(head.shape))}"
        )
    codes = wide(head.detach()).reshape(-1).clone()
    return Memory(codes, torch.zeros_like(codes), (batch, number, length, height, width))


def rows_of(boxes: Tensor, memory: Memory) -> Tensor:
    """The rows of each image: label, x, y, width and height; N x T x 5."""
    batch = memory.shape[0]
    if boxes.shape[:1] != (batch,) or boxes.numel() % (5 * batch):
        raise NetgenError(
            f"the boxes must be rows of 5 values for each of the {batch} images, got {text(tuple(boxes.shape))}"
        )
    return boxes.detach().to(memory.codes).reshape(batch, -1, 5)


def until(rows: Tensor, column: int) -> Tensor:
    """The rows before the first that has 0 in a column; boxes end with it."""
    return rows[: int((rows[:, column] != 0).cumprod(0).sum())]


def hits_of(truth: Tensor, classes: int) -> Tensor:
    """Which class is the label's, K x classes."""
    return truth[:, :1].trunc() == torch.arange(classes, device=truth.device)


def steps_of(memory: Memory) -> Tensor:
    """The places, H x W x 2 (x, y)."""
    height, width = (torch.arange(size, device=memory.codes.device).to(memory.codes) for size in memory.shape[3:])
    return torch.stack(torch.meshgrid(height, width, indexing="ij")[::-1], -1)


def boxes_of(centre: Tensor, sides: Tensor, steps: Tensor, sizes: Tensor, grid: Tensor) -> Tensor:
    """Boxes as fractions of the image; ``centre`` is from 0 to 1 in a place, ``sides`` are codes."""
    return torch.cat([(steps + centre) / grid, sides.exp() * sizes], -1)


def centred(sides: Tensor) -> Tensor:
    """Boxes of these sides around 0."""
    return torch.cat([torch.zeros_like(sides), sides], -1)


def best_of(found: Tensor, truth: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """How alike each box is to the truth's that is most like it, 0 at least, and which that is."""
    if not len(truth):
        nothing = found.new_zeros(found.shape[:-1])
        return nothing, nothing.long()
    measure = alike(found[..., None, :], truth[:, 1:], kind)
    best, which = measure.where(measure > 0, 0).max(-1)
    return best, which


def sigmoid_slope(chance: Tensor) -> Tensor:
    """A sigmoid's derivative, for its value."""
    return chance * (1 - chance)


def with_gradient(head: Tensor, loss: Tensor, memory: Memory) -> Tensor:
    """The loss, which passes what was written, by the batch, to the head."""
    return valued_by(head, loss, memory.diff / memory.shape[0])


def valued_by(head: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
    """The loss, which passes this gradient to the head."""
    return valued((wide(head).flatten() * gradient.flatten()).sum(), loss).to(head.dtype)
