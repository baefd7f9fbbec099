"""Layers as logic of their own: the gateware reading of `logicnn.bits`.

Each component has one input port `i` and one output port `o` and no clock (latency 0). Bits are in C order of their
shape, the first in the least significant place. Payra et al. (HPEC 2023, doi 10.1109/HPEC58863.2023.10363509): weights
become part of the logic; a weight of -1 is an inverter that the next LUT absorbs, a pruned one is nothing at all.
"""

from collections.abc import Iterable
from functools import singledispatch
from itertools import count

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from logicnn import bits, network
from logicnn.engines.unrolled import Unrolled
from logicnn.gateware.engine import put
from logicnn.gateware.wires import port_shape, signed_inputs, wires, word_shape
from logicnn.network import BIT, Activations, Neuron

__all__ = [
    "Argmax",
    "BinaryConv2d",
    "BinaryDense",
    "GroupSum",
    "LutLayer",
    "MaxPool2d",
    "Slicer",
    "Threshold",
    "WordMaxPool2d",
    "layer_component",
]


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
        super().__init__(
            given, layer.infer(given), layer.neurons(given), isinstance(layer.activation, network.Threshold)
        )


class BinaryConv2d(_Neurons):
    """Every output position of a `network.BinaryConv2d` for an input of shape `given`, each its own logic."""

    def __init__(self, layer: network.BinaryConv2d, given: Activations):
        super().__init__(
            given, layer.infer(given), layer.neurons(given), isinstance(layer.activation, network.Threshold)
        )


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


class LutLayer(wiring.Component):
    """Every table of a `network.LutLayer`: `i` (in,) bits, `o` (out,) bits."""

    def __init__(self, layer: network.LutLayer, given: Activations):
        super().__init__({"i": In(port_shape(given)), "o": Out(port_shape(layer.infer(given)))})
        self._layer = layer

    def elaborate(self, platform):
        m = Module()
        tables = zip(self._layer.connections.tolist(), self._layer.tables.tolist(), strict=True)
        for index, (inputs, rows) in enumerate(tables):
            bit = bits.table(wires(m, f"t{index}"), [self.i[each] for each in inputs], rows)
            m.d.comb += self.o[index].eq(bit)
        return m


class GroupSum(wiring.Component):
    """`network.GroupSum`: `i` (in,) bits, `o` an array of scores."""

    def __init__(self, layer: network.GroupSum, given: Activations):
        super().__init__({"i": In(port_shape(given)), "o": Out(port_shape(layer.infer(given)))})
        self._layer = layer
        self._interval = layer.infer(given).interval

    def elaborate(self, platform):
        m = Module()
        width = word_shape(self._interval).width
        for index, group in enumerate(self._layer.groups):
            columns = [[self.i[each] for each in column] for column in self._layer.columns(group)]
            offset = int(self._layer.offsets[index]) % (1 << width)
            score = bits.add_bits(wires(m, f"s{index}"), columns, offset, width)
            m.d.comb += Value.cast(self.o[index]).eq(Cat(score))
        return m


class Threshold(_Neurons):
    """One neuron by itself: `o` is 1 where at least `minimum` of the `width` bits of `i` are."""

    def __init__(self, width: int, minimum: int):
        super().__init__(
            Activations((width,), BIT), Activations((1,), BIT), [Neuron(tuple(range(width)), (False,) * width, minimum)]
        )


class Argmax(wiring.Component):
    """Index of the greatest of an array of scores (or of bits), ties to the lowest: a tournament of ``ceil(log2 n)``
    comparisons.
    """

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


@singledispatch
def layer_component(layer: network.Layer, given: Activations) -> wiring.Component:
    """The component of a layer for inputs `given`. A layer type that has logic of its own registers it here."""
    raise TypeError(f"a {type(layer).__name__} has no component")


@layer_component.register
def _(layer: network.BinaryDense, given: Activations) -> wiring.Component:
    return BinaryDense(layer)


@layer_component.register
def _(layer: network.BinaryConv2d, given: Activations) -> wiring.Component:
    return BinaryConv2d(layer, given)


@layer_component.register
def _(layer: network.MaxPool2d, given: Activations) -> wiring.Component:
    return MaxPool2d(layer, given) if given.is_bits else WordMaxPool2d(layer, given)


@layer_component.register
def _(layer: network.LutLayer, given: Activations) -> wiring.Component:
    return LutLayer(layer, given)


@layer_component.register
def _(layer: network.GroupSum, given: Activations) -> wiring.Component:
    return GroupSum(layer, given)


@layer_component.register
def _(layer: network.Argmax, given: Activations) -> wiring.Component:
    return Argmax(given)


@layer_component.register
def _(layer: network.Slicer, given: Activations) -> wiring.Component:
    return Slicer(layer, given)


@put.register
def _(engine: Unrolled, m: Module, value: Value) -> Value:
    (layer,) = engine.layers
    if layer.reshapes:
        return value
    m.submodules[f"layer{engine.start}"] = component = layer_component(layer, engine.given)
    m.d.comb += component.i.eq(value)
    return component.o
