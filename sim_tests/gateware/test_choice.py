"""Multiplexers: as trees in Amaranth's simulator, as chains of LUT4 in the netlist for iCE40, on the same numbers and
words.
"""

import numpy as np
from amaranth import *
from amaranth.back import rtlil
from amaranth.sim import Simulator
from amaranth_boards.icebreaker import ICEBreakerPlatform

from logicnn.flow import tools
from logicnn.gateware.choice import LONGEST, choice
from logicnn.netlist.simulate import Simulation
from sim_tests.helpers import logic_only

SHAPES = {"one": 1, "two": 2, "three": 3, "seven": 7, "chain": 2 * LONGEST, "chains": 2 * LONGEST + 5}
BITS = 3


class Choices(Elaboratable):
    """One choice of each number of words, combinational and with a number that is taken; of `gaps` every third word is
    never asked for.
    """

    def __init__(self):
        self.numbers = {name: Signal(range(max(2, count)), name=f"n_{name}") for name, count in SHAPES.items()}
        self.words = [Signal(BITS, name=f"word{place}") for place in range(max(SHAPES.values()))]
        self.taken = Signal()
        self.results = {name: Signal(BITS, name=f"o_{name}") for name in SHAPES}
        self.held = {name: Signal(BITS, name=f"h_{name}") for name in SHAPES}
        self.gaps = Signal(BITS)

    @property
    def ports(self) -> list:
        return [*self.numbers.values(), *self.words, self.taken, *self.results.values(), *self.held.values(), self.gaps]

    def elaborate(self, platform):
        m = Module()
        for name, count in SHAPES.items():
            words = self.words[:count]
            m.d.comb += self.results[name].eq(choice(m, words, self.numbers[name], name, platform))
            m.d.comb += self.held[name].eq(choice(m, words, self.numbers[name], f"{name}_held", platform, self.taken))
        some = [None if place % 3 == 1 else word for place, word in enumerate(self.words[: SHAPES["seven"]])]
        m.d.comb += self.gaps.eq(choice(m, some, self.numbers["seven"], "gaps", platform))
        return m


def stimuli() -> tuple[dict[str, list[int]], list[list[int]], list[int]]:
    """Numbers by choice, words, and whether a number is taken, cycle by cycle; every number comes."""
    rng = np.random.default_rng(5)
    cycles = 8 * max(SHAPES.values())
    numbers = {name: (rng.permutation(cycles) % count).tolist() for name, count in SHAPES.items()}
    numbers["seven"] = [each - (each % 3 == 1) for each in numbers["seven"]]
    taken = [1, *rng.integers(0, 2, cycles - 1).tolist()]
    return numbers, rng.integers(0, 1 << BITS, (cycles, max(SHAPES.values()))).tolist(), taken


def ref_choices() -> list[list[int]]:
    numbers, words, taken = stimuli()
    last, rows = dict.fromkeys(SHAPES, 0), []
    for cycle, row in enumerate(words):
        chosen = [row[numbers[name][cycle]] for name in SHAPES]
        rows.append([*chosen, *(row[last[name]] for name in SHAPES), row[numbers["seven"][cycle]]])
        if taken[cycle]:
            last = {name: numbers[name][cycle] for name in SHAPES}
    return rows[1:]  # before a number is taken, no word is


def rtl_choices() -> list[list[int]]:
    dut, rows = Choices(), []
    numbers, words, taken = stimuli()

    async def testbench(ctx):
        for cycle, row in enumerate(words):
            for name, signal in dut.numbers.items():
                ctx.set(signal, numbers[name][cycle])
            for signal, word in zip(dut.words, row, strict=True):
                ctx.set(signal, word)
            ctx.set(dut.taken, taken[cycle])
            rows.append([ctx.get(each) for each in (*dut.results.values(), *dut.held.values(), dut.gaps)])
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return rows[1:]


def test_tree():
    assert rtl_choices() == ref_choices()


def test_chains(tmp_path):
    """The netlist: the same, and a LUT4 for two words and bit in the combinational choices, beside what says which."""
    dut = Choices()
    (tmp_path / "top.il").write_text(rtlil.convert(dut, ports=dut.ports, platform=ICEBreakerPlatform(), emit_src=False))
    (tmp_path / "top.ys").write_text(f"read_rtlil top.il\n{logic_only('synth_ice40 -top top')}\nwrite_json top.json\n")
    tools.run(["yosys", "-q", "top.ys"], tmp_path, "synthesis.log")
    simulation = Simulation(tmp_path / "top.json", forced=[])
    numbers, words, taken = stimuli()
    inputs = {f"n_{name}": np.array(each) for name, each in numbers.items() if SHAPES[name] > 1}
    inputs |= {f"word{place}": np.array(words)[:, place] for place in range(len(words[0]))}
    outputs = [*(f"o_{name}" for name in SHAPES), *(f"h_{name}" for name in SHAPES), "gaps"]
    seen = simulation.run(inputs | {"taken": np.array(taken)}, record=outputs)
    rows = np.stack([seen[name][:, 0] for name in outputs], axis=1)
    assert rows[1:].tolist() == ref_choices()
