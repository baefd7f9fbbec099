"""Adder graphs as logic against the graph: in the simulator, as netlists of both families, and proved by SAT for a
small size.
"""

import itertools

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import C, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from logicnn.arithmetic.adders import AdderGraph
from logicnn.arithmetic.sharing import optimise
from logicnn.bits import pack, unpack
from logicnn.flow import tools
from logicnn.gateware.adders import ConstantMatrix, words
from logicnn.netlist.netlist import Netlist
from logicnn.network import Interval
from sim_tests.helpers import carried_graph, logic_only, rtl_words

BYTE = Interval(-128, 127)
ONE = Interval(1, 1)
FLOWS = {
    "ice40": (ICEBreakerPlatform, "synth_ice40"),
    "ecp5": (ULX3S_85F_Platform, "synth_ecp5"),
    "plain on ice40": (lambda: None, "synth_ice40"),
    "plain on ecp5": (lambda: None, "synth_ecp5"),
}


def graph_of(matrix, inputs) -> AdderGraph:
    return optimise(np.array(matrix), inputs, tries=3)


def random_graph(seed: int) -> AdderGraph:
    """Up to 3 x 3 weights of up to 6 bits over ranges of at most three bits, one of them constant."""
    rng = np.random.default_rng(seed)
    rows, columns = rng.integers(1, 4, 2)
    ranges = [Interval(0, 1), Interval(0, 7), Interval(-4, 3), Interval(-3, 1), ONE, Interval(2, 5)]
    return graph_of(
        rng.integers(-63, 64, (rows, columns)), [ranges[index] for index in rng.integers(0, len(ranges), columns)]
    )


def mixed_8x5() -> AdderGraph:
    """Signed and unsigned words of several widths, an offset, and rows that are equal, negated, shifted and zero."""
    matrix = np.random.default_rng(5).integers(-100, 101, (8, 5))
    matrix[5], matrix[6], matrix[7] = -matrix[0], 4 * matrix[1], 0
    return graph_of(matrix, [BYTE, Interval(0, 255), Interval(-3, 9), Interval(0, 1), ONE])


def vectors(graph: AdderGraph, count: int = 300) -> np.ndarray:  # (samples, inputs)
    """Every input where there are at most ten bits, else the extremes and random ones."""
    if sum(each.width for each in graph.inputs) <= 10:
        return np.array(list(itertools.product(*(range(each.low, each.high + 1) for each in graph.inputs))))
    rng = np.random.default_rng(0)
    x = np.stack([rng.integers(each.low, each.high + 1, count) for each in graph.inputs], axis=1)
    x[0], x[1] = [each.low for each in graph.inputs], [each.high for each in graph.inputs]
    return x


def as_bits(x: np.ndarray, intervals) -> np.ndarray:  # (samples, words) -> (samples, bits) bool
    """Words side by side, the first lowest, each as wide as its interval but at least one bit."""
    columns = [x[:, index, None] >> np.arange(max(1, each.width)) & 1 for index, each in enumerate(intervals)]
    return np.concatenate(columns, axis=1).astype(bool)


def outputs(graph: AdderGraph) -> list[Interval]:
    return [graph.interval(index) for index in range(len(graph.outputs))]


def ref_bits(graph: AdderGraph, x: np.ndarray) -> np.ndarray:
    return as_bits(graph.evaluate(x), outputs(graph))


def rtl_bits(graph: AdderGraph, x: np.ndarray, compact: bool = True) -> np.ndarray:
    component = ConstantMatrix(graph, compact)
    given = rtl_words(component, as_bits(x, graph.inputs))
    return np.array([[word >> place & 1 for place in range(len(Value.cast(component.o)))] for word in given], bool)


def net_bits(netlist: Netlist, graph: AdderGraph, x: np.ndarray) -> np.ndarray:
    given = dict(zip(netlist.nets("i"), pack(as_bits(x, graph.inputs)), strict=True))
    return unpack(netlist.evaluate(given, netlist.nets("o")), len(x))


def converted(component, platform, name: str) -> str:
    return rtlil.convert(
        component, name=name, ports=[Value.cast(component.i), Value.cast(component.o)], platform=platform
    )


