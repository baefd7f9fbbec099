"""Weights without effect leave, and nothing else changes."""

from dataclasses import replace

import numpy as np
import pytest

from logicnn.engines.idle import without_idle
from logicnn.network import Activations, Argmax, Flatten, IntConv2d, IntDense, Interval, Network, Requantize
from sim_tests.reused_helpers import conv_network, dense_network

NETWORKS = {
    "dense": lambda seed, density: dense_network([9, 12, 10, 5], density=density, decides=True, seed=seed),
    "multiplied": lambda seed, density: dense_network([6, 8, 5], density=density, multipliers=True, seed=seed),
    "signed": lambda seed, density: dense_network([6, 9, 4], Interval(-8, 7), density=density, seed=seed),
    "requantized in the end": lambda seed, density: dense_network([6, 9, 4], density=density, last=True, seed=seed),
    "pooled": lambda seed, density: conv_network((2, 8, 8), [(6, 3, 1, 2), (5, 2, 1, 1)], [6, 3], density=density),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("density", (0.05, 0.2, 1.0))
@pytest.mark.parametrize("name", NETWORKS)
def test_same_function_and_shapes(name, density, seed):
    network = NETWORKS[name](seed, density)
    less = without_idle(network)
    given = network.input.interval
    x = np.random.default_rng(seed).integers(given.low, given.high + 1, (300, *network.input.shape))
    np.testing.assert_array_equal(less.evaluate(x), network.evaluate(x))
    assert [each.shape for each in less.activations] == [each.shape for each in network.activations]


def test_class_of_a_shape():
    """A class, which has no shape, as a row of one."""
    scores = IntDense([[1], [-1]], [0, 1])
    network = Network(Activations((1,), Interval(0, 1)), [scores, Argmax(), Flatten()])
    assert without_idle(network).evaluate(np.array([[0], [1]])).tolist() == [[1], [0]]


def network_of(*weights: list[list[int]], bias: int = 0) -> Network:
    """Layers of these weights; the bias of every neuron but the last layer's."""
    layers = []
    for number, each in enumerate(weights, 1):
        ones = np.ones(len(each), int)
        activation = None if number == len(weights) else Requantize(ones, 0 * ones, 0, 7)
        layers.append(IntDense(np.array(each), 0 * ones if activation is None else bias * ones, activation))
    return Network(Activations((len(weights[0][0]),), Interval(0, 7)), layers)


def test_constant_goes_into_the_bias_of_its_readers():
    less = without_idle(network_of([[0, 0], [1, 1]], [[3, 1], [-2, 1]], bias=4))
    assert less.layers[1].weights.tolist() == [[0, 1], [0, 1]]
    assert less.layers[1].bias.tolist() == [12, -8]


def test_neuron_that_never_leaves_its_bound_is_constant():
    less = without_idle(network_of([[-1, -2], [1, 1]], [[3, 1]]))
    assert less.layers[0].weights.tolist() == [[0, 0], [1, 1]]
    assert less.layers[1].weights.tolist() == [[0, 1]]


def test_neuron_that_nothing_reads_loses_its_weights_and_so_do_those_that_only_it_reads():
    less = without_idle(network_of([[1, 2], [2, 1]], [[1, 0], [0, 1]], [[1, 0]]))
    assert [each.weights.tolist() for each in less.layers] == [[[1, 2], [0, 0]], [[1, 0], [0, 0]], [[1, 0]]]


def test_border_of_zeros_and_wrapping_layers_keep_what_they_read():
    network = conv_network((1, 4, 4), [(3, 2, 1, 1), (2, 2, 1, 1)], [2])
    first, second, *rest = network.layers
    assert isinstance(first, IntConv2d) and isinstance(second, IntConv2d)
    silent = replace(first, weights=0 * first.weights, bias=0 * first.bias + 40)
    padded = replace(second, padding=1)
    wide = rest[-1]
    assert isinstance(wide, IntDense)
    dense = replace(wide, weights=np.ones((2, 2 * 4 * 4), int))
    less = without_idle(Network(network.input, [silent, padded, *rest[:-1], dense]))
    np.testing.assert_array_equal(less.layers[1].weights, second.weights)
    wrapping = replace(second, width=np.array([5, 5]))
    less = without_idle(Network(network.input, [silent, wrapping, *rest]))
    np.testing.assert_array_equal(less.layers[1].weights, second.weights)
