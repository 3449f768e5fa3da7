"""Arrays of numbers, and two sets of blobs side by side: where one first goes another way than the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from netgen.errors import NetgenError
from netgen.fields import shown
from netgen.layers.base import text

if TYPE_CHECKING:
    from netgen.layers.base import Array

_FIRST, _SECOND = "only the first file has it", "only the second file has it"


def numbers(value: Any, kinds: str = "fiu") -> Array:
    """A value as the array that it is, one of torch's tensors too; raises NetgenError where it is not of numbers.

    ``kinds`` are those of NumPy's types that count as numbers.
    """
    try:
        if hasattr(value, "detach"):  # a tensor, wherever it is, of a type that NumPy may lack
            value = value.detach().cpu()
            value = value.float() if value.is_floating_point() else value
        array: Array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError):
        what = "rows of several lengths" if isinstance(value, list | tuple) else shown(type(value).__name__)
        raise NetgenError(f"must be an array of numbers, got {what}") from None
    if array.dtype.kind not in kinds:
        raise NetgenError(f"must be an array of numbers, got {shown(array.dtype.name)}")
    return array


class Difference(NamedTuple):
    """How far the arrays of one name are from each other."""

    name: str
    absolute: float
    """The largest absolute difference; infinite where one value is finite and the other not, nan for other shapes."""
    relative: float
    """The same over the largest absolute value of the first array."""
    where: tuple[int, ...]
    """The place of the largest difference."""
    fault: str
    """Why the arrays cannot be compared; "" where they can."""

    @property
    def alone(self) -> bool:
        """Whether only one of the two sets has it."""
        return self.fault in (_FIRST, _SECOND)

    def beyond(self, tolerance: float) -> bool:
        """Whether the arrays differ by more than a share of the first one's largest value."""
        return bool(self.fault) or not self.relative <= tolerance


def compare_arrays(first: Mapping[str, Array], second: Mapping[str, Array]) -> list[Difference]:
    """Each array of the first set against the one of the second of that name, in the first's order.

    Those that only the second has come last. NaN equals NaN, and infinity itself.
    """
    found = [_compared(name, first[name], second.get(name)) for name in first]
    found += [_fault(name, _SECOND) for name in second if name not in first]
    return found


def _compared(name: str, one: Array, other: Array | None) -> Difference:
    if other is None:
        return _fault(name, _FIRST)
    if one.shape != other.shape:
        return _fault(name, f"the shapes are {text(one.shape)} and {text(other.shape)}")
    if not one.size:
        return Difference(name, 0.0, 0.0, (), "")
    same = (one == other) | (np.isnan(one) & np.isnan(other))
    with np.errstate(all="ignore"):
        apart = np.abs(one.astype(np.float64) - other)
    apart = np.where(same, 0.0, np.where(np.isfinite(apart), apart, np.inf))
    at = int(apart.argmax())
    largest = float(np.abs(one[np.isfinite(one)]).max(initial=0.0))
    worst = float(apart.flat[at])
    where = tuple(int(i) for i in np.unravel_index(at, one.shape))
    return Difference(name, worst, worst / largest if largest else worst, where, "")


def _fault(name: str, why: str) -> Difference:
    return Difference(name, float("nan"), float("nan"), (), why)
