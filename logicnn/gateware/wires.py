"""What all gateware shares: names that synthesis keeps, shared bits as signals, the shapes of values and ports."""

from itertools import count

from amaranth import *
from amaranth.lib import data

from logicnn.bits import Wire
from logicnn.network import Activations, Interval, Neuron

__all__ = ["KEEP", "clipped", "kept", "port_shape", "signed_inputs", "wires", "word_shape"]

KEEP = {
    "keep": 1
}  # attribute of registers that are looked up by name in the netlist: synthesis would keep only one name of a net


def kept(width: int, name: str) -> Value:
    """A word whose nets synthesis keeps, so that a sum on it stays a carry chain of its own.

    Each bit is a net by itself: where Yosys 0.70 finds one bit of a wider kept wire equal to another net, its ABC pass
    drops the other bits.
    """
    return Cat(Signal(name=f"{name}_{place}", attrs=KEEP) for place in range(width))


def wires(m: Module, prefix: str) -> Wire:
    """Binds each shared bit to a named `Signal`: an expression would be copied at every use
    (amaranth-lang/amaranth#1679).
    """
    numbers = count()

    def bind(expression: Value) -> Value:
        signal = Signal(name=f"{prefix}_{next(numbers)}")
        m.d.comb += signal.eq(expression)
        return signal

    return Wire(bind, C(0, 1))


def word_shape(interval: Interval) -> Shape:
    return Shape(interval.word, signed=interval.low < 0)


def clipped(value: Value, most: Value | int) -> Value:
    """``clip(value, 0, most)``, of a value that is bound to a signal."""
    return Mux(value < 0, 0, Mux(value > most, most, value))


def port_shape(given: Activations):
    """The port of activations: one bit each, or an array of words, or one word."""
    if given.is_bits:
        return given.size
    if not given.shape:
        return word_shape(given.interval)
    return data.ArrayLayout(word_shape(given.interval), given.size)


def signed_inputs(i: Value, neuron: Neuron) -> list:
    return [
        ~Value.cast(i[index]) if inverted else i[index]
        for index, inverted in zip(neuron.inputs, neuron.inverted, strict=True)
    ]
