"""The convolution engine: a network of pruned kernels on sparse processing engines, layer after layer (`logicnn.sparse`)."""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from logicnn.gateware.beats import delayed
from logicnn.gateware.finisher import Finisher
from logicnn.gateware.lanes import Accumulators, Lanes
from logicnn.gateware.layers import port_shape
from logicnn.gateware.sequencer import Sequencer
from logicnn.gateware.weights import WeightMemory
from logicnn.gateware.window import BankedMaps, Place, Window
from logicnn.sparse import Plan
from logicnn.walks import Move

__all__ = ["ConvolutionEngine", "Intake"]


class Intake(wiring.Component):
    """Where the words of an input go, which come in C order: `place` of the current one, `last` with the last. `clear` begins anew."""

    def __init__(self, plan: Plan):
        self._plan = plan
        super().__init__({"next": In(1), "clear": In(1), "place": Out(Place(plan)), "last": Out(1)})

    def elaborate(self, platform):
        m = Module()
        given, shape = self._plan.layers[0].given, self._plan.network.input.shape
        channels, rows, columns = shape if len(shape) == 3 and not self._plan.layers[0].dense else (1, 1, self._plan.network.input.size)
        channel, row, column = (Signal(range(max(2, size)), name=name) for size, name in ((channels, "c"), (rows, "y"), (columns, "x")))
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
    """Words of an input one a transfer on `i`, in C order; the class on `o`. `clear` drops what has come of an unfinished input.

    `latency` cycles from the transfer of the last word to `o.valid`; the next input may come after the transfer on `o`. With `loaded` the
    weights come over `load` first (`WeightMemory`), in a time in which no input may.
    """

    def __init__(self, plan: Plan, *, loaded: bool = False):
        self._plan = plan
        self._weights = WeightMemory(plan, loaded)
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "clear": In(1),
                "load": In(stream.Signature(self._weights.load_layout, always_ready=True)),
                "o": Out(stream.Signature(port_shape(plan.network.output))),
            }
        )

    @property
    def latency(self) -> int:
        return self._plan.latency

    @property
    def exported(self) -> list[Value]:
        """The ports of an engine whose weights are there from the start."""
        ports = self.i.payload, self.i.valid, self.i.ready, self.clear, self.o.payload, self.o.valid, self.o.ready
        return [Value.cast(each) for each in ports]

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
        wiring.connect(m, wiring.flipped(self.load), weights.load)
        busy, taken, start = Signal(), Signal(), Signal()
        self._streams(m, sequencer, intake, finisher, busy, taken, start)
        address = Signal(range(len(plan.words)))
        with m.If(start):
            m.d.sync += address.eq(0)
        with m.Elif(sequencer.beat.word):
            m.d.sync += address.eq(address + 1)
        # Of a beat: 0 cycles, its place and word are asked for; 1, the word is there; 3, the window; 6, the sums; 7, those of all channels.
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

    def _streams(self, m: Module, sequencer: Sequencer, intake: Intake, finisher: Finisher, busy, taken, start) -> None:
        """A word is taken while nothing is classified; the last one starts; the class waits until it is taken."""
        m.d.comb += [
            self.i.ready.eq(~busy),
            taken.eq(self.i.valid & self.i.ready),
            intake.next.eq(taken),
            intake.clear.eq(self.clear & ~taken),
            start.eq(taken & intake.last),
            sequencer.start.eq(start),
            self.o.payload.eq(finisher.best),
        ]
        with m.If(start):
            m.d.sync += busy.eq(1)
        with m.If(sequencer.done):
            m.d.sync += self.o.valid.eq(1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [self.o.valid.eq(0), busy.eq(0)]
