"""Shapes, weights and cost of PeleeNet beside the tools that count a torch module's."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import netgen
from benchmarks.timing import cpu_seconds, in_turns
from netgen.shapes import forget, infer_shapes

PEERS = ("torch", "fvcore", "ptflops", "torchinfo")


def run(smoke: bool) -> None:
    """Print the figures; peers that are not installed are named and left out."""
    net = netgen.build("peleenet")
    text = net.to_prototxt()

    def first_time() -> object:
        forget()
        return netgen.analyze(net).totals()

    ours: dict[str, Callable[[], object]] = {
        "netgen, first time": first_time,
        "netgen, again": lambda: netgen.analyze(net).totals(),
        "netgen, read": lambda: netgen.analyze(netgen.parse_prototxt(text)).totals(),
    }
    missing = [name for name in PEERS if find_spec(name) is None]
    peers = {} if "torch" in missing else _peers(missing)
    medians = in_turns({**ours, **peers}, runs=2 if smoke else 11)
    print("PeleeNet's shapes, weights and cost, ms:")
    for name, seconds in medians.items():
        print(f"  {name:<22}{seconds * 1e3:8.1f}")
    if peers:
        fastest = min(medians[name] for name in peers)
        for name in ours:
            print(f"  {name} is {fastest / medians[name]:.1f} times as fast as the fastest peer")
    if missing:
        print(f"  not installed, so not measured: {', '.join(missing)} (pip install '.[bench]' with constraints)")
    _growth(1_000, 10_000 if smoke else 100_000)


def _peers(missing: list[str]) -> dict[str, Callable[[], object]]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks.torch_peleenet import peleenet

    torch.set_num_threads(1)
    module, image = peleenet(), torch.zeros(1, 3, 224, 224)

    def flop_counter() -> int:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(image)
        return int(counter.get_total_flops())

    assert flop_counter() == 2 * netgen.analyze(netgen.build("peleenet")).totals()["macs"]
    peers: dict[str, Callable[[], Any]] = {"FlopCounterMode": flop_counter}
    if "fvcore" not in missing:
        from fvcore.nn import FlopCountAnalysis

        peers["fvcore"] = lambda: FlopCountAnalysis(module, image).unsupported_ops_warnings(False).total()
    if "ptflops" not in missing:
        from ptflops import get_model_complexity_info

        peers["ptflops"] = lambda: get_model_complexity_info(
            module, (3, 224, 224), print_per_layer_stat=False, as_strings=False, ost=io.StringIO()
        )
    if "torchinfo" not in missing:
        from torchinfo import summary

        peers["torchinfo"] = lambda: summary(module, (1, 3, 224, 224), verbose=0)
    return {name: _quiet(peer) for name, peer in peers.items()}


def _quiet(peer: Callable[[], Any]) -> Callable[[], object]:
    def quiet() -> object:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return peer()

    return quiet


def _growth(small: int, large: int) -> None:
    from benchmarks.text import chain

    nets = {size: chain(size) for size in (small, large)}
    few = min(cpu_seconds(lambda: [infer_shapes(nets[small]) for _ in range(large // small)]) for _ in range(3))
    many = min(cpu_seconds(lambda: infer_shapes(nets[large])) for _ in range(3))
    print(f"shapes, us a layer at {small:,} and at {large:,} layers:")
    print(f"  {few / large * 1e6:8.1f}{many / large * 1e6:8.1f}   ratio {many / few:.2f}")
