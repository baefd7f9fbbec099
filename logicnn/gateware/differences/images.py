"""The images of bits: written row by row, of which any that follow each other are read at once."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.engines.differences import Differences

__all__ = ["Images", "Input", "enabled", "spread"]


def spread(engine: Differences, rows: int, row: Value) -> Value:
    """A row at all places where it may lie in a word of so many rows."""
    pitch = engine.lanes // rows
    return Cat(row, C(0, pitch - len(row))).replicate(rows)


def enabled(engine: Differences, rows: int, number: Value) -> Value:
    """The segments of the row that is `number` in a word of so many."""
    each = engine.segments // rows
    return Cat((number == place).replicate(each) for place in range(rows)) if rows > 1 else C(-1, engine.segments)


class Images(wiring.Component):
    """Segments side by side: those that are `behind` are read a word later than `address`; `word` is there in the next
    cycle. A `row` goes to the segments in `write`, word `place`.
    """

    def __init__(self, engine: Differences):
        self._engine = engine
        super().__init__(
            {
                "address": In(range(engine.depth + 1)),
                "behind": In(engine.segments),
                "word": Out(engine.lanes),
                "write": In(engine.segments),
                "place": In(range(engine.depth + 1)),
                "row": In(engine.lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        engine = self._engine
        width = engine.lanes // engine.segments
        following = Signal.like(self.address)
        m.d.comb += following.eq(self.address + 1)
        for segment in range(engine.segments):
            m.submodules[f"segment{segment}"] = memory = Memory(
                shape=width, depth=engine.depth + 1, init=[], attrs={"ram_style": "block"}
            )
            read, write = memory.read_port(), memory.write_port()
            part = slice(segment * width, (segment + 1) * width)
            m.d.comb += [
                read.en.eq(1),
                read.addr.eq(Mux(self.behind[segment], following, self.address)),
                self.word[part].eq(read.data),
                write.en.eq(self.write[segment]),
                write.addr.eq(self.place),
                write.data.eq(self.row[part]),
            ]
        return m


class Input(wiring.Component):
    """Bits to rows: `taken`, and `last` where it is that of its sample. A row is written in the cycle after its last
    bit, `done` with the last row.
    """

    def __init__(self, engine: Differences):
        self._engine = engine
        super().__init__(
            {
                "taken": In(1),
                "bit": In(1),
                "clear": In(1),
                "last": Out(1),
                "done": Out(1),
                "write": Out(engine.segments),
                "place": Out(range(engine.depth + 1)),
                "row": Out(engine.lanes),
            }
        )

    def elaborate(self, platform):
        m = Module()
        engine, reads = self._engine, self._engine.passes[0].reads
        channels, height, width = engine.pixels
        rest = engine.given.size - (channels * height - 1) * width  # bits of the last row
        held, column = Signal(width), Signal(range(max(2, width)))
        line, channel = Signal(range(max(2, height))), Signal(range(max(2, channels)))
        base = Signal.like(self.place, init=reads.first)
        below, ends = line == height - 1, Signal()
        over = below & (channel == channels - 1)
        rows = reads.rows.bit_length() - 1
        m.d.comb += [
            self.last.eq(over & (column == rest - 1)),
            ends.eq((column == width - 1) | self.last),
            self.row.eq(spread(engine, reads.rows, held)),
        ]
        m.d.sync += [
            self.write.eq(enabled(engine, reads.rows, line[:rows]) & (self.taken & ends).replicate(engine.segments)),
            self.place.eq(base + (line >> rows)),
            self.done.eq(self.taken & self.last),
        ]
        with m.If(self.taken):
            m.d.sync += [held.eq(Mux(column == 0, 0, held) | (self.bit << column)), column.eq(column + 1)]
            with m.If(ends):
                m.d.sync += [column.eq(0), line.eq(Mux(below, 0, line + 1))]
                with m.If(below):
                    m.d.sync += channel.eq(Mux(over, 0, channel + 1))
                    m.d.sync += base.eq(Mux(over, reads.first, base + reads.blocks))
        with m.Elif(self.clear):
            m.d.sync += [column.eq(0), line.eq(0), channel.eq(0), base.eq(reads.first)]
        return m
