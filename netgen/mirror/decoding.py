"""What a sequence of scores says, by OpenVINO."""

from __future__ import annotations

import torch
from torch import Tensor

from netgen.errors import NetgenError
from netgen.mirror.function import has_values


@torch.no_grad()
def greedy_labels(scores: Tensor, marks: Tensor, *, merge: bool) -> Tensor:
    """The likeliest label of each step, T x N x classes to N x T x 1 x 1 (OpenVINO, ctc_greedy_decoder.hpp).

    A sequence ends before its first mark of 0. The last label is a blank, which is left out, as is with ``merge`` a
    label that repeats the step's before. -1 stands behind the last. No gradient.
    """
    steps, number, classes = scores.shape
    going = marks.reshape(steps, number) != 0
    _check_first(going)
    best = scores.argmax(2)
    said = going.long().cumprod(0).bool() & (best != classes - 1)
    if merge:
        said[1:] &= best[1:] != best[:-1]
    # What is not said goes behind the end.
    places = torch.where(said, said.cumsum(0) - 1, steps)
    top = scores.new_full((number, steps + 1), -1).scatter_(1, places.t(), best.t().to(scores.dtype))
    return top[:, :steps, None, None]


def _check_first(going: Tensor) -> None:
    """Raise NetgenError for a sequence that does not begin, whose first step older releases of OpenVINO read."""
    if has_values(going) and not bool(going[0].all()):
        sequence = int(going[0].logical_not().nonzero()[0, 0])
        raise NetgenError(
            f"the first mark of each sequence must not be 0, got 0 for sequence {sequence}, of which OpenVINO's "
            "releases make different labels; set it to 1"
        )
