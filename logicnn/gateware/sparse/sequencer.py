"""What the convolution engine does in which cycle: layers, groups of outputs, channels, positions
(`logicnn.engines.sparse`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.engines.sparse.contents import contents_of
from logicnn.engines.sparse.plan import DEPTH, Layer, Plan
from logicnn.engines.sparse.scan import Move
from logicnn.gateware.choice import by_layer
from logicnn.gateware.sparse.beats import Beat
from logicnn.gateware.sparse.window import Place

__all__ = ["Sequencer"]


@dataclass(frozen=True)
class _Counters:
    """Where the sequencer is: in a layer's passes, steps and words, and how long it still waits."""

    running: Signal
    fresh: Signal  # the layer has not begun
    wait: Signal
    channel: Signal
    group: Signal
    step: Signal
    lead: Signal
    words: Signal  # of this pass, so far
    begins: Signal  # the current position is its block's first

    @classmethod
    def of(cls, layers: Sequence[Layer]) -> "_Counters":
        longest = max(each.hold for each in layers) + max(DEPTH + each.group for each in layers)
        return cls(
            running=Signal(name="running"),
            fresh=Signal(name="fresh"),
            wait=Signal(range(longest + 1), name="wait"),
            channel=Signal(range(max(each.channels for each in layers)), name="channel"),
            group=Signal(range(max(each.groups for each in layers)), name="group"),
            step=Signal(range(max(each.steps for each in layers)), name="step"),
            lead=Signal(range(max(each.lead for each in layers)), name="lead"),
            words=Signal(range(max(each.words for each in layers) + 1), name="words"),
            begins=Signal(init=1, name="begins"),
        )


