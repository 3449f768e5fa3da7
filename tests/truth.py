"""What real Caffe computed, and how near netgen's mirror must come to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def folder(*parts: str) -> Path | None:
    """A folder of the data that are not part of the repository; None where they are not there."""
    shared = os.environ.get("NETGEN_SHARED")
    return Path(shared, "truth", *parts) if shared else None


def apart(expected: Array, got: Array) -> float:
    """The largest difference over the blob's largest value; infinite where other values are not finite."""
    if expected.shape != got.shape:
        return float("inf")
    finite = np.isfinite(expected)
    same = np.isnan(expected) == np.isnan(got)
    same &= finite | np.isnan(expected) | (expected == got)
    if not (same & (np.isfinite(got) == finite)).all():
        return float("inf")
    if not finite.any():
        return 0.0
    difference = np.abs(expected[finite].astype(np.float64) - got[finite]).max()
    largest = np.abs(expected[finite].astype(np.float64)).max()
    return float(difference / largest) if largest else float(difference)


def weights_of(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The weights in an archive of a layer's case, by "layer:index"."""
    return {key.removeprefix("weight:"): arrays[key] for key in arrays if key.startswith("weight:")}
