"""The memory of the activations against a slow simulation that follows every blob by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import netgen

if TYPE_CHECKING:
    from netgen.analysis import Analysis


def simulated(analysis: Analysis) -> tuple[int, list[int]]:
    """What Caffe holds, and what is alive at each layer: each buffer while a blob in it waits for its last reader.

    A blob that nobody reads is an output, and waits for the end. Only for nets without ``input:`` fields.
    """
    buffers: list[int] = []
    now: dict[str, list[int]] = {}
    blobs: list[list[int]] = []  # the buffer, the layer that makes it, the last that reads it (-1: none)
    for step, shaped in enumerate(analysis.layers):
        layer = shaped.layer
        read = [now[name] for name in layer.bottoms]
        for blob in read:
            blob[2] = step
        for name, shape in zip(layer.tops, shaped.tops, strict=True):
            if shaped.kind.shares_memory and read:
                buffer = read[0][0]
            elif name in layer.bottoms:
                buffer = now[name][0]
            else:
                buffer = len(buffers)
                size = 4
                for dim in shape:
                    size *= dim
                buffers.append(size)
            now[name] = [buffer, step, -1]
            blobs.append(now[name])
    live = []
    for step in range(len(analysis.layers)):
        alive = {buffer for buffer, first, last in blobs if first <= step and (last < 0 or step <= last)}
        live.append(sum(buffers[buffer] for buffer in alive))
    return sum(buffers), live


def test_an_output_stays_though_others_read_its_memory() -> None:
    # out is the flattened a, 256 values; c reads a itself, which is last read before d.
    net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="a").flatten(name="out").conv(4, 3, name="c", bottom="a")
    net.conv(4, 3, name="d")
    memory = netgen.analyze(net).memory
    assert memory.live == tuple(4 * each for each in (192, 192 + 256, 256, 2 * 256, 3 * 256))
    assert (memory.peak, memory.peak_layer) == (4 * 3 * 256, "d")


def test_random_nets(shared: Path) -> None:
    nets = {path.name: netgen.load(path) for path in (shared / "truth" / "nets" / "random").glob("*.prototxt")}
    nets = {name: net for name, net in nets.items() if not net.inputs}
    assert len(nets) > 100
    for name, net in nets.items():
        analysis = netgen.analyze(net)
        memory = analysis.memory
        held, live = simulated(analysis)
        assert (memory.held, list(memory.live)) == (held, live), name
        assert memory.peak == max(live)
