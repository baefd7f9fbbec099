"""Signed digits of integers and keys of patterns, against plain loops."""

from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logicnn.arithmetic.digits import key_of, lowest, masks, ones, unpacked, weight, width
from logicnn.network import Interval

# Canonical signed digits, least significant first: https://en.wikipedia.org/wiki/Canonical_signed_digit (7 = 8 - 1, 23
# = 32 - 8 - 1); 45 = 64 - 16 - 4 + 1 by hand.
DIGITS = [
    (0, []),
    (1, [1]),
    (3, [-1, 0, 1]),
    (7, [-1, 0, 0, 1]),
    (23, [-1, 0, 0, -1, 0, 1]),
    (45, [1, 0, -1, 0, -1, 0, 1]),
    (-1, [-1]),
    (-7, [1, 0, 0, -1]),
    (-45, [-1, 0, 1, 0, 1, 0, -1]),
]

ints = st.integers(-(1 << 24) + 1, (1 << 24) - 1)


def ref_minimal(value, shifts=8):
    """The digits (shift, sign) of all representations of a value by as few as there are."""
    places = [(shift, sign) for shift, sign in product(range(shifts), (1, -1))]
    for count in range(shifts):
        found = [
            set(each) for each in combinations(places, count) if sum(sign << shift for shift, sign in each) == value
        ]
        if found:
            return count, set().union(*found)
    raise AssertionError(value)


def as_set(plus, minus):
    return {(shift, sign) for mask, sign in ((plus, 1), (minus, -1)) for shift in range(64) if mask >> shift & 1}


@pytest.mark.parametrize("value", range(-40, 41))
def test_minimal_digits(value):
    """Every digit of every shortest representation, and no other."""
    count, digits = ref_minimal(value)
    assert weight(value) == count
    assert as_set(*masks(value, True)) == digits


@pytest.mark.parametrize(("value", "digits"), DIGITS)
def test_canonical_known(value, digits):
    assert as_set(*masks(value, False)) == {(shift, digit) for shift, digit in enumerate(digits) if digit}


@settings(deadline=None)  # the first call compiles
@given(ints)
def test_canonical_digits(value):
    """They make the value, and no two neighbours are both non-zero."""
    digits = as_set(*masks(value, False))
    assert sum(sign << shift for shift, sign in digits) == value
    shifts = {shift for shift, _ in digits}
    assert len(shifts) == len(digits) == weight(value)
    assert not any(shift + 1 in shifts for shift in shifts)


@settings(deadline=None)  # the first call compiles
@given(ints)
def test_a_digit_taken_leaves_a_lighter_value(value):
    """What `residual.change` relies on: the value has one digit fewer, and none that it did not have."""
    digits = as_set(*masks(value, True))
    for shift, sign in digits:
        left = value - sign * (1 << shift)
        assert weight(left) == weight(value) - 1
        assert as_set(*masks(left, True)) <= digits


@settings(deadline=None)  # the first call compiles
@given(st.integers(1, (1 << 62) - 1))
def test_bits(value):
    assert (ones(value), 1 << lowest(value)) == (value.bit_count(), value & -value)


@settings(deadline=None)  # the first call compiles
@given(ints, ints)
def test_width(a, b):
    low, high = sorted((a, b))
    assert width(low, high) == Interval(low, high).width


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, (1 << 24) - 1), st.integers(0, (1 << 24) - 1), st.integers(-60, 60), st.booleans(), st.booleans())
def test_keys(first, second, distance, opposite, kind):
    """A key is its pattern, seen from the lower index, of equal ones from the lower digit."""
    pattern = unpacked(key_of(first, second, distance, int(opposite), int(kind)))
    turned = first > second or (first == second and distance < 0)
    expected = (second, first, -distance) if turned else (first, second, distance)
    assert pattern == (*expected, opposite, kind)
