"""``netgen compare``: two files of blobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netgen.commands.common import emit, parser_for
from netgen.errors import NetgenError, UsageError

if TYPE_CHECKING:
    from netgen.arrays import Difference


def run(words: list[str]) -> int:
    """Print how far the blobs of two files differ; exit code 1 where any does by more than the tolerance."""
    description = (
        "How far the blobs of two .npz files are from each other, in the order of the first, which is the\n"
        "network's where 'netgen run' wrote it. The relative difference is over the blob's largest value."
    )
    parser = parser_for("compare A.npz B.npz", description, command=True)
    parser.add_argument("first", metavar="A.npz", help="the blobs that count as right")
    parser.add_argument("second", metavar="B.npz", help="those to compare with them")
    parser.add_argument(
        "--tolerance", type=float, default=1e-4, metavar="R", help="the relative difference allowed (default 1e-4)"
    )
    parser.add_argument("--ignore-missing", action="store_true", help="pass over blobs that only one of the two has")
    options = parser.parse_args(words)
    if not options.tolerance >= 0:
        raise UsageError(f"--tolerance: must be 0 or more, got {options.tolerance}")
    from netgen.arrays import compare_arrays
    from netgen.weightfiles.npz import read_arrays

    found = compare_arrays(read_arrays(options.first, None), read_arrays(options.second, None))
    if options.ignore_missing:
        found = [each for each in found if not each.alone]
        if not found:
            raise NetgenError(f"{options.second}: there is no blob of a name that {options.first} has")
    # What both have and differs says more than what one leaves out, as a fused network does.
    wrong = sorted((each for each in found if each.beyond(options.tolerance)), key=lambda each: each.alone)
    lines = [f"{'largest':>12} {'relative':>10}  blob", *map(_line, found)]
    if wrong:
        lines.append(f"first beyond {options.tolerance:g}: {_first(wrong[0])} ({len(wrong)} of {len(found)} blobs)")
    else:
        lines.append(f"all {len(found)} blobs agree within {options.tolerance:g}")
    emit("".join(f"{line}\n" for line in lines), None)
    return 1 if wrong else 0


def _line(each: Difference) -> str:
    return f"{each.absolute:12.3e} {each.relative:10.2e}  {each.name}" + (f": {each.fault}" if each.fault else "")


def _first(each: Difference) -> str:
    return f"{each.name!r}, {each.fault or f'at {list(each.where)}'}"
