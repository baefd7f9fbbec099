"""Tables without the rows that no sample reads."""

from itertools import product

import numpy as np
import pytest

from logicnn.errors import LogicnnError
from logicnn.network import BIT, Activations, Argmax, GroupSum, LutLayer, Network, Thermometer
from logicnn.nn.tables.unseen import _narrowest, without_unseen


def ref_fewest(table, seen, k):
    """How many bits a table must read at least, by trying all tables."""
    fewest = k
    for other in product((0, 1), repeat=1 << k):
        if all(a == b for a, b, counts in zip(table, other, seen, strict=True) if counts):
            rows = np.reshape(other, [2] * k)
            fewest = min(fewest, sum(bool((np.diff(rows, axis=axis) != 0).any()) for axis in range(k)))
    return fewest


@pytest.mark.parametrize("seed", range(40))
def test_as_few_bits_as_any(seed):
    rng = np.random.default_rng(seed)
    table, seen = rng.integers(2, size=8).astype(np.uint8), rng.random(8) < rng.random()
    made = _narrowest(table, seen, 3)
    assert np.array_equal(made[seen], table[seen])
    depends = sum(bool((np.diff(made.reshape(2, 2, 2), axis=axis) != 0).any()) for axis in range(3))
    assert depends == ref_fewest(table, seen, 3)


def network(seed=1):
    rng = np.random.default_rng(seed)
    layers = [
        Thermometer([1]),
        LutLayer(rng.integers(10, size=(30, 4)), rng.integers(2, size=(30, 16))),
        LutLayer(rng.integers(30, size=(15, 6)), rng.integers(2, size=(15, 64))),
        GroupSum(np.array([5, 5, 5]), np.ones(15, np.int16), np.zeros(3, np.int32)),
        Argmax(),
    ]
    return Network(Activations((10,), BIT), layers)


@pytest.mark.parametrize("seed", range(5))
def test_samples_keep_their_classes(seed):
    whole = network(seed)
    x = np.random.default_rng(seed).integers(2, size=(40, 10))
    made = without_unseen(whole, x)
    assert np.array_equal(made.evaluate(x), whole.evaluate(x))

    def read(of):
        return sum(int(layer.depends.sum()) for layer in of.layers if isinstance(layer, LutLayer))

    assert read(made) < read(whole)
    assert read(without_unseen(whole, x, least=4)) <= read(made)


def test_tables_that_read_the_input():
    whole = network()
    bare = Network(whole.input, whole.layers[1:])
    x = np.random.default_rng(1).integers(2, size=(40, 10))
    assert np.array_equal(without_unseen(bare, x).evaluate(x), whole.evaluate(x))


def test_refuses():
    with pytest.raises(LogicnnError, match=r"^least must be 1 sample at least, not 0$"):
        without_unseen(network(), np.zeros((3, 10), int), 0)
    with pytest.raises(LogicnnError, match=r"^x must be samples of shape \(10,\), not an array of shape \(3, 9\)$"):
        without_unseen(network(), np.zeros((3, 9), int))
