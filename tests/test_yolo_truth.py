"""The losses of MobileNet-YOLO against what the fork's own functions gave.

Forward_cpu, Backward_cpu and the boxes' functions of its last release were compiled by themselves, for float, and run on
a head and boxes of all kinds: two in a place, none, past an edge, wider than the image.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.truth import apart
from tests.yolo_heads import passed

TRUTH = np.load(Path(__file__).with_name("data") / "yolo_losses.npz")
CASES: list[tuple[str, str, dict[str, Any]]] = json.loads(str(TRUTH["cases"]))


def test_there_are_cases() -> None:
    assert len(CASES) == 24
    assert {fields.get("iou_loss") for _, _, fields in CASES} == {None, "MSE", "IOU", "GIOU", "DIOU", "CIOU"}


@pytest.mark.parametrize("number", range(len(CASES)))
def test_value_and_gradient(number: int) -> None:
    type_, name, fields = CASES[number]
    value, grad = passed(type_, (TRUTH[f"head:{name}"], TRUTH[f"boxes:{name}"]), **fields)
    assert value == pytest.approx(float(TRUTH[f"value:{number}"]), rel=1e-5)
    # Single precision: the slopes are differences of products, over squares of areas.
    assert apart(TRUTH[f"grad:{number}"], grad) < 1e-6
