"""New normalizations under which rounding does not grow: damped residual branches, biases that open rectifiers.

A BatchNorm takes away the mean that the rectifier before it has left, and enlarges the rest. From one such pair to the
next a small error thus grows beside what varies, by the root of pi / (pi - 1), a fifth, where half of the values are
cut off: "batch normalization itself is the cause", and what helps is "tuning the network close to the linear regime"
(Yang et al., ICLR 2019, arXiv 1902.08129).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from netgen.layers import find
from netgen.mirror.normalization import BatchNorm, ForkBatchNorm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from netgen.layers.base import LayerType
    from netgen.mirror.program import Program, Step


def condition(program: Program) -> None:
    """Change the factors and biases of new normalizations; their statistics are to be measured after it.

    The last factors of each of L residual branches are divided by sqrt(L), so that all branches together vary as much
    as one did. (Goyal et al., arXiv 1706.02677, begin with 0, which would hide the branch; Zhang et al., arXiv
    1901.09321, with a power of L.) Before a rectifier, a bias that is 0 throughout becomes the factor's size: five in
    six values come through it, not half.
    """
    steps = [_Place(step) for step in program.steps]
    makers: dict[str, _Place] = {}
    for place in steps:
        place.sources = [makers.get(name) for name in place.step.bottoms]
        place.depth = 1 + max((each.depth for each in place.sources if each), default=0)
        makers.update(dict.fromkeys(place.step.tops, place))
    ends = {id(factors): factors for place in steps for factors in _branch_ends(place, program)}
    with torch.no_grad():
        for factors in ends.values():
            factors.mul_(len(ends) ** -0.5)
        for place in steps:
            if place.kind and place.kind.rectifies and place.sources[0]:
                _open(place.sources[0].step.module)


class _Place:
    """A step, the steps that make its bottoms (None for an input), and how many lie behind it at most."""

    def __init__(self, step: Step) -> None:
        kind = find(step.layer.type)
        self.step = step
        self.kind: LayerType | None = None if kind is None else kind(step.layer)
        self.sources: Sequence[_Place | None] = ()
        self.depth = 0


def _branch_ends(join: _Place, program: Program) -> list[Tensor]:
    """The factors on which the branches end that a step adds up: all its summands but the shallowest, the trunk."""
    summands = [join.sources[i] for i in join.kind.summands()] if join.kind else []
    trunk = min((each.depth if each else 0 for each in summands), default=0)
    found = (_last_factors(each, trunk, program) for each in summands if each and each.depth > trunk)
    return [factors for factors in found if factors is not None]


def _last_factors(place: _Place | None, trunk: int, program: Program) -> Tensor | None:
    """The factors of the last normalization deeper than the trunk, with nothing learned and no new shape after it."""
    while place and place.depth > trunk:
        factors, _ = _affine(place.step.module)
        if factors is not None:
            return factors
        step = place.step
        reshaped = not step.bottoms or program.blobs[step.bottoms[0]] != program.blobs[step.tops[0]]
        if reshaped or any(True for _ in step.module.parameters()):
            return None
        place = place.sources[0]
    return None


def _open(module: nn.Module) -> None:
    factors, bias = _affine(module)
    if factors is not None and bias is not None and not bias.any():
        bias.copy_(factors.abs())


def _affine(module: nn.Module) -> tuple[Tensor | None, Tensor | None]:
    """The factors and the bias of a normalization; None for what there is not."""
    if isinstance(module, ForkBatchNorm):
        return module.slope, module.bias
    return (module.weight, module.bias) if isinstance(module, BatchNorm) else (None, None)
