"""The search for pairs: what is counted against loops over all pairs, and what is left against the matrix."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from logicnn.arithmetic import pairs, ranking
from logicnn.arithmetic.differences import COLUMNS, ROWS
from logicnn.arithmetic.sharing import Pairs, Strategy
from logicnn.network import Interval

MATRICES = arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.integers(-40, 40))


def restored(rows, taken, inputs):
    """The matrix of what is left and what was taken."""
    vectors = dict(enumerate(np.eye(inputs, dtype=np.int64)))
    for kind, first, second, distance, opposite, index in taken.tolist():
        if kind == ROWS:
            a, b = vectors[first] << max(0, -distance), vectors[second] << max(0, distance)
            vectors[index] = a - b if opposite else a + b
    totals = {}
    for row in rows.order:
        terms = [(vectors[term.node], term) for term in rows.terms[row]]
        terms += [(totals[term.node], term) for term in rows.reads[row]]
        zero = np.zeros(inputs, np.int64)
        totals[row] = sum(((-each if term.negative else each) * (1 << term.shift) for each, term in terms), zero)
    return np.array([totals[row] for row in range(rows.outputs)])


strategies = st.builds(
    Strategy,
    by_width=st.sampled_from([0.0, 0.5, 1.0]),
    noise=st.sampled_from([0.0, 0.3]),
    differences=st.sampled_from([None, ROWS, COLUMNS]),
    fewest=st.sampled_from([(2, 2), (None, 2), (2, None), (3, 2)]),
    minimal=st.booleans(),
)


@settings(deadline=None)  # the first call compiles
@given(MATRICES, strategies, st.randoms(use_true_random=False))
def test_the_same_matrix(matrix, strategy, random):
    """Of a search, and of one that repeats parts of another."""
    search = Pairs(matrix, [Interval(0, 3)] * matrix.shape[1])
    left = search.search(strategy)
    np.testing.assert_array_equal(restored(pairs.rows_of(left), left.taken[: left.used[0]], matrix.shape[1]), matrix)
    taken = search.taken(left, strategy)
    again = search.search(strategy, taken[[random.random() < 0.5 for _ in taken]])
    np.testing.assert_array_equal(restored(pairs.rows_of(again), again.taken[: again.used[0]], matrix.shape[1]), matrix)


@settings(deadline=None)  # the first call compiles
@given(MATRICES)
def test_all_repeated(matrix):
    """A search that repeats all of another ends as that did."""
    search, strategy = Pairs(matrix, [Interval(0, 3)] * matrix.shape[1]), Strategy()
    left = search.search(strategy)
    again = search.search(strategy, search.taken(left, strategy))
    assert pairs.rows_of(again) == pairs.rows_of(left)


def test_nothing_is_left_that_occurs_twice():
    """No pattern of the result is worth it, counted anew."""
    matrix = np.random.default_rng(1).integers(-128, 128, (8, 8))
    left = Pairs(matrix, [Interval(-128, 127)] * 8).search(Strategy(minimal=False))
    for kind, count in ((ROWS, left.rows.used[0]), (COLUMNS, left.columns.used[0])):
        found = Counter(key for line in range(count) for key in ranking.patterns_of(left, kind, line).tolist())
        assert found and max(found.values()) == 1


def test_minimal_digits_share_more():
    """7 a + b and 3 a + b as 8 a - a + b and 4 a - a + b have two digits in common, where 3 is not 2 + 1."""
    matrix = np.array([[7, 1], [3, 1]])
    left = Pairs(matrix, [Interval(0, 255)] * 2).search(Strategy())
    rows = pairs.rows_of(left)
    assert left.used[0] == 1 and [len(rows.terms[row]) + len(rows.reads[row]) for row in range(2)] == [2, 2]


@pytest.mark.parametrize("load", range(1, 70))
def test_level(load):
    assert pairs.level(load) == (load - 1).bit_length()
