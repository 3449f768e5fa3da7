"""What a GPU needs to give Caffe's numbers: what can be tested without one is, the rest where there is one."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode

import netgen
from netgen.mirror import network, optimised
from netgen.mirror.calibration import calibrate
from netgen.mirror.precision import full_precision
from tests.test_mirror_truth import case_files, cases
from tests.truth import weights_of

on_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="PyTorch finds no GPU")


def chosen() -> tuple[Any, ...]:
    """What decides about TensorFloat-32, by operator."""
    backends: Any = torch.backends
    return tuple(owner.fp32_precision for owner in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn))


def blob(*, is_cuda: bool) -> Any:
    return SimpleNamespace(is_cuda=is_cuda)


@pytest.fixture
def tensorfloat() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.usefixtures("tensorfloat")
def test_products_on_a_gpu_are_of_float32_and_the_choice_is_back_after_them() -> None:
    before = chosen()
    assert "tf32" in before
    with full_precision([blob(is_cuda=False)]):
        assert chosen() == before
    with full_precision([blob(is_cuda=False), blob(is_cuda=True)]):
        assert chosen() == ("ieee", "ieee", "ieee")
    assert chosen() == before


def test_a_mirror_asks_for_it_in_phase_test(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def asking(blobs: Any) -> AbstractContextManager[None]:
        asked.append(len(list(blobs)))
        return nullcontext()

    monkeypatch.setattr(network, "full_precision", asking)
    mirror = netgen.to_torch(netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="c"))
    mirror(torch.zeros(1, 3, 8, 8))
    assert asked == [1]
    mirror.train()
    mirror(torch.zeros(1, 3, 8, 8))
    assert asked == [1]


class Recorder:
    """CUDA's part in a recording, on the CPU: a replay does what was done while it recorded."""

    def __init__(self) -> None:
        self.work: Any = None

    def replay(self) -> None:
        self.work()


def test_a_recorded_network_keeps_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = SimpleNamespace(wait_stream=lambda _: None)
    fake = {
        "device": nullcontext, "stream": nullcontext, "graph": nullcontext,
        "Stream": lambda: stream, "current_stream": lambda: stream, "CUDAGraph": Recorder,
    }  # fmt: skip
    for name, what in fake.items():
        monkeypatch.setattr(torch.cuda, name, what)
    net = netgen.Net().input(1, 3, 9, 9).conv(4, 3, name="c").relu(name="r").pool(2, 2, name="p")
    mirror = netgen.to_torch(net, weights=netgen.fill_weights(net))
    images = torch.rand(2, 1, 3, 9, 9)
    run: Any = optimised._recorded(mirror, (images[0],), half=False)
    gc.collect()
    run.graph.work = lambda: run.made[0].copy_(run.straight(*run.inputs)[0])
    for image in images:
        assert torch.allclose(run(image)[0], mirror(image), atol=1e-6)
    assert not {id(each) for each in mirror.parameters()} & {id(each) for each in run.straight.parameters()}


def pretended(mirror: netgen.Mirror) -> None:
    """Put the weights on a GPU that is not there: tensors without values that know their device."""
    for module in mirror.modules():
        tables: Any = (module._parameters, module._buffers)
        for table in tables:
            for name, tensor in table.items():
                if tensor is not None:
                    table[name] = torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")


def lacking(mirror: netgen.Mirror, inputs: Mapping[str, Any]) -> str:
    """What PyTorch says of a pass whose tensors are all on a GPU: where one is not, two devices met."""
    with FakeTensorMode():
        try:
            pretended(mirror)
            given = {name: torch.empty(each.shape, device="cuda") for name, each in inputs.items()}
            found = mirror(given, blobs="all")
        except (RuntimeError, DataDependentOutputException, DynamicOutputShapeException) as error:
            return str(error)
        return ", ".join(name for name, blob in found.items() if blob.device.type != "cuda")


class Forgetful(nn.Module):
    """Adds a tensor of the CPU."""

    def forward(self, bottom: torch.Tensor) -> torch.Tensor:
        return bottom + torch.ones(8)


def test_a_tensor_on_another_device_is_found() -> None:
    mirror = netgen.to_torch(netgen.Net().input(1, 8, name="data").relu(name="r"))
    assert lacking(mirror, {"data": np.zeros((1, 8))}) == ""
    mirror.program.steps[0].module.forward = Forgetful().forward
    assert "cuda:0 and cpu" in lacking(mirror, {"data": np.zeros((1, 8))})


def test_layers_make_their_tensors_where_their_bottoms_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: False)
    beyond = ("not linked with support for cuda", "aten._local_scalar_dense", "aten.nonzero")
    passed = 0
    for name, row in cases().items():
        text, arrays = case_files(name)
        try:
            mirror = netgen.to_torch(netgen.parse_prototxt(text), row["phase"], weights=weights_of(arrays))
        except netgen.NetgenError:
            continue
        said = lacking(mirror, {key[3:]: each for key, each in arrays.items() if key.startswith("in:")})
        passed += not said
        assert not said or any(each in said for each in beyond), f"{name}: {said}"
    assert passed >= 0.6 * len(cases())


@on_a_gpu
def test_a_gpu_gives_the_numbers_of_the_cpu() -> None:
    net = netgen.build("peleenet")
    weights = calibrate(net, netgen.fill_weights(net))
    image = {"data": np.random.default_rng(0).random((1, 3, 224, 224), np.float32)}
    there, here = (netgen.run(net, image, weights, blobs="all", device=device) for device in ("cuda", "cpu"))
    for name, expected in here.items():
        assert np.abs(there[name] - expected).max() <= 1e-4 * np.abs(expected).max(), name
