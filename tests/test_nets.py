"""The networks of the zoo: their figures to the digit, what is written of them, and what they refuse."""

from __future__ import annotations

import pytest
from netgen.nets import MODULES

import netgen
from tests.figures import FIGURES, Figure


@pytest.mark.parametrize("figure", FIGURES, ids=str)
def test_it_counts_what_was_published(figure: Figure) -> None:
    report = netgen.analyze(netgen.build(figure.net, **figure.arguments))
    totals = report.totals()
    assert (totals["weights"], totals["macs"]) == (figure.weights, figure.macs)
    assert {name: report.blobs[name][1:] for name in figure.shapes} == figure.shapes
    assert not report.uncounted


def test_every_network_has_figures() -> None:
    assert {figure.net for figure in FIGURES} == set(MODULES)
