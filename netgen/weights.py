"""Weights by name: which ones a network needs, and whether those of a file fit it, by Caffe's rules.

Weights are a dict of float32 arrays in Caffe's shapes by ``layer:index``: ``conv1:0`` is what conv1 multiplies with,
``conv1:1`` its bias, ``conv1/bn:2`` a BatchNorm's factor. The index is what stands after the last colon.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from netgen.arrays import numbers
from netgen.errors import NetgenError, UsageError, nearest
from netgen.fields import shown
from netgen.layers.base import Shape, count, text
from netgen.shapes import walk_layers
from netgen.wiring import State

if TYPE_CHECKING:
    from netgen.graph import Graph, Layer
    from netgen.shapes import ShapedLayer

Array = NDArray[np.float32]
Weights = dict[str, Array]

_SHOWN = 10
_IGNORE = "ignore_missing (--ignore-missing) passes over layers that only one of the two has"
"""The way out where weights and network are not of the same layers."""


def key_of(layer: str, index: int) -> str:
    """The name of one weight: ``key_of("conv1", 0)`` is ``"conv1:0"``."""
    return f"{layer}:{index}"


def split_key(key: str) -> tuple[str, int]:
    """The layer and the index that a weight's name stands for; raises NetgenError for what is none.

    >>> split_key("block:1/bn:2")
    ('block:1/bn', 2)
    """
    layer, colon, index = key.rpartition(":") if isinstance(key, str) else ("", "", "")
    if not colon or not index.isdecimal() or str(int(index)) != index:
        raise NetgenError(f"weight {shown(key)}: it must be called layer:index, as in 'conv1:0'")
    return layer, int(index)


def by_layer(weights: Mapping[str, Array]) -> dict[str, list[Array]]:
    """The arrays of each layer in the order of their indices; raises NetgenError where one is left out."""
    found: dict[str, dict[int, Array]] = {}
    for key, array in _mapping(weights).items():
        layer, index = split_key(key)
        found.setdefault(layer, {})[index] = array_of(key, array)
    for layer, arrays in found.items():
        for index in range(len(arrays)):
            if index not in arrays:
                raise NetgenError(
                    f"weight {key_of(layer, index)!r}: it is not there, and {key_of(layer, max(arrays))!r} is"
                )
    return {layer: [arrays[index] for index in range(len(arrays))] for layer, arrays in found.items()}


def _mapping(weights: Any) -> Mapping[str, Array]:
    if not isinstance(weights, Mapping):
        raise UsageError(
            "weights must be a dict of arrays by layer:index (netgen.load_weights reads them from a file), got "
            f"{shown(weights)}"
        )
    return weights


def array_of(key: str, value: Any) -> Array:
    """A value as the array that it is, float32 and not copied where it is so; raises NetgenError for no numbers."""
    try:
        array = numbers(value)
    except NetgenError as error:
        raise NetgenError(f"weight {key!r}: it {error}") from None
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


class Expected(dict[str, Shape]):
    """The shapes of a network's weights by ``layer:index``; ``owners`` names the weight that another one is."""

    def __init__(self) -> None:
        super().__init__()
        self.owners: dict[str, str] = {}


def expected_weights(
    net: Graph,
    phase: str = "TEST",
    inputs: Mapping[str, Sequence[int]] | None = None,
    *,
    stages: Iterable[str] = (),
    level: int = 0,
) -> Expected:
    """The shape of every weight of a phase by ``layer:index``, in the network's order.

    Weights that layers share by ``param { name }`` are there once for each, those that layers of one name share once.
    Raises NetgenError as ``infer_shapes`` does, and where two layers of one name have weights that they do not share.

    >>> import netgen
    >>> expected_weights(netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="c").bn())
    {'c:0': (4, 3, 3, 3), 'c/bn:0': (4,), 'c/bn:1': (4,), 'c/bn:2': (1,)}
    """
    return expected_of(walk_layers(net, State(phase, level, stages), inputs))


