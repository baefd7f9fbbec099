"""Energies of a net's change: what others measured, over what nets change in the same circuits."""

import pytest
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from logicnn.netlist.simulate import Simulation
from logicnn.resources import DEVICES
from logicnn.verify.activity import Activity, Watch
from logicnn.verify.energy import ENERGIES, UP5K, Energies, energy_of
from sim_tests.netlist_helpers import KEEP, synthesised

CYCLES = 2048


class Counters(wiring.Component):
    """One of `bits`, and by the measured design's steps two of 8 bits, with their product."""

    o: Out(1)

    def __init__(self, bits: int, product: bool):
        self._bits, self._product = bits, product
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        count = Signal(self._bits)
        m.d.sync += count.eq(count + 1)
        m.d.comb += self.o.eq(count[-1])
        if self._product:
            first, second, product = Signal(8), Signal(8), Signal(16, attrs=KEEP)
            m.d.sync += [first.eq(first + 3), second.eq(second + 5)]
            m.d.comb += [product.eq(first * second), self.o.eq(count[-1] | first.all() | second.all() | product.all())]
        return m


def changes(folder, bits: int, product: bool) -> float:
    """Of all nets, a cycle."""
    component = Counters(bits, product)
    folder.mkdir()
    simulation = Simulation(synthesised(component, [component.o], folder, "synth_ice40 -device u -top top"))
    with Watch(simulation) as watch:
        simulation.step(CYCLES)
    return watch.activity.total / CYCLES


def test_circuits_that_were_measured(tmp_path):
    counter = changes(tmp_path / "28", 28, False)
    product = changes(tmp_path / "product", 24, True) - changes(tmp_path / "24", 24, False)
    found, expected = ENERGIES["iCE40UP5K"], Energies.of(UP5K, counter, product)
    assert found.least_change_pj == pytest.approx(expected.least_change_pj, rel=0.05)
    assert found.most_change_pj == pytest.approx(expected.most_change_pj, rel=0.05)


def test_of_a_sample():
    """A thousand cycles at 10 MHz in which nothing changes, and a million changes more."""
    device = DEVICES["iCE40UP5K"]
    still, busy = (energy_of(Activity(1000, {"a": count}), device, 10e6) for count in (0.0, 1e6))
    assert still is not None and busy is not None
    rest_uj = UP5K.volts * UP5K.halted * 1e-4  # 0.1 ms
    clock_uj = UP5K.volts * (2184.0 - UP5K.halted) / 48 * 1e-3
    assert still.least_uj == still.most_uj == pytest.approx(rest_uj + clock_uj)
    assert busy.least_uj - still.least_uj == pytest.approx(0.081, abs=0.002)
    assert busy.most_uj - still.most_uj == pytest.approx(0.50, abs=0.01)
    assert energy_of(Activity(1000, {}), DEVICES["LFE5U-85F"], 10e6) is None
