"""A layer and an engine that the package does not know: what a newcomer writes to have both built, exported and run.

The layer has no logic of its own. The engine multiplies and adds one weight a cycle, and leaves out the zeros that a
sample ends in, so that its latency varies. `WAYS` are all that the interface of engines allows: samples whole or value
by value on either side, weights there from the start or loaded.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from logicnn.board import flash
from logicnn.engines import Engine, Io, Latency, Mapping, MappingError, Unrolled
from logicnn.gateware.engine import load_layout, streamed
from logicnn.gateware.wires import port_shape, word_shape
from logicnn.network import Activations, Argmax, Interval, Layer, Network
from logicnn.network.layer import Arrays, Fields
from logicnn.network.values import Batch, Integers, NetworkError, read_only
from logicnn.resources import Device, Resources

__all__ = ["CLASSES", "INPUTS", "WAYS", "Lone", "LoneComponent", "Way", "Weighted", "mapping_of", "newcomer", "samples"]

INPUTS, CLASSES = 5, 3  # 15 weights of a byte: no whole pieces of two


@dataclass(frozen=True, eq=False)
class Weighted(Layer):
    """Sums of inputs, weighted: (in,) to (out,)."""

    weights: np.ndarray  # (out, in)

    def __post_init__(self) -> None:
        read_only(self, "weights", np.int8, 2)

    def infer(self, given: Activations) -> Activations:
        outputs, inputs = self.weights.shape
        if given.shape != (inputs,):
            raise NetworkError(f"Weighted reads ({inputs},), not shape {given.shape}")
        high = int(np.abs(self.weights.astype(int)).sum(1).max()) * max(-given.interval.low, given.interval.high)
        return Activations((outputs,), Interval(-high, high))

    def evaluate(self, given: Activations, x: Batch) -> Batch:
        return Integers(x.integers @ self.weights.T.astype(np.int64))

    def described(self) -> tuple[Fields, Arrays]:
        return {}, {"weights": self.weights}

    @classmethod
    def restored(cls, fields: Fields, arrays: Arrays) -> "Weighted":
        return cls(arrays["weights"])


@dataclass(frozen=True)
class Way:
    input_io: Io
    output_io: Io
    loaded: bool

    @property
    def name(self) -> str:
        ios = "-".join("whole" if io is Io.PARALLEL else "values" for io in (self.input_io, self.output_io))
        return f"{ios}-loaded" if self.loaded else ios


WAYS = {way.name: way for way in (Way(*each) for each in product(Io, Io, (False, True)))}


@dataclass(frozen=True)
class Lone(Engine):
    """A `Weighted` layer on one multiplier."""

    network: Network
    start: int
    way: Way = WAYS["values-whole"]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.layers[0], Weighted):
            raise MappingError(f"Lone must be for a Weighted layer, which layer {self.start} is not")

    @property
    def span(self) -> int:
        return 1

    @classmethod
    def proposed(cls, network: Network, start: int, device: Device, period_ns: float | None) -> "Lone | None":
        if period_ns is None or not isinstance(network.layers[start], Weighted):
            return None
        return cls(network, start, WAYS.get(network.name, cls.way))

    @property
    def input_io(self) -> Io:
        return self.way.input_io

    @property
    def output_io(self) -> Io:
        return self.way.output_io

    @property
    def _leaving(self) -> int:
        """Cycles from the first value that leaves to the last."""
        return self.gives.size - 1 if self.output_io is Io.SERIAL else 0

    @property
    def latency(self) -> Latency:
        outputs, leaving = self.gives.size, self._leaving
        return Latency(outputs + 1 + leaving, outputs * self.given.size + 1 + leaving)

    @property
    def interval(self) -> int:
        return (self.given.size if self.input_io is Io.SERIAL else 1) + self.latency.most

    def cycles(self, x: np.ndarray) -> np.ndarray:
        used = np.where(x.any(1), x.shape[1] - (x != 0)[:, ::-1].argmax(1), 1)
        return self.gives.size * used + 1 + self._leaving

    def cost(self, device: Device) -> Resources:
        weights = 8 * self.given.size * self.gives.size if self.way.loaded else 0
        cells = 8 * self.given.size + 2 * self.gives.size * self.gives.interval.word + weights + 150
        return Resources(lut4=cells, logic_cells=cells, ff=8 * self.given.size + weights)

    def delay_ns(self, device: Device) -> float:
        return device.level_ns * 14

    def image(self, device: Device) -> np.ndarray | None:
        return self.layers[0].weights.reshape(-1, 1).view(np.uint8) if self.way.loaded else None


class LoneComponent(wiring.Component):
    """Takes a sample, adds up one neuron after another, gives the sums."""

    rests = 0  # cycles until it takes the next one

    def __init__(self, engine: Lone, loaded: bool):
        self._engine, self._loaded = engine, loaded
        given, gives = engine.given, engine.gives
        i = port_shape(given) if engine.input_io is Io.PARALLEL else word_shape(given.interval)
        o = port_shape(gives) if engine.output_io is Io.PARALLEL else word_shape(gives.interval)
        ports = {"i": In(stream.Signature(i)), "o": Out(stream.Signature(o)), "clear": In(1)}
        if loaded:
            self._pieces = len(flash.pieces(engine.layers[0].weights.reshape(-1, 1).view(np.uint8)))
            ports["load"] = In(stream.Signature(load_layout(self._pieces), always_ready=True))
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        outputs, inputs = self._engine.layers[0].weights.shape
        word = word_shape(self._engine.gives.interval)
        values = Array(Signal(word_shape(self._engine.given.interval), name=f"x{index}") for index in range(inputs))
        sums = Array(Signal(word, name=f"y{index}") for index in range(outputs))
        place, last, neuron = Signal(range(inputs)), Signal(range(inputs)), Signal(range(outputs))
        weight = Array(self._weights(m))[neuron * inputs + place]
        before = Signal(word)
        m.d.comb += before.eq(Mux(place == 0, 0, sums[neuron]))
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += self.i.ready.eq(1)
                (self._take_values if self._engine.input_io is Io.SERIAL else self._take_whole)(m, values, place, last)
            with m.State("ADD"):
                m.d.sync += [sums[neuron].eq(before + weight * values[place]), place.eq(place + 1)]
                with m.If(place == last):
                    m.d.sync += [place.eq(0), neuron.eq(neuron + 1)]
                    with m.If(neuron == outputs - 1):
                        m.d.sync += neuron.eq(0)
                        m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += self.o.valid.eq(1)
                goes = self.o.valid & self.o.ready
                if self._engine.output_io is Io.SERIAL:
                    m.d.comb += self.o.payload.eq(sums[neuron])
                    m.d.sync += neuron.eq(Mux(goes, Mux(neuron == outputs - 1, 0, neuron + 1), neuron))
                    goes &= neuron == outputs - 1
                else:
                    m.d.comb += Value.cast(self.o.payload).eq(Cat(sums))
                with m.If(goes):
                    m.next = "REST" if self.rests else "TAKE"
            if self.rests:
                rest = Signal(range(self.rests))
                with m.State("REST"):
                    m.d.sync += rest.eq(rest + 1)
                    with m.If(rest == self.rests - 1):
                        m.d.sync += rest.eq(0)
                        m.next = "TAKE"
        return m

    def _weights(self, m: Module) -> list[Value]:
        constant = [int(each) for each in self._engine.layers[0].weights.ravel()]
        if not self._loaded:
            return [C(each, signed(8)) for each in constant]
        weights = [Signal(signed(8), name=f"w{index}", reset_less=True) for index in range(len(constant))]
        for piece in range(self._pieces):
            with m.If(self.load.valid & (self.load.payload.address == piece)):
                pair = Cat(weights[2 * piece : 2 * piece + 2])
                m.d.sync += pair.eq(self.load.payload.data)
        return weights

    def _take_values(self, m: Module, values: Array, place: Signal, last: Signal) -> None:
        with m.If(self.i.valid):
            m.d.sync += [values[place].eq(self.i.payload), place.eq(place + 1)]
            with m.If((self.i.payload != 0) | (place == 0)):
                m.d.sync += last.eq(place)
            with m.If(place == len(values) - 1):
                m.d.sync += place.eq(0)
                m.next = "ADD"
        with m.If(self.clear):
            m.d.sync += place.eq(0)
            m.next = "TAKE"

    def _take_whole(self, m: Module, values: Array, place: Signal, last: Signal) -> None:
        with m.If(self.i.valid):
            m.d.sync += [Cat(values).eq(Value.cast(self.i.payload)), last.eq(0)]
            width = len(values[0])
            for index in range(len(values)):
                with m.If(Value.cast(self.i.payload).word_select(index, width) != 0):
                    m.d.sync += last.eq(index)
            m.next = "ADD"


@streamed.register
def _(engine: Lone, loaded: bool) -> LoneComponent:
    return LoneComponent(engine, loaded)


def newcomer(name: str) -> Network:
    """A network for an engine of one of `WAYS`."""
    weights = np.random.default_rng(4).integers(-9, 10, (CLASSES, INPUTS))
    return Network(Activations((INPUTS,), Interval(-8, 7)), [Weighted(weights), Argmax()], name)


def mapping_of(network: Network) -> Mapping:
    return Mapping([Lone(network, 0, WAYS[network.name]), Unrolled(network, 1)])


def samples(count: int) -> np.ndarray:
    """Of every number of zeros at the end."""
    rng = np.random.default_rng(6)
    x = rng.integers(-8, 8, (count, INPUTS))
    return x * (np.arange(INPUTS) < rng.integers(0, INPUTS + 1, (count, 1)))
