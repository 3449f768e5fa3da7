"""Blocks that follow each other and are the same: a drawing shows them once, times their number."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

Source = tuple[int, int]
"""Where a box reads: another box's place, and which of its tops."""
_LONGEST = 64
"""Boxes in the longest block that is looked for; the largest of published networks have under thirty."""


class Run(NamedTuple):
    """``times`` blocks of ``length`` boxes each, one after another, from the box ``start`` on."""

    start: int
    length: int
    times: int

    @property
    def stop(self) -> int:
        """The first box after it."""
        return self.start + self.length * self.times


def repeats(looks: Sequence[tuple[Hashable, ...]], sources: Sequence[Sequence[Source]]) -> list[Run]:
    """The runs of repeated blocks, which do not overlap, in order; those that save most boxes are taken first.

    A block is a stretch of neighbouring boxes, at most 64, that reads one blob from outside, and of which nothing but
    its last box is read outside. Two blocks are the same where box by box the layers' types and fields are equal
    (fillers and learning rates are fields; names and shapes are not, so the layers of a dense block are the same
    though their inputs grow) and the boxes read each other alike. They are a run where each reads what the one before
    it ends on, and nothing else reads that. ``looks`` is what must be equal of each box, () for one that is in no run.

    >>> chain = [("data",), ("a",), ("b",), ("a",), ("b",), ("a",), ("b",), ("c",)]
    >>> repeats(chain, [[], *([(place, 0)] for place in range(7))])
    [Run(start=1, length=2, times=3)]
    """
    numbers: dict[Hashable, int] = {}
    kinds = [numbers.setdefault(look, len(numbers)) if look else -1 - place for place, look in enumerate(looks)]
    search = _Search(kinds, sources)
    found = search.candidates()
    found.sort(key=lambda run: (-run.length * (run.times - 1), run.length, run.start))
    taken = bytearray(len(looks))
    runs = []
    for run in found:
        if not any(taken[run.start : run.stop]):
            taken[run.start : run.stop] = b"\1" * (run.stop - run.start)
            runs.append(run)
    return sorted(runs)


class _Search:
    def __init__(self, kinds: Sequence[int], sources: Sequence[Sequence[Source]]) -> None:
        self._kinds = kinds
        self._sources = sources
        self._last_reader = [-1] * len(kinds)
        for place, read in enumerate(sources):
            for source, _ in read:
                self._last_reader[source] = max(self._last_reader[source], place)

    def candidates(self) -> list[Run]:
        """For every place and length the longest run from there, but for those that a shorter block makes as well."""
        size, found = len(self._kinds), []
        times: dict[int, dict[int, int]] = {}
        for length in range(1, min(_LONGEST, size // 2) + 1):
            here: dict[int, int] = {}
            times[length] = here
            parts = [each for each in range(1, length // 2 + 1) if length % each == 0]
            for start in range(size - 2 * length, -1, -1):
                if self._kinds[start] != self._kinds[start + length]:
                    continue
                if any(times[part].get(start, 1) * part >= 2 * length for part in parts):
                    continue
                if self._follow(start, length):
                    here[start] = here.get(start + length, 1) + 1
                    found.append(Run(start, length, here[start]))
        return found

    def _follow(self, start: int, length: int) -> bool:
        """Whether two blocks of this length from ``start`` on are the same, and the second reads the first alone."""
        middle, stop = start + length, start + 2 * length
        if self._kinds[start:middle] != self._kinds[middle:stop]:
            return False
        inner = (*range(start, middle - 1), *range(middle, stop - 1))
        if any(self._last_reader[box] >= (middle if box < middle else stop) for box in inner):
            return False
        if not middle <= self._last_reader[middle - 1] < stop:
            return False
        entries: set[Source] = set()
        for box in range(start, middle):
            one = [self._seen(source, start, entries) for source in self._sources[box]]
            two = [self._follower(source, middle, length) for source in self._sources[box + length]]
            if one != two:
                return False
        return len(entries) == 1

    @staticmethod
    def _seen(source: Source, start: int, entries: set[Source]) -> Source | None:
        """A source as it is within the first block; None from outside, which is kept."""
        if source[0] >= start:
            return source
        entries.add(source)
        return None

    @staticmethod
    def _follower(source: Source, middle: int, length: int) -> Source | None:
        """A source of the second block as it would be within the first; None for what the first ends on."""
        if source[0] >= middle:
            return source[0] - length, source[1]
        return None if source == (middle - 1, 0) else (-1, 0)
