"""The netlist reader against truth tables and against networks; a single changed LUT must be found."""

import json

import numpy as np
import pytest
from amaranth.hdl import Elaboratable, Module, Signal

from logicnn import bits, gateware
from logicnn.engines.mapping import Mapping
from logicnn.errors import CheckFailed
from logicnn.gateware.core import Core
from logicnn.netlist.netlist import Netlist, NetlistError, lookup
from logicnn.network import BinaryDense, Threshold
from logicnn.verify.logic import LogicCheck, Probe, netlist_outputs
from logicnn.verify.vectors import Vectors
from sim_tests.helpers import all_bits, dense_network, lut4_of, synthesise

PROBE = Probe("held", "taken")
FLOWS = ["synth_ice40", "synth_ecp5", "synth_ecp5 -nowidelut"]


@pytest.mark.parametrize("inputs", [1, 2, 3])
def test_lookup_exhaustive(inputs):
    words = list(bits.pack(all_bits(inputs)))
    for table in range(1 << (1 << inputs)):
        result = lookup(table, words)
        column = bits.unpack(
            np.full((1, 1), result if isinstance(result, np.ndarray) else np.uint64(result % 2**64)), 1 << inputs
        )[:, 0]
        assert column.tolist() == [bool(table >> index & 1) for index in range(1 << inputs)]


def test_lookup_of_four():
    words = list(bits.pack(all_bits(4)))
    for table in np.random.default_rng(1).integers(1, 65535, 500).tolist():
        column = bits.unpack(np.asarray(lookup(table, words))[None], 16)[:, 0]
        assert column.tolist() == [bool(table >> index & 1) for index in range(16)]


class Registered(Elaboratable):
    """A network between two registers, as on a board."""

    def __init__(self, mapping):
        self.core = Core(mapping)
        self.i = Signal(len(self.core.i))
        self.o = Signal(len(self.core.o))

    def elaborate(self, platform):
        m = Module()
        m.submodules.core = self.core
        held = Signal(len(self.i), reset_less=True, attrs={"keep": 1})
        taken = Signal(len(self.o), reset_less=True, attrs={"keep": 1})
        m.d.sync += [held.eq(self.i), taken.eq(self.core.o)]
        m.d.comb += [self.core.i.eq(held), self.o.eq(taken)]
        return m


class Adder(Elaboratable):
    """Arithmetic that synthesis puts on carry chains."""

    def __init__(self):
        self.i = Signal(16)
        self.o = Signal(18)

    def elaborate(self, platform):
        m = Module()
        held = Signal(16, reset_less=True, attrs={"keep": 1})
        taken = Signal(18, reset_less=True, attrs={"keep": 1})
        m.d.sync += [held.eq(self.i), taken.eq(held[:8] + (held[8:] << 2) - 77)]
        m.d.comb += self.o.eq(taken)
        return m


@pytest.mark.parametrize("command", FLOWS)
@pytest.mark.parametrize("registers", [(), (0, 1)])
def test_network_exhaustive(tmp_path, command, registers):
    network = dense_network(np.random.default_rng(24), 9, 7, 5, 4)
    # Every input must be read, or synthesis drops its register.
    assert len(network.read_inputs()) == 9
    netlist = Netlist(synthesise(Registered(Mapping.unrolled(network, registers)), tmp_path, command))
    x = all_bits(9)
    assert np.array_equal(netlist_outputs(netlist, PROBE, network, x), network.evaluate(x.astype(int)))


@pytest.mark.parametrize("command", FLOWS)
def test_carry_chains(tmp_path, command):
    netlist = Netlist(synthesise(Adder(), tmp_path, command))
    assert netlist.cells["SB_CARRY"] + netlist.cells["CCU2C"] > 4
    v = np.random.default_rng(1).integers(0, 1 << 16, 5000)
    given = dict(zip(netlist.nets("held"), bits.pack((v[:, None] >> np.arange(16) & 1).astype(bool)), strict=True))
    word = bits.unpack(netlist.evaluate(given, netlist.next_of_registers("taken")), len(v))
    assert np.array_equal(word @ (1 << np.arange(18)), ((v & 255) + (v >> 8) * 4 - 77) % (1 << 18))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    network = dense_network(np.random.default_rng(24), 9, 7, 5, 4)
    return network, synthesise(Registered(Mapping.unrolled(network)), tmp_path_factory.mktemp("netlist"), "synth_ice40")


def vectors():
    return Vectors(all_bits(9).astype(int), np.zeros(0, int), "every input")


def test_verify_agrees(built):
    network, path = built
    checked = LogicCheck(network, PROBE).verified(Netlist(path), vectors())
    assert (checked.vectors, checked.mismatches, checked.accuracy) == (512, 0, None)


def test_every_wrong_lut_is_found(built, tmp_path):
    """Each LUT's table is inverted in turn; the message names a vector that really differs."""
    network, path = built
    design = json.loads(path.read_text())
    cells = design["modules"]["top"]["cells"]
    luts = [name for name, cell in cells.items() if cell["type"] == "SB_LUT4"]
    assert len(luts) > 10
    for name in luts:
        parameters = cells[name]["parameters"]
        right = parameters["LUT_INIT"]
        parameters["LUT_INIT"] = "".join("10"[int(bit)] for bit in right)
        (tmp_path / "wrong.json").write_text(json.dumps(design))
        parameters["LUT_INIT"] = right
        with pytest.raises(
            CheckFailed,
            match=(
                r"^the netlist differs from the network on \d+ of 512 vectors: vector \d+ \(every input\) "
                r"should give \d but"
            ),
        ):
            LogicCheck(network, PROBE).verified(Netlist(tmp_path / "wrong.json"), vectors())


