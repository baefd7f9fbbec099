"""Components in Amaranth's simulator against the golden model: exhaustive where inputs are few, with stalls where there are streams."""

import itertools
from functools import partial

import numpy as np
import pytest
from amaranth.hdl import Elaboratable, Module, Signal, Value
from amaranth.sim import Simulator

from logicnn import gateware, load, network
from logicnn.bits import to_words
from logicnn.gateware import Accelerator
from logicnn.gateware.layers import WordMaxPool2d, layer_component
from logicnn.mapping import Mapping, MappingError, Shared, Unrolled
from logicnn.network import Activations, BinaryDense, Interval, Network, Offset, Threshold
from logicnn.popcounts import share_popcounts
from logicnn.resources import DEVICES
from logicnn.sharing import optimise
from sim_tests.helpers import all_bits, conv_network, dense_network, digits, int_network, ref_evaluate, rtl_evaluate, rtl_words


@pytest.mark.parametrize("argmax", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 4, 5])
def test_core_exhaustive(seed, argmax):
    net = dense_network(np.random.default_rng(seed), 7, 5, 4, 3, argmax=argmax)
    assert np.array_equal(rtl_evaluate(net, all_bits(7)), ref_evaluate(net, all_bits(7)))


def shared_layer(net: Network, index: int) -> Shared:
    given = net.activations[index]
    return Shared(share_popcounts(list(net.layers[index].neurons(given)), given.size, tries=3))


def test_core_with_shared_popcounts():
    net = dense_network(np.random.default_rng(8), 9, 8, 6, 3)
    mapping = Mapping(net, (shared_layer(net, 0), shared_layer(net, 1), Unrolled(), Unrolled()))
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


class Clocked(Elaboratable):
    """Gives a combinational accelerator the clock that the test bench samples with."""

    def __init__(self, inner):
        self.inner = inner

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = self.inner
        tick = Signal()
        m.d.sync += tick.eq(~tick)
        return m


def rtl_stream(mapping: Mapping, inputs: np.ndarray, i_stall: float, o_stall: float) -> tuple[list[int], list[tuple[int, int]]]:
    """Outputs of an accelerator, and (cycle in, cycle out) of every transfer, with both sides stalling at random."""
    dut = Accelerator(mapping)
    rng = np.random.default_rng(7)
    entered: list[int] = []
    left: list[int] = []
    outputs: list[int] = []
    words = [int(sum(int(bit) << place for place, bit in enumerate(row))) for row in inputs]

    async def bench(ctx):
        for cycle in range(100 * len(words)):
            if len(outputs) == len(words):
                return
            offered = len(entered) < len(words) and (ctx.get(dut.i.valid) or rng.random() >= i_stall)
            ctx.set(dut.i.valid, offered)
            if offered:
                ctx.set(Value.cast(dut.i.payload), words[len(entered)])
            ctx.set(dut.o.ready, rng.random() >= o_stall)
            if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                outputs.append(ctx.get(dut.o.payload))
                left.append(cycle)
            accepted = offered and ctx.get(dut.i.ready)
            await ctx.tick()
            if accepted:
                entered.append(cycle)
                ctx.set(dut.i.valid, 0)
        raise AssertionError("the accelerator hangs")

    simulator = Simulator(Clocked(dut))
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return outputs, list(zip(entered, left, strict=True))


@pytest.mark.parametrize("registers", [(), (0,), (0, 1), (0, 1, 2, 3)])
@pytest.mark.parametrize(("i_stall", "o_stall"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.4, 0.4)])
def test_accelerator(registers, i_stall, o_stall):
    net = dense_network(np.random.default_rng(5), 7, 5, 4, 3)
    mapping = Mapping.unrolled(net, registers)
    inputs = all_bits(7)
    outputs, times = rtl_stream(mapping, inputs, i_stall, o_stall)
    assert outputs == ref_evaluate(net, inputs).tolist()
    if not i_stall and not o_stall:
        assert {out - into for into, out in times} == {mapping.latency}
        assert mapping.latency == len(registers)
        assert {b[0] - a[0] for a, b in itertools.pairwise(times)} == {mapping.interval}


@pytest.mark.parametrize(("ranks", "i_stall", "o_stall"), [(0, 0.3, 0.3), (2, 0.0, 0.0), (2, 0.4, 0.4)])
def test_accelerator_on_words(ranks, i_stall, o_stall):
    net = int_network(np.random.default_rng(4), 3, 4, 3, width=8)
    mapping = Mapping.embedded(net, DEVICES["LFE5U-85F"], ranks=ranks, optimiser=partial(optimise, tries=3))
    x = np.random.default_rng(3).integers(-8, 8, (40, 3))
    outputs, times = rtl_stream(mapping, net.encode(x), i_stall, o_stall)
    assert outputs == net.evaluate(x).tolist()
    if not i_stall and not o_stall:
        assert {out - into for into, out in times} == {mapping.latency} == {ranks + 1}


def test_registers_after_wrong():
    with pytest.raises(MappingError, match=r"^registers_after must name layers 0 ... 3, not 4$"):
        Mapping.unrolled(dense_network(np.random.default_rng(1), 4, 3, 3, 2), [4])


def test_engines_wrong():
    with pytest.raises(MappingError, match=r"^engines must be for 3 layers, not 0$"):
        Mapping(dense_network(np.random.default_rng(1), 4, 3, 2), ())


def test_shared_popcounts_of_another_layer():
    net = dense_network(np.random.default_rng(8), 6, 6, 6, 3)
    with pytest.raises(MappingError, match=r"^engines\[1\] must share the popcounts of layer 1, not of another$"):
        Mapping(net, (shared_layer(net, 0), shared_layer(net, 0), Unrolled(), Unrolled()))


def test_constant_neurons():
    layers = [BinaryDense([[1, 1], [0, 0], [1, -1]], Threshold([3, 0, 1])), BinaryDense([[1, 1, 1]], Offset([0]))]
    net = Network(Activations((2,), Interval(0, 1)), layers)
    assert np.array_equal(rtl_evaluate(net, all_bits(2)), ref_evaluate(net, all_bits(2)))
