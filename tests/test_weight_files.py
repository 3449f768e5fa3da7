"""Weights in files of every format: what goes through them comes back, and damaged or hostile ones are refused."""

from __future__ import annotations

import io
import os
import pickle
import random
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import netgen
from netgen.weightfiles import npz
from tests.weighed import assert_same, random_weights, small

if TYPE_CHECKING:
    from collections.abc import Callable

FORMATS = ["n.caffemodel", "n.npz", "n.caffemodel.h5", "n.pt"]


def refused(path: Path, kind: type[netgen.NetgenError] = netgen.ParseError) -> str:
    with pytest.raises(kind) as caught:
        netgen.load_weights(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name.replace("__", ":") + ".npy", content)
    return path


def npy(array: Any, **options: Any) -> bytes:
    into = io.BytesIO()
    np.save(into, array, **options)
    return into.getvalue()


def saved(path: Path) -> bytes:
    netgen.save_weights(random_weights(small()), path, small())
    return path.read_bytes()


def needs(name: str) -> None:
    pytest.importorskip({"h5": "h5py", "pt": "torch"}.get(name.rpartition(".")[2], "numpy"))


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_saved_is_loaded(name: str, tmp_path: Path) -> None:
    needs(name)
    weights = random_weights(small())
    weights["single:0"] = np.array(np.nan, np.float32)
    weights["z/b:0"] = weights["z/a:0"] = np.ones(1, np.float32)
    weights["last:0"] = np.array([[-0.0, np.inf]], np.float32)
    netgen.save_weights(weights, tmp_path / name)
    assert_same(netgen.load_weights(tmp_path / name), weights)


def test_the_bytes_are_the_same_after_a_way_through_all_formats(tmp_path: Path) -> None:
    for name in FORMATS:
        needs(name)
    net = small()
    weights = random_weights(net)
    for i, name in enumerate([*FORMATS, *FORMATS]):
        netgen.save_weights(weights, tmp_path / f"{i}{name}", net)
        weights = netgen.load_weights(tmp_path / f"{i}{name}")
    for i, name in enumerate(FORMATS[:2]):  # h5py and torch write what is not the weights as they like
        assert (tmp_path / f"{i}{name}").read_bytes() == (tmp_path / f"{i + 4}{name}").read_bytes()
    assert_same(weights, random_weights(net))


def test_peleenet_through_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    net = netgen.build("peleenet")
    weights = random_weights(net)
    netgen.save_weights(weights, tmp_path / "n.caffemodel.h5")
    assert_same(netgen.load_weights(tmp_path / "n.caffemodel.h5"), weights)
    with h5py.File(tmp_path / "n.caffemodel.h5") as file:
        assert np.array_equal(file["data"]["stem1"]["0"], weights["stem1:0"])
        assert np.array_equal(file["data/stem1/bn/2"], weights["stem1/bn:2"])


def test_the_first_bytes_go_before_the_ending(tmp_path: Path) -> None:
    weights = random_weights(small())
    for name in FORMATS[:3]:
        needs(name)
        netgen.save_weights(weights, tmp_path / name)
        os.rename(tmp_path / name, tmp_path / "weights.bin")
        assert_same(netgen.load_weights(tmp_path / "weights.bin"), weights)


def test_what_numpy_writes(tmp_path: Path) -> None:
    arrays = {
        "a:0": np.arange(6.0).reshape(2, 3),
        "a:1": np.arange(6, dtype=np.float16),
        "b/c:0": np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3)),
        "b/c:1": np.int64(3),
    }
    np.savez_compressed(tmp_path / "n.npz", **arrays)  # type: ignore[arg-type]
    found = netgen.load_weights(tmp_path / "n.npz")
    assert_same(found, {key: np.asarray(array, np.float32) for key, array in arrays.items()})
    netgen.save_weights(found, tmp_path / "n.npz")
    with np.load(tmp_path / "n.npz") as again:
        assert_same(dict(again), found)


def test_files_that_are_something_else(tmp_path: Path) -> None:
    for name, content, rule in (
        ("a.prototxt", b"layer { }", "this is a network without weights"),
        ("a.binaryproto", b"\x08\x01", "this is a mean, which netgen.load_mean reads"),
        ("a.npz", b"junk", "this is no .npz file, or a part of one"),
        ("a.h5", b"junk", "this is no .h5 file, or a part of one"),
        ("a.npz", b"", "the file is empty"),
        (
            "a.npz",
            b"version https://git-lfs.github.com/spec/v1\n",
            "this is a git-lfs pointer, not the file itself; fetch it with 'git lfs pull'",
        ),
    ):
        (tmp_path / name).write_bytes(content)
        assert refused(tmp_path / name) == rule
    assert refused(tmp_path / "none.npz", netgen.UsageError) == "no such file"
    (tmp_path / "d.npz").mkdir()
    assert refused(tmp_path / "d.npz", netgen.UsageError) == "this is a directory; name a file in it"
    with pytest.raises(
        netgen.UsageError, match=r"n.txt: the ending must tell the format of the weights: .caffemodel, .npz"
    ):
        netgen.save_weights({}, tmp_path / "n.txt")


