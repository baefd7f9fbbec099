"""Windows and words of weights in, sums of products out, against the kernels that the words stand for."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.sim import Simulator

from logicnn.engines.sparse.contents import contents_of
from logicnn.engines.sparse.plan import Layer, Plan
from logicnn.gateware.sparse.lanes import Accumulators, Lanes, lane_sum
from sim_tests.sparse_helpers import PLANS, plan_by_name

MOST_WINDOWS = 5  # of a pass of a convolution


@dataclass(frozen=True)
class Beat:
    """What is given for a beat, and what comes of it: the sum of every output of its group, or of none."""

    layer: int
    word: int | None = None
    number: int = 0
    missing: int = 0
    window: tuple[int, ...] = ()
    sums: tuple[int, ...] = ()


def passes(layer: Layer) -> Iterator[list[tuple[int, int]]]:
    """(group, channel) of each word-carrying step of a pass."""
    if layer.dense:
        for channel in range(layer.channels):
            yield [(group, channel) for group in range(layer.steps)]
        return
    for group in range(layer.groups):
        for channel in range(layer.channels):
            yield [(group, channel)]


def beats_of(plan: Plan) -> list[Beat]:
    """Passes of all layers with random windows: some words before the first of them, or one with each."""
    rng, words, found = np.random.default_rng(1), iter(contents_of(plan).words), []

    def window(layer: Layer, group: int, channel: int) -> dict:
        values = rng.choice([0, 1, 128, 255, rng.integers(256)], plan.size)
        kernels = layer.kernels[list(layer.outputs[group]), channel]
        return {"window": tuple(values.tolist()), "sums": tuple((kernels @ values).tolist())}

    for index, layer in enumerate(plan.layers):
        for steps in passes(layer):
            if layer.dense:
                for group, channel in steps:
                    missing = layer.group - len(layer.outputs[group])
                    found.append(Beat(index, next(words), 0, missing, **window(layer, group, channel)))
                continue
            ((group, channel),) = steps
            missing = layer.group - len(layer.outputs[group])
            for place in range(layer.lead - 1 + min(layer.steps, MOST_WINDOWS)):
                given = (next(words), place, missing) if place < layer.words else (None,)
                found.append(Beat(index, *given, **(window(layer, group, channel) if place >= layer.lead - 1 else {})))
        found += [Beat(index)] * 8 + [Beat(min(index + 1, len(plan.layers) - 1))] * 2  # a layer begins when all is done
    assert next(words, None) is None
    return found


def ref_sums(plan: Plan, beats: list[Beat]) -> list[tuple[int, ...]]:
    return [beat.sums for beat in beats if beat.sums]


def rtl_sums(plan: Plan, beats: list[Beat]) -> list[tuple[int, ...]]:
    """Sums of the lanes of each output, six cycles after the beats with windows; `missing` is checked on the way."""
    dut, found = Lanes(plan), []

    async def bench(ctx):
        ctx.set(dut.restart, 1)
        await ctx.tick()
        ctx.set(dut.restart, 0)
        for cycle in range(len(beats) + 6):
            now, one, two, three, six = (
                beats[cycle - late] if 0 <= cycle - late < len(beats) else Beat(0) for late in (0, 1, 2, 3, 6)
            )
            if cycle < len(beats):
                ctx.set(dut.layer, now.layer)
            ctx.set(dut.beat.word, now.word is not None)
            ctx.set(dut.beat.number, now.number)
            ctx.set(dut.word.as_value(), one.word or 0)
            ctx.set(dut.window, list(three.window) or [0] * plan.size)
            if two.word is not None and plan.fields.missing_bits:
                assert ctx.get(dut.missing) == two.missing
            if six.sums:
                joined = plan.layers[six.layer].joined
                lanes = [ctx.get(dut.sums[lane]) for lane in range(len(six.sums) * joined)]
                found.append(tuple(sum(lanes[place : place + joined]) for place in range(0, len(lanes), joined)))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("name", PLANS)
def test_sums(name):
    plan = plan_by_name(name)
    beats = beats_of(plan)
    expected = ref_sums(plan, beats)
    assert np.any([value for sums in expected for value in sums]) and len(expected) >= len(plan.layers)
    assert rtl_sums(plan, beats) == expected


@dataclass(frozen=True)
class Step:
    """Sums of the lanes for a position, in a pass that is the first or last of its group, or None for a pause."""

    layer: int
    sums: tuple[int, ...] | None = None
    starts: bool = False
    first: bool = False
    last: bool = False


def steps_of(plan: Plan) -> list[Step]:
    """Two groups of every layer, with the pauses of the engine between passes."""
    rng, found = np.random.default_rng(2), []
    for index, layer in enumerate(plan.layers):
        for _ in range(2):
            for channel in range(layer.channels):
                found += [Step(index)] * (layer.lead - 1)
                for step in range(layer.steps):
                    sums = tuple(rng.integers(-50, 50, plan.tile.lanes).tolist())
                    found.append(Step(index, sums, step == 0, channel == 0, channel == layer.channels - 1))
        found += [Step(index)] * 3
    return found


def ref_totals(plan: Plan, steps: list[Step]) -> list[tuple[int, ...]]:
    """Sums over passes, of each output's lane or of its two."""
    found, totals, at = [], {}, 0
    for each in steps:
        if each.sums is None:
            continue
        at = 0 if each.starts else at + 1
        joined = plan.layers[each.layer].joined
        given = [sum(each.sums[place : place + joined]) for place in range(0, plan.tile.lanes - joined + 1, joined)]
        totals[at] = tuple(np.add(given, 0 if each.first else totals[at]).tolist())
        if each.last:
            found.append(totals[at])
    return found


def rtl_totals(plan: Plan, steps: list[Step]) -> list[tuple[int, ...]]:
    """What is there a cycle after the sums of a last pass, and two after its beat."""
    dut, found = Accumulators(plan, signed(18)), []

    async def bench(ctx):
        for cycle in range(len(steps) + 2):
            now, one, two = (steps[cycle - late] if 0 <= cycle - late < len(steps) else Step(0) for late in (0, 1, 2))
            ctx.set(dut.beat.compute, now.sums is not None)
            for name in ("starts", "first", "last"):
                ctx.set(dut.beat[name], getattr(now, name))
            ctx.set(dut.layer, one.layer)
            ctx.set(dut.sums, list(one.sums or [0] * plan.tile.lanes))
            if two.last:
                outputs = plan.tile.lanes // plan.layers[two.layer].joined
                found.append(tuple(ctx.get(dut.o[place]) for place in range(outputs)))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("name", PLANS)
def test_totals(name):
    plan = plan_by_name(name)
    steps = steps_of(plan)
    assert rtl_totals(plan, steps) == ref_totals(plan, steps)


@pytest.mark.parametrize("count", range(1, 7))
def test_lane_sum(count):
    """Of signed terms, as many as a lane may have."""
    terms = [Signal(signed(3), name=f"term{place}") for place in range(count)]
    result, values = Signal(signed(7)), np.random.default_rng(count).integers(-4, 4, (60, count)).tolist()
    m, seen = Module(), []
    m.d.comb += result.eq(lane_sum(m, list(terms), "sum"))

    async def bench(ctx):
        for row in [[-4] * count, [3] * count, *values]:
            for term, value in zip(terms, row, strict=True):
                ctx.set(term, value)
            seen.append(ctx.get(result))

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [-4 * count, 3 * count, *map(sum, values)]
