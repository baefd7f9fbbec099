"""What becomes of finished sums: where words go, what they are, and the greatest of scores."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from amaranth.hdl import signed
from amaranth.sim import Simulator

from logicnn.engines.sparse.plan import Layer, Plan
from logicnn.engines.sparse.scan import Move, scan
from logicnn.gateware.sparse.finisher import Best, Finisher, Writer
from sim_tests.sparse_helpers import PLANS, plan_by_name

STEPS = {Move.RIGHT: (0, 1), Move.LEFT: (0, -1), Move.DOWN: (1, 0), Move.UP: (-1, 0)}
Block = tuple[tuple[int, ...], int, bool, tuple[int, int]]  # outputs, where its place moves, the group's last, (y, x)


def blocks_of(layer: Layer) -> Iterator[Block]:
    """In the order in which they are finished."""
    for outputs in layer.outputs:
        if layer.dense:
            yield outputs, Move.RIGHT, True, (0, 0)
            continue
        at = 0, 0
        leaves = [leave - 1 for _, leave, _ in scan(layer.rows, layer.columns, layer.pool) if leave]
        for place, leave in enumerate(leaves):
            yield outputs, leave, place == len(leaves) - 1, at
            at = at[0] + STEPS[leave][0], at[1] + STEPS[leave][1]


def ref_places(plan: Plan) -> list[int]:
    """Addresses of all words that are written, in their order."""
    found = []
    for layer in plan.layers:
        if layer.gives is None:
            continue
        given = layer.gives
        for outputs, _, _, (y, x) in blocks_of(layer):
            found += [given.base * plan.side + each * given.stride + y * given.pitch + x for each in outputs]
    return found


def rtl_places(plan: Plan) -> list[int]:
    """Words of a block one after another, with pauses between some; of a block that is not full the last ones fail."""
    dut, found = Writer(plan), []
    rng = np.random.default_rng(4)

    async def bench(ctx):
        async def cycle(**signals):
            for name in ("begin", "next", "ends"):
                ctx.set(getattr(dut, name), signals.get(name, 0))
            for name in ("leave", "group"):
                ctx.set(getattr(dut, name), signals.get(name, int(rng.integers(2))))
            if signals.get("next"):
                place = ctx.get(dut.place)
                found.append(place.at * plan.side + place.bank)
            await ctx.tick()

        for index, layer in enumerate(plan.layers):
            if layer.gives is None:
                continue
            ctx.set(dut.layer, index)
            await cycle(begin=1)
            for outputs, leave, group, _ in blocks_of(layer):
                for place in range(layer.group):
                    for _ in range(rng.integers(3)):
                        await cycle()
                    last = {"ends": 1, "leave": leave, "group": group} if place == layer.group - 1 else {}
                    await cycle(next=place < len(outputs), **last)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("name", PLANS)
def test_places(name):
    plan = plan_by_name(name)
    assert rtl_places(plan) == ref_places(plan)


def sums_of(plan: Plan) -> list[np.ndarray]:
    """Of every layer sums in its range: (blocks, pooled positions, lanes)."""
    rng = np.random.default_rng(6)
    return [
        rng.integers(
            layer.total.low, layer.total.high + 1, (len(list(blocks_of(layer))), layer.pool**2, plan.tile.lanes)
        )
        for layer in plan.layers
    ]


def ref_words(plan: Plan, sums: list[np.ndarray]) -> tuple[list[tuple[int, int]], list[int], int]:
    """(address, word) of all that is written; the last layer's outputs; and the first of the greatest of these."""
    words, scores = [], {}
    for layer, values in zip(plan.layers, sums, strict=True):
        for (outputs, *_), block in zip(blocks_of(layer), values, strict=True):
            for lane, output in enumerate(outputs):
                total = int(block[:, lane].max()) + int(layer.bias[output])
                if layer.gives is None:
                    scores[output] = total
                else:
                    words.append(min(max(total >> int(layer.shift[output]), 0), layer.high))
    best = [scores[output] for output in range(len(scores))]
    return list(zip(ref_places(plan), words, strict=True)), best, int(np.argmax(best))


def rtl_words(plan: Plan, sums: list[np.ndarray]) -> tuple[list[tuple[int, int]], list[int], int]:
    dut, written, emitted, best = Finisher(plan), [], [], []

    async def watch(ctx):
        async for _, _, write, place, word, emits, output in ctx.tick().sample(
            dut.write, dut.place, dut.word, dut.emits, dut.output
        ):
            if write:
                written.append((place.at * plan.side + place.bank, word))
            if emits:
                emitted.append(output)

    async def bench(ctx):
        ctx.set(dut.restart, 1)
        await ctx.tick()
        ctx.set(dut.restart, 0)
        for index, (layer, values) in enumerate(zip(plan.layers, sums, strict=True)):
            ctx.set(dut.layer, index)
            ctx.set(dut.begin, 1)
            await ctx.tick()
            ctx.set(dut.begin, 0)
            for (outputs, leave, group, _), block in zip(blocks_of(layer), values, strict=True):
                for place, row in enumerate(block.tolist()):
                    ctx.set(dut.sums, row)
                    ctx.set(dut.beat.compute, 1)
                    ctx.set(dut.beat.last, 1)
                    ctx.set(dut.beat.begins, place == 0)
                    ctx.set(dut.beat.ends, place == len(block) - 1)
                    ctx.set(dut.beat.leave, leave)
                    ctx.set(dut.beat.group, group)
                    ctx.set(dut.missing, layer.group - len(outputs))
                    await ctx.tick()
                ctx.set(dut.beat.compute, 0)
                for _ in range(layer.hold):
                    await ctx.tick()
            await ctx.tick().repeat(5 + layer.group)
        best.append(ctx.get(dut.best))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(watch, background=True)
    simulator.add_testbench(bench)
    simulator.run()
    return written, emitted, best[0]


@pytest.mark.parametrize("decides", [False, True])
@pytest.mark.parametrize("name", PLANS)
def test_words(name, decides):
    """As fast as blocks may come, the greatest of each with its bias, shifted and clipped at both ends; scores are
    given out where there is no Argmax.
    """
    plan = plan_by_name(name, decides)
    sums = sums_of(plan)
    words, scores, best = ref_words(plan, sums)
    written, emitted, decided = rtl_words(plan, sums)
    assert (written, decided) == (words, best)
    assert len(words) < 10 or {word for _, word in words} > {0, 255}
    assert emitted == scores if not decides else len(emitted) == len(scores)


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
