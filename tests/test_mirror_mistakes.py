"""What users get wrong with a mirror: each mistake is told in a sentence, and nothing of torch's or NumPy's comes out."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen
from tests.own_types import forgotten_types

torch: Any = pytest.importorskip("torch")

NET = netgen.Net("n").input(1, 3, 8, 8).conv(4, 3, name="c").bn(name="b", scale=True).relu().fc(2, name="f")
WEIGHTS = netgen.fill_weights(NET)
IMAGE = torch.zeros(1, 3, 8, 8)


def mirror() -> netgen.Mirror:
    return netgen.to_torch(NET, weights=WEIGHTS)


def made_of(optimize: bool) -> Any:
    return netgen.to_torch(NET, optimize=True) if optimize else netgen.to_torch(NET)


def refusal(function: Callable[..., Any], *args: Any, usage: bool = True, **named: Any) -> str:
    with pytest.raises(netgen.NetgenError) as caught:
        function(*args, **named)
    assert isinstance(caught.value, netgen.UsageError) is usage
    return str(caught.value)


# Weights that are given


@pytest.mark.parametrize(
    ("value", "got"),
    [
        ([[1], [1, 2]], "rows of several lengths"),
        (None, "'object'"),
        (object(), "'object'"),
        ("abc", "'str96'"),
        (np.zeros((4, 3, 3, 3), complex), "'complex128'"),
        (torch.zeros(4, 3, 3, 3, dtype=torch.complex64), "'complex64'"),
        (torch.zeros(4, 3, 3, 3, device="meta"), "'Tensor'"),
        (torch.zeros(4, 3, 3, 3).to_sparse(), "'Tensor'"),
    ],
)
def test_weights_that_are_no_numbers(value: Any, got: str) -> None:
    said = refusal(mirror().load, {**WEIGHTS, "c:0": value}, usage=False)
    assert said == f"weight 'c:0': it must be an array of numbers, got {got}"


@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_weights_and_inputs_may_be_tensors(kind: Any) -> None:
    values = torch.arange(108.0).view(4, 3, 3, 3).to(kind).requires_grad_()
    found = mirror()
    found.load({**WEIGHTS, "c:0": values})
    assert np.array_equal(found.caffe_weights()["c:0"], values.detach().float().numpy())
    image = torch.rand(1, 3, 8, 8).to(kind).requires_grad_()
    alike = netgen.run(NET, {"data": image.detach().float().numpy()}, WEIGHTS)["f"]
    assert np.array_equal(netgen.run(NET, {"data": image}, WEIGHTS)["f"], alike)
    assert refusal(netgen.run, NET, {"data": [[1], [2, 3]]}, WEIGHTS) == (
        "input 'data': must be an array of numbers, got rows of several lengths"
    )


def test_weights_of_another_shape_or_kind() -> None:
    assert refusal(mirror().load, {**WEIGHTS, "c:0": WEIGHTS["c:0"][..., None]}, usage=False) == (
        "the weights do not fit the network: wrongly shaped: 'c:0' is 4x3x3x3x1 and must be 4x3x3x3, which Caffe refuses "
        "though only axes of 1 differ"
    )
    assert refusal(mirror().load, mirror().state_dict(), usage=False) == (
        "weight 'c.weight': it must be called layer:index, as in 'conv1:0'"
    )
    assert refusal(mirror().load, mirror()) == "weights must be a file's name or a dict of arrays, got Mirror"


def test_what_was_noted_of_the_weights_is_kept() -> None:
    nan = {**WEIGHTS, "c:0": WEIGHTS["c:0"] * np.nan}
    note = ["weight 'c:0': 108 of 108 values are NaN or infinite"]
    assert mirror().notes == []
    assert netgen.to_torch(NET, weights=nan).notes == note
    assert netgen.to_torch(NET, weights=nan, optimize=True).notes == note


# Files


class Evil:
    """What runs a program when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("was-run",)


def bomb(path: Path) -> None:
    arrays: Any = {"x:0": np.zeros(300_000_000, np.int8)}
    np.savez_compressed(path, **arrays)


def too_long(path: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": (4, 3, 3, 3)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("c:0.npy", head.getvalue() + bytes(300_000_000))


FORMATS = "no other format of weights is told by its ending: .caffemodel, .npz, .h5, .hdf5, .pt, .pth"
NO_STATE = "this is no state dict of tensors alone, or a part of one; save it with torch.save(module.state_dict())"


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("w.pt", lambda path: path.write_bytes(pickle.dumps(WEIGHTS)), NO_STATE),
        ("w.pt", lambda path: path.write_bytes(pickle.dumps(Evil())), NO_STATE),
        ("w.pt", lambda path: torch.save(Evil(), path), NO_STATE),
        ("w.pt", lambda path: torch.save(mirror(), path), NO_STATE),
        ("w.pkl", lambda path: path.write_bytes(pickle.dumps(WEIGHTS)), "this is no .caffemodel, or a part of one: "),
        ("w.npy", lambda path: np.save(path, WEIGHTS["c:0"]), "this is no .caffemodel, or a part of one: "),
        ("w.npz", bomb, "'x:0': with this array, 300000000, the file's "),
        ("w.npz", too_long, "'c:0': it goes on after the 432 bytes of its shape 4x3x3x3"),
    ],
)
def test_files_that_are_no_weights(
    name: str, make: Callable[[Path], Any], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / name)
    got = refusal(mirror().load, name, usage=False)
    assert got.startswith(f"{name}: {said}")
    assert got.endswith(FORMATS) is (name in ("w.pkl", "w.npy"))
    assert not Path("was-run").exists()


