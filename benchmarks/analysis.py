"""Shapes, weights and cost of PeleeNet and YOLOv3 beside the tools that count a torch module's."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import netgen
from benchmarks.timing import cpu_seconds, in_turns
from netgen.kinds import forget
from netgen.shapes import infer_shapes

PEERS = ("torch", "fvcore", "ptflops", "torchinfo")


def run(smoke: bool) -> None:
    """Print the figures; peers that are not installed are named and left out."""
    from netgen.nets import MODULES

    missing = [name for name in PEERS if find_spec(name) is None]
    _beside_peers("PeleeNet", netgen.build("peleenet"), 224, missing, runs=2 if smoke else 11)
    if "yolov3" in MODULES:
        size = 64 if smoke else 416
        net = netgen.build("yolov3", size=size, upsample="Upsample")
        _beside_peers("YOLOv3", net, size, missing, runs=1 if smoke else 5)
    else:
        print("YOLOv3 is not measured: netgen.build has no yolov3")
    if missing:
        print(f"not installed, so not measured: {', '.join(missing)} (pip install '.[bench]' with constraints)")
    _growth(1_000, 10_000 if smoke else 100_000)


def _beside_peers(name: str, net: netgen.Net, size: int, missing: list[str], runs: int) -> None:
    text = net.to_prototxt()
    ours: dict[str, Callable[[], object]] = {
        "netgen, first": lambda: netgen.analyze(net).totals(),
        "netgen, again": lambda: netgen.analyze(net).totals(),
        "netgen, read and first": lambda: netgen.analyze(netgen.parse_prototxt(text)).totals(),
    }
    macs = netgen.analyze(net).totals()["macs"]
    peers = {} if "torch" in missing else _peers(f"benchmarks.torch_{name.lower()}", size, macs, missing)
    first = {each: forget for each in ours if each != "netgen, again"}
    medians = in_turns({**ours, **peers}, runs, before=first)
    print(f"{name}'s shapes, weights and cost, {len(net.layers)} layers, ms:")
    for each, seconds in medians.items():
        print(f"  {each:<23}{seconds * 1e3:8.1f}")
    if peers:
        fastest = min(peers, key=medians.__getitem__)
        for each in ours:
            print(f"  {each} is {medians[fastest] / medians[each]:.1f} times as fast as the fastest peer, {fastest}")


def _peers(module_name: str, size: int, macs: int, missing: list[str]) -> dict[str, Callable[[], object]]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    torch.set_num_threads(1)
    build = getattr(import_module(module_name), module_name.rpartition("_")[2])
    module, image = build(), torch.zeros(1, 3, size, size)
    # Without data: slower where the layers are many and small, faster where they are large.
    bare, bare_image = build().to("meta"), image.to("meta")

    def flop_counter(module: Any, image: Any) -> int:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(image)
        return int(counter.get_total_flops())

    assert flop_counter(module, image) == flop_counter(bare, bare_image) == 2 * macs
    peers: dict[str, Callable[[], Any]] = {
        "FlopCounterMode": lambda: flop_counter(module, image),
        "FlopCounterMode, meta": lambda: flop_counter(bare, bare_image),
    }
    if "fvcore" not in missing:
        from fvcore.nn import FlopCountAnalysis

        peers["fvcore"] = lambda: FlopCountAnalysis(module, image).unsupported_ops_warnings(False).total()
    if "ptflops" not in missing:
        from ptflops import get_model_complexity_info

        peers["ptflops"] = lambda: get_model_complexity_info(
            module, (3, size, size), print_per_layer_stat=False, as_strings=False, ost=io.StringIO()
        )
    if "torchinfo" not in missing:
        from torchinfo import summary

        peers["torchinfo"] = lambda: summary(module, (1, 3, size, size), verbose=0)
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
