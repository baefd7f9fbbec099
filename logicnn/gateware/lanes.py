"""Sparse processing engines side by side, from a window and the words of the weights' memory to sums of all channels (`logicnn.sparse`)."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.gateware.layers import word_shape
from logicnn.gateware.multipliers import Multipliers
from logicnn.gateware.spe import choice
from logicnn.gateware.window import by_layer
from logicnn.sparse import WEIGHT_BITS, Fields, Layer, Plan

__all__ = ["Accumulators", "Beat", "Lanes", "delayed", "lane_sum"]


class Beat(data.StructLayout):
    """What happens to one position, or to one word of weights.

    `read`: the window moves. `word`: so many words after the first of its pass, a word of weights comes. `compute`: the window's products
    count, for sum `step`, which begins (`first`), or is complete (`last`). Of complete ones, which end a block of pooled positions (`ends`)
    or begin one; where the block's place moves then; and whether its group of outputs is complete.
    """

    def __init__(self, plan: Plan):
        layers = plan.layers
        super().__init__(
            {
                "layer": range(len(layers)),
                "read": 1,
                "move": 2,
                "word": 1,
                "number": range(max(each.words for each in layers)),
                "compute": 1,
                "first": 1,
                "last": 1,
                "step": range(max(1, plan.sums)),
                "begins": 1,
                "ends": 1,
                "leave": 2,
                "group": 1,
            }
        )


def delayed(m: Module, value, cycles: int, name: str) -> list:
    """A value and its delays by 1 ... `cycles` cycles."""
    values = [value]
    for stage in range(1, cycles + 1):
        later = Signal.like(value, name=f"{name}_{stage}")
        m.d.sync += later.eq(values[-1])
        values.append(later)
    return values


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
    """Select codes of lanes by the indices of a word: those of the current set, which the word's flags move on. Latency 1 cycle."""

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
        starts = [sum(len(each.sets) for each in layers[:place]) for place in range(len(layers))]
        current = Signal(range(sum(len(each.sets) for each in layers) + 1))
        with m.If(self.restart):
            m.d.sync += current.eq(0)
        with m.Elif(self.read & self.word.back):
            m.d.sync += current.eq(by_layer(m, self.layer, starts, "first_set"))
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
        m.submodules.multipliers = multipliers = Multipliers(tile.multipliers)
        word, number, layer = (delayed(m, self.beat[name], 2, name) for name in ("word", "number", "layer"))
        held = Signal.like(self.word.weights)
        m.d.comb += [patterns.restart.eq(self.restart), patterns.read.eq(word[1]), patterns.word.eq(self.word), patterns.layer.eq(layer[1])]
        with m.If(word[1]):
            m.d.sync += [held.eq(self.word.weights), self.missing.eq(self.word.missing)]
        for lane in range(tile.lanes):
            self._lane(m, lane, held, patterns.codes, word[2], number[2], layer[2], multipliers)
        for lane in range(tile.lanes):
            products = [multipliers.o[lane * tile.slots + slot] for slot in range(tile.slots)]
            total = Signal(self.sum_shape, name=f"sum{lane}")
            m.d.sync += total.eq(lane_sum(m, products, f"lane{lane}"))
            m.d.comb += self.sums[lane].eq(total)
        return m

    def _lane(self, m: Module, lane: int, held, codes, word, number, layer, multipliers: Multipliers) -> None:
        """Registers of a lane's weights and select codes, filled by the word of a pass that has them; and its selector."""
        plan, slots = self._plan, self._plan.tile.slots
        # by layer: which word of a pass, and there which kernel, and which lane of that
        users = [(index, each) for index, each in enumerate(plan.layers) if lane < each.group * each.joined]
        records = [lane // each.joined for _, each in users]
        weights = Signal(data.ArrayLayout(signed(WEIGHT_BITS), slots), name=f"weights{lane}")
        selects = Signal(codes[0].shape(), name=f"selects{lane}")
        with m.If(word), m.Switch(layer):
            for (index, each), record in zip(users, records, strict=True):
                with m.Case(index):
                    with m.If(number == record // each.records):
                        m.d.sync += self._filled(each, lane, record % each.records, held, codes, weights, selects)
        for slot, (needed, order) in enumerate(zip(plan.inputs[lane], plan.codes, strict=True)):
            words = [self.window[position] if position in needed else None for position in order]
            m.d.comb += [
                multipliers.words[lane * slots + slot].eq(choice(m, words, selects[slot], f"lane{lane}_{slot}")),
                multipliers.weights[lane * slots + slot].eq(weights[slot]),
            ]

    def _filled(self, layer: Layer, lane: int, record: int, held, codes, weights, selects) -> list:
        part = lane % layer.joined * self._plan.tile.slots
        statements = [selects.eq(codes[record * layer.joined + lane % layer.joined])]
        for slot in range(self._plan.tile.slots):
            used = part + slot < layer.keep
            statements.append(weights[slot].eq(held[record * layer.keep + part + slot] if used else 0))
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
    """Sums over the channels of as many outputs as there are lanes. `beat` comes with `sums`; `o` is the sum with these two cycles later.

    What was there for the beat's step comes from a memory, unless it is the `first`. A layer whose kernels are in two lanes adds these
    first.
    """

    def __init__(self, plan: Plan, given: Shape):
        self._plan = plan
        self._total = word_shape(plan.total)
        super().__init__(
            {
                "beat": In(Beat(plan)),
                "sums": In(data.ArrayLayout(given, plan.tile.lanes)),
                "o": Out(data.ArrayLayout(self._total, plan.tile.lanes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, lanes = self._plan, self._plan.tile.lanes
        later = delayed(m, self.beat, 1, "beat")[1]
        before = Signal(data.ArrayLayout(self._total, lanes))
        added = Signal(data.ArrayLayout(self._total, lanes))
        if plan.sums:
            m.submodules.memory = memory = Memory(shape=self._total.width * lanes, depth=plan.sums, init=[], attrs={"ram_style": "block"})
            read, write = memory.read_port(), memory.write_port()
            m.d.comb += [read.addr.eq(self.beat.step), read.en.eq(1), before.as_value().eq(read.data)]
            m.d.comb += [write.addr.eq(later.step), write.en.eq(later.compute), write.data.eq(added)]
        two = by_layer(m, self.beat.layer, [each.joined - 1 for each in plan.layers], "two")
        for output in range(lanes):
            joined = self._joined(m, output, two)
            kept = Signal(self._total, name=f"kept{output}")
            m.d.comb += [kept.eq(Mux(later.first, 0, before[output])), added[output].eq(kept + joined)]
            m.d.sync += self.o[output].eq(added[output])
        return m

    def _joined(self, m: Module, output: int, two: Value) -> Signal:
        """The sum of an output's lane, or of its two lanes, registered."""
        first, second = 2 * output, 2 * output + 1
        joined = Signal((self.sums[0] + self.sums[0]).shape(), name=f"joined{output}")
        if second < self._plan.tile.lanes and not (isinstance(two, Const) and not two.value):
            both = Signal(joined.shape(), name=f"both{output}")
            m.d.comb += both.eq(self.sums[first] + self.sums[second])
            m.d.sync += joined.eq(Mux(two, both, self.sums[output]))
        else:
            m.d.sync += joined.eq(self.sums[output])
        return joined