class Sequencer(wiring.Component):
    """After `start` a beat a cycle, with the place from which its row or column of words is read; `done` in the last
    cycle of all.

    `begin` in the cycle before the first beat of a layer, and the first of `layer`, which changes when all outputs of
    the layer before are written. Beat and place are registered: a cycle after what they say was decided.
    """

    def __init__(self, plan: Plan):
        self._plan = plan
        super().__init__(
            {
                "start": In(1),
                "begin": Out(1),
                "layer": Out(range(len(plan.layers))),
                "beat": Out(Beat(plan)),
                "place": Out(Place(plan)),
                "done": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layers, side = self._plan.layers, self._plan.side
        count = _Counters.of(layers)
        self._begin_layers(m, count)
        dense = self._of(m, "dense", [int(each.dense) for each in layers])
        last_step, last_channel = Signal(), Signal()
        active, compute, word, ends = Signal(), Signal(), Signal(), Signal()
        pass_ends, layer_ends = Signal(), Signal()
        words = self._of(m, "words", [each.words for each in layers])
        m.d.comb += [
            active.eq(count.running & (count.wait == 0)),
            compute.eq(count.lead == 0),
            word.eq(Mux(dense, compute, count.words != words)),
            last_step.eq(count.step == self._of(m, "steps", [each.steps - 1 for each in layers])),
            last_channel.eq(count.channel == self._of(m, "channels", [each.channels - 1 for each in layers])),
            pass_ends.eq(active & compute & last_step),
            layer_ends.eq(
                pass_ends & last_channel & (count.group == self._of(m, "groups", [each.groups - 1 for each in layers]))
            ),
            self.begin.eq(count.running & count.fresh & (count.wait == 1)),
        ]
        scanned = self._scanned(m, active & compute, pass_ends | self.begin)
        move, read = Signal(2), Signal()
        m.d.comb += [
            ends.eq(dense | (scanned[2:] != 0)),
            move.eq(Mux(dense, Move.DOWN, Mux(compute, scanned[:2], Move.RIGHT))),
            read.eq(Mux(compute, ~dense | (count.step == 0), count.lead < side)),
        ]
        place = self._place(m, move, active & read, pass_ends, last_channel)
        with m.If(self.begin | pass_ends):
            lead = self._of(m, "lead", [each.lead - 1 for each in layers])
            m.d.sync += [count.step.eq(0), count.words.eq(0), count.lead.eq(lead), count.begins.eq(1)]
        with m.Elif(active):
            m.d.sync += count.words.eq(count.words + (word & ~dense))
            with m.If(compute):
                m.d.sync += [count.step.eq(count.step + 1), count.begins.eq(ends)]
            with m.Else():
                m.d.sync += count.lead.eq(count.lead - 1)
        self._count_passes(m, count, pass_ends, last_channel)
        self._waits(m, count, active & compute & ends & last_channel, layer_ends)
        m.d.sync += [
            self.place.eq(place),
            self.beat.read.eq(active & read),
            self.beat.move.eq(move),
            self.beat.word.eq(active & word),
            self.beat.number.eq(Mux(dense, 0, count.words)),
            self.beat.compute.eq(active & compute),
            self.beat.first.eq(count.channel == 0),
            self.beat.last.eq(last_channel),
            self.beat.starts.eq(count.step == 0),
            self.beat.begins.eq(count.begins),
            self.beat.ends.eq(ends),
            self.beat.leave.eq(scanned[2:] - 1),
            self.beat.group.eq(dense | last_step),
        ]
        return m

    def _of(self, m: Module, name: str, values: Sequence[int]) -> Value:
        """The current layer's of a constant."""
        return by_layer(m, self.layer, values, f"of_{name}")

    def _begin_layers(self, m: Module, count: "_Counters") -> None:
        """The first layer after `start`, each other one in the last of the cycles that its predecessor waits for its
        outputs.
        """
        with m.If(self.start):
            m.d.sync += [count.running.eq(1), count.fresh.eq(1), count.wait.eq(1), self.layer.eq(0)]
        with m.Elif(count.running & (count.wait != 0)):
            m.d.sync += count.wait.eq(count.wait - 1)
            with m.If((count.wait == 2) & count.fresh):
                m.d.sync += self.layer.eq(self.layer + 1)
            with m.If((count.wait == 1) & count.fresh):
                m.d.sync += count.fresh.eq(0)

    def _count_passes(self, m: Module, count: "_Counters", pass_ends: Value, last_channel: Value) -> None:
        with m.If(self.begin):
            m.d.sync += [count.channel.eq(0), count.group.eq(0)]
        with m.Elif(pass_ends):
            m.d.sync += count.channel.eq(Mux(last_channel, 0, count.channel + 1))
            with m.If(last_channel):
                m.d.sync += count.group.eq(count.group + 1)

    def _waits(self, m: Module, count: "_Counters", block: Value, layer_ends: Value) -> None:
        """After a block of finished sums for its outputs to be written, after a layer for all of them to be in
        memory.
        """
        layers = self._plan.layers
        hold = self._of(m, "hold", [each.hold for each in layers])
        finished = Signal()
        m.d.comb += self.done.eq(finished & (count.wait == 1))
        with m.If(self.start):
            m.d.sync += finished.eq(0)
        with m.Elif(layer_ends):
            m.d.sync += count.wait.eq(hold + self._of(m, "depth", [DEPTH + each.group for each in layers]))
            with m.If(self.layer == len(layers) - 1):
                m.d.sync += finished.eq(1)
            with m.Else():
                m.d.sync += count.fresh.eq(1)
        with m.Elif(block):
            m.d.sync += count.wait.eq(hold)
        with m.If(self.done):
            m.d.sync += [count.running.eq(0), finished.eq(0)]

    def _scanned(self, m: Module, goes: Value, starts: Value) -> Value:
        """The entry of the scan orders' memory for the current position."""
        contents = contents_of(self._plan)
        moves = contents.moves
        m.submodules.scan = memory = Memory(
            shape=contents.move_bits, depth=len(moves), init=list(moves), attrs={"ram_style": "block"}
        )
        port = memory.read_port()
        at, following = Signal(range(len(moves) + 1)), Signal(range(len(moves) + 1))
        with m.If(starts):
            m.d.comb += following.eq(self._of(m, "scan", contents.starts))
        with m.Else():
            m.d.comb += following.eq(at + goes)
        m.d.sync += at.eq(following)
        m.d.comb += [port.addr.eq(following), port.en.eq(1)]
        return port.data

    def _place(self, m: Module, move: Value, moves: Value, pass_ends: Value, last_channel: Value):
        """Where the segment of the current move begins: past the window on the side to which it goes."""
        layers, side = self._plan.layers, self._plan.side
        layout = Place(self._plan)
        origin, base = (
            Signal(layout),
            Signal(range(self._plan.depth)),
        )  # of the window; of its channel, in words of a bank
        pitches = [side if each.dense else each.given.pitch for each in layers]
        rows = [each for pitch in pitches for each in (1, -1, pitch, -pitch)]  # by layer and `Move`
        ahead = [each for pitch in pitches for each in (side, -1, side * pitch, -pitch)]
        by = Signal(range(len(rows)), name="by")
        m.d.comb += by.eq(Cat(move, self.layer))
        moved = layout.moved(m, origin, rows, by, "moved")
        place = layout.moved(m, origin, ahead, by, "ahead")
        steps = [side if each.dense else each.given.stride // side for each in layers]
        backs = [
            side if each.dense else 1 for each in layers
        ]  # a pass begins one window or one column before its first
        following = Signal(range(self._plan.depth))
        start = by_layer(m, self.layer, [each.given.base for each in layers], "of_base")
        m.d.comb += following.eq(
            Mux(self.begin | last_channel, start, base + by_layer(m, self.layer, steps, "of_channel"))
        )
        with m.If(self.begin | pass_ends):
            m.d.sync += [
                base.eq(following),
                origin.at.eq(following - by_layer(m, self.layer, backs, "of_back")),
                origin.bank.eq(0),
            ]
        with m.Elif(moves):
            m.d.sync += origin.eq(moved)
        return place
