"""Components in Amaranth's simulator against the golden model: exhaustive where inputs are few, with stalls where there
are streams.
"""

import itertools
from functools import partial

import numpy as np
import pytest

from logicnn import gateware, load, network
from logicnn.arithmetic.sharing import optimise
from logicnn.bits import to_words
from logicnn.engines import Embedded, Io, Latency, Mapping, MappingError, Shared, Sparse, Unrolled
from logicnn.engines.sparse.plan import Tile
from logicnn.gateware import Accelerator
from logicnn.gateware.core import Deserializer, Renamer, Serializer
from logicnn.gateware.unrolled import WordMaxPool2d, layer_component
from logicnn.network import Activations, BinaryDense, Interval, Network, Offset, Threshold
from logicnn.resources import DEVICES
from sim_tests.helpers import (
    all_bits,
    conv_network,
    dense_network,
    digits,
    int_network,
    rtl_evaluate,
    rtl_words,
)
from sim_tests.reference import ref_evaluate
from sim_tests.sparse_helpers import network as pruned_network
from sim_tests.sparse_helpers import plan_of
from sim_tests.stream_helpers import as_integers, rtl_stream


@pytest.mark.parametrize("argmax", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 4, 5])
def test_core_exhaustive(seed, argmax):
    net = dense_network(np.random.default_rng(seed), 7, 5, 4, 3, argmax=argmax)
    assert np.array_equal(rtl_evaluate(net, all_bits(7)), ref_evaluate(net, all_bits(7)))


def test_core_with_shared_popcounts():
    net = dense_network(np.random.default_rng(8), 9, 8, 6, 3)
    shared = [Shared.of(net, index, tries=3) for index in (0, 1)]
    mapping = Mapping([*shared, Unrolled(net, 2), Unrolled(net, 3)])
    assert np.array_equal(rtl_evaluate(net, all_bits(9), mapping), ref_evaluate(net, all_bits(9)))


@pytest.mark.parametrize(("padding", "stride"), [(0, 1), (1, 1), (1, 2)])
def test_core_conv(padding, stride):
    rng = np.random.default_rng(padding + stride)
    net = conv_network(rng, padding, stride)
    x = rng.integers(0, 4, (60, 1, 4, 4))
    assert np.array_equal(rtl_evaluate(net, net.encode(x)), ref_evaluate(net, x))


def test_core_digits():
    """One real payload."""
    net, x = load("digits-bnn"), digits().test.x[:50]
    assert np.array_equal(rtl_evaluate(net, net.encode(x)), net.evaluate(x))


@pytest.mark.parametrize("width", [1, 4, 5, 6, 9])
def test_threshold_exhaustive(width):
    for minimum in range(width + 2):
        words = rtl_words(gateware.Threshold(width, minimum), all_bits(width))
        assert words == (all_bits(width).sum(1) >= minimum).astype(int).tolist()


def test_argmax_signed():
    given = Activations((3,), Interval(-2, 1))
    words = rtl_words(gateware.Argmax(given), all_bits(6))
    values = [[(v >> 2 * i & 3) - 4 * (v >> 2 * i + 1 & 1) for i in range(3)] for v in range(64)]
    assert words == [each.index(max(each)) for each in values]


def test_dense_scores_negative():
    layer = BinaryDense([[1, -1, 1], [0, 0, 1]], Offset([-3, 1]))
    net = Network(Activations((3,), Interval(0, 1)), [layer])
    assert np.array_equal(rtl_evaluate(net, all_bits(3)), ref_evaluate(net, all_bits(3)))


@pytest.mark.parametrize("argmax", [False, True])
def test_scores_of_one_bit(argmax):
    """Scores whose range happens to be 0 ... 1 are scores, not thresholds."""
    layers = [BinaryDense(np.eye(3, dtype=int), Offset([0, 0, 0])), *([network.Argmax()] if argmax else [])]
    net = Network(Activations((3,), Interval(0, 1)), layers)
    assert np.array_equal(rtl_evaluate(net, all_bits(3)), ref_evaluate(net, all_bits(3)))


def test_max_pool():
    given = Activations((1, 2, 4), Interval(0, 1))
    words = rtl_words(gateware.MaxPool2d(network.MaxPool2d(2), given), all_bits(8))
    image = all_bits(8).reshape(-1, 2, 2, 2)
    assert words == (image.any(axis=(1, 3)) @ np.array([1, 2])).tolist()


@pytest.mark.parametrize(("low", "high"), [(0, 3), (-2, 1)])
def test_max_pool_of_words(low, high):
    """Every tile of four words of two bits."""
    given, layer = Activations((1, 2, 2), Interval(low, high)), network.MaxPool2d(2)
    component = layer_component(layer, given)
    assert isinstance(component, WordMaxPool2d)
    words = np.array(rtl_words(component, all_bits(8)))
    assert np.array_equal(words, to_words(all_bits(8), 2, low < 0).max(1) & 3)


@pytest.mark.parametrize(("shape", "size"), [((2, 5, 5), 2), ((1, 3, 7), 3)])
def test_max_pool_of_many_tiles(shape, size):
    """Tiles, channels and rows in their places, what fills no tile dropped."""
    given, layer = Activations(shape, Interval(-4, 3)), network.MaxPool2d(size)
    inputs = np.random.default_rng(1).random((20, given.size * 3)) < 0.5
    words = rtl_words(layer_component(layer, given), inputs)
    outputs = np.array([[word >> 3 * place & 7 for place in range(layer.infer(given).size)] for word in words])
    expected = Network(given, [layer]).evaluate(to_words(inputs, 3, True).reshape(-1, *shape))
    assert np.array_equal(outputs, expected.reshape(20, -1) & 7)


