"""What the tests of sweeps share."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., tuple[int, str]]
"""Runs a sweep of the words given: exit code and standard error."""


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
