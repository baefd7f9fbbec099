"""Pipelined datapaths against their golden model, in the simulator cycle by cycle and as synthesised netlists."""

import re

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Value
from amaranth.sim import Simulator

from logicnn.arithmetic.retiming import as_placed, retime
from logicnn.arithmetic.sharing import optimise
from logicnn.arithmetic.slices import Datapath, Slices, layer_end_stages
from logicnn.bits import pack, unpack
from logicnn.gateware.embedded import PipelinedDatapath
from logicnn.netlist.netlist import Netlist
from logicnn.network import Interval
from logicnn.resources import DEVICES
from sim_tests.datapath_helpers import random_datapath, samples
from sim_tests.helpers import carried_graph, synthesise

ECP5 = DEVICES["LFE5U-85F"]


def register_bits(component: PipelinedDatapath) -> int:
    """Flip-flops of what Amaranth makes of it."""
    text = rtlil.convert(component, ports=[Value.cast(component.i), Value.cast(component.o)])
    return sum(map(int, re.findall(r"cell \$dff .*\n\s*parameter \\WIDTH (\d+)", text)))


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
                results.append(
                    [ctx.get(component.o[f"y{index}"]) for index in range(len(component.slices.datapath.outputs))]
                )
            if component.latency:
                await ctx.tick()

    if component.latency:
        simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return np.array(results)


@pytest.mark.parametrize("slice_bits", [1, 3, 32])
@pytest.mark.parametrize("latency", [0, 1, 2, 5, 9])
def test_stream(latency, slice_bits):
    datapath = random_datapath(4, 5, 3)
    slices = Slices(datapath, slice_bits)
    pipeline = retime(slices.circuit(ECP5), latency=latency)
    component = PipelinedDatapath(slices, pipeline.stages)
    x = samples(datapath, 40)
    assert np.array_equal(rtl_stream(component, x), ref_stream(datapath, x))
    assert (component.latency, register_bits(component)) == (latency, pipeline.register_bits)


@pytest.mark.parametrize("at_each_end", [1, 2])
def test_layer_ends(at_each_end):
    datapath = random_datapath(4, 6, 5, 3)
    slices = Slices(datapath, 8)
    stages = layer_end_stages(slices, at_each_end)
    pipeline = as_placed(slices.circuit(ECP5), stages)
    component = PipelinedDatapath(slices, stages)
    x = samples(datapath, 30)
    assert np.array_equal(rtl_stream(component, x), ref_stream(datapath, x))
    assert (pipeline.latency, register_bits(component)) == (3 * at_each_end - 1, pipeline.register_bits)


@pytest.mark.parametrize("latency", [0, 1, 4])
def test_carries(latency):
    datapath = Datapath(((carried_graph(), None),))
    slices = Slices(datapath, 1)
    pipeline = retime(slices.circuit(ECP5), latency=latency)
    x = samples(datapath, 200)
    assert np.array_equal(rtl_stream(PipelinedDatapath(slices, pipeline.stages), x), ref_stream(datapath, x))


@pytest.mark.parametrize("latency", [0, 7])
def test_long_additions(latency):
    graph = optimise(np.array([[1, 1]]), [Interval(0, (1 << 30) - 1)] * 2, tries=1)
    datapath = Datapath(((graph, None),))
    slices = Slices(datapath, 4)
    component = PipelinedDatapath(slices, retime(slices.circuit(ECP5), latency=latency).stages)
    x = samples(datapath, 20)
    assert np.array_equal(rtl_stream(component, x), ref_stream(datapath, x))


@pytest.mark.parametrize("family", ["ice40", "ecp5"])
def test_netlist(family, tmp_path):
    datapath = random_datapath(5, 6, 4)
    slices = Slices(datapath, 4)
    pipeline = retime(slices.circuit(ECP5), latency=4)
    component = PipelinedDatapath(slices, pipeline.stages)
    netlist = Netlist(synthesise(component, tmp_path, f"synth_{family}"))
    x = samples(datapath, 300)
    given = np.concatenate([(x[:, [index]] >> np.arange(4) & 1) for index in range(5)], axis=1).astype(bool)
    actual = unpack(netlist.evaluate(dict(zip(netlist.nets("i"), pack(given), strict=True)), netlist.nets("o")), len(x))
    widths = [max(1, each.width) for each in datapath.outputs]
    y = datapath.evaluate(x)
    expected = np.concatenate(
        [(y[:, [index]] >> np.arange(width) & 1) for index, width in enumerate(widths)], axis=1
    ).astype(bool)
    assert np.array_equal(actual, expected)
    registers = sum(count for kind, count in netlist.cells.items() if kind.startswith("SB_DFF") or kind == "TRELLIS_FF")
    assert registers <= pipeline.register_bits  # synthesis may join equal ones, and never adds any
