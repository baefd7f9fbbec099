"""Layers whose neurons share popcounts: which layers, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from logicnn.arithmetic.popcounts import share_popcounts
from logicnn.engines import MappingError, Shared, Unrolled
from logicnn.network import Activations, BinaryDense, Interval, Network, Threshold
from logicnn.resources import DEVICES, Resources
from sim_tests.helpers import dense_network

UP5K, ECP5 = DEVICES["iCE40UP5K"], DEVICES["LFE5U-85F"]


def test_shared_popcounts_of_another_layer():
    net = dense_network(np.random.default_rng(8), 6, 6, 6, 3)
    popcounts = share_popcounts(list(net.layers[0].neurons(net.activations[0])), 6, tries=3)
    with pytest.raises(MappingError, match=r"^Shared must share the popcounts of layer 1, not of another$"):
        Shared(net, 1, popcounts)


def wide(neurons: int, inputs: int) -> Network:
    rng = np.random.default_rng(5)
    layer = BinaryDense(rng.choice([-1, 1], (neurons, inputs)), Threshold(np.full(neurons, inputs // 2)))
    return Network(Activations((inputs,), Interval(0, 1)), [layer])


@pytest.mark.parametrize("start", [2, 3])
def test_layers_without_thresholds(start):
    net = dense_network(np.random.default_rng(8), 6, 6, 6, 3)
    name = type(net.layers[start]).__name__
    with pytest.raises(MappingError, match=rf"^layer {start} must be a BinaryDense with thresholds, not {name}$"):
        Shared.of(net, start)


def test_proposed():
    """For wide neurons on iCE40, unless the layer is far larger than the device."""
    net = wide(6, 20)
    assert isinstance(Shared.proposed(net, 0, UP5K, None), Shared)
    assert Shared.proposed(net, 0, ECP5, None) is None
    assert Shared.proposed(dense_network(np.random.default_rng(8), 6, 6, 3), 0, UP5K, None) is None  # narrow ones
    assert Shared.proposed(net, 0, replace(UP5K, capacity=Resources(logic_cells=10)), None) is None


def test_cheaper_than_separate():
    net = wide(16, 32)
    made = Shared.of(net, 0, tries=3)
    assert made.cost(UP5K).lut4 < 0.8 * Unrolled(net, 0).cost(UP5K).lut4
