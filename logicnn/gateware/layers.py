"""Layers of a binarized network as combinational components: the gateware reading of `logicnn.bits`.

Each component has one input port `i` and one output port `o` and no clock (latency 0). Bits are in C order of their shape, the
first in the least significant place. Payra et al. (HPEC 2023, doi 10.1109/HPEC58863.2023.10363509): weights become part of the logic; a
weight of -1 is an inverter that the next LUT absorbs, a pruned one is nothing at all.
"""

from collections.abc import Iterable
from itertools import count

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from logicnn import bits, network
from logicnn.bits import Wire
from logicnn.network import BIT, Activations, Interval, Neuron

__all__ = ["Argmax", "BinaryConv2d", "BinaryDense", "MaxPool2d", "Slicer", "Threshold", "WordMaxPool2d", "layer_component", "port_shape"]

KEEP = {"keep": 1}  # attribute of registers that are looked up by name in the netlist: synthesis would keep only one name of a net


def kept(width: int, name: str) -> Value:
    """A word whose nets synthesis keeps, so that a sum on it stays a carry chain of its own.

    Each bit is a net by itself: where Yosys 0.70 finds one bit of a wider kept wire equal to another net, its ABC pass drops the other
    bits.
    """
    return Cat(Signal(name=f"{name}_{place}", attrs=KEEP) for place in range(width))


def wires(m: Module, prefix: str) -> Wire:
    """Binds each shared bit to a named `Signal`: an expression would be copied at every use (amaranth-lang/amaranth#1679)."""
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
    return [~Value.cast(i[index]) if inverted else i[index] for index, inverted in zip(neuron.inputs, neuron.inverted, strict=True)]


class _Neurons(wiring.Component):
    """Unrolled neurons that read bits and give bits or scores."""

    def __init__(self, given: Activations, gives: Activations, neurons: Iterable[Neuron], fires: bool = True):
        super().__init__({"i": In(port_shape(given)), "o": Out(port_shape(gives))})
        self._gives = gives
        self._fires = fires  # a threshold, not a score (whose range may be 0 ... 1 as well)
        self._neurons = tuple(neurons)

    def elaborate(self, platform):
        m = Module()
        for index, neuron in enumerate(self._neurons):
            wire = wires(m, f"n{index}")
            inputs = signed_inputs(self.i, neuron)
            if self._fires:
                m.d.comb += self.o[index].eq(bits.at_least(wire, inputs, neuron.level))
            else:
                shape = word_shape(self._gives.interval)
                m.d.comb += Value.cast(self.o[index]).eq(Cat(bits.popcount(wire, inputs, neuron.level, shape.width)))
        return m


class BinaryDense(_Neurons):
    """Every neuron of a `network.BinaryDense`: `i` (in,) bits, `o` (out,) bits or an array of scores."""

    def __init__(self, layer: network.BinaryDense):
        given = Activations(layer.weights.shape[1:], BIT)
        super().__init__(given, layer.infer(given), layer.neurons(given), isinstance(layer.activation, network.Threshold))


class BinaryConv2d(_Neurons):
    """Every output position of a `network.BinaryConv2d` for an input of shape `given`, each its own logic."""

    def __init__(self, layer: network.BinaryConv2d, given: Activations):
        super().__init__(given, layer.infer(given), layer.neurons(given), isinstance(layer.activation, network.Threshold))


class MaxPool2d(_Neurons):
    """`network.MaxPool2d` of bits: an OR for each tile."""

    def __init__(self, layer: network.MaxPool2d, given: Activations):
        super().__init__(given, layer.infer(given), layer.neurons(given))


class WordMaxPool2d(wiring.Component):
    """`network.MaxPool2d` of words: a tournament of comparisons for each tile."""

    def __init__(self, layer: network.MaxPool2d, given: Activations):
        super().__init__({"i": In(port_shape(given)), "o": Out(port_shape(layer.infer(given)))})
        self._tiles = layer.tiles(given)
        self._shape = word_shape(given.interval)

    def elaborate(self, platform):
        m = Module()
        for index, tile in enumerate(self._tiles):
            words, numbers = [self.i[int(each)] for each in tile], count()
            while len(words) > 1:
                greater = Signal(self._shape, name=f"tile{index}_{next(numbers)}")
                a, b = words[:2]
                m.d.comb += greater.eq(Mux(a > b, a, b))
                words = [*words[2:], greater]
            m.d.comb += self.o[index].eq(words[0])
        return m


class Threshold(_Neurons):
    """One neuron by itself: `o` is 1 where at least `minimum` of the `width` bits of `i` are."""

    def __init__(self, width: int, minimum: int):
        super().__init__(Activations((width,), BIT), Activations((1,), BIT), [Neuron(tuple(range(width)), (False,) * width, minimum)])


class Argmax(wiring.Component):
    """Index of the greatest of an array of scores (or of bits), ties to the lowest: a tournament of ``ceil(log2 n)`` comparisons."""

    def __init__(self, given: Activations):
        super().__init__({"i": In(port_shape(given)), "o": Out(port_shape(network.Argmax().infer(given)))})
        self._given = given

    def elaborate(self, platform):
        m = Module()
        wire = wires(m, "match")
        index = bits.argmax(wire, [self._unsigned(Value.cast(self.i[each])) for each in range(self._given.size)])
        m.d.comb += self.o.eq(Cat(index))
        return m

    def _unsigned(self, word: Value) -> list:
        """Two's complement in the order of unsigned words: the sign bit inverted."""
        *low, high = word
        return [*low, ~Value.cast(high) if self._given.interval.low < 0 else high]


class Slicer(wiring.Component):
    """`network.Slicer`: how many thresholds the score `i` (one word) reaches, as a comparison with each."""

    def __init__(self, layer: network.Slicer, given: Activations):
        super().__init__({"i": In(port_shape(given)), "o": Out(port_shape(layer.infer(given)))})
        self._layer = layer
        self._given = given

    def elaborate(self, platform):
        m = Module()
        score = Signal(word_shape(self._given.interval))
        m.d.comb += Value.cast(score).eq(Value.cast(self.i))
        wire = wires(m, "reached")
        reached = [wire(score >= int(threshold)) for threshold in self._layer.thresholds]
        m.d.comb += self.o.eq(Cat(bits.popcount(wire, reached, 0, len(self.o))))
        return m


def layer_component(layer: network.Layer, given: Activations) -> wiring.Component | None:
    """The component of a layer on bits, or None where the layer only renames its input."""
    match layer:
        case network.BinaryDense():
            return BinaryDense(layer)
        case network.BinaryConv2d():
            return BinaryConv2d(layer, given)
        case network.MaxPool2d():
            return MaxPool2d(layer, given) if given.is_bits else WordMaxPool2d(layer, given)
        case network.Argmax():
            return Argmax(given)
        case network.Slicer():
            return Slicer(layer, given)
        case _:
            return None