@pytest.mark.parametrize(("name", "package", "extra"), [("n.h5", "h5py", "hdf5"), ("n.pt", "torch", "torch")])
def test_without_the_package_of_a_format(
    name: str, package: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).write_bytes({"h5py": b"\x89HDF\r\n\x1a\n", "torch": b"PK\x03\x04"}[package])
    how = f"'pip install {package}', or netgen with its extra: 'pip install netgen[{extra}]'"
    rule = f"this needs the package {package!r}, which is not installed; {how}"
    assert refused(tmp_path / name, netgen.UsageError) == rule
    with pytest.raises(netgen.UsageError, match="which is not installed"):
        netgen.save_weights({}, tmp_path / f"new{name}")
    assert not (tmp_path / f"new{name}").exists()


# .npz


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "ALWAYS", 1 << 20)
    rng = np.random.default_rng(0)
    bomb = archive(tmp_path / "n.npz", a__0=npy(rng.random(1000, np.float32)), b__0=npy(np.zeros(1 << 19, np.float32)))
    monkeypatch.setattr(
        np, "empty", lambda size, kind: np.zeros(size, kind) if size < 2000 else pytest.fail("room was made")
    )
    said = refused(bomb)
    size = bomb.stat().st_size
    assert said == (
        f"'b:0': with this array, 524288, the file's {size} bytes would unpack to more than {1 << 20}; if that is right, "
        "write it uncompressed, or give the network's shapes (load_weights(path, expected))"
    )
    monkeypatch.undo()
    monkeypatch.setattr(npz, "ALWAYS", 1 << 20)
    assert netgen.load_weights(bomb, {"b:0": (1 << 19,)})["b:0"].size == 1 << 19
    with pytest.raises(netgen.ParseError, match="would unpack to more than"):
        netgen.load_weights(bomb, {"b:0": (1 << 18,)})


def test_a_header_that_lies(tmp_path: Path) -> None:
    good = npy(np.arange(4, dtype=np.float32))
    header = good[: -4 * 4]
    for content, rule in {
        header + bytes(12): "it ends after 12 of 16 bytes",
        header + bytes(20): "it goes on after the 16 bytes of its shape 4",
        good.replace(b"(4,)", b"(-4,)"): "the array would be -4, and no axis may be negative",
        good.replace(b"(4,)", b"(9999999999999,)"): "the array would be 9999999999999, more than the 2147483647 values",
        good[:20]: "this is no whole .npz file: ",
        b"junk": "this is no whole .npz file: ",
        good.replace(b"\x93NUMPY\x01", b"\x93NUMPY\x03"): "the array's format is 3.0, and 1.0 or 2.0 is read",
        npy(np.array(["x"])): "it must be an array of numbers, got str",
        npy(np.ones(2, complex)): "it must be an array of numbers, got complex128",
    }.items():
        assert refused(archive(tmp_path / "n.npz", a__0=content)).startswith(f"'a:0': {rule}"), rule


def test_names_in_an_archive(tmp_path: Path) -> None:
    assert refused(archive(tmp_path / "n.npz", weight=npy(1.0))).startswith(
        "'weight': weight 'weight': it must be called"
    )
    with zipfile.ZipFile(tmp_path / "n.npz", "w") as file:
        file.writestr("a:0.npy", npy(1.0))
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("a:0.npy", npy(2.0))
    assert refused(tmp_path / "n.npz") == "'a:0': it is there twice"


