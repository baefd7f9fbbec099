"""The lanes: of each position the bit of the current synapse, and a count."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from logicnn.engines.differences import Differences
from logicnn.engines.differences.program import GROUPS
from logicnn.gateware.choice import choice
from logicnn.gateware.differences.operations import STEP, select_layout

__all__ = ["Lanes"]


class Lanes(wiring.Component):
    """`word`, `signs` and `select` are of the same operation, `step` comes a cycle later; `answers` are those of the
    counts before it, whether they are 0 or more, and `count` is that of the lane `number`. `clear`: all counts are 0.
    """

    def __init__(self, engine: Differences):
        self._engine = engine
        super().__init__(
            {
                "word": In(engine.lanes),
                "select": In(select_layout(engine)),
                "signs": In(engine.sign_bits),
                "step": In(STEP),
                "clear": In(1),
                "number": In(range(max(2, engine.scores))),
                "answers": Out(engine.lanes),
                "count": Out(Shape(engine.count_bits, signed=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        engine = self._engine
        widths = [1, 3, engine.count_bits - 4]  # of the groups of bits that `GROUPS` are
        counts = []
        for lane, bit in enumerate(self._bits(m)):
            added = Signal(len(GROUPS), name=f"added{lane}")
            count = Signal(Shape(engine.count_bits, signed=True), name=f"count{lane}")
            m.d.comb += added.eq(Mux(bit, self.step.one, self.step.zero))
            addend = Cat(added[place].replicate(width) for place, width in enumerate(widths))
            m.d.sync += count.eq(count + addend.as_signed())
            with m.If(self.step.clear | self.clear):
                m.d.sync += count.eq(0)
            m.d.comb += self.answers[lane].eq(count >= 0)
            counts.append(count)
        m.d.comb += self.count.eq(choice(m, counts[: engine.scores], self.number, "score", platform))
        return m

    def _bits(self, m: Module) -> list[Value]:
        """The lanes' bits, registered: of a convolution each its own neighbour's, of a dense layer whether the one bit
        agrees with the lane's weight.
        """
        engine, where = self._engine, self.select.where
        turns = (engine.segments - 1).bit_length()
        width = engine.lanes // engine.segments
        word = self.word
        for bit in range(turns):
            turned = Signal(engine.lanes, name=f"turned{bit}")
            amount = width << bit
            m.d.comb += turned.eq(Mux(where[bit] & ~self.select.dense, Cat(word[amount:], word[:amount]), word))
            word = turned
        shift = where[turns:]
        padded = Cat(C(0, engine.leftmost), word, C(0, engine.shifts))
        one = Signal()
        m.d.comb += one.eq(word.bit_select(where[: (engine.lanes - 1).bit_length()], 1) & ~self.select.chosen)
        neurons = engine.signs.shape[1]
        found = []
        for lane in range(engine.lanes):
            near = Signal(name=f"near{lane}")
            with m.Switch(shift):
                for place in range(engine.shifts):
                    with m.Case(place):
                        m.d.comb += near.eq(padded[lane + place])
            agrees: Value = C(0, 1)
            if lane < neurons:
                agrees = one ^ self.signs[lane]
                if engine.sign_bits > neurons:
                    agrees &= self.signs[neurons + lane]
            bit = Signal(name=f"bit{lane}")
            m.d.sync += bit.eq(Mux(self.select.dense, agrees, near))
            found.append(bit)
        return found
