"""How far a sweep is, on standard error: a bar on a terminal where tqdm is installed, else a line now and then."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

_SECONDS = 10.0
"""How long a sweep is silent between lines."""


@contextmanager
def progress(say: Callable[[str], None], done: int, total: int) -> Iterator[Callable[[int], None]]:
    """Within it, what is given is called with the number of variants that are done by now."""
    if sys.stderr is not None and sys.stderr.isatty():
        try:
            from tqdm import tqdm
        except ImportError:
            pass
        else:
            # Its monitor is a thread, which a sweep has no need of.
            tqdm.monitor_interval = 0
            with tqdm(total=total, initial=done, unit=" variants", file=sys.stderr, dynamic_ncols=True) as bar:
                yield lambda now: bar.update(now - bar.n) and None
            return
    yield _lines(say, done, total)


def _lines(say: Callable[[str], None], begun: int, total: int) -> Callable[[int], None]:
    start = last = monotonic()

    def line(done: int) -> None:
        nonlocal last
        now = monotonic()
        if now - last >= _SECONDS:
            last = now
            say(f"{done:,} of {total:,} variants, {(done - begun) / (now - start):,.0f} a second")

    return line