class Runs:
    """What would run when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("ran",)


def test_pickles_are_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "n.npz", **{"a:0": np.array([Runs()], object)}, allow_pickle=True)
    assert refused(tmp_path / "n.npz") == "'a:0': it must be an array of numbers, got object"
    torch: Any = pytest.importorskip("torch")
    torch.save({"a:0": Runs()}, tmp_path / "n.pt")
    (tmp_path / "old.pt").write_bytes(pickle.dumps({"a:0": Runs()}, 2))
    for name in ("n.pt", "old.pt"):
        assert refused(tmp_path / name).startswith("this is no state dict of tensors alone, or a part of one; ")
    assert not (tmp_path / "ran").exists()


# torch


def test_state_dicts(tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    path = tmp_path / "n.pt"
    torch.save({"a:0": torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True)}, path)
    assert_same(netgen.load_weights(path), {"a:0": np.ones((2, 3), np.float32)})
    netgen.save_weights(random_weights(small()), path)
    assert torch.load(path, weights_only=True)["a:0"].shape == (4, 3, 3, 3)
    for value, rule in (
        (
            {"0.weight": torch.ones(1)},
            "its key '0.weight' is not layer:index; netgen.to_torch(net).load reads a mirror's own state, "
            "and netgen weights NET --from FILE writes that in another format",
        ),
        (
            {"a:0": torch.ones(1), "b": torch.ones(1)},
            "its key 'b' is not layer:index, as others are; rename or remove it",
        ),
        ({"a:0": 3}, "'a:0': it must be a tensor of numbers, got 'int'"),
        ([torch.ones(1)], "this is no state dict of tensors alone, got 'list'"),
    ):
        torch.save(value, path)
        assert refused(path) == rule


# HDF5


def test_what_an_hdf5_file_may_not_do(tmp_path: Path) -> None:
    h5py: Any = pytest.importorskip("h5py")
    (tmp_path / "secret").write_bytes(b"secret data here")

    def outside(group: Any) -> None:
        group.create_dataset("a/0", (4,), "<f4", external=[(str(tmp_path / "secret"), 0, 16)])

    def linked(group: Any) -> None:
        group["a"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/data/a")

    def cyclic(group: Any) -> None:
        group.create_group("a")["b"] = group

    def huge(group: Any) -> None:
        group.create_dataset("a/0", (1 << 30,), "f4", chunks=(1024,))

    makers: dict[Callable[[Any], object], str] = {
        outside: "/data/a/0: its values lie in another file, which is not read",
        linked: "this is no whole HDF5 file: /data/a is a link to another place",
        cyclic: "this is no whole HDF5 file: the group /data/a/b is there under two names",
        huge: "/data/a/0: with this array, 1073741824, the file's ",
        lambda group: group.create_dataset("a/0", data="text"): "/data/a/0: it must be an array of numbers, got object",
        lambda group: group.create_dataset("a/w", data=1.0): "/data/a/w: weight 'a:w': it must be called layer:index",
    }
    for make, rule in makers.items():
        with h5py.File(tmp_path / "n.h5", "w") as file:
            make(file.create_group("data"))
        assert refused(tmp_path / "n.h5").startswith(rule), rule
    with h5py.File(tmp_path / "n.h5", "w") as file:
        file["model_weights"] = 1
    assert refused(tmp_path / "n.h5") == "there is no group 'data' in it, so it is no snapshot of Caffe's"


def test_names_that_hdf5_cannot_hold(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    one = np.ones(1, np.float32)
    for names, rule in {
        ("a:0", "a/0:0"): "weight 'a:0': in an HDF5 file it and a layer 'a/0' would have one place; write .npz",
        ("a/0/b:0", "a:0"): "weight 'a:0': in an HDF5 file it and a layer 'a/0' would have one place; write .npz",
        ("a//b:0",): "weight 'a//b:0': an HDF5 file cannot hold a layer of that name; write .npz",
        ("./b:0",): "weight './b:0': an HDF5 file cannot hold a layer of that name; write .npz",
    }.items():
        with pytest.raises(netgen.NetgenError) as caught:
            netgen.save_weights(dict.fromkeys(names, one), tmp_path / "n.h5")
        assert str(caught.value) == rule
    assert list(tmp_path.iterdir()) == []


# Damage


@pytest.mark.parametrize(("name", "runs"), [("n.caffemodel", 500), ("n.npz", 400), ("n.h5", 200), ("n.pt", 100)])
def test_files_cut_short_are_refused_or_whole(name: str, runs: int, tmp_path: Path) -> None:
    needs(name)
    weights, whole = random_weights(small()), saved(tmp_path / name)
    rng = random.Random(20140)
    for end in {*rng.sample(range(len(whole)), runs), *range(20), *range(len(whole) - 20, len(whole))}:
        (tmp_path / name).write_bytes(whole[:end])
        try:
            found = netgen.load_weights(tmp_path / name)
            # Whole layers may be gone without a trace, and then they are missed.
            assert_same(netgen.match_weights(netgen.expected_weights(small()), found), weights)
        except netgen.NetgenError:
            continue


@pytest.mark.parametrize(("name", "runs"), [("n.caffemodel", 1000), ("n.npz", 500), ("n.h5", 200), ("n.pt", 100)])
def test_damaged_files_are_loaded_or_refused(name: str, runs: int, tmp_path: Path) -> None:
    needs(name)
    whole = saved(tmp_path / name)
    rng = random.Random(20140)
    loaded = 0
    for _ in range(runs):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 5)):
            # The first bytes and the last tell of all others.
            place = rng.choice([rng.randrange(len(data)), rng.randrange(200), -rng.randrange(1, 200)])
            data[place] = rng.randrange(256)
        (tmp_path / name).write_bytes(bytes(data))
        try:
            found = netgen.load_weights(tmp_path / name)
            loaded += 1
            netgen.match_weights(netgen.expected_weights(small()), found)
        except netgen.NetgenError:
            continue
    assert 0 < loaded < runs


def test_a_value_that_is_not_what_was_written(tmp_path: Path) -> None:
    netgen.save_weights({"a:0": np.zeros(1000, np.float32)}, tmp_path / "n.npz")
    data = bytearray((tmp_path / "n.npz").read_bytes())
    data[2000] = 1
    (tmp_path / "n.npz").write_bytes(bytes(data))
    assert refused(tmp_path / "n.npz") == "'a:0': this is no whole .npz file: Bad CRC-32 for file 'a:0.npy'"
