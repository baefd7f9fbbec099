"""Dense layers and convolutions on few multipliers, each of which serves many weights (`logicnn.engines.reused`)."""

from collections.abc import Sequence

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.engines.reused import Pass, Reused, offsets_of
from logicnn.gateware.choice import by_layer
from logicnn.gateware.engine import streamed
from logicnn.gateware.multipliers import Multipliers
from logicnn.gateware.sparse.finisher import Best
from logicnn.gateware.sparse.lanes import lane_sum
from logicnn.gateware.sparse.weights import WeightMemory
from logicnn.gateware.wires import port_shape, word_shape
from logicnn.network import Interval
from logicnn.resources import device_of

__all__ = ["Outputs", "ReuseEngine", "Rows", "Sums"]


def beat_layout(engine: Reused) -> data.StructLayout:
    """A row in the pipeline: the `first` or the `last` of a group at a position, which `opens` or `closes` those of an
    output pixel; the group may be the last one of its pixel (`ends`), that of its layer (`final`).
    """
    flags = "valid", "first", "last", "opens", "closes", "ends", "final"
    return data.StructLayout({**dict.fromkeys(flags, 1), "layer": range(max(2, len(engine.passes)))})


def rest_of(engine: Reused, each: Pass) -> int:
    """Neurons of a layer's last group."""
    return each.neurons - (each.groups - 1) * engine.neurons


