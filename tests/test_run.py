"""``netgen run`` and ``netgen compare``: blobs into a file, and two files of them side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netgen
from netgen.cli import main
from netgen.weightfiles.npz import write

torch: Any = pytest.importorskip("torch")

IMAGE = np.random.default_rng(0).standard_normal((1, 3, 8, 8)).astype(np.float32)


def network() -> netgen.Net:
    return netgen.Net("n").input(1, 3, 8, 8).conv(4, 3, name="c").bn(scale=True).relu().conv(2, 1, name="d")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    network().save("n.prototxt")
    netgen.save_weights(weights(), "w.caffemodel", network())
    np.savez("x.npz", data=IMAGE)


def weights() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    return {k: np.abs(rng.standard_normal(s)).astype(np.float32) for k, s in netgen.expected_weights(network()).items()}


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0, command: str = "run") -> str:
    assert main([command, *words]) == code
    out, err = capsys.readouterr()
    return out + err.removeprefix("netgen: ").rstrip("\n")


def run_with(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0, **other: str) -> str:
    options = {"--weights": "w.caffemodel", "--input": "x.npz", "-o": "o.npz"}
    options |= {{"out": "-o"}.get(name, f"--{name}"): value for name, value in other.items()}
    return said(capsys, "n.prototxt", *(each for pair in options.items() for each in pair), *words, code=code)


# run


def test_every_blob_and_some(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_with(capsys) == ""
    expected = netgen.run(network(), {"data": IMAGE}, weights())
    with np.load("o.npz") as found:
        assert found.files == ["data", "c", "d"] == list(expected)
        for name in found.files:
            assert found[name].dtype == np.float32
            assert np.array_equal(found[name], expected[name])
    assert run_with(capsys, blobs="d,data", device="auto" if not torch.cuda.is_available() else "cpu") == ""
    with np.load("o.npz") as found:
        assert found.files == ["d", "data"]
    np.savez("x.npz", data=np.repeat(IMAGE, 3, 0))
    assert run_with(capsys) == ""
    with np.load("o.npz") as found:
        np.testing.assert_allclose(found["d"], np.repeat(expected["d"], 3, 0), rtol=1e-5, atol=1e-6)
    assert run_with(capsys, phase="TRAIN") == ""
    with np.load("o.npz") as found:
        assert not np.allclose(found["d"][:1], expected["d"])


@pytest.mark.parametrize("kind", ["float64", "int32", ">f4", "float16", "uint8"])
def test_numbers_of_any_type(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("x.npz", data=np.abs(10 * IMAGE).astype(kind))
    assert run_with(capsys) == ""
    expected = netgen.run(network(), {"data": np.abs(10 * IMAGE).astype(kind)}, "w.caffemodel")
    with np.load("o.npz") as found:
        assert np.array_equal(found["d"], expected["d"])


INPUTS: dict[str, tuple[dict[str, Any], int, str]] = {
    "missing": ({}, 2, "input 'data' is missing; the network takes data"),
    "misspelt": ({"dat": IMAGE}, 1, "input 'dat': the net has no such blob; did you mean 'data'?"),
    "one more": ({"data": IMAGE, "more": IMAGE}, 1, "input 'more': the net has no such blob"),
    "strings": ({"data": np.array(["a"])}, 1, "x.npz: 'data': it must be an array of numbers, got str"),
    "complex": ({"data": IMAGE + 1j}, 1, "x.npz: 'data': it must be an array of numbers, got complex64"),
    "flags": ({"data": IMAGE > 0}, 1, "x.npz: 'data': it must be an array of numbers, got bool"),
    "objects": ({"data": np.array([{}])}, 1, "x.npz: 'data': it must be an array of numbers, got object"),
    "no images": ({"data": IMAGE[:0]}, 2, "input 'data': must fit where 1x3x8x8 does, got 0x3x8x8 (layer 'c/bn'"),
}


@pytest.mark.parametrize("case", INPUTS)
def test_wrong_inputs(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    arrays, code, rule = INPUTS[case]
    np.savez("x.npz", **arrays)
    assert run_with(capsys, code=code).startswith(rule)
    assert not Path("o.npz").exists()


def test_a_bomb_and_files_that_are_no_arrays(capsys: pytest.CaptureFixture[str]) -> None:
    np.savez_compressed("bomb.npz", data=np.zeros((1, 3, 6000, 4000), np.float32))
    size = Path("bomb.npz").stat().st_size
    assert run_with(capsys, input="bomb.npz", code=1) == (
        f"bomb.npz: 'data': with this array, 1x3x6000x4000, the file's {size} bytes would unpack to more than 268435456; "
        "if that is right, write it uncompressed, or give the network's shapes (load_weights(path, expected))"
    )
    Path("t.npz").write_text("hello")
    Path("cat.jpg").write_bytes(b"\xff\xd8\xff")
    Path("d.npz").mkdir()
    for name, code, rule in (
        ("t.npz", 1, "t.npz: this is no whole .npz file: File is not a zip file"),
        (
            "cat.jpg",
            1,
            "cat.jpg: this is no whole .npz file: File is not a zip file; the inputs are arrays: an .npz, or "
            "of a single input an .npy",
        ),
        ("no.npz", 2, "no.npz: no such file"),
        ("d.npz", 2, "d.npz: this is a directory; name a file in it"),
    ):
        assert run_with(capsys, input=name, code=code).startswith(rule)


def test_wrong_weights(capsys: pytest.CaptureFixture[str]) -> None:
    whole = Path("w.caffemodel").read_bytes()
    Path("cut.caffemodel").write_bytes(whole[: len(whole) // 2])
    netgen.save_weights({"z:0": IMAGE}, "other.npz")
    objects: dict[str, Any] = {"c:0": np.array([{}], object)}
    np.savez("objects.npz", **objects)
    torch.save(network(), "pickle.pt")
    for name, code, rule in (
        ("cut.caffemodel", 1, "cut.caffemodel: this is no .caffemodel, or a part of one: "),
        ("other.npz", 1, "other.npz: the weights do not fit the network: missing: 'c:0' (near: 'z:0'), 'c/bn:0', "),
        ("objects.npz", 1, "objects.npz: 'c:0': it must be an array of numbers, got object"),
        ("pickle.pt", 1, "pickle.pt: this is no state dict of tensors alone, or a part of one; "),
        ("n.prototxt", 1, "n.prototxt: this is a network without weights"),
        ("no.caffemodel", 2, "no.caffemodel: no such file"),
    ):
        assert run_with(capsys, weights=name, code=code).startswith(rule), name
        assert not Path("o.npz").exists()
    netgen.save_weights(weights() | {"d:0": np.full((2, 4, 1, 1), np.nan, np.float32)}, "nan.npz")
    assert run_with(capsys, weights="nan.npz") == "note: nan.npz: weight 'd:0': 8 of 8 values are NaN or infinite"
    with np.load("o.npz") as found:
        assert np.isnan(found["d"]).all()
        assert np.isfinite(found["c"]).all()
    netgen.save_weights({"c:0": weights()["c:0"], "z:0": IMAGE}, "part.npz")
    assert run_with(capsys, "--ignore-missing", weights="part.npz").splitlines() == [
        "note: part.npz: it has no weights for the layers 'c/bn', 'c/scale', 'd', which stay new",
        "note: part.npz: the network lacks its layers 'z', which are passed over",
    ]


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"out": "o.txt"}, "-o: the file must be an .npz, got 'o.txt'"),
        ({"out": "no/o.npz"}, "no/o.npz: cannot be written: No such file or directory"),
        ({"out": "."}, "-o: the file must be an .npz, got '.'"),
        ({"blobs": "c,q"}, "no blob 'q' in phase TEST"),
        ({"blobs": "data,cd"}, "no blob 'cd' in phase TEST"),
        ({"blobs": ""}, "no blob '' in phase TEST"),
        ({"device": "meta"}, "device 'meta' cannot be used: it holds no values; take cpu, or auto for what there is"),
        ({"device": "cuda:99"}, "device 'cuda:99' cannot be used: "),
        ({"device": "tpu"}, "device 'tpu' cannot be used: torch knows none of this name; take cpu"),
    ],
)
def test_wrong_options(options: dict[str, str], rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_with(capsys, code=2, **options).startswith(rule)
    assert not Path("o.npz").exists()


def test_a_file_is_written_whole_or_not_at_all(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("o.npz").write_bytes(b"old")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("netgen.weightfiles.npz.npy.write_array_header_1_0", full)
    assert run_with(capsys, code=2) == "o.npz: cannot be written: No space left on device"
    assert Path("o.npz").read_bytes() == b"old"
    assert not list(Path().glob("*.part"))


def test_from_python() -> None:
    net = network()
    assert list(netgen.run(net, {"data": IMAGE}, "w.caffemodel", "d")) == ["d"]
    assert list(netgen.run(net, {"data": IMAGE}, Path("w.caffemodel"), ["d", "c"])) == ["d", "c"]
    assert netgen.run(net, {"data": IMAGE.tolist()}, weights(), ["d"])["d"].dtype == np.float32
    assert netgen.run(net, {"data": IMAGE > 0}, weights(), ["d"], "TRAIN")["d"].shape == (1, 2, 8, 8)
    for inputs, error in (
        ({"data": "abc"}, "input 'data': must be an array of numbers, got 'str96'"),
        ({"data": [IMAGE, 3]}, "input 'data': must be an array of numbers, got rows of several lengths"),
        ([IMAGE], "inputs must be a dict of arrays by blob name, got [array("),
    ):
        with pytest.raises(netgen.UsageError) as caught:
            netgen.run(net, inputs, weights())  # type: ignore[arg-type]
        assert str(caught.value).startswith(error)


# compare


def compared(capsys: pytest.CaptureFixture[str], one: Any, other: Any, *words: str, code: int = 0) -> list[str]:
    np.savez("a.npz", **one)
    np.savez("b.npz", **other)
    return said(capsys, "a.npz", "b.npz", *words, code=code, command="compare").splitlines()


def test_how_far_blobs_are_from_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    one = {"z": np.array([[1.0, -4.0]]), "a": np.arange(6.0).reshape(2, 3), "e": np.zeros((0, 3)), "0": np.zeros(2)}
    other = {name: array.copy() for name, array in reversed(one.items())}
    assert compared(capsys, one, other) == [
        "     largest   relative  blob",
        "   0.000e+00   0.00e+00  z",
        "   0.000e+00   0.00e+00  a",
        "   0.000e+00   0.00e+00  e",
        "   0.000e+00   0.00e+00  0",
        "all 4 blobs agree within 0.0001",
    ]
    other["a"][1, 1] += 0.5
    other["z"][0, 0] += 1e-4
    other["0"][1] = 1e-3
    lines = compared(capsys, one, other, code=1)
    assert lines[1:3] == ["   1.000e-04   2.50e-05  z", "   5.000e-01   1.00e-01  a"]
    assert lines[4:] == ["   1.000e-03   1.00e-03  0", "first beyond 0.0001: 'a', at [1, 1] (2 of 4 blobs)"]
    assert compared(capsys, one, other, "--tolerance", "0.1")[-1] == "all 4 blobs agree within 0.1"
    assert compared(capsys, one, other, "--tolerance", "1e-5", code=1)[-1].startswith(
        "first beyond 1e-05: 'z', at [0, 0] (3"
    )


def test_values_that_are_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    nan, inf = float("nan"), float("inf")
    one = {"a": np.array([1.0, nan, inf, -inf])}
    assert compared(capsys, one, one)[-1] == "all 1 blobs agree within 0.0001"
    for i, value in ((0, nan), (1, 1.0), (2, nan), (2, 1.0), (2, -inf), (3, inf), (0, inf)):
        other = {"a": one["a"].copy()}
        other["a"][i] = value
        lines = compared(capsys, one, other, "--tolerance", "1e30", code=1)
        assert lines[1:] == ["         inf        inf  a", f"first beyond 1e+30: 'a', at [{i}] (1 of 1 blobs)"]


def test_blobs_that_only_one_has_and_other_shapes(capsys: pytest.CaptureFixture[str]) -> None:
    lines = compared(
        capsys,
        {"x": np.ones(2), "y": np.ones((2, 3)), "z": np.ones(1)},
        {"w": np.ones(1), "z": np.ones(1), "y": np.ones((2, 3, 1))},
        code=1,
    )
    assert lines[1:] == [
        "         nan        nan  x: only the first file has it",
        "         nan        nan  y: the shapes are 2x3 and 2x3x1",
        "   0.000e+00   0.00e+00  z",
        "         nan        nan  w: only the second file has it",
        "first beyond 0.0001: 'y', the shapes are 2x3 and 2x3x1 (3 of 4 blobs)",
    ]


def test_wrong_comparisons(capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.npz").write_text("hello")
    for words, code, rule in (
        (["x.npz"], 2, "missing: B.npz; 'netgen compare --help'"),
        (["x.npz", "no.npz"], 2, "no.npz: no such file"),
        (["t.npz", "x.npz"], 1, "t.npz: this is no whole .npz file: "),
        (["x.npz", "x.npz", "--tolerance", "-1"], 2, "--tolerance: must be 0 or more, got -1.0"),
        (["x.npz", "x.npz", "--tolerance", "nan"], 2, "--tolerance: must be 0 or more, got nan"),
        (["x.npz", "x.npz", "--tolerance", "much"], 2, "--tolerance: must be a number, got 'much'"),
    ):
        assert said(capsys, *words, code=code, command="compare").startswith(rule)


def test_where_a_network_first_goes_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """The order is the network's: what follows a wrong layer is wrong, too."""
    assert run_with(capsys, out="a.npz") == ""
    netgen.save_weights(weights() | {"c/bn:1": 2 * weights()["c/bn:1"]}, "v.npz")
    assert run_with(capsys, out="b.npz", weights="v.npz") == ""
    last = said(capsys, "a.npz", "b.npz", code=1, command="compare").splitlines()[-1]
    assert last.startswith("first beyond 0.0001: 'c', at [0, ")
    assert last.endswith(" (2 of 3 blobs)")


