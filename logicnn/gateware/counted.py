"""Gateware of classes that are counted one after the other (`logicnn.engines.counted`)."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from logicnn import bits
from logicnn.engines.counted import AFTER, ONE, Counted
from logicnn.gateware.choice import choice
from logicnn.gateware.engine import streamed
from logicnn.gateware.wires import port_shape, wires

__all__ = ["CountedClasses"]


class CountedClasses(wiring.Component):
    """Bits of whole samples on `i`, one every `engine.interval` cycles; the class on `o`, `engine.latency` cycles after
    a sample's transfer. While `o` is not taken all stands still, as soon as the next class would take its place.
    """

    def __init__(self, engine: Counted):
        self._engine = engine
        super().__init__(
            {
                "i": In(stream.Signature(port_shape(engine.given))),
                "o": Out(stream.Signature(port_shape(engine.gives))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        engine = self._engine
        held = Signal(engine.given.size, reset_less=True)
        goes, turn, runs = Signal(), Signal(range(engine.classes)), Signal()
        last = turn == engine.classes - 1
        m.d.comb += self.i.ready.eq(goes & (~runs | last))
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [held.eq(self.i.payload), runs.eq(1), turn.eq(0)]
        with m.Elif(goes):
            m.d.sync += [runs.eq(runs & ~last), turn.eq(turn + 1)]
        # named, since Amaranth 0.5 does not find the second name of a pair on Python 3.14
        found, counted = Signal(engine.slots, reset_less=True), Signal(engine.width, reset_less=True, name="counted")
        with m.If(goes):
            m.d.sync += [found.eq(self._chosen(m, held, turn, platform)), counted.eq(self._sum(m, found))]
        there, number = runs, turn  # of what is counted: whether it is any class, and which
        for stage in range(AFTER - 1):
            next_there, next_number = Signal(name=f"there{stage}"), Signal.like(turn, name=f"number{stage}")
            with m.If(goes):
                m.d.sync += [next_there.eq(there), next_number.eq(number)]
            there, number = next_there, next_number
        best, winner = Signal(engine.width, reset_less=True), Signal.like(turn, name="winner", reset_less=True)
        ahead, ends = Signal(), Signal()
        m.d.comb += [
            ahead.eq((number == 0) | (counted > best)),
            ends.eq(there & (number == engine.classes - 1)),
            goes.eq(~(ends & self.o.valid & ~self.o.ready)),
        ]
        with m.If(goes & there & ahead):
            m.d.sync += [best.eq(counted), winner.eq(number)]
        with m.If(goes & ends):
            m.d.sync += [self.o.payload.eq(Mux(ahead, number, winner)), self.o.valid.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m

    def _chosen(self, m: Module, held: Value, turn: Value, platform: object) -> Value:
        """The bits of the class whose turn it is."""
        constant = {None: C(0, 1), ONE: C(1, 1)}
        words = [  # no signals of their own, for which synthesis would make a LUT each
            Cat(constant.get(bit, held[bit or 0]) for column in columns for bit in column)
            for columns in self._engine.columns
        ]
        return choice(m, words, turn, "class", platform)

    def _sum(self, m: Module, found: Value) -> Value:
        columns, at = [], 0
        for column in self._engine.columns[0]:
            columns.append(list(found[at : at + len(column)]))
            at += len(column)
        return Cat(bits.add_bits(wires(m, "counted"), columns, 0, self._engine.width))


@streamed.register
def _(engine: Counted, loaded: bool) -> wiring.Component:
    return CountedClasses(engine)