def expected_of(layers: Iterable[ShapedLayer], again: list[Layer] | None = None) -> Expected:
    """The same for layers with their shapes; further layers of a name with own weights go to ``again``, if given."""
    expected = Expected()
    owners: dict[str, str] = {}
    for shaped in layers:
        layer, shapes = shaped.layer, shaped.weights
        if shapes and key_of(layer.name, 0) in expected:
            if not _is_of_first(shaped, expected, owners):
                if again is None:
                    raise of_one_name(layer)
                again.append(layer)
            continue
        for index, shape in enumerate(shapes):
            key = key_of(layer.name, index)
            expected[key] = shape
            name = param_name(layer, index)
            if name and owners.setdefault(name, key) != key:
                expected.owners[key] = owners[name]
    return expected


def _is_of_first(shaped: ShapedLayer, expected: Expected, owners: Mapping[str, str]) -> bool:
    """Whether a further layer of a name shares all weights of the first, so that a file's copies of both are one."""
    keys = [key_of(shaped.layer.name, index) for index in range(len(shaped.weights))]
    for index, (key, shape) in enumerate(zip(keys, shaped.weights, strict=True)):
        owner = owners.get(param_name(shaped.layer, index))
        if owner is None or owner != expected.owners.get(key, key) or expected[key] != shape:
            return False
    return key_of(shaped.layer.name, len(keys)) not in expected


def of_one_name(layer: Layer) -> NetgenError:
    """What is said of a layer with weights of its own whose name another one of its phase has."""
    return NetgenError(
        f"{layer}: another layer with weights has its name, and Caffe loads weights into the first alone and leaves "
        "this one as its fillers made it; give it a name of its own, or let it share them all (param { name })"
    )


def param_name(layer: Layer, index: int) -> str:
    """The name under which a layer shares a weight with others; "" for one of its own."""
    specs = layer.params.get("param", ())
    return str(specs[index].get("name", "")) if index < len(specs) else ""


def match_weights(
    expected: Mapping[str, Shape],
    weights: Mapping[str, Array],
    *,
    ignore_missing: bool = False,
    notes: list[str] | None = None,
) -> Weights:
    """The weights that ``expected_weights`` tells of, in its order and with its shapes.

    Shapes are matched as Caffe matches them (blob.cpp, ShapeEquals): an array of four axes may begin with axes of 1
    that the weight lacks, as files of old have it (for Caffe those alone may, which an array does not tell). A weight
    that another layer shares may be left out (Caffe's HDF5 snapshots have each once). With ``ignore_missing`` layers
    that only one side has are passed over, by name (net.cpp, CopyTrainedLayersFrom); the result then lacks some. What
    was passed over and which values are not finite is told in ``notes``.

    Raises NetgenError that names all that is missing, unexpected or wrongly shaped.
    """
    match = _Match(expected, _mapping(weights), ignore_missing)
    match.look()
    if match.faults():
        raise NetgenError(match.faults())
    if notes is not None:
        notes += [*match.passed_over(), *_not_finite(match.found)]
    return match.found


def match_all(expected: Mapping[str, Shape], weights: Mapping[str, Array], notes: list[str] | None = None) -> Weights:
    """What ``match_weights`` gives, for who needs all of them and can pass over none."""
    try:
        return match_weights(expected, weights, notes=notes)
    except NetgenError as error:
        raise NetgenError(str(error).removesuffix(f"; {_IGNORE}")) from None


