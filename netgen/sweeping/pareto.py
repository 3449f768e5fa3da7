"""``--pareto``: the variants that no other betters in everything asked for, found in one pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import ge
from typing import Any

from netgen.errors import UsageError, did_you_mean


class Front:
    """The variants that none so far betters: as good in every column, better in one. Equals stand side by side.

    ``text`` names the columns, which are to be small; ``max:NAME`` is to be large. It holds the front alone, however
    many variants it is shown. Raises UsageError for a column that is not there.

    >>> front = Front("macs,max:size", ["macs", "size"])
    >>> [front.add(i, {"macs": m, "size": s}) for i, (m, s) in enumerate([(9, 1), (5, 1), (7, 3), (8, 2)])]
    [True, True, True, False]
    >>> sorted(front.members)
    [1, 2]
    """

    def __init__(self, text: str, columns: Sequence[str]) -> None:
        self.members: dict[int, tuple[float, ...]] = {}
        self._text = text
        self._columns: list[tuple[str, int]] = []
        for word in text.split(","):
            way, colon, name = word.strip().rpartition(":")
            if way not in ("", "min", "max"):
                raise UsageError(f"--pareto {text}: a column to be large is max:NAME, to be small NAME, got {word!r}")
            if name not in columns:
                near = did_you_mean(name, columns) or f" (there are {', '.join(columns)})"
                raise UsageError(f"--pareto {text}: no column {name!r}{near}")
            self._columns.append((name, -1 if colon and way == "max" else 1))

    def add(self, index: int, row: Mapping[str, Any]) -> bool:
        """Whether a variant is on the front so far; it then drives off those that it betters.

        A variant that lacks one of the values, as one that cannot be built, is not. Raises UsageError for a value that
        is no number.
        """
        point = self._point(row)
        if point is None:
            return False
        beaten = []
        for other, place in self.members.items():
            if all(map(ge, point, place)):
                if place != point:
                    return False
            elif all(map(ge, place, point)):
                beaten.append(other)
        for other in beaten:
            del self.members[other]
        self.members[index] = point
        return True

    def _point(self, row: Mapping[str, Any]) -> tuple[float, ...] | None:
        point = []
        for name, sign in self._columns:
            value = row[name]
            if value is None or value != value:  # noqa: PLR0124 (not a number)
                return None
            if not isinstance(value, int | float):
                raise UsageError(f"--pareto {self._text}: {name} must be a number, got {value!r}")
            point.append(sign * value)
        return tuple(point)
