"""``netgen lint``: the command around the rules, and the rules over real files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import netgen
from netgen.cli import main
from netgen.linting import RULES, lint, lint_as_far_as_possible
from tests.test_lint import found, net, parsed

Run = Callable[..., tuple[int, str, str]]
Net = netgen.Net


# The command


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["lint", *words])
        return code, *capfd.readouterr()

    return run


def test_weights_are_looked_at(run: Run) -> None:
    normal = net().conv(8, bias_term=False).bn(scale=True, name="b")
    normal.save("n.prototxt")
    netgen.save_weights(netgen.fill_weights(normal, init="zeros"), "n.npz")
    netgen.save_weights(netgen.fill_weights(normal, init="zeros"), "n.caffemodel", normal)
    assert run("n.prototxt") == (0, "", "")
    for words in (["n.prototxt", "--weights", "n.npz"], ["n.caffemodel"]):
        code, out, _ = run(*words)
        assert (code, out.count("[bn-untouched]")) == (1, 1)
    assert run("peleenet", "--weights", "n.npz") == (
        1, "", "netgen: n.npz: no layer of the network has weights there, as if they were another's\n"
    )  # fmt: skip
    assert run("n.prototxt", "--weights", "m.npz") == (2, "", "netgen: m.npz: no such file\n")


def test_exit_codes(run: Run, tmp_path: Path) -> None:
    assert run("peleenet") == (0, "", "")
    code, out, err = run("peleenet", "size=226")
    assert code == 1
    assert len(out.splitlines()) == 4
    assert out.startswith("layer 'stem1/pool' (Pooling): its last window hangs over the edge of the 113x113 input")
    assert err == "4 findings; --ignore RULE leaves a rule out\n"
    assert run("peleenet", "size=226", "--ignore", "pooling-overhang") == (0, "", "")
    assert run("peleenet", "--input", "data=1,3,226,226")[0] == 1
    net(112).pool(3, 2, name="p").layer("Zwirbel", name="z").save(tmp_path / "z.prototxt")
    code, out, err = run("z.prototxt")
    assert code == 1
    assert out.startswith("layer 'p' (Pooling)")
    assert err.splitlines()[0] == "1 finding; --ignore RULE leaves a rule out"
    assert err.splitlines()[1].startswith("netgen: layer 'z' (Zwirbel): the type is not known")
    assert run("z.prototxt", "--ignore", "pooling-overhang")[:2] == (1, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["peleenet", "--ignore", "bn-without-scales"],
            "no rule 'bn-without-scales'; did you mean 'bn-without-scale'?",
        ),
        (["peleenet", "--ignore", "zzz"], "no rule 'zzz' ('netgen lint --list-rules' names them)"),
        (["peleenet", "--input", "data"], "--input: expected BLOB=N,C,H,W"),
        (["peleenet", "--format", "csv"], "--format: must be one of text, json, got 'csv'"),
        ([], "missing: SRC"),
        (["nonet"], "no network 'nonet'"),
    ],
)
def test_wrong_commands(words: list[str], message: str, run: Run) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"netgen: {message}")
    assert err.count("\n") == 1


def test_wrong_arguments_from_python() -> None:
    with pytest.raises(netgen.UsageError, match="phase must be TRAIN or TEST, got 'test'"):
        lint(net(), "test")
    with pytest.raises(netgen.UsageError, match=r"give a net \(netgen.load reads one from a file\), got 'x.prototxt'"):
        lint("x.prototxt")  # type: ignore[arg-type]


def test_list_rules(run: Run) -> None:
    code, out, err = run("--list-rules")
    assert (code, err) == (0, "")
    assert [line.partition(": ")[0] for line in out.splitlines()] == list(RULES)
    assert "eltwise-in-place: An Eltwise SUM in place loses its first bottom" in out
    assert all(line.partition(": ")[2] for line in out.splitlines())


def test_json(run: Run, tmp_path: Path) -> None:
    net(17).pool(2, 2, pad=1, name="p\u202e").layer("Zwirbel", name="z").save(tmp_path / "n.prototxt")
    code, out, err = run("n.prototxt", "--format", "json")
    assert code == 1
    assert err.startswith("netgen: layer 'z'")
    report = json.loads(out)
    assert (report["name"], report["phase"]) == ("n", "TEST")
    assert report["error"].startswith("layer 'z'")
    (finding,) = report["findings"]
    assert (finding["rule"], finding["layer"], finding["type"]) == ("pooling-dropped-window", "p\u202e", "Pooling")
    assert finding["message"].startswith("its last window would start in the padding")
    assert json.loads(run("peleenet", "--format", "json")[1]) == {
        "name": "PeleeNet", "phase": "TEST", "findings": [], "error": None,
    }  # fmt: skip


def test_phases_and_stages(run: Run, tmp_path: Path) -> None:
    text = parsed(
        'name: "p" type: "Pooling" bottom: "data" top: "p" pooling_param { kernel_size: 3 stride: 2 } '
        'include { phase: TRAIN stage: "s" min_level: 1 }'
    ).to_prototxt()
    (tmp_path / "n.prototxt").write_text(text)
    assert run("n.prototxt") == run("n.prototxt", "--phase", "TRAIN", "--level", "1")
    assert "pooling-overhang" in run("n.prototxt", "--phase", "TRAIN", "--level", "1", "--stage", "s")[1]


# Real files, and large ones


def test_real_files_break_nothing(shared: Path) -> None:
    seen: set[str] = set()
    for path in sorted((shared / "corpus" / "caffe").iterdir())[::4]:
        try:
            read = netgen.load(path)
        except netgen.NetgenError:
            continue
        for phase in ("TEST", "TRAIN"):
            findings, _ = lint_as_far_as_possible(read, phase)
            assert all(str(each).isprintable() for each in findings)
            seen.update(each.rule for each in findings)
    assert {"pooling-overhang", "conv-bias-before-bn", "consumers-refuse", "unknown-field"} <= seen


def test_long_nets_take_linear_time() -> None:
    layers = [netgen.Layer(f"r{i}", "ReLU", ("data",), ("data",)) for i in range(20_000)]
    graph = Net(graph=netgen.parse_prototxt('input: "data" input_dim: [1, 1, 1, 1]'))
    graph._layers.extend(layers)
    assert found(graph) == [("in-place-on-input", "r0")]