@pytest.mark.parametrize("ending", ["caffemodel", "npz", "pt"])
@pytest.mark.parametrize("part", [0, 1, 0.5, 0.99])
def test_cut_files(ending: str, part: float, tmp_path: Path) -> None:
    path = tmp_path / f"w.{ending}"
    mirror().save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(part if part == 1 else part * len(data))])
    assert refusal(netgen.to_torch, NET, weights=path, usage=False).startswith(f"{path}: ")


def test_names_of_files_that_are_none() -> None:
    assert refusal(mirror().save, None) == "a file must be given by its name, got NoneType"
    assert refusal(netgen.load_weights, 3) == "a file must be given by its name, got int"
    assert refusal(netgen.load, NET) == "a file must be given by its name, got Net"


def test_states_of_modules() -> None:
    assert refusal(mirror().load_state_dict, "w.pt") == (
        "give a module's state, as torch.load(file) returns it, got 'w.pt'"
    )
    assert refusal(mirror().load_state_dict, WEIGHTS) == (
        "these are Caffe's weights, by layer:index, and no module's state; give them to load()"
    )
    assert mirror().load_state_dict(mirror().state_dict()).missing_keys == []


# Inputs


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (IMAGE.numpy(), "input 'data': give a torch.Tensor of real numbers, got ndarray"),
        ("cat.jpg", "input 'data': give a torch.Tensor of real numbers, got str"),
        (IMAGE.to_sparse(), "input 'data': give a torch.Tensor of real numbers, got torch.sparse_coo"),
        (IMAGE + 1j, "input 'data': give a torch.Tensor of real numbers, got torch.complex64"),
        (IMAGE.to("meta"), "input 'data' is on meta and the mirror on cpu; move it with .to('cpu')"),
        ({"dat": IMAGE}, "no input 'dat'; did you mean 'data'? (the network takes data)"),
    ],
)
def test_inputs_of_another_kind(value: Any, said: str, optimize: bool) -> None:
    made = made_of(optimize)
    assert refusal(made, value) == said
    assert made(IMAGE.int()).dtype == made(IMAGE.double()).dtype == torch.float32


@pytest.mark.parametrize("optimize", [False, True])
@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((3, 8, 8), "layer 'c' (Convolution): for inputs of 3x8x8 its weight 0 would have to be 4x8x3, and it is 4x3x3x3; "
         "give inputs of data 1x3x8x8"),
        ((1, 3, 9, 8), "layer 'f' (InnerProduct): for inputs of 1x3x9x8 its weight 0 would have to be 2x288, and it is "
         "2x256; give inputs of data 1x3x8x8"),
        ((), "layer 'c' (Convolution): axis must lie in 0..-1 for the bottom (), got 1"),
    ],
)  # fmt: skip
def test_inputs_of_another_shape(shape: tuple[int, ...], said: str, optimize: bool) -> None:
    made = made_of(optimize)
    made(IMAGE)
    assert refusal(made, torch.zeros(shape), usage=False) == said


# Devices, states and rates


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("optimize", [False, True])
def test_devices_that_are_not_there(optimize: bool) -> None:
    for move in (lambda made: made.cuda(), lambda made: made.to("cuda:3"), lambda made: made.to("gpu")):
        made = made_of(optimize)
        said = refusal(move, made)
        assert said.startswith("the mirror cannot be moved there: ")
        assert said.endswith("; leave it where it is")
        assert made(IMAGE).shape == (1, 2)
    assert "Torch not compiled with CUDA enabled" in refusal(netgen.to_torch(NET).cuda)


def test_states_and_rates_that_are_none() -> None:
    assert refusal(netgen.to_torch, NET, stages="deploy") == "stages must be a list of names, got 'deploy'"
    assert refusal(netgen.to_torch, NET, stages=3) == "stages must be a list of names, got 3"
    assert refusal(netgen.infer_shapes, NET, level="1") == "level must be a whole number, got '1'"
    for rate in ("0.1", None, -1, float("nan")):
        assert refusal(mirror().param_groups, rate) == f"lr must be a number, 0 or more, got {rate!r}"
    assert refusal(mirror().param_groups, 0.1, "x") == "weight_decay must be a number, 0 or more, got 'x'"
    assert mirror().param_groups(torch.tensor(0.5))[0]["lr"] == 0.5


def test_layers_without_a_mirror() -> None:
    def of(type_: str) -> netgen.Net:
        return netgen.parse_prototxt(
            'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } } '
            f'layer {{ name: "it" type: "{type_}" bottom: "x" top: "y" }}'
        )

    assert refusal(netgen.to_torch, of("Foo"), usage=False) == (
        "layer 'it' (Foo): the type is not known, so its shapes are not (a type of your own: netgen.register; or give the "
        "shapes of all its tops as inputs)"
    )
    with forgotten_types():
        netgen.register(type("Bare", (netgen.LayerType,), {"shapes": lambda _, bottoms: list(bottoms)}))
        assert refusal(netgen.to_torch, of("Bare"), usage=False) == (
            "layer 'it' (Bare): its type has no mirror in PyTorch; give it one: a subclass of netgen.LayerType with "
            "torch(bottoms), which returns a torch.nn.Module"
        )