class _Match:
    """The weights of a network and those that are given, side by side."""

    def __init__(self, expected: Mapping[str, Shape], weights: Mapping[str, Array], ignore_missing: bool) -> None:
        self.expected, self.weights, self.ignore_missing = expected, weights, ignore_missing
        self.owners: Mapping[str, str] = expected.owners if isinstance(expected, Expected) else {}
        self.found: Weights = {}
        self.missing: list[str] = []
        self.unexpected: list[str] = []
        self.shaped: list[str] = []
        self.differing: list[str] = []

    def look(self) -> None:
        layers = {split_key(key)[0] for key in self.expected}
        given = {split_key(key)[0] for key in self.weights}
        shared = {self.owners.get(key, key): key for key in reversed(list(self.expected)) if key in self.weights}
        for key, shape in self.expected.items():
            source = key if key in self.weights else shared.get(self.owners.get(key, key))
            if source is not None:
                self._take(key, shape, source)
            elif not self.ignore_missing or split_key(key)[0] in given:
                self.missing.append(key)
        for key in self.weights:
            if key not in self.expected and (not self.ignore_missing or split_key(key)[0] in layers):
                self.unexpected.append(key)

    def _take(self, key: str, shape: Shape, source: str) -> None:
        array = array_of(source, self.weights[source])
        permissive = source != key and array.size == count(shape)
        fitting = array.reshape(shape) if permissive else fitted(array, shape)
        if fitting is None:
            self.shaped.append(_misshapen(key, array.shape, shape))
            return
        self.found[key] = fitting
        owner = self.found.get(self.owners.get(key, key))
        if owner is not None and owner is not fitting and not _same(owner, fitting):
            self.differing.append(f"{key!r} from {self.owners[key]!r}")

    def faults(self) -> str:
        """What does not fit, in one sentence; "" when all does."""
        missing, unexpected = self.missing, self.unexpected
        near = [f"{key!r}{_near(key, unexpected)}" for key in missing[:_SHOWN]]
        faults = {
            "missing": _listed([*near, *missing[_SHOWN:]]),
            "unexpected": _listed([repr(key) for key in unexpected]),
            "wrongly shaped": _listed(self.shaped),
            "of one param name, and different": _listed(self.differing),
        }
        parts = [f"{what}: {which}" for what, which in faults.items() if which]
        if not parts:
            return ""
        if (missing or unexpected) and not self.ignore_missing:
            alien = len(missing) == len(self.expected) and unexpected
            parts.append("no layer is in both, as if they were another network's" if alien else _IGNORE)
        return f"the weights do not fit the network: {'; '.join(parts)}"

    def passed_over(self) -> list[str]:
        """What ``ignore_missing`` has let pass."""
        lacking = _layers(key for key in self.expected if key not in self.found)
        other = _layers(key for key in self.weights if key not in self.expected)
        return [
            *([f"it has no weights for the layers {_listed(lacking)}, which stay new"] if lacking else []),
            *([f"the network lacks its layers {_listed(other)}, which are passed over"] if other else []),
        ]


def fitted(array: Array, shape: Shape) -> Array | None:
    """The array in this shape where Caffe takes it for that (blob.cpp, ShapeEquals), else None."""
    if array.shape == shape:
        return array
    if len(shape) < 4 and array.shape == (1,) * (4 - len(shape)) + shape:
        return array.reshape(shape)
    return None


def _layers(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(repr(split_key(key)[0]) for key in keys))


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _misshapen(key: str, got: Shape, wanted: Shape) -> str:
    alike = [dim for dim in got if dim != 1] == [dim for dim in wanted if dim != 1]
    why = ", which Caffe refuses though only axes of 1 differ" if alike else ""
    return f"{key!r} is {text(got)} and must be {text(wanted)}{why}"


def _near(key: str, others: Sequence[str]) -> str:
    found = nearest(key, others)
    return "" if found is None else f" (near: {found!r})"


def _same(one: Array, other: Array) -> bool:
    return one.size == other.size and np.array_equal(one.reshape(-1), other.reshape(-1), equal_nan=True)


def _not_finite(weights: Weights) -> list[str]:
    notes = []
    for key, array in weights.items():
        # A sum tells of a single NaN or infinity, and needs no array of flags beside each array.
        with np.errstate(all="ignore"):
            if np.isfinite(array.sum()):
                continue
        bad = array.size - int(np.isfinite(array).sum())
        if bad:
            notes.append(f"weight {key!r}: {bad} of {array.size} values are NaN or infinite")
    more = len(notes) - _SHOWN
    return [*notes[:_SHOWN], f"{more} more weights hold values that are not finite"] if more > 0 else notes
