"""Binarized layers with shared partial popcounts: LUT trees for sums of bits, carry chains for sums of words."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.vendor import LatticeICE40Platform

from logicnn import bits
from logicnn.adders import Term
from logicnn.gateware.adders import add_up
from logicnn.gateware.layers import wires
from logicnn.network import Interval
from logicnn.popcounts import Heap, PopcountLayer

__all__ = ["SharedThresholds"]


class SharedThresholds(wiring.Component):
    """The neurons of a `PopcountLayer`: `i` (inputs,) bits, `o` (neurons,) bits, the first in the lowest place. No clock (latency 0)."""

    def __init__(self, layer: PopcountLayer):
        self.layer = layer
        super().__init__({"i": In(len(layer.small.inputs)), "o": Out(len(layer.words.outputs))})

    def elaborate(self, platform):
        m = Module()
        wire = wires(m, "p")
        small = self.layer.small
        words: list[list[Value]] = [[self.i[index]] for index in range(len(small.inputs))]
        for node, adder in enumerate(small.adders, len(words)):
            words.append(_sum(wire, words, small.intervals, adder, small.intervals[node]))
        heaps = []
        for index, heap in enumerate(self.layer.heaps):
            word = _heap(wire, words, small.intervals, heap, isinstance(platform, LatticeICE40Platform))
            total = Signal(len(word), name=f"h{index}")
            m.d.comb += total.eq(Cat(word))
            heaps.append(total)
        sums = add_up(m, self.layer.words, heaps, platform)
        for index, (total, level) in enumerate(zip(sums, self.layer.levels, strict=True)):
            m.d.comb += self.o[index].eq(_reaches(wire, total, self.layer.words.interval(index), level))
        return m


def _columns(words: list[list[Value]], intervals: tuple[Interval, ...], terms: tuple[Term, ...]) -> tuple[list[list[Value]], int]:
    """Bits of all terms by weight, none of them negative, and the constant that this adds to their sum."""
    columns: list[list[Value]] = []
    constant = 0
    for term in terms:
        word = words[term.node]
        for place, bit in enumerate(word):
            sign_bit = intervals[term.node].low < 0 and place == len(word) - 1
            if sign_bit != term.negative:  # -b == ~b - 1
                bit, constant = ~bit, constant - (1 << place + term.shift)
            while len(columns) <= place + term.shift:
                columns.append([])
            columns[place + term.shift].append(bit)
    return columns, constant


def _sum(
    wire: bits.Wire, words: list[list[Value]], intervals: tuple[Interval, ...], terms: tuple[Term, ...], result: Interval
) -> list[Value]:
    columns, constant = _columns(words, intervals, terms)
    width = max(1, result.width)
    return bits.add_bits(wire, columns, constant % (1 << width), width)


def _heap(wire: bits.Wire, words: list[list[Value]], intervals: tuple[Interval, ...], heap: Heap, chained: bool) -> list[Value]:
    columns, constant = _columns(words, intervals, heap.terms)
    width = max(1, (heap.high - heap.low).bit_length())
    # Where carry cells hold two bits, short chains cost more than full adders.
    if chained and len(columns) == 1 and len(columns[0]) >= CHAINED and constant == heap.low:
        return bits.count_ones(wire, columns[0])
    return bits.add_bits(wire, columns, (constant - heap.low) % (1 << width), width)


CHAINED = 15  # bits from which on carry chains cost fewer LUTs than full adders


def _reaches(wire: bits.Wire, total: Value, interval: Interval, level: int) -> Value:
    """``total >= level``."""
    if level <= interval.low:
        return C(1, 1)
    if level > interval.high:
        return C(0, 1)
    *lower, sign = Cat(total)[: max(1, interval.width)]
    word = [*lower, ~sign if interval.low < 0 else sign]  # in the order of unsigned words
    least = level - 1 + (1 << len(lower) if interval.low < 0 else 0)
    return bits.greater(wire, word, [C(least >> place & 1, 1) for place in range(len(word))])
