from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from netgen.scalars import quote, quote_bytes, shortest_float32


def digits(number: float) -> int:
    return len(np.format_float_scientific(number, trim="-").split("e")[0].replace("-", "").replace(".", ""))


def check_shortest(single: np.float32) -> None:
    shortest = shortest_float32(float(single))
    assert np.float32(shortest) == single
    assert digits(shortest) == len(
        np.format_float_scientific(single, unique=True, trim="-").split("e")[0].replace("-", "").replace(".", "")
    )


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
@example(1e-45)
@example(3.4028234663852886e38)
@example(-0.0)
def test_the_shortest_decimal_reads_back_to_the_same_float32(number: float) -> None:
    check_shortest(np.float32(number))
    assert math.copysign(1, shortest_float32(number)) == math.copysign(1, number)


def test_powers_of_two_have_the_shortest_decimal_too() -> None:
    # Below a power of two the floats are twice as dense as above, and the nearest decimal may read back as another.
    for exponent in range(-149, 128):
        check_shortest(np.float32(2.0**exponent))


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (0.999000012875, 0.999),
        (0.0010000000475, 0.001),
        (1e39, math.inf),
        (-1e39, -math.inf),
        (1e-60, 0.0),
        (16777217, 16777216.0),
    ],
)
def test_known_floats(number: float, expected: float) -> None:
    assert shortest_float32(number) == expected


def test_nan_stays_nan() -> None:
    assert math.isnan(shortest_float32(math.nan))


@given(st.binary(max_size=40))
def test_a_quoted_string_stays_on_its_line_and_in_its_quotes(data: bytes) -> None:
    quoted = quote(data.decode("utf-8", "surrogateescape"))
    assert quoted[0] == quoted[-1] == '"'
    assert quoted.isprintable()
    inside = quoted[1:-1].replace("\\\\", "").replace('\\"', "")
    assert '"' not in inside


def test_what_quoting_looks_like() -> None:
    assert quote("conv1/relu") == '"conv1/relu"'
    assert quote('a"b\\c\n\x00') == r'"a\"b\\c\n\000"'
    assert quote("网络") == '"网络"'
    assert quote("\u202eabc") == r'"\342\200\256abc"'
    assert quote(b"\xff".decode("utf-8", "surrogateescape")) == r'"\377"'
    assert quote_bytes(b"a\xff\n'") == r'''"a\377\n'"'''


def test_struct_agrees_on_the_largest_float() -> None:
    assert struct.unpack("<f", b"\xff\xff\x7f\x7f")[0] == float(np.finfo(np.float32).max)
