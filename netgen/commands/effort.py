"""What a pass of a network will take, told before it is begun where that is much."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from netgen.commands.common import say
from netgen.errors import UsageError

if TYPE_CHECKING:
    from netgen.analysis import Analysis

_FLOPS = 10**11
"""Operations that are worth being told of: a core takes seconds for so many."""
_BYTES = 1 << 30


def tell_effort(analysis: Analysis, device: str, *, every_blob: bool) -> None:
    """Say what a pass takes, where that is much; raises UsageError where the memory is not there.

    Nothing of a net that is refused, which will be said.
    With ``every_blob`` all blobs are held until the end, else those that are still read.
    """
    totals = analysis.totals()
    held = totals["activation_bytes" if every_blob else "peak_activation_bytes"] + totals["weight_bytes"]
    if analysis.error or (totals["flops"] < _FLOPS and held < _BYTES):
        return
    need = (
        f"{analysis.name or 'the net'}: a pass takes {totals['flops']:,} operations, and at least {_gib(held)} for "
        "weights and activations"
    )
    free = free_memory() if device == "cpu" else None
    if free is not None and held > free:
        raise UsageError(f"{need}, of which {_gib(free)} are free; give smaller inputs, or another --device")
    say(f"note: {need}")


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"


def free_memory() -> int | None:
    """The bytes that new processes can have, swap included; None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            rows = dict(line.split(":") for line in file)
        return 1024 * sum(int(rows[name].split()[0]) for name in ("MemAvailable", "SwapFree"))
    except (OSError, ValueError, KeyError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
