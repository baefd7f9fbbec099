"""The reuse engine's tile, program, memory and time, as values."""

from dataclasses import replace

import numpy as np
import pytest

from logicnn.board import boards
from logicnn.engines import MappingError
from logicnn.engines.reused import Reused
from logicnn.flow import design
from logicnn.network import Activations, Argmax, Flatten, IntDense, Interval, MaxPool2d, Network, Requantize
from logicnn.resources import DEVICES
from sim_tests.reused_helpers import conv_network, dense_network

UP5K = DEVICES["iCE40UP5K"]
JSC = dense_network([16, 64, 32, 32, 5], Interval(-128, 127), 8, between=Interval(0, 127), decides=True)


def matrices(engine: Reused) -> list[np.ndarray]:
    """Weights as the memories' words and the program say them; of neurons that are left out, zeros."""
    bits, program, row, found = engine.weight.word, engine.program, 0, []
    for each in engine.passes:
        groups = -(-len(each.layer.weights) // engine.neurons)
        matrix = np.zeros((groups, engine.neurons, each.words, engine.inputs), np.int64)
        for group in np.unique(np.array(each.outputs) // engine.neurons):
            place = -1
            while True:
                place += 1 + int(program.skips[row])
                for lane, (neuron, value) in enumerate(engine.built):
                    weight = engine.words[row] >> lane * bits & (1 << bits) - 1
                    matrix[group, neuron, place, value] = weight - (weight >> bits - 1 << bits)
                row += 1
                if program.ends[row - 1]:
                    break
        flat = matrix.reshape(groups * engine.neurons, -1)
        neurons, inputs = each.layer.weights.shape
        assert not flat[neurons:].any() and not flat[:, inputs:].any()
        found.append(flat[:neurons, :inputs])
    assert row == len(program)
    return found


@pytest.mark.parametrize("density", (1.0, 0.3, 0.05, 0.0))
@pytest.mark.parametrize(("neurons", "inputs"), ((1, 1), (3, 1), (2, 4), (5, 2)))
def test_memory_holds_all_weights(density, neurons, inputs):
    network = dense_network([13, 9, 6], density=density)
    engine = Reused(network, 0, 2, neurons, inputs)
    for weights, layer in zip(matrices(engine), engine.effective.layers, strict=True):
        np.testing.assert_array_equal(weights, layer.weights)


def test_program_of_dense_layers_is_not_stored():
    engine = Reused(dense_network([16, 8, 4]), 0, 2, 2, 4)
    assert not engine.skips
    assert len(engine.program) == 4 * 4 + 2 * 2
    assert engine.latency.most == len(engine.program) + sum(each.wait for each in engine.passes) + engine.leaving + 2


def test_row_of_zeros_takes_no_word_and_no_cycle():
    network = dense_network([32, 8])
    weights = network.layers[0].weights.copy()
    weights[2:4, 4:28] = 0  # of the second group of two neurons, six of eight words of four values
    pruned = Network(network.input, [IntDense(weights, network.layers[0].bias)])
    whole, less = (Reused(each, 0, 1, 2, 4) for each in (network, pruned))
    assert less.skips and len(less.words) == len(whole.words) - 6
    assert less.latency.most == whole.latency.most - 6


def test_group_that_nothing_reads_takes_no_cycle():
    network = dense_network([8, 12, 6])
    weights = network.layers[1].weights.copy()
    weights[:, 2:6] = 0
    pruned = replace(network, layers=[network.layers[0], replace(network.layers[1], weights=weights)])
    before, after = (Reused(each, 0, 2, 2, 4) for each in (network, pruned))
    assert not before.omits and after.omits
    assert after.passes[0].outputs == (0, 1, 6, 7, 8, 9, 10, 11)
    assert len(after.program) == len(before.program) - 2 * 2


def test_multiplier_without_weights_is_not_built():
    network = dense_network([8, 8])
    weights = network.layers[0].weights.copy()
    weights[1::2, 2::4] = 0  # the second neuron of each group, and the third value of each word
    engine = Reused(Network(network.input, [IntDense(weights, network.layers[0].bias)]), 0, 1, 2, 4)
    assert engine.built == tuple(
        (neuron, value) for neuron in (0, 1) for value in range(4) if (neuron, value) != (1, 2)
    )
    assert engine.word_bits == 32  # seven of three bits


def test_fits_the_multipliers_of_the_device():
    engine = Reused.of(JSC, 0, 5, UP5K)
    assert engine.cost(UP5K).dsp == UP5K.capacity.dsp
    assert engine.occupancy >= 0.8
    assert engine.image(UP5K) is None


def test_large_memory_and_narrow_weights():
    """The shape of a keyword spotter: 20 weights of 3 bits a cycle from large memory, a few multipliers in logic."""
    network = dense_network([490, 256, 256, 256, 12], decides=True)
    engine = Reused.of(network, 0, 5, UP5K)
    image = engine.image(UP5K)
    assert image is not None and image.shape == (len(engine.words), 8)
    assert engine.cost(UP5K).spram == 4
    assert len(engine.built) > engine.in_blocks(UP5K) == UP5K.multipliers
    assert engine.latency.most <= 1.05 * 490 * 256 // 20 + 2 * 256 * 256 // 20 + 256 * 12 // 20 + 500


def test_is_chosen_where_logic_is_too_large():
    mapping = design.mapped(JSC, boards.find("icebreaker"))
    (engine,) = mapping.engines
    assert isinstance(engine, Reused) and engine.decides


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        ({"count": 0}, "count must be 1 ... 5 layers, not 0"),
        ({"count": 6}, "count must be 1 ... 5 layers, not 6"),
        ({"neurons": 0}, "neurons must be at least 1 at a time, not 0"),
        ({"inputs": 3}, "inputs must be a power of two of values at a time, not 3"),
    ),
)
def test_arguments(arguments, message):
    with pytest.raises(MappingError, match=message):
        Reused(**({"network": JSC, "start": 0, "count": 5, "neurons": 2, "inputs": 2} | arguments))


