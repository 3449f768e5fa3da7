"""The mirror's numbers against those of real Caffe: single layers, random nets, whole real networks."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import netgen
from tests.recipe import recipe_inputs, recipe_positions, recipe_weights
from tests.truth import Array, apart, weights_of

# A copy of the cases with little in them, so that the tests stand without the others
COPY = Path(__file__).with_name("data") / "caffe_layers.zip"
SHARED = os.environ.get("NETGEN_SHARED")
LAYERS = Path(SHARED, "truth", "layers") if SHARED else None

# Within 2e-5 + 2e-4 |value|, which the data's own note allows: where values cancel or a root is taken near 0.
LOOSE: dict[str, str] = {}

# Where the two builds of Caffe mean something else, and the mirror follows the mainline.
OTHER_BUILD = {"infogain_06": "InfogainLoss of the SSD fork takes probabilities, the mainline's scores"}


@cache
def cases() -> dict[str, Any]:
    if LAYERS is not None:
        rows = json.loads((LAYERS / "cases.json").read_text(encoding="utf-8"))
    else:
        with zipfile.ZipFile(COPY) as archive:
            rows = json.loads(archive.read("cases.json"))
    return {row["name"]: row for row in rows}


def case_files(name: str) -> tuple[str, dict[str, Array]]:
    """The prototxt and the arrays of a case."""
    if LAYERS is not None:
        text, data = (LAYERS / f"{name}.prototxt").read_text(encoding="utf-8"), (LAYERS / f"{name}.npz").read_bytes()
    else:
        with zipfile.ZipFile(COPY) as archive:
            text, data = archive.read(f"{name}.prototxt").decode(), archive.read(f"{name}.npz")
    with np.load(io.BytesIO(data)) as arrays:
        return text, {key: arrays[key] for key in arrays.files}


def ran(text: str, phase: str, arrays: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """The blobs and the weights after a pass."""
    mirror = netgen.to_torch(netgen.parse_prototxt(text), phase, weights=weights_of(arrays))
    inputs = {key[3:]: torch.from_numpy(array) for key, array in arrays.items() if key.startswith("in:")}
    with torch.no_grad():
        blobs = mirror(inputs, blobs="all")
    return {name: blob.detach().numpy() for name, blob in blobs.items()}, mirror.caffe_weights()


@pytest.mark.parametrize("name", cases())
def test_layer(name: str) -> None:
    text, arrays = case_files(name)
    if name in OTHER_BUILD:
        assert cases()[name]["build"] == "ssd"
        pytest.skip(OTHER_BUILD[name])
    blobs, weights = ran(text, cases()[name]["phase"], arrays)
    for key, expected in arrays.items():
        kind, _, blob = key.partition(":")
        if kind in ("out", "post"):
            got = blobs[blob] if kind == "out" else weights[blob]
            if name in LOOSE:
                assert got.shape == expected.shape
                np.testing.assert_allclose(got, expected, rtol=2e-4, atol=2e-5)
            else:
                assert apart(expected, got) <= 1e-5, key


@pytest.mark.usefixtures("shared")
def test_all_cases_are_there_and_the_copy_is_of_them() -> None:
    assert len(cases()) == 632
    assert LAYERS is not None
    with zipfile.ZipFile(COPY) as archive:
        names = {Path(name).stem for name in archive.namelist()} - {"cases"}
        assert len(names) > 400
        types = {each for row in cases().values() for each in row["types"]}
        assert {each for name in names for each in cases()[name]["types"]} == types
        for name in names:
            assert archive.read(f"{name}.npz") == (LAYERS / f"{name}.npz").read_bytes()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "forward_detout_shared_no_background",
            "layer 'conv_x' (DetectionOutput): background_label_id: -1 takes the shared locations for the background, "
            "and Caffe dies of it; leave it out, or give each class its own (share_location: false)",
        ),
        (
            "forward_stochastic_pooling",
            "layer 'bad' (Pooling): Caffe has STOCHASTIC pooling for GPUs alone, and so has the mirror; move it to one",
        ),
    ],
)
def test_what_dies_running_in_caffe_dies_here(shared: Path, name: str, message: str) -> None:
    net = netgen.load(shared / "truth" / "errors" / f"{name}.prototxt")
    inputs = {blob: np.ones(shape) for blob, shape in netgen.infer_shapes(net).items() if blob not in ("h0", "y")}
    with pytest.raises(netgen.NetgenError) as refused:
        netgen.run(net, inputs, netgen.fill_weights(net))
    assert str(refused.value) == message


def random_nets() -> dict[str, Any]:
    return json.loads(Path(SHARED, "truth", "nets", "random", "forward.json").read_text()) if SHARED else {}


def by_recipe(net: netgen.Net) -> tuple[netgen.Mirror, dict[str, Array]]:
    """A mirror with the recipe's weights, and all its blobs for the recipe's inputs."""
    types = {layer.name: layer.type for layer in net.layers}
    weights = {
        key: recipe_weights(layer := key.rpartition(":")[0], types[layer], int(key.rpartition(":")[2]), shape)
        for key, shape in netgen.expected_weights(net).items()
    }
    mirror = netgen.to_torch(net, weights=weights)
    inputs = {name: torch.from_numpy(recipe_inputs(name, shape)) for name, shape in mirror.inputs.items()}
    with torch.no_grad():
        blobs = mirror(inputs, blobs="all")
    return mirror, {name: blob.numpy() for name, blob in blobs.items()}


def sampled(blob: Array, name: str) -> Array:
    """The values that the truth holds of a blob: the first 16, and 16 at the recipe's places."""
    flat = blob.reshape(-1)
    return np.concatenate([flat[:16], flat[recipe_positions(name, flat.size)]])


