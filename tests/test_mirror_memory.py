"""What a pass of the mirror holds and changes: gradients, the caller's tensors, memory."""

from __future__ import annotations

import subprocess
import sys
import weakref
from typing import Any

import pytest

import netgen
from tests.test_mirror import image, over_input, small

torch: Any = pytest.importorskip("torch")


def test_propagate_down() -> None:
    layers = """layer { name: "a" type: "Convolution" bottom: "data" top: "a" convolution_param { num_output: 2
      kernel_size: 1 weight_filler { type: "msra" } } }
    layer { name: "s" type: "Eltwise" bottom: "a" bottom: "data" top: "s" %s eltwise_param { operation: SUM } }"""
    layers = layers.replace("num_output: 2", "num_output: 3")
    for told, reaches in (("", True), ("propagate_down: false propagate_down: true", False)):
        mirror = over_input(layers.replace("%s", told))
        mirror(image().requires_grad_()).sum().backward()
        assert (mirror.get_submodule("a").weight.grad is not None) is reaches


IN_PLACE = [
    "",
    'layer { name: "f" type: "Flatten" bottom: "data" top: "data2" }',
    'layer { name: "f" type: "Split" bottom: "data" top: "data2" top: "z" }',
    'layer { name: "f" type: "Slice" bottom: "data" top: "data2" top: "z" slice_param { slice_point: 1 } }',
    'layer { name: "f" type: "Concat" bottom: "data" top: "data2" }',
    'layer { name: "f" type: "Power" bottom: "data" top: "data2" }',
    'layer { name: "f" type: "Dropout" bottom: "data" top: "data2" }',
    'layer { name: "f" type: "Pooling" bottom: "data" top: "data2" pooling_param { kernel_size: 1 } }',
    'layer { name: "f" type: "Convolution" bottom: "data" top: "data2" convolution_param { num_output: 3 kernel_size: 1 } }',
]


@pytest.mark.parametrize("before", IN_PLACE)
@pytest.mark.parametrize("relu", ["ReLU", "ReLU6", "ELU", "PReLU", "Sigmoid", "Dropout"])
def test_what_works_in_place_leaves_the_callers_tensor(before: str, relu: str) -> None:
    blob = "data2" if before else "data"
    mirror = over_input(f'{before} layer {{ name: "r" type: "{relu}" bottom: "{blob}" top: "{blob}" }}')
    for training in (False, True):
        given = image()
        made = mirror.train(training)(given)
        assert torch.equal(given, image())
        given.requires_grad_()
        made = mirror(given)
        (made if isinstance(made, torch.Tensor) else made[blob]).sum().backward()
        assert given.grad is not None


def test_a_blob_is_let_go_once_it_is_spent() -> None:
    net = netgen.Net().input(1, 3, 6, 6)
    for i in range(5):
        net.conv(3, 1, name=f"c{i}", weight_filler="msra")
    mirror = netgen.to_torch(net)
    made: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def count(_module: Any, _bottoms: Any, top: Any) -> None:
        made.append(weakref.ref(top))
        alive.append(sum(each() is not None for each in made))

    for step in mirror.program.steps:
        step.module.register_forward_hook(count)
    with torch.no_grad():
        mirror(image())
        assert alive == [1, 2, 2, 2, 2]
        made.clear()
        alive.clear()
        mirror(image(), blobs="all")
        assert alive == [1, 2, 3, 4, 5]


NEEDS = """
import resource, sys, netgen, torch
from netgen.cli import main
from netgen.commands import effort
effort.free_memory = lambda: None  # of the machine, which is not what bounds this process
conv = netgen.Net().input(1, 3, 64, 64).conv(32, 3, name="c", weight_filler="msra")
mirror = netgen.to_torch(conv)
mirror(torch.zeros(1, 3, 64, 64))
conv.save("c.prototxt")
netgen.Net().input(1, 3, 640, 640).fc(1000, name="f").save("f.prototxt")
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
try:
    mirror(torch.zeros(1, 3, 5000, 5000))
except netgen.NetgenError as error:
    print(error, file=sys.stderr)
codes = [main(["check", "c.prototxt", "--input", "data=1,3,5000,5000"]), main(["check", "f.prototxt"]),
         main(["check", "c.prototxt", "--input", "data=1,3,100000,100000"]),
         main(["weights", "f.prototxt", "-o", "f.npz"])]
sys.exit(codes != [1, 1, 2, 1])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a process's memory is bounded so on Linux")
def test_out_of_memory(tmp_path: Any) -> None:
    done = subprocess.run([sys.executable, "-c", NEEDS], cwd=tmp_path, capture_output=True, text=True, check=False)
    tops = (
        "layer 'c' (Convolution): out of memory: its tops are 1x32x5000x5000, 3,051.8 MiB, beside 286.1 MiB of blobs "
        "that are held on cpu; give smaller inputs, or ask for fewer blobs"
    )
    # What it will take is told before.
    lines = [line for line in done.stderr.splitlines() if not line.startswith("note: the net: a pass takes ")]
    assert len(lines) == len(done.stderr.splitlines()) - 2
    assert lines == [
        tops,
        f"netgen: {tops}",
        "netgen: layer 'f' (InnerProduct): out of memory: its weights are 1000x1228800 and 1000, 4,687.5 MiB",
        "netgen: input 'data': must fit where 1x3x64x64 does, got 1x3x100000x100000 (layer 'data' (Input): top 'data' "
        "would be 1x3x100000x100000, more than the 2147483647 values of a blob)",
        "netgen: layer 'f' (InnerProduct): weight 0: out of memory: 1000x1228800 takes 4,915,200,000 bytes",
    ]
    assert done.returncode == 0


def test_what_torch_raises_otherwise_is_not_hidden() -> None:
    mirror = small()

    def broken(*_: Any) -> None:
        raise RuntimeError("a fault")

    mirror.program.steps[0].module.register_forward_hook(broken)
    with pytest.raises(RuntimeError, match="a fault"):
        mirror(image())
