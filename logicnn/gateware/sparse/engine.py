"""The convolution engine: a network of pruned kernels on sparse processing engines, layer after layer
(`logicnn.engines.sparse`).
"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from logicnn.engines.sparse import Sparse
from logicnn.engines.sparse.contents import contents_of
from logicnn.engines.sparse.plan import Plan
from logicnn.engines.sparse.scan import Move
from logicnn.gateware.engine import streamed
from logicnn.gateware.sparse.beats import delayed
from logicnn.gateware.sparse.finisher import Finisher
from logicnn.gateware.sparse.lanes import Accumulators, Lanes
from logicnn.gateware.sparse.sequencer import Sequencer
from logicnn.gateware.sparse.weights import WeightMemory
from logicnn.gateware.sparse.window import BankedMaps, Place, Window
from logicnn.gateware.wires import port_shape, word_shape

__all__ = ["ConvolutionEngine", "Intake"]


class Intake(wiring.Component):
    """Where the words of an input go, which come in C order: `place` of the current one, `last` with the last. `clear`
    begins anew.
    """

    def __init__(self, plan: Plan):
        self._plan = plan
        super().__init__({"next": In(1), "clear": In(1), "place": Out(Place(plan)), "last": Out(1)})

    def elaborate(self, platform):
        m = Module()
        given, shape = self._plan.layers[0].given, self._plan.network.input.shape
        channels, rows, columns = (
            shape if len(shape) == 3 and not self._plan.layers[0].dense else (1, 1, self._plan.network.input.size)
        )
        channel, row, column = (
            Signal(range(max(2, size)), name=name) for size, name in ((channels, "c"), (rows, "y"), (columns, "x"))
        )
        row_ends, map_ends = Signal(), Signal()
        layout = Place(self._plan)
        down = given.pitch - columns + 1
        back = given.stride - (rows - 1) * given.pitch - columns + 1
        place = layout.moved(m, self.place, [1, down, back], row_ends + map_ends, "following")
        m.d.comb += [
            row_ends.eq(column == columns - 1),
            map_ends.eq(row_ends & (row == rows - 1)),
            self.last.eq(map_ends & (channel == channels - 1)),
        ]
        with m.If(self.clear | (self.next & self.last)):
            start = layout.constant(given.base * self._plan.side)
            m.d.sync += [self.place.eq(start), channel.eq(0), row.eq(0), column.eq(0)]
        with m.Elif(self.next):
            m.d.sync += [
                self.place.eq(place),
                column.eq(Mux(row_ends, 0, column + 1)),
                row.eq(Mux(map_ends, 0, row + row_ends)),
                channel.eq(channel + map_ends),
            ]
        return m


class ConvolutionEngine(wiring.Component):
    """Words of an input one a transfer on `i`, in C order; the class, or all outputs at once, on `o`. `clear` drops an
    unfinished input.

    `latency` cycles from the transfer of the last word to `o.valid`; the next input may come after the transfer on `o`.
    With `loaded` the weights come over `load` first (`WeightMemory`), in a time in which no input may.
    """

    def __init__(self, plan: Plan, *, loaded: bool = False):
        self._plan, self._loaded = plan, loaded
        self._weights = WeightMemory(contents_of(plan).words, plan.tile.word_bits, loaded)
        self._gives = plan.network.activations[plan.stop]
        ports = {
            "i": In(stream.Signature(word_shape(plan.network.input.interval))),
            "clear": In(1),
            "o": Out(stream.Signature(port_shape(self._gives))),
        }
        if loaded:
            ports["load"] = In(self._weights.load.signature.flip())
        super().__init__(ports)

    @property
    def latency(self) -> int:
        return self._plan.latency

    @property
    def interval(self) -> int:
        """Cycles from an input's first word to that of the next, where neither stream waits."""
        return self._plan.interval

    def elaborate(self, platform):
        m = Module()
        plan = self._plan
        m.submodules.sequencer = sequencer = Sequencer(plan)
        m.submodules.intake = intake = Intake(plan)
        m.submodules.maps = maps = BankedMaps(plan)
        m.submodules.window = window = Window(plan.side)
        m.submodules.weights = weights = self._weights
        m.submodules.lanes = lanes = Lanes(plan)
        m.submodules.accumulators = accumulators = Accumulators(plan, lanes.sum_shape)
        m.submodules.finisher = finisher = Finisher(plan)
        if self._loaded:
            wiring.connect(m, wiring.flipped(self.load), weights.load)
        busy, taken, start = Signal(), Signal(), Signal()
        m.d.comb += [
            intake.next.eq(taken),
            intake.clear.eq(self.clear & ~taken),
            start.eq(taken & intake.last),
            sequencer.start.eq(start),
        ]
        self._streams(m, sequencer.done, busy, taken, start)
        self._outputs(m, finisher)
        address = Signal(range(len(contents_of(plan).words)))
        with m.If(start):
            m.d.sync += address.eq(0)
        with m.Elif(sequencer.beat.word):
            m.d.sync += address.eq(address + 1)
        # Of a beat: 0 cycles, its place and word are asked for; 1, the word is there; 3, the window; 6, the sums; 7,
        # those of all channels.
        beats = delayed(m, sequencer.beat, 7, "beat")
        missing = delayed(m, lanes.missing, 5, "missing")
        m.d.comb += [
            maps.layer.eq(sequencer.layer),
            maps.place.eq(sequencer.place),
            maps.column.eq((beats[0].move == Move.RIGHT) | (beats[0].move == Move.LEFT)),
            weights.read.eq(beats[0].word),
            weights.address.eq(address),
            window.segment.eq(maps.segment),
            window.shift.eq(beats[2].read),
            window.move.eq(beats[2].move),
            lanes.restart.eq(start),
            lanes.layer.eq(sequencer.layer),
            lanes.beat.eq(beats[0]),
            lanes.word.eq(weights.word),
            lanes.window.eq(window.o),
            accumulators.layer.eq(sequencer.layer),
            accumulators.beat.eq(beats[5]),
            accumulators.sums.eq(lanes.sums),
            finisher.restart.eq(start),
            finisher.begin.eq(sequencer.begin),
            finisher.layer.eq(sequencer.layer),
            finisher.beat.eq(beats[7]),
            finisher.sums.eq(accumulators.o),
            finisher.missing.eq(missing[5]),
            maps.write.eq(Mux(busy, finisher.write, taken)),
            maps.write_place.eq(Mux(busy, finisher.place, intake.place)),
            maps.write_word.eq(Mux(busy, finisher.word, self.i.payload)),
        ]
        return m

    def _streams(self, m: Module, done: Value, busy: Signal, taken: Signal, start: Signal) -> None:
        """A word is taken while nothing is computed; the last one starts; the output waits until it is taken."""
        m.d.comb += [self.i.ready.eq(~busy), taken.eq(self.i.valid & self.i.ready)]
        with m.If(start):
            m.d.sync += busy.eq(1)
        with m.If(done):
            m.d.sync += self.o.valid.eq(1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [self.o.valid.eq(0), busy.eq(0)]

    def _outputs(self, m: Module, finisher: Finisher) -> None:
        """The class, or all outputs: they come in order, and shift to their places."""
        if self._plan.decides:
            m.d.comb += self.o.payload.eq(finisher.best)
            return
        payload = Value.cast(self.o.payload)
        width = self._gives.interval.word
        held = Signal(len(payload), reset_less=True)
        m.d.comb += payload.eq(held)
        with m.If(finisher.emits):
            m.d.sync += held.eq(Cat(held[width:], finisher.output[:width]))


@streamed.register
def _(engine: Sparse, loaded: bool) -> wiring.Component:
    return ConvolutionEngine(engine.plan, loaded=loaded)
