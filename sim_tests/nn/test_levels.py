"""Thresholds of columns: as many samples between any two of them as the values allow."""

import numpy as np
import pytest

pytest.importorskip("torch")

from logicnn.errors import LogicnnError
from logicnn.nn.tables import column_thresholds


def column(*values: int) -> np.ndarray:
    return np.array(values, np.int8).reshape(-1, 1)


def test_equal_shares():
    """Columns of other ranges have other thresholds, with a quarter of the samples between two of each."""
    x = np.stack([np.arange(-100, 100), np.arange(200) // 4], 1).astype(np.int16)
    found = column_thresholds(np.random.default_rng(1).permutation(x), 3, -100)
    assert found.dtype == np.int32 and found.tolist() == [[-50, 0, 50], [13, 25, 38]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((3, 3, 5, 9, 5), [5, 9, 9]),  # each but the lowest, the last one repeated
        ((4, 4), [4, 4, 4]),  # nothing to tell apart
        ((-8, -8), [-7, -7, -7]),  # a threshold is above the lowest value that there is
        ((1, 2, 3, 4), [2, 3, 4]),
    ],
)
def test_few_values(values, expected):
    assert column_thresholds(column(*values), 3, -8).tolist() == [expected]


def test_a_value_that_most_have():
    """It is between two thresholds alone, and the others part the rest."""
    x = column(*[0] * 900, *range(1, 101))
    assert column_thresholds(x, 4, -8).tolist() == [[1, 26, 51, 76]]
    assert column_thresholds(-x, 4, -101).tolist() == [[-75, -50, -25, 0]]


@pytest.mark.parametrize("levels", [1, 5, 30, 120])
@pytest.mark.parametrize("power", [1, 3, 9])
def test_none_twice(levels, power):
    """As many as there are, increasing, however skewed; none where nothing is below."""
    x = (np.random.default_rng(levels).random((2000, 1)) ** power * 127).astype(np.int8)
    (found,) = column_thresholds(x, levels, 0)
    values = np.unique(x)[1:]
    assert set(found.tolist()) <= set(values.tolist()) and len(found) == levels
    assert len(set(found.tolist())) == min(levels, len(values)) and (np.diff(found) >= 0).all()


@pytest.mark.parametrize(
    ("x", "levels", "message"),
    [
        (np.zeros((2, 1, 4, 4), np.uint8), 3, r"levels are of columns of integers, not of uint8 samples of shape \("),
        (np.zeros((2, 3)), 3, r"levels are of columns of integers, not of float64 samples of shape \(3,\)$"),
        (np.zeros((2, 3), int), 0, r"levels must be 1 at least, not 0$"),
    ],
)
def test_refuses(x, levels, message):
    with pytest.raises(LogicnnError, match=f"^{message}"):
        column_thresholds(x, levels, 0)
