"""Sums of shifted words as a graph of two-operand additions: what a product with a constant matrix becomes.

Every addition is ``±(a << i) ± (b << j)``. A graph can prove itself: `AdderGraph.matrix` computes the matrix back from
the additions. The cost of an addition is the length of its carry chain: bits below the higher operand's last digit
pass by, bits above the exact interval of the result are never made. `logicnn.arithmetic.sharing` finds graphs for
matrices.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from logicnn.errors import LogicnnError
from logicnn.network import Interval
from logicnn.network.values import wrap

__all__ = [
    "Adder",
    "AdderGraph",
    "AdderGraphError",
    "Term",
    "digit_count",
    "limits",
    "pruned",
]


class AdderGraphError(LogicnnError):
    """A matrix, input ranges or options from which no graph can be made."""


class Term(NamedTuple):
    """``node << shift``, negated where `negative`."""

    node: int
    shift: int = 0
    negative: bool = False


class Adder(NamedTuple):
    """The sum of two terms. One of them has shift 0, and at most one is negative.

    `carry` is a node of one bit that enters the carry chain: it is added, or taken away where a term is negative.
    """

    a: Term
    b: Term
    carry: int | None = None

    @property
    def terms(self) -> tuple[Term, ...]:
        """All that is summed, with signs."""
        if self.carry is None:
            return self.a, self.b
        return self.a, self.b, Term(self.carry, 0, self.a.negative or self.b.negative)


def _interval(low: int, high: int, term: Term) -> tuple[int, int]:
    low, high = low << term.shift, high << term.shift
    return (-high, -low) if term.negative else (low, high)


@dataclass(frozen=True)
class AdderGraph:
    """Additions in order: node ``n`` is input ``n``, node ``len(inputs) + k`` is adder ``k``; an output is a term or
    None, which is zero.

    An input with the interval 1 ... 1 is the constant 1: its column of the matrix holds offsets. Where there are
    `output_bits`, an output is what is left of it in so many bits, two's complement (None: all of it), and what only
    higher bits would need is not made.
    """

    inputs: tuple[Interval, ...]
    adders: tuple[Adder, ...]
    outputs: tuple[Term | None, ...]
    output_bits: tuple[int | None, ...] = ()

    def _values(self, given: np.ndarray) -> np.ndarray:  # (inputs, n) -> (nodes, n)
        values = np.empty((len(self.inputs) + len(self.adders), given.shape[1]), np.int64)
        values[: len(self.inputs)] = given
        for node, adder in enumerate(self.adders, len(self.inputs)):
            values[node] = sum(self._term(values, term) for term in adder.terms)
        return values

    @staticmethod
    def _term(values: np.ndarray, term: Term) -> np.ndarray:
        value = values[term.node] << term.shift
        return -value if term.negative else value

    def evaluate(self, x: np.ndarray) -> np.ndarray:  # (samples, inputs) -> (samples, outputs) int64
        """The outputs, addition by addition. Raises `AdderGraphError` for values outside the inputs' intervals."""
        x = np.asarray(x)
        if x.ndim != 2 or x.shape[1] != len(self.inputs):
            raise AdderGraphError(f"x must have shape (samples, {len(self.inputs)}), not {x.shape}")
        low, high = self._limits
        wrong = np.argwhere((x < low) | (x > high))
        if len(wrong):
            sample, index = wrong[0]
            raise AdderGraphError(f"x[{sample}, {index}] is {x[sample, index]}, outside {low[index]} ... {high[index]}")
        result = self._outputs(self._values(x.T.astype(np.int64)))
        for index, bits in enumerate(self.output_bits):
            if bits is not None and self.interval(index) != self._whole(index):
                result[:, index] = wrap(result[:, index], bits)
        return result

    def _outputs(self, values: np.ndarray) -> np.ndarray:
        result = np.zeros((values.shape[1], len(self.outputs)), np.int64)
        for index, term in enumerate(self.outputs):
            if term is not None:
                result[:, index] = self._term(values, term)
        return result

    @cached_property
    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        return limits(self.inputs)

    @cached_property
    def coefficients(self) -> np.ndarray:  # (nodes, inputs) int64
        """What every node is of the inputs, by unit vectors."""
        return self._values(np.eye(len(self.inputs), dtype=np.int64))

    @property
    def matrix(self) -> np.ndarray:  # (outputs, inputs) int64
        """The matrix that the graph computes, from its additions alone."""
        return self._outputs(self.coefficients).T

    @cached_property
    def intervals(self) -> tuple[Interval, ...]:
        """The exact range of every node over all inputs."""
        low, high = self._limits
        weights = self.coefficients
        lows = np.where(weights > 0, weights * low, weights * high).sum(1)
        highs = np.where(weights > 0, weights * high, weights * low).sum(1)
        return tuple(Interval(int(a), int(b)) for a, b in zip(lows, highs, strict=True))

    def interval(self, output: int) -> Interval:
        """The exact range of an output, wrapped to its bits."""
        return self._whole(output).wrapped(self.output_bits[output] if self.output_bits else None)

    def _whole(self, output: int) -> Interval:
        term = self.outputs[output]
        if term is None:
            return Interval(0, 0)
        node = self.intervals[term.node]
        return Interval(*_interval(node.low, node.high, term))

    @cached_property
    def depths(self) -> tuple[int, ...]:
        """Additions on the longest path into every node."""
        depths = [0] * len(self.inputs)
        for adder in self.adders:
            depths.append(1 + max(depths[term.node] for term in adder.terms))
        return tuple(depths)

    @property
    def depth(self) -> int:
        """Additions on the longest path to an output, without the negation of an output."""
        return max((self.depths[each.node] for each in self.outputs if each), default=0)

    @cached_property
    def chains(self) -> tuple[tuple[int, int], ...]:
        """The bits (first, stop) of every adder's result that a carry chain makes. Those below `first` are
        operand bits.
        """
        return tuple(
            _chain(
                adder,
                self.intervals[adder.a.node],
                self.intervals[adder.b.node],
                self.intervals[node],
                self.made_bits[node],
            )
            for node, adder in enumerate(self.adders, len(self.inputs))
        )

    @cached_property
    def made_bits(self) -> tuple[int, ...]:
        """Bits of every node that are made: all of them, but where `output_bits` leave nobody who reads the upper
        ones.
        """
        widths = [each.word for each in self.intervals]
        if not self.output_bits:
            return tuple(widths)
        read = [0] * len(widths)
        for index, term in enumerate(self.outputs):
            if term is not None:
                whole = self._whole(index)
                seen = widths[term.node] if self.interval(index) == whole else self.interval(index).width - term.shift
                read[term.node] = max(read[term.node], seen)
        first = len(self.inputs)
        for node in range(len(widths) - 1, first - 1, -1):
            widths[node] = max(1, min(widths[node], read[node]))
            for term in self.adders[node - first].terms:
                read[term.node] = max(read[term.node], widths[node] - term.shift)
        return tuple(widths)

    @property
    def bits(self) -> int:
        """Bits of all carry chains, those of negated outputs included: the logic cells of a fabric that inverts for
        nothing.
        """
        return sum(self.chain_bits)

    @property
    def chain_bits(self) -> tuple[int, ...]:
        """The length of every carry chain, those of negated outputs included."""
        return tuple(bits for bits in (*(stop - first for first, stop in self.chains), *self.negation_bits) if bits)

    @cached_property
    def negation_bits(self) -> tuple[int, ...]:
        """Carry bits of each output's negation."""
        return tuple(
            max(0, self.interval(index).width - term.shift) if term and term.negative else 0
            for index, term in enumerate(self.outputs)
        )

    @property
    def luts_carry4(self) -> tuple[int, int]:
        """(LUT6, CARRY4) of the graph on a fabric with a LUT a sum bit and carries of four bits (7-series and later):
        an estimate.
        """
        return self.bits, sum(-(-bits // 4) for bits in self.chain_bits)


def _chain(adder: Adder, a: Interval, b: Interval, result: Interval, stop: int) -> tuple[int, int]:
    if result.low == result.high:
        return 0, 0
    low, high = (adder.a, adder.b) if adder.a.shift <= adder.b.shift else (adder.b, adder.a)
    under = a if low is adder.a else b
    if low.negative or adder.carry is not None:  # its low bits need the borrow, or the carry
        return 0, stop
    if not high.negative and under.low >= 0 and under.high < 1 << high.shift:
        return stop, stop  # the operands do not overlap: wires
    return min(high.shift, stop), stop


def digit_count(matrix: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Non-zero digits, of each line along the other axis or of all."""
    sizes = np.abs(np.asarray(matrix).astype(np.int64))
    return np.bitwise_count(sizes ^ 3 * sizes).sum(axis=axis, dtype=np.int64)  # where 3 n differs from n, n has a digit


def limits(inputs: tuple[Interval, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest value of every input."""
    return np.array([each.low for each in inputs], np.int64), np.array([each.high for each in inputs], np.int64)


def pruned(graph: AdderGraph) -> AdderGraph:
    """Without additions that no output reads."""
    first = len(graph.inputs)
    used = {term.node for term in graph.outputs if term}
    for node in range(first + len(graph.adders) - 1, first - 1, -1):
        if node in used:
            used |= {term.node for term in graph.adders[node - first].terms}
    kept = [node for node in range(first, first + len(graph.adders)) if node in used]
    place = {index: index for index in range(first)} | {node: position for position, node in enumerate(kept, first)}
    moved = tuple(
        Adder(a._replace(node=place[a.node]), b._replace(node=place[b.node]), None if carry is None else place[carry])
        for a, b, carry in (graph.adders[node - first] for node in kept)
    )
    return AdderGraph(
        graph.inputs, moved, tuple(term and term._replace(node=place[term.node]) for term in graph.outputs)
    )
