"""Sparse processing engines side by side, from a window and the words of the weights' memory to sums of all channels
(`logicnn.engines.sparse`).
"""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.engines.sparse.contents import contents_of
from logicnn.engines.sparse.kernels import WEIGHT_BITS
from logicnn.engines.sparse.plan import Fields, Layer, Plan
from logicnn.gateware.choice import by_layer, choice
from logicnn.gateware.multipliers import Multipliers
from logicnn.gateware.sparse.beats import Beat, delayed
from logicnn.gateware.wires import word_shape
from logicnn.network import Interval

__all__ = ["Accumulators", "Lane", "Lanes", "PatternMemory"]


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
    """Select codes of lanes by the indices of a word: those of the current set, which the word's flags move on or back.
    Latency 1 cycle.
    """

    def __init__(self, plan: Plan):
        self._plan = plan
        super().__init__(
            {
                "read": In(1),
                "restart": In(1),
                "layer": In(range(len(plan.layers))),
                "word": In(layout_of(plan.fields)),
                "codes": Out(codes_of(plan)),
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
        for number, rows in enumerate(contents_of(self._plan).tables):
            width = len(Value.cast(self.codes[number]))
            memory = Memory(shape=width, depth=len(rows), init=rows.tolist(), attrs={"ram_style": "block"})
            m.submodules[f"table{number}"] = memory
            port = memory.read_port()
            m.d.comb += [
                port.en.eq(self.read),
                port.addr.eq(Cat(self.word.indices[number], current)),
                self.codes[number].eq(port.data),
            ]
        return m


class Lane(wiring.Component):
    """A pattern selector before the multipliers of a lane. `word` is up with a word of weights, `number` says which of
    its pass that is.

    If it is this lane's, `codes` choose from the window what goes to `words`, until the next one does, and the lane's
    `weights` are those of the word before, `take` a cycle later.
    """

    def __init__(self, plan: Plan, lane: int):
        self._plan, self._lane = plan, lane
        self._contents = contents_of(plan)
        slots, fields = plan.tile.slots, plan.fields
        weights = data.ArrayLayout(signed(WEIGHT_BITS), slots)
        super().__init__(
            {
                "layer": In(range(len(plan.layers))),
                "word": In(1),
                "number": In(Beat(plan)["number"].shape),
                "held": In(data.ArrayLayout(signed(WEIGHT_BITS), fields.weights)),
                "codes": In(codes_of(plan)),
                "window": In(data.ArrayLayout(8, plan.size)),
                "words": Out(data.ArrayLayout(8, slots)),
                "weights": Out(weights),
                "take": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        fills, code = Signal(), Signal(self.codes[0].shape())
        with m.Switch(self.layer):
            for index, layer in enumerate(self._plan.layers):
                if self._lane < layer.group * layer.joined:
                    with m.Case(index):
                        m.d.comb += self._filled(layer, fills, code)
        m.d.sync += self.take.eq(fills)
        for slot in range(self._plan.tile.slots):
            positions = self._contents.positions[self._lane * self._plan.tile.slots + slot]
            words = [self.window[position] for position in positions]
            m.d.comb += self.words[slot].eq(choice(m, words, code[slot], f"slot{slot}", platform, fills))
        return m

    def _filled(self, layer: Layer, fills: Signal, code) -> list:
        """What the lane takes while a layer runs."""
        at, record, part = place_of(layer, self._lane)
        slots = self._plan.tile.slots
        statements = [fills.eq(self.word & (self.number == at)), code.eq(self.codes[record * layer.joined + part])]
        for slot in range(slots):
            weight = part * slots + slot
            value = self.held[record * layer.keep + weight] if weight < layer.keep else 0
            statements.append(self.weights[slot].eq(value))
        return statements


def codes_of(plan: Plan) -> data.ArrayLayout:
    """The codes of the slots of every lane of a word."""
    return data.ArrayLayout(data.ArrayLayout(contents_of(plan).code_bits, plan.tile.slots), plan.fields.indices)


def place_of(layer: Layer, lane: int) -> tuple[int, int, int]:
    """Which word of a pass fills a lane, with which kernel of the word, and with which part of that."""
    return *divmod(lane // layer.joined, layer.records), lane % layer.joined


def _together(plan: Plan) -> list[int]:
    """Numbers for the lanes: the same for two that the same words fill."""
    words = [
        tuple(place_of(layer, lane)[0] if lane < layer.group * layer.joined else -1 for layer in plan.layers)
        for lane in range(plan.tile.lanes)
    ]
    return [words.index(each) for each in words]


class Lanes(wiring.Component):
    """`lanes` pattern selectors, each before `slots` multipliers and their sum. One window a cycle.

    A `beat`'s word of weights (`word`) comes a cycle after the beat, its window three cycles after, `sums` six.
    `missing`, of the word in use, comes two cycles after the beat.
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
        plan, slots = self._plan, self._plan.tile.slots
        m.submodules.patterns = patterns = PatternMemory(plan)
        together = [group for group in _together(plan) for _ in range(slots)]
        m.submodules.multipliers = multipliers = Multipliers(together, Interval(0, 255), Interval(-128, 127))
        word, number = (delayed(m, self.beat[name], 2, name) for name in ("word", "number"))
        taken, held = Signal.like(self.word.weights), Signal.like(self.word.weights)
        m.d.comb += [
            patterns.restart.eq(self.restart),
            patterns.read.eq(word[1]),
            patterns.word.eq(self.word),
            patterns.layer.eq(self.layer),
        ]
        with m.If(word[1]):
            m.d.sync += [taken.eq(self.word.weights), self.missing.eq(self.word.missing)]
        m.d.sync += held.eq(taken)
        for number_of_lane in range(plan.tile.lanes):
            m.submodules[f"lane{number_of_lane}"] = lane = Lane(plan, number_of_lane)
            m.d.comb += [
                lane.layer.eq(self.layer),
                lane.word.eq(word[2]),
                lane.number.eq(number[2]),
                lane.held.eq(held),
                lane.codes.eq(patterns.codes),
                lane.window.eq(self.window),
            ]
            for slot in range(slots):
                place = number_of_lane * slots + slot
                m.d.comb += [
                    multipliers.words[place].eq(lane.words[slot]),
                    multipliers.weights[place].eq(lane.weights[slot]),
                    multipliers.take[place].eq(lane.take),
                ]
            products = [multipliers.o[number_of_lane * slots + slot] for slot in range(slots)]
            total = Signal(self.sum_shape, name=f"sum{number_of_lane}")
            m.d.sync += total.eq(lane_sum(m, products, f"lane{number_of_lane}"))
            m.d.comb += self.sums[number_of_lane].eq(total)
        return m


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

    `beat` comes a cycle before `sums`: what was there for its place in the pass comes from a memory, whose last row is
    zeros for the `first` pass. A layer whose kernels are in two lanes adds these first.
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
