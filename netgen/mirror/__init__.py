"""A network as a torch module with Caffe's numbers; the only part of netgen that imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from netgen.errors import UsageError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise UsageError("this needs PyTorch, which is not installed; pip install 'netgen[torch]' brings it") from error

from netgen.mirror.network import Mirror

if TYPE_CHECKING:
    from netgen.graph import Graph

__all__ = ["Mirror", "to_torch"]


def to_torch(
    net: Graph,
    phase: str = "TEST",
    inputs: Mapping[str, Sequence[int]] | None = None,
    *,
    stages: Iterable[str] = (),
    level: int = 0,
) -> Mirror:
    """The network as a torch.nn.Module with Caffe's numbers."""
    return Mirror(net, phase, inputs, stages=stages, level=level)
