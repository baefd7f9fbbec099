"""Layers as logic of their own."""

import numpy as np
import pytest

from logicnn.engines import Latency, Mapping, MappingError, Unrolled
from logicnn.engines.unrolled import Logic, is_wide, logic_of
from logicnn.network import Activations, BinaryDense, Flatten, Interval, MaxPool2d, Offset, Threshold
from logicnn.resources import DEVICES, Resources
from sim_tests.helpers import dense_network, int_network

UP5K = DEVICES["iCE40UP5K"]


def test_integers_unrolled():
    message = r"^layer 0, of type IntDense, has no logic of its own for Unrolled to build: logicnn.engines.chosen"
    with pytest.raises(MappingError, match=message):
        Unrolled(int_network(np.random.default_rng(1), 4, 3, 2), 0)


@pytest.mark.parametrize("argmax", [False, True])
def test_estimates_add_up(argmax):
    """A network costs what its layers do, and takes as long as all of them."""
    network = dense_network(np.random.default_rng(2), 12, 9, 5, 3, argmax=argmax)
    engines = [Unrolled(network, index) for index in range(len(network.layers))]
    whole = Mapping.unrolled(network)
    assert whole.engines == tuple(engines)
    assert whole.cost(UP5K).lut4 == sum(logic_of(engine.layers[0], engine.given).lut4 for engine in engines)
    levels = sum(logic_of(engine.layers[0], engine.given).levels for engine in engines)
    assert whole.delay_ns(UP5K) == pytest.approx(UP5K.register_ns + UP5K.level_ns * levels)


def test_wires_cost_nothing():
    assert logic_of(Flatten(), Activations((2, 3, 3), Interval(0, 7))) == Logic(0, 0)


def test_narrow_neurons():
    """Up to four synapses are one LUT4, up to six three (docs/architecture.md)."""
    weights = np.array([[1, 1, 0, 0, 0, 0], [1, -1, 1, -1, 0, 0], [1, 1, 1, 1, 1, 1]])
    layer = BinaryDense(weights, Threshold([1, 2, 3]))
    assert logic_of(layer, Activations((6,), Interval(0, 1))).lut4 == 1 + 1 + 3
    assert not is_wide(layer)
    assert is_wide(BinaryDense(np.ones((1, 7), int), Threshold([3])))
    assert not is_wide(BinaryDense(np.ones((1, 7), int), Offset([3])))  # a score has no threshold


def test_pool_of_integers():
    """Three comparisons and three choices for every window of four words."""
    one, four = (Activations((1, 2 * side, 2 * side), Interval(0, 15)) for side in (1, 2))
    assert logic_of(MaxPool2d(2), four).lut4 == 4 * logic_of(MaxPool2d(2), one).lut4 > 0
    assert logic_of(MaxPool2d(2), four).levels == logic_of(MaxPool2d(2), one).levels


def test_registered_cost():
    network = dense_network(np.random.default_rng(2), 12, 9, 5, 3)
    plain, cut = Unrolled(network, 0), Unrolled(network, 0, register=True)
    assert cut.cost(UP5K) == plain.cost(UP5K) + Resources(ff=9)
    assert (plain.latency, cut.latency) == (Latency(0, 0), Latency(1, 1))
