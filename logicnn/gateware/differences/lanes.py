"""The lanes: of each position the bit of the current synapse, and a count."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from logicnn.engines.differences import Differences
from logicnn.engines.differences.program import GROUPS
from logicnn.gateware.differences.operations import STEP, select_layout

__all__ = ["Lanes"]


class Lanes(wiring.Component):
    """`word` and `select` are of the same operation, `step` comes a cycle later; `answers` are those of the counts
    before it, whether they are 0 or more, and `count` is lane 0's.
    """

    def __init__(self, engine: Differences):
        self._engine = engine
        super().__init__(
            {
                "word": In(engine.lanes),
                "select": In(select_layout(engine)),
                "step": In(STEP),
                "answers": Out(engine.lanes),
                "count": Out(Shape(engine.count_bits, signed=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        engine = self._engine
        bits = self._bits(m)
        firsts = [0, 1, 4]  # of `GROUPS`
        assert [1 << each for each in firsts[:1]] == [GROUPS[0]]
        for lane, bit in enumerate(bits):
            added = Signal(len(GROUPS), name=f"added{lane}")
            count = Signal(engine.count_bits, name=f"count{lane}")
            m.d.comb += added.eq(Mux(bit, self.step.one, self.step.zero))
            addend = Cat(added[0], added[1].replicate(3), added[2].replicate(engine.count_bits - 4))
            m.d.sync += count.eq(count + addend)
            with m.If(self.step.clear):
                m.d.sync += count.eq(0)
            m.d.comb += self.answers[lane].eq(~count[-1])
            if not lane:
                m.d.comb += self.count.eq(count)
        return m

    def _bits(self, m: Module) -> list[Value]:
        """The lanes' bits, registered: of a convolution each its own neighbour's, of a single position one for lane
        0.
        """
        engine, where = self._engine, self.select.where
        turns = (engine.segments - 1).bit_length()
        width = engine.lanes // engine.segments
        word = self.word
        for bit in range(turns):
            turned = Signal(engine.lanes, name=f"turned{bit}")
            amount = width << bit
            m.d.comb += turned.eq(Mux(where[bit] & ~self.select.single, Cat(word[amount:], word[:amount]), word))
            word = turned
        shift = where[turns:]
        padded = Cat(C(0, engine.leftmost), word, C(0, engine.shifts))
        found = []
        for lane in range(engine.lanes):
            near = Signal(name=f"near{lane}")
            with m.Switch(shift):
                for place in range(engine.shifts):
                    with m.Case(place):
                        m.d.comb += near.eq(padded[lane + place])
            bit = Signal(name=f"bit{lane}")
            if not lane and any(each.single for each in engine.passes):
                one = Signal()
                m.d.comb += one.eq(word.bit_select(where[: (engine.lanes - 1).bit_length()], 1))
                m.d.sync += bit.eq(Mux(self.select.single, one, near))
            else:
                m.d.sync += bit.eq(near)
            found.append(bit)
        return found
