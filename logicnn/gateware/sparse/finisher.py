"""From finished sums to the next layer's words, or to a class: pooling, bias, shift, clip, one output a cycle
(`logicnn.engines.sparse`).
"""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.engines.sparse.contents import contents_of
from logicnn.engines.sparse.plan import Plan
from logicnn.gateware.choice import by_layer
from logicnn.gateware.sparse.beats import Beat
from logicnn.gateware.sparse.window import Place
from logicnn.gateware.wires import clipped, word_shape
from logicnn.network import Interval

__all__ = ["Best", "Finisher", "Writer"]


class Writer(wiring.Component):
    """Where the words of a layer's outputs go. `next`: one is written at `place`, `ends`: it was the last of a block.

    Blocks of a group follow the scan order, `leave` after each; after `group`, the last one, the next outputs' first
    block begins.
    """

    def __init__(self, plan: Plan):
        self._plan = plan
        super().__init__(
            {
                "begin": In(1),
                "layer": In(range(len(plan.layers))),
                "next": In(1),
                "ends": In(1),
                "leave": In(2),
                "group": In(1),
                "place": Out(Place(plan)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        layers = self._plan.layers
        layout = Place(self._plan)
        maps = [each.gives or each.given for each in layers]  # of the engine's outputs nothing is written
        group, block = Signal(layout), Signal(layout)  # the first output of a group and of a block of its positions
        place = layout.moved(
            m,
            self.place,
            [each.stride * layer.apart for each, layer in zip(maps, layers, strict=True)],
            self.layer,
            "next_place",
        )
        onward = [each.stride * layer.onward for each, layer in zip(maps, layers, strict=True)]
        following = layout.moved(m, group, onward, self.layer, "next_group")
        steps = [step for each in maps for step in (1, -1, each.pitch, 0)]
        by, begins = Signal(range(len(steps))), Signal(layout)
        m.d.comb += by.eq(Cat(self.leave, self.layer))
        moved = layout.moved(m, block, steps, by, "next_block")
        start = by_layer(m, self.layer, [each.base for each in maps], "start")
        with m.If(self.begin):
            m.d.comb += begins.at.eq(start)
        with m.Else():
            m.d.comb += begins.eq(Mux(self.group, following, moved))
        with m.If(self.begin | self.ends):
            m.d.sync += [self.place.eq(begins), block.eq(begins)]
            with m.If(self.begin | self.group):
                m.d.sync += group.eq(begins)
        with m.Elif(self.next):
            m.d.sync += self.place.eq(place)
        return m


class Best(wiring.Component):
    """The number of the greatest of the values that come with `valid`, counted from `clear`; the first of equal ones.
    Latency 1 cycle.
    """

    def __init__(self, value: Shape, count: int):
        self._value, self._count = value, count
        super().__init__({"clear": In(1), "valid": In(1), "value": In(value), "o": Out(range(max(2, count)))})

    def elaborate(self, platform):
        m = Module()
        best, number = Signal(self._value), Signal(range(self._count + 1))
        with m.If(self.clear):
            m.d.sync += number.eq(0)
        with m.Elif(self.valid):
            m.d.sync += number.eq(number + 1)
            with m.If((number == 0) | (self.value > best)):
                m.d.sync += [best.eq(self.value), self.o.eq(number)]
        return m


class Finisher(wiring.Component):
    """Takes finished sums with their `beat`: the greatest of a pooled block, plus bias, shifted and clipped, lane by
    lane.

    A block's first output is at `write` four cycles after its last sums, each further one a cycle later; blocks are as
    far apart as their layer has outputs at once. The last layer's outputs are the engine's: `best` is the greatest of
    them, and where there is no Argmax they come one by one in order, `output` with `emits`. `missing` lanes of a group
    have no outputs.
    """

    def __init__(self, plan: Plan):
        self._plan = plan
        self._contents = contents_of(plan)
        self._total = word_shape(
            Interval(
                plan.total.low + min(0, self._contents.bias.low), plan.total.high + max(0, self._contents.bias.high)
            )
        )
        super().__init__(
            {
                "restart": In(1),
                "begin": In(1),
                "layer": In(range(len(plan.layers))),
                "beat": In(Beat(plan)),
                "sums": In(data.ArrayLayout(word_shape(plan.total), plan.tile.lanes)),
                "missing": In(plan.fields.missing_bits),
                "write": Out(1),
                "place": Out(Place(plan)),
                "word": Out(8),
                "best": Out(range(max(2, len(plan.layers[-1].kernels)))),
                "emits": Out(1),
                "output": Out(word_shape(plan.network.activations[plan.stop].interval)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        plan, layers, lanes = self._plan, self._plan.layers, self._plan.tile.lanes
        beat = self.beat
        pooled = self._pooled(m)
        waiting = Signal(self.sums.shape())  # of the block that is written
        left, present = Signal(range(lanes + 1)), Signal(range(lanes + 1))
        block = Signal(data.StructLayout({"leave": 2, "group": 1}))
        with m.If(beat.compute & beat.last & beat.ends):
            size = by_layer(m, self.layer, [each.group for each in layers], "size")
            m.d.sync += [waiting.eq(pooled), left.eq(size), present.eq(size - self.missing)]
            m.d.sync += [block.leave.eq(beat.leave), block.group.eq(beat.group)]
        with m.Elif(left != 0):
            m.d.sync += [left.eq(left - 1), present.eq(Mux(present == 0, 0, present - 1))]
            m.d.sync += [waiting[lane].eq(waiting[lane + 1]) for lane in range(lanes - 1)]
        m.submodules.writer = writer = Writer(plan)
        outputs = by_layer(m, self.layer, [int(each.gives is None) for each in layers], "outputs")
        valid = Signal()
        m.d.comb += [
            valid.eq((left != 0) & (present != 0)),
            writer.begin.eq(self.begin),
            writer.layer.eq(self.layer),
            writer.next.eq(valid),
            writer.ends.eq(left == 1),
            writer.leave.eq(block.leave),
            writer.group.eq(block.group),
        ]
        bias, shift = self._constants(m, valid, left == 1, block.group)
        self._finished(m, waiting[0] + bias, shift, valid, outputs, writer.place)
        return m

    def _pooled(self, m: Module):
        """The greatest sums of the block so far, with those that come."""
        if all(each.pool == 1 for each in self._plan.layers):
            return self.sums
        greatest, pooled = Signal(self.sums.shape()), Signal(self.sums.shape())
        for lane in range(self._plan.tile.lanes):
            greater = Signal(name=f"greater{lane}")
            m.d.comb += [
                greater.eq(self.beat.begins | (self.sums[lane] > greatest[lane])),
                pooled[lane].eq(Mux(greater, self.sums[lane], greatest[lane])),
            ]
        with m.If(self.beat.compute & self.beat.last):
            m.d.sync += greatest.eq(pooled)
        return pooled

    def _constants(self, m: Module, valid: Value, ends: Value, group: Value):
        """Bias and shift of the current output, in the order of the network's outputs, again for every block of a
        group.
        """
        biases, shifts = self._contents.biases, self._contents.shifts
        row, base, following = (Signal(range(len(biases) + 1), name=name) for name in ("row", "base_row", "next_row"))
        after = Signal.like(row)
        m.d.comb += [after.eq(row + valid), following.eq(after)]
        with m.If(self.restart):
            m.d.comb += following.eq(0)
            m.d.sync += base.eq(0)
        with m.Elif(ends):
            m.d.comb += following.eq(Mux(group, after, base))
            with m.If(group):
                m.d.sync += base.eq(after)
        m.d.sync += row.eq(following)
        read = []
        for name, shape, values in (
            ("biases", word_shape(self._contents.bias), biases),
            ("shifts", Shape.cast(range(max(shifts) + 1)), shifts),
        ):
            m.submodules[name] = memory = Memory(
                shape=shape, depth=len(values), init=values, attrs={"ram_style": "block"}
            )
            port = memory.read_port()
            m.d.comb += [port.addr.eq(following), port.en.eq(1)]
            read.append(port.data)
        return read

    def _finished(self, m: Module, total, shift, valid: Value, outputs: Value, place) -> None:
        """Three cycles: summed; shifted; clipped and written, or given out."""
        b_total, b_valid, b_place, b_shift = Signal(self._total), Signal(), Signal.like(place), Signal.like(shift)
        s_total, s_valid, s_place, s_emits = Signal(self._total), Signal(), Signal.like(place), Signal()
        m.d.sync += [b_total.eq(total), b_valid.eq(valid), b_place.eq(place), b_shift.eq(shift)]
        m.d.sync += [
            s_total.eq((b_total >> self._contents.least_shift) >> b_shift),
            s_valid.eq(b_valid & ~outputs),
            s_emits.eq(b_valid & outputs),
            s_place.eq(b_place),
        ]
        most = by_layer(m, self.layer, [each.high or 255 for each in self._plan.layers], "most")
        m.d.sync += [
            self.word.eq(clipped(s_total, most)),
            self.write.eq(s_valid),
            self.place.eq(s_place),
        ]
        last = self._plan.layers[-1]
        m.submodules.best = best = Best(self._total, len(last.kernels))
        m.d.comb += [
            best.clear.eq(self.restart),
            best.valid.eq(b_valid & outputs),
            best.value.eq(b_total),
            self.best.eq(best.o),
        ]
        if last.high:  # as wide as a word
            emits = Signal()
            m.d.sync += emits.eq(s_emits)
            m.d.comb += [self.emits.eq(emits), self.output.eq(self.word)]
        else:
            m.d.comb += [self.emits.eq(b_valid & outputs), self.output.eq(b_total)]
