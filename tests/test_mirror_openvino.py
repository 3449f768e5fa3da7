"""OpenVINO's layers in the mirror, against plain loops after its reference implementations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netgen
from tests.mirrors import mirror_of

torch: Any = pytest.importorskip("torch")

Array = np.ndarray[Any, np.dtype[Any]]

# PriorBoxClustered

WIDTHS, HEIGHTS = (11.33, 200.0, 3.0), (34.07, 5.0, 90.0)
SIDES = " ".join(f"width: {width} height: {height}" for width, height in zip(WIDTHS, HEIGHTS, strict=True))


def priors(
    positions: tuple[int, int],
    image: tuple[int, int],
    step: tuple[float, float],
    variance: tuple[float, ...],
    offset: float,
    *,
    clip: bool,
) -> Array:
    """Steps and sizes are of height and width."""
    rows: list[list[float]] = [[], []]
    for y in range(positions[0]):
        for x in range(positions[1]):
            for width, height in zip(WIDTHS, HEIGHTS, strict=True):
                middle = (x + offset) * step[1], (y + offset) * step[0]
                corners = [
                    (middle[0] - width / 2) / image[1],
                    (middle[1] - height / 2) / image[0],
                    (middle[0] + width / 2) / image[1],
                    (middle[1] + height / 2) / image[0],
                ]
                rows[0] += [min(max(each, 0.0), 1.0) if clip else each for each in corners]
                rows[1] += variance if len(variance) == 4 else variance * 4
    return np.array(rows)[None]


@pytest.mark.parametrize(
    ("fields", "step", "variance", "offset", "clip"),
    [
        ("", (64 / 4, 80 / 5), (0.1,), 0.5, False),
        ("clip: true flip: true min_size: 7", (16, 16), (0.1,), 0.5, True),
        ("variance: 0.3 offset: 0", (16, 16), (0.3,), 0, False),
        ("step: 12.5 variance: [0.1, 0.2, 0.3, 0.4]", (12.5, 12.5), (0.1, 0.2, 0.3, 0.4), 0.5, False),
        ("step: 12.5 step_w: 3", (12.5, 3), (0.1,), 0.5, True),
        # Either step keeps the image's size by the map's away from the other.
        ("step_h: 8", (8, 0), (0.1,), 0.5, False),
        ("img_size: 0 img_h: 0 step: 0", (16, 16), (0.1,), 0.5, False),
    ],
)
def test_clustered_priors(fields: str, step: Any, variance: Any, offset: float, clip: bool) -> None:
    fields += " clip: true" if clip and "clip" not in fields else ""
    layer = f'type: "PriorBoxClustered" prior_box_param {{ {SIDES} {fields} }}'
    top = mirror_of(layer, (2, 8, 4, 5), (2, 3, 64, 80))(torch.zeros(2, 8, 4, 5), torch.zeros(2, 3, 64, 80))
    expected = priors((4, 5), (64, 80), step, variance, offset, clip=clip)
    assert top.shape == expected.shape == (1, 2, 240)
    # A rounding to float32, of numbers up to 3.
    np.testing.assert_allclose(top.numpy(), expected, rtol=6e-8)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("img_size: 300", "img_size has no mirror, as OpenVINO's releases differ about it; remove it"),
        ("img_w: 300", "img_w has no mirror, as OpenVINO's releases differ about it; remove it"),
        ("variance: 1 variance: 2", "variance must be given once, or 4 times, got 2 values"),
    ],
)
def test_priors_that_no_one_knows(fields: str, message: str) -> None:
    with pytest.raises(netgen.NetgenError) as error:
        mirror_of(f'type: "PriorBoxClustered" prior_box_param {{ {SIDES} {fields} }}', (1, 8, 4, 5), (1, 3, 64, 80))
    assert str(error.value) == f"layer 'it' (PriorBoxClustered): {message}"


# CTCGreedyDecoder


def decoded(scores: Array, marks: Array, *, merge: bool) -> Array:
    steps, number, classes = scores.shape
    top = np.full((number, steps, 1, 1), -1.0)
    for n in range(number):
        said, before = 0, -1
        for t in range(steps):
            if marks[t, n] == 0:
                break
            label = int(max(range(classes), key=lambda c: (scores[t, n, c], -c)))
            if label != classes - 1 and not (merge and label == before):
                top[n, said] = label
                said += 1
            before = label
    return top


@pytest.mark.parametrize(("fields", "merge"), [("", True), ("ctc_decoder_param { ctc_merge_repeated: false }", False)])
@pytest.mark.parametrize("axes", [2, 4])
def test_greedy_labels(fields: str, merge: bool, axes: int) -> None:
    rng = np.random.default_rng(0)
    # Of few values, so that steps have several best labels, and say the same as the one before.
    scores = rng.integers(0, 4, (30, 6, 4)).astype(np.float32)
    marks = (rng.random((30, 6)) < 0.97).astype(np.float32)
    marks[0], marks[:, 5] = 1, 1
    shape = (30, 6, 1, 1)[:axes]
    mirror = mirror_of(f'type: "CTCGreedyDecoder" {fields}', (30, 6, 4), shape)
    top = mirror(torch.from_numpy(scores), torch.from_numpy(marks.reshape(shape))).numpy()
    expected = decoded(scores, marks, merge=merge)
    np.testing.assert_array_equal(top, expected)
    assert len({int((row == -1).sum()) for row in expected}) > 2
    assert not np.array_equal(expected, decoded(scores, marks, merge=not merge))


def test_a_blank_parts_what_repeats() -> None:
    scores = torch.eye(3)[[0, 0, 2, 0, 1, 1, 2]][:, None]
    top = mirror_of('type: "CTCGreedyDecoder"', (7, 1, 3), (7, 1))(scores, torch.ones(7, 1))
    assert top.flatten().tolist() == [0, 0, 1, -1, -1, -1, -1]


def test_a_sequence_that_does_not_begin_is_refused() -> None:
    marks = torch.ones(4, 3)
    marks[0, 1] = 0
    with pytest.raises(netgen.NetgenError) as error:
        mirror_of('type: "CTCGreedyDecoder"', (4, 3, 5), (4, 3))(torch.zeros(4, 3, 5), marks)
    assert str(error.value) == (
        "layer 'it' (CTCGreedyDecoder): the first mark of each sequence must not be 0, got 0 for sequence 1, of which "
        "OpenVINO's releases make different labels; set it to 1"
    )
