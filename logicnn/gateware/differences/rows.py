"""From what lanes answer to rows of the next layer's images: pooled, cut, and put where they are read."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.engines.differences import Differences, Pass
from logicnn.gateware.choice import by_layer
from logicnn.gateware.differences.images import enabled, spread
from logicnn.gateware.differences.operations import beat_layout

__all__ = ["RowWriter"]


class RowWriter(wiring.Component):
    """With a `beat` that emits, `answers` are all lanes' of a kernel; its rows are written one a cycle from the next
    but one on.
    """

    def __init__(self, engine: Differences):
        self._engine = engine
        super().__init__(
            {
                "beat": In(beat_layout(engine)),
                "answers": In(engine.lanes),
                "write": Out(engine.segments),
                "place": Out(range(engine.depth + 1)),
                "row": Out(engine.lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        engine, passes = self._engine, self._engine.passes
        taken = Signal(beat_layout(engine))
        held = Signal(engine.lanes)
        pieces = max(each.pieces for each in passes)
        left, done = Signal(range(pieces + 1)), Signal(range(max(2, pieces)))
        answers = self.answers ^ self.beat.inverted.replicate(engine.lanes)
        pairs = Cat(answers[place] | answers[place + 1] for place in range(0, engine.lanes, 2))
        pooled = by_layer(m, self.beat.layer, [int(each.pooled) for each in passes], "pooled")
        kernel = Signal(range(max(each.answers for each in passes) + 1))
        origin = Signal(range(engine.depth + 1))
        buffer = self._buffer(m, kernel, held, taken, left)
        with m.Switch(taken.layer):
            for number, each in enumerate(passes[:-1]):
                with m.Case(number):
                    self._written(m, each, taken.block, held, done, left, origin, buffer)
        with m.If(left != 0):
            m.d.sync += [left.eq(left - 1), done.eq(done + 1)]
        with m.If(left == 1):
            last = kernel == by_layer(m, taken.layer, [each.answers - 1 for each in passes], "last_answer")
            m.d.sync += kernel.eq(Mux(last, 0, kernel + 1))
            with m.Switch(taken.layer):
                for number, each in enumerate(passes[:-1]):
                    assert each.writes is not None
                    with m.Case(number):
                        m.d.sync += origin.eq(Mux(last, 0, origin + each.writes.blocks))
        with m.If(self.beat.emits & ~self.beat.final):
            m.d.sync += [
                taken.eq(self.beat),
                held.eq(Mux(pooled, pairs, answers)),
                left.eq(by_layer(m, self.beat.layer, [each.pieces for each in passes], "pieces")),
                done.eq(0),
            ]
        return m

    def _buffer(self, m: Module, kernel: Value, held: Value, taken, left: Value) -> Value:
        """Of layers that are pooled row by row, the row before of this kernel."""
        engine = self._engine
        if not engine.buffered:
            return C(0, engine.lanes // 2)
        m.submodules.buffer = memory = Memory(
            shape=engine.lanes // 2, depth=engine.buffered, init=[], attrs={"ram_style": "block"}
        )
        read, write = memory.read_port(), memory.write_port()
        m.d.comb += [
            read.en.eq(1),
            read.addr.eq(kernel),
            write.en.eq((left != 0) & ~taken.block[0]),
            write.addr.eq(kernel),
            write.data.eq(held),
        ]
        return read.data

    def _written(
        self, m: Module, each: Pass, block: Value, held: Value, done: Value, left: Value, origin: Value, buffer: Value
    ) -> None:
        """The row of a layer that is up, and the next one's in the next cycle."""
        engine, reads, writes = self._engine, each.reads, each.writes
        assert writes is not None
        inner = writes.rows.bit_length() - 1
        if each.dense:
            line, row, valid = block, held, C(1)
        elif each.pooled and reads.rows == 1:
            line, row, valid = block[1:], held[: writes.width] | buffer[: writes.width], block[0]
        else:
            half = reads.pitch // 2
            row = held[:half] | held[half : 2 * half] if each.pooled else held[: reads.pitch]
            row = row[: writes.width]
            bits = each.pieces.bit_length() - 1
            line = Cat(done[:bits], block)
            valid = line < writes.height
            m.d.sync += held.eq(held >> reads.pitch) if reads.rows > 1 else []
        m.d.comb += [
            self.place.eq(writes.first + origin + (line >> inner)),
            self.row.eq(spread(engine, writes.rows, row)),
            self.write.eq(
                enabled(engine, writes.rows, line[:inner]) & ((left != 0) & valid).replicate(engine.segments)
            ),
        ]
