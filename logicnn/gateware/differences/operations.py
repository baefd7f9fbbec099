"""The order of operations, and what each means: an address, a choice of bits, a step of the lanes."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from logicnn.engines.differences import Differences
from logicnn.engines.differences.program import GROUPS, Mode
from logicnn.gateware.choice import by_layer

__all__ = ["STEP", "Operations", "beat_layout", "select_layout"]

# What is added to a count in each of `GROUPS` of its bits where the lane's bit is 0, and where it is 1
STEP = data.StructLayout({"zero": len(GROUPS), "one": len(GROUPS), "clear": 1})


def select_layout(engine: Differences) -> data.StructLayout:
    """Which bit of the images' word a lane takes: that of its position, or in a dense layer the same as all others,
    or none where a constant is `chosen`.
    """
    return data.StructLayout({"where": engine.fields["where"], "dense": 1, "chosen": 1})


def beat_layout(engine: Differences) -> data.StructLayout:
    """What a kernel's end means: it `emits`, `inverted`, of the `block` of the `layer`; `final`: these are scores,
    `ended` with the last.
    """
    blocks = max(each.blocks for each in engine.passes)
    return data.StructLayout(
        {
            "emits": 1,
            "inverted": 1,
            "final": 1,
            "ended": 1,
            "layer": range(max(2, len(engine.passes))),
            "block": range(max(2, blocks)),
        }
    )


class Operations(wiring.Component):
    """Operations one a cycle from the cycle after `start` on, those of a layer once for each of its blocks, then a wait
    for what it writes. `following` is the next one's number; `word` the current one's.

    `address`, `behind` and `sign`, the row of dense layers' weights, are there a cycle later, `select` two, `step` and
    `beat` three.
    """

    def __init__(self, engine: Differences):
        self._engine = engine
        super().__init__(
            {
                "start": In(1),
                "following": Out(range(len(engine.words))),
                "word": In(engine.op_bits),
                "address": Out(range(engine.depth + 1)),
                "behind": Out(engine.segments),
                "sign": Out(range(len(engine.signs) + 1)),
                "select": Out(select_layout(engine)),
                "step": Out(STEP),
                "beat": Out(beat_layout(engine)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        passes = self._engine.passes
        counts = [len(each.ops) for each in passes]
        firsts = [sum(counts[:number]) for number in range(len(counts))]
        runs, at = Signal(), Signal.like(self.following)
        layer, block = Signal(range(max(2, len(passes)))), Signal(range(max(2, *(each.blocks for each in passes))))
        wait = Signal(range(max(each.wait for each in passes) + 1))
        going = Signal()
        ends = at == by_layer(
            m, layer, [first + count - 1 for first, count in zip(firsts, counts, strict=True)], "last"
        )
        final = block == by_layer(m, layer, [each.blocks - 1 for each in passes], "last_block")
        over = layer == len(passes) - 1
        again = by_layer(m, layer, firsts, "first")
        m.d.comb += [going.eq(runs & (wait == 0)), self.following.eq(at)]
        with m.If(going):
            m.d.comb += self.following.eq(Mux(ends, Mux(final, Mux(over, 0, at + 1), again), at + 1))
        m.d.sync += at.eq(self.following)
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.If(going & ends):
            m.d.sync += block.eq(Mux(final, 0, block + 1))
            with m.If(final):
                m.d.sync += [
                    layer.eq(Mux(over, 0, layer + 1)),
                    wait.eq(by_layer(m, layer, [each.wait for each in passes], "wait")),
                    runs.eq(~over),
                ]
        with m.If(self.start):
            m.d.sync += [runs.eq(1), wait.eq(0)]
        self._decoded(m, going, layer, block, ends & final & over)
        return m

    def _decoded(self, m: Module, going: Value, layer: Value, block: Value, ended: Value) -> None:
        engine, passes, fields = self._engine, self._engine.passes, self._engine.fields
        mode, rest = self.word[:2], self.word[2:]
        negative, where = rest[0], rest[1 : 1 + fields["where"]]
        address = rest[1 + fields["where"] : 1 + fields["where"] + fields["address"]]
        dense = by_layer(m, layer, [int(each.dense) for each in passes], "dense")
        constant = mode == Mode.CONSTANT
        chosen = constant & rest[3]
        sign = Signal.like(self.sign)
        with m.If(self.start):
            m.d.sync += sign.eq(0)
        with m.Elif(going & dense & (chosen | ~constant)):
            m.d.sync += sign.eq(sign + 1)
        m.d.sync += self.sign.eq(sign)
        # First cycle: what is read
        step, beat, select = Signal(STEP), Signal(beat_layout(engine)), Signal(select_layout(engine))
        m.d.sync += [
            self.address.eq(address + Mux(dense, 0, block)),
            select.where.eq(where),
            select.dense.eq(dense),
            select.chosen.eq(chosen),
        ]
        rotation = Signal(range(max(2, engine.segments)))
        m.d.comb += rotation.eq(Mux(dense, 0, where[: (engine.segments - 1).bit_length()]))
        m.d.sync += self.behind.eq(Cat(rotation > segment for segment in range(engine.segments)))
        # Where the bit agrees (it is 1, or 0 where `negative`), and where it does not
        agrees, differs = Signal(len(GROUPS)), Signal(len(GROUPS))
        minus = -1  # all groups
        with m.Switch(mode):
            with m.Case(Mode.CONSTANT):
                m.d.comb += [agrees.eq(rest[4:]), differs.eq(Mux(chosen, 0, rest[4:]))]
            with m.Case(Mode.ADD):
                m.d.comb += [agrees.eq(1), differs.eq(0)]
            with m.Case(Mode.FLIP):
                m.d.comb += [agrees.eq(1), differs.eq(minus)]
            with m.Case(Mode.DROP):
                m.d.comb += [agrees.eq(minus), differs.eq(0)]
        turned = negative & ~constant
        m.d.sync += [
            step.one.eq(Mux(going, Mux(turned, differs, agrees), 0)),
            step.zero.eq(Mux(going, Mux(turned, agrees, differs), 0)),
            step.clear.eq(going & constant & rest[2]),
            beat.emits.eq(going & constant & rest[0]),
            beat.inverted.eq(rest[1]),
            beat.final.eq(layer == len(passes) - 1),
            beat.ended.eq(going & ended),
            beat.layer.eq(layer),
            beat.block.eq(block),
        ]
        for name, signal, out, cycles in (
            ("select", select, self.select, 1),
            ("step", step, self.step, 2),
            ("beat", beat, self.beat, 2),
        ):
            for cycle in range(cycles):
                later = Signal.like(signal, name=f"{name}{cycle}")
                m.d.sync += later.eq(signal)
                signal = later
            m.d.comb += out.eq(signal)
