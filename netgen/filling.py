"""New weights by the fillers of a network (filler.hpp), reproducible from a seed."""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from netgen.errors import NetgenError, UsageError, did_you_mean
from netgen.fields import shown
from netgen.layers.base import Shape, count, declared, text
from netgen.shapes import walk_layers
from netgen.weights import Array, Weights, expected_weights, key_of, param_name, split_key
from netgen.wiring import State

if TYPE_CHECKING:
    from netgen.graph import Graph
    from netgen.shapes import ShapedLayer

INITS = ("fillers", "zeros")


def fill_weights(
    net: Graph,
    seed: int = 0,
    phase: str = "TEST",
    inputs: Mapping[str, Sequence[int]] | None = None,
    init: str = "fillers",
    *,
    stages: Iterable[str] = (),
    level: int = 0,
) -> Weights:
    """New weights for every layer of a phase, in the network's order.

    With ``init="fillers"`` each is filled as its filler field says, or as Caffe fills what has none, with these
    exceptions that make the weights usable: the statistics of BatchNorm are mean 0, variance 1 and factor 1, where
    Caffe's are all 0 and multiply by 316 (1 over the root of eps); so are those of BN, whose scale is 1. With
    ``"zeros"`` all is 0. The values are not those of Caffe's own generator; each weight's hang on ``seed``, its layer's
    name and its index alone, so that other layers do not change them. Weights that layers share are one array.

    Raises NetgenError as ``expected_weights`` does and for fillers that Caffe refuses, UsageError for another ``init``
    or seed.

    >>> import netgen
    >>> net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="c", weight_filler="msra").scale(name="s")
    >>> {key: array.shape for key, array in fill_weights(net, seed=1).items()}
    {'c:0': (4, 3, 3, 3), 's:0': (4,), 's:1': (4,)}
    """
    _check(seed, init)
    expected_weights(net, phase, inputs, stages=stages, level=level)  # which refuses what has no names of its own
    weights: Weights = {}
    for shaped, index, array in fill_layers(walk_layers(net, State(phase, level, stages), inputs), seed, init):
        weights.setdefault(key_of(shaped.layer.name, index), array)
    return weights


def fill_layers(
    layers: Iterable[ShapedLayer], seed: int, init: str = "fillers"
) -> Iterator[tuple[ShapedLayer, int, Array]]:
    """Each layer's new weights by index, as ``fill_weights`` says; a further layer of a name has values of its own."""
    _check(seed, init)
    shared: dict[str, Array] = {}
    names: Counter[str] = Counter()
    for shaped in layers:
        layer = shaped.layer
        fillers = shaped.kind.new_weights() if init == "fillers" else []
        again = f"%~{names[layer.name] + 1}" if names[layer.name] else ""
        names[layer.name] += bool(shaped.weights)
        for index, shape in enumerate(shaped.weights):
            name = param_name(layer, index)
            if name in shared:
                yield shaped, index, shared[name].reshape(shape)
                continue
            filler = fillers[index] if index < len(fillers) else {}
            try:
                array = filled(shape, filler, key_of(layer.name + again, index), seed)
            except NetgenError as error:
                raise NetgenError(f"{layer}: weight {index}: {error}") from None
            except MemoryError:
                need = f"{text(shape)} takes {4 * count(shape):,} bytes"
                raise NetgenError(f"{layer}: weight {index}: out of memory: {need}") from None
            if name:
                shared[name] = array
            yield shaped, index, array


def _check(seed: Any, init: str) -> None:
    if init not in INITS:
        raise UsageError(f"init must be one of {', '.join(INITS)}, got {shown(init)}{did_you_mean(str(init), INITS)}")
    if not hasattr(seed, "__index__") or operator.index(seed) < 0:
        raise UsageError(f"a seed must be a whole number, 0 or more, got {shown(seed)}")