def test_a_real_difference_goes_before_a_blob_that_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    # A fused network has no blob between its layers.
    whole = {"a": np.ones(2), "b": np.ones(2), "c": np.ones(2)}
    fused = {"b": np.full(2, 2.0), "c": np.ones(2)}
    assert compared(capsys, whole, fused, code=1)[-1] == "first beyond 0.0001: 'b', at [0] (2 of 3 blobs)"
    assert compared(capsys, whole, fused, "--ignore-missing", code=1)[-1].endswith("'b', at [0] (1 of 2 blobs)")
    assert compared(capsys, whole, {"c": np.ones(2)}, "--ignore-missing")[-1] == "all 1 blobs agree within 0.0001"
    assert (
        "there is no blob of a name that" in compared(capsys, whole, {"d": np.ones(2)}, "--ignore-missing", code=1)[-1]
    )


def test_inputs_that_are_not_finite_are_noted(capsys: pytest.CaptureFixture[str]) -> None:
    with np.load("x.npz") as given:
        arrays = {name: np.where(given[name] > 0, np.nan, given[name]) for name in given.files}
    write(arrays, "nan.npz")
    assert "note: nan.npz: 'data' holds values that are not finite" in run_with(capsys, input="nan.npz")


def test_from_python_what_is_noted_of_weights_is_a_warning() -> None:
    net = netgen.Net().input(1, 1, 2, 2).conv(1, 1, name="c")
    with pytest.warns(UserWarning, match="'c:0'.*(NaN|not finite)"):
        netgen.run(net, {"data": np.ones((1, 1, 2, 2))}, {"c:0": np.full((1, 1, 1, 1), np.nan, np.float32)})
