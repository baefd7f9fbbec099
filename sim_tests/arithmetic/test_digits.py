"""The two readings of a matrix's digits, and the patterns of their pairs, against loops over all pairs."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from logicnn.arithmetic.digits import COLUMNS, ROWS, Digits, Pattern

MATRICES = arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.integers(-40, 40))


def ref_patterns(digits: Digits, kind: int) -> Counter:
    """Pairs of digits of a line: (index, shift) from the lower index and shift to the higher."""
    lines: dict[int, list[tuple[int, int, int]]] = {}
    for row in range(digits.count(ROWS)):
        for term in digits.terms(row):
            line, index = (row, term.node) if kind == ROWS else (term.node, row)
            lines.setdefault(line, []).append((index, term.shift, term.negative))
    found = Counter()
    for line in lines.values():
        for first, second in combinations(sorted(line), 2):
            found[Pattern(first[0], second[0], second[1] - first[1], first[2] != second[2], kind)] += 1
    return found


def patterns(digits: Digits, kind: int) -> Counter:
    return Counter(Pattern.of(key) for keys in digits.keys(kind) for key in keys.tolist())


@pytest.mark.parametrize("kind", [ROWS, COLUMNS])
@given(MATRICES)
def test_keys(kind, matrix):
    digits = Digits(matrix)
    assert patterns(digits, kind) == ref_patterns(digits, kind)


@given(MATRICES, st.randoms(use_true_random=False))
def test_digit_in_and_out(matrix, random):
    """What is taken loses just the patterns that `keys_with` names, and comes back as it was."""
    digits = Digits(matrix)
    row = random.randrange(digits.count(ROWS))
    if not digits.terms(row):
        return
    term = random.choice(digits.terms(row))
    before = patterns(digits, ROWS) + patterns(digits, COLUMNS)
    sign = digits.take(row, term.node, term.shift)
    assert sign == (-1 if term.negative else 1)
    gone = Counter(map(Pattern.of, digits.keys_with(row, term.node, term.shift, sign, (ROWS, COLUMNS))))
    assert patterns(digits, ROWS) + patterns(digits, COLUMNS) == before - gone
    digits.put(row, term.node, term.shift, sign)
    assert patterns(digits, ROWS) + patterns(digits, COLUMNS) == before


@pytest.mark.parametrize("kind", [ROWS, COLUMNS])
@given(MATRICES)
def test_occurrences(kind, matrix):
    """As often as it was counted; of digits that overlap, as many as do not."""
    digits = Digits(matrix)
    for pattern, uses in patterns(digits, kind).items():
        found = digits.occurrences(pattern)
        assert len(found) == uses if pattern.first != pattern.second else 0 < len(found) <= uses
        taken = [(each.line, index, each.shift + more) for each in found for index, more in ends(pattern)]
        assert len(set(taken)) == len(taken)


def ends(pattern: Pattern) -> tuple[tuple[int, int], tuple[int, int]]:
    return (pattern.first, 0), (pattern.second, pattern.distance)
