"""Pipelined datapaths against their golden model, in the simulator cycle by cycle and as synthesised netlists."""

from itertools import pairwise

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Value
from amaranth.sim import Simulator

from logicnn import tools
from logicnn.bits import pack, unpack
from logicnn.gateware.pipelines import PipelinedDatapath
from logicnn.netlist import Netlist
from logicnn.network import Interval
from logicnn.pipelines import Datapath, PipelineError, Rectifier, Slices, layer_end_stages
from logicnn.resources import DEVICES
from logicnn.retiming import as_placed, least_period, retime
from logicnn.sharing import optimise
from sim_tests.helpers import carried_graph

ECP5 = DEVICES["LFE5U-85F"]


def random_datapath(*shape: int, seed: int = 1, density: float = 0.6, low: int = -8, high: int = 7) -> Datapath:
    rng = np.random.default_rng(seed)
    layers = []
    given = [Interval(low, high)] * shape[0]
    for index, (inputs, outputs) in enumerate(pairwise(shape)):
        weights = rng.integers(-20, 20, (outputs, inputs)) * (rng.random((outputs, inputs)) < density)
        graph = optimise(weights, given, tries=3)
        rectifier = Rectifier(3, 4) if index < len(shape) - 2 else None
        layers.append((graph, (rectifier,) * outputs if rectifier else None))
        given = [Interval(0, 15)] * outputs
    return Datapath(tuple(layers))


def samples(datapath: Datapath, count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([rng.integers(each.low, each.high + 1, count) for each in datapath.inputs], axis=1)


def ref_stream(datapath: Datapath, x: np.ndarray) -> np.ndarray:
    return datapath.evaluate(x)


def rtl_stream(component: PipelinedDatapath, x: np.ndarray) -> np.ndarray:
    """One sample a cycle; outputs taken `latency` cycles later."""
    simulator = Simulator(component)
    results = []

    async def testbench(ctx):
        for cycle in range(len(x) + component.latency):
            if cycle < len(x):
                for index, value in enumerate(x[cycle].tolist()):
                    ctx.set(component.i[f"x{index}"], value)
            if component.latency == 0:
                await ctx.delay(1e-7)
            if cycle >= component.latency:
                results.append([ctx.get(component.o[f"y{index}"]) for index in range(len(component.slices.datapath.outputs))])
            if component.latency:
                await ctx.tick()

    if component.latency:
        simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return np.array(results)


@pytest.mark.parametrize("slice_bits", [1, 3, 32])
@pytest.mark.parametrize("ranks", [0, 1, 2, 5, 9])
def test_stream(ranks, slice_bits):
    datapath = random_datapath(4, 5, 3)
    slices = Slices(datapath, slice_bits)
    pipeline = retime(slices.circuit(ECP5), ranks=ranks)
    component = PipelinedDatapath(slices, pipeline.stages)
    x = samples(datapath, 40)
    assert np.array_equal(rtl_stream(component, x), ref_stream(datapath, x))
    assert (component.latency, component.registers) == (ranks, pipeline.register_bits)


@pytest.mark.parametrize("at_each_end", [1, 2])
def test_layer_ends(at_each_end):
    datapath = random_datapath(4, 6, 5, 3)
    slices = Slices(datapath, 8)
    stages = layer_end_stages(slices, at_each_end)
    pipeline = as_placed(slices.circuit(ECP5), stages)
    component = PipelinedDatapath(slices, stages)
    x = samples(datapath, 30)
    assert np.array_equal(rtl_stream(component, x), ref_stream(datapath, x))
    assert (pipeline.ranks, component.registers) == (3 * at_each_end - 1, pipeline.register_bits)


def test_retiming_is_faster_than_layer_ends_and_cheaper_than_soonest():
    slices = Slices(random_datapath(8, 12, 6), 4)
    circuit = slices.circuit(ECP5)
    ends = as_placed(circuit, layer_end_stages(slices, 3))
    ours = retime(circuit, ranks=ends.ranks)
    assert ours.period_ns < 0.6 * ends.period_ns
    relaxed = retime(circuit, ranks=ends.ranks, period=ends.period_ns)
    assert relaxed.register_bits <= ends.register_bits


@pytest.mark.parametrize("ranks", [0, 1, 4])
def test_carries(ranks):
    datapath = Datapath(((carried_graph(), None),))
    slices = Slices(datapath, 1)
    pipeline = retime(slices.circuit(ECP5), ranks=ranks)
    x = samples(datapath, 200)
    assert np.array_equal(rtl_stream(PipelinedDatapath(slices, pipeline.stages), x), ref_stream(datapath, x))


def test_slices_cut_long_additions():
    graph = optimise(np.array([[1, 1]]), [Interval(0, (1 << 30) - 1)] * 2, tries=1)
    datapath = Datapath(((graph, None),))
    whole, cut = (Slices(datapath, bits).circuit(ECP5) for bits in (32, 4))
    assert least_period(cut, 7) < least_period(whole, 7) == least_period(whole, 0)
    slices = Slices(datapath, 4)
    pipeline = retime(slices.circuit(ECP5), ranks=7)
    x = samples(datapath, 20)
    assert np.array_equal(rtl_stream(PipelinedDatapath(slices, pipeline.stages), x), ref_stream(datapath, x))


@pytest.mark.parametrize("family", ["ice40", "ecp5"])
def test_netlist(family, tmp_path):
    datapath = random_datapath(5, 6, 4)
    slices = Slices(datapath, 4)
    pipeline = retime(slices.circuit(ECP5), ranks=4)
    component = PipelinedDatapath(slices, pipeline.stages)
    (tmp_path / "top.il").write_text(rtlil.convert(component, ports=[Value.cast(component.i), Value.cast(component.o)]))
    (tmp_path / "top.ys").write_text(f"read_rtlil top.il\nsynth_{family} -top top\nwrite_json top.json\n")
    tools.run(["yosys", "-q", "top.ys"], tmp_path, "yosys.log")
    netlist = Netlist(tmp_path / "top.json")
    x = samples(datapath, 300)
    given = np.concatenate([(x[:, [index]] >> np.arange(4) & 1) for index in range(5)], axis=1).astype(bool)
    actual = unpack(netlist.evaluate(dict(zip(netlist.nets("i"), pack(given), strict=True)), netlist.nets("o")), len(x))
    widths = [max(1, each.width) for each in datapath.outputs]
    y = datapath.evaluate(x)
    expected = np.concatenate([(y[:, [index]] >> np.arange(width) & 1) for index, width in enumerate(widths)], axis=1).astype(bool)
    assert np.array_equal(actual, expected)
    registers = sum(count for kind, count in netlist.cells.items() if kind.startswith("SB_DFF") or kind == "TRELLIS_FF")
    assert registers <= pipeline.register_bits  # synthesis may join equal ones, and never adds any


def test_wrong():
    graph = optimise(np.array([[1, 2]]), [Interval(0, 3)] * 2, tries=1)
    with pytest.raises(PipelineError, match="layers must not be empty"):
        Datapath(())
    with pytest.raises(PipelineError, match=r"layers\[1\] must read 1 words as layers\[0\] gives them, not 2"):
        Datapath(((graph, None), (graph, None)))
    with pytest.raises(PipelineError, match="slice_bits must be at least 1, not 0"):
        Slices(Datapath(((graph, None),)), 0)
