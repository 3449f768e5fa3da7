"""Building, writing and reading PeleeNet beside protobuf's text format, and how it grows to 100,000 layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from google.protobuf import text_format

import netgen
from benchmarks.timing import cpu_seconds, in_turns, peak_memory
from netgen.message import to_message
from netgen.proto import caffe_pb2


def run(smoke: bool) -> None:
    """Print the figures."""
    net = netgen.build("peleenet")
    text, message, layers = net.to_prototxt(), to_message(net), len(net.layers)
    medians = in_turns(
        {
            "build": lambda: netgen.build("peleenet"),
            "write": net.to_prototxt,
            "MessageToString": lambda: text_format.MessageToString(message),
            "read": lambda: netgen.parse_prototxt(text),
            "text_format.Parse": lambda: text_format.Parse(text, caffe_pb2.NetParameter()),
        },
        runs=2 if smoke else 15,
    )
    print(f"PeleeNet, {layers} layers, us a layer:")
    for name, seconds in medians.items():
        print(f"  {name:<18}{seconds / layers * 1e6:8.1f}")
    print(f"  writing is {medians['MessageToString'] / medians['write']:.1f} times as fast as MessageToString")
    print(f"  reading is {medians['text_format.Parse'] / medians['read']:.1f} times as fast as text_format.Parse")
    _growth(1_000, 10_000 if smoke else 100_000)


def chain(layers: int) -> netgen.Net:
    """A net of convolutions, each with its BatchNorm, Scale and ReLU."""
    net = netgen.Net("chain").input(1, 16, 32, 32)
    for i in range((layers - 1) // 4):
        net.conv(16, 3, name=f"conv{i}").bn(scale=True).relu()
    return net


def _growth(small: int, large: int) -> None:
    """Time a layer at both sizes, each step on its own; the small one repeated to last as long."""
    print(f"growth, us a layer at {small:,} and at {large:,} layers:")
    nets = {size: chain(size) for size in (small, large)}
    texts = {size: net.to_prototxt() for size, net in nets.items()}
    steps: dict[str, Callable[[int], object]] = {
        "build": chain,
        "write": lambda size: nets[size].to_prototxt(),
        "read": lambda size: netgen.parse_prototxt(texts[size]),
    }
    for name, step in steps.items():
        few, many = (min(cpu_seconds(partial(_repeat, step, size, large // size)) for _ in range(3)) for size in nets)
        print(f"  {name:<18}{few / large * 1e6:8.1f}{many / large * 1e6:8.1f}   ratio {many / few:.2f}")
    code = (
        f"from benchmarks.text import chain\nimport netgen\ntext = chain({large}).to_prototxt()\n"
        "net = netgen.parse_prototxt(text)"
    )
    seconds, mebibytes = peak_memory(code)
    print(f"  built, written and read once, {large:,} layers: {seconds:.1f} s, peak memory {mebibytes:.0f} MiB")


def _repeat(step: Callable[[int], object], size: int, times: int) -> None:
    for _ in range(times):
        step(size)
