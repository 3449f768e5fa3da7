"""``netgen.lint``: what Caffe accepts and people regret. The rules are in one file per matter, each with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from netgen.errors import NetgenError
from netgen.linting.registry import RULES, Finding, chosen
from netgen.linting.sites import Sites
from netgen.shapes import given_shapes, walk_layers
from netgen.wiring import State

if TYPE_CHECKING:
    from netgen.graph import Graph
    from netgen.weights import Array

__all__ = ["RULES", "Finding", "chosen", "lint", "lint_as_far_as_possible"]

# Each registers its rules in RULES, in the order in which --list-rules names them.
for _name in ("pooling", "norms", "wires", "files", "consumers"):
    import_module(f"netgen.linting.{_name}")


def lint(
    net: Graph,
    phase: str = "TEST",
    inputs: Mapping[str, Sequence[int]] | None = None,
    *,
    stages: Iterable[str] = (),
    level: int = 0,
    ignore: Iterable[str] = (),
    weights: Mapping[str, Array] | None = None,
) -> list[Finding]:
    """What is doubtful in one phase of a net that Caffe accepts, in the order of its layers.

    ``inputs`` as for ``analyze``; ``ignore`` names rules; ``weights`` by ``layer:index`` are looked at too, where they
    are given. Raises NetgenError naming the layer that Caffe would refuse.

    >>> import netgen
    >>> net = netgen.Net().input(1, 3, 112, 112).pool(3, 2, name="p")
    >>> [finding.rule for finding in lint(net)], lint(net, ignore=["pooling-overhang"])
    (['pooling-overhang'], [])
    """
    findings, error = lint_as_far_as_possible(
        net, phase, inputs, stages=stages, level=level, ignore=ignore, weights=weights
    )
    if error:
        raise NetgenError(error)
    return findings


def lint_as_far_as_possible(
    net: Graph,
    phase: str = "TEST",
    inputs: Mapping[str, Sequence[int]] | None = None,
    *,
    stages: Iterable[str] = (),
    level: int = 0,
    ignore: Iterable[str] = (),
    weights: Mapping[str, Array] | None = None,
) -> tuple[list[Finding], str]:
    """The same, and the refusal of the first layer that is refused, or ''; rules about shapes know those before it."""
    checks = chosen(ignore)
    state = State(phase, level, stages)
    given = given_shapes(net, state, inputs)
    sites = Sites(net, state, weights)
    error = ""
    try:
        sites.take_shapes(walk_layers(net, state, given))
    except NetgenError as refusal:
        error = str(refusal)
    found = [(site, Finding(name, site.layer if site else None, message))
             for name, check in checks.items() for site, message in check(sites)]  # fmt: skip
    found.sort(key=lambda pair: pair[0].index if pair[0] else -1)
    return [finding for _, finding in found], error