@pytest.mark.parametrize("registers", [(), (0,), (0, 1), (0, 1, 2, 3)])
@pytest.mark.parametrize(("i_stall", "o_stall"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4)])
def test_accelerator(registers, i_stall, o_stall):
    net = dense_network(np.random.default_rng(5), 7, 5, 4, 3)
    mapping = Mapping.unrolled(net, registers)
    inputs = all_bits(7)
    outputs, entered, left = rtl_stream(Accelerator(mapping), as_integers(inputs), len(inputs), i_stall, o_stall)
    assert outputs == ref_evaluate(net, inputs).tolist()
    if not i_stall and not o_stall:
        assert {out - into for into, out in zip(entered, left, strict=True)} == {len(registers)}
        assert mapping.latency == Latency(len(registers), len(registers))
        assert {after - before for before, after in itertools.pairwise(entered)} == {mapping.interval}


@pytest.mark.parametrize(("latency", "i_stall", "o_stall"), [(0, 0.3, 0.3), (2, 0.0, 0.0), (2, 0.4, 0.4)])
def test_accelerator_on_words(latency, i_stall, o_stall):
    net = int_network(np.random.default_rng(4), 3, 4, 3, width=8)
    mapping = Mapping.embedded(net, DEVICES["LFE5U-85F"], latency=latency, optimiser=partial(optimise, tries=3))
    x = np.random.default_rng(3).integers(-8, 8, (40, 3))
    outputs, entered, left = rtl_stream(Accelerator(mapping), as_integers(net.encode(x)), len(x), i_stall, o_stall)
    assert outputs == net.evaluate(x).tolist()
    if not i_stall and not o_stall:
        assert {out - into for into, out in zip(entered, left, strict=True)} == {mapping.latency.most} == {latency + 1}


@pytest.mark.parametrize(("i_stall", "o_stall"), [(0.0, 0.0), (0.4, 0.6)])
def test_engine_before_logic(i_stall, o_stall):
    """Layers from memory, value by value, then those that are left as a pipeline: each sample in the sum of
    cycles.
    """
    net = pruned_network(4, side=3, image=(1, 6, 6), convolutions=((3, 2, 2),), dense=((5, 2),), classes=3)
    stop = next(index for index, layer in enumerate(net.layers) if isinstance(layer, network.IntDense)) + 1
    front, back = Sparse(plan_of(net, Tile(2, 2), stop)), Embedded.of(net, stop, DEVICES["LFE5U-85F"], latency=2)
    mapping = Mapping([front, back, Unrolled(net, back.stop)])
    x = np.random.default_rng(2).integers(0, 256, (5, *net.input.shape))
    outputs, entered, left = rtl_stream(Accelerator(mapping), x.ravel().tolist(), len(x), i_stall, o_stall)
    assert outputs == net.evaluate(x).tolist()
    if not i_stall and not o_stall:
        size = net.input.size
        lasts, firsts = entered[size - 1 :: size], entered[::size]
        assert mapping.latency == Latency(front.plan.latency + 3, front.plan.latency + 3)
        assert [out - into for into, out in zip(lasts, left, strict=True)] == mapping.cycles(x).tolist()
        assert {after - before for before, after in itertools.pairwise(firsts)} == {mapping.interval}


SOME = Activations((5,), Interval(0, 15))


@pytest.mark.parametrize(("i_stall", "o_stall"), [(0.0, 0.0), (0.5, 0.5)])
def test_samples_to_values_and_back(i_stall, o_stall):
    """What joins engines of different interfaces: nothing is lost, and one value a cycle passes."""
    words = np.random.default_rng(1).integers(0, 16, (12, 5))
    wholes = [sum(value << 4 * place for place, value in enumerate(sample)) for sample in words.tolist()]
    values = words.ravel().tolist()
    apart, _, left = rtl_stream(Serializer(SOME), wholes, len(values), i_stall, o_stall)
    assert apart == values
    together, entered, out = rtl_stream(Deserializer(SOME), values, len(wholes), i_stall, o_stall)
    assert together == wholes
    if not i_stall and not o_stall:
        assert left == [6 * sample + 1 + place for sample in range(12) for place in range(5)]
        assert [end - start for start, end in zip(entered[4::5], out, strict=True)] == [1] * 12


@pytest.mark.parametrize("wanted", list(Io))
def test_samples_of_one_value(wanted):
    words = [3, 15, 0, 8]
    outputs, entered, left = rtl_stream(Renamer(Activations((1,), Interval(0, 15)), wanted), words, 4, 0.3, 0.3)
    assert outputs == words and entered == left


def test_registers_after_wrong():
    with pytest.raises(MappingError, match=r"^registers_after must name layers 0 ... 3, not 4$"):
        Mapping.unrolled(dense_network(np.random.default_rng(1), 4, 3, 3, 2), [4])


def test_constant_neurons():
    layers = [BinaryDense([[1, 1], [0, 0], [1, -1]], Threshold([3, 0, 1])), BinaryDense([[1, 1, 1]], Offset([0]))]
    net = Network(Activations((2,), Interval(0, 1)), layers)
    assert np.array_equal(rtl_evaluate(net, all_bits(2)), ref_evaluate(net, all_bits(2)))
