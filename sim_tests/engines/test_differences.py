"""Orders of kernels, what the lanes do, and the engine that says so, as values."""

from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logicnn.engines import Mapping, MappingError
from logicnn.engines.differences import Differences
from logicnn.engines.differences.orders import Order, changes, ordered, spanning
from logicnn.engines.differences.program import GROUPS, Mode, dense_ops, kernels_of, ops_of, steps
from logicnn.errors import LogicnnError
from logicnn.network import BIT, Activations, Argmax, BinaryConv2d, Flatten, MaxPool2d, Network, Threshold
from logicnn.resources import DEVICES
from sim_tests.differences_helpers import binary_network

UP5K, ECP5 = DEVICES["iCE40UP5K"], DEVICES["LFE5U-85F"]
SMALL = binary_network((1, 6, 6), [(6, 3, 1, True)], [4])


def kernels(count: int, synapses: int, density: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.choice([-1, 1], (count, synapses)) * (rng.random((count, synapses)) < density)).astype(np.int8)


def cost_of(weights: np.ndarray, order: Order) -> int:
    signed = weights[list(order.kernels)] * np.where(order.opposite, -1, 1)[:, None]
    return sum(int(np.count_nonzero(before != after)) for before, after in pairwise(signed))


@given(st.integers(1, 7), st.integers(1, 9), st.sampled_from((0.3, 0.7, 1.0)), st.integers(0, 2**32))
def test_changes(count, synapses, density, seed):
    weights = kernels(count, synapses, density, seed)
    same, opposed = changes(weights)
    for a in range(count):
        for b in range(count):
            assert same[a, b] == np.count_nonzero(weights[a] != weights[b])
            assert opposed[a, b] == np.count_nonzero(weights[a] != -weights[b])


@settings(max_examples=30)
@given(st.integers(1, 6), st.integers(1, 12), st.integers(0, 2**32))
def test_order_visits_each_kernel_once_and_is_short(count, synapses, seed):
    """No longer than a fifth above the best of all orders, and no shorter than a spanning tree."""
    weights = kernels(count, synapses, 1.0, seed)
    order = ordered(weights)
    assert sorted(order.kernels) == list(range(count))
    nearest = np.minimum(*changes(weights))
    best = min(sum(int(nearest[a, b]) for a, b in pairwise(each)) for each in permutations(range(count)))
    assert spanning(nearest) <= best <= cost_of(weights, order) <= max(best * 1.2, best + 1)


def test_order_without_opposites_and_beside_other_costs():
    weights = np.array([[1, 1, 1, 1], [-1, -1, -1, -1], [1, 1, 1, -1]], np.int8)
    assert cost_of(weights, ordered(weights)) == 1
    plain = ordered(weights, opposites=False)
    assert not any(plain.opposite) and cost_of(weights, plain) == 4
    far = np.array([[0, 0, 9], [0, 0, 0], [9, 0, 0]])
    assert ordered(weights, far).kernels in ((0, 1, 2), (2, 1, 0))


def test_weights_that_are_none():
    with pytest.raises(LogicnnError, match=r"^weights must be \(kernels, synapses\) of -1, 0 and \+1"):
        changes(np.array([[2]]))


def test_steps():
    """To -300 ... 300 in as few steps as there can be, by counting what each number of them reaches."""
    values = [sum(value for bit, value in enumerate(GROUPS) if each >> bit & 1) for each in range(8)]
    reached, fewest = {0}, {0: 0}
    for count in range(1, 30):
        reached = {at + value for at in reached for value in values if abs(at + value) < 400}
        fewest = dict.fromkeys(reached, count) | fewest
    for delta in range(-300, 301):
        assert sum(values[each] for each in steps(delta)) == delta
        assert len(steps(delta)) == fewest[delta]


