"""Adder graphs as logic: one carry chain an addition, whatever flow the design is built with.

Synthesis merges sums that stand next to each other into one compressor tree and loses the carry chains. The sums here
are kept apart: on iCE40 as the fabric's own cells, elsewhere as additions whose result nets are kept. On iCE40 a
subtraction needs its operand inverted by LUTs, because the carry reads the operands directly; so sums are made inverted
where most of their readers want that, which costs nothing.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import exp

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.vendor import LatticeICE40Platform, LatticePlatform

from logicnn.arithmetic.adders import Adder, AdderGraph, Term
from logicnn.gateware.wires import kept, word_shape
from logicnn.network import Interval

__all__ = ["ConstantMatrix", "add_up"]


class ConstantMatrix(wiring.Component):
    """The outputs of an `AdderGraph`: `i` and `o` hold words x0, x1, ... and y0, y1, ..., as wide as their intervals.
    No clock (latency 0).

    `compact` takes the fewest cells; without it, on ECP5 a chain of an odd number of bits takes half a cell more and no
    LUT after its carry.
    """

    def __init__(self, graph: AdderGraph, compact: bool = True):
        self.graph = graph
        self.compact = compact
        outputs = [graph.interval(index) for index in range(len(graph.outputs))]
        super().__init__({"i": In(words("x", graph.inputs)), "o": Out(words("y", outputs))})

    def elaborate(self, platform):
        m = Module()
        values = [Value.cast(self.i[f"x{index}"]) for index in range(len(self.graph.inputs))]
        for index, value in enumerate(add_up(m, self.graph, values, platform, self.compact)):
            m.d.comb += Value.cast(self.o[f"y{index}"]).eq(value)
        return m


def words(prefix: str, intervals: Sequence[Interval]) -> data.StructLayout:
    """A structure of words ``prefix0``, ``prefix1``, ..."""
    return data.StructLayout({f"{prefix}{index}": word_shape(interval) for index, interval in enumerate(intervals)})


def add_up(m: Module, graph: AdderGraph, values: Sequence[Value], platform, compact: bool = True) -> list[Value]:
    """The outputs of the graph for the given inputs, as signed or unsigned words; the additions join `m`."""
    if isinstance(platform, LatticeICE40Platform):
        return _Ice40Sums(m, graph, values).outputs()
    return _PlainSums(m, graph, values, compact and isinstance(platform, LatticePlatform)).outputs()


def _word(value: Value, interval: Interval) -> Value:
    return value.as_signed() if interval.low < 0 else value.as_unsigned()


class _Sums(ABC):
    """The additions of a graph on one fabric."""

    def __init__(self, m: Module, graph: AdderGraph):
        self.m, self.graph = m, graph

    def outputs(self) -> list[Value]:
        """The words of the graph's outputs."""
        results: list[Value] = []
        for index, term in enumerate(self.graph.outputs):
            interval = self.graph.interval(index)
            if term is None:
                results.append(C(0, 1))
                continue
            width = interval.word - term.shift
            result = (
                self._negated(term.node, width, f"negative{index}") if term.negative else self._bits(term.node, width)
            )
            results.append(_word(Cat(C(0, term.shift), result), interval))
        return results

    @abstractmethod
    def _bits(self, node: int, width: int) -> Value:
        """The lowest bits of a node."""

    @abstractmethod
    def _negated(self, node: int, width: int, name: str) -> Value:
        """So many bits of a node's negative."""


class _PlainSums(_Sums):
    """Additions as Amaranth's, each result net kept: synthesis then makes each its own carry chain.

    With `pairs`, carry cells hold two bits (CCU2C): where one bit would be left over and both operands end below it, it
    is a LUT of the three bits before it instead of half a cell, at the cost of a LUT's delay.
    """

    def __init__(self, m: Module, graph: AdderGraph, values: Sequence[Value], pairs: bool):
        super().__init__(m, graph)
        self.pairs = pairs
        self.words: list[Value] = []
        for interval, value in zip(graph.inputs, values, strict=True):
            constant = interval.low == interval.high
            self.words.append(C(interval.low, word_shape(interval)) if constant else value)
        for index in range(len(graph.adders)):
            self.words.append(self._sum(index))

    def _sum(self, index: int) -> Value:
        node = index + len(self.graph.inputs)
        interval = self.graph.intervals[node]
        first, stop = self.graph.chains[index]
        if interval.low == interval.high:
            return C(interval.low, word_shape(interval))
        adder = _low_first(self.graph.adders[index])
        low, high = self.words[adder.a.node], self.words[adder.b.node]
        if first == stop:
            return _word(Cat(_bits_below(low, adder.b.shift), high)[:stop], interval)
        under, over = low.shift_right(first), high.shift_left(adder.b.shift - first)
        last = stop - first - 1
        whole = (last + (adder.carry is not None)) % 2 == 0  # cells, without the last bit
        if not (self.pairs and last >= 2 and whole and max(len(under), len(over)) <= last):
            last += 1
        chain = kept(last, f"s{index}")
        total, a, b = chain, under, over
        if adder.carry is not None:  # a bit below makes it
            carry = self.words[adder.carry]
            a = _with_bit_below(C(0, 1) if adder.b.negative else carry, under)
            b = _with_bit_below(C(0, 1) if adder.a.negative else carry, over)
            total = Cat(Signal(name=f"c{index}"), chain)
        self.m.d.comb += total.eq(-a + b if adder.a.negative else a - b if adder.b.negative else a + b)
        bits = Cat(_bits_below(low, first), chain)
        if last < stop - first:
            top = Signal(name=f"t{index}")
            self.m.d.comb += top.eq(_next_bit(under, over, chain[-1], last, adder))
            bits = Cat(bits, top)
        return _word(bits, interval)

    def _bits(self, node: int, width: int) -> Value:
        return self.words[node][:width]

    def _negated(self, node: int, width: int, name: str) -> Value:
        result = kept(width, name)
        self.m.d.comb += result.eq(-self.words[node])
        return result


