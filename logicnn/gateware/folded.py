"""A dense layer on multipliers that each serve some of its weights (`logicnn.engines.folded`)."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from logicnn.engines.folded import RADIX, Folded
from logicnn.gateware.choice import by_layer, choice
from logicnn.gateware.engine import streamed
from logicnn.gateware.multipliers import Multipliers
from logicnn.gateware.sparse.lanes import lane_sum
from logicnn.gateware.sparse.weights import WeightMemory
from logicnn.gateware.wires import port_shape, word_shape

__all__ = ["FoldedLayer", "RowSums"]


class RowSums(wiring.Component):
    """Of every neuron at a time, the sum of a row's products: `o` is that of `values` and `weights` two cycles and
    `engine.adding` more later, in cycles with `enable`.
    """

    def __init__(self, engine: Folded):
        self._engine = engine
        super().__init__(
            {
                "enable": In(1),
                "values": In(data.ArrayLayout(word_shape(engine.word), engine.inputs)),
                "weights": In(data.ArrayLayout(word_shape(engine.weight), len(engine.built))),
                "o": Out(data.ArrayLayout(word_shape(engine.total), engine.neurons)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        engine = self._engine
        count = len(engine.built)
        m.submodules.multipliers = multipliers = Multipliers([0] * count, engine.word, engine.weight)
        m.d.comb += [multipliers.enable.eq(self.enable), multipliers.take.eq(-1), multipliers.weights.eq(self.weights)]
        sums: list[list[Value]] = [[] for _ in range(engine.neurons)]
        for lane, (neuron, value) in enumerate(engine.built):
            m.d.comb += multipliers.words[lane].eq(self.values[value])
            sums[neuron].append(multipliers.o[lane])
        for level in range(engine.adding):
            sums = [self._added(m, each, f"sum{level}_{neuron}") for neuron, each in enumerate(sums)]
        m.d.comb += [self.o[neuron].eq(each[0] if each else 0) for neuron, each in enumerate(sums)]
        return m

    def _added(self, m: Module, terms: list[Value], name: str) -> list[Value]:
        """`RADIX` terms together each, in a register."""
        found: list[Value] = []
        for place in range(0, len(terms), RADIX):
            total = lane_sum(m, terms[place : place + RADIX], f"{name}_{place}")
            held = Signal(total.shape(), name=f"{name}_held{place}", reset_less=True)
            with m.If(self.enable):
                m.d.sync += held.eq(total)
            found.append(held)
        return found


class FoldedLayer(wiring.Component):
    """Whole samples on `i`, one every `engine.interval` cycles; what the layer gives on `o`, `engine.latency` cycles
    later. While `o` is not taken all stands still, as soon as the next output would take its place.
    """

    def __init__(self, engine: Folded):
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
        places, rows = engine.places, len(engine.program)
        writes, goes = Signal(), Signal()
        # No logic leads from one engine's `ready` to the next, but where the cycle after an output already writes: an
        # output that is still there is waited for, even if it is taken in this cycle.
        at_once = bool(engine.program.ends[0])
        m.d.comb += goes.eq(~(writes & self.o.valid & (~self.o.ready if at_once else 1)))
        runs, row, following = Signal(), Signal(range(max(2, rows))), Signal(range(max(2, rows)))
        last = row == rows - 1
        held = Signal(Value.cast(self.i.payload).shape(), reset_less=True)
        m.d.comb += [
            self.i.ready.eq(goes & (~runs | last)),
            following.eq(Mux(goes & runs, Mux(last, 0, row + 1), row)),
        ]
        m.d.sync += row.eq(following)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [runs.eq(1), held.eq(Value.cast(self.i.payload))]
        with m.Elif(goes & last):
            m.d.sync += runs.eq(0)
        m.submodules.sums = sums = RowSums(engine)
        m.d.comb += [sums.enable.eq(goes), sums.weights.as_value().eq(self._weights(m, row, following))]
        word = by_layer(m, row, [place for _, place in places], "word")
        width = engine.word.word
        for value in sorted({value for _, value in engine.built}):
            all_of = [
                held.word_select(place * engine.inputs + value, width)
                if place * engine.inputs + value < engine.given.size
                else C(0, width)
                for place in range(max(place for _, place in places) + 1)  # of words that some row reads
            ]
            chosen = choice(m, all_of, word, f"value{value}", platform)
            m.d.comb += sums.values[value].eq(chosen)
        # Of the row whose sums are there, its number and whether there is any
        there, number = runs, row
        for cycle in range(2 + engine.adding):
            next_there, next_number = Signal(name=f"there{cycle}"), Signal.like(row, name=f"row{cycle}")
            with m.If(goes):
                m.d.sync += [next_there.eq(there), next_number.eq(number)]
            there, number = next_there, next_number
        self._outputs(m, sums, there, number, writes, goes)
        return m

    def _weights(self, m: Module, row: Value, following: Value) -> Value:
        """Of the current row."""
        engine = self._engine
        bits = len(engine.built) * engine.weight.word
        if not engine.in_memory:
            shape, rows = word_shape(engine.weight), engine.program.weights
            weights = [Signal(shape, name=f"weight{neuron}_{value}") for neuron, value in engine.built]
            for weight, (neuron, value) in zip(weights, engine.built, strict=True):
                chosen = by_layer(m, row, rows[:, neuron, value].tolist(), f"{weight.name}_of_row")
                m.d.comb += weight.eq(chosen)
            return Cat(weights)
        m.submodules.weights = memory = WeightMemory(engine.memory, bits, loaded=False)
        m.d.comb += [memory.read.eq(1), memory.address.eq(following)]
        return memory.word

    def _outputs(self, m: Module, sums: RowSums, there: Value, number: Value, writes: Value, goes: Value) -> None:
        """Sums over the rows of a group; after its last one they are shifted, bounded, and written."""
        engine, places = self._engine, self._engine.places
        groups = [group for group, _ in places]
        ends = [int(each) for each in engine.program.ends]
        first = by_layer(m, number, [1, *ends[:-1]], "first")
        of_row = by_layer(m, number, groups, "group_of_row")
        full, group = Signal(), Signal(range(max(2, engine.groups)))
        with m.If(goes):
            m.d.sync += [full.eq(there & by_layer(m, number, ends, "ends")), group.eq(of_row)]
        width = engine.scores.interval.word
        slots = [Signal(width, name=f"output{place}", reset_less=True) for place in range(engine.scores.size)]
        for neuron in range(engine.neurons):
            offset = by_layer(m, of_row, engine.offsets[:, neuron].tolist(), f"offset{neuron}")
            total = Signal(word_shape(engine.total), name=f"total{neuron}", reset_less=True)
            with m.If(goes & there):
                m.d.sync += total.eq(Mux(first, offset, total) + sums.o[neuron])
            shifts = engine.shifts[:, neuron]
            least = int(shifts.min())
            more = by_layer(m, group, (shifts - least).tolist(), f"shift{neuron}")
            shifted = Signal(word_shape(engine.total), name=f"shifted{neuron}")
            m.d.comb += shifted.eq((total >> least) >> more)
            bounded: Value = shifted
            if engine.dense.activation is not None:
                low, high = engine.dense.activation.low, engine.dense.activation.high
                bounded = Signal(word_shape(engine.scores.interval), name=f"bounded{neuron}")
                m.d.comb += bounded.eq(Mux(shifted < low, low, Mux(shifted > high, high, shifted)))
            for number_of_group, slot in enumerate(slots[neuron :: engine.neurons]):
                with m.If(goes & full & (group == number_of_group)):
                    m.d.sync += slot.eq(bounded)
        done = full & (group == engine.groups - 1)
        payload = Value.cast(self.o.payload)
        if engine.rounds:
            done = self._decided(m, slots, done, payload, goes)
            m.d.comb += writes.eq(done)
        else:
            # Groups before the last one are written, too, where the output before may still be there
            m.d.comb += [writes.eq(full), payload.eq(0 if engine.decides else Cat(slots))]
        with m.If(goes & done):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

    def _decided(self, m: Module, slots: list[Signal], done: Value, payload: Value, goes: Value) -> Value:
        """Which of the scores is greatest, of equals the first, in registers after each round of pairs; returns whether
        the last round is played.
        """
        engine = self._engine
        scores = [Value.cast(each) for each in slots]
        if engine.scores.interval.low < 0:
            scores = [each.as_signed() for each in scores]
        places: list[Value] = [C(0, 0) for _ in scores]
        for number in range(engine.rounds):
            played = Signal(name=f"played{number}")
            with m.If(goes):
                m.d.sync += played.eq(done)
            done = played
            best, found = [], []
            for pair in range(0, len(scores), 2):
                mine = Signal.like(scores[pair], name=f"best{number}_{pair}", reset_less=True)
                place = Signal(number + 1, name=f"place{number}_{pair}", reset_less=True)
                two = scores[pair : pair + 2], places[pair : pair + 2]
                wins = two[0][1] > two[0][0] if len(two[0]) > 1 else C(0, 1)
                with m.If(goes & done):
                    m.d.sync += [
                        mine.eq(Mux(wins, two[0][-1], two[0][0])),
                        place.eq(Cat(Mux(wins, two[1][-1], two[1][0]), wins)),
                    ]
                best.append(mine)
                found.append(place)
            scores, places = best, found
        m.d.comb += payload.eq(places[0])
        return done


@streamed.register
def _(engine: Folded, loaded: bool) -> wiring.Component:
    return FoldedLayer(engine)
