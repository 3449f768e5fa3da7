"""A network as a torch module with Caffe's numbers; the only part of netgen that imports torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from netgen.errors import UsageError, needed

needed("torch", "torch", "the PyTorch mirror")

from netgen.mirror.network import Mirror  # noqa: E402 - torch must be there first

if TYPE_CHECKING:
    from netgen.graph import Graph
    from netgen.mirror.optimised import Optimised

__all__ = ["Mirror", "to_torch"]


@overload
def to_torch(
    net: Graph,
    phase: str = ...,
    inputs: Mapping[str, Sequence[int]] | None = ...,
    *,
    weights: str | os.PathLike[str] | Mapping[str, Any] | None = ...,
    seed: int = ...,
    optimize: Literal[False] = ...,
    half: Literal[False] = ...,
    stages: Iterable[str] = ...,
    level: int = ...,
) -> Mirror: ...


@overload
def to_torch(
    net: Graph,
    phase: str = ...,
    inputs: Mapping[str, Sequence[int]] | None = ...,
    *,
    weights: str | os.PathLike[str] | Mapping[str, Any] | None = ...,
    seed: int = ...,
    optimize: Literal[True],
    half: bool = ...,
    stages: Iterable[str] = ...,
    level: int = ...,
) -> Optimised: ...


def to_torch(
    net: Graph,
    phase: str = "TEST",
    inputs: Mapping[str, Sequence[int]] | None = None,
    *,
    weights: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    seed: int = 0,
    optimize: bool = False,
    half: bool = False,
    stages: Iterable[str] = (),
    level: int = 0,
) -> Mirror | Optimised:
    """The network as a torch.nn.Module with Caffe's numbers.

    Its weights are those of ``weights``, a file or {"layer:index": array} in Caffe's shapes, else new ones by the
    network's fillers from ``seed``; so have layers of the other phase alone that it lacks. ``phase`` TEST gives it in
    ``eval()``, TRAIN in ``train()``; ``inputs`` gives shapes to inputs that the network says no or another shape of,
    as for ``infer_shapes``. Raises NetgenError for a layer whose type has no mirror and for weights that do not fit,
    UsageError where torch is not installed. What is passed over in ``weights``, or not finite, is in its ``notes``.

    With ``optimize`` it is for inference alone and faster, an ``Optimised``, where ``half`` allows half precision on a
    GPU.

    >>> import netgen, torch
    >>> net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="c", weight_filler="msra").relu().pool(2, 2, name="p")
    >>> mirror = netgen.to_torch(net)
    >>> mirror(torch.zeros(1, 3, 8, 8)).shape, list(mirror(torch.zeros(2, 3, 8, 8), blobs=["c"]))
    (torch.Size([1, 4, 4, 4]), ['c'])
    """
    if half and not optimize:
        raise UsageError("half goes with optimize=True; without it, call .half() of the mirror")
    mirror = Mirror(net, phase, inputs, stages=stages, level=level)
    if weights is None or mirror.lone_layers() or mirror.later:
        mirror.fill(seed)
    if weights is not None:
        mirror.load(weights)
    if not optimize:
        return mirror
    if phase != "TEST":
        raise UsageError(f"optimize is for phase TEST, got {phase}")
    from netgen.mirror.optimised import Optimised

    return Optimised(mirror, inputs, half=half)
