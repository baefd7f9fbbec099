"""Classes counted one after the other: against the network, in the simulator and as netlists."""

import numpy as np
import pytest
from amaranth import *

from benchmarks.bench import own_luts, synthesise
from logicnn.board import boards
from logicnn.engines import Mapping, MappingError, chosen
from logicnn.engines.counted import ONE, Counted
from logicnn.flow.build import Options, build
from logicnn.flow.progress import Steps
from logicnn.gateware import Accelerator
from logicnn.gateware.engine import streamed
from logicnn.network import BIT, Activations, Argmax, GroupSum, LutLayer, Network, Thermometer
from logicnn.resources import DEVICES
from sim_tests.stream_helpers import as_integers, rtl_stream

UP5K = DEVICES["iCE40UP5K"]


def network_of(sizes, weights, offsets, inputs=8, seed=1):
    rng = np.random.default_rng(seed)
    count = len(weights)
    tables = LutLayer(rng.integers(inputs, size=(count, 4)), rng.integers(2, size=(count, 16)))
    layers = [Thermometer([1]), tables, GroupSum(*map(np.asarray, (sizes, weights, offsets))), Argmax()]
    return Network(Activations((inputs,), BIT), layers, "counted")


NETWORKS = {
    "plain": network_of([5] * 10, [1] * 50, [0] * 10),
    "unequal": network_of([1, 7, 0, 4], [1] * 12, [0, -2, 3, 1]),
    "weights": network_of([3, 5, 4], [1, 2, 3, 7, 1, 1, 1, 5, 2, 2, 6, 1], [0, 0, 0]),
    "two": network_of([4, 3], [1] * 7, [0, 1]),
    "many": network_of([2] * 20, [1] * 40, [0] * 20),
}


@pytest.mark.parametrize("stalls", [(0.0, 0.0), (0.5, 0.6)])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_input(name, stalls):
    network = NETWORKS[name]
    mapping = Counted.row(network)
    x = np.arange(256)[:, None] >> np.arange(8) & 1
    outputs, entered, left = rtl_stream(Accelerator(mapping), as_integers(network.encode(x)), len(x), *stalls)
    assert np.array_equal(outputs, network.evaluate(x))
    if not any(stalls):
        assert set(np.subtract(left, entered)) == {mapping.latency.most}
        assert set(np.diff(entered)) == {mapping.interval}


def test_columns():
    """Bits of a class by the places of their weights; what a class is ahead as bits that are always 1."""
    engine = Counted(NETWORKS["unequal"], 2)
    assert engine.columns == (
        ((0, None, None, None, None, None, None), (ONE,), (None,)),
        ((1, 2, 3, 4, 5, 6, 7), (None,), (None,)),
        ((ONE, None, None, None, None, None, None), (None,), (ONE,)),
        ((8, 9, 10, 11, ONE, None, None), (ONE,), (None,)),
    )
    assert engine.slots == 9 and engine.width == 3


def test_offsets_far_apart():
    engine = Counted(network_of([1, 1], [1, 1], [-(1 << 31), (1 << 31) - 1]), 2)
    assert engine.width == 33 and sum(bit == ONE for column in engine.columns[1] for bit in column) == 32


def test_bits_that_no_lut_gives():
    """Take cells of their own, for their registers."""
    network = NETWORKS["plain"]
    whole = Counted(network, 2).cost(UP5K)
    wires = LutLayer(network.layers[1].connections, np.tile(np.arange(16) & 1, (50, 1)))
    passed = Network(network.input, [network.layers[0], wires, *network.layers[2:]])
    assert Counted(passed, 2).cost(UP5K).logic_cells == whole.logic_cells + 50
    read = Network(Activations((50,), BIT), [network.layers[0], *network.layers[2:]])
    assert Counted(read, 1).cost(UP5K).logic_cells == whole.logic_cells + 50
    assert (
        Counted(read, 1).cost(DEVICES["LFE5U-85F"]).logic_cells
        == Counted(network, 2).cost(DEVICES["LFE5U-85F"]).logic_cells
    )


def test_only_where_logic_has_no_room():
    network = NETWORKS["plain"]
    fits = chosen(network, UP5K, 83.3, lambda mapping: None)
    assert fits == Mapping.unrolled(network) or not any(isinstance(each, Counted) for each in fits.engines)
    small = chosen(network, UP5K, 83.3, lambda mapping: "is too large" if mapping.feed_forward else None)
    assert isinstance(small.engines[-1], Counted) and small.latency.most == 13


def test_refuses():
    network = NETWORKS["plain"]
    with pytest.raises(MappingError, match=r"^Counted is for a GroupSum of 2 classes .* not for layers 1 \.\.\. of"):
        Counted(network, 1)
    assert Counted.proposed(network, 1, UP5K, 83.3) is None and Counted.proposed(network, 2, UP5K, None) is None


class Bare(Elaboratable):
    """The engine with samples that are always there, and classes that are always taken."""

    def __init__(self, engine):
        self.i, self.o = Signal(engine.given.size), Signal(range(engine.classes))
        self._engine = engine

    def elaborate(self, platform):
        m = Module()
        m.submodules.engine = engine = streamed(self._engine, False)
        m.d.comb += [
            engine.i.payload.eq(self.i),
            engine.i.valid.eq(1),
            engine.o.ready.eq(1),
            self.o.eq(engine.o.payload),
        ]
        return m


@pytest.mark.parametrize("classes", [2, 10, 20])
def test_cells(classes, tmp_path):
    """Half a LUT4 of an iCE40 for a bit of ten classes, and one sum: within a tenth of what is predicted."""
    count = 30 * classes
    engine = Counted(network_of([30] * classes, [1] * count, [0] * classes), 2)
    bare, predicted = Bare(engine), engine.cost(UP5K)
    netlist = synthesise(bare, UP5K, tmp_path)
    luts = netlist.cells["SB_LUT4"] - own_luts(len(bare.o))
    assert luts == pytest.approx(predicted.lut4, rel=0.1, abs=12)
    registers = sum(found for cell, found in netlist.cells.items() if cell.startswith("SB_DFF"))
    assert registers - 2 * count == pytest.approx(predicted.ff, rel=0.1, abs=12)


def test_build(tmp_path):
    """A whole board, checked clock by clock; each table and the register of its bit in one cell."""
    network = network_of([20] * 10, [1] * 200, [0] * 10, inputs=40)
    report = build(
        Counted.row(network), boards.find("icebreaker"), Options(tmp_path, verify="quick"), Steps(quiet=True)
    )
    assert report.verification.mismatches == 0 and report.verification.vectors > 500
    assert (report.timing.latency_cycles, report.timing.interval_cycles) == (13, 10)
    assert report.resources.logic_cells == pytest.approx(report.estimate.logic_cells, rel=0.1)
