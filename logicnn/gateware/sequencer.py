"""What the convolution engine does in which cycle: layers, groups of outputs, channels, positions (`logicnn.sparse`)."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.gateware.beats import Beat
from logicnn.gateware.choice import by_layer
from logicnn.gateware.window import Place
from logicnn.sparse import DEPTH, Plan
from logicnn.walks import Move

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """After `start` a beat a cycle, with the place from which its row or column of words is read; `done` in the last cycle of all.

    `begin` in the cycle before the first beat of a layer, and the first of `layer`, which changes when all outputs of the layer before are
    written. Beat and place are registered: a cycle after what they say was decided.
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
        waits = [each.hold for each in layers], [DEPTH + each.group for each in layers]
        running, fresh = Signal(), Signal()  # fresh: the layer has not begun
        wait = Signal(range(max(waits[0]) + max(waits[1]) + 1))
        channel, group = Signal(range(max(each.channels for each in layers))), Signal(range(max(each.groups for each in layers)))
        step, lead = Signal(range(max(each.steps for each in layers))), Signal(range(max(each.lead for each in layers)))
        words = Signal(range(max(each.words for each in layers) + 1))  # of this pass, so far

        def of(name: str, values) -> Value:
            return by_layer(m, self.layer, list(values), f"of_{name}")

        dense = of("dense", (int(each.dense) for each in layers))
        last_step, last_channel = Signal(), Signal()
        active, compute, word, ends = Signal(), Signal(), Signal(), Signal()
        pass_ends, layer_ends = Signal(), Signal()
        m.d.comb += [
            active.eq(running & (wait == 0)),
            compute.eq(lead == 0),
            word.eq(Mux(dense, compute, words != of("words", (each.words for each in layers)))),
            last_step.eq(step == of("steps", (each.steps - 1 for each in layers))),
            last_channel.eq(channel == of("channels", (each.channels - 1 for each in layers))),
            pass_ends.eq(active & compute & last_step),
            layer_ends.eq(pass_ends & last_channel & (group == of("groups", (each.groups - 1 for each in layers)))),
            self.begin.eq(running & fresh & (wait == 1)),
        ]
        walk = self._walk(m, active & compute, pass_ends | self.begin)
        move, read = Signal(2), Signal()
        m.d.comb += [
            ends.eq(dense | (walk[2:] != 0)),
            move.eq(Mux(dense, Move.DOWN, Mux(compute, walk[:2], Move.RIGHT))),
            read.eq(Mux(compute, ~dense | (step == 0), lead < side)),
        ]
        place = self._place(m, move, active & read, pass_ends, last_channel)
        begins = Signal(init=1)
        self._begin_layers(m, running, fresh, wait)
        with m.If(self.begin | pass_ends):
            m.d.sync += [step.eq(0), words.eq(0), lead.eq(of("lead", (each.lead - 1 for each in layers))), begins.eq(1)]
        with m.Elif(active):
            m.d.sync += words.eq(words + (word & ~dense))
            self._count_steps(m, step, lead, begins, compute, ends)
        self._count_passes(m, channel, group, pass_ends, last_channel)
        self._waits(m, wait, active & compute & ends & last_channel, layer_ends, fresh, running, of)
        m.d.sync += [
            self.place.eq(place),
            self.beat.read.eq(active & read),
            self.beat.move.eq(move),
            self.beat.word.eq(active & word),
            self.beat.number.eq(Mux(dense, 0, words)),
            self.beat.compute.eq(active & compute),
            self.beat.first.eq(channel == 0),
            self.beat.last.eq(last_channel),
            self.beat.starts.eq(step == 0),
            self.beat.begins.eq(begins),
            self.beat.ends.eq(ends),
            self.beat.leave.eq(walk[2:] - 1),
            self.beat.group.eq(dense | last_step),
        ]
        return m

    def _count_steps(self, m: Module, step: Signal, lead: Signal, begins: Signal, compute: Signal, ends: Signal) -> None:
        """Positions of a pass, after the cycles that lead to its first one; `begins`: the current one is its block's first."""
        with m.If(compute):
            m.d.sync += [step.eq(step + 1), begins.eq(ends)]
        with m.Else():
            m.d.sync += lead.eq(lead - 1)

    def _begin_layers(self, m: Module, running: Signal, fresh: Signal, wait: Signal) -> None:
        """The first layer after `start`, each other one in the last of the cycles that its predecessor waits for its outputs."""
        with m.If(self.start):
            m.d.sync += [running.eq(1), fresh.eq(1), wait.eq(1), self.layer.eq(0)]
        with m.Elif(running & (wait != 0)):
            m.d.sync += wait.eq(wait - 1)
            with m.If((wait == 2) & fresh):
                m.d.sync += self.layer.eq(self.layer + 1)
            with m.If((wait == 1) & fresh):
                m.d.sync += fresh.eq(0)

    def _count_passes(self, m: Module, channel: Signal, group: Signal, pass_ends: Value, last_channel: Value) -> None:
        with m.If(self.begin):
            m.d.sync += [channel.eq(0), group.eq(0)]
        with m.Elif(pass_ends):
            m.d.sync += channel.eq(Mux(last_channel, 0, channel + 1))
            with m.If(last_channel):
                m.d.sync += group.eq(group + 1)

    def _waits(self, m: Module, wait: Signal, block: Value, layer_ends: Value, fresh: Signal, running: Signal, of) -> None:
        """After a block of finished sums for its outputs to be written, after a layer for all of them to be in memory."""
        layers = self._plan.layers
        hold = of("hold", (each.hold for each in layers))
        finished = Signal()
        m.d.comb += self.done.eq(finished & (wait == 1))
        with m.If(self.start):
            m.d.sync += finished.eq(0)
        with m.Elif(layer_ends):
            m.d.sync += wait.eq(hold + of("depth", (DEPTH + each.group for each in layers)))
            with m.If(self.layer == len(layers) - 1):
                m.d.sync += finished.eq(1)
            with m.Else():
                m.d.sync += fresh.eq(1)
        with m.Elif(block):
            m.d.sync += wait.eq(hold)
        with m.If(self.done):
            m.d.sync += [running.eq(0), finished.eq(0)]

    def _walk(self, m: Module, goes: Value, starts: Value) -> Value:
        """The entry of the walk's memory for the current position."""
        first, moves = self._plan.walks
        m.submodules.walk = memory = Memory(shape=self._plan.walk_bits, depth=len(moves), init=moves.tolist(), attrs={"ram_style": "block"})
        port = memory.read_port()
        at, following = Signal(range(len(moves) + 1)), Signal(range(len(moves) + 1))
        with m.If(starts):
            m.d.comb += following.eq(by_layer(m, self.layer, first, "of_walk"))
        with m.Else():
            m.d.comb += following.eq(at + goes)
        m.d.sync += at.eq(following)
        m.d.comb += [port.addr.eq(following), port.en.eq(1)]
        return port.data

    def _place(self, m: Module, move: Value, moves: Value, pass_ends: Value, last_channel: Value):
        """Where the segment of the current move begins: past the window on the side to which it goes."""
        layers, side = self._plan.layers, self._plan.side
        layout = Place(self._plan)
        origin, base = Signal(layout), Signal(range(self._plan.depth))  # of the window; of its channel, in words of a bank
        pitches = [side if each.dense else each.given.pitch for each in layers]
        rows = [each for pitch in pitches for each in (1, -1, pitch, -pitch)]  # by layer and `Move`
        ahead = [each for pitch in pitches for each in (side, -1, side * pitch, -pitch)]
        by = Signal(range(len(rows)), name="by")
        m.d.comb += by.eq(Cat(move, self.layer))
        moved = layout.moved(m, origin, rows, by, "moved")
        place = layout.moved(m, origin, ahead, by, "ahead")
        steps = [side if each.dense else each.given.stride // side for each in layers]
        backs = [side if each.dense else 1 for each in layers]  # a pass begins one window or one column before its first
        following = Signal(range(self._plan.depth))
        start = by_layer(m, self.layer, [each.given.base for each in layers], "of_base")
        m.d.comb += following.eq(Mux(self.begin | last_channel, start, base + by_layer(m, self.layer, steps, "of_channel")))
        with m.If(self.begin | pass_ends):
            m.d.sync += [base.eq(following), origin.at.eq(following - by_layer(m, self.layer, backs, "of_back")), origin.bank.eq(0)]
        with m.Elif(moves):
            m.d.sync += origin.eq(moved)
        return place