def test_layers():
    x = Activations((1, 2, 2), Interval(0, 7))
    dense = IntDense(np.ones((3, 4), int), np.zeros(3))
    assert Reused(Network(x, [Flatten(), dense, Argmax()]), 0, 3, 2, 2).span == 3
    with pytest.raises(MappingError, match="must end with a dense layer or its class, not Flatten"):
        Reused(Network(x, [Flatten(), dense]), 0, 1, 2, 2)
    with pytest.raises(MappingError, match="computes layers of integers; layer 1 is Argmax"):
        inner = IntDense(np.ones((3, 4), int), np.zeros(3), Requantize(np.ones(3), np.zeros(3), 0, 63))
        Reused(Network(Activations((4,), Interval(0, 7)), [inner, Argmax(), Flatten()]), 0, 3, 2, 2)
    wide = IntDense(np.ones((2, 3), int), np.zeros(2))
    with pytest.raises(MappingError, match="needs layers before the last to be requantized, as layer 1 is not"):
        Reused(Network(x, [Flatten(), dense, wide]), 0, 3, 2, 2)
    wrapped = IntDense(np.ones((3, 4), int), np.zeros(3), width=np.full(3, 4))
    with pytest.raises(MappingError, match="exact sums, but layer 1 wraps"):
        Reused(Network(x, [Flatten(), wrapped]), 0, 2, 2, 2)


CNN = conv_network((1, 12, 12), [(4, 3, 1, 2), (6, 2, 1, 2)], [12, 10], Interval(0, 127), 8, between=Interval(0, 127))


def test_convolutions():
    """Rows once for each position, and a dense layer on pixels."""
    engine = Reused(CNN, 0, len(CNN.layers), 2, 4)
    assert engine.pixels == (1, 12, 12)
    assert [each.positions for each in engine.scans] == [100, 16, 1, 1]
    assert [each.rows for each in engine.passes] == [2 * 9, 3 * 4, 6 * 2 * 2 * 2, 5 * 3]
    assert engine.about(2, 4) == 100 * 18 + 16 * 12 + 48 + 15
    assert engine.products == sum(int(np.count_nonzero(each.weights)) * each.positions for each in engine.scans)
    assert engine.latency.most >= engine.about(2, 4)
    assert engine.depth == 12 * 12 + 5 * 5  # one channel a word, then four


def test_convolutions_are_chosen_with_what_follows():
    engine = Reused.proposed(CNN, 0, UP5K, 20.0)
    assert engine is not None and engine.span == len(CNN.layers) and engine.cost(UP5K).dsp == 8
    assert Reused.proposed(Network(CNN.input, CNN.layers[:1]), 0, UP5K, 20.0) is None


def test_borders():
    """Each has a place of its own, with zeros around it that nothing writes; others share two."""
    network = conv_network((1, 8, 8), [(4, 3, 1, 1), (4, 3, 1, 2), (6, 3, 1, 1)], [3], padding=[1, 0, 1])
    engine = Reused(network, 0, len(network.layers), 2, 2)
    first, second, third, dense = engine.passes
    assert [each.scan.words(2) for each in engine.passes] == [10 * 10, 8 * 8 * 2, 5 * 5 * 2, 3 * 3 * 3]
    assert [each.reads for each in engine.passes] == [128, 0, 228, 0] and engine.depth == 278
    assert (second.writes, second.between) == (228 + (5 + 1) * 2, 2 * 2)  # a row and a pixel of the border, then two
    assert (first.writes, third.writes, dense.scan.padding) == (0, 0, 0)
    assert engine.pixels == (1, 8, 8)


def test_convolutions_that_it_does_not_compute():
    conv = CNN.layers[0]
    with pytest.raises(MappingError, match="must end with a dense layer or its class, not IntConv2d"):
        Reused(Network(CNN.input, [conv]), 0, 1, 2, 2)
    pooled = Network(CNN.input, [MaxPool2d(2), Flatten(), IntDense(np.ones((2, 36), int), np.zeros(2))])
    with pytest.raises(MappingError, match="pools after a convolution, which layer 0 does not follow"):
        Reused(pooled, 0, 3, 2, 2)


def test_most_rows():
    """As many as fit, and not one more; where not one a group fits, what is lacking is said."""
    engine, device = Reused(JSC, 0, 5, 2, 8), DEVICES["iCE40HX8K"]
    most = engine.most_rows(device)
    beside = device.brams(engine.depth, 64) + device.brams(133, 36)

    def needed(rows: int) -> int:
        return device.brams(rows, 16 * 8) + device.brams(rows, 2) + beside

    assert needed(most) <= device.capacity.bram - 2 < needed(most + 1)
    narrow = Reused(JSC, 0, 5, 4, 2)  # 64 bits of weights a cycle, which large memory has
    assert narrow.most_rows(UP5K) > 4 * narrow.most_rows(device)
    small = replace(device, capacity=replace(device.capacity, bram=9))
    with pytest.raises(
        MappingError, match=r"block RAMs of the iCE40HX8K for values and constants, and \d+ for at least 67"
    ):
        engine.most_rows(small)


def test_weights_that_no_memory_holds():
    network = dense_network([300, 300, 300], weight_bits=8)
    said = r"^layers 0 \.\.\. 1 need \d+ bits of memory, \d+ of them for weights; the iCE40HX8K has 131072$"
    with pytest.raises(MappingError, match=said):
        Reused.of(network, 0, 2, DEVICES["iCE40HX8K"])
