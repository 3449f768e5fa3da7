"""Scalars of schema fields: their ranges, the one form in which the graph holds them, their text in a prototxt.

A float field is a C++ float, so the graph holds the double of the shortest decimal that reads back to that float32:
0.999, whether a file says 0.999 or 0.999000012875.
"""

from __future__ import annotations

import re
import struct
from math import frexp, isnan

INTEGER_RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
}

_pack, _unpack = struct.Struct("<f").pack, struct.Struct("<f").unpack


def shortest_float32(number: float) -> float:
    """The double of the shortest decimal that reads back to the same float32 as ``number``; infinite beyond its range.

    >>> shortest_float32(0.999000012875)
    0.999
    """
    try:
        packed = _pack(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
    if number in _WHOLE or isnan(number):
        return number
    single: float = _unpack(packed)[0]
    if single in _WHOLE:
        return single
    first = 0
    if abs(single) > _LEAST_NORMAL:
        # Six digits are never more than a float32 can tell apart: what reads back with them has no shorter form.
        six = float(f"{single:.6g}")
        if _pack(six) == packed:
            return six
        first = 6
    # Below a power of two the floats are denser: the nearest decimal may miss it where the next one up hits.
    is_power_of_two = abs(frexp(single)[0]) == 0.5
    for digits in range(first, 9):
        text = f"{single:.{digits}e}"
        for candidate in (float(text), float(_next_up(text))) if is_power_of_two else (float(text),):
            if abs(candidate) < _OVERFLOWS and _pack(candidate) == packed:
                return candidate
    return single


_LEAST_NORMAL = 2.0**-126
_OVERFLOWS = 2.0**128 - 2.0**103  # halfway between the largest float32 and the power of two that it is not
_WHOLE = frozenset((0.0, 1.0, -1.0, float("inf"), float("-inf")))


def _next_up(text: str) -> str:
    """The decimal one unit in the last digit further from 0 than ``text``, which is in exponent form."""
    mantissa, exponent = text.split("e")
    sign = "-" if mantissa[0] == "-" else ""
    digits = mantissa.lstrip("-").replace(".", "")
    return f"{sign}{int(digits) + 1}e{int(exponent) - len(digits) + 1}"


_PLAIN = re.compile(r'[^"\\]*')
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quote(text: str) -> str:
    r"""A string as prototxt writes it: quoted, escaped so that it can end no line and no string.

    Printable characters stay as they are, in UTF-8; bytes that were no UTF-8 (held as surrogates) come back as octal.

    >>> print(quote('say "hi"\n'))
    "say \"hi\"\n"
    """
    if text.isprintable() and _PLAIN.fullmatch(text):
        return f'"{text}"'
    return '"' + "".join(_escape(char) for char in text) + '"'


def _escape(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    return "".join(f"\\{byte:03o}" for byte in char.encode("utf-8", "surrogateescape"))


def printable(text: str) -> str:
    r"""Text of a file as a terminal or a picture may have it: what does not print is escaped.

    >>> print(printable("a\n\u202eb"))
    a\n\u202eb
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def quote_bytes(data: bytes) -> str:
    """A bytes field as prototxt writes it: everything that is not printable ASCII as octal."""
    return '"' + "".join(_escape_byte(byte) for byte in data) + '"'


def _escape_byte(byte: int) -> str:
    char = chr(byte)
    return _ESCAPES.get(char) or (char if " " <= char <= "~" else f"\\{byte:03o}")
