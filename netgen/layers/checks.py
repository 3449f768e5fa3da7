"""Checks that Caffe makes in several layer types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from netgen.errors import NetgenError
from netgen.layers.base import LayerType, Shape, canonical_axis, count, legacy_shape, text

_SHOWN = 12


def listed(values: Sequence[object]) -> str:
    """Values for an error message, of many the first.

    >>> listed((1, 2)), listed(()), listed(range(99))
    ('1, 2', 'none', '0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 87 more')
    """
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return ", ".join(map(str, values[:_SHOWN])) + more or "none"


def require(layer: LayerType, *names: str) -> None:
    """Raise NetgenError for a field of the main message that Caffe demands and that is not there."""
    for name in names:
        if name not in layer.given:
            raise NetgenError(f"{name} is required and was not given")


def check_batch(first: Shape, second: Shape) -> None:
    """The first two bottoms of a loss have one batch size (loss_layer.cpp, Reshape)."""
    if not first or not second or first[0] != second[0]:
        raise NetgenError(
            f"the first two bottoms must have the same first axis, the batch; got {text(first)} and {text(second)}"
        )


def check_labels(scores: Shape, axis: int, labels: Shape) -> None:
    """There is a label for each place of the scores that remains without ``axis``, the classes."""
    places = count(scores, 0, axis) * count(scores, axis + 1)
    if count(labels) != places:
        raise NetgenError(
            f"there must be one label for each prediction: {places} for scores of {text(scores)} with the classes on "
            f"axis {axis}, got {count(labels)} ({text(labels)})"
        )


def check_singles(name: str, shape: Shape, axes: Mapping[str, int]) -> None:
    """A blob, seen as N x C x H x W, has size 1 on the named axes."""
    if any(legacy_shape(shape)[axis] != 1 for axis in axes.values()):
        raise NetgenError(f"the {name} must have size 1 on {', '.join(axes)}, got {text(shape)}")


def axis_or_dim(layer: LayerType, old: str, bottom: Shape) -> int:
    """The axis by its field, or by the field ``old`` that named it before."""
    if old not in layer.given:
        return canonical_axis(layer.fields["axis"], bottom)
    if "axis" in layer.given:
        raise NetgenError(f"either axis or {old} may be given, not both")
    return canonical_axis(layer.given[old], bottom, old)
