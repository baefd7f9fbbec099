"""What becomes of finished sums: the greatest of scores."""

import itertools

from amaranth.hdl import signed
from amaranth.sim import Simulator

from logicnn.gateware.sparse.finisher import Best


def test_best_exhaustive():
    """All triples of values from -2 to 1: the first of the greatest, as numpy's argmax."""
    best, seen = Best(signed(2), 3), []
    triples = list(itertools.product(range(-2, 2), repeat=3))

    async def testbench(ctx):
        for values in triples:
            ctx.set(best.clear, 1)
            await ctx.tick()
            ctx.set(best.clear, 0)
            for value in values:
                ctx.set(best.valid, 1)
                ctx.set(best.value, value)
                await ctx.tick()
                ctx.set(best.valid, 0)
                await ctx.tick()
            seen.append(ctx.get(best.o))

    simulator = Simulator(best)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    assert seen == [values.index(max(values)) for values in triples]
