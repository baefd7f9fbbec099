"""Differences along a spanning tree: the matrix again, and never more digits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from logicnn.arithmetic.adders import digit_count
from logicnn.arithmetic.differences import COLUMNS, ROWS, start_of

MATRICES = arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(-40, 40))


def restored(start, shape):
    """The matrix that a start stands for."""
    vectors = [*np.eye(shape[1], dtype=np.int64)]
    for _, first, second, shift, negative, index in start.definitions.tolist():
        assert index == len(vectors) and shift >= 0
        vectors.append(vectors[first] + (-vectors[second] if negative else vectors[second]) * (1 << shift))
    rows = {}

    def row(index):
        if index not in rows:
            total = start.matrix[index] @ np.array(vectors)
            for _, other, shift, negative in start.extra[start.extra[:, 0] == index].tolist():
                total = total + (-row(other) if negative else row(other)) * (1 << shift)
            rows[index] = total
        return rows[index]

    return np.array([row(index) for index in range(shape[0])])


@pytest.mark.parametrize("along", [None, ROWS, COLUMNS])
@given(MATRICES)
def test_the_same_matrix(along, matrix):
    start = start_of(matrix, along)
    np.testing.assert_array_equal(restored(start, matrix.shape), matrix)
    assert digit_count(start.matrix) + len(start.extra) + len(start.definitions) <= digit_count(matrix)


def test_rows_that_differ_little():
    """Four rows of one digit each away from the one before become it and three digits."""
    first = np.array([85, 85, 85, 85])
    matrix = first + np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 2, 0, 0], [1, 2, 4, 0]])
    start = start_of(matrix, ROWS)
    assert len(start.extra) == 3 and digit_count(start.matrix) == digit_count(first) + 3
