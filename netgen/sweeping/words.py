"""The ``key=...`` words of a sweep become the values of each parameter."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import chain
from typing import Any

from netgen.arguments import is_list, keyed, kinds, typed
from netgen.errors import UsageError
from netgen.sweeping.grid import Steps

SYNTAX = """\
key=16,24,32               each of these values
key=192:320:32             from 192 by 32 up to 320, which counts where it falls on a step; also 0.1:0.3:0.05
key=64,192:320:32          both
key=3,4,8,6/2,3,5,3        of a parameter that takes a list: lists, with / between
key=224/320,192            of one that takes a number or a list: what stands between the / is one value
key=320,192/               the one list, where 320,192 would be two numbers"""
_WHOLE = re.compile(r"[+-]?\d{1,30}")
_NUMBER = re.compile(r"[+-]?(\d{1,30}\.?\d{0,30}|\.\d{1,30})(e[+-]?\d{1,3})?", re.IGNORECASE)


def axes(name: str, function: Callable[..., Any], words: Iterable[str]) -> dict[str, Sequence[Any]]:
    """The values of each parameter that the words name, in their order; raises UsageError that teaches ``SYNTAX``."""
    return {key: _values(name, key, text, hint) for key, text, hint in keyed(name, function, words)}


def _values(name: str, key: str, text: str, hint: Any) -> Sequence[Any]:
    listed = [is_list(kind) for kind in kinds(hint)]
    # A word may hold a colon of its own.
    numbers = [kind for kind in (int, float) if kind in kinds(hint) or hint is Any] if str not in kinds(hint) else []
    lists = any(listed) or hint is Any
    if lists and ("/" in text or all(listed)):
        pieces = text.removesuffix("/").split("/")
        way_out = f"; between lists put /, as in {key}=1,2/3,4"
    else:
        pieces = text.split(",")
        way_out = "; between values put commas" + (f", or give lo:hi:step, as in {key}=16:32:8" if numbers else "")
        if any(listed):
            way_out += f"; a list ends in /, as in {key}=1,2/"
    values = [
        _steps(name, key, piece, numbers) if numbers and _is_range(piece) else (typed(name, key, piece, hint, way_out),)
        for piece in map(str.strip, pieces)
    ]
    return values[0] if len(values) == 1 else tuple(chain.from_iterable(values))


def _is_range(text: str) -> bool:
    return ":" in text and "," not in text


def _steps(name: str, key: str, text: str, kinds: Sequence[type]) -> Steps:
    """``lo:hi`` or ``lo:hi:step``; of a parameter that takes both, whole numbers where all three are whole."""
    parts = text.split(":")
    where = f"{name}: {key}={text}"
    if not 2 <= len(parts) <= 3:
        raise UsageError(f"{where}: a range is lo:hi:step, as in {key}=192:320:32, got {len(parts)} numbers")
    whole = int in kinds and all(_WHOLE.fullmatch(part) for part in parts)
    if not whole and (float not in kinds or not all(_NUMBER.fullmatch(part) for part in parts)):
        what = "numbers" if float in kinds else "whole numbers"
        raise UsageError(f"{where}: a range takes {what}, lo:hi:step, as in {key}=192:320:32")
    low, high, step = (Fraction(Decimal(part)) for part in [*parts, "1"][:3])
    if not step or (high - low) / step < 0:
        way_out = "give a step that leads from lo to hi, below 0 to go down"
        raise UsageError(f"{where}: a step of {parts[2] if len(parts) == 3 else 1} never arrives at hi; {way_out}")
    count = int((high - low) / step) + 1
    if count > sys.maxsize:
        raise UsageError(
            f"{where}: a range may have {sys.maxsize:,} numbers at most, got {count:,}; give a larger step"
        )
    return Steps(low, step, count, int if whole else float)