def answers(weights: np.ndarray, levels: np.ndarray, ops, x: np.ndarray) -> list[np.ndarray]:  # x (n, synapses) bool
    """What operations make of samples, one lane each: the answer and the count of each kernel in order."""
    count, found = np.zeros(len(x), int), []
    for op in ops:
        if op.mode is Mode.CONSTANT:
            if op.emits:
                found.append((count >= 0) ^ op.inverted)
            count = 0 * count if op.clears else count + sum(v for bit, v in enumerate(GROUPS) if op.groups >> bit & 1)
        else:
            agrees = x[:, op.synapse] ^ op.negative
            one, zero = {Mode.ADD: (1, 0), Mode.FLIP: (1, -1), Mode.DROP: (-1, 0)}[op.mode]
            count = count + np.where(agrees, one, zero)
    assert not count.any()
    return found


@given(
    st.integers(1, 7),
    st.integers(1, 10),
    st.sampled_from((0.3, 1.0)),
    st.booleans(),
    st.integers(1, 4),
    st.integers(0, 2**32),
)
def test_operations_count_what_agrees(count, synapses, density, reuse, apart, seed):
    weights = kernels(count, synapses, density, seed)
    levels = np.random.default_rng(seed).integers(-1, synapses + 2, count)
    order = ordered(weights) if reuse else Order(tuple(range(count)), (False,) * count)
    made = kernels_of(weights, levels, order)
    ops = ops_of(made, apart, reuse)
    x = np.random.default_rng(seed + 1).random((40, synapses)) < 0.5
    agreeing = ((2 * x[:, None] - 1) == weights).sum(2)
    for number, found in zip(order.kernels, answers(weights, levels, ops, x), strict=True):
        np.testing.assert_array_equal(found, agreeing[:, number] >= levels[number])
    emits = [place for place, op in enumerate(ops) if op.emits]
    assert all(after - before >= apart for before, after in pairwise(emits))
    looks = sum(op.mode is not Mode.CONSTANT for op in ops)
    if reuse:
        assert looks == np.count_nonzero(made[0].weights) + cost_of(weights, order)
    else:
        assert looks == np.count_nonzero(weights)


@given(st.integers(1, 6), st.integers(1, 12), st.sampled_from((0.3, 1.0)), st.booleans(), st.integers(0, 2**32))
def test_operations_of_neurons_side_by_side(count, inputs, density, scores, seed):
    weights = kernels(count, inputs, density, seed)
    levels = np.random.default_rng(seed).integers(-40, 60, count)
    ops, signs = dense_ops(weights, levels, scores)
    x = np.random.default_rng(seed + 1).random((30, inputs)) < 0.5
    counts, row = np.zeros((30, count), int), 0
    for op in ops[:-1]:
        added = sum(value for bit, value in enumerate(GROUPS) if op.groups >> bit & 1)
        if op.mode is Mode.ADD:
            counts += (2 * x[:, op.synapse] - 1)[:, None] == signs[row]
        else:
            counts += added * (signs[row] if op.chosen else -1) * -1
        row += op.chosen or op.mode is Mode.ADD
    np.testing.assert_array_equal(counts, ((2 * x[:, None] - 1) == weights).sum(2) - levels)
    assert row == len(signs) and ops[-1].emits and ops[-1].clears != scores


def test_kernels_in_common_cost_nothing():
    network = binary_network((4, 6, 6), [(16, 3, 1, True)], [4], copies=True)
    engine, plain = (Differences(network, 0, 5, 16, 2, reuse) for reuse in (True, False))
    assert plain.operations > 1.7 * engine.operations
    assert plain.latency.most > 1.6 * engine.latency.most
    assert engine.memory_bits.weights == len(engine.words) * engine.op_bits + engine.signs.size


def test_more_lanes_take_more_rows_at_once():
    wide, narrow = (Differences(SMALL, 0, 5, lanes, 4) for lanes in (32, 8))
    assert [each.reads.rows for each in wide.passes] == [4, 4] and [each.reads.rows for each in narrow.passes] == [1, 2]
    assert wide.latency.most < narrow.latency.most


