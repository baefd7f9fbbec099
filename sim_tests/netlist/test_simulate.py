"""The sequential simulation of synthesised netlists against Amaranth's simulator and against numpy, lane by lane."""

import numpy as np
import pytest
from amaranth.hdl import Cat, Elaboratable, Module, Signal, signed
from amaranth.lib.memory import Memory
from amaranth.sim import Simulator

from logicnn.netlist.netlist import NetlistError
from logicnn.netlist.simulate import Simulation
from sim_tests.helpers import synthesise
from sim_tests.netlist_helpers import KEEP, PORTS, SEED, flip_flop, rtl_run, written

FLOWS = {"ice40": "synth_ice40 -dsp -device u", "ecp5": "synth_ecp5"}


class Various(Elaboratable):
    """A counter, a shift register, a state machine, memories of several shapes, an accumulating multiplier: 38 bits in,
    95 out.
    """

    def __init__(self):
        self.i = Signal(38)
        self.o = Signal(95)

    def elaborate(self, platform):
        m = Module()
        enable, clear, write, read = (self.i[place] for place in range(4))
        address, other, data = self.i[4:14], self.i[14:22], self.i[22:38]
        counter = Signal(9, attrs=KEEP)  # without initial ones: Yosys 0.70 loses such bits of a kept net
        shifted = Signal(7, init=1)
        state = Signal(2, init=2)
        with m.If(enable):
            m.d.sync += counter.eq(counter + data[:4])
        with m.If(clear):
            m.d.sync += [counter.eq(17), shifted.eq(-1)]
        with m.Else():
            m.d.sync += shifted.eq(Cat(data[0], shifted))
        with m.Switch(Cat(state, data[1])):
            for case, following in enumerate([1, 2, 2, 0, 3, 1, 3, 2]):
                with m.Case(case):
                    m.d.sync += state.eq(following)
        parts = [counter, shifted, state]
        # (width, depth, bits of a write mask, sees a write at once)
        for index, (width, depth, grain, transparent) in enumerate(
            [(16, 256, 4, False), (8, 512, 8, True), (4, 1024, 4, False), (2, 600, 2, False)]
        ):
            init = [place * 41 % (1 << width) for place in range(depth)]
            m.submodules[f"memory{index}"] = memory = Memory(shape=width, depth=depth, init=init)
            w = memory.write_port(granularity=grain)
            r = memory.read_port(transparent_for=[w] if transparent else [])
            # half of the reads are of what is written
            m.d.comb += [
                w.addr.eq(other),
                w.data.eq(data),
                w.en.eq(write.replicate(4) & data[8:12] if grain < width else write),
            ]
            m.d.comb += [r.addr.eq(Cat(other, address[8:]) if index % 2 else address), r.en.eq(read)]
            parts.append(r.data)
        m.submodules.small = small = Memory(shape=5, depth=16, init=range(3, 19))
        w, r = small.write_port(), small.read_port(domain="comb")
        m.d.comb += [w.addr.eq(other), w.data.eq(data), w.en.eq(write), r.addr.eq(address)]
        parts.append(r.data)
        total = Signal(signed(24))
        m.d.sync += total.eq(total + address[:8].as_signed() * data.as_signed())
        unsigned = Signal(16)
        m.d.sync += unsigned.eq(data[:8] * data[8:])
        full = Signal(attrs=KEEP)
        m.d.comb += [full.eq(counter[8] & ~clear), self.o.eq(Cat(*parts, total, unsigned, counter[0] & clear))]
        return m


def stimuli(cycles: int, lanes: int, width: int) -> np.ndarray:  # (cycles, lanes) int64
    """Random words; every other cycle the address of reads (bits 4 to 11) is that of writes (bits 14 to 21), in one
    lane of four in all.
    """
    rng = np.random.default_rng(SEED)
    words = rng.integers(0, 1 << width, (cycles, lanes))
    words[::2] = words[::2] & ~(0xFF << 4) | (words[::2] >> 14 & 0xFF) << 4
    return words


def ref_run(component, words: np.ndarray) -> np.ndarray:  # (cycles,) -> (cycles,) object
    """Outputs before each edge, by Amaranth's simulator."""
    seen = []

    async def testbench(ctx):
        for word in words:
            ctx.set(component.i, int(word))
            seen.append(ctx.get(component.o))
            await ctx.tick()

    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return np.array(seen, object)


@pytest.fixture(scope="module", params=FLOWS)
def various(request, tmp_path_factory):
    return synthesise(Various(), tmp_path_factory.mktemp(request.param), FLOWS[request.param], memories=True)


def test_agrees_with_amaranth(various):
    words = stimuli(150, 64, 38)
    seen = rtl_run(Simulation(various), words)
    for lane in (0, 1, 63):
        assert seen[:, lane].tolist() == ref_run(Various(), words[:, lane]).tolist()


def test_run_is_set_and_step(various):
    """At three words a lane group, and with two signals recorded."""
    words = stimuli(40, 192, 38)
    seen = rtl_run(Simulation(various, lanes=192), words)
    simulation = Simulation(various, lanes=192)
    counter = seen & 511
    first = simulation.run({"i": words[:25]}, record=["counter", "i"])
    assert np.array_equal(first["counter"], counter[:25]) and np.array_equal(first["i"], words[:25])
    assert simulation.cycle == 25
    assert np.array_equal(simulation.run({"i": words[25:]}, record=["counter"])["counter"], counter[25:])
    assert simulation.run({}, cycles=3) == {} and simulation.cycle == 43


