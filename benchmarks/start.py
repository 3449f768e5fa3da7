"""The start of the command line beside the start of the library that it cannot do without."""

from __future__ import annotations

import sys

from benchmarks.timing import commands_in_turns


def run(smoke: bool) -> None:
    """Print the figures. Python's compiled modules must be in place, as they are after an install or a first run."""
    peers = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import jinja2": [sys.executable, "-c", "import jinja2"],
        "python -m netgen peleenet": [sys.executable, "-m", "netgen", "peleenet"],
        "python -m netgen list": [sys.executable, "-m", "netgen", "list"],
    }
    medians = commands_in_turns(peers, 2 if smoke else 25)
    print("start, ms of CPU time:")
    for name, seconds in medians.items():
        print(f"  {name:<28}{seconds * 1e3:6.1f}")
    ratio = medians["python -m netgen peleenet"] / medians["import jinja2"]
    print(f"  writing PeleeNet takes {ratio:.2f} times as long as importing jinja2 alone")
