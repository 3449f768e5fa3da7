"""Solver files: every one of the corpus is read, and loading one finds its net or says which it wants."""

from __future__ import annotations

from pathlib import Path

import pytest

import netgen
from netgen.prototxt.writer import message_lines
from netgen.solver import parse_solver, read_solver

NET = 'layer { name: "r" type: "ReLU" bottom: "x" top: "r" }'


def refused(text: str) -> str:
    with pytest.raises(netgen.ParseError) as caught:
        parse_solver(text, "s.prototxt")
    return str(caught.value)


def test_every_solver_of_the_corpus_is_read(shared: Path) -> None:
    paths = sorted((shared / "corpus" / "solver").iterdir())
    assert len(paths) == 189
    for path in paths:
        solver = read_solver(path)
        assert solver.net or solver.train_net, path.name
        assert "solver_type" not in solver.fields
        # Its net is not beside it, and loading says so with the line that names it.
        with pytest.raises(netgen.NetgenError, match=r":\d+:\d+: this is a solver file, and the net that it names, "):
            netgen.load(path)


def test_what_a_solver_says() -> None:
    solver = parse_solver('train_net: "a" test_net: "b" test_net: "c" base_lr: 0.1 xyz: 3', "s.prototxt")
    assert (solver.net, solver.train_net, solver.test_net, solver.net_param) == ("", "a", ("b", "c"), None)
    assert solver.fields["base_lr"] == 0.1
    assert solver.notes == ("s.prototxt:1:57: unknown field 'xyz' is kept as it is",)
    with pytest.raises(AttributeError):
        solver.net = "other"  # type: ignore[misc]


def test_a_fork_s_list_in_the_place_of_a_number_is_kept_and_said() -> None:
    solver = parse_solver("base_lr: 1\ndevice_id: [0, 1,2]", "s.prototxt")
    assert solver.fields == {"base_lr": 1.0, "device_id": ("0", "1", "2")}
    told = "s.prototxt:2:1: a list of values for 'device_id' is kept as it is, though the schema has one"
    assert solver.notes == (told,)
    written = "\n".join(message_lines("SolverParameter", solver.fields))
    assert written == "base_lr: 1.0\ndevice_id: [0, 1, 2]"
    assert parse_solver(written).fields == solver.fields
    for text, rule in (
        ("device_id: 1 device_id: [2]", "device_id is given twice, and takes one value; keep one of them"),
        ("device_id: [1] device_id: 2", "device_id is given twice, and takes one value; keep one of them"),
        ("device_id: [{ a: 1 }]", "device_id takes a value (int32), not a block in { }"),
        ('net: ["a"]', "net takes one value, not a list"),
        ("net_param { state { level: [1] } }", "level takes one value, not a list"),
    ):
        assert refused(text).endswith(f": {rule}")


@pytest.mark.parametrize(
    ("old", "new"),
    [("SGD", "SGD"), ("NESTEROV", "Nesterov"), ("ADAGRAD", "AdaGrad"), ("3", "RMSProp"), ("ADADELTA", "AdaDelta"),
     ("ADAM", "Adam"), ("LARS", "LARS")],
)  # fmt: skip
def test_solver_type_becomes_type(old: str, new: str) -> None:
    assert parse_solver(f"solver_type: {old}").fields == {"type": new}


def test_what_is_refused() -> None:
    assert refused('type: "SGD"\nsolver_type: ADAM') == (
        "s.prototxt:2:1: a solver has a type or the older solver_type, got 'SGD' and ADAM; keep one of them"
    )
    assert refused("base_lr: fast") == "s.prototxt:1:10: base_lr must be a number, got fast"
    mixed = "max_iter: 1\nnet_param { layer { } layers { } }"
    assert refused(mixed).startswith("s.prototxt:2:1: the net has both 'layer' (V2) and 'layers'")


def test_an_embedded_net(tmp_path: Path) -> None:
    path = tmp_path / "s.prototxt"
    path.write_text(f'base_lr: 1 net_param {{ name: "n" {NET} }}')
    net = netgen.load(path)
    assert net == netgen.parse_prototxt(f'name: "n" {NET}')
    path.write_text('train_net_param { input: "x" layers { name: "r" type: RELU bottom: "x" top: "r" } }')
    assert [layer.type for layer in netgen.load(path).layers] == ["ReLU"]
    assert netgen.load(path).inputs == ("x",)


def test_the_net_that_a_solver_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "models"
    folder.mkdir()
    solver = folder / "solver.prototxt"
    solver.write_text('net: "net.prototxt"\nbase_lr: 1')
    with pytest.raises(netgen.ParseError) as caught:
        netgen.load(solver)
    assert str(caught.value) == (
        f"{solver}:1:1: this is a solver file, and the net that it names, 'net.prototxt', is not there; "
        "load the file of the net"
    )
    (folder / "net.prototxt").write_text('name: "beside" ' + NET)
    assert netgen.load(solver).name == "beside"
    # Caffe knows paths from the current folder only.
    (tmp_path / "net.prototxt").write_text('name: "here" ' + NET)
    assert netgen.load(solver).name == "here"
    assert netgen.load("models/solver.prototxt").name == "here"


def test_a_solver_that_gives_no_net_or_two(tmp_path: Path) -> None:
    path = tmp_path / "s.prototxt"
    for text, got in (("base_lr: 1", "none"), ('net: "a"\ntrain_net: "b"', "net and train_net")):
        path.write_text(text)
        with pytest.raises(netgen.NetgenError, match=f"this is a solver file: .*, got {got}; load the file of the net"):
            netgen.load(path)


def test_a_named_net_is_never_run_nor_followed_in_circles(tmp_path: Path) -> None:
    path = tmp_path / "s.prototxt"
    path.write_text('net: "s.prototxt" base_lr: 1')
    with pytest.raises(netgen.NetgenError, match=r"names 's\.prototxt' as its net, which is a solver file too"):
        netgen.load(path)
    (tmp_path / "net.py").write_text("raise SystemExit('run')")
    path.write_text('net: "net.py" base_lr: 1')
    with pytest.raises(netgen.ParseError, match=r"net\.py:1:"):
        netgen.load(path)
    path.write_text('net: "." base_lr: 1')
    with pytest.raises(netgen.NetgenError, match="is not there"):
        netgen.load(path)


def test_a_net_with_a_stray_solver_field_is_a_net() -> None:
    assert len(netgen.parse_prototxt("base_lr: 1 " + NET).layers) == 1
