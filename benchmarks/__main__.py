"""``python -m benchmarks [NAME ...] [--smoke]``: all measurements or those named; ``--smoke`` sees that they run."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module

from benchmarks.timing import machine

NAMES = ("text", "analysis", "sweep", "start", "weights", "mirror")


def main() -> None:
    """Run the measurements that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--smoke", action="store_true", help="few and small runs, whose figures mean little")
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"no measurement {min(unknown)!r}: choose from {', '.join(NAMES)}")
    names = options.names or NAMES
    if len(names) == 1:
        print(machine())
        import_module(f"benchmarks.{names[0]}").run(options.smoke)
        return
    # Each in a process of its own: Linux counts the largest memory of a process to those that it starts.
    for name in names:
        again = [sys.executable, "-m", "benchmarks", name, *["--smoke"] * options.smoke]
        status = subprocess.run(again, check=False).returncode
        if status:
            sys.exit(status)


main()
