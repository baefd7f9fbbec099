"""The order in which the reuse engine's tile works off its rows (`logicnn.engines.reused`)."""

from collections.abc import Sequence

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.engines.reused import Reused
from logicnn.engines.rows import Pass
from logicnn.gateware.choice import by_layer

__all__ = ["Rows", "beat_layout"]


def beat_layout(engine: Reused) -> data.StructLayout:
    """A row in the pipeline: the `first` or the `last` of a group at a position, which `opens` or `closes` those of an
    output pixel; the group may be the last one of its pixel (`ends`), that one the last of a row (`turns`) or of its
    layer (`final`).
    """
    flags = "valid", "first", "last", "opens", "closes", "ends", "turns", "final"
    return data.StructLayout({**dict.fromkeys(flags, 1), "layer": range(max(2, len(engine.passes)))})


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
        rest = by_layer(m, layer, [each.rest - 1 for each in passes], "rest")
        corner, opens, closes, turns, final = self._positions(m, layer, passes)
        m.d.comb += [
            beat.valid.eq(runs & (wait == 0) & ~(beat.last & (leave != 0))),
            beat.first.eq(first),
            beat.layer.eq(layer),
            beat.opens.eq(opens),
            beat.closes.eq(closes),
            beat.turns.eq(turns),
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

    def _positions(self, m: Module, layer: Value, passes: Sequence[Pass]) -> tuple[Value, Value, Value, Value, Value]:
        """The first word that the kernel meets, whether it is at the first or the last position of an output pixel, and
        whether that is the last pixel of its row and of all.
        """
        engine, beat = self._engine, self.beat
        scans = [each.scan for each in passes]
        if all(each.positions == 1 for each in scans):
            return C(0), C(1), C(1), C(1), C(1)
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
        return corner, opens, closes, last["column"], final

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
