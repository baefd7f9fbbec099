"""Binarized layers with shared partial popcounts: LUT trees for sums of bits, carry chains for sums of words."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from logicnn import bits
from logicnn.arithmetic.popcounts import Comparison, PopcountLayer
from logicnn.engines.shared import Shared
from logicnn.gateware.adders import add_up
from logicnn.gateware.engine import put
from logicnn.gateware.wires import wires
from logicnn.network import Interval

__all__ = ["SharedThresholds"]


class SharedThresholds(wiring.Component):
    """The neurons of a `PopcountLayer`: `i` (inputs,) bits, `o` (neurons,) bits, the first in the lowest place. No
    clock (latency 0).
    """

    def __init__(self, layer: PopcountLayer):
        self.layer = layer
        super().__init__({"i": In(layer.inputs), "o": Out(len(layer.comparisons))})

    def elaborate(self, platform):
        m = Module()
        wire = wires(m, "p")
        heaps = []
        for index, heap in enumerate(self.layer.heaps):
            ones = [~self.i[term.node] if term.negative else self.i[term.node] for term in heap.terms]
            total = Signal(len(ones).bit_length(), name=f"h{index}")
            m.d.comb += total.eq(Cat(bits.popcount(wire, ones, 0, len(total))))
            heaps.append(total)
        sums = add_up(m, self.layer.words, heaps, platform)
        for index, (total, last) in enumerate(zip(sums, self.layer.comparisons, strict=True)):
            reached = _reaches(wire, total, self.layer.words.interval(index), last, self.i)
            m.d.comb += self.o[index].eq(~reached if last.falling else reached)
        return m


def _reaches(wire: bits.Wire, total: Value, interval: Interval, last: Comparison, i: Value) -> Value:
    """``total + term >= level``. A bit that is added becomes a bit below: ``total + x >= level`` is ``2 * total + x >=
    2 * level - 1``.
    """
    low, high, level = interval.low, interval.high, last.level
    word = list(Cat(total)[: interval.word])
    if last.term is not None:
        bit = i[last.term.node]
        word = [~bit if last.term.negative else bit, *word]
        low, high, level = 2 * low, 2 * high + 1, 2 * level - (-1 if last.term.negative else 1)  # -x == ~x - 1
    if level <= low:
        return C(1, 1)
    if level > high:
        return C(0, 1)
    least = level - 1
    if low < 0:  # in the order of unsigned words
        word[-1] = ~word[-1]
        least += 1 << len(word) - 1
    return bits.greater(wire, word, [C(least >> place & 1, 1) for place in range(len(word))])


@put.register
def _(engine: Shared, m: Module, value: Value) -> Value:
    m.submodules[f"layer{engine.start}"] = component = SharedThresholds(engine.popcounts)
    m.d.comb += component.i.eq(value)
    return component.o
