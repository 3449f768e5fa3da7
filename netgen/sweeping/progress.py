"""How far a sweep is, on standard error: a bar on a terminal where tqdm is installed, else a line now and then.

Where nobody looks on there is one line alone, of a long sweep: how long it will take.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

_SECONDS = 10.0
"""How long a sweep is silent between lines."""
_MOMENT = 5.0
"""After how long it is said how long it will take: the first variants are slow, and tell little."""
_LONG = 60.0
"""How many seconds are worth such a line."""
_MANY = 100_000
"""How many variants are worth being told before the first is done."""
_UNITS = ((365.25 * 86400, "years"), (86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds"))


@contextmanager
def progress(say: Callable[[str], None], done: int, total: int) -> Iterator[Callable[[int], None]]:
    """Within it, what is given is called with the number of variants that are done by now."""
    watched = sys.stderr is not None and sys.stderr.isatty()
    if watched:
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
    if total - done >= _MANY:
        say(f"{total - done:,} variants")
    yield _lines(say, done, total, watched)


def _lines(say: Callable[[str], None], begun: int, total: int, watched: bool) -> Callable[[int], None]:
    start = last = monotonic()
    told = False

    def line(done: int) -> None:
        nonlocal last, told
        now = monotonic()
        rate = (done - begun) / max(now - start, 1e-9)
        left = (total - done) / max(rate, 1e-9)
        if not told and now - start >= _MOMENT:
            told = True
            if left >= _LONG:
                say(f"{rate:,.0f} variants a second, {total - done:,} to go: this takes {lasting(left)}")
                last = now
        if watched and now - last >= _SECONDS:
            last = now
            say(f"{done:,} of {total:,} variants, {rate:,.0f} a second, {lasting(left)} to go")

    return line


def lasting(seconds: float) -> str:
    """A duration as people say it.

    >>> lasting(0.2), lasting(100), lasting(31244), lasting(1e12)
    ('0 seconds', '1.7 minutes', '8.7 hours', '31,688 years')
    """
    size, unit = next((each for each in _UNITS if seconds >= 1.5 * each[0]), _UNITS[-1])
    number = seconds / size
    return f"{number:.1f} {unit}" if number < 10 and size > 1 else f"{number:,.0f} {unit}"
