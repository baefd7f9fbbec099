"""Bytes of a frame to the values of a sample that an engine reads one by one."""

from dataclasses import dataclass

import numpy as np
import pytest
from amaranth.sim import Simulator

from logicnn.gateware.board.feed import WordFeed, bytes_of
from logicnn.network import Interval

VALUES = 4  # of a sample
INTERVALS = [Interval(0, 255), Interval(-8, 7), Interval(-300, 300), Interval(0, (1 << 20) - 1)]


@dataclass(frozen=True)
class Sample:
    """Values, how many bytes of them come, and what is said at the end; while `blocked` nothing goes to the engine."""

    values: tuple[int, ...]
    bytes: int
    accepted: bool
    blocked: bool = False


def ref_feed(samples: list[Sample], size: int) -> tuple[list[int], list[bool]]:
    """What goes to an engine that is always ready: all values but the last of a sample, which waits for the verdict;
    and whether something was lost of each.
    """
    found, lost = [], []
    for each in samples:
        whole = each.bytes // size
        lost.append(each.blocked and whole > 0)
        if each.blocked:
            continue
        found += [*each.values[: max(0, whole - 1)], *(each.values[whole - 1 : whole] if each.accepted else ())]
    return found, lost


def rtl_feed(interval: Interval, samples: list[Sample]) -> tuple[list[int], list[bool]]:
    dut, found, lost = WordFeed(interval), [], []
    size = bytes_of(interval)

    async def watch(ctx):
        ctx.set(dut.o.ready, 1)
        async for _, _, valid, payload in ctx.tick().sample(dut.o.valid, dut.o.payload):
            if valid:
                found.append(payload)

    async def bench(ctx):
        for each in samples:
            ctx.set(dut.blocked, each.blocked)
            data = b"".join((value % (1 << 8 * size)).to_bytes(size, "little") for value in each.values)
            for byte in data[: each.bytes]:
                ctx.set(dut.i.payload, byte)
                ctx.set(dut.i.valid, 1)
                await ctx.tick()
                ctx.set(dut.i.valid, 0)
                await ctx.tick()
            lost.append(bool(ctx.get(dut.lost)))
            end = dut.accepted if each.accepted else dut.dropped
            ctx.set(end, 1)
            await ctx.tick()
            ctx.set(end, 0)
            await ctx.tick()
        await ctx.tick().repeat(3)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(watch, background=True)
    simulator.add_testbench(bench)
    simulator.run()
    return found, lost


@pytest.mark.parametrize("interval", INTERVALS)
def test_values(interval):
    """Whole samples, and those that break off in any byte and are dropped, or come too early."""
    rng, size = np.random.default_rng(interval.high), bytes_of(interval)
    samples = []
    for cut in range(VALUES * size + 1):
        for end in (cut, VALUES * size):
            values = tuple(rng.integers(interval.low, interval.high + 1, VALUES).tolist())
            samples.append(Sample(values, end, end == VALUES * size, cut % 3 == 2))
    values, lost = ref_feed(samples, size)
    assert True in lost and rtl_feed(interval, samples) == (values, lost)


@pytest.mark.parametrize("busy", range(VALUES))
def test_engine_is_busy(busy):
    """A value that the engine does not take is lost, and said so until the sample's end."""
    dut, seen = WordFeed(INTERVALS[0]), []

    async def bench(ctx):
        for busy_now in (True, False):
            for value in range(VALUES):
                ctx.set(dut.o.ready, not (busy_now and value == busy))
                ctx.set(dut.i.payload, value)
                ctx.set(dut.i.valid, 1)
                await ctx.tick()
            ctx.set(dut.i.valid, 0)
            ctx.set(dut.o.ready, 1)
            seen.append(ctx.get(dut.lost))
            ctx.set(dut.dropped, 1)
            await ctx.tick()
            ctx.set(dut.dropped, 0)
            assert not ctx.get(dut.lost)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [busy > 0, 0]  # the first value only waits
