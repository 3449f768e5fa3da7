"""The PyTorch mirror beside the same networks written by hand in torch, and beside OpenCV's DNN module."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

import netgen
from benchmarks.timing import Work, in_turns

_MATRIX = 8192


class Subject(NamedTuple):
    """A network that stands here twice."""

    name: str
    by_hand: Callable[[], Any]
    size: int


def run(smoke: bool) -> None:
    """Print the times on the CPU, one thread each, and on a GPU where there is one."""
    if find_spec("torch") is None:
        print("torch is not installed: the mirror is not measured")
        return
    import torch

    from benchmarks.torch_peleenet import peleenet
    from benchmarks.torch_yolov3 import darknet53

    torch.set_num_threads(1)
    subjects = [
        Subject("peleenet", peleenet, 64 if smoke else 224),
        Subject("darknet53", darknet53, 64 if smoke else 256),
    ]
    for subject in subjects:
        _on_the_cpu(subject, runs=1 if smoke else 15)
    if torch.cuda.is_available():
        for subject in subjects:
            for batch in (1, 64):
                _on_a_gpu(subject, batch)
    else:
        print("no GPU: the mirror is measured on the CPU alone")


def _on_the_cpu(subject: Subject, runs: int) -> None:
    import torch

    net = netgen.build(subject.name, size=subject.size)
    weights = _weights(net)
    image = torch.randn(1, 3, subject.size, subject.size, generator=torch.Generator().manual_seed(0))
    by_hand = subject.by_hand()
    mirror = netgen.to_torch(net, weights=weights)
    optimised = netgen.to_torch(net, weights=weights, optimize=True)
    with torch.no_grad():
        expected = mirror(image)
        assert (optimised(image) - expected).abs().max() <= 1e-4 * expected.abs().max()
    peers: dict[str, Work] = {
        "by hand, eager": lambda: by_hand(image),
        "mirror": lambda: mirror(image),
        "mirror, optimised": lambda: optimised(image),
    }
    if find_spec("cv2"):
        peers["OpenCV's DNN"] = _opencv(net, weights, image.numpy(), expected.numpy())
    with torch.inference_mode():
        medians = in_turns(peers, runs)
    print(f"{subject.name} at {subject.size}, one image, one thread, ms:")
    for name, seconds in medians.items():
        print(f"  {name:<20}{seconds * 1e3:8.1f}{seconds / medians['by hand, eager']:8.2f} of by hand")


def _weights(net: netgen.Net) -> Any:
    from netgen.mirror.calibration import calibrate

    return calibrate(net, netgen.fill_weights(net))


def _opencv(net: netgen.Net, weights: Any, image: Any, expected: Any) -> Work:
    import cv2

    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        prototxt, model = os.path.join(folder, "net.prototxt"), os.path.join(folder, "net.caffemodel")
        net.save(prototxt)
        netgen.save_weights(weights, model, net)
        dnn = cv2.dnn.readNetFromCaffe(prototxt, model)

    def forward() -> Any:
        dnn.setInput(image)
        return dnn.forward()

    assert np.abs(forward().reshape(expected.shape) - expected).max() <= 1e-4 * np.abs(expected).max()
    return forward


def _on_a_gpu(subject: Subject, batch: int) -> None:
    """Milliseconds a pass, and the share of the matrix rate that a product of large matrices reaches in one type."""
    import torch

    net = netgen.build(subject.name, size=subject.size)
    weights = _weights(net)
    shape = (batch, 3, subject.size, subject.size)
    image = torch.randn(shape, device="cuda")
    macs = netgen.analyze(net, inputs={"data": shape}).totals()["macs"]
    given = {"weights": weights, "inputs": {"data": shape}}
    runs = {
        "by hand, eager": subject.by_hand().cuda(),
        "mirror": netgen.to_torch(net, **given).cuda(),
        "mirror, optimised": netgen.to_torch(net, **given, optimize=True).cuda(),
        "mirror, optimised, half": netgen.to_torch(net, **given, optimize=True, half=True).cuda(),
    }
    print(f"{subject.name} at {subject.size}, batch {batch}, {torch.cuda.get_device_name()}:")
    with torch.inference_mode():
        for name, module in runs.items():
            milliseconds = _gpu_milliseconds(partial(module, image))
            rate = _matrix_rate(torch.float16 if name.endswith("half") else torch.float32)
            share = 2 * macs / (milliseconds * 1e-3) / rate
            print(f"  {name:<24}{milliseconds:8.3f} ms{share:8.1%} of {rate / 1e12:.0f} TFLOP/s measured")


def _gpu_milliseconds(work: Work, runs: int = 20) -> float:
    import torch

    cuda: Any = torch.cuda
    for _ in range(5):
        work()
    begin, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(runs):
        work()
    end.record()
    cuda.synchronize()
    return float(begin.elapsed_time(end)) / runs


def _matrix_rate(kind: Any) -> float:
    """Operations a second of a product of two square matrices on the GPU."""
    import torch

    matrix = torch.randn(_MATRIX, _MATRIX, device="cuda", dtype=kind)
    return 2 * _MATRIX**3 / (_gpu_milliseconds(lambda: matrix @ matrix) * 1e-3)
