"""Patterns that are counted, against loops over all pairs of digits."""

from collections import Counter
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from logicnn.arithmetic.differences import COLUMNS, ROWS
from logicnn.arithmetic.digits import key_of, masks, weight
from logicnn.arithmetic.ranking import patterns_of
from logicnn.arithmetic.sharing import Pairs, Strategy
from logicnn.network import Interval

MATRICES = arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.integers(-40, 40))


def ref_patterns(line, kind, minimal):
    """Pairs of digits (other, shift, sign) of one line, but for those of one entry that exclude each other."""
    digits = [
        (other, shift, sign)
        for other, value in enumerate(line)
        for mask, sign in zip(masks(value, minimal), (1, -1), strict=True)
        for shift in range(16)
        if mask >> shift & 1
    ]
    found = Counter()
    for a, b in combinations(digits, 2):
        if a[0] == b[0]:
            value = line[a[0]]
            if a[1] == b[1] or weight(value - a[2] * (1 << a[1]) - b[2] * (1 << b[1])) != weight(value) - 2:
                continue
        found[key_of(a[0], b[0], b[1] - a[1], int(a[2] != b[2]), kind)] += 1
    return found


@pytest.mark.parametrize(("kind", "minimal"), list(product((ROWS, COLUMNS), (False, True))))
@settings(deadline=None)  # the first call compiles
@given(MATRICES)
def test_patterns_of(kind, minimal, matrix):
    left = Pairs(matrix, [Interval(0, 1)] * matrix.shape[1]).search(Strategy(fewest=(None, None), minimal=minimal))
    for index, line in enumerate((matrix if kind == ROWS else matrix.T).tolist()):
        assert Counter(patterns_of(left, kind, index).tolist()) == ref_patterns(line, kind, minimal)
