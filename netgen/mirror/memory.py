"""What is said where memory ends: how much was needed, and for what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from netgen.errors import NetgenError
from netgen.layers import find
from netgen.layers.base import count, text

if TYPE_CHECKING:
    from netgen.layers.base import Shape
    from netgen.mirror.program import Step


class OutOfMemoryError(NetgenError):
    """There is no memory left for what a network needs."""


# On the CPU torch has no exception of its own for it: c10/core/impl/alloc_cpu.cpp.
_SAYINGS = ("can't allocate memory", "not enough memory", "bad_alloc", "bad allocation")


@contextmanager
def told(need: Callable[[], str]) -> Iterator[None]:
    """Make a NetgenError that says ``need()`` of whatever is raised within where memory ends."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_short(error):
            raise
        raise OutOfMemoryError(f"out of memory: {need()}") from None


def is_short(error: BaseException) -> bool:
    """Whether this is what torch or NumPy raises when there is no memory left."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(saying in str(error) for saying in _SAYINGS)


def size_of(shapes: Iterable[Shape], itemsize: int = 4) -> str:
    """How much blobs of these shapes take, as messages show it."""
    shapes = list(shapes)
    return f"{' and '.join(map(text, shapes)) or 'nothing'}, {shown(itemsize * sum(map(count, shapes)))}"


def need_of(step: Step, phase: str, values: Mapping[str, Tensor]) -> str:
    """What a step's tops take, and the blobs that are held meanwhile."""
    kind = find(step.layer.type)
    assert kind is not None, "a type without a class has no module"
    tops = kind(step.layer, phase).shapes([tuple(values[name].shape) for name in step.bottoms])
    first = next(iter(values.values()), torch.empty(0))
    held = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in values.values()}
    return (
        f"its tops are {size_of(tops, first.element_size())}, beside {shown(sum(held.values()))} of blobs that are "
        f"held on {first.device}; give smaller inputs, or ask for fewer blobs"
    )


def shown(size: int) -> str:
    """Bytes as people read them.

    >>> shown(600), shown(6 << 30)
    ('0.0 MiB', '6,144.0 MiB')
    """
    return f"{size / 2**20:,.1f} MiB"
