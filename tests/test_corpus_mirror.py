"""Real files in the mirror: each whose shapes are known is built and run on torch's device without memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

pytest.importorskip("torch")

import netgen
from netgen.analysis import analyze_as_far_as_possible
from netgen.mirror import checking

Case = tuple[str, netgen.Net, str, dict[str, tuple[int, ...]] | None]


@pytest.fixture(autouse=True)
def _no_pass_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "_timed", lambda found, *_, **__: found)


def shaped(paths: Sequence[Path]) -> Iterator[Case]:
    """Every file and phase that has its shapes with nothing given."""
    for path in paths:
        try:
            net = netgen.load(path)
        except netgen.NetgenError:
            continue
        for phase in ("TEST", "TRAIN"):
            if not analyze_as_far_as_possible(net, phase).error:
                yield path.name, net, phase, None


def given(shared: Path) -> Iterator[Case]:
    """Those whose data layers were given sizes when Caffe ran them."""
    truth = json.loads((shared / "truth" / "nets" / "shapes_given_inputs.json").read_text(encoding="utf-8"))
    for name, phases in truth.items():
        for phase, each in phases.items():
            inputs = {blob: tuple(shape) for blob, shape in each["inputs"].items()}
            yield name, netgen.load(shared / "corpus" / "caffe" / name), phase, inputs


def refused(cases: Iterator[Case]) -> tuple[int, dict[str, str]]:
    """How many there are, and what is said of those that have no mirror or a mirror of other shapes or counts."""
    number, found = 0, {}
    for name, net, phase, inputs in cases:
        number += 1
        try:
            differences = checking.check(net, phase, inputs).differences
        except netgen.NetgenError as error:
            differences = (str(error),)
        if differences:
            found[f"{name} {phase}"] = differences[0]
    return number, found


def test_every_file_with_shapes_has_a_mirror_of_the_same_shapes_and_counts(shared: Path) -> None:
    # An eighth of them; the whole, 442 files and phases, takes a minute.
    number, found = refused(shaped(sorted((shared / "corpus" / "caffe").iterdir())[::8]))
    assert found == {}
    assert number >= 64


def test_every_file_that_caffe_ran_with_sizes_given_has_one(shared: Path) -> None:
    assert refused(given(shared)) == (101, {})


def check(net: netgen.Net) -> tuple[str, ...]:
    return checking.check(net).differences


def test_layers_that_look_at_values_run_without_any() -> None:
    net = netgen.Net().dummy_data(name="d", shape=[4, 3, 8, 8], data_filler="gaussian")
    assert check(net.conv(2, 3)) == ()
    assert check(netgen.Net().input(5, 2).embed(num_output=3, input_dim=7)) == ()
    images = netgen.Net().input(4, 3, 8, 8, name="images").input((2,), name="rows")
    assert check(images.batch_reindex(["images", "rows"])) == ()
