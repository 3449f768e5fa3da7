"""Shapes against what real Caffe computed: single layers, nets that it refuses, real files, random nets."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen
from netgen.shapes import ShapedLayer, infer_shapes, shape_layers
from netgen.wiring import State

Shape = tuple[int, ...]

# Nets that Caffe refuses and netgen takes, each with the reason.
TAKEN = {"unknown_type.prototxt": "ReLU6, a fork's type that stock Caffe lacks and netgen knows"}
# Caffe turns `input:` fields into a layer `input`; netgen names the input itself.
NAMED_OTHERWISE = {"input_dim_three.prototxt": "input 'data'"}


def table(*parts: str) -> Any:
    """One of the JSON tables; an empty one where the data are not there, so that the tests over it are skipped."""
    folder = os.environ.get("NETGEN_SHARED")
    return json.loads(Path(folder, "truth", *parts).read_text(encoding="utf-8")) if folder else {}


CASES = {case["name"]: case for case in table("layers", "cases.json")}
ERRORS = {name: row for name, row in table("errors", "expected.json").items() if row["stage"] == "setup"}
NETS = table("nets", "shapes.json")
FILES = NETS.get("files", {})
FAILURES = {name: row for name, row in NETS.get("failures", {}).items() if row["category"] == "refused"}
GIVEN = {
    f"{name} {phase}": row
    for name, rows in table("nets", "shapes_given_inputs.json").items()
    for phase, row in rows.items()
}
RANDOM = table("nets", "random", "truth.json")


def tupled(shapes: Mapping[str, Sequence[int]]) -> dict[str, Shape]:
    return {name: tuple(shape) for name, shape in shapes.items()}


def weights_by_layer(layers: Sequence[ShapedLayer]) -> dict[str, tuple[Shape, ...]]:
    """The weights of each layer that has some; of duplicate names the last, as in the truth."""
    by_name = {shaped.layer.name: shaped.weights for shaped in layers}
    return {name: weights for name, weights in by_name.items() if weights}


def check_net(path: Path, row: Mapping[str, Any], phase: str = "TEST") -> None:
    net = netgen.load(path)
    inputs = row.get("inputs") if isinstance(row.get("inputs"), dict) else None
    assert infer_shapes(net, phase, inputs) == tupled(row["blobs"])

    layers = shape_layers(net, State(phase), inputs)
    weights = weights_by_layer(layers)
    assert weights == {name: tuple(map(tuple, shapes)) for name, shapes in row["params"].items() if shapes}
    if "n_weights" in row:
        assert sum(prod(shape) for shapes in weights.values() for shape in shapes) == row["n_weights"]
    if "n_weights_unique" in row:
        assert unique_weights(layers) == row["n_weights_unique"]


def unique_weights(layers: Sequence[ShapedLayer]) -> int:
    """The number of weights, those that layers share by name counted once."""
    seen: set[str] = set()
    total = 0
    for shaped in layers:
        specs = [*shaped.layer.params.get("param", ()), *[{}] * len(shaped.weights)]
        for spec, shape in zip(specs, shaped.weights, strict=False):
            name = spec.get("name", "")
            total += prod(shape) if name not in seen else 0
            seen |= {name} - {""}
    return total


@pytest.mark.parametrize("name", CASES)
def test_layer(shared: Path, name: str) -> None:
    """Every case, quirks and all: where running changes a shape, the one after loading counts."""
    case = CASES[name]
    net = netgen.load(shared / "truth" / "layers" / f"{name}.prototxt")
    blobs = infer_shapes(net, case["phase"])
    expected = tupled({**case["out_shapes"], **case.get("shapes_before_forward", {})})
    assert {blob: blobs.get(blob) for blob in expected} == expected

    weights = weights_by_layer(shape_layers(net, State(case["phase"])))
    with np.load(shared / "truth" / "layers" / f"{name}.npz") as arrays:
        keys = [key for key in arrays.files if key.startswith("weight:")]
        stored = {key.removeprefix("weight:"): arrays[key].shape for key in keys}
    assert {f"{layer}:{i}": shape for layer, shapes in weights.items() for i, shape in enumerate(shapes)} == stored


@pytest.mark.parametrize("name", ERRORS)
def test_refusal(shared: Path, name: str) -> None:
    path = shared / "truth" / "errors" / name
    if name in TAKEN:
        infer_shapes(netgen.load(path))
        return
    with pytest.raises(netgen.NetgenError) as refused:
        infer_shapes(netgen.load(path))
    layer = ERRORS[name].get("layer")
    assert layer is None or str(refused.value).startswith(NAMED_OTHERWISE.get(name, f"layer {layer!r}"))


@pytest.mark.parametrize("name", FILES)
def test_real_file(shared: Path, name: str) -> None:
    check_net(shared / "corpus" / "caffe" / name, FILES[name])


@pytest.mark.parametrize("name", FAILURES)
def test_real_file_that_caffe_refuses(shared: Path, name: str) -> None:
    with pytest.raises(netgen.NetgenError) as refused:
        infer_shapes(netgen.load(shared / "corpus" / "caffe" / name))
    layer = FAILURES[name]["bvlc"].get("layer")
    assert layer is None or str(refused.value).startswith(f"layer {layer!r}")


@pytest.mark.parametrize("name", GIVEN)
def test_real_file_with_given_inputs(shared: Path, name: str) -> None:
    file, phase = name.rsplit(" ", 1)
    check_net(shared / "corpus" / "caffe" / file, GIVEN[name], phase)


@pytest.mark.parametrize("name", RANDOM)
def test_random_net(shared: Path, name: str) -> None:
    check_net(shared / "truth" / "nets" / "random" / name, RANDOM[name])


@pytest.mark.usefixtures("shared")
def test_the_truth_is_all_there() -> None:
    sizes = [len(each) for each in (CASES, ERRORS, FILES, FAILURES, GIVEN, RANDOM)]
    assert sizes == [632, 116, 106, 4, 101, 150]
