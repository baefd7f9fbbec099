"""The sequential simulation of synthesised netlists against Amaranth's simulator and against numpy, lane by lane."""

import numpy as np
import pytest
from amaranth.hdl import Cat, Elaboratable, Module, Signal, signed
from amaranth.lib.memory import Memory
from amaranth.sim import Simulator

from logicnn.simulate import Simulation
from sim_tests.helpers import synthesise

SEED = 30
FLOWS = {"ice40": "synth_ice40 -dsp -device u", "ecp5": "synth_ecp5"}


class Various(Elaboratable):
    """A counter, a shift register, a state machine, memories of several shapes, an accumulating multiplier: 38 bits in, 90 out."""

    def __init__(self):
        self.i = Signal(38)
        self.o = Signal(90)

    def elaborate(self, platform):
        m = Module()
        enable, clear, write, read = (self.i[place] for place in range(4))
        address, other, data = self.i[4:14], self.i[14:22], self.i[22:38]
        counter, shifted = Signal(9, init=5), Signal(7, init=1)
        state = Signal(2)
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
            m.d.comb += [w.addr.eq(other), w.data.eq(data), w.en.eq(write.replicate(4) & data[8:12] if grain < width else write)]
            m.d.comb += [r.addr.eq(Cat(other, address[8:]) if index % 2 else address), r.en.eq(read)]
            parts.append(r.data)
        total = Signal(signed(24))
        m.d.sync += total.eq(total + address[:8].as_signed() * data.as_signed())
        unsigned = Signal(16)
        m.d.sync += unsigned.eq(data[:8] * data[8:])
        m.d.comb += self.o.eq(Cat(*parts, total, unsigned, counter[0] & clear))
        return m


def stimuli(cycles: int, lanes: int, width: int) -> np.ndarray:  # (cycles, lanes) int64
    """Random words; every other cycle the address of reads (bits 4 to 11) is that of writes (bits 14 to 21), in one lane of four in all."""
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


def rtl_run(simulation: Simulation, words: np.ndarray) -> np.ndarray:  # (cycles, lanes) -> (cycles, lanes) object
    """Outputs before each edge, by the netlist."""
    seen = []
    for row in words:
        simulation.set("i", row)
        seen.append([sum(int(bit) << place for place, bit in enumerate(lane)) for lane in simulation.bits("o")])
        simulation.step()
    return np.array(seen, object)


@pytest.fixture(scope="module", params=FLOWS)
def various(request, tmp_path_factory):
    return synthesise(Various(), tmp_path_factory.mktemp(request.param), FLOWS[request.param])


def test_agrees_with_amaranth(various):
    words = stimuli(150, 64, 38)
    seen = rtl_run(Simulation(various), words)
    for lane in (0, 1, 63):
        assert seen[:, lane].tolist() == ref_run(Various(), words[:, lane]).tolist()
