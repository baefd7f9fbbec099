"""The folded engine's tile, rows, memory and time, as values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logicnn.board import boards
from logicnn.engines import MappingError, TooBig
from logicnn.engines.folded import Folded, tile_of
from logicnn.flow import design
from logicnn.flow.design import check_fits, designed
from logicnn.network import Activations, Argmax, Flatten, IntDense, Interval, Network, Requantize
from logicnn.pruning.structures import memories, multipliers
from logicnn.resources import DEVICES
from sim_tests.reused_helpers import dense_network

ECP5 = DEVICES["LFE5U-85F"]
JSC = dense_network([16, 64, 32, 32, 5], Interval(-128, 127), 8, between=Interval(0, 127), decides=True)


@given(st.tuples(st.integers(1, 40), st.integers(1, 40)), st.integers(1, 2000))
def test_a_multiplier_serves_no_more_weights_than_the_factor(shape, reuse):
    neurons, inputs = tile_of(shape, reuse)
    assert 1 <= neurons <= shape[0] and 1 <= inputs <= shape[1]
    assert -(-shape[0] // neurons) * -(-shape[1] // inputs) <= reuse


@pytest.mark.parametrize(("reuse", "multipliers"), ((1, 4256), (2, 2128), (4, 1064), (8, 532), (16, 266), (32, 133)))
def test_multipliers_and_interval_of_a_reuse_factor_that_divides(reuse, multipliers):
    mapping = Folded.row(JSC, reuse)
    assert sum(engine.neurons * engine.inputs for engine in mapping.engines) == multipliers
    assert mapping.interval == reuse
    assert mapping.cost(ECP5).dsp == sum(len(engine.built) for engine in mapping.engines) <= multipliers


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 20), st.integers(0, 2**32))
def test_a_group_of_zeros_is_a_multiplier_that_is_not_there(neurons, inputs, reuse, seed):
    network = dense_network([inputs, neurons])
    tile = tile_of((neurons, inputs), reuse)
    layer = network.layers[0]
    for structure in (multipliers((neurons, inputs), *tile, 8), memories((neurons, inputs), *tile, 8, 36)):
        keep = np.random.default_rng(seed).random(structure.count) < 0.5
        pruned = IntDense(layer.weights * structure.mask(keep), layer.bias, layer.activation)
        engine = Folded(Network(network.input, [pruned]), 0, *tile)
        assert len(engine.built) <= structure.used(pruned.weights)["dsp"]
        assert len(engine.built) == multipliers((neurons, inputs), *tile, 8).used(pruned.weights)["dsp"]


def test_weights_are_packed_anew():
    """Without every second multiplier half of the memory is left."""
    network = dense_network([32, 32], weight_bits=8)
    layer = network.layers[0]
    pruned = IntDense(layer.weights * (np.arange(32) % 2)[:, None], layer.bias, layer.activation)
    whole, half = (Folded.of(Network(network.input, [each]), 0, 32) for each in (layer, pruned))
    assert whole.cost(ECP5).bram == 8 and half.cost(ECP5).bram == 4
    assert half.memory_bits.weights == whole.memory_bits.weights // 2


def test_flatten_before_and_class_after():
    x = Activations((1, 2, 2), Interval(0, 7))
    network = Network(x, [Flatten(), IntDense(np.ones((3, 4), int), np.zeros(3)), Argmax()])
    mapping = Folded.row(network, 2)
    assert mapping.is_whole and len(mapping.engines) == 1
    assert mapping.latency.most == 2 + 4 + 1 + 2  # rows, pipeline, sum of two products, rounds of three scores


def test_is_proposed_with_the_least_reuse_that_the_device_has_multipliers_for():
    engine = Folded.proposed(JSC, 0, ECP5, 20.0)
    assert engine is not None and engine.interval == 32
    assert Folded.proposed(JSC, 0, ECP5, None) is None  # it has registers
    assert Folded.proposed(JSC, 0, DEVICES["iCE40HX8K"], 20.0) is None  # no multipliers


def test_more_multipliers_than_there_are():
    made = designed(Folded.row(JSC, 16), boards.find("ulx3s"), 115_200)
    with pytest.raises(TooBig, match=r"needs about 26\d DSP blocks, 1\d\d more than the 156 of the LFE5U-85F on ulx3s"):
        check_fits(made)


def test_the_engine_that_answers_first_is_chosen():
    """Two layers on tiles of their own, whose neurons leave all at once, before one tile that finishes one a cycle."""
    large = dense_network([64, 64, 10], Interval(-128, 127), 8, between=Interval(0, 127), decides=True)
    mapping = design.mapped(large, boards.find("ulx3s"))
    assert all(isinstance(engine, Folded) for engine in mapping.engines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        ({"neurons": 0}, r"neurons must be 1 \.\.\. 64 at a time in layer 0, not 0"),
        ({"inputs": 17}, r"inputs must be 1 \.\.\. 16 at a time in layer 0, not 17"),
        ({"start": 4}, "computes dense layers of integers; layer 4 is Argmax"),
    ),
)
def test_arguments(arguments, message):
    with pytest.raises(MappingError, match=message):
        Folded(**({"network": JSC, "start": 0, "neurons": 2, "inputs": 2} | arguments))


def test_layers_it_does_not_compute():
    x = Activations((4,), Interval(0, 7))
    wrapped = IntDense(np.ones((3, 4), int), np.zeros(3), width=np.full(3, 4))
    with pytest.raises(MappingError, match="exact sums, but layer 0 wraps"):
        Folded.of(Network(x, [wrapped]), 0, 2)
    activation = Requantize(np.array([1, 3, 1]), np.zeros(3, int), 0, 7)
    with pytest.raises(MappingError, match="shifts sums, but layer 0 multiplies"):
        Folded.of(Network(x, [IntDense(np.ones((3, 4), int), np.zeros(3), activation)]), 0, 2)
    with pytest.raises(MappingError, match="reuse must be at least 1 weight of a multiplier, not 0"):
        Folded.of(JSC, 0, 0)
