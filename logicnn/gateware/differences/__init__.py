"""Binarized layers on lanes that take a synapse of all positions at once (`logicnn.engines.differences`)."""

import numpy as np
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.engines.differences import Differences
from logicnn.gateware.differences.images import Images, Input
from logicnn.gateware.differences.lanes import Lanes
from logicnn.gateware.differences.operations import Operations
from logicnn.gateware.differences.rows import RowWriter
from logicnn.gateware.engine import streamed
from logicnn.gateware.sparse.finisher import Best
from logicnn.gateware.sparse.weights import WeightMemory
from logicnn.gateware.wires import word_shape

__all__ = ["DifferenceEngine"]


class DifferenceEngine(wiring.Component):
    """Bits of a sample one a transfer on `i`; the class on `o`, `engine.latency` cycles after the last one's
    transfer. The next sample may come after that on `o`; `clear` drops an unfinished one.

    With `loaded` the operations come over `load` first (`WeightMemory`), in a time in which no sample may.
    """

    def __init__(self, engine: Differences, loaded: bool = False):
        self._engine, self._loaded = engine, loaded
        self._memory = WeightMemory(engine.words, engine.word_bits if loaded else engine.op_bits, loaded)
        ports = {
            "i": In(stream.Signature(1)),
            "clear": In(1),
            "o": Out(stream.Signature(word_shape(engine.gives.interval))),
        }
        if loaded:
            ports["load"] = In(self._memory.load.signature.flip())
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        engine = self._engine
        m.submodules.memory = memory = self._memory
        m.submodules.operations = operations = Operations(engine)
        m.submodules.images = images = Images(engine)
        m.submodules.lanes = lanes = Lanes(engine)
        m.submodules.rows = rows = RowWriter(engine)
        m.submodules.input = given = Input(engine)
        if self._loaded:
            wiring.connect(m, wiring.flipped(self.load), memory.load)
        busy = Signal()
        m.d.comb += [
            self.i.ready.eq(~busy),
            given.taken.eq(self.i.valid & self.i.ready),
            given.bit.eq(self.i.payload),
            given.clear.eq(self.clear),
            operations.start.eq(given.done),
            memory.read.eq(1),
            memory.address.eq(operations.following),
            operations.word.eq(memory.word),
            images.address.eq(operations.address),
            images.behind.eq(operations.behind),
            lanes.word.eq(images.word),
            lanes.select.eq(operations.select),
            lanes.step.eq(operations.step),
            rows.answers.eq(lanes.answers),
            rows.beat.eq(operations.beat),
            images.write.eq(Mux(given.write.any(), given.write, rows.write)),
            images.place.eq(Mux(given.write.any(), given.place, rows.place)),
            images.row.eq(Mux(given.write.any(), given.row, rows.row)),
        ]
        with m.If(given.taken & given.last):
            m.d.sync += busy.eq(1)
        m.submodules.signs = signs = Memory(
            shape=engine.sign_bits, depth=len(engine.signs), init=self._signs(), attrs={"ram_style": "block"}
        )
        port = signs.read_port()
        m.d.comb += [port.en.eq(1), port.addr.eq(operations.sign), lanes.signs.eq(port.data)]
        # Scores are compared one after the other
        number, compares = Signal(range(max(2, engine.scores))), Signal()
        last = number == engine.scores - 1
        with m.If(operations.beat.ended):
            m.d.sync += compares.eq(1)
        with m.If(compares):
            m.d.sync += [number.eq(Mux(last, 0, number + 1)), compares.eq(~last)]
        m.submodules.best = best = Best(Shape(engine.count_bits, signed=True), engine.scores)
        m.d.comb += [
            best.clear.eq(operations.start),
            best.valid.eq(compares),
            best.value.eq(lanes.count),
            lanes.number.eq(number),
            lanes.clear.eq(operations.start),
            self.o.payload.eq(best.o),
        ]
        with m.If(compares & last):
            m.d.sync += self.o.valid.eq(1)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [self.o.valid.eq(0), busy.eq(0)]
        return m

    def _signs(self) -> list[int]:
        """Whether weights are negative, and where some are pruned whether they are there."""
        signs = self._engine.signs
        bits = np.concatenate([signs < 0, signs != 0], 1)[:, : self._engine.sign_bits]
        return [int(sum(1 << int(place) for place in np.flatnonzero(row))) for row in bits]


@streamed.register
def _(engine: Differences, loaded: bool) -> wiring.Component:
    return DifferenceEngine(engine, loaded)
