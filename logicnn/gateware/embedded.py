"""Pipelined datapaths: slices of carry chains with registers where `retiming` put them."""

from collections.abc import Sequence

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from logicnn.arithmetic.slices import CARRY, Bit, ChainSlice, Given, Rectified, Slices, Taken
from logicnn.engines.embedded import Embedded
from logicnn.gateware.adders import words
from logicnn.gateware.engine import put
from logicnn.gateware.wires import kept, port_shape, word_shape

__all__ = ["PipelinedDatapath"]


class PipelinedDatapath(wiring.Component):
    """A datapath with a stage for every slice: `i` words x0, x1, ... of a sample, `o` words y0, y1, ... `latency`
    cycles later.

    One sample a cycle. Registers have no reset.
    """

    def __init__(self, slices: Slices, stages: Sequence[int]):
        self.slices = slices
        self.stages = tuple(stages)
        super().__init__({"i": In(words("x", slices.datapath.inputs)), "o": Out(words("y", slices.datapath.outputs))})

    @property
    def latency(self) -> int:
        return max(self.stages)

    def elaborate(self, platform):
        m = Module()
        line = _DelayLines(m, self.stages)
        vertices = self.slices.vertices
        number = 0
        while number < len(vertices):
            vertex, stage = vertices[number], self.stages[number]
            match vertex:
                case Given():
                    line.made[number] = Value.cast(self.i[f"x{vertex.index}"])
                case ChainSlice():  # slices of one chain in one stage are one chain of cells
                    together = [number]
                    while (
                        (after := together[-1] + 1) < len(vertices)
                        and self.stages[after] == stage
                        and isinstance(follower := vertices[after], ChainSlice)
                        and follower.carry == together[-1]
                    ):
                        together.append(after)
                    self._chain(m, line, together)
                    number = together[-1]
                case Rectified():
                    line.made[number] = self._rectified(m, line, vertex, number)
                case Taken():
                    index = number - (len(vertices) - len(self.slices.datapath.outputs))
                    m.d.comb += Value.cast(self.o[f"y{index}"]).eq(Cat(line.at(bit, stage) for bit in vertex.bits))
            number += 1
        return m

    def _chain(self, m: Module, line: "_DelayLines", together: list[int]) -> None:
        slices = [self.slices.vertices[number] for number in together]
        stage = self.stages[together[0]]
        a = [line.at(bit, stage) for each in slices for bit in each.a]
        b = [line.at(bit, stage) for each in slices for bit in each.b]
        first, last = slices[0], together[-1]
        continues = (
            last + 1 < len(self.slices.vertices) and getattr(self.slices.vertices[last + 1], "carry", None) == last
        )
        begin = 0
        if first.carry is not None:  # the carry (or borrow) comes out of a register: a bit below makes it again
            carry = line.at(Bit(first.carry, CARRY), stage)
            a, b, begin = [C(not first.subtract, 1), *a], [carry, *b], 1
        total = kept(len(a) + continues, f"s{together[0]}")
        m.d.comb += total.eq(Cat(a) - Cat(b) if first.subtract else Cat(a) + Cat(b))
        place = begin
        for number, each in zip(together, slices, strict=True):
            line.made[number] = total[place : place + len(each.a)]
            place += len(each.a)
        if continues:
            line.carries[last] = total[-1]

    def _rectified(self, m: Module, line: "_DelayLines", vertex: Rectified, number: int) -> Value:
        """Bits above the word decide: all like the sign, or the word is the end of the range that the sign says."""
        stage = self.stages[number]
        bits = [line.at(bit, stage) for bit in vertex.bits]
        body = bits[:-1] if vertex.signed else bits
        negative = bits[-1] if vertex.signed else C(0, 1)
        first, count = vertex.rectifier.shift, vertex.rectifier.bits
        magnitude = count - vertex.rectifier.signed  # bits below the sign
        sign = negative if vertex.rectifier.signed else C(0, 1)
        inside = (body[first : first + magnitude] + [sign] * magnitude)[:magnitude]
        beyond = body[first + magnitude :]
        over = Signal(name=f"over{number}")
        result = Signal(count, name=f"r{number}")
        m.d.comb += over.eq(Cat(*beyond, C(0, 1)).any() & ~negative)
        if vertex.rectifier.signed:
            under = Signal(name=f"under{number}")
            m.d.comb += [
                under.eq(~Cat(*beyond, C(1, 1)).all() & negative),
                result.eq(Cat((Cat(inside) & (~under).replicate(magnitude)) | over.replicate(magnitude), negative)),
            ]
        else:
            m.d.comb += result.eq((Cat(inside) & (~negative).replicate(count)) | over.replicate(count))
        return result


class _DelayLines:
    """What every vertex makes, and its bits at later stages: a shift register for each bit, as long as its last reader
    needs.
    """

    def __init__(self, m: Module, stages: Sequence[int]):
        self.m, self.stages = m, stages
        self.made: dict[int, Value] = {}
        self.carries: dict[int, Value] = {}
        self.taps: dict[Bit, list[Value]] = {}

    def at(self, bit: Bit, stage: int) -> Value:
        if bit.vertex < 0:
            return C(bit.place, 1)
        if bit not in self.taps:
            self.taps[bit] = [self.carries[bit.vertex] if bit.place == CARRY else self.made[bit.vertex][bit.place]]
        taps = self.taps[bit]
        while len(taps) <= stage - self.stages[bit.vertex]:
            delayed = Signal(
                name=f"d{bit.vertex}_{'c' if bit.place == CARRY else bit.place}_{len(taps)}", reset_less=True
            )
            self.m.d.sync += delayed.eq(taps[-1])
            taps.append(delayed)
        return taps[stage - self.stages[bit.vertex]]


@put.register
def _(engine: Embedded, m: Module, value: Value) -> Value:
    """Words as wide as each needs to be inside, all as wide as the widest outside."""
    m.submodules[f"layer{engine.start}"] = pipeline = PipelinedDatapath(engine.slices, engine.pipeline.stages)
    bits, words, name = Value.cast(value), [], f"w{engine.start}"
    for index, interval in enumerate(engine.slices.datapath.inputs):
        m.d.comb += Value.cast(pipeline.i[f"x{index}"]).eq(bits[index * interval.word : (index + 1) * interval.word])
    for index in range(engine.gives.size):
        words.append(word := Signal(word_shape(engine.gives.interval), name=f"{name}_{index}"))
        m.d.comb += word.eq(pipeline.o[f"y{index}"])
    result = Signal(port_shape(engine.gives), name=name)
    m.d.comb += Value.cast(result).eq(Cat(words))
    return result
