"""One pass of a network over arrays."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from netgen.arrays import numbers
from netgen.errors import NetgenError, UsageError
from netgen.fields import shown
from netgen.mirror import Mirror
from netgen.mirror.devices import device_named
from netgen.misfit import misfit

if TYPE_CHECKING:
    from netgen.graph import Graph
    from netgen.layers.base import Array, Shape


def run(
    net: Graph,
    inputs: Mapping[str, Any],
    weights: str | os.PathLike[str] | Mapping[str, Any],
    blobs: Iterable[str] | str = "all",
    phase: str = "TEST",
    *,
    device: torch.device | str = "cpu",
    ignore_missing: bool = False,
    stages: Iterable[str] = (),
    level: int = 0,
) -> dict[str, Array]:
    """The blobs that a network makes of its inputs, as Caffe would: {blob: float32 array}, in the network's order.

    ``inputs`` are arrays by blob name, which give the inputs their shapes; ``weights`` is a file of any format that
    ``load_weights`` reads, or {"layer:index": array}. ``blobs`` names those to return. Raises NetgenError for
    weights that do not fit and shapes that Caffe refuses, UsageError for inputs and blobs that it lacks. What is
    noted of the weights, values that are not finite or layers of theirs that are passed over, is a UserWarning.

    >>> import netgen, numpy as np
    >>> net = netgen.Net().input(1, 1, 2, 2).power(name="double", scale=2.0)
    >>> run(net, {"data": np.ones((1, 1, 2, 2))}, {}, blobs=["double"])["double"].tolist()
    [[[[2.0, 2.0], [2.0, 2.0]]]]
    """
    found, notes = run_with_notes(
        net, inputs, weights, blobs, phase, device=device, ignore_missing=ignore_missing, stages=stages, level=level
    )
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return found


def run_with_notes(
    net: Graph,
    inputs: Mapping[str, Any],
    weights: str | os.PathLike[str] | Mapping[str, Any],
    blobs: Iterable[str] | str,
    phase: str,
    *,
    device: torch.device | str,
    ignore_missing: bool,
    stages: Iterable[str],
    level: int,
) -> tuple[dict[str, Array], list[str]]:
    """The same, and what was noted of the weights; layers that the weights lack are filled."""
    if not isinstance(inputs, Mapping):
        raise UsageError(f"inputs must be a dict of arrays by blob name, got {shown(inputs)}")
    arrays = {name: _array(name, value) for name, value in inputs.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    mirror, notes = _loaded(net, phase, shapes, weights, ignore_missing, tuple(stages), level)
    mirror.to(device := device_named(device))
    tensors = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
    with torch.no_grad():
        found = mirror(tensors, blobs=blobs)
    return {name: value.detach().float().cpu().numpy() for name, value in found.items()}, notes


def _loaded(
    net: Graph,
    phase: str,
    shapes: Mapping[str, Shape],
    weights: str | os.PathLike[str] | Mapping[str, Any],
    ignore_missing: bool,
    stages: tuple[str, ...],
    level: int,
) -> tuple[Mirror, list[str]]:
    """The mirror for inputs of these shapes, with its weights; what they alone stand against is said of them."""

    def loaded(given: Mapping[str, Shape] | None) -> tuple[Mirror, list[str]]:
        mirror = Mirror(net, phase, given, stages=stages, level=level)
        if ignore_missing or mirror.later:
            mirror.fill()
        return mirror, mirror.load(weights, ignore_missing=ignore_missing)

    try:
        return loaded(shapes)
    except NetgenError as error:
        if type(error) is not NetgenError:
            raise
        try:
            own = loaded(None)[0].inputs
        except NetgenError:
            raise error from None
        raise misfit(error, shapes, own, arrays=True) from None


def _array(name: str, value: Any) -> Array:
    try:
        return np.array(numbers(value, "fiub"), np.float32, order="C")
    except NetgenError as error:
        raise UsageError(f"input {name!r}: {error}") from None
