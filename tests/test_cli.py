"""The command line as a user meets it: what it prints, what it writes, and how it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import netgen
from netgen.cli import main
from netgen.commands import COMMANDS

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parent.parent


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command line in an empty folder; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        code = main(words)
        out, err = capfdbinary.readouterr()
        return code, out.decode("utf-8", "surrogateescape"), err.decode()

    return run


def subprocess_run(words: Sequence[str], cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "netgen", *words], cwd=cwd, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
    )  # fmt: skip


def test_a_network_goes_to_standard_output_or_a_file(run: Run, tmp_path: Path) -> None:
    expected = netgen.build("peleenet").to_prototxt()
    assert run("peleenet") == (0, expected, "")
    assert run("peleenet", "-o", "out.prototxt") == (0, "", "")
    assert (tmp_path / "out.prototxt").read_text(encoding="utf-8") == expected
    assert [path.name for path in tmp_path.iterdir()] == ["out.prototxt"]


def test_parameters(run: Run) -> None:
    code, out, _ = run("peleenet", "size=192,320", "layers=1,2", "bottleneck-widths=1,2", "eps=1e-5", "pool=AVE")
    assert code == 0
    assert (
        out
        == netgen.build(
            "peleenet", size=(192, 320), layers=(1, 2), bottleneck_widths=(1, 2), eps=1e-5, pool="AVE"
        ).to_prototxt()
    )
    assert run("peleenet", "-o", "-", "size=64", "layers=1", "bottleneck_widths=1")[0] == 0


def test_a_prototxt_is_read_and_written_again(run: Run, tmp_path: Path) -> None:
    text = 'name:"n"layer{name:"a"type:"ReLU"top:"b"bottom:"a" odd: 3}'
    (tmp_path / "in.prototxt").write_text(text)
    code, out, err = run("in.prototxt")
    assert (code, out) == (0, netgen.parse_prototxt(text).to_prototxt())
    assert err == "note: in.prototxt:1:52: layer 'a' (ReLU): unknown field 'odd' is kept as it is\n"


def test_an_empty_file_is_an_empty_net(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.prototxt").write_text("# nothing\n")
    assert run("empty.prototxt") == (0, "", "note: empty.prototxt: the file is empty, which is an empty net\n")


def test_a_py_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("WIDTH = 8\n")
    (tmp_path / "mine.py").write_text(
        "import netgen\nfrom helper import WIDTH\n\n"
        "def mine(width: int = WIDTH, bias: bool = False):\n    return netgen.Net('m').input(1, 3, 8, 8).conv(width, bias_term=bias)\n\n"
        "def other():\n    return netgen.Net('o').input(1, 3, 8, 8)\n"
    )
    assert "num_output: 8" in run("mine.py")[1]
    assert "num_output: 4" in run("mine.py:mine", "width=4", "bias=yes")[1]
    assert run("mine.py:other")[1].startswith('name: "o"')
    assert run("mine.py:othr") == (2, "", "netgen: mine.py: defines no function 'othr'; did you mean 'other'?\n")
    assert run("mine.py", "width=x") == (2, "", "netgen: mine.py: width must be a whole number, got 'x'\n")
    assert netgen.build(str(tmp_path / "mine.py"), width=8) == netgen.load(f"{tmp_path / 'mine.py'}:mine")
    (tmp_path / "many.py").write_text("def a(): ...\ndef b(): ...\n")
    assert run("many.py")[2] == (
        "netgen: many.py: defines several functions (a, b); name the one to call: many.py:FUNCTION\n"
    )
    (tmp_path / "none.py").write_text("x = 1\n")
    assert "defines no function that builds a net" in run("none.py")[2]
    (tmp_path / "wrong.py").write_text("def wrong():\n    return 3\n")
    assert run("wrong.py") == (2, "", "netgen: wrong.py: must return a netgen.Net, returned 3\n")
    (tmp_path / "ready.py").write_text("import netgen\nnet = netgen.Net('ready')\n")
    assert run("ready.py")[1] == 'name: "ready"\n'


def test_a_py_file_that_raises_shows_its_own_traceback(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("import netgen\n\ndef bad():\n    net = netgen.Net()\n    return 1 / 0\n")
    code, out, err = run("bad.py")
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == "Traceback (most recent call last):"
    assert 'bad.py", line 5, in bad' in err
    assert err.splitlines()[-1] == "ZeroDivisionError: division by zero"
    assert "netgen/" not in err.replace(str(tmp_path), "")
    (tmp_path / "syntax.py").write_text("def f(:\n")
    assert "SyntaxError" in run("syntax.py")[2]
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    assert run("leaves.py")[0] == 1


def test_a_mistake_in_a_py_file_is_one_sentence_with_its_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "typo.py").write_text(
        "import netgen\n\ndef typo():\n    net = netgen.Net().input(1, 3, 8, 8)\n    net.conv(8, name='c', kernal_size=3)\n    return net\n"
    )
    assert run("typo.py") == (
        1, "", "netgen: typo.py:5: layer 'c' (Convolution): no field 'kernal_size'; did you mean 'kernel_size'?\n"
    )  # fmt: skip


def test_one_phase_of_a_network(run: Run, tmp_path: Path) -> None:
    net = netgen.Net("n")
    for phase in ("TRAIN", "TEST"):
        net.data(name="data", top=["data", "label"], batch_size=8, include=phase)
    net.fc(10, name="f").softmax_with_loss(bottom=["f", "label"], name="loss", include="TRAIN")
    net.save(tmp_path / "n.prototxt")
    code, out, _ = run("n.prototxt", "--phase", "TRAIN")
    assert code == 0
    assert [layer.name for layer in netgen.parse_prototxt(out).layers] == ["data", "f", "loss"]
    assert netgen.parse_prototxt(out).layers[0].params["include"] == ({"phase": "TRAIN"},)
    assert [layer.name for layer in netgen.parse_prototxt(run("n.prototxt", "--phase", "TEST")[1]).layers] == [
        "data",
        "f",
    ]
    assert len(netgen.parse_prototxt(run("n.prototxt")[1]).layers) == 4


def test_what_a_py_file_prints_is_not_in_the_prototxt(run: Run, tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text("import netgen\nprint('hello')\nnet = netgen.Net('n')\n")
    assert run("loud.py") == (0, 'name: "n"\n', "hello\n")


def test_parameters_without_annotations_take_what_their_default_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text(
        "import netgen\n\ndef p(depth=2, sizes=(3, 4), need=None):\n    assert type(depth) is int and sizes == (4,)\n    return netgen.Net('n')\n"
        "\ndef q(need):\n    return netgen.Net('q')\n"
    )
    assert run("p.py:p", "depth=3", "sizes=4") == (0, 'name: "n"\n', "")
    assert run("p.py:p", "depth=abc") == (2, "", "netgen: p.py:p: depth must be a whole number, got 'abc'\n")
    assert run("p.py:q") == (2, "", "netgen: p.py:q: the parameter 'need' must be given: need=...\n")
    described = run("p.py:p", "--help")[1].splitlines()
    assert described[-6:-2] == [
        "parameters:",
        "  depth=2                   a whole number",
        "  sizes=3,4                 a list with commas between, each a whole number",
        "  need=None                 a value",
    ]


def test_a_utf_16_file_is_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "u.prototxt").write_text('name: "n"\n', encoding="utf-16")
    assert run("u.prototxt") == (0, 'name: "n"\n', "")


def test_many_notes_are_summed_up(run: Run, tmp_path: Path) -> None:
    (tmp_path / "n.prototxt").write_text("layer { odd: 1 }\n" * 30)
    lines = run("n.prototxt")[2].splitlines()
    assert len(lines) == 11
    assert lines[-1] == "note: n.prototxt: 20 more notes like these"


def test_without_a_package_that_it_needs() -> None:
    # -S leaves out site-packages, and -E nothing else that could bring jinja2 in.
    done = subprocess.run(
        [sys.executable, "-S", "-m", "netgen", "peleenet"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert (
        done.stderr == "netgen: the package 'jinja2' is not installed; 'pip install .' in netgen's folder brings it\n"
    )


def test_a_closed_standard_output() -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m netgen peleenet >&-"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "netgen: standard output is closed; write to a file with -o\n")


def test_help_everywhere(run: Run) -> None:
    for words in (["--help"], ["-h"], *([command, "--help"] for command in COMMANDS)):
        code, out, err = run(*words)
        assert (code, err) == (0, ""), words
        assert out.startswith("usage: netgen")
    code, out, _ = run("peleenet", "--help")
    assert code == 0
    assert out.startswith("usage: netgen peleenet [key=value ...] [options]\n\nPeleeNet, a DenseNet")
    assert "arXiv 1804.06882" in out
    assert "\n  size=224 " in out
    assert run("--version") == (0, f"netgen {netgen.__version__}\n", "")
    assert run()[0] == 2


def test_completion(run: Run, tmp_path: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        code, out, _ = run("completion", shell)
        assert code == 0
        assert "netgen list --names" in out
    assert run("completion", "tcsh")[0] == 2
    script = run("completion", "bash")[1]
    (tmp_path / "netgen").write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m netgen "$@"\n')
    (tmp_path / "netgen").chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", f"{script}\nCOMP_WORDS=(netgen pel) COMP_CWORD=1; _netgen; echo ${{COMPREPLY[0]}}"],
        capture_output=True, text=True, check=True, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout == "peleenet\n"
    for words, option in (("report --inp", "--input"), ("sweep --par", "--pareto")):
        done = subprocess.run(
            ["bash", "-c", f"{script}\nCOMP_WORDS=(netgen {words}) COMP_CWORD=2; _netgen; echo ${{COMPREPLY[0]}}"],
            capture_output=True, text=True, check=True, env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, cwd=tmp_path,
        )  # fmt: skip
        assert done.stdout == f"{option}\n"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["peleenett"], 2, "no network 'peleenett'; did you mean 'peleenet'? ('netgen list' names them all)"),
        (["reprot", "peleenet"], 2, "no command 'reprot'; did you mean 'report'?"),
        (["peleenet", "-o", ""], 2, "the name of the file to write is empty"),
        (["zzz"], 2, "no network 'zzz' ('netgen list' names them all)"),
        (["peleenet", "growht_rate=3"], 2, "peleenet: no parameter 'growht_rate'; did you mean 'growth_rate'? (it takes size, "
         "classes, growth_rate, layers, bottleneck_widths, pool, eps, stem_channels)"),
        (["peleenet", "growth_rate=abc"], 2, "peleenet: growth_rate must be a whole number, got 'abc'"),
        (["peleenet", "growth_rate=0"], 2, "peleenet: growth_rate must be an even number of 2 or more, got 0"),
        (["peleenet", "size=1,2,3"], 2, "peleenet: size must be a whole number or 2 values with commas between, got '1,2,3'"),
        (["peleenet", "eps=tiny"], 2, "peleenet: eps must be a number, got 'tiny'"),
        (["peleenet", "layers=a"], 2, "peleenet: layers must be a list with commas between, each a whole number, got 'a'"),
        (["peleenet", "size"], 2, "peleenet: expected key=value, got 'size'"),
        (["peleenet", "size=1", "size=2"], 2, "peleenet: size is given twice"),
        (["peleenet", "-o", "nowhere/x.prototxt"], 2, "nowhere/x.prototxt: cannot be written: No such file or directory"),
        (["peleenet", "--templates", "nowhere"], 2, "nowhere: this folder of templates does not exist"),
        (["missing.prototxt"], 2, "missing.prototxt: no such file"),
        (["missing.py"], 2, "missing.py: no such file"),
        (["missing.py:f"], 2, "missing.py: no such file"),
        (["."], 2, ".: this is a directory; name a file in it"),
        (["./"], 2, "./: this is a directory; name a file in it"),
        (["a\0b.prototxt"], 2, "a\\x00b.prototxt: cannot be read: embedded null byte"),
        (["junk.prototxt"], 1, "junk.prototxt: this is binary data, not the text of a prototxt; a .caffemodel must be named so"),
        (["conflict.prototxt"], 1, "conflict.prototxt:2:1: this is a git conflict marker; choose one side of the conflict and "
         "delete the markers"),
        (["cut.prototxt"], 1, "cut.prototxt:1:18: expected '}' before the end of the file, for 'layer' opened at line 1"),
        (["empty.prototxt", "size=3"], 2, "empty.prototxt: a file takes no parameters, got 'size=3'"),
    ],
)  # fmt: skip
def test_wrong_commands(words: list[str], code: int, text: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "junk.prototxt").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "conflict.prototxt").write_text("name: 'n'\n<<<<<<< HEAD\n=======\n>>>>>>> b\n")
    (tmp_path / "cut.prototxt").write_text('layer { name: "a"')
    (tmp_path / "empty.prototxt").write_text("")
    before = sorted(tmp_path.iterdir())
    assert run(*words) == (code, "", f"netgen: {text}\n")
    assert sorted(tmp_path.iterdir()) == before


def test_an_old_file_survives_a_failure(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out.prototxt").write_text("precious")
    assert run("peleenet", "growth_rate=0", "-o", "out.prototxt")[0] == 2
    assert (tmp_path / "out.prototxt").read_text() == "precious"
    assert run("peleenet", "-o", "out.prototxt")[0] == 0
    (tmp_path / "out.prototxt").chmod(0o600)
    assert run("peleenet", "-o", "out.prototxt")[0] == 0
    assert (tmp_path / "out.prototxt").stat().st_mode & 0o777 == 0o600


def test_a_broken_pipe_is_quiet(tmp_path: Path) -> None:
    command = f"{sys.executable} -m netgen peleenet | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stdout == "141\n"
    assert done.stderr == ""


@pytest.mark.parametrize("words", ["peleenet", "list", "completion bash", "peleenet -h", "-h", "--version"])
def test_a_full_device_is_said(tmp_path: Path, words: str) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "netgen", *words.split()], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE,
            text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        2,
        "netgen: standard output: cannot be written: No space left on device\n",
    )


def test_any_terminal_encoding(tmp_path: Path) -> None:
    (tmp_path / "n.prototxt").write_bytes('name: "网络" layer { 名: 3 }'.encode())
    done = subprocess_run(["n.prototxt"], tmp_path, PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.returncode == 1
    assert done.stderr == "netgen: n.prototxt:1:20: expected a field name or a value, got '\\u540d'\n"
    (tmp_path / "n.prototxt").write_bytes('name: "网络"'.encode())
    out = subprocess.run(
        [sys.executable, "-m", "netgen", "n.prototxt"], cwd=tmp_path, capture_output=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip
    assert out.stdout == 'name: "网络"\n'.encode()


def test_an_ending_that_tells_no_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "n.prototxt").write_text('name: "n"')
    before = (tmp_path / "n.prototxt").read_text()
    assert main(["report", f"{tmp_path}/n.prototxt", "-o", f"{tmp_path}/n.prototxt"]) == 2
    assert (
        "-o: the ending .prototxt tells no format; give --format text, json, csv, markdown" in capsys.readouterr().err
    )
    assert (tmp_path / "n.prototxt").read_text() == before


def test_an_unknown_type_is_written_and_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "n.prototxt").write_text('layer { name: "c" type: "Convoluton" top: "c" }')
    assert main([f"{tmp_path}/n.prototxt", "-o", f"{tmp_path}/o.prototxt"]) == 0
    note = "note: layer 'c' (Convoluton): the type is not known; did you mean 'Convolution'?\n"
    assert capsys.readouterr().err == note


def test_a_file_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.prototxt").write_text('name: "n"')
    for words in (["small.prototx"], ["report", "small.prototx"]):
        assert main(words) == 2
        assert capsys.readouterr().err == (
            "netgen: small.prototx: no such file, and no network of that name; did you mean 'small.prototxt'?\n"
        )