def synthesised(graph: AdderGraph, folder, flow: str, compact: bool = True) -> Netlist:
    platform, command = FLOWS[flow]
    (folder / "top.il").write_text(converted(ConstantMatrix(graph, compact), platform(), "top"))
    (folder / "top.ys").write_text(f"read_rtlil top.il\n{logic_only(f'{command} -top top')}\nwrite_json top.json\n")
    tools.run(["yosys", "-q", "top.ys"], folder, "yosys.log")
    return Netlist(folder / "top.json")


DEGENERATE = {
    "zero row": ([[0, 0], [1, -3]], [Interval(-4, 3), Interval(0, 7)]),
    "negative term": ([[-1, 0], [0, -1]], [Interval(-4, 3), Interval(0, 7)]),
    "negative shifted": ([[-4], [-1], [1]], [Interval(-4, 3)]),
    "shift": ([[4], [1]], [Interval(-4, 3)]),
    "constants": ([[5, 0], [-7, 0], [1, 0], [-1, 2]], [ONE, Interval(0, 7)]),
    "one bit": ([[-1, -1, -1], [3, 5, -7]], [Interval(0, 1)] * 3),
    "only negative": ([[1, 1], [-1, -3]], [Interval(-4, -1), Interval(-3, -2)]),
    "side by side": ([[1, 8]], [Interval(0, 7), Interval(0, 7)]),
    "always zero": ([[1, 1], [-4, 0], [3, -1]], [Interval(0, 0), Interval(0, 7)]),
}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("compact", [False, True])
def test_simulated_random(seed, compact):
    graph = random_graph(seed)
    x = vectors(graph)
    assert np.array_equal(rtl_bits(graph, x, compact), ref_bits(graph, x))


@pytest.mark.parametrize("name", DEGENERATE)
def test_simulated_degenerate(name):
    graph = graph_of(*DEGENERATE[name])
    x = vectors(graph)
    assert np.array_equal(rtl_bits(graph, x), ref_bits(graph, x))


def test_simulated_mixed():
    graph = mixed_8x5()
    x = vectors(graph)
    assert np.array_equal(rtl_bits(graph, x), ref_bits(graph, x))


@pytest.mark.parametrize("compact", [False, True])
def test_simulated_carries(compact):
    graph = carried_graph()
    x = vectors(graph)
    assert np.array_equal(rtl_bits(graph, x, compact), ref_bits(graph, x))


@pytest.mark.parametrize("flow", FLOWS)
def test_netlist_carries(tmp_path, flow):
    graph = carried_graph()
    x = vectors(graph)
    assert np.array_equal(net_bits(synthesised(graph, tmp_path, flow), graph, x), ref_bits(graph, x))


def stacked() -> AdderGraph:
    """The degenerate matrices over one vector of inputs: one synthesis instead of nine."""
    cases = list(DEGENERATE.values())
    inputs = [each for _, part in cases for each in part]
    matrix = np.zeros((sum(len(rows) for rows, _ in cases), len(inputs)), int)
    row = column = 0
    for rows, part in cases:
        matrix[row : row + len(rows), column : column + len(part)] = rows
        row, column = row + len(rows), column + len(part)
    return graph_of(matrix, inputs)


@pytest.mark.parametrize("flow", FLOWS)
def test_netlist_degenerate(tmp_path, flow):
    graph = stacked()
    x = vectors(graph)
    assert np.array_equal(net_bits(synthesised(graph, tmp_path, flow), graph, x), ref_bits(graph, x))


@pytest.mark.parametrize("flow", FLOWS)
def test_netlist_mixed(tmp_path, flow):
    graph = mixed_8x5()
    x = vectors(graph, 2000)
    assert np.array_equal(net_bits(synthesised(graph, tmp_path, flow), graph, x), ref_bits(graph, x))


@pytest.mark.parametrize(("flow", "seed"), [(flow, seed) for flow in ("ice40", "ecp5") for seed in (1, 2, 7)])
def test_netlist_exhaustive(tmp_path, flow, seed):
    graph = random_graph(seed)
    x = vectors(graph)
    assert np.array_equal(net_bits(synthesised(graph, tmp_path, flow), graph, x), ref_bits(graph, x))


def bytes_6x6() -> AdderGraph:
    return graph_of(np.random.default_rng(6).integers(-128, 128, (6, 6)), [BYTE] * 6)


