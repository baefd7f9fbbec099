"""Gateware of logic that is cut by registers anywhere (`logicnn.engines.piped`)."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from logicnn.engines.piped import Piped, Pipeline, outputs_of
from logicnn.gateware.engine import put
from logicnn.gateware.wires import port_shape, wires

__all__ = ["PipedLayers"]


class PipedLayers(wiring.Component):
    """`i` the engine's inputs, `o` its outputs `latency` cycles later; a sample a cycle. Registers have no reset."""

    def __init__(self, engine: Piped):
        super().__init__({"i": In(port_shape(engine.given)), "o": Out(port_shape(engine.gives))})
        self._engine = engine

    @property
    def latency(self) -> int:
        return self._engine.stages

    def elaborate(self, platform):
        m = Module()

        def register(given: Value) -> Value:
            held = Signal(reset_less=True)
            m.d.sync += held.eq(given)
            return held

        pipeline = Pipeline(self._engine.levels, wires(m, "b"), register)
        made, _ = outputs_of(self._engine, pipeline, list(Value.cast(self.i)))
        m.d.comb += Value.cast(self.o).eq(Cat(made))
        return m


@put.register
def _(engine: Piped, m: Module, value: Value) -> Value:
    m.submodules[f"layers{engine.start}"] = component = PipedLayers(engine)
    m.d.comb += component.i.eq(value)
    return component.o
