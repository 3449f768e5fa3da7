"""Broken, damaged and hostile texts: a NetgenError or success, never another exception, never a hang."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.test_upgrade import PADDING, load_or_refusal

# Broken and hostile texts

SAMPLES = (
    PADDING + 'layers { layer { name: "c" type: "conv" num_output: 2 kernelsize: 5 } bottom: "xp" top: "c" }',
    'layers { name: "c" type: CONVOLUTION blobs_lr: 1 convolution_param { num_output: 2 kernel_size: 3 } mine { a: 1 } }',
    'layer { name: "c" type: "Pooling" bottom: "x" top: "c" pooling_param { pool: MAX kernel_h: 3 } }\n' * 3,
    'net: "x.prototxt"\nbase_lr: 0.1\nsolver_type: ADAM\nstepvalue: 3 stepvalue: 4\n',
)


def damaged(data: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.4:
        return data[: rng.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 6)):
        changed[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(changed)


def loads(path: Path, data: bytes) -> bool:
    """Whether a file with this content loads; any exception but a NetgenError goes on to the test."""
    path.write_bytes(data)
    net, error = load_or_refusal(path)
    assert net is not None or error.startswith(str(path))
    assert max([len(error), *(len(note) for note in (net.notes if net else ()))]) < 2000
    return net is not None


def test_damaged_texts_are_read_or_refused(tmp_path: Path) -> None:
    rng = random.Random(20140)
    loaded = [loads(tmp_path / "n.prototxt", damaged(rng.choice(SAMPLES).encode(), rng)) for _ in range(600)]
    assert 20 < sum(loaded) < 580


def test_damaged_files_are_read_or_refused(shared: Path, tmp_path: Path) -> None:
    paths = [each for kind in ("caffe", "solver") for each in sorted((shared / "corpus" / kind).iterdir())]
    files = [data for data in (path.read_bytes() for path in paths) if 0 < len(data) < 12_000]
    rng = random.Random(20140)
    loaded = [loads(tmp_path / "n.prototxt", damaged(rng.choice(files), rng)) for _ in range(900)]
    assert 20 < sum(loaded) < 850


@pytest.mark.parametrize(
    "text",
    [
        "layer { " * 10_000,
        "layers { layer { x { " * 10_000,
        "layers { type: RELU " + "x { " * 10_000 + "} " * 10_001,
        "layers { layer { type: 'conv' " + "x < " * 10_000 + "> " * 10_000 + "} }",
        "net_param { layers { " + "x { " * 10_000 + "} " * 10_002,
    ],
    ids=["V2", "V0", "V1-unknown", "V0-unknown", "solver"],
)
def test_deep_nesting_ends_well(text: str, tmp_path: Path) -> None:
    loads(tmp_path / "deep.prototxt", text.encode())


V1_LINE = 'layers { name: "a" type: CONVOLUTION bottom: "a" top: "b" convolution_param { num_output: 3 } } '


@pytest.mark.parametrize(
    "text",
    [
        V1_LINE * (10_000_000 // len(V1_LINE)),
        'name: "' + "a" * 10_000_000 + '"',
        "input_dim: " + "1" * 10_000_000,
        "mine: 1 " * 200_000,
        "".join(f"mine{i}: 1 " for i in range(20_000)),
        "layer { }" + " " * 10_000_000,
        "layer { }" + "a" * 10_000_000,
        'name: "' + "a" * 10_000_000,
        "a" * 10_000_000 + ": 1",
        "layer { pool: " + "a" * 10_000_000 + " pooling_param { pool: " + "a" * 10_000_000 + " } }",
        'input: "' + "a b" * 3_000_000 + '" input_dim: 1',
    ],
    ids=["V1", "string", "number", "unknown", "strange", "blanks", "word", "open-string", "field", "value", "input"],
)
def test_megabytes_on_one_line_take_seconds(text: str, tmp_path: Path) -> None:
    start = time.monotonic()
    loads(tmp_path / "long.prototxt", text.encode())
    # 1 to 3 s where measured; a quadratic step would take hours.
    assert time.monotonic() - start < 60
