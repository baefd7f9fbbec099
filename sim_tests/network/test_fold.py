"""Folding is exact: thresholds reproduce every answer, and `simplify` changes no result."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logicnn.network import Activations, Argmax, BinaryDense, Interval, Network, Offset, Threshold, simplify
from logicnn.network.fold import FoldError, fold_steps
from sim_tests.helpers import all_bits, conv_network, dense_network


@pytest.mark.parametrize("fan_in", range(6))
@pytest.mark.parametrize("falling", [False, True])
def test_every_step(fan_in, falling):
    for step in range(fan_in + 2):
        fires = np.arange(7)[None] >= step
        fires ^= falling
        minimum, inverted = fold_steps(fires, np.array([fan_in]))
        agreeing = np.arange(fan_in + 1)
        seen = fan_in - agreeing if inverted[0] else agreeing
        assert np.array_equal(seen >= minimum[0], fires[0, : fan_in + 1])


def test_beyond_the_fan_in_is_ignored():
    minimum, inverted = fold_steps(np.array([[False, True, False, True]]), np.array([1]))
    assert (minimum[0], inverted[0]) == (1, False)


def test_two_steps():
    with pytest.raises(
        FoldError,
        match=r"^neuron 1 is not a threshold: its answer to 0 ... 2 agreeing synapses changes more than once$",
    ):
        fold_steps(np.array([[False, True, True], [False, True, False]]), np.array([2, 2]))


def test_shape_wrong():
    with pytest.raises(FoldError, match=r"^fires must have shape"):
        fold_steps(np.zeros((1, 3), bool), np.array([3]))


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_simplify_is_exact(seed, density):
    network = dense_network(np.random.default_rng(seed), 6, 5, 4, 3, density=density)
    simple = simplify(network)
    assert np.array_equal(simple.evaluate(all_bits(6).astype(int)), network.evaluate(all_bits(6).astype(int)))
    for layer, reader in zip(simple.layers[:2], simple.layers[1:3], strict=True):
        assert len(layer.weights) == 1 or np.all(np.any(reader.weights != 0, axis=0))
    assert simple.layers[2].activation.level.min() == 0


def test_simplify_offsets_far_apart():
    layers = [BinaryDense([[1, 0], [0, 1]], Offset([-(2**31), 2**31 - 1])), Argmax()]
    network = Network(Activations((2,), Interval(0, 1)), layers)
    assert (
        simplify(network).evaluate(np.array([[1, 0]])).tolist() == network.evaluate(np.array([[1, 0]])).tolist() == [1]
    )


def test_simplify_keeps_scores_without_argmax():
    network = dense_network(np.random.default_rng(5), 6, 4, 3, argmax=False)
    assert np.array_equal(
        simplify(network).evaluate(all_bits(6).astype(int)), network.evaluate(all_bits(6).astype(int))
    )


def test_simplify_leaves_convolutions():
    network = conv_network(np.random.default_rng(1))
    x = np.random.default_rng(2).integers(0, 4, (200, 1, 4, 4))
    assert np.array_equal(simplify(network).evaluate(x), network.evaluate(x))


def test_constants_disappear():
    layers = [BinaryDense([[1, 1], [1, -1], [1, 0]], Threshold([0, 3, 1])), BinaryDense([[1, -1, 1]], Offset([0]))]
    simple = simplify(Network(Activations((2,), Interval(0, 1)), layers))
    assert simple.layers[0].weights.tolist() == [[1, 0]] and simple.layers[1].activation.value.tolist() == [2]


def test_simplify_keeps_scores_that_are_read_as_bits():
    """A score of 0 or 1 is a bit for the layer behind it; without a constant neuron it is always 1, and none."""
    given = Activations((1,), Interval(0, 1))
    always, score = BinaryDense([[0]], Threshold([0])), BinaryDense([[1]], Offset([0]))
    network = Network(given, [always, score, BinaryDense([[1]], Threshold([1]))])
    x = np.array([[0], [1]])
    assert simplify(network).evaluate(x).tolist() == network.evaluate(x).tolist() == [[1], [1]]