def test_is_chosen_for_what_logic_is_too_large_for():
    network = binary_network((1, 28, 28), [(16, 3, 1, True), (24, 3, 1, True)], [10])
    engine = Differences.proposed(network, 0, UP5K, 40.0)
    assert engine is not None and engine.cost(UP5K) <= UP5K.capacity
    assert engine.latency.most <= min(
        Differences(network, 0, len(network.layers), lanes, segments).latency.most
        for lanes, segments in ((32, 1), (32, 4))
    )
    assert Differences.proposed(network, 0, UP5K, None) is None
    assert Differences.proposed(network, 1, UP5K, 40.0) is None  # pooling does not come first


def test_operations_that_no_memory_holds():
    network = binary_network((8, 6, 6), [(200, 3, 1, False), (200, 3, 1, True)], [4])
    with pytest.raises(MappingError, match=r"^iCE40UP5K has too few cells, or too little memory for the operations"):
        Differences.of(network, 0, len(network.layers), UP5K)
    assert Differences.of(network, 0, len(network.layers), ECP5).image(ECP5) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        ((0, 5, 8, 1), r"count must be 1 ... 5 layers, not 9"),
        ((0, 5, 8, 3), r"segments must be a power of two, not 3"),
        ((0, 5, 10, 4), r"lanes must be pairs in each of 4 segments, not 10"),
        ((0, 5, 4, 1), r"lanes must be at least 7, as wide as the input of computing layer 1 with its padding, not 4"),
        ((0, 5, 8, 4), r"lanes must be at least one for each of 9 classes, not 8"),
        ((0, 1, 8, 1), r"Differences must end with the class, not BinaryConv2d"),
    ),
)
def test_arguments(arguments, message):
    start, count, lanes, segments = arguments
    count = 9 if "not 9" in message else count
    network = binary_network((1, 6, 6), [(6, 3, 1, True)], [9]) if "classes" in message else SMALL
    with pytest.raises(MappingError, match=f"^{message}$"):
        Differences(network, start, count, lanes, segments)


def test_inputs_alone():
    network = Network(Activations((2,), BIT), [Argmax()])
    with pytest.raises(MappingError, match=r"^Differences must decide by the scores of a dense layer, not of Argmax$"):
        Differences(network, 0, 1, 2, 1)


def test_layers():
    conv = SMALL.layers[0]
    assert isinstance(conv, BinaryConv2d)
    strided = [replace(conv, stride=2), Flatten(), binary_network((54,), [], [4]).layers[0], SMALL.layers[-1]]
    with pytest.raises(MappingError, match=r"^Differences convolves with stride 1 and padding below the kernel's size"):
        Differences(Network(SMALL.input, strided), 0, 4, 8, 1)
    pooled = [conv, MaxPool2d(3), Flatten(), binary_network((24,), [], [4]).layers[0], SMALL.layers[-1]]
    with pytest.raises(MappingError, match=r"^Differences pools 2 x 2, but layer 1 3 x 3$"):
        Differences(Network(SMALL.input, pooled), 0, 5, 8, 1)
    scores = binary_network((36,), [], [4])
    with pytest.raises(MappingError, match=r"^Differences gives scores with its last layer and bits before, not with"):
        bits = replace(scores.layers[0], activation=Threshold(np.zeros(4, int)))
        Differences(Network(scores.input, [bits, scores.layers[1]]), 0, 2, 8, 1)


def test_phases():
    """Each layer's operations, and with the last one the comparison of scores."""
    network = binary_network((1, 6, 6), [(4, 3, 1, True), (6, 3, 1, False)], [12, 5])
    engine = Differences(network, 0, len(network.layers), 8, 2)
    phases = dict(engine.phases)
    assert list(phases) == [
        f"layer {index}, {type(layer).__name__}"
        for index, layer in enumerate(network.layers)
        if type(layer).__name__.startswith("Binary")
    ]
    assert sum(phases.values()) == engine.latency.most
    assert min(phases.values()) > 0 and phases["layer 0, BinaryConv2d"] >= engine.passes[0].cycles
    assert Mapping([engine]).phases == (("input", 36), *engine.phases)


def test_mapping():
    engine = Differences(SMALL, 0, len(SMALL.layers), 8, 1)
    assert Mapping([engine]).interval == 36 + engine.latency.most