class Rows(wiring.Component):
    """The rows of all layers in order, those of a convolution for every position, one a cycle from the cycle after
    `start` on, but for waits between layers and for the neurons of the group before: `beat`, the number of the `row`
    and the `place` of its word of values.
    """

    def __init__(self, engine: Reused):
        self._engine = engine
        super().__init__(
            {
                "start": In(1),
                "beat": Out(beat_layout(engine)),
                "row": Out(range(len(engine.program) + 1)),
                "place": Out(range(max(2, engine.depth))),
            }
        )

    def elaborate(self, platform):
        m = Module()
        engine, passes, beat = self._engine, self._engine.passes, self.beat
        runs, following = Signal(), Signal.like(self.row)
        group = Signal(range(max(2, *(each.groups for each in passes))))
        wait = Signal(range(max(each.wait for each in passes) + 2))
        layer, first = Signal.like(beat.layer), Signal(init=1)
        leave = Signal(range(engine.neurons))  # neurons of the group before that have not left when a row's sums are
        rest = by_layer(m, layer, [rest_of(engine, each) - 1 for each in passes], "rest")
        corner, opens, closes, final = self._positions(m, layer, passes)
        m.d.comb += [
            beat.valid.eq(runs & (wait == 0) & ~(beat.last & (leave != 0))),
            beat.first.eq(first),
            beat.layer.eq(layer),
            beat.opens.eq(opens),
            beat.closes.eq(closes),
            beat.final.eq(final),
            beat.ends.eq(group == by_layer(m, layer, [each.groups - 1 for each in passes], "last_group")),
        ]
        # The rows of a group once more at the next position of its pixel, those of a layer at the next pixel
        of_group, of_layer = Signal.like(self.row), Signal.like(self.row)
        again, once_more = beat.last & ~closes, beat.last & closes & beat.ends & ~final
        next_row = Mux(again, of_group, Mux(once_more, of_layer, self.row + 1))
        m.d.comb += following.eq(Mux(self.start, 0, Mux(beat.valid, next_row, self.row)))
        m.d.sync += self.row.eq(following)
        with m.If(self.start):
            m.d.sync += [of_group.eq(0), of_layer.eq(0)]
        with m.Elif(beat.valid & beat.last & closes):
            m.d.sync += of_group.eq(following)
            with m.If(beat.ends):
                m.d.sync += of_layer.eq(following)
        words = by_layer(m, layer, [each.words - 1 for each in passes], "last_word")
        base = by_layer(m, layer, [each.reads for each in passes], "reads")
        counted, at = Signal(range(max(2, engine.depth + 1))), Signal.like(self.place)
        if engine.skips:
            skip, ends = self._program(m, following)
            m.d.comb += [at.eq(counted + skip), beat.last.eq(ends)]
        else:
            m.d.comb += [at.eq(counted), beat.last.eq(counted == words)]
        m.d.comb += self.place.eq(base + corner + at)
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.If(beat.valid & beat.last):
            m.d.sync += leave.eq(Mux(beat.ends, rest, engine.neurons - 1))
        with m.Elif(leave != 0):
            m.d.sync += leave.eq(leave - 1)
        with m.If(beat.valid):
            m.d.sync += [first.eq(beat.last), counted.eq(Mux(beat.last, 0, at + 1))]
        with m.If(beat.valid & beat.last & closes):
            m.d.sync += group.eq(Mux(beat.ends, 0, group + 1))
        with m.If(beat.valid & beat.last & closes & beat.ends & final):
            m.d.sync += [layer.eq(layer + 1), wait.eq(by_layer(m, layer, [each.wait for each in passes], "waits"))]
            with m.If(layer == len(passes) - 1):
                m.d.sync += [runs.eq(0), layer.eq(0)]
        with m.If(self.start):
            m.d.sync += runs.eq(1)
        return m

    def _positions(self, m: Module, layer: Value, passes: Sequence[Pass]) -> tuple[Value, Value, Value, Value]:
        """The first word that the kernel meets, whether it is at the first or the last position of an output pixel, and
        whether that is the last pixel.
        """
        engine, beat = self._engine, self.beat
        scans = [each.scan for each in passes]
        if all(each.positions == 1 for each in scans):
            return C(0), C(1), C(1), C(1)
        steps = [each.stride * each.pixel_words(engine.inputs) for each in scans]
        sides = [each.pool for each in scans]
        rows, columns = ([each.blocks[axis] for each in scans] for axis in (0, 1))
        # From a position to the next of its pixel, in its row or not; from a pixel to the next, in its row or not
        moves = {
            "right": steps,
            "down": [step * (each.width - side + 1) for step, each, side in zip(steps, scans, sides, strict=True)],
            "pixel": [step * side for step, side in zip(steps, sides, strict=True)],
            "line": [
                step * side * (each.width - count + 1)
                for step, side, each, count in zip(steps, sides, scans, columns, strict=True)
            ],
        }
        right, down, pixel, line = (by_layer(m, layer, values, name) for name, values in moves.items())
        corner, origin = Signal(range(max(2, engine.depth))), Signal(range(max(2, engine.depth)))
        x, y = (Signal(range(max(2, *sides)), name=name) for name in "xy")
        column, row = (
            Signal(range(max(2, *counts)), name=name) for name, counts in (("column", columns), ("line", rows))
        )
        last = {
            name: signal == by_layer(m, layer, [count - 1 for count in counts], f"last_{name}")
            for name, signal, counts in (
                ("x", x, sides),
                ("y", y, sides),
                ("column", column, columns),
                ("row", row, rows),
            )
        }
        opens, closes, final = (x == 0) & (y == 0), last["x"] & last["y"], last["column"] & last["row"]
        done = beat.valid & beat.last
        with m.If(done & ~closes):
            m.d.sync += [x.eq(Mux(last["x"], 0, x + 1)), corner.eq(corner + Mux(last["x"], down, right))]
            with m.If(last["x"]):
                m.d.sync += y.eq(y + 1)
        with m.If(done & closes):
            m.d.sync += [x.eq(0), y.eq(0), corner.eq(origin)]
            with m.If(beat.ends):
                following = Signal.like(origin)
                m.d.comb += following.eq(Mux(final, 0, origin + Mux(last["column"], line, pixel)))
                m.d.sync += [origin.eq(following), corner.eq(following)]
                m.d.sync += column.eq(Mux(last["column"], 0, column + 1))
                with m.If(last["column"]):
                    m.d.sync += row.eq(Mux(last["row"], 0, row + 1))
        return corner, opens, closes, final

    def _program(self, m: Module, following: Value) -> tuple[Value, Value]:
        """Of the current row, how many words it leaves out and whether it is the last of a group."""
        program, bits = self._engine.program, self._engine.skip_bits
        words = [int(skip) | int(ends) << bits for skip, ends in zip(program.skips.tolist(), program.ends, strict=True)]
        m.submodules.program = memory = Memory(
            shape=bits + 1, depth=len(words), init=words, attrs={"ram_style": "block"}
        )
        port = memory.read_port()
        m.d.comb += [port.en.eq(1), port.addr.eq(following)]
        return port.data[:bits], port.data[bits]


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
        rest = by_layer(m, self.beat.layer, [rest_of(engine, each) for each in passes], "rest")
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
            m.d.sync += [waiting[place].eq(waiting[place + 1]) for place in range(engine.neurons - 1)]
        with m.If(self.beat.valid & self.beat.last):
            m.d.sync += [
                waiting.eq(self.sums),
                left.eq(Mux(self.beat.ends, rest, engine.neurons)),
                taken.eq(self.beat),
            ]
        now = Signal(beat_layout(engine))
        m.d.comb += [now.eq(taken), now.valid.eq(left != 0), now.last.eq(left == 1)]
        multiplier, offset, shift = self._constants(m, now)
        value, stage = waiting[0], now
        if engine.multiplies:
            value, stage, (offset, shift) = self._later(m, "multiplied", value * multiplier, stage, [offset, shift])
        value, stage, (shift,) = self._later(m, "held", value + offset, stage, [shift])
        least = min(self._shifts)
        value, stage, _ = self._later(m, "shifted", (value >> least) >> shift, stage, [])
        self._bounded(m, value, stage)
        return m

    @property
    def _shifts(self) -> list[int]:
        return [
            int(each)
            for layer in self._engine.computing
            for each in ([0] * len(layer.bias) if layer.activation is None else layer.activation.shift.tolist())
        ]

    def _later(self, m: Module, name: str, value: Value, stage, others: list[Value]):
        """A register: the value, its beat, and constants that are needed later."""
        held, beat = Signal(value.shape(), name=name), Signal.like(stage, name=f"{name}_beat")
        kept = [Signal.like(each, name=f"{name}_{place}") for place, each in enumerate(others)]
        m.d.sync += [held.eq(value), beat.eq(stage), *(one.eq(each) for one, each in zip(kept, others, strict=True))]
        return held, beat, kept

    def _constants(self, m: Module, now) -> tuple[Value, Value, Value]:
        """Multiplier, offset and shift of the current output, in the order of all layers' neurons."""
        engine = self._engine
        multipliers = [
            int(each)
            for layer in engine.computing
            for each in ([1] * len(layer.bias) if layer.activation is None else layer.activation.multiplier.tolist())
        ]
        offsets = [int(each) for layer in engine.computing for each in offsets_of(layer)]
        shifts = [each - min(self._shifts) for each in self._shifts]
        shapes = {
            "multiplier": Shape.cast(range(max(multipliers) + 1)),
            "offset": word_shape(engine.offsets),
            "shift": Shape.cast(range(max(shifts) + 1)),
        }
        layout = data.StructLayout(shapes)
        words = [
            layout.const({"multiplier": one, "offset": two, "shift": three}).as_bits()
            for one, two, three in zip(multipliers, offsets, shifts, strict=True)
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
        return constants.multiplier, constants.offset, constants.shift

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
        index, pixel = Signal(range(max(2, *(each.neurons for each in passes)))), Signal.like(self.place)
        last_layer = stage.layer == len(passes) - 1
        bits = (engine.inputs - 1).bit_length()
        base = by_layer(m, stage.layer, [each.writes for each in passes], "writes")
        wide = by_layer(m, stage.layer, [each.gives_words for each in passes], "gives_words")
        with m.If(stage.valid & stage.closes):
            m.d.sync += index.eq(Mux(stage.last & stage.ends, 0, index + 1))
            with m.If(stage.last & stage.ends):
                m.d.sync += pixel.eq(Mux(stage.final, 0, pixel + wide))
        m.d.sync += [
            self.word.eq(word),
            self.write.eq(stage.valid & stage.closes & ~last_layer),
            self.emits.eq(stage.valid & last_layer),
            self.ended.eq(stage.valid & last_layer & stage.last & stage.ends),
            self.place.eq(base + pixel + (index >> bits)),
            self.slot.eq(index[:bits]),
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
        words = engine.scans[0].pixel_words(engine.inputs)
        channel, pixel = Signal(range(max(2, channels))), Signal(range(max(2, height * width)))
        place = Signal(range(max(2, engine.depth + words)))
        of_channel = pixel == height * width - 1
        m.d.comb += last.eq(of_channel & (channel == channels - 1))
        with m.If(taken):
            m.d.sync += [pixel.eq(Mux(of_channel, 0, pixel + 1)), place.eq(place + words)]
            with m.If(of_channel):
                m.d.sync += [channel.eq(Mux(last, 0, channel + 1)), place.eq(Mux(last, 0, (channel + 1) >> bits))]
        with m.Elif(self.clear):
            m.d.sync += [pixel.eq(0), channel.eq(0), place.eq(0)]
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
