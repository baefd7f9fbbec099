"""Dense layers and convolutions on few multipliers, each of which serves many weights (`logicnn.engines.reused`)."""

from itertools import accumulate

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.engines.reused import Reused
from logicnn.engines.rows import offsets_of
from logicnn.gateware.choice import by_layer
from logicnn.gateware.engine import streamed
from logicnn.gateware.multipliers import Multipliers
from logicnn.gateware.rows import Rows, beat_layout
from logicnn.gateware.sparse.finisher import Best
from logicnn.gateware.sparse.lanes import lane_sum
from logicnn.gateware.sparse.weights import WeightMemory
from logicnn.gateware.wires import port_shape, word_shape
from logicnn.network import Even, FloatScaled, IntConv2d, IntDense, Interval
from logicnn.network.layers.integer import SIGNIFICANT
from logicnn.resources import device_of

__all__ = ["Outputs", "ReuseEngine", "Sums"]


class Sums(wiring.Component):
    """The tile: `values` and `weights` of a row, whose products are added to the sums of its group.

    `o` are the sums with the row's own, in the cycle in which its `beat` comes, `summing` - 2 cycles after its values.
    """

    def __init__(self, engine: Reused):
        self._engine = engine
        self._total = word_shape(engine.total)
        super().__init__(
            {
                "values": In(data.ArrayLayout(word_shape(engine.word), engine.inputs)),
                "weights": In(data.ArrayLayout(word_shape(engine.weight), max(1, len(engine.built)))),
                "beat": In(beat_layout(engine)),
                "o": Out(data.ArrayLayout(self._total, engine.neurons)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        engine = self._engine
        products: list[list[Value]] = [[] for _ in range(engine.neurons)]
        device = device_of(platform)
        blocks = engine.in_blocks(device) if device else len(engine.built)
        for name, lanes, dsp in (
            ("blocks", range(blocks), True),
            ("logic", range(blocks, len(engine.built)), False),
        ):
            if not lanes:
                continue
            m.submodules[name] = multipliers = Multipliers([0] * len(lanes), engine.word, engine.weight, dsp=dsp)
            m.d.comb += multipliers.take.eq(-1)
            for place, lane in enumerate(lanes):
                neuron, value = engine.built[lane]
                m.d.comb += [
                    multipliers.words[place].eq(self.values[value]),
                    multipliers.weights[place].eq(self.weights[lane]),
                ]
                products[neuron].append(multipliers.o[place])
        for neuron, terms in enumerate(products):
            row = Signal(self._total, name=f"row{neuron}")
            domain = m.d.sync if engine.inputs > 1 else m.d.comb
            domain += row.eq(lane_sum(m, terms, f"neuron{neuron}") if terms else 0)
            held = Signal(self._total, name=f"held{neuron}")
            m.d.comb += self.o[neuron].eq(Mux(self.beat.first, 0, held) + row)
            with m.If(self.beat.valid):
                m.d.sync += held.eq(self.o[neuron])
        return m


class Outputs(wiring.Component):
    """From the sums of a group to words, one a cycle: multiplied, offset, shifted, bounded.

    With the `beat` of a group's last row `sums` are taken; its first output is there `leaving` - `summing` cycles
    later. `write`: `word` is for `slot` of the word at `place`; `emits`: it is an output of the last layer, `ended`
    with the last.
    """

    def __init__(self, engine: Reused):
        self._engine = engine
        last = engine.computing[-1].activation
        given = (
            engine.word if last is None else Interval(min(engine.word.low, last.low), max(engine.word.high, last.high))
        )
        gives = engine.scores.interval
        both = Interval(min(given.low, gives.low), max(given.high, gives.high))
        super().__init__(
            {
                "beat": In(beat_layout(engine)),
                "sums": In(data.ArrayLayout(word_shape(engine.total), engine.neurons)),
                "write": Out(1),
                "place": Out(range(max(2, engine.depth))),
                "slot": Out(range(max(2, engine.inputs))),
                "word": Out(word_shape(both)),
                "emits": Out(1),
                "ended": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        engine, passes = self._engine, self._engine.passes
        waiting = Signal(self.sums.shape())
        left = Signal(range(engine.neurons + 1))
        taken = Signal(beat_layout(engine))
        rest = by_layer(m, self.beat.layer, [each.rest for each in passes], "rest")
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
            m.d.sync += [waiting[place].eq(waiting[place + 1]) for place in range(engine.neurons - 1)]
        with m.If(self.beat.valid & self.beat.last):
            m.d.sync += [
                waiting.eq(self.sums),
                left.eq(Mux(self.beat.ends, rest, engine.neurons)),
                taken.eq(self.beat),
            ]
        most = max(max(each.outputs) for each in passes)
        now = Signal(data.StructLayout({**taken.shape().members, "number": range(max(2, most + 1))}))
        m.d.comb += [now[name].eq(taken[name]) for name in taken.shape().members]
        m.d.comb += [now.valid.eq(left != 0), now.last.eq(left == 1)]
        multiplier, offset, shift, number = self._constants(m, now)
        m.d.comb += now.number.eq(number)
        value, stage = waiting[0], now
        if engine.multiplies:
            value, stage, (offset, shift) = self._later(m, "multiplied", value * multiplier, stage, [offset, shift])
        value, stage, (shift,) = self._later(m, "held", value + offset, stage, [shift])
        least = min(self._shifts)
        shifted = (value >> least) >> shift
        if engine.evens:
            shifted, stage, (value, shift) = self._later(m, "shifted", shifted, stage, [value, shift])
            shifted, stage = self._even(m, shifted, value, shift, stage)
        value, stage, _ = self._later(m, "level", shifted, stage, [])
        self._bounded(m, value, stage)
        return m

    def _even(self, m: Module, above: Value, value: Value, shift: Value, stage) -> tuple[Value, Value]:
        """The level `above`, or the even one of two where a `value`, with half a level added, lay between them.

        In floating point also what is nearer than half of its last bit (`FloatScaled`); that is a cycle more. The bit
        is that of the level below in magnitude, `bits` long: 24 - `bits` behind the point. Longer ones are beyond all
        bounds.
        """
        engine, passes = self._engine, self._engine.passes
        least = min(self._shifts)
        kinds = [each.layer.activation for each in passes]
        even = by_layer(m, stage.layer, [int(isinstance(each, Even | FloatScaled)) for each in kinds], "even")
        beyond = Signal(value.shape(), name="beyond")  # the middle below this level
        m.d.comb += beyond.eq(value - (above << shift << least))
        if not engine.floats:
            tie = (beyond == 0) & above[0] & even & ((shift != 0) | (least > 0))
            return above - tie, stage
        floats = by_layer(m, stage.layer, [int(isinstance(each, FloatScaled)) for each in kinds], "floats")
        near = []
        whole = Signal(max(self._shifts) + 1, name="whole")
        m.d.comb += whole.eq(1 << least << shift)
        most = max(max(each.high, -each.low) + abs(each.zero) for each in kinds if isinstance(each, FloatScaled))
        for name, apart, low in (("below", beyond, above - 1), ("above", whole - beyond, above)):
            magnitude, bits = Signal(range(most + 1), name=f"{name}_magnitude"), Signal(5, name=name)
            m.d.comb += magnitude.eq(Mux(low[-1], ~low, low))
            for place in range(len(magnitude)):
                with m.If(magnitude[place]):
                    m.d.comb += bits.eq(place + 1)
            reach = Signal(len(whole), name=f"{name}_reach")
            m.d.comb += reach.eq((1 << least << shift << bits) >> SIGNIFICANT + 1)
            near.append(apart <= Mux(floats, reach, 0))
        odd = above[0] & even & ((shift != 0) | (least > 0))
        above, stage, (below, over) = self._later(m, "near", above, stage, [near[0] & odd, near[1] & odd])
        zero = by_layer(m, stage.layer, [each.zero if isinstance(each, FloatScaled) else 0 for each in kinds], "zero")
        return above - below + (over & ~below) + zero, stage

    def _later(self, m: Module, name: str, value: Value, stage, others: list[Value]):
        """A register: the value, its beat, and constants that are needed later."""
        held, beat = Signal(value.shape(), name=name), Signal.like(stage, name=f"{name}_beat")
        kept = [Signal.like(each, name=f"{name}_{place}") for place, each in enumerate(others)]
        m.d.sync += [held.eq(value), beat.eq(stage), *(one.eq(each) for one, each in zip(kept, others, strict=True))]
        return held, beat, kept

    @property
    def _leaving(self) -> list[tuple[IntDense | IntConv2d, int]]:
        """Layer and number of each neuron that leaves, in order."""
        return [(each.layer, number) for each in self._engine.passes for number in each.outputs]

    @property
    def _shifts(self) -> list[int]:
        return [
            0 if layer.activation is None else int(layer.activation.shift[number]) for layer, number in self._leaving
        ]

    def _constants(self, m: Module, now) -> tuple[Value, Value, Value, Value]:
        """Multiplier, offset, shift and number of the current output."""
        engine, leaving = self._engine, self._leaving
        held = {layer: offsets_of(layer) for layer in engine.computing}
        least = min(self._shifts)
        values = {
            "multiplier": [
                1 if layer.activation is None else int(layer.activation.multiplier[n]) for layer, n in leaving
            ],
            "offset": [int(held[layer][number]) for layer, number in leaving],
            "shift": [each - least for each in self._shifts],
            "number": [number for _, number in leaving] if engine.omits else [0] * len(leaving),
        }
        shapes = {
            "multiplier": Shape.cast(range(max(values["multiplier"]) + 1)),
            "offset": word_shape(engine.offsets),
            "shift": Shape.cast(range(max(values["shift"]) + 1)),
            "number": Shape.cast(range(max(values["number"]) + 1)),
        }
        layout = data.StructLayout(shapes)
        words = [
            layout.const(dict(zip(values, each, strict=True))).as_bits() for each in zip(*values.values(), strict=True)
        ]
        m.submodules.constants = memory = Memory(
            shape=layout.size, depth=len(words), init=words, attrs={"ram_style": "block"}
        )
        port = memory.read_port()
        output, following = Signal(range(len(words))), Signal(range(len(words)))
        of_group, of_layer = Signal.like(output), Signal.like(output)
        m.d.comb += following.eq(output)
        with m.If(now.valid):
            m.d.comb += following.eq(output + 1)
            with m.If(now.last & ~now.closes):
                m.d.comb += following.eq(of_group)
            with m.Elif(now.last & now.ends & ~now.final):
                m.d.comb += following.eq(of_layer)
            with m.Elif(now.last & now.ends & (now.layer == len(engine.passes) - 1)):
                m.d.comb += following.eq(0)
            with m.If(now.last & now.closes):
                m.d.sync += of_group.eq(following)
                with m.If(now.ends):
                    m.d.sync += of_layer.eq(following)
        m.d.sync += output.eq(following)
        m.d.comb += [port.en.eq(1), port.addr.eq(following)]
        constants = data.View(layout, port.data)
        number = constants.number
        if not engine.omits:
            firsts = accumulate([len(each.outputs) for each in engine.passes[:-1]], initial=0)
            number = output - by_layer(m, now.layer, list(firsts), "first_output")
        return constants.multiplier, constants.offset, constants.shift, number

    def _bounded(self, m: Module, value: Value, stage) -> None:
        """The word, and where it goes."""
        engine, passes = self._engine, self._engine.passes
        bounds = [
            engine.scores.interval if each.layer.activation is None else each.layer.activation.interval
            for each in passes
        ]
        low = by_layer(m, stage.layer, [each.low for each in bounds], "low")
        high = by_layer(m, stage.layer, [each.high for each in bounds], "high")
        bounded = Signal(self.word.shape())
        m.d.comb += bounded.eq(Mux(value < low, low, Mux(value > high, high, value)))
        word: Value = bounded
        if engine.pools:
            word, stage = self._pooled(m, bounded, stage)
        pixel = Signal.like(self.place)
        last_layer = stage.layer == len(passes) - 1
        bits = (engine.inputs - 1).bit_length()
        base = by_layer(m, stage.layer, [each.writes for each in passes], "writes")
        wide = by_layer(m, stage.layer, [each.gives_words for each in passes], "gives_words")
        with m.If(stage.valid & stage.closes & stage.last & stage.ends):
            following = pixel + wide
            if engine.pads:
                between = by_layer(m, stage.layer, [each.between for each in passes], "between")
                following = following + Mux(stage.turns, between, 0)
            m.d.sync += pixel.eq(Mux(stage.final, 0, following))
        m.d.sync += [
            self.word.eq(word),
            self.write.eq(stage.valid & stage.closes & ~last_layer),
            self.emits.eq(stage.valid & last_layer),
            self.ended.eq(stage.valid & last_layer & stage.last & stage.ends),
            self.place.eq(base + pixel + (stage.number >> bits)),
            self.slot.eq(stage.number[:bits]),
        ]

    def _pooled(self, m: Module, bounded: Value, stage) -> tuple[Value, Value]:
        """The greatest of each neuron of a group, at all positions of a pixel so far, two cycles later; scores of the
        last layer as they are.
        """
        engine = self._engine
        score, stage, _ = self._later(m, "bounded", bounded, stage, [])
        word = Signal(word_shape(engine.word))
        m.d.comb += word.eq(score)
        best = Array(Signal.like(word, name=f"best{place}", reset_less=True) for place in range(engine.neurons))
        number, before = Signal(range(max(2, engine.neurons))), Signal(range(max(2, engine.neurons)))
        m.d.sync += before.eq(number)
        with m.If(stage.valid):
            m.d.sync += number.eq(Mux(stage.last, 0, number + 1))
            with m.If(stage.opens | (word > best[number])):
                m.d.sync += best[number].eq(word)
        score, stage, _ = self._later(m, "pooled", score, stage, [])
        found = Signal.like(self.word, name="greatest")
        m.d.comb += found.eq(Mux(stage.layer == len(engine.passes) - 1, score, best[before]))
        return found, stage


class ReuseEngine(wiring.Component):
    """Values of a sample one a transfer on `i`; the class, or all outputs at once, on `o`, `engine.latency` cycles
    after the last one's transfer. The next sample may come after that on `o`; `clear` drops an unfinished one.

    With `loaded` the weights come over `load` first (`WeightMemory`), in a time in which no sample may.
    """

    def __init__(self, engine: Reused, loaded: bool = False):
        self._engine, self._loaded = engine, loaded
        bits = max(1, len(engine.built) * engine.weight.word)
        self._weights = WeightMemory(engine.words, engine.word_bits if loaded else bits, loaded)
        ports = {
            "i": In(stream.Signature(word_shape(engine.given.interval))),
            "clear": In(1),
            "o": Out(stream.Signature(port_shape(engine.gives))),
        }
        if loaded:
            ports["load"] = In(self._weights.load.signature.flip())
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        engine = self._engine
        m.submodules.rows = rows = Rows(engine)
        m.submodules.weights = weights = self._weights
        m.submodules.sums = sums = Sums(engine)
        m.submodules.outputs = outputs = Outputs(engine)
        if self._loaded:
            wiring.connect(m, wiring.flipped(self.load), weights.load)
        busy, taken, last = Signal(), Signal(), Signal()
        channel, place = self._arriving(m, taken, last)
        m.d.comb += [
            self.i.ready.eq(~busy),
            taken.eq(self.i.valid & self.i.ready),
            rows.start.eq(taken & last),
        ]
        with m.If(taken):
            m.d.sync += busy.eq(last)
        # Of a row: 0 cycles, its place is known; 1, its values and weights are asked for; 2, they are there; `summing`,
        # its sums.
        beats = [rows.beat]
        for cycle in range(1, engine.summing + 1):
            beats.append(Signal.like(rows.beat, name=f"beat{cycle}"))
            m.d.sync += beats[-1].eq(beats[-2])
        at, row = Signal.like(rows.place), Signal.like(rows.row)
        m.d.sync += [at.eq(rows.place), row.eq(rows.row)]
        m.d.comb += [
            sums.values.as_value().eq(self._values(m, at, outputs, taken, channel, place)),
            weights.read.eq(beats[1].valid),
            weights.address.eq(row),
            sums.weights.as_value().eq(weights.word),
            sums.beat.eq(beats[engine.summing]),
            outputs.beat.eq(beats[engine.summing]),
            outputs.sums.eq(sums.o),
        ]
        payload = Value.cast(self.o.payload)
        width = engine.scores.interval.word
        if engine.decides:
            m.submodules.best = best = Best(word_shape(engine.scores.interval), engine.scores.size)
            m.d.comb += [best.clear.eq(rows.start), best.valid.eq(outputs.emits), best.value.eq(outputs.word)]
            m.d.comb += payload.eq(best.o)
        else:
            held = Signal(len(payload), reset_less=True)
            m.d.comb += payload.eq(held)
            with m.If(outputs.emits):
                m.d.sync += held.eq(Cat(held[width:], outputs.word[:width]))
        with m.If(outputs.ended):
            m.d.sync += self.o.valid.eq(1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [self.o.valid.eq(0), busy.eq(0)]
        return m

    def _arriving(self, m: Module, taken: Value, last: Value) -> tuple[Value, Value]:
        """Of the value that comes, one channel after the other, its channel and the place of its word; whether it is
        the `last`.
        """
        engine = self._engine
        channels, height, width = engine.pixels
        bits = (engine.inputs - 1).bit_length()
        scan = engine.scans[0]
        words, origin = scan.pixel_words(engine.inputs), scan.origin(engine.inputs) + engine.passes[0].reads
        channel, row, column = (Signal(range(max(2, each))) for each in engine.pixels)
        place = Signal(range(max(2, engine.depth + words)), init=origin)
        of_row, of_channel = column == width - 1, Signal()
        m.d.comb += [of_channel.eq(of_row & (row == height - 1)), last.eq(of_channel & (channel == channels - 1))]
        with m.If(taken):
            m.d.sync += [column.eq(column + 1), place.eq(place + words)]
            with m.If(of_row):
                m.d.sync += [column.eq(0), row.eq(row + 1), place.eq(place + words * (1 + 2 * scan.padding))]
            with m.If(of_channel):
                first = Signal.like(place)
                m.d.comb += first.eq(origin + (channel + 1 >> bits))
                m.d.sync += [row.eq(0), channel.eq(Mux(last, 0, channel + 1)), place.eq(Mux(last, origin, first))]
        with m.Elif(self.clear):
            m.d.sync += [column.eq(0), row.eq(0), channel.eq(0), place.eq(origin)]
        return channel, place

    def _values(self, m: Module, at: Value, outputs: Outputs, taken: Value, channel: Value, place: Value) -> Value:
        """The word at `at`, a cycle later: values that are side by side, one of which is written a cycle."""
        engine = self._engine
        width, bits = engine.word.word, (engine.inputs - 1).bit_length()
        m.submodules.values = memory = Memory(
            shape=engine.inputs * width, depth=engine.depth, init=[], attrs={"ram_style": "block"}
        )
        read, write = memory.read_port(), memory.write_port(granularity=width)
        slot = Signal(range(max(2, engine.inputs)))
        m.d.comb += [
            read.en.eq(1),
            read.addr.eq(at),
            slot.eq(Mux(outputs.write, outputs.slot, channel[:bits])),
            write.en.eq((outputs.write | taken) << slot),
            write.addr.eq(Mux(outputs.write, outputs.place, place)),
            write.data.eq(Mux(outputs.write, outputs.word, self.i.payload)[:width].replicate(engine.inputs)),
        ]
        return read.data


@streamed.register
def _(engine: Reused, loaded: bool) -> wiring.Component:
    return ReuseEngine(engine, loaded)
