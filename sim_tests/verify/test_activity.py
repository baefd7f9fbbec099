"""Changes of nets, counted by hand and from one cycle to the next."""

import numpy as np
import pytest
from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from logicnn.netlist.simulate import Simulation
from logicnn.verify.activity import Watch
from sim_tests.netlist_helpers import KEEP, synthesised


class Counting(wiring.Component):
    """Two counters in modules of their own, one of which an input stops."""

    runs: In(1)
    o: Out(8)

    def elaborate(self, platform):
        m = Module()
        for name in ("always", "sometimes"):
            part = Module()
            count = Signal(4, name="count", attrs=KEEP)
            with part.If(C(1) if name == "always" else self.runs):
                part.d.sync += count.eq(count + 1)
            m.submodules[name] = part
            m.d.comb += self.o.word_select(name == "always", 4).eq(count)
        return m


@pytest.fixture(scope="module")
def netlist(tmp_path_factory):
    component = Counting()
    command = "synth_ice40 -noflatten -top top; flatten"
    return synthesised(component, [component.runs, component.o], tmp_path_factory.mktemp("activity"), command)


def test_changes_of_counters(netlist):
    """In 16 cycles bit 0 changes 16 times, bit 1 8 times: 30 in all; the other counter only where it runs."""
    simulation = Simulation(netlist, 64)
    simulation.set("runs", np.arange(64) % 2)
    with Watch(simulation) as watch:
        simulation.step(16)
    activity = watch.activity
    assert activity.cycles == 16
    assert sum(activity.course.values()) == pytest.approx(activity.total) and set(activity.course) == set(range(16))
    phases = activity.by_phase([("first", 3), ("then", 13)])
    assert phases["first"] == pytest.approx(sum(activity.course[cycle] for cycle in range(3)))
    assert sum(phases.values()) == pytest.approx(activity.total)
    assert activity.changes["always.count"] == 30 and activity.changes["sometimes.count"] == 15
    parts = activity.by_part(1)
    assert parts["always"] >= 30 and parts["sometimes"] >= 15 and activity.total == pytest.approx(sum(parts.values()))
    assert activity.by_part(1, "always")["count"] == 30
    simulation.step(16)
    assert watch.activity.changes["always.count"] == 30  # what comes later is not counted


def test_cycles_here_and_there(netlist):
    """One of three from any cycle on: what they have in common with all is bit 0, which changes in each."""
    simulation = Simulation(netlist, 64)
    simulation.set("runs", 1)
    simulation.step(5)
    with Watch(simulation, 3) as watch:
        simulation.step(48)
    activity = watch.activity
    assert activity.cycles == 48 and activity.changes["always.count"] == 90 == activity.changes["sometimes.count"]


def test_input_that_changes_is_counted_with_the_edge_after(netlist):
    simulation = Simulation(netlist, 64)
    with Watch(simulation) as watch:
        for bit in (1, 1, 0, 0, 1):
            simulation.set("runs", bit)
            simulation.step(1)
    assert sum(count for name, count in watch.activity.changes.items() if name.endswith("runs")) == 3
