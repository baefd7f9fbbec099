"""Parts of a data set that are held out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from logicnn.data.dataset import Split
from sim_tests.helpers import digits


def test_all_different():
    """A third, always the same one, and no period of the order decides; what was measured goes with it."""
    x = np.arange(600)[::-1].reshape(-1, 1)
    split = Split(x, np.arange(600), np.float32(x) / 2)
    train, held = split.without_one_of(3)
    assert len(held.y) == 200 and sorted([*train.y, *held.y]) == list(range(600))
    assert np.array_equal(held.y, split.without_one_of(3)[1].y) and np.all(np.diff(held.y) > 0)
    assert np.bincount(held.y % 3).min() > 40
    assert held.real is not None and np.array_equal(held.real, np.float32(held.x) / 2)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(2, 5))
def test_equal_samples_stay_together(values, count):
    x = np.array(values)[:, None]
    train, held = Split(x, np.arange(len(x))).without_one_of(count)
    assert not {*train.x[:, 0].tolist()} & {*held.x[:, 0].tolist()}
    assert sorted([*train.y, *held.y]) == list(range(len(x)))
    assert len({*held.x[:, 0].tolist()}) == len({*values}) // count


def test_images():
    train, held = Split(np.zeros((6, 1, 2, 2), np.uint8), np.arange(6)).without_one_of(2)
    assert len(train.x) == 6 and held.x.shape == (0, 1, 2, 2)


def test_held_out():
    data = digits()
    train, held = data.held_out(100)
    assert len(train.x) == len(train.y) == 1338 and len(held.x) == 100
    assert np.array_equal(np.concatenate([train.x, held.x]), data.train.x) and np.array_equal(
        held.y, data.train.y[-100:]
    )