def test_cells_ice40(tmp_path):
    graph = bytes_6x6()
    netlist = synthesised(graph, tmp_path, "ice40")
    x = vectors(graph, 2000)
    assert np.array_equal(net_bits(netlist, graph, x), ref_bits(graph, x))
    # A cell a bit and 42 inverters: 677 for 635 bits. The last bit of a chain needs no carry: 574 for 635 bits and 59
    # additions.
    assert netlist.logic_cells <= 1.1 * graph.bits
    assert 0.97 * (graph.bits - len(graph.adders)) <= netlist.cells["SB_CARRY"] <= graph.bits


def test_cells_ecp5(tmp_path):
    graph = bytes_6x6()
    x = vectors(graph, 2000)
    cells = {}
    for compact in (False, True):
        netlist = synthesised(graph, tmp_path, "ecp5", compact)
        assert np.array_equal(net_bits(netlist, graph, x), ref_bits(graph, x))
        cells[compact] = netlist.logic_cells
        assert cells[compact] > graph.bits  # what feeds the chains is counted
        assert 2 * netlist.cells["CCU2C"] >= 0.95 * (graph.bits - len(graph.adders))
    # Half a carry cell is lost in chains of odd length, unless compact: 674 and 642 for 635 bits and 59 additions; two
    # cells feed a chain.
    feeds = 2 * sum(bits > 2 for bits in graph.chain_bits)
    assert cells[False] <= graph.bits + len(graph.adders) + feeds
    assert cells[True] <= 1.03 * graph.bits + feeds
    assert cells[True] <= cells[False]


class Product(wiring.Component):
    """``sum(weight * x)`` in Amaranth's operators, with the ports of a `ConstantMatrix`."""

    def __init__(self, matrix: np.ndarray, graph: AdderGraph):
        self._matrix = matrix
        super().__init__({"i": In(words("x", graph.inputs)), "o": Out(words("y", outputs(graph)))})

    def elaborate(self, platform):
        m = Module()
        for index, row in enumerate(self._matrix.tolist()):
            total = sum((Value.cast(self.i[f"x{place}"]) * weight for place, weight in enumerate(row)), C(0, 1))
            m.d.comb += Value.cast(self.o[f"y{index}"]).eq(total)
        return m


# SB_LUT4 and SB_CARRY of the iCE40 technology library (Lattice, 2017). Yosys' own cells_sim.v holds memories that take
# minutes to read.
ICE40_CELLS = """
module SB_LUT4 (output O, input I0, I1, I2, I3);
  parameter [15:0] LUT_INIT = 0;
  assign O = LUT_INIT[{I3, I2, I1, I0}];
endmodule
module SB_CARRY (output CO, input I0, I1, CI);
  assign CO = (I0 & I1) | (I0 & CI) | (I1 & CI);
endmodule
"""
PROOF = """
read_rtlil gate.il
read_verilog cells.v
hierarchy -top gate
proc
flatten
read_rtlil gold.il
proc gold
flatten gold
miter -equiv -flatten -make_outputs gold gate miter
sat -verify -prove trigger 0 -show-inputs miter
"""
WEIGHTS = np.array([[3, -2, 1], [-3, 1, 2]])


def prove(graph: AdderGraph, matrix: np.ndarray, platform, folder) -> None:
    """Raises `ToolFailed` where some input, of all that the words hold, tells the graph's logic from the product."""
    (folder / "gold.il").write_text(converted(Product(matrix, graph), None, "gold"))
    (folder / "gate.il").write_text(converted(ConstantMatrix(graph), platform, "gate"))
    (folder / "cells.v").write_text(ICE40_CELLS)
    (folder / "proof.ys").write_text(PROOF)
    tools.run(["yosys", "-q", "proof.ys"], folder, "proof.log")


@pytest.mark.parametrize("platform", [lambda: None, ICEBreakerPlatform, ULX3S_85F_Platform])
def test_proved(tmp_path, platform):
    graph = graph_of(WEIGHTS, [Interval(-4, 3), Interval(0, 7), Interval(-4, 3)])
    prove(graph, WEIGHTS, platform(), tmp_path)
    wrong = WEIGHTS.copy()
    wrong[1, 2] = 1
    with pytest.raises(tools.ToolFailed, match=r"proof did fail"):
        prove(graph, wrong, platform(), tmp_path)