def test_unknown_signal(built):
    with pytest.raises(NetlistError, match=r"^the netlist has no signal 'none'$"):
        Netlist(built[1]).nets("none")


def test_unknown_source(built):
    netlist = Netlist(built[1])
    given = dict.fromkeys(netlist.nets("held")[:-1], np.zeros(1, np.uint64))
    with pytest.raises(NetlistError, match=r"is driven by nothing, which is not logic$"):
        netlist.evaluate(given, netlist.next_of_registers("taken"))


@pytest.mark.parametrize("text", ["", "{}", '{"modules": {}}', '{"modules": {"a": 1}}'])
def test_not_a_netlist(tmp_path, text):
    (tmp_path / "n.json").write_text(text)
    with pytest.raises(NetlistError, match=r"^cannot read the netlist .*n.json"):
        Netlist(tmp_path / "n.json")


def test_lut4_per_synapse(tmp_path):
    """Four dense neurons of 127 shared inputs: at most 1.4 LUT4 a synapse (2.0 as a behavioural sum)."""
    weights = np.random.default_rng(1).choice([-1, 1], (4, 127))
    component = gateware.BinaryDense(BinaryDense(weights, Threshold([64] * 4)))
    assert lut4_of(synthesise(component, tmp_path)) <= 1.4 * weights.size


def _cell(kind: str, output: str, **ports) -> dict:
    directions = {name: "output" if name == output else "input" for name in ports}
    return {"type": kind, "parameters": {"LUT_INIT": "0"}, "port_directions": directions, "connections": ports}


def _logic_cells(folder, **cells: dict) -> int:
    (folder / "top.json").write_text(
        json.dumps({"modules": {"top": {"attributes": {"top": "1"}, "cells": cells, "netnames": {}}}})
    )
    return Netlist(folder / "top.json").logic_cells


def test_logic_cells_count_a_carry_without_its_lut(tmp_path):
    """Two LUTs and two carries: one carry reads what a LUT reads, the other takes a cell of its own."""
    lut = _cell("SB_LUT4", "O", I0=["0"], I1=[2], I2=[3], I3=[4], O=[5])
    other = _cell("SB_LUT4", "O", I0=[2], I1=[3], I2=["0"], I3=["0"], O=[6])
    joined = _cell("SB_CARRY", "CO", I0=[2], I1=[3], CI=[4], CO=[7])
    lone = _cell("SB_CARRY", "CO", I0=[2], I1=[2], CI=["0"], CO=[4])
    assert _logic_cells(tmp_path, lut=lut, other=other, joined=joined, lone=lone) == 3


@pytest.mark.parametrize(
    ("carry", "reader", "cells"),
    [
        ("0", _cell("SB_LUT4", "O", I0=["0"], I1=["0"], I2=["0"], I3=[7], O=[8]), 2),  # the next place of the chain
        (6, _cell("SB_LUT4", "O", I0=["0"], I1=["0"], I2=["0"], I3=[7], O=[8]), 3),  # into the chain
        ("0", _cell("SB_LUT4", "O", I0=["0"], I1=[7], I2=["0"], I3=["0"], O=[8]), 3),  # out of it
    ],
)
def test_logic_cells_count_ways_into_and_out_of_chains(carry, reader, cells, tmp_path):
    lut = _cell("SB_LUT4", "O", I0=["0"], I1=[2], I2=[3], I3=[carry], O=[5])
    chain = _cell("SB_CARRY", "CO", I0=[2], I1=[3], CI=[carry], CO=[7])
    assert _logic_cells(tmp_path, lut=lut, chain=chain, reader=reader) == cells


def _ccu2c(**ports: list) -> dict:
    """A slice of a chain with the flow's parameters, its operands constants."""
    operands = {f"{name}{half}": ["0"] for name in "ABCD" for half in "01"} | {"S0": [], "S1": []}
    parameters = {"INIT0": "0" * 16, "INIT1": "0" * 16}
    return _cell("CCU2C", "COUT", **operands, **ports) | {"parameters": parameters}


def test_logic_cells_of_ecp5_chains_count_what_feeds_them(tmp_path):
    """Two slices of one chain, and one of another: two cells each, and two for each chain's first carry."""
    first = _ccu2c(CIN=["0"], COUT=[5])
    second = _ccu2c(CIN=[5], COUT=[6])
    other = _ccu2c(CIN=["1"], COUT=[7])
    assert _logic_cells(tmp_path, first=first, second=second) == 4 + 2
    assert _logic_cells(tmp_path, first=first, second=second, other=other) == 6 + 4


def test_activity_counts_changes_of_cell_outputs(tmp_path):
    """An exclusive or and a register after it, over more samples than a word holds."""
    xor = _cell("SB_LUT4", "O", I0=[2], I1=[3], I2=["0"], I3=["0"], O=[4]) | {"parameters": {"LUT_INIT": "0110" * 4}}
    register = _cell("SB_DFF", "Q", D=[4], C=[9], Q=[5])
    names = {"top": {"attributes": {"top": "1"}, "cells": {"xor": xor, "register": register}, "netnames": {}}}
    (tmp_path / "top.json").write_text(json.dumps({"modules": names}))
    netlist = Netlist(tmp_path / "top.json")
    for samples in (1, 2, 64, 65, 200):
        given = np.random.default_rng(samples).integers(0, 2, (samples, 2)).astype(bool)
        out = given[:, 0] ^ given[:, 1]
        changes = int(np.count_nonzero(out[1:] != out[:-1]))
        packed = dict(zip([2, 3], bits.pack(given), strict=True))
        assert netlist.activity(packed, [4], samples) == {4: changes}
        assert netlist.activity(packed, [5], samples) == {4: changes, 5: changes}  # the LUT and the register
