"""The table of layer types: a row says what one layer of a type gives for bottoms of given shapes, and why.

A module here for each family in ``netgen/layers``. Every type has a row; ``tests/test_contract.py`` runs them all.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cases.case import Case

CASES: list[Case] = [
    case
    for module in iter_modules(__path__)
    if module.name != "case"
    for case in import_module(f"{__name__}.{module.name}").CASES
]