def _low_first(adder: Adder) -> Adder:
    return adder if adder.a.shift <= adder.b.shift else Adder(adder.b, adder.a, adder.carry)


def _with_bit_below(bit: Value, word: Value) -> Value:
    longer = Cat(bit, word)
    return longer.as_signed() if word.shape().signed else longer


def _bits_below(word: Value, stop: int) -> Value:
    """The lowest `stop` bits, by sign extension where the word is shorter."""
    if len(word) >= stop:
        return word[:stop]
    return Cat(word, (word[-1] if word.shape().signed else C(0, 1)).replicate(stop - len(word)))


def _next_bit(under: Value, over: Value, total: Value, place: int, adder: Adder) -> Value:
    """Bit `place` of a sum or difference from its bit below: the carry between them follows from the bits of both sides
    there.
    """

    def bits(word: Value, negative: bool) -> tuple[Value, Value]:
        word = _bits_below(word, place + 1)
        below, here = word[place - 1], word[place]
        return (~below, ~here) if negative else (below, here)

    (a, a_here), (b, b_here) = bits(under, adder.a.negative), bits(over, adder.b.negative)
    carry = Mux(a ^ b, ~total, a)
    return a_here ^ b_here ^ carry


class _Ice40Sums(_Sums):
    """Additions as SB_CARRY and SB_LUT4, a cell a bit; a bit may exist inverted, and is inverted by a LUT only where
    both are read.
    """

    def __init__(self, m: Module, graph: AdderGraph, values: Sequence[Value]):
        super().__init__(m, graph)
        self.turned = orientations(graph)
        self.wanted = _wanted(graph, self.turned)
        self.bits: list[list[tuple[Value, bool]]] = []  # of every node: each bit and whether it is inverted
        self.inverse: dict[tuple[int, int], Value] = {}
        for interval, value in zip(graph.inputs, values, strict=True):
            constant = interval.low == interval.high
            self.bits.append(
                [(C(interval.low >> i & 1, 1) if constant else value[i], False) for i in range(interval.word)]
            )
        for index in range(len(graph.adders)):
            self.bits.append(self._sum(index))

    def _bit(self, node: int, place: int, inverted: bool) -> Value:
        """A bit of a node or its inverse; beyond the word its sign."""
        if place < 0:
            return C(inverted, 1)
        bits = self.bits[node]
        if place >= len(bits):
            if self.graph.intervals[node].low >= 0:
                return C(inverted, 1)
            place = len(bits) - 1
        value, already = bits[place]
        if already == inverted:
            return value
        if isinstance(value, Const):
            return C(1 - value.value, 1)
        if (node, place) not in self.inverse:
            self.inverse[node, place] = inverse = Signal(name=f"n{node}_{place}")
            self.m.d.comb += inverse.eq(~value)
        return self.inverse[node, place]

    def _sum(self, index: int) -> list[tuple[Value, bool]]:
        node = index + len(self.graph.inputs)
        interval = self.graph.intervals[node]
        first, stop = self.graph.chains[index]
        if interval.low == interval.high:
            return [(C(interval.low >> i & 1, 1), False) for i in range(interval.word)]
        low, high, carry_node = _low_first(self.graph.adders[index])
        passed = [self._passed(low, place) for place in range(first)]
        if first == stop:
            return [self._passed(low if place < high.shift else high, place) for place in range(stop)]
        turned = self.turned[index]
        a = [self._bit(low.node, place - low.shift, turned != low.negative) for place in range(first, stop)]
        b = [self._bit(high.node, place - high.shift, turned != high.negative) for place in range(first, stop)]
        inverse = turned != (low.negative or high.negative)
        carry = C(inverse, 1) if carry_node is None else self._bit(carry_node, 0, inverse)
        inverted = self.wanted[node]
        chain = self._chain(a, b, carry, turned != inverted, f"s{index}")
        return passed + [(bit, inverted) for bit in chain]

    def _passed(self, term: Term, place: int) -> tuple[Value, bool]:
        bits = self.bits[term.node]
        place -= term.shift
        if place < len(bits):
            return bits[place]
        return bits[-1] if self.graph.intervals[term.node].low < 0 else (C(0, 1), False)

    def _chain(self, a: list[Value], b: list[Value], carry: Value, invert: bool, name: str) -> list[Value]:
        """Bits of ``a + b + carry``, or their inverses."""
        total = Signal(len(a), name=name)
        if len(a) <= 2:  # a LUT each
            self.m.d.comb += total.eq((Cat(a) + Cat(b) + carry) ^ (-1 if invert else 0))
            return list(total)
        between = carry
        if not isinstance(carry, Const):  # a cell of its own leads it into the chain
            between = Signal(name=f"{name}_c")
            self.m.submodules += Instance("SB_CARRY", i_I0=carry, i_I1=C(1, 1), i_CI=C(0, 1), o_CO=between)
        for place, (x, y) in enumerate(zip(a, b, strict=True)):
            self.m.submodules += Instance(
                "SB_LUT4",
                p_LUT_INIT=C(XNOR if invert else XOR, 16),
                i_I0=C(0, 1),
                i_I1=x,
                i_I2=y,
                i_I3=between,
                o_O=total[place],
            )
            if place < len(a) - 1:
                after = Signal(name=f"{name}_c{place}")
                self.m.submodules += Instance("SB_CARRY", i_I0=x, i_I1=y, i_CI=between, o_CO=after)
                between = after
        return list(total)

    def _bits(self, node: int, width: int) -> Value:
        return Cat(self._bit(node, place, False) for place in range(width))

    def _negated(self, node: int, width: int, name: str) -> Value:
        inverted = self.bits[node][-1][1]
        bits = [self._bit(node, place, inverted) for place in range(width)]  # -x is the inverse of x - 1
        return Cat(self._chain(bits, [C(not inverted, 1)] * width, C(inverted, 1), not inverted, name))


