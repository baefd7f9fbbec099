"""Sparse processing engines side by side, from a window and the words of the weights' memory to sums of all channels (`logicnn.sparse`)."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.gateware.beats import Beat, delayed
from logicnn.gateware.choice import by_layer, choice
from logicnn.gateware.layers import word_shape
from logicnn.gateware.multipliers import Multipliers
from logicnn.kernels import WEIGHT_BITS
from logicnn.sparse import Fields, Layer, Plan
from logicnn.values import Interval

__all__ = ["Accumulators", "Lanes", "PatternMemory"]


def layout_of(fields: Fields) -> data.StructLayout:
    """A word of the weights' memory."""
    return data.StructLayout(
        {
            "weights": data.ArrayLayout(signed(WEIGHT_BITS), fields.weights),
            "indices": data.ArrayLayout(fields.index_bits, fields.indices),
            "next": 1,
            "back": 1,
            "missing": fields.missing_bits,
        }
    )


class PatternMemory(wiring.Component):
    """Select codes of lanes by the indices of a word: those of the current set, which the word's flags move on or back. Latency 1 cycle."""

    def __init__(self, plan: Plan):
        self._plan = plan
        slots, fields = plan.tile.slots, plan.fields
        super().__init__(
            {
                "read": In(1),
                "restart": In(1),
                "layer": In(range(len(plan.layers))),
                "word": In(layout_of(fields)),
                "codes": Out(data.ArrayLayout(data.ArrayLayout(plan.code_bits, slots), fields.indices)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layers = self._plan.layers
        current = Signal(range(sum(each.sets for each in layers) + 1))
        backs = [len(each.segments) - 1 if each.dense else each.words - 1 for each in layers]
        with m.If(self.restart):
            m.d.sync += current.eq(0)
        with m.Elif(self.read & self.word.back):
            m.d.sync += current.eq(current - by_layer(m, self.layer, backs, "of_back"))
        with m.Elif(self.read & self.word.next):
            m.d.sync += current.eq(current + 1)
        for number, rows in enumerate(self._plan.tables):
            memory = Memory(shape=len(Value.cast(self.codes[number])), depth=len(rows), init=rows.tolist(), attrs={"ram_style": "block"})
            m.submodules[f"table{number}"] = memory
            port = memory.read_port()
            m.d.comb += [
                port.en.eq(self.read),
                port.addr.eq(Cat(self.word.indices[number], current)),
                self.codes[number].eq(port.data),
            ]
        return m


class Lanes(wiring.Component):
    """`lanes` pattern selectors, each before `slots` multipliers and their sum. One window a cycle.

    A `beat`'s word of weights (`word`) comes a cycle after the beat, its window three cycles after, `sums` six. `missing`, of the word in
    use, comes two cycles after the beat.
    """

    def __init__(self, plan: Plan):
        self._plan = plan
        tile, fields = plan.tile, plan.fields
        products = tile.slots * (1 << 15)
        self.sum_shape = Shape.cast(range(-products, products))
        super().__init__(
            {
                "restart": In(1),
                "layer": In(range(len(plan.layers))),
                "beat": In(Beat(plan)),
                "word": In(layout_of(fields)),
                "window": In(data.ArrayLayout(8, plan.size)),
                "missing": Out(fields.missing_bits),
                "sums": Out(data.ArrayLayout(self.sum_shape, tile.lanes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, tile = self._plan, self._plan.tile
        m.submodules.patterns = patterns = PatternMemory(plan)
        m.submodules.multipliers = multipliers = Multipliers(
            [group for group in self._together() for _ in range(tile.slots)], Interval(0, 255), Interval(-128, 127)
        )
        word, number = (delayed(m, self.beat[name], 2, name) for name in ("word", "number"))
        held, weights = Signal.like(self.word.weights), Signal.like(self.word.weights)
        m.d.comb += [
            patterns.restart.eq(self.restart),
            patterns.read.eq(word[1]),
            patterns.word.eq(self.word),
            patterns.layer.eq(self.layer),
        ]
        with m.If(word[1]):
            m.d.sync += [held.eq(self.word.weights), self.missing.eq(self.word.missing)]
        m.d.sync += weights.eq(held)
        for lane in range(tile.lanes):
            self._lane(m, lane, weights, patterns.codes, word[2], number[2], multipliers, platform)
        for lane in range(tile.lanes):
            products = [multipliers.o[lane * tile.slots + slot] for slot in range(tile.slots)]
            total = Signal(self.sum_shape, name=f"sum{lane}")
            m.d.sync += total.eq(lane_sum(m, products, f"lane{lane}"))
            m.d.comb += self.sums[lane].eq(total)
        return m

    def _lane(self, m: Module, lane: int, held, codes, word, number, multipliers: Multipliers, platform) -> None:
        """A lane's weights and selectors, filled by the word of a pass that has them."""
        plan, slots = self._plan, self._plan.tile.slots
        fills, take = Signal(name=f"fills{lane}"), Signal(name=f"take{lane}")
        code = Signal(codes[0].shape(), name=f"code{lane}")
        given = Signal(data.ArrayLayout(signed(WEIGHT_BITS), slots), name=f"given{lane}")
        with m.Switch(self.layer):
            for index, layer in enumerate(plan.layers):
                if lane < layer.group * layer.joined:
                    with m.Case(index):
                        m.d.comb += self._filled(layer, lane, word, number, held, codes, fills, code, given)
        m.d.sync += take.eq(fills)
        for slot in range(slots):
            place = lane * slots + slot
            words = [self.window[position] for position in plan.codes[place]]
            m.d.comb += [
                multipliers.words[place].eq(choice(m, words, code[slot], f"lane{lane}_{slot}", platform, fills)),
                multipliers.weights[place].eq(given[slot]),
                multipliers.take[place].eq(take),
            ]

    def _place(self, layer: Layer, lane: int) -> tuple[int, int, int]:
        """Of a lane: which word of a pass fills it, with which kernel of the word, and with which part of that."""
        return *divmod(lane // layer.joined, layer.records), lane % layer.joined

    def _together(self) -> list[int]:
        """Numbers for the lanes: the same for two that the same words fill."""
        words = [
            tuple(self._place(layer, lane)[0] if lane < layer.group * layer.joined else -1 for layer in self._plan.layers)
            for lane in range(self._plan.tile.lanes)
        ]
        return [words.index(each) for each in words]

    def _filled(self, layer: Layer, lane: int, word, number, held, codes, fills, code, given) -> list:
        at, record, part = self._place(layer, lane)
        statements = [fills.eq(word & (number == at)), code.eq(codes[record * layer.joined + part])]
        for slot in range(self._plan.tile.slots):
            weight = part * self._plan.tile.slots + slot
            statements.append(given[slot].eq(held[record * layer.keep + weight] if weight < layer.keep else 0))
        return statements


def lane_sum(m: Module, terms: list, name: str) -> Value:
    """A balanced tree of additions, its sums bound to signals."""
    level = 0
    while len(terms) > 1:
        sums = []
        for place in range(0, len(terms), 2):
            pair = terms[place : place + 2]
            if len(pair) == 1:
                sums.append(pair[0])
                continue
            added = Signal((pair[0] + pair[1]).shape(), name=f"{name}_{level}_{place // 2}")
            m.d.comb += added.eq(pair[0] + pair[1])
            sums.append(added)
        terms, level = sums, level + 1
    return terms[0]


class Accumulators(wiring.Component):
    """Sums over the channels of as many outputs as there are lanes, a cycle after their `sums` of a window: `o`.

    `beat` comes a cycle before `sums`: what was there for its place in the pass comes from a memory, whose last row is zeros for the
    `first` pass. A layer whose kernels are in two lanes adds these first.
    """

    def __init__(self, plan: Plan, given: Shape):
        self._plan = plan
        self._total = word_shape(plan.total)
        super().__init__(
            {
                "layer": In(range(len(plan.layers))),
                "beat": In(Beat(plan)),
                "sums": In(data.ArrayLayout(given, plan.tile.lanes)),
                "o": Out(data.ArrayLayout(self._total, plan.tile.lanes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, lanes = self._plan, self._plan.tile.lanes
        before = Signal(data.ArrayLayout(self._total, lanes))
        added = Signal(data.ArrayLayout(self._total, lanes))
        if plan.sums:
            self._memory(m, before, added)
        two = by_layer(m, self.layer, [each.joined - 1 for each in plan.layers], "two")
        for output in range(lanes):
            m.d.comb += added[output].eq(before[output] + self._joined(m, output, two))
            m.d.sync += self.o[output].eq(added[output])
        return m

    def _memory(self, m: Module, before, added) -> None:
        rows = self._plan.sums
        m.submodules.memory = memory = Memory(
            shape=self._total.width * self._plan.tile.lanes, depth=rows + 1, init=[], attrs={"ram_style": "block"}
        )
        read, write = memory.read_port(), memory.write_port()
        step, current, writes = Signal(range(rows + 1)), Signal(range(rows + 1)), Signal()
        m.d.comb += [
            step.eq(Mux(self.beat.starts, 0, current + 1)),
            read.addr.eq(Mux(self.beat.first, rows, step)),
            read.en.eq(1),
            before.as_value().eq(read.data),
            write.addr.eq(current),
            write.en.eq(writes),
            write.data.eq(added),
        ]
        m.d.sync += writes.eq(self.beat.compute & ~self.beat.last)
        with m.If(self.beat.compute):
            m.d.sync += current.eq(step)

    def _joined(self, m: Module, output: int, two: Value) -> Value:
        """The sum of an output's lane, or of its two lanes."""
        first, second = 2 * output, 2 * output + 1
        if second >= self._plan.tile.lanes or (isinstance(two, Const) and not two.value):
            return self.sums[output]
        both = Signal((self.sums[0] + self.sums[0]).shape(), name=f"both{output}")
        if output == 0:
            m.d.comb += both.eq(self.sums[0] + Mux(two, self.sums[1], 0))
        else:
            m.d.comb += both.eq(Mux(two, self.sums[first] + self.sums[second], self.sums[output]))
        return both