@pytest.mark.parametrize("name", random_nets())
def test_random_net(shared: Path, name: str) -> None:
    folder = shared / "truth" / "nets" / "random"
    blobs = by_recipe(netgen.load(folder / f"{name}.prototxt"))[1]
    with np.load(folder / "forward.npz") as arrays:
        first, at = arrays[f"{name}:first"], arrays[f"{name}:at"]
    wrong = []
    for i, (blob, _, _, _, largest) in enumerate(random_nets()[name]["blobs"]):
        got = sampled(blobs[blob], blob)
        expected = np.concatenate([first[i][: min(16, blobs[blob].size)], at[i]])
        # Beyond 1e36 the next sum may overflow, by the order of its terms.
        beyond = (np.abs(expected) > 1e36) & (np.abs(got) > 1e36)
        finite = np.isfinite(expected) | beyond
        scale = float(largest) if np.isfinite(float(largest)) else 1 + np.abs(np.where(finite, expected, 0))
        with np.errstate(all="ignore"):
            near = np.abs(np.where(beyond | ~finite, 0, expected - got)) <= 1e-5 + 1e-5 * scale
        if not (near & ((np.isfinite(got) | beyond) == finite)).all():
            wrong.append(blob)
    assert wrong == []


def test_what_overflows_by_its_rounding_alone_is_one_of_two_values(shared: Path) -> None:
    """A product of net_1118 that is beyond float32 before it is added, and within it where both are one operation.

    Pooling gives -FLT_MAX, and the filter's fourth weight is -1.10. With the third, 0.24, the sum is 0.86 FLT_MAX;
    whether the product is rounded on its own before, which gives infinity, is for the BLAS and the processor to say.
    """
    net = netgen.load(shared / "truth" / "nets" / "random" / "net_1118.prototxt")
    mirror, blobs = by_recipe(net)
    channel, place = 5, (1, 6)
    padded = np.pad(blobs["pool21_a"], ((0, 0), (0, 0), (1, 1), (1, 1)))[1, channel]
    window = padded[2 * place[0] : 2 * place[0] + 3, 2 * place[1] : 2 * place[1] + 3].ravel()
    weights = mirror.caffe_weights()["conv22_a:0"][channel].ravel()
    most = np.finfo(np.float32).max
    terms = weights.astype(np.float64) * window / most
    assert terms[3] > 1.1
    assert np.abs(terms.cumsum()).max() < 0.9
    with np.load(shared / "truth" / "nets" / "random" / "forward.npz") as arrays:
        names = [row[0] for row in random_nets()["net_1118"]["blobs"]]
        at = arrays["net_1118:at"][names.index("conv22_a")]
    blob = blobs["conv22_a"]
    flat = np.ravel_multi_index((1, channel, *place), blob.shape)
    (sample,) = np.flatnonzero(recipe_positions("conv22_a", blob.size) == flat)
    assert np.isinf(at[sample])
    assert np.isinf(blob.ravel()[flat]) or np.isclose(blob.ravel()[flat] / most, terms.sum(), rtol=1e-5)


WHOLE = [
    "alexnet",
    "dcgan_generator",
    "hed",
    "lenet",
    "mobilenet_ssd",
    "mobilenet_v1",
    "mtcnn_48net",
    "squeezenet_v1.1",
]


@pytest.mark.parametrize("name", WHOLE)
def test_whole_network(shared: Path, name: str) -> None:
    folder = shared / "truth" / "forward_nets"
    row = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    blobs = by_recipe(netgen.load(folder / row["file"]))[1]
    with np.load(folder / f"{name}.npz") as arrays:
        first, at = arrays["first"], arrays["at"]
    for i, blob in enumerate(row["blobs"]):
        if blob["name"] in row["order_sensitive"]:
            continue
        got = blobs[blob["name"]]
        assert got.shape == tuple(blob["shape"])
        expected = np.concatenate([first[i][: min(16, got.size)], at[i]])
        assert np.abs(sampled(got, blob["name"]) - expected).max() <= 1e-5 * blob["absmax"], blob["name"]
