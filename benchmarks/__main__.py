"""``python -m benchmarks [NAME ...] [--smoke]``: all measurements or those named; ``--smoke`` sees that they run."""

from __future__ import annotations

import argparse
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
    print(machine())
    for name in options.names or NAMES:
        import_module(f"benchmarks.{name}").run(options.smoke)


main()
