"""Layers of constant matrices as one circuit of carry chains that registers can be placed in, down to the bits of a
chain.

A `Datapath` is what is computed: an adder graph and a rectifier for each layer. `Slices` is how it is cut: every carry
chain in slices of a few bits, each a vertex of a `synchronous.Circuit`; bits that pass by an addition belong to the
slice that made them. A pipeline stage may then run through the middle of a long addition, its lower bits and its carry
a cycle earlier than its upper ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from logicnn.arithmetic.adders import AdderGraph, Term
from logicnn.arithmetic.synchronous import Circuit, Net, Shortcut
from logicnn.errors import LogicnnError
from logicnn.network import Interval
from logicnn.resources import Device

__all__ = ["ChainSlice", "Datapath", "PipelineError", "Rectified", "Rectifier", "Slices", "layer_end_stages"]


class PipelineError(LogicnnError):
    """A datapath whose parts do not fit together."""


@dataclass(frozen=True)
class Rectifier:
    """``clip(sum >> shift, low, high)`` with an arithmetic shift: ReLU, requantised to unsigned words, or to `signed`
    ones.
    """

    shift: int
    bits: int
    signed: bool = False

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        return np.clip(x >> self.shift, self.interval.low, self.interval.high)

    @property
    def interval(self) -> Interval:
        return (
            Interval(-1 << self.bits - 1, (1 << self.bits - 1) - 1)
            if self.signed
            else Interval(0, (1 << self.bits) - 1)
        )


ONES = Interval(1, 1)  # of an input that is the constant 1


@dataclass(frozen=True)
class Datapath:
    """Layers in order: a matrix as an adder graph, and what each of its sums goes through (None: nothing). One sample a
    cycle.

    A graph may have one input more than there are words before it: the constant 1, whose column holds biases.
    """

    layers: tuple[tuple[AdderGraph, tuple[Rectifier, ...] | None], ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise PipelineError("layers must not be empty")
        for index, (graph, rectifiers) in enumerate(self.layers):
            if rectifiers is not None and len(rectifiers) != len(graph.outputs):
                raise PipelineError(
                    f"layers[{index}] must have {len(graph.outputs)} rectifiers, one for each sum, not "
                    f"{len(rectifiers)}"
                )
        for index, (layer, (after, _)) in enumerate(pairwise(self.layers)):
            gives = _gives(*layer)
            if after.inputs not in (gives, (*gives, ONES)):
                raise PipelineError(
                    f"layers[{index + 1}] must read {len(gives)} words as layers[{index}] gives them, not "
                    f"{len(after.inputs)}"
                )

    def evaluate(self, x: np.ndarray) -> np.ndarray:  # (samples, inputs) -> (samples, outputs)
        for graph, rectifiers in self.layers:
            if len(graph.inputs) > x.shape[1]:
                x = np.concatenate([x, np.ones((len(x), 1), x.dtype)], axis=1)
            x = graph.evaluate(x)
            if rectifiers is not None:
                x = np.stack([each.evaluate(x[:, index]) for index, each in enumerate(rectifiers)], axis=1)
        return x

    @property
    def inputs(self) -> tuple[Interval, ...]:
        first = self.layers[0][0].inputs
        return first[:-1] if first[-1] == ONES else first

    @property
    def outputs(self) -> tuple[Interval, ...]:
        return _gives(*self.layers[-1])


def _gives(graph: AdderGraph, rectifiers: tuple[Rectifier, ...] | None) -> tuple[Interval, ...]:
    if rectifiers is not None:
        return tuple(each.interval for each in rectifiers)
    return tuple(graph.interval(index) for index in range(len(graph.outputs)))


@dataclass(frozen=True)
class Bit:
    """Bit `place` of what `vertex` makes; vertex -1 is the constant `place`."""

    vertex: int
    place: int


ZERO, ONE = Bit(-1, 0), Bit(-1, 1)


@dataclass(frozen=True)
class Given:
    """The word of an input."""

    index: int
    width: int


@dataclass(frozen=True)
class ChainSlice:
    """Bits of ``a + b`` or ``a - b``; `carry` is the slice before (None: the chain begins here). Makes ``len(a)`` bits
    and a carry.

    `chain_bits` are those of the whole chain.
    """

    chain_bits: int
    a: tuple[Bit, ...]
    b: tuple[Bit, ...]
    subtract: bool
    carry: int | None


@dataclass(frozen=True)
class Rectified:
    """The word of a rectifier, from the bits of a sum, the sign bit last."""

    bits: tuple[Bit, ...]
    signed: bool
    rectifier: Rectifier


@dataclass(frozen=True)
class Taken:
    """The word of an output."""

    bits: tuple[Bit, ...]
    signed: bool


Vertex = Given | ChainSlice | Rectified | Taken


def _reads(vertex: Vertex) -> tuple[Bit, ...]:
    match vertex:
        case Given():
            return ()
        case ChainSlice(a=a, b=b):
            return (*a, *b)
        case Rectified(bits=bits) | Taken(bits=bits):
            return bits


class Slices:
    """A datapath cut into slices of at most `slice_bits` bits.

    `vertices` are in topological order, `layer_of` says to which layer each belongs. Raises `PipelineError` for slices
    without bits.
    """

    def __init__(self, datapath: Datapath, slice_bits: int):
        if slice_bits < 1:
            raise PipelineError(f"slice_bits must be at least 1, not {slice_bits}")
        self.datapath = datapath
        self.slice_bits = slice_bits
        self.vertices: list[Vertex] = []
        self.layer_of: list[int] = []
        words: list[list[Bit]] = []
        for index, interval in enumerate(datapath.inputs):
            width = interval.word
            words.append(self._word(Given(index, width), width, 0))
        for layer, (graph, rectifiers) in enumerate(datapath.layers):
            if len(graph.inputs) > len(words):
                words.append([ONE])
            words = self._layer(graph, rectifiers, words, layer)
        last = len(datapath.layers) - 1
        for word, interval in zip(words, datapath.outputs, strict=True):
            self._add(Taken(tuple(word), interval.low < 0), last)

    def _add(self, vertex: Vertex, layer: int) -> int:
        self.vertices.append(vertex)
        self.layer_of.append(layer)
        return len(self.vertices) - 1

    def _word(self, vertex: Vertex, width: int, layer: int) -> list[Bit]:
        number = self._add(vertex, layer)
        return [Bit(number, place) for place in range(width)]

    def _layer(
        self, graph: AdderGraph, rectifiers: tuple[Rectifier, ...] | None, given: list[list[Bit]], layer: int
    ) -> list[list[Bit]]:
        nodes: list[list[Bit]] = [
            [ONE if interval.low >> place & 1 else ZERO for place in range(interval.word)]
            if interval.low == interval.high
            else word
            for word, interval in zip(given, graph.inputs, strict=True)
        ]
        for index, (a, b, carry) in enumerate(graph.adders):
            interval = graph.intervals[len(graph.inputs) + index]
            low, high = (a, b) if a.shift <= b.shift else (b, a)
            first, stop = graph.chains[index]
            if interval.low == interval.high:
                nodes.append([ONE if interval.low >> place & 1 else ZERO for place in range(interval.word)])
                continue

            def bit(term: Term, place: int, graph: AdderGraph = graph) -> Bit:
                return _bit(nodes[term.node], graph.intervals[term.node], place - term.shift)

            if first == stop:
                nodes.append([bit(low if place < high.shift else high, place) for place in range(stop)])
                continue
            passed = [bit(low, place) for place in range(first)]
            places = range(first, stop)
            plus, minus = (high, low) if low.negative else (low, high)
            subtract = low.negative or high.negative
            above, below = [bit(plus, p) for p in places], [bit(minus, p) for p in places]
            if carry is None:
                nodes.append(passed + self._chain(above, below, subtract, layer))
            else:  # a bit below makes it
                enters = nodes[carry][0]
                nodes.append(self._chain([ZERO if subtract else enters, *above], [enters, *below], subtract, layer)[1:])
        words = []
        for index, term in enumerate(graph.outputs):
            interval = graph.interval(index)
            word = [ZERO] * interval.word
            if term is not None:
                node, own = nodes[term.node], graph.intervals[term.node]
                word = [_bit(node, own, place - term.shift) for place in range(len(word))]
                if term.negative:
                    word = word[: term.shift] + self._chain(
                        [ZERO] * (len(word) - term.shift), word[term.shift :], True, layer
                    )
            if rectifiers is not None:
                word = self._word(
                    Rectified(tuple(word), interval.low < 0, rectifiers[index]), rectifiers[index].bits, layer
                )
            words.append(word)
        return words

    def _chain(self, a: list[Bit], b: list[Bit], subtract: bool, layer: int) -> list[Bit]:
        result: list[Bit] = []
        before = None
        count = -(-len(a) // self.slice_bits)
        for part in range(count):  # slices of nearly the same length
            start, stop = part * len(a) // count, (part + 1) * len(a) // count
            before = self._add(ChainSlice(len(a), tuple(a[start:stop]), tuple(b[start:stop]), subtract, before), layer)
            result += [Bit(before, place) for place in range(stop - start)]
        return result

    def delay_ns(self, vertex: Vertex, device: Device) -> float:
        """An estimate of a vertex by itself, the way into a carry chain included, which a carry that goes on saves."""
        match vertex:
            case Given() | Taken():
                return 0.0
            case ChainSlice():
                return _entry_ns(vertex, device) + device.carry_ns * len(vertex.a)
            case Rectified():
                return 2 * device.level_ns

    def circuit(self, device: Device) -> Circuit:
        """Vertices and nets for `retiming`, bits with the same readers as one net."""
        readers: dict[Bit, set[int]] = {}
        for number, vertex in enumerate(self.vertices):
            for bit in _reads(vertex):
                if bit.vertex >= 0:
                    readers.setdefault(bit, set()).add(number)
            if isinstance(vertex, ChainSlice) and vertex.carry is not None:
                readers.setdefault(Bit(vertex.carry, CARRY), set()).add(number)
        widths: dict[tuple[int, tuple[int, ...]], int] = {}
        for bit, who in readers.items():
            key = bit.vertex, tuple(sorted(who))
            widths[key] = widths.get(key, 0) + 1
        return Circuit(
            delays=tuple(self.delay_ns(vertex, device) for vertex in self.vertices),
            nets=tuple(Net(source, width, who) for (source, who), width in widths.items()),
            inputs=tuple(number for number, vertex in enumerate(self.vertices) if isinstance(vertex, Given)),
            outputs=tuple(number for number, vertex in enumerate(self.vertices) if isinstance(vertex, Taken)),
            latch_ns=device.stage_ns,
            shortcuts=tuple(
                Shortcut(vertex.carry, number, _entry_ns(vertex, device))
                for number, vertex in enumerate(self.vertices)
                if isinstance(vertex, ChainSlice) and vertex.carry is not None
            ),
        )


def _entry_ns(vertex: ChainSlice, device: Device) -> float:
    """The delay from the operands into the chain, or through the LUTs that are made of a short one."""
    return device.chain_ns if vertex.chain_bits > device.lut_sum_bits else device.lut_sum_ns


CARRY = -1  # the place of a slice's carry


def _bit(word: Sequence[Bit], interval: Interval, place: int) -> Bit:
    """A bit of a word, zero below it and its sign beyond it."""
    if place < 0:
        return ZERO
    if place < len(word):
        return word[place]
    return word[-1] if interval.low < 0 else ZERO


def layer_end_stages(slices: Slices, registers_at_each_end: int = 1) -> tuple[int, ...]:
    """Stages with registers at the ends of layers only: the starting point of Xu et al., section III-B."""
    last = len(slices.datapath.layers) - 1
    extra = registers_at_each_end - 1
    return tuple(
        layer * registers_at_each_end + (extra if layer == last and isinstance(vertex, Taken) else 0)
        for layer, vertex in zip(slices.layer_of, slices.vertices, strict=True)
    )
