"""Maps in banks and the window over them, against numpy."""

import numpy as np
import pytest
from amaranth.hdl import Elaboratable, Module
from amaranth.sim import Simulator

from logicnn.engines.sparse.plan import Plan, Tile
from logicnn.engines.sparse.scan import Move, scan
from logicnn.gateware.sparse.window import BankedMaps, Place, Window
from sim_tests.sparse_helpers import network, plan_of

STEPS = {Move.RIGHT: (0, 1), Move.LEFT: (0, -1), Move.DOWN: (1, 0), Move.UP: (-1, 0)}


class _Both(Elaboratable):
    """A window behind its banks, as in the engine."""

    def __init__(self, plan: Plan):
        self.maps, self.window = BankedMaps(plan), Window(plan.side)

    def elaborate(self, platform):
        m = Module()
        m.submodules.maps, m.submodules.window = self.maps, self.window
        m.d.comb += self.window.segment.eq(self.maps.segment)
        return m


@pytest.mark.parametrize("pool", [1, 2])
@pytest.mark.parametrize(("side", "height", "width"), [(2, 5, 4), (3, 6, 7), (5, 8, 9)])
def test_window_scans(side, height, width, pool):
    """The window at every position of a scan, from a first one that comes column by column."""
    plan = plan_of(network(1, side=side, image=(1, height, width), convolutions=((2, 2, pool),), dense=()), Tile(2, 2))
    image = np.random.default_rng(side).integers(0, 256, (height, width))
    given, both = plan.layers[0].given, _Both(plan)
    rows, columns = (height - side + 1) // pool, (width - side + 1) // pool
    wanted, seen = [], []

    async def testbench(ctx):
        maps, window, layout = both.maps, both.window, Place(plan)
        ctx.set(maps.write, 1)
        for y in range(height):
            for x in range(width):
                ctx.set(maps.write_place, layout.constant(given.base * side + y * given.pitch + x))
                ctx.set(maps.write_word, int(image[y, x]))
                await ctx.tick()
        ctx.set(maps.write, 0)

        async def shift(move, y, x):
            """Words from (y, x) on come into the window, two cycles later."""
            ctx.set(maps.place, layout.constant(given.base * side + y * given.pitch + x))
            ctx.set(maps.column, int(move in (Move.RIGHT, Move.LEFT)))
            await ctx.tick().repeat(2)
            ctx.set(window.shift, 1)
            ctx.set(window.move, move)
            await ctx.tick()
            ctx.set(window.shift, 0)

        for x in range(side - 1):
            await shift(Move.RIGHT, 0, x)
        y, x = 0, -1
        for move, _, _ in scan(rows, columns, pool):
            down, right = STEPS[move]
            y, x = y + down, x + right
            far = side - 1
            await shift(move, y + far * (move == Move.DOWN), x + far * (move == Move.RIGHT))
            wanted.append(image[y : y + side, x : x + side].ravel().tolist())
            seen.append([ctx.get(window.o[place]) for place in range(side**2)])

    simulator = Simulator(both)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert len(seen) == rows * columns * pool**2
    assert seen == wanted


def test_places_move():
    """Every distance of a layer from every place, backwards too."""
    plan = plan_of(network(1, side=3, image=(1, 9, 9), convolutions=((2, 2, 1),), dense=()), Tile(2, 2))
    layout, distances = Place(plan), [1, -1, 7, -7, 10]
    words = plan.depth * plan.side

    class Moves(Elaboratable):
        def __init__(self):
            from amaranth.hdl import Signal

            self.place, self.by = Signal(layout), Signal(range(len(distances)))
            self.results = Signal(layout)

        def elaborate(self, platform):
            m = Module()
            m.d.comb += self.results.eq(layout.moved(m, self.place, distances, self.by, "moved"))
            return m

    dut = Moves()

    async def testbench(ctx):
        for number, distance in enumerate(distances):
            ctx.set(dut.by, number)
            for address in range(max(0, -distance), words - max(0, distance)):
                ctx.set(dut.place, layout.constant(address))
                result = ctx.get(dut.results)
                assert result.at * plan.side + result.bank == address + distance

    simulator = Simulator(dut)
    simulator.add_testbench(testbench)
    simulator.run()
