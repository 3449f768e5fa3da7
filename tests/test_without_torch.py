"""Torch is optional: all that does not need it works where it is not installed, and what does says how to get it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What pip did not install is not found, whatever lies beside it
PRELUDE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import netgen, numpy
from netgen.cli import main

net = netgen.Net("n").input(1, 3, 8, 8).conv(4, 3, name="c").bn(scale=True).relu().softmax(name="p")
net.save("n.prototxt")
"""

WAY = "this needs the package 'torch', which is not installed; 'pip install torch', or netgen with its extra: 'pip install netgen[torch]'"


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{PRELUDE}{code}"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_what_works_without_it(tmp_path: Path) -> None:
    done = run(
        """
assert main(["report", "n.prototxt"]) == 0
assert main(["lint", "n.prototxt"]) in (0, 1)
assert main(["weights", "n.prototxt", "--seed", "1", "-o", "w.caffemodel"]) == 0
assert main(["weights", "n.prototxt", "--from", "w.caffemodel", "-o", "w.npz"]) == 0
assert main(["fold", "n.prototxt", "--weights", "w.npz", "-o", "f"]) == 0
assert main(["compare", "w.npz", "w.npz"]) == 0
weights = netgen.load_weights("w.caffemodel")
assert list(weights) == list(netgen.match_weights(netgen.expected_weights(net), weights))
netgen.save_weights(weights, "v.npz")
assert list(netgen.fold(net, weights).folded) == ["c/bn", "c/scale"]
assert netgen.analyze(net).totals()["weights"]
assert "torch" not in sys.modules
print("done")
""",
        tmp_path,
    )
    assert done.stdout.endswith("done\n"), done.stderr


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("netgen.to_torch(net)", "the PyTorch mirror"),
        ("netgen.Mirror(net)", "the PyTorch mirror"),
        ("netgen.run(net, {}, {})", "the PyTorch mirror"),
        ("main(['check', 'n.prototxt'])", "netgen check"),
        ("main(['run', 'n.prototxt', '--weights', 'w.npz', '--input', 'i.npz', '-o', 'o.npz'])", "netgen run"),
        ("main(['weights', 'n.prototxt', '--init', 'calibrated', '-o', 'w.npz'])", "--init calibrated"),
        ("netgen.save_weights({}, 'w.pt')", "w.pt"),
    ],
)
def test_what_needs_it_says_how_to_get_it(code: str, what: str, tmp_path: Path) -> None:
    done = run(
        f"try:\n    code = {code}\nexcept netgen.UsageError as error:\n    print(f'netgen: {{error}}', file=sys.stderr)\n"
        "    code = 2\nsys.exit(code)",
        tmp_path,
    )
    assert done.stderr == f"netgen: {what}: {WAY}\n"
    assert done.returncode == 2
