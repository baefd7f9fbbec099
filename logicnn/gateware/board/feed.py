"""A sample that an engine reads value by value, from the bytes of a frame."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from logicnn.gateware.wires import KEEP, word_shape
from logicnn.network import Interval

__all__ = ["WordFeed", "bytes_of"]


def bytes_of(interval: Interval) -> int:
    """Bytes of a value on the line, which are whole ones: the lowest first."""
    return -(-interval.word // 8)


class WordFeed(wiring.Component):
    """Values of a sample go to an engine one behind, so that the last one, which starts it, waits until the sample is
    `accepted`.

    `dropped` starts over. While `blocked`, or where the engine takes no value, values are lost: `lost` says so of this
    sample. `word`, with `arrives`, is a register, where a netlist can be driven.
    """

    def __init__(self, interval: Interval):
        self._shape, self._bytes = word_shape(interval), bytes_of(interval)
        self.word = Signal(self._shape, attrs=KEEP)
        self.arrives = Signal(attrs=KEEP)
        super().__init__(
            {
                "i": In(stream.Signature(8, always_ready=True)),
                "accepted": In(1),
                "dropped": In(1),
                "blocked": In(1),
                "lost": Out(1),
                "o": Out(stream.Signature(self._shape)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        last, holds, lost, whole = Signal(8 * self._bytes), Signal(), Signal(), Signal()
        value = self._value(m, whole)
        m.d.comb += [
            Value.cast(self.o.payload).eq(self.word),
            self.o.valid.eq(self.arrives),
            self.lost.eq(lost | ~self.o.ready),
        ]
        m.d.sync += [self.word.eq(last), self.arrives.eq(((whole & holds) | self.accepted) & ~self.blocked)]
        with m.If(whole):
            m.d.sync += [last.eq(value), holds.eq(1)]
            with m.If(self.blocked | (holds & ~self.o.ready)):
                m.d.sync += lost.eq(1)
        with m.Elif(self.accepted | self.dropped):
            m.d.sync += [holds.eq(0), lost.eq(0)]
        return m

    def _value(self, m: Module, whole: Signal) -> Value:
        """The value that is `whole` with the byte of this cycle."""
        if self._bytes == 1:
            m.d.comb += whole.eq(self.i.valid)
            return self.i.payload
        below, count = Signal(8 * (self._bytes - 1)), Signal(range(self._bytes))
        m.d.comb += whole.eq(self.i.valid & (count == self._bytes - 1))
        with m.If(self.accepted | self.dropped):
            m.d.sync += count.eq(0)
        with m.Elif(self.i.valid):
            m.d.sync += [below.eq(Cat(below, self.i.payload) >> 8), count.eq(Mux(whole, 0, count + 1))]
        return Cat(below, self.i.payload)
