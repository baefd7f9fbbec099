"""Components with streams in Amaranth's simulator."""

import numpy as np
from amaranth.hdl import Elaboratable, Module, Signal, Value
from amaranth.sim import Simulator


class Clocked(Elaboratable):
    """Gives a combinational accelerator the clock that the test bench samples with."""

    def __init__(self, inner):
        self.inner = inner

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = self.inner
        tick = Signal()
        m.d.sync += tick.eq(~tick)
        return m


def as_integers(rows: np.ndarray) -> list[int]:  # (n, bits) bool
    return [int(sum(int(bit) << place for place, bit in enumerate(row))) for row in rows]


def rtl_stream(
    dut, words: list[int], count: int, i_stall: float = 0.0, o_stall: float = 0.0, most: int = 0
) -> tuple[list[int], list[int], list[int]]:
    """What `count` transfers on `o` carry for these on `i`, and the cycles of all transfers, with both sides stalling
    at random. It hangs after `most` cycles, and at least a hundred a transfer.
    """
    rng = np.random.default_rng(7)
    entered: list[int] = []
    left: list[int] = []
    outputs: list[int] = []

    async def bench(ctx):
        for cycle in range(max(most, 100 * max(count, len(words)))):
            if len(outputs) == count:
                return
            offered = len(entered) < len(words) and (ctx.get(dut.i.valid) or rng.random() >= i_stall)
            ctx.set(dut.i.valid, offered)
            if offered:
                ctx.set(Value.cast(dut.i.payload), words[len(entered)])
            ctx.set(dut.o.ready, rng.random() >= o_stall)
            if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                outputs.append(ctx.get(Value.cast(dut.o.payload)))
                left.append(cycle)
            accepted = offered and ctx.get(dut.i.ready)
            await ctx.tick()
            if accepted:
                entered.append(cycle)
                ctx.set(dut.i.valid, 0)
        raise AssertionError("the component hangs")

    simulator = Simulator(Clocked(dut))
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return outputs, entered, left
