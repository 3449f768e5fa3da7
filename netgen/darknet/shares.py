"""The weights of AlexeyAB's weighted shortcut: the factors that they stand for, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netgen.darknet.joins import EPS
from netgen.errors import NetgenError

if TYPE_CHECKING:
    from netgen.darknet.outgoing import Export
    from netgen.shapes import ShapedLayer

_LARGE = 1e4  # so that EPS is less than float32 tells


def weights_of(export: Export, scales: Sequence[ShapedLayer]) -> Any:
    """Weights w >= 0, a row for each of the inputs, with the factors w / (sum of w + 1e-4); raises where none have."""
    import numpy as np

    if export.weights is None:
        export.note(scales[0].layer, "its shortcut has weights_normalization=relu, by which export writes its factors")
    factors = np.stack([export.array(shaped, 0).reshape(-1) for shaped in scales]).astype(np.float64)
    sums = factors.sum(axis=0)
    if factors.min() < 0 or sums.max() > 1 + 1e-6:
        raise NetgenError(f"Darknet's shortcut has factors from 0 on whose sum is 1 at most, got {sums.max():g}")
    rest = 1 - sums
    return (factors * np.where(rest > 1e-7, EPS / np.maximum(rest, 1e-7), _LARGE)).astype(np.float32)
