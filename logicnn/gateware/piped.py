"""Gateware of logic that is cut by registers anywhere (`logicnn.engines.piped`)."""

from amaranth import *

from logicnn.engines.piped import Piped, Pipeline, outputs_of
from logicnn.gateware.engine import put
from logicnn.gateware.wires import port_shape, wires


@put.register
def _(engine: Piped, m: Module, value: Value) -> Value:
    inside = Module()
    m.submodules[f"layers{engine.start}"] = inside
    held = []

    def register(given: Value) -> Value:
        signal = Signal(name=f"r_{len(held)}", reset_less=True)
        inside.d.sync += signal.eq(given)
        held.append(signal)
        return signal

    pipeline = Pipeline(engine.levels, wires(inside, "b"), register)
    made, _ = outputs_of(engine, pipeline, list(Value.cast(value)))
    shape = port_shape(engine.gives)
    result = Signal(shape, name=f"piped{engine.start}")
    m.d.comb += Value.cast(result).eq(Cat(made))
    return result
