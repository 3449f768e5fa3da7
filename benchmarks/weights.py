"""Reading and writing the weights of VGG-16, a ``.caffemodel`` of 553 MB, beside google.protobuf."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import netgen
from netgen.weights import split_key

STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


def vgg16(divisor: int = 1) -> netgen.Net:
    """VGG-16 (Simonyan and Zisserman, 2014), 138,357,544 weights, or with a fraction of its channels."""
    net = netgen.Net("VGG16").input(1, 3, 224, 224)
    for stage, (layers, channels) in enumerate(STAGES, 1):
        for i in range(1, layers + 1):
            net.conv(channels // divisor, 3, name=f"conv{stage}_{i}", bias_term=True, weight_filler="msra").relu()
        net.pool(2, 2, name=f"pool{stage}")
    for name, outputs in (("fc6", 4096 // divisor), ("fc7", 4096 // divisor), ("fc8", 1000)):
        net.fc(outputs, name=name, weight_filler="msra")
    return net


RUNS = {"read": 5, "write": 5, "plain write": 5, "protobuf reads": 1, "protobuf writes": 1}


def run(smoke: bool) -> None:
    """Print the figures, each step in a process of its own, the file in the page cache."""
    divisor = 16 if smoke else 1
    with tempfile.TemporaryDirectory(prefix="netgen-weights-") as folder:
        path = str(Path(folder) / "vgg16.caffemodel")
        _child("make", path, divisor)
        size = os.path.getsize(path)
        print(f"VGG-16's weights{' divided by 16' if smoke else ''}, {size / 1e6:.0f} MB:")
        for name, runs in RUNS.items():
            measured = [_child(name, path, divisor) for _ in range(1 if smoke else runs)]
            wall, cpu, _ = map(median, zip(*measured, strict=True))
            peak = max(each[2] for each in measured)
            print(
                f"  {name:<16}{wall:8.3f} s on the wall, {size / wall / 1e6:6.0f} MB/s,{cpu:8.3f} s of CPU time, "
                f"peak memory {peak / size:5.2f} times the file"
            )


def _child(name: str, path: str, divisor: int) -> list[float]:
    """Seconds on the wall, of CPU time, and peak memory in bytes of one step in a process of its own."""
    code = f"from benchmarks import weights; weights.step({name!r}, {path!r}, {divisor})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def step(name: str, path: str, divisor: int) -> None:
    """Do one of the steps, and print its seconds and the peak memory of the process so far, in bytes."""
    import resource

    net, new = vgg16(divisor), f"{path}.new.caffemodel"
    weights = netgen.fill_weights(net) if name in ("make", "write", "protobuf writes") else {}
    data = Path(path).read_bytes() if name == "plain write" else b""
    work: dict[str, Callable[[], object]] = {
        "make": lambda: netgen.save_weights(weights, path, net),
        "read": lambda: _read(net, path),
        "write": lambda: netgen.save_weights(weights, new, net),
        "plain write": lambda: Path(new).write_bytes(data),
        "protobuf reads": lambda: _read_by_protobuf(path),
        "protobuf writes": lambda: _write_by_protobuf(net, weights, new),
    }
    Path(new).unlink(missing_ok=True)  # so that all begin alike: an old file's room is free only afterwards
    start, before = time.perf_counter(), time.process_time()
    work[name]()
    wall, cpu = time.perf_counter() - start, time.process_time() - before
    print(wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def _read(net: netgen.Net, path: str) -> object:
    """All values are looked at: match_weights tells of those that are not finite."""
    notes: list[str] = []
    return netgen.match_weights(netgen.expected_weights(net), netgen.load_weights(path), notes=notes)


def _read_by_protobuf(path: str) -> dict[str, Any]:
    import numpy as np

    from netgen.proto import caffe_pb2

    message = caffe_pb2.NetParameter.FromString(Path(path).read_bytes())
    return {
        f"{layer.name}:{i}": np.fromiter(blob.data, np.float32, len(blob.data)).reshape(tuple(blob.shape.dim))
        for layer in message.layer
        for i, blob in enumerate(layer.blobs)
    }


def _write_by_protobuf(net: netgen.Net, weights: Mapping[str, Any], path: str) -> None:
    from netgen.message import to_message

    message = to_message(net)
    layers = {layer.name: layer for layer in message.layer}
    for key, array in weights.items():
        blob = layers[split_key(key)[0]].blobs.add()
        blob.shape.dim.extend(array.shape)
        blob.data.extend(array.flat)
    Path(path).write_bytes(message.SerializeToString())