def test_snapshot_restores_everything(various):
    words = stimuli(30, 64, 38)
    simulation = Simulation(various)
    simulation.run({"i": words})
    snapshot = simulation.snapshot()
    after = rtl_run(simulation, words)
    simulation.restore(snapshot)
    assert simulation.cycle == 30 and np.array_equal(rtl_run(simulation, words), after)


def test_contents(various):
    simulation = Simulation(various)
    name = next(name for name in simulation.memories if name.startswith("memory0"))
    memory = simulation.memories[name]
    assert (memory.kind, memory.depth, memory.width) in {("SB_RAM40_4K", 256, 16), ("DP16KD", 1024, 18)}
    content = np.arange(memory.depth)[::-1]
    simulation.load(name, content)
    assert np.array_equal(simulation.contents(name, 63), content)


def test_callbacks_see_settled_pins(various):
    """A peripheral that answers within the cycle: it enables the counter while its second bit is 0."""
    simulation = Simulation(various)
    simulation.set("i", 1 << 22)  # count by one
    enable, second = simulation.pin("i", 0), simulation.pin("counter", 1)
    cycles = []

    def peripheral(cycle: int) -> None:
        cycles.append(cycle)
        enable.set(not second.get())

    simulation.attach(peripheral)
    simulation.step(2)
    assert cycles == [1, 2] and simulation.get("counter").tolist() == [1] * 64
    assert simulation.run({}, ["counter"], cycles=3)["counter"][:, 5].tolist() == [1, 2, 2] and simulation.cycle == 5
    with pytest.raises(NetlistError, match=r"^the pin is neither an input nor forced$"):
        second.set(1)


@pytest.mark.parametrize("callback", [False, True])
def test_run_until(various, callback):
    """Lanes count at different speeds: each reports the edges after which bit 8 was first 1, and all stop with the
    slowest.
    """
    simulation = Simulation(various)
    if callback:
        simulation.attach(lambda cycle: None, every=7)
    speed = 1 + np.arange(64) % 15
    simulation.set("i", 1 | speed << 22)
    simulation.step(3)
    edges = -(-256 // speed) - 3
    assert np.array_equal(simulation.run_until("full", 1000), edges)
    assert simulation.cycle == 256 and simulation.get("counter")[0] == 256
    again = simulation.run_until("full", 1000)
    assert np.array_equal(again == 0, 256 * speed >> 8 & 1) and simulation.cycle > 256
    assert simulation.run_until("full", 0).max() == 0


def test_run_until_the_limit(various):
    simulation = Simulation(various)
    simulation.set("i", 1 | (1 + (np.arange(64) == 9)) << 22)
    for limit, first in ((127, -1), (1, 1)):  # not yet, and then at the very limit
        assert simulation.run_until("full", limit).tolist() == [first if lane == 9 else -1 for lane in range(64)]
    assert simulation.cycle == 128


def test_forced(various):
    """The counter is cut from its adder: what reads it sees the caller's values."""
    simulation = Simulation(various, forced=["counter"])
    simulation.set("counter", np.arange(64) * 8)
    simulation.set("i", 1 | 3 << 22)
    simulation.step(5)
    assert simulation.get("counter").tolist() == (np.arange(64) * 8).tolist()
    assert simulation.get("full").tolist() == (np.arange(64) >= 32).tolist()


@pytest.fixture
def plain(tmp_path):
    return Simulation(
        written(tmp_path, {"a": flip_flop(4, 5), "b": flip_flop(5, 6)}, {"tied": ["1", 4], "pair": [5, 6]}, PORTS),
        lanes=128,
    )


def test_values_refused(plain, tmp_path):
    with pytest.raises(ValueError, match=r"^lanes must be a positive multiple of 64, not 100$"):
        Simulation(tmp_path / "top.json", lanes=100)
    with pytest.raises(ValueError, match=r"^values of i must fit into 1 bits, but go from 2 to 2$"):
        plain.set("i", 2)
    with pytest.raises(ValueError, match=r"^values of i must be one or 128 in each cycle, not of shape \(1, 64\)$"):
        plain.set("i", [0] * 64)
    with pytest.raises(ValueError, match=r"^bit 0 of tied is the constant 1$"):
        plain.set("tied", 2)
    with pytest.raises(ValueError, match=r"^inputs must be of one number of cycles, not \[2, 3\]$"):
        plain.run({"i": [0, 1], "other": [0, 1, 1]})
    with pytest.raises(ValueError, match=r"^pair has 2 bits, not one$"):
        plain.run_until("pair", 3)


def test_names_refused(plain):
    with pytest.raises(NetlistError, match=r"^the netlist has no signal 'none'$"):
        plain.get("none")
    with pytest.raises(NetlistError, match=r"^signal o is neither an input nor forced$"):
        plain.set("o", 1)
    with pytest.raises(NetlistError, match=r"^signal clk depends on the clock, whose value is not known$"):
        plain.get("clk")
    with pytest.raises(NetlistError, match=r"^the netlist has no memory 'a'$"):
        plain.contents("a")


def test_constant_bits_stay(plain):
    plain.set("tied", 3)
    plain.step(2)
    assert plain.get("pair").tolist() == [3] * 128