def filled(shape: Shape, filler: Mapping[str, Any], key: str, seed: int) -> Array:
    """One weight, filled by a FillerParameter's fields; raises NetgenError for a filler that Caffe refuses."""
    fields = {**declared("FillerParameter"), **filler}
    fill = _FILLERS.get(fields["type"])
    if fill is None:
        raise NetgenError(f"no filler {fields['type']!r}{did_you_mean(fields['type'], _FILLERS)}")
    layer, index = split_key(key)
    name = layer.encode("utf-8", "surrogateescape")
    return fill(np.random.default_rng([operator.index(seed), crc32(name), index]), shape, fields)


def _constant(_: np.random.Generator, shape: Shape, fields: Mapping[str, Any]) -> Array:
    value = fields["value"]
    return np.full(shape, value, np.float32) if value else np.zeros(shape, np.float32)


def _uniform(rng: np.random.Generator, shape: Shape, fields: Mapping[str, Any]) -> Array:
    if fields["min"] > fields["max"]:
        raise NetgenError(f"uniform needs a min up to its max, got min={fields['min']:g}, max={fields['max']:g}")
    return _between(rng, shape, fields["min"], fields["max"])


def _between(rng: np.random.Generator, shape: Shape, least: float, most: float) -> Array:
    values = np.asarray(rng.random(shape, dtype=np.float32))
    values *= np.float32(most - least)
    values += np.float32(least)
    return values


def _normal(rng: np.random.Generator, shape: Shape, mean: float, std: float) -> Array:
    values = np.asarray(rng.standard_normal(shape, dtype=np.float32))
    values *= np.float32(std)
    values += np.float32(mean)
    return values


def _gaussian(rng: np.random.Generator, shape: Shape, fields: Mapping[str, Any]) -> Array:
    if fields["std"] <= 0:
        raise NetgenError(f"gaussian needs a std above 0, got {fields['std']:g}")
    values = _normal(rng, shape, fields["mean"], fields["std"])
    if fields["sparse"] >= 0:
        # So many for each output on average, it says; the chance is over the outputs all the same (filler.hpp).
        chance = fields["sparse"] / shape[0]
        if chance > 1:
            raise NetgenError(f"gaussian's sparse must be at most the {shape[0]} outputs, got {fields['sparse']}")
        values *= rng.random(shape, dtype=np.float32) < chance
    return values


def _positive_unitball(rng: np.random.Generator, shape: Shape, _: Mapping[str, Any]) -> Array:
    rows = rng.random((shape[0] if shape else 1, count(shape, 1)), dtype=np.float32)
    rows /= rows.sum(axis=1, keepdims=True)
    return rows.reshape(shape)


def _fan(shape: Shape, norm: str) -> float:
    """What a variance is divided by: the inputs or outputs of a convolution of this shape, or their mean."""
    fan_in, fan_out = count(shape, 1), count(shape) // (shape[1] if len(shape) > 1 else 1)
    return {"FAN_IN": fan_in, "FAN_OUT": fan_out, "AVERAGE": (fan_in + fan_out) / 2}[norm]


def _xavier(rng: np.random.Generator, shape: Shape, fields: Mapping[str, Any]) -> Array:
    limit = math.sqrt(3 / _fan(shape, fields["variance_norm"]))
    return _between(rng, shape, -limit, limit)


def _msra(rng: np.random.Generator, shape: Shape, fields: Mapping[str, Any]) -> Array:
    return _normal(rng, shape, 0.0, math.sqrt(2 / _fan(shape, fields["variance_norm"])))


def _bilinear(_: np.random.Generator, shape: Shape, __: Mapping[str, Any]) -> Array:
    size = shape[-1]
    factor = math.ceil(size / 2)
    center = (2 * factor - 1 - factor % 2) / (2 * factor)
    line = 1 - np.abs(np.arange(size) / factor - center)
    return np.broadcast_to(np.outer(line, line).astype(np.float32), shape).copy()


_FILLERS: dict[str, Callable[[np.random.Generator, Shape, Mapping[str, Any]], Array]] = {
    "constant": _constant,
    "uniform": _uniform,
    "gaussian": _gaussian,
    "positive_unitball": _positive_unitball,
    "xavier": _xavier,
    "msra": _msra,
    "bilinear": _bilinear,
}
