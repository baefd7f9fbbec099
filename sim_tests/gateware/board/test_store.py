"""Bytes of a frame to the bits of a sample that a network reads."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from logicnn.gateware.board.store import InputStore
from sim_tests.helpers import all_bits

SLOWEST = 17  # cycles of a byte

SHAPES = [
    (list(range(8)), 8),
    ([0, 1, 3, 6], 7),
    ([2, 7, 8, 10], 11),
    ([], 3),
    (list(range(13)), 13),
]


def ref_sample(read: list[int], size: int, bits: np.ndarray) -> int:
    """The bits that are read at their places, zeros elsewhere."""
    return sum(int(bits[place]) << place for place in read if place < size)


def rtl_samples(read: list[int], size: int, samples: list[tuple[bytes, bool]], pause: int) -> list[int]:
    """Samples of which some are accepted, the rest dropped, their bytes `pause` cycles apart; each is taken a few
    cycles after it is offered.
    """
    dut, found = InputStore(size, read, size), []

    async def bench(ctx):
        for number, (data, accepted) in enumerate(samples):
            for byte in data:
                ctx.set(dut.i.payload, byte)
                ctx.set(dut.i.valid, 1)
                await ctx.tick()
                ctx.set(dut.i.valid, 0)
                await ctx.tick().repeat(pause - 1)
            end = dut.accepted if accepted else dut.dropped
            ctx.set(end, 1)
            await ctx.tick()
            ctx.set(end, 0)
            assert ctx.get(dut.o.valid) == accepted
            if accepted:
                await ctx.tick().repeat(1 + number % 4)
                assert ctx.get(dut.o.valid)
                found.append(ctx.get(dut.o.payload))
                ctx.set(dut.o.ready, 1)
                await ctx.tick()
                ctx.set(dut.o.ready, 0)
                assert not ctx.get(dut.o.valid)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("pause", [SLOWEST, SLOWEST + 5])
@pytest.mark.parametrize(("read", "size"), SHAPES)
def test_samples(read, size, pause):
    """What is accepted; samples that are dropped, whole or after some bytes, leave nothing."""
    rng, length = np.random.default_rng(size), -(-size // 8)
    samples, expected = [], []
    for number in range(12):
        bits = rng.random(8 * length) < 0.5
        data, accepted = np.packbits(bits, bitorder="little").tobytes(), number % 3 != 1
        samples.append((data if accepted else data[: rng.integers(length + 1)], accepted))
        expected += [ref_sample(read, size, bits)] if accepted else []
    assert rtl_samples(read, size, samples, pause) == expected


def test_every_byte():
    """Exhaustively, of a sample of seven bits."""
    read, samples = [0, 2, 3, 6], [(bytes([byte]), True) for byte in range(128)]
    assert rtl_samples(read, 7, samples, SLOWEST) == [ref_sample(read, 7, bits) for bits in all_bits(7)]
