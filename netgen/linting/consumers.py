"""Rules about the programs that read Caffe files: what ``programs`` has a case for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netgen.linting.programs import CASES, DEPTHWISE, Case, with_versions
from netgen.linting.registry import Found, joined, rule

if TYPE_CHECKING:
    from netgen.linting.sites import Site, Sites


def _meant(net: Sites, case: Case) -> Iterator[list[Site]]:
    """The layers that are meant, those of each type apart: what is true of one is true of all, and is told once."""
    for name in case.types.split():
        sites = [site for site in net.of(name) if case.when(site)]
        if sites:
            yield sites


def _count(sites: list[Site]) -> str:
    return "" if len(sites) == 1 else f" ({len(sites)} layers here)"


def _refused(case: Case, sites: list[Site]) -> str:
    names = with_versions(case.refused_by)
    home = f", a type of {case.home}" if case.home else ""
    return f"{joined(names)} refuse{'s' if len(names) == 1 else ''} {case.what}{home}{_count(sites)}; {case.way_out}"


def _refusals(net: Sites, cases: tuple[Case, ...]) -> Iterator[tuple[Site, str]]:
    for case in cases:
        if case.refused_by:
            yield from ((sites[0], _refused(case, sites)) for sites in _meant(net, case))


@rule
def depthwise_spelling(net: Sites) -> Found:
    """A depthwise convolution written as a type of forks, where Convolution with group is read by all."""
    yield from _refusals(net, DEPTHWISE)


@rule
def consumers_refuse(net: Sites) -> Found:
    """A layer that some of the programs that read Caffe files refuse; asked of deploy nets alone, once for each case.

    Measured on OpenCV, MNN, OpenVINO's mo, caffe2onnx, X2Paddle and MMdnn.
    """
    if net.deployed:
        yield from _refusals(net, CASES)


@rule
def consumers_differ(net: Sites) -> Found:
    """A layer from which some of these programs compute something else than Caffe, without a word."""
    for case in CASES if net.deployed else ():
        if case.differs:
            yield from ((sites[0], f"{case.differs}{_count(sites)}; {case.way_out}") for sites in _meant(net, case))