WARMEST = 8.0  # LUTs of inverters that a turn may add at the start
XOR, XNOR = 0b1100_0011_0011_1100, 0b0011_1100_1100_0011  # of inputs 1, 2 and 3


def _needs(graph: AdderGraph, turned: Sequence[bool]) -> list[list[int]]:
    """How often every node is read as it is, and inverted."""
    needs = [[0, 0] for _ in graph.intervals]
    for adder, turn in zip(graph.adders, turned, strict=True):
        for term in adder.terms:
            needs[term.node][turn != term.negative] += 1
    for term in graph.outputs:
        if term and not term.negative:
            needs[term.node][0] += 1
    return needs


def _wanted(graph: AdderGraph, turned: Sequence[bool]) -> list[bool]:
    """Whether a node is made inverted: inputs never, sums where most readers want it."""
    needs = _needs(graph, turned)
    return [node >= len(graph.inputs) and inverted > plain for node, (plain, inverted) in enumerate(needs)]


def orientations(graph: AdderGraph) -> list[bool]:
    """Which additions are made with both sides inverted, ``~(a + b) == ~a + ~b + 1``, so that few nodes are read both
    ways.

    Simulated annealing from no turned addition, always with the same seed: an addition turns when that removes
    inverters, and ever less often when it adds some.
    """
    turned = [False] * len(graph.adders)
    needs = _needs(graph, turned)
    widths = [each.word for each in graph.intervals]

    def cost(node: int) -> int:
        plain, inverted = needs[node]
        return widths[node] * (inverted > 0 and (plain > 0 or node < len(graph.inputs)))

    def turn(index: int) -> None:
        for term in graph.adders[index].terms:
            now = turned[index] != term.negative
            needs[term.node][now] -= 1
            needs[term.node][not now] += 1
        turned[index] = not turned[index]

    generator = random.Random(0)
    best = now = sum(map(cost, range(len(widths))))
    kept = list(turned)
    sweeps = min(200, max(4, 400_000 // max(1, len(turned))))
    for sweep in range(sweeps):
        heat = WARMEST * (1 - sweep / sweeps) + 1e-3
        for index in generator.sample(range(len(turned)), len(turned)):
            nodes = {term.node for term in graph.adders[index].terms}
            before = sum(map(cost, nodes))
            turn(index)
            more = sum(map(cost, nodes)) - before
            if more <= 0 or generator.random() < exp(-more / heat):
                now += more
            else:
                turn(index)
        if now < best:
            best, kept = now, list(turned)
    return kept
