"""Words of weights, which are there from the start or come piece by piece."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from logicnn.board.flash import PIECE_BITS
from logicnn.gateware.sparse.weights import WeightMemory


def ref_reads(words: list[int], reads: list[tuple[int, int]]) -> list[int]:
    """What is there in the cycle after each (read, address): the last word that was read."""
    found, held = [], 0
    for read, address in reads:
        held = words[address] if read else held
        found.append(held)
    return found


def rtl_reads(
    dut: WeightMemory, words: list[int], pieces: list[tuple[int, int]] | None, reads: list[tuple[int, int]]
) -> list[int]:
    """After `pieces` of words, by address, came with pauses between them, where they come at all."""
    found = []

    async def bench(ctx):
        for cycle, (address, piece) in enumerate(pieces or []):
            ctx.set(dut.load.valid, 1)
            ctx.set(dut.load.payload, {"address": address, "data": piece})
            await ctx.tick()
            ctx.set(dut.load.valid, 0)
            ctx.set(dut.load.payload, {"address": 0, "data": 0})
            await ctx.tick().repeat(1 + cycle % 3)
        for read, address in reads:
            ctx.set(dut.read, read)
            ctx.set(dut.address, address)
            await ctx.tick()
            found.append(ctx.get(dut.word))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize(("width", "count"), [(16, 1), (16, 7), (32, 9), (64, 5)])
def test_words(width, count, loaded):
    """Every word, in any order, with pauses; pieces in any order."""
    rng = np.random.default_rng(width)
    words = [int.from_bytes(rng.bytes(width // 8), "little") for _ in range(count)]
    pieces = [
        (word * (width // PIECE_BITS) + place, value >> PIECE_BITS * place & (1 << PIECE_BITS) - 1)
        for word, value in enumerate(words)
        for place in range(width // PIECE_BITS)
    ]
    rng.shuffle(pieces)
    addresses = [*rng.permutation(count), *rng.integers(0, count, 40)]
    reads = [(1, int(addresses[0])), *((int(rng.random() < 0.6), int(address)) for address in addresses)]
    dut = WeightMemory([0] * count if loaded else words, width, loaded)
    assert rtl_reads(dut, words, pieces if loaded else None, reads) == ref_reads(words, reads)
