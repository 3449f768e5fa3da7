"""``netgen check``: a lie about shapes, weights or operations is found and named, and what agrees is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import netgen
from netgen.cli import main
from netgen.layers.convolution import Convolution
from tests.own_types import forgotten_types

torch: Any = pytest.importorskip("torch")

from tests.test_mirror_truth import case_files, cases  # noqa: E402 - torch must be there first


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with forgotten_types():
        yield


def checked(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["check", *words]) == code
    out, err = capsys.readouterr()
    return out if code == 0 or out else err.removeprefix("netgen: ").rstrip("\n")


def lying(**methods: Any) -> netgen.Net:
    """A net with a Convolution that is wrong about itself, and a Convolution that reads it."""
    netgen.register(type("Lying", (Convolution,), methods))
    net = netgen.Net().input(1, 4, 8, 8)
    net.layer("Lying", name="it", bottom="data", convolution_param={"num_output": 6, "kernel_size": 3, "pad": 1})
    net.conv(2, 1, name="after", bias_term=True)
    net.save("n.prototxt")
    return net


def differences(out: str) -> list[str]:
    return [line.removeprefix("differs: ") for line in out.splitlines() if line.startswith("differs: ")]


def test_what_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    net = netgen.Net().input(2, 3, 8, 8).conv(4, 3, name="c").bn(name="n", scale=True).relu(name="r").fc(5, name="f")
    net.save("n.prototxt")
    lines = checked(capsys, "n.prototxt", "--device", "cpu").splitlines()
    flops = 2 * (2 * 8 * 8 * 4 * 27 + 2 * 5 * 256)
    assert lines[0] == "phase TEST: compared the shapes of 3 blobs and 8 weights"
    assert lines[1] == f"operations in matrix products: {flops:,} FLOPs by netgen, {flops:,} by torch"
    assert re.fullmatch(r"on cpu: \d+\.\d{3} ms an image \(of 2\)", lines[2])
    assert lines[3:] == ["all agree"]
    other = checked(capsys, "n.prototxt", "--phase", "TRAIN", "--input", "data=5,3,8,8")
    assert other.startswith("phase TRAIN: ")
    assert "(of 5)" in other


def test_each_layer(capsys: pytest.CaptureFixture[str]) -> None:
    net = netgen.Net().input(1, 3, 8, 8).conv(4, 3, name="c").bn(name="n", scale=True).relu(name="r")
    net.save("n.prototxt")
    lines = checked(capsys, "n.prototxt", "--per-layer").splitlines()
    head = next(i for i, line in enumerate(lines) if line.endswith("bytes  layer"))
    rows = [line.split(maxsplit=3) for line in lines[head + 1 : head + 4]]
    assert [row[3] for row in rows] == ["c (Convolution)", "n + c/scale (BatchNorm + Scale)", "r (ReLU)"]
    costs = {row["name"]: row for row in netgen.analyze(net).rows()}
    for row, names in zip(rows, (["c"], ["n", "c/scale"], ["r"]), strict=True):
        assert float(row[0]) > 0
        assert row[1] == f"{sum(costs[name]['flops'] for name in names):,}"
        assert row[2] == f"{sum(costs[name]['bytes_read'] + costs[name]['bytes_written'] for name in names):,}"


def test_a_shape_rule_that_lies(capsys: pytest.CaptureFixture[str]) -> None:
    lying(shapes=lambda *_: [(1, 6, 9, 8)])
    out = checked(capsys, "n.prototxt", code=1)
    assert differences(out) == [
        "layer 'it' (Lying): blob 'it' is inferred as 1x6x9x8, in the mirror it is 1x6x8x8",
        "layer 'after' (Convolution): blob 'after' is inferred as 1x2x9x8, in the mirror it is 1x2x8x8",
        "layer 'it' (Lying): 31,104 operations in products by netgen, 27,648 by torch",
        "layer 'after' (Convolution): 1,728 operations in products by netgen, 1,536 by torch",
    ]
    assert out.splitlines()[-1] == "4 differences"


def test_a_shape_rule_by_which_the_next_layer_cannot_work(capsys: pytest.CaptureFixture[str]) -> None:
    lying(shapes=lambda *_: [(1, 7, 8, 8)])
    found = differences(checked(capsys, "n.prototxt", code=1))
    assert found[0] == "layer 'it' (Lying): blob 'it' is inferred as 1x7x8x8, in the mirror it is 1x6x8x8"
    assert found[1].startswith("the mirror stops in layer 'after' (Convolution): ")
    assert len(found) == 2


def test_counts_that_lie(capsys: pytest.CaptureFixture[str]) -> None:
    lying(macs=lambda *_: 1000)
    assert differences(checked(capsys, "n.prototxt", code=1)) == [
        "layer 'it' (Lying): 2,000 operations in products by netgen, 27,648 by torch"
    ]


def test_weights_that_lie(capsys: pytest.CaptureFixture[str]) -> None:
    lying(weight_shapes=lambda *_: [(6, 4, 3, 4), (6,)])
    assert differences(checked(capsys, "n.prototxt", code=1)) == [
        "layer 'it' (Lying): weight 0 is inferred as 6x4x3x4, in the mirror it is 6x4x3x3",
        "layer 'it' (Lying): 36,864 operations in products by netgen, 27,648 by torch",
    ]


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ([(6, 4, 3, 3)], "layer 'it' (Lying): the mirror has weights that are not inferred: 6"),
        (
            [(6, 4, 3, 3), (6,), (6,)],
            "layer 'it' (Lying): weight 2 is inferred as 6, in the mirror it is not there",
        ),
    ],
)
def test_too_few_weights_and_too_many(shapes: Any, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    lying(weight_shapes=lambda *_: shapes)
    assert differences(checked(capsys, "n.prototxt", code=1)) == [said]


def test_many_differences_are_summed_up(capsys: pytest.CaptureFixture[str]) -> None:
    lying(macs=lambda *_: 0)
    net = netgen.Net().input(1, 4, 8, 8)
    for i in range(30):
        net.layer("Lying", name=f"l{i}", convolution_param={"num_output": 4, "kernel_size": 1})
    net.save("n.prototxt")
    out = checked(capsys, "n.prototxt", code=1)
    assert differences(out)[-1] == "and 10 more"
    assert len(differences(out)) == 21
    assert out.splitlines()[-1] == "30 differences"


def test_what_hangs_on_values_is_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    net = netgen.Net().input(3, 2).input(3, 1, name="pick")
    net.layer("Filter", name="f", bottom=["data", "pick"], top="f")
    net.layer("ReLU", name="r", bottom="f", top="r")
    net.save("n.prototxt")
    lines = checked(capsys, "n.prototxt").splitlines()
    assert lines[0] == "phase TEST: compared the shapes of 2 blobs and 0 weights"
    assert "not compared, as their shapes hang on values: f, r" in lines


def test_input_that_a_layer_does_not_take(capsys: pytest.CaptureFixture[str]) -> None:
    """All shapes were compared; only the time is not to be had."""
    net = netgen.Net().input(2, 3).input(2, name="label")
    net.layer("Power", name="more", bottom="label", top="more", power_param={"shift": 7, "scale": 0})
    net.layer("SoftmaxWithLoss", name="loss", bottom=["data", "more"], top="loss")
    net.save("n.prototxt")
    assert checked(capsys, "n.prototxt").splitlines()[-2:] == [
        "not timed, as random input is none for it: layer 'loss' (SoftmaxWithLoss): labels must lie in 0..2, got 7; "
        "ignore_label leaves out those that do not count",
        "all agree",
    ]


@pytest.mark.parametrize("type_name", sorted({each for row in cases().values() for each in row["types"]}))
def test_every_type_agrees(type_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from netgen.mirror import checking

    monkeypatch.setattr(checking, "_PASSES", 1)
    names = [name for name, row in cases().items() if type_name in row["types"]]
    for name in names[:: max(len(names) // 3, 1)]:
        found = checking.check(netgen.parse_prototxt(case_files(name)[0]), cases()[name]["phase"])
        assert found.differences == ()
        assert found.flops == found.torch_flops


def test_a_type_without_a_mirror(capsys: pytest.CaptureFixture[str]) -> None:
    netgen.register(type("Own", (netgen.LayerType,), {"shapes": lambda _, bottoms: list(bottoms)}))
    netgen.Net().input(1, 4, 8, 8).own(name="it").save("n.prototxt")
    assert checked(capsys, "n.prototxt", code=1) == (
        "layer 'it' (Own): its type has no mirror in PyTorch; give it one: a subclass of netgen.LayerType with "
        "torch(bottoms), which returns a torch.nn.Module"
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--device", "tpu"], 2, "device 'tpu' cannot be used: torch knows none of this name; take cpu"),
        (
            ["--device", "meta"],
            2,
            "device 'meta' cannot be used: it holds no values; take cpu, or auto for what there is",
        ),
        (["--device", "cuda:99"], 2, "device 'cuda:99' cannot be used: "),
        (["--input", "dat=1,4,8,8"], 2, "--input: the net has no blob 'dat'; did you mean 'data'?"),
        (
            ["--input", "data=1,4,0,8"],
            2,
            "input 'data': must fit where 1x4x8x8 does, got 1x4x0x8 (layer 'it' (Lying): the kernel is larger than the "
            "padded bottom 1x4x0x8",
        ),
    ],
)
def test_wrong_commands(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    lying()
    assert checked(capsys, "n.prototxt", *words, code=code).startswith(said)
