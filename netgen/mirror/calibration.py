"""New weights that give usable outputs: BatchNorm's statistics measured on random input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from netgen.errors import NetgenError
from netgen.filling import filled
from netgen.mirror.conditioning import condition
from netgen.mirror.network import Mirror
from netgen.mirror.normalization import BatchNorm, ForkBatchNorm

if TYPE_CHECKING:
    import numpy as np

    from netgen.graph import Graph
    from netgen.weights import Weights

_IMAGES = 8


def calibrate(
    net: Graph, weights: Mapping[str, Any], seed: int = 0, inputs: Mapping[str, Sequence[int]] | None = None
) -> Weights:
    """Weights with which no layer of the TEST network runs off: each BatchNorm's statistics are those of its bottom.

    They are measured in one pass over normal random images, layer by layer, each on what the calibrated ones before
    it give; a channel that does not vary gets a variance of 1. Matrices and filters that the fillers leave at 0
    throughout (Caffe's default) are drawn by msra first, as nothing would come through them; residual branches are
    damped and rectifiers opened, so that rounding does not grow (``conditioning``). Statistics are written with a
    factor of 1. ``weights`` are those of ``fill_weights``; the result is another dict.
    """
    mirror, shapes = _mirror(net, inputs)
    measured = [module for module in mirror.modules() if isinstance(module, BatchNorm | ForkBatchNorm)]
    # A fork's biases have four axes, as filters do.
    own = {key for key, slot in mirror.slots.items() if isinstance(slot.module, ForkBatchNorm)}
    drawn = {key: array if key in own else _drawn(key, array, seed) for key, array in weights.items()}
    mirror.load_caffe_weights(drawn)
    if not measured:
        return mirror.caffe_weights()
    condition(mirror.program)
    hooks = [module.register_forward_pre_hook(_measure) for module in measured]
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        mirror({name: torch.randn(shape, generator=generator) for name, shape in shapes.items()})
    for hook in hooks:
        hook.remove()
    return mirror.caffe_weights()


def _drawn(key: str, array: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    if array.ndim < 2 or array.any():
        return array
    return filled(array.shape, {"type": "msra"}, key, seed)


def _mirror(net: Graph, inputs: Mapping[str, Sequence[int]] | None) -> tuple[Mirror, dict[str, tuple[int, ...]]]:
    """The mirror, and shapes for a batch of several images where the network takes one."""
    mirror = Mirror(net, "TEST", inputs)
    shapes = dict(mirror.inputs)
    batch = {name: (max(_IMAGES, shape[0]), *shape[1:]) if len(shape) == 4 else shape for name, shape in shapes.items()}
    try:
        with torch.device("meta"):
            Mirror(net, "TEST", batch)
    except NetgenError:  # a Reshape that names the batch
        return mirror, shapes
    return mirror, batch


def _measure(module: nn.Module, bottoms: tuple[Tensor, ...]) -> None:
    """Give a normalization the statistics of what it is about to normalize."""
    bottom = bottoms[0]
    axes = [axis for axis in range(bottom.dim()) if axis != 1]
    variance, mean = torch.var_mean(bottom, axes, correction=0)
    variance = torch.where(variance > 1e-12, variance, torch.ones_like(variance))
    if isinstance(module, BatchNorm):
        for name, value in (("factor", torch.ones(1)), ("mean", mean), ("variance", variance)):
            module.write_blob(name, value)
    elif isinstance(module, ForkBatchNorm) and module.mean is not None and module.variance is not None:
        module.mean.copy_(mean.view_as(module.mean))
        module.variance.copy_(variance.view_as(module.variance))
