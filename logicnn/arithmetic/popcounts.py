"""Binarized layers that share partial popcounts between their neurons.

With bits x and weights -1, 0, +1 a neuron fires when ``weights @ x >= minimum - negatives``. Two neurons a and b that
agree on some inputs and differ on others have the sums ``S + D`` and ``S - D``: both S and D are made once. That is the
reuse relation of Gao et al. (Electronics 2021), ``P_b = P_a + |D| - 2 P_(a,D)``, which `logicnn.arithmetic.pairs` finds
for any number of neurons as shared terms of rows.

What is left are sums of bits, made by LUTs three at a time (a carry chain of one or two bits saves nothing), and sums
of words, made by carry chains, each of which takes one more bit as its carry. The threshold is a comparison of the last
word and one bit more with a constant.

For n bits this approaches 1.5 n LUT4 from below: n / 4 full adders of two LUTs, then n / 8 chains of two bits, n / 16
of three, and so on, each with one LUT more for the carry that comes out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from logicnn import bits
from logicnn.arithmetic.adders import AdderGraph, Term, pruned
from logicnn.arithmetic.sharing import Attempt, Pairs, Strategy, search
from logicnn.errors import LogicnnError
from logicnn.network import BIT, Interval, Neuron

if TYPE_CHECKING:
    from logicnn.arithmetic.pairs import Rows

__all__ = ["Comparison", "Heap", "PopcountError", "PopcountLayer", "share_popcounts", "weights_and_thresholds"]


class PopcountError(LogicnnError):
    """Neurons from which no shared layer can be made."""


@dataclass(frozen=True)
class Heap:
    """The number of ones among inputs, each inverted where its term is negative: an unsigned word."""

    terms: tuple[Term, ...]

    @property
    def negatives(self) -> int:
        """How much the word exceeds the sum of the terms: ``~x == 1 - x``."""
        return sum(term.negative for term in self.terms)


@dataclass(frozen=True)
class Comparison:
    """A neuron fires when ``word + term >= level``, or does not where it is `falling`; `term` is an input that needs no
    adder so.
    """

    term: Term | None
    level: int
    falling: bool


@dataclass(frozen=True)
class PopcountLayer:
    """Neurons over `inputs` bits: heaps of those, sums of heaps, and a comparison of the last word.

    `words` reads the heaps in order and has one output for each neuron. The output of a falling neuron is the negative
    of its sum.
    """

    inputs: int
    heaps: tuple[Heap, ...]
    words: AdderGraph
    comparisons: tuple[Comparison, ...]

    @cached_property
    def _heap_weights(self) -> np.ndarray:  # (heaps, inputs)
        return _weights([heap.terms for heap in self.heaps], self.inputs)

    @property
    def _negatives(self) -> np.ndarray:
        return np.array([heap.negatives for heap in self.heaps], np.int64)

    @cached_property
    def _last_weights(self) -> np.ndarray:  # (neurons, inputs)
        return _weights([(last.term,) if last.term else () for last in self.comparisons], self.inputs)

    @property
    def matrix(self) -> np.ndarray:  # (neurons, inputs)
        """The weights that the layer computes, from its sums alone."""
        signs = np.array([-1 if last.falling else 1 for last in self.comparisons], np.int64)
        return signs[:, None] * (self.words.matrix @ self._heap_weights + self._last_weights)

    @property
    def thresholds(self) -> tuple[int, ...]:
        """The least weighted sum of bits with which each neuron fires."""
        negatives = (self.words.matrix @ self._negatives).tolist()
        levels = [last.level - more for last, more in zip(self.comparisons, negatives, strict=True)]
        return tuple(1 - level if last.falling else level for last, level in zip(self.comparisons, levels, strict=True))

    def evaluate(self, x: np.ndarray) -> np.ndarray:  # (samples, inputs) bits -> (samples, neurons) bool
        """Which neurons fire, by the layer's own sums."""
        x = x.astype(np.int64)
        words = self.words.evaluate(x @ self._heap_weights.T + self._negatives) + x @ self._last_weights.T
        levels, falling = (
            np.array([getattr(last, name) for last in self.comparisons]) for name in ("level", "falling")
        )
        return (words >= levels) != falling

    @cached_property
    def lut4(self) -> int:
        """LUT4 of the layer, an estimate: of heaps, a carry bit each for words, a third of the compared bits."""
        heaps = sum(_heap_lut4(len(heap.terms)) for heap in self.heaps)
        compared = sum(
            -(-(self.words.interval(index).width + (last.term is not None)) // 3)
            for index, last in enumerate(self.comparisons)
        )
        return heaps + self.words.bits + compared

    @property
    def logic_cells(self) -> int:
        """Cells of an iCE40, an estimate: a bit takes one on its way into a carry chain."""
        return self.lut4 + sum(adder.carry is not None for adder in self.words.adders)


def _weights(rows: Sequence[Sequence[Term]], inputs: int) -> np.ndarray:  # (rows, inputs)
    weights = np.zeros((len(rows), inputs), np.int64)
    for row, terms in zip(weights, rows, strict=True):
        for term in terms:
            row[term.node] = -1 if term.negative else 1
    return weights


@cache
def _heap_lut4(count: int) -> int:
    """LUT4 of the number of ones among bits: a LUT for each of its bits, or the adders of `bits.popcount`."""
    if count <= 4:
        return count.bit_length() if count > 1 else 0
    made = []
    bits.popcount(bits.Wire(lambda bit: made.append(bit) or bit, 0), [0] * count, 0, count.bit_length())
    return len(made)


def weights_and_thresholds(neurons: Sequence[Neuron], inputs: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """The neurons' weights of -1, 0, +1 (neurons, inputs), and the least weighted sum of bits with which each fires.

    Raises `PopcountError` for neurons that read beyond the inputs, or one of them twice.
    """
    weights = np.zeros((len(neurons), inputs), np.int64)
    for row, neuron in zip(weights, neurons, strict=True):
        if neuron.inputs and max(neuron.inputs) >= inputs:
            raise PopcountError(f"neurons must read inputs below {inputs}, not {max(neuron.inputs)}")
        if len(set(neuron.inputs)) != len(neuron.inputs):
            raise PopcountError(f"neurons must read every input once, not {neuron.inputs}")
        row[list(neuron.inputs)] = np.where(neuron.inverted, -1, 1)
    return weights, tuple(neuron.level - sum(neuron.inverted) for neuron in neurons)


def share_popcounts(neurons: Sequence[Neuron], inputs: int, *, tries: int = 60, seed: int = 0) -> PopcountLayer:
    """The cheapest shared layer found for neurons that read `inputs` bits; the result depends on `seed` and `tries`
    only.

    Raises `PopcountError` for neurons that read beyond the inputs, or one of them twice, or for no tries at all.
    """
    if tries < 1:
        raise PopcountError(f"tries must be at least 1, not {tries}")
    from logicnn.arithmetic.pairs import rows_of  # numba takes a moment to import

    matrix, thresholds = weights_and_thresholds(neurons, inputs)
    pairs = Pairs(matrix, (BIT,) * inputs)

    def attempt(strategy: Strategy, taken: np.ndarray) -> Attempt[PopcountLayer]:
        left = pairs.search(strategy, taken)
        layer = _layer(rows_of(left), inputs, thresholds)
        return Attempt(layer.lut4, strategy, pairs.taken(left, strategy), layer)

    best = search(STRATEGIES, tries, seed, attempt).result
    if not np.array_equal(best.matrix, matrix) or best.thresholds != thresholds:
        raise AssertionError("the shared layer does not compute the neurons")
    return best


# A sum of two bits is more expensive than what it saves, however often it is read, and so is one of few bits that two
# neurons have in common.
STRATEGIES = tuple(Strategy(fewest=(None, least)) for least in (4, 3, 6, 5, 8))
LUTS = 6  # bits that LUTs alone count at least as cheaply as with a carry chain


class _Row(NamedTuple):
    """What a neuron or a shared sum adds up beside other rows: heaps, and bits that enter carry chains."""

    words: list[Term]
    carries: list[Term]
    last: Term | None  # the input that joins the comparison instead


def _sums(rows: "Rows") -> tuple[list[_Row], tuple[Heap, ...]]:
    """What is left in every row, in the rows' order."""
    heaps: list[Heap] = []
    single: dict[int, int] = {}  # the heap of an input by itself
    read = {term.node for each in rows.reads for term in each}
    found = []
    for row in rows.order:
        terms = sorted(rows.terms[row])  # weights of one digit: nothing is shifted
        terms.sort(key=lambda term: not term.negative)  # inverters are free but for the carries, which come last
        last = terms.pop(0) if terms and row < rows.outputs and row not in read else None
        groups, carried = _grouped(terms, len(rows.reads[row]))
        words = [Term(len(heaps) + index) for index in range(len(groups))]
        heaps += [Heap(tuple(group)) for group in groups]
        for term in carried:
            if term.node not in single:
                single[term.node] = len(heaps)
                heaps.append(Heap((Term(term.node),)))
        found.append(_Row(words, [Term(single[term.node], 0, term.negative) for term in carried], last))
    return found, tuple(heaps)


def _layer(rows: "Rows", inputs: int, thresholds: Sequence[int]) -> PopcountLayer:
    """Heaps and words of what was shared."""
    from logicnn.arithmetic.sums import Builder

    found, heaps = _sums(rows)
    given = tuple(Interval(0, len(heap.terms)) for heap in heaps)
    builder = Builder(given)
    sums: dict[int, Term | None] = {}
    for row, (words, carries, _) in zip(rows.order, found, strict=True):
        read = [(sums[term.node], term) for term in rows.reads[row]]
        shared = [Term(at.node, at.shift + term.shift, at.negative != term.negative) for at, term in read if at]
        sums[row] = builder.total(words + shared, row < rows.outputs, carries)
    ends = [sums[row] for row in range(rows.outputs)]
    graph = pruned(AdderGraph(given, builder.adders, tuple(end and end._replace(negative=False) for end in ends)))
    negatives = graph.matrix @ np.array([heap.negatives for heap in heaps], np.int64)
    lasts = {row: each.last for row, each in zip(rows.order, found, strict=True)}
    comparisons = (
        _comparison(end, lasts[row], threshold, more)
        for row, (end, threshold, more) in enumerate(zip(ends, thresholds, negatives.tolist(), strict=True))
    )
    return PopcountLayer(inputs, heaps, graph, tuple(comparisons))


def _comparison(end: Term | None, last: Term | None, threshold: int, more: int) -> Comparison:
    """``sum + last >= threshold``, where the word is the sum's positive or negative and exceeds that by `more`."""
    if end is None or not end.negative:
        return Comparison(last, threshold + more, False)
    return Comparison(last and last._replace(negative=not last.negative), 1 - threshold + more, True)


def _grouped(terms: Sequence[Term], words: int) -> tuple[list[list[Term]], list[Term]]:
    """Bits that LUTs count, three at a time, and bits that are left as the carries of the chains which add those counts
    and `words` more.

    As few groups as make chains for the other bits.
    """
    if not words and len(terms) <= LUTS:
        return ([list(terms)] if terms else []), []
    count = max(0, -(-(len(terms) - words + 1) // 4))
    grouped = max(len(terms) - (words + count - 1), 3 * (count - 1) + 1) if count else 0
    return [list(terms[start : min(start + 3, grouped)]) for start in range(0, grouped, 3)], list(terms[grouped:])
