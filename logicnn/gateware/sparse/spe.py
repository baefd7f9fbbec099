"""The sparse processing engine (SPE) of Yang et al. 2018, section III-A and Fig. 6: inner products of kernels pruned to
patterns.

A pattern selector of `keep` multiplexers takes from a window what the kernel's pattern keeps; `keep` multipliers, a
balanced tree of adders and an accumulator follow, and a requantiser for what is complete. One kernel a clock.
"""

from dataclasses import dataclass

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from logicnn.engines.sparse.selectors import Selection
from logicnn.errors import LogicnnError
from logicnn.gateware.choice import choice
from logicnn.gateware.multipliers import Multipliers
from logicnn.gateware.wires import clipped, word_shape
from logicnn.network import Interval

__all__ = ["EngineRanges", "PatternSelector", "ProcessingEngine", "SparseProcessingEngine"]


class PatternSelector(wiring.Component):
    """`keep` words of a window of `size`, those of the pattern with this `number`. Combinational.

    Every slot's multiplexer has the positions as inputs that some pattern needs there, and its select bits are
    functions of the number.
    """

    def __init__(self, selection: Selection, word: Interval):
        self._selection = selection
        self._shape = word_shape(word)
        super().__init__(
            {
                "window": In(data.ArrayLayout(self._shape, selection.size)),
                "number": In(selection.number_bits),
                "o": Out(data.ArrayLayout(self._shape, selection.keep)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        for slot, inputs in enumerate(self._selection.inputs):
            select = Signal(range(len(inputs)), name=f"select{slot}")
            with m.Switch(self.number):
                for number, positions in self._selection.numbers.items():
                    with m.Case(number):
                        m.d.comb += select.eq(inputs.index(positions[slot]))
            words = [self.window[position] for position in inputs]
            m.d.comb += self.o[slot].eq(choice(m, words, select, f"slot{slot}", platform))
        return m


@dataclass(frozen=True)
class EngineRanges:
    """Ranges of an engine of sums: of words, weights and complete sums; bits of a requantised result and the most it is
    shifted by.
    """

    word: Interval
    weight: Interval
    total: Interval
    result_bits: int
    most_shift: int

    def __post_init__(self) -> None:
        for name, least in (("result_bits", 1), ("most_shift", 0)):
            if getattr(self, name) < least:
                raise LogicnnError(f"EngineRanges.{name} must be at least {least}, not {getattr(self, name)}")

    def layout(self, words: int, weights: int, number_bits: int = 0) -> data.StructLayout:
        """A beat: words, weights, the number of a pattern where there is one, and what becomes of the sum."""
        return data.StructLayout(
            {
                "words": data.ArrayLayout(word_shape(self.word), words),
                "weights": data.ArrayLayout(word_shape(self.weight), weights),
                **({"number": number_bits} if number_bits else {}),
                "control": data.StructLayout(
                    {"bias": word_shape(self.total), "shift": range(self.most_shift + 1), "first": 1, "last": 1}
                ),
            }
        )

    @property
    def result(self) -> data.StructLayout:
        return data.StructLayout({"total": word_shape(self.total), "result": self.result_bits})


class ProcessingEngine(wiring.Component):
    """The conventional engine: sums of products of `count` words and weights, a beat a kernel, `first` starts a sum and
    `last` ends it.

    `o` has for every `last` beat the complete `total`, begun with `bias`, and ``clip(total >> shift, 0, 2 **
    result_bits - 1)`` as `result` (`bias` holds the rounding of the shift, too). Registers before and after the
    multipliers, which are in DSP blocks where `dsp` and the device has them, after every level of the balanced tree,
    the accumulator and the requantiser. Interval 1 cycle, `latency` cycles from a last beat to its result;
    back-pressure stops everything.
    """

    def __init__(self, count: int, ranges: EngineRanges, *, dsp: bool = True):
        self._count, self._ranges, self._dsp = count, ranges, dsp
        self._levels = (count - 1).bit_length()
        super().__init__(
            {"i": In(stream.Signature(ranges.layout(count, count))), "o": Out(stream.Signature(ranges.result))}
        )

    @property
    def latency(self) -> int:
        return 4 + self._levels

    @property
    def interval(self) -> int:
        return 1

    def elaborate(self, platform):
        m = Module()
        go = Signal()
        m.d.comb += [go.eq(~self.o.valid | self.o.ready), self.i.ready.eq(go)]
        beat = self.i.payload
        m.submodules.multipliers = multipliers = Multipliers(
            [0] * self._count, self._ranges.word, self._ranges.weight, dsp=self._dsp
        )
        m.d.comb += [
            multipliers.enable.eq(go),
            multipliers.take.eq(-1),
            multipliers.words.eq(beat.words),
            multipliers.weights.eq(beat.weights),
        ]
        level = [multipliers.o[place] for place in range(self._count)]
        for number in range(self._levels):
            level = self._added(m, level, go, number)
        control, valid = beat.control, self.i.valid
        for stage in range(2 + self._levels):
            control, valid = self._delayed(m, control, valid, go, stage)
        total, done = Signal(word_shape(self._ranges.total)), Signal()
        shift = Signal.like(control.shift)
        with m.If(go):
            m.d.sync += [done.eq(valid & control.last), shift.eq(control.shift)]
            with m.If(valid):
                m.d.sync += total.eq(Mux(control.first, control.bias, total) + level[0])
            m.d.sync += [
                self.o.valid.eq(done),
                self.o.payload.total.eq(total),
                self.o.payload.result.eq(self._clipped(m, total, shift)),
            ]
        return m

    def _added(self, m: Module, terms: list, go: Signal, number: int) -> list:
        """A level of the tree; an odd term waits for the next one."""
        sums = []
        for place in range(0, len(terms), 2):
            pair = terms[place : place + 2]
            added = Signal(
                (pair[0] + pair[1]).shape() if len(pair) == 2 else pair[0].shape(), name=f"sum{number}_{place // 2}"
            )
            with m.If(go):
                m.d.sync += added.eq(sum(pair[1:], pair[0]))
            sums.append(added)
        return sums

    def _delayed(self, m: Module, control, valid: Value, go: Signal, stage: int) -> tuple:
        later = Signal(control.shape(), name=f"control{stage}")
        held = Signal(name=f"valid{stage}")
        with m.If(go):
            m.d.sync += [later.eq(control), held.eq(valid)]
        return later, held

    def _clipped(self, m: Module, total: Signal, shift: Signal) -> Value:
        shifted, most = Signal(total.shape()), (1 << self._ranges.result_bits) - 1
        m.d.comb += shifted.eq(total >> shift)
        return clipped(shifted, most)


class SparseProcessingEngine(wiring.Component):
    """A pattern selector, registered, before a `ProcessingEngine` of `keep` words: beats carry whole windows and
    patterns' numbers.

    Weights are by slot (`Selection.arranged`). Interval 1 cycle; `latency` is one cycle more than that of the engine
    inside.
    """

    def __init__(self, selection: Selection, ranges: EngineRanges, *, dsp: bool = True):
        self._selection, self._ranges = selection, ranges
        self._engine = ProcessingEngine(selection.keep, ranges, dsp=dsp)
        layout = ranges.layout(selection.size, selection.keep, selection.number_bits)
        super().__init__({"i": In(stream.Signature(layout)), "o": Out(stream.Signature(ranges.result))})

    @property
    def latency(self) -> int:
        return 1 + self._engine.latency

    @property
    def interval(self) -> int:
        return 1

    def elaborate(self, platform):
        m = Module()
        m.submodules.selector = selector = PatternSelector(self._selection, self._ranges.word)
        m.submodules.engine = engine = self._engine
        wiring.connect(m, engine.o, wiring.flipped(self.o))
        beat, go = self.i.payload, Signal()
        m.d.comb += [selector.window.eq(beat.words), selector.number.eq(beat.number)]
        m.d.comb += [go.eq(~engine.i.valid | engine.i.ready), self.i.ready.eq(go)]
        with m.If(go):
            m.d.sync += [
                engine.i.valid.eq(self.i.valid),
                engine.i.payload.words.eq(selector.o),
                engine.i.payload.weights.eq(beat.weights),
                engine.i.payload.control.eq(beat.control),
            ]
        return m
