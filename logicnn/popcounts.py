"""Binarized layers that share partial popcounts between their neurons.

With bits x and weights -1, 0, +1 a neuron fires when ``weights @ x >= minimum - negatives``. Two neurons a and b that agree on some inputs
and differ on others have the sums ``S + D`` and ``S - D``: both S and D are made once. That is the reuse relation of Gao et al.
(Electronics 2021), ``P_b = P_a + |D| - 2 P_(a,D)``, which `logicnn.sharing` finds for any number of neurons as shared terms of rows.

What is left are sums of bits, made by LUTs three at a time (a carry chain of one or two bits saves nothing), and sums of words, made by
carry chains, each of which takes one more bit as its carry. The threshold is a comparison of the last word with a constant.

Of 2 ** k - 1 bits this is 1.5 LUT4 a bit less a few: full adders of LUTs for a quarter of the bits' triples, a chain of two bits for an
eighth, of three for a sixteenth, and so on, each a LUT longer than its operands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from logicnn import bits
from logicnn.adders import Adder, AdderGraph, Builder, Term, limits, pruned
from logicnn.errors import LogicnnError
from logicnn.network import BIT, Interval, Neuron
from logicnn.sharing import ROWS, SHIFT, SHIFTS, Sharing, Strategy, search

__all__ = ["Comparison", "Heap", "PopcountError", "PopcountLayer", "share_popcounts"]


class PopcountError(LogicnnError):
    """Neurons from which no shared layer can be made."""


@dataclass(frozen=True)
class Heap:
    """``sum of terms - low``: terms are nodes of `PopcountLayer.small`, `low` their sum's least value, so that the word is unsigned."""

    terms: tuple[Term, ...]
    low: int
    high: int


@dataclass(frozen=True)
class Comparison:
    """A neuron fires when ``word + term >= level``, or does not where it is `falling`; `term` is an input that needs no adder so."""

    term: Term | None
    level: int
    falling: bool


@dataclass(frozen=True)
class PopcountLayer:
    """Neurons over `small.inputs` bits: small sums of bits, heaps of those, sums of heaps, and a comparison of the last word.

    `small` has no outputs of its own; `words` reads the heaps in order and has one output for each neuron, without the heaps' offsets,
    which are part of the levels. The output of a falling neuron is the negative of its sum.
    """

    small: AdderGraph
    heaps: tuple[Heap, ...]
    words: AdderGraph
    comparisons: tuple[Comparison, ...]

    @cached_property
    def _heap_weights(self) -> np.ndarray:  # (heaps, inputs)
        coefficients = self.small.coefficients
        rows = [
            sum(((-coefficients[term.node] if term.negative else coefficients[term.node]) << term.shift for term in heap.terms), 0)
            for heap in self.heaps
        ]
        return np.array(rows, np.int64).reshape(len(self.heaps), len(self.small.inputs))

    @cached_property
    def _last_weights(self) -> np.ndarray:  # (neurons, inputs)
        rows = np.zeros((len(self.comparisons), len(self.small.inputs)), np.int64)
        for row, last in zip(rows, self.comparisons, strict=True):
            if last.term is not None:
                row[last.term.node] = -1 if last.term.negative else 1
        return rows

    @property
    def matrix(self) -> np.ndarray:  # (neurons, inputs)
        """The weights that the layer computes, from its sums alone."""
        signs = np.array([-1 if last.falling else 1 for last in self.comparisons], np.int64)
        return signs[:, None] * (self.words.matrix @ self._heap_weights + self._last_weights)

    @property
    def thresholds(self) -> tuple[int, ...]:
        """The least weighted sum of bits with which each neuron fires."""
        lows = (self.words.matrix @ self._lows).tolist()
        levels = [last.level + low for last, low in zip(self.comparisons, lows, strict=True)]
        return tuple(1 - level if last.falling else level for last, level in zip(self.comparisons, levels, strict=True))

    def evaluate(self, x: np.ndarray) -> np.ndarray:  # (samples, inputs) bits -> (samples, neurons) bool
        """Which neurons fire, by the layer's own sums."""
        x = x.astype(np.int64)
        words = self.words.evaluate(x @ self._heap_weights.T - self._lows) + x @ self._last_weights.T
        levels, falling = (np.array([getattr(last, name) for last in self.comparisons]) for name in ("level", "falling"))
        return (words >= levels) != falling

    @property
    def _lows(self) -> np.ndarray:
        return np.array([heap.low for heap in self.heaps], np.int64)

    @cached_property
    def lut4(self) -> int:
        """LUT4 of the layer, an estimate: of small sums and heaps, a carry bit each for words, a third of the compared bits."""
        widths = [max(1, each.width) for each in self.small.intervals]
        terms = [adder.terms for adder in self.small.adders] + [heap.terms for heap in self.heaps]
        sums = sum(_sum_lut4(tuple(sorted((widths[term.node], term.shift) for term in each))) for each in terms)
        compared = sum(-(-(self.words.interval(index).width + (last.term is not None)) // 3) for index, last in enumerate(self.comparisons))
        return sums + self.words.bits + compared


@cache
def _sum_lut4(terms: tuple[tuple[int, int], ...]) -> int:
    """LUT4 of a sum of words of so many bits, each shifted: a LUT a bit of four bits, two for each adder of more."""
    columns: list[list[int]] = []
    for width, shift in terms:
        columns += [[] for _ in range(shift + width - len(columns))]
        for place in range(shift, shift + width):
            columns[place].append(0)
    span = sum(len(column) << place for place, column in enumerate(columns))
    if sum(map(len, columns)) <= 4:
        return span.bit_length() if sum(map(len, columns)) > 1 else 0
    made = []
    bits.add_bits(bits.Wire(lambda bit: made.append(bit) or bit, 0), columns, 0, span.bit_length())
    return len(made)


def share_popcounts(neurons: Sequence[Neuron], inputs: int, *, tries: int = 60, seed: int = 0) -> PopcountLayer:
    """The cheapest shared layer found for neurons that read `inputs` bits; the result depends on `seed` and `tries` only.

    Raises `PopcountError` for neurons that read beyond the inputs, or for no tries at all.
    """
    if tries < 1:
        raise PopcountError(f"tries must be at least 1, not {tries}")
    matrix = np.zeros((len(neurons), inputs), np.int64)
    for row, neuron in zip(matrix, neurons, strict=True):
        if neuron.inputs and max(neuron.inputs) >= inputs:
            raise PopcountError(f"neurons must read inputs below {inputs}, not {max(neuron.inputs)}")
        np.add.at(row, list(neuron.inputs), np.where(neuron.inverted, -1, 1))
    thresholds = [neuron.level - sum(neuron.inverted) for neuron in neurons]
    best = search(
        STRATEGIES[:tries],
        tries,
        seed,
        begin=lambda strategy: Sharing(matrix, *limits((BIT,) * inputs), strategy, None),
        build=lambda sharing: _layer(sharing, inputs, thresholds),
        price=lambda layer: layer.lut4,
    )
    if not np.array_equal(best.matrix, matrix) or list(best.thresholds) != thresholds:
        raise AssertionError("the shared layer does not compute the neurons")
    return best


# A sum of two bits is dearer than what it saves, however often it is read, and so is one of few bits that two neurons have in common.
STRATEGIES = tuple(Strategy(fewest=(None, least)) for least in (4, 3, 6, 5, 8))


LUTS = 6  # bits that LUTs alone count at least as cheaply as with a carry chain


def _layer(sharing: Sharing, inputs: int, thresholds: Sequence[int]) -> PopcountLayer:
    """Small sums, heaps and words of what was shared."""
    small = AdderGraph((BIT,) * inputs, tuple(Adder(a, b) for _, a, b in sharing.definitions), ())
    heaps: list[Heap] = []
    single: dict[int, int] = {}  # the heap of an input by itself
    order = sharing.readers_last()
    rows: dict[int, tuple[list[Term], list[Term]]] = {}  # words and carries
    read = {term.node for each in sharing.extra.values() for term in each}
    last: list[Term | None] = [None] * sharing.outputs  # the input that joins the comparison
    for row in order:
        terms = [Term(place >> SHIFT, place & SHIFTS, sign < 0) for place, sign in sorted(sharing.lines[ROWS][row].items())]
        if row < sharing.outputs and row not in read:
            last[row] = next((term for term in reversed(terms) if term.node < inputs and not term.shift), None)
            terms = [term for term in terms if term != last[row]]
        groups, carried = _grouped(terms, inputs, len(sharing.extra.get(row, ())))
        words = []
        for group in groups:
            vector = sum((-small.coefficients[t.node] if t.negative else small.coefficients[t.node]) << t.shift for t in group)
            low, high = int(np.minimum(vector, 0).sum()), int(np.maximum(vector, 0).sum())
            if low < high:  # else the terms cancel
                words.append(Term(len(heaps)))
                heaps.append(Heap(tuple(group), low, high))
        for term in carried:
            if term.node not in single:
                single[term.node] = len(heaps)
                heaps.append(Heap((Term(term.node),), 0, 1))
        rows[row] = words, [Term(single[term.node], 0, term.negative) for term in carried]
    given = tuple(Interval(0, heap.high - heap.low) for heap in heaps)
    builder = Builder(given, *limits(given))
    sums: dict[int, Term | None] = {}
    for row in order:
        words, carries = rows[row]
        for term in sharing.extra.get(row, ()):
            at = sums[term.node]
            if at is not None:
                words.append(Term(at.node, at.shift + term.shift, at.negative != term.negative))
        sums[row] = builder.total(words, row < sharing.outputs, None, carries)
    ends = [sums[row] for row in range(sharing.outputs)]
    words = pruned(AdderGraph(given, tuple(builder.adders), tuple(end and end._replace(negative=False) for end in ends)))
    lows = words.matrix @ np.array([heap.low for heap in heaps], np.int64)
    comparisons = tuple(map(_comparison, ends, last, thresholds, lows.tolist()))
    return PopcountLayer(small, tuple(heaps), words, comparisons)


def _comparison(end: Term | None, last: Term | None, threshold: int, low: int) -> Comparison:
    """``sum + last >= threshold``, where the word is the sum's positive or negative without the offset `low`."""
    if end is None or not end.negative:
        return Comparison(last, threshold - low, False)
    return Comparison(last and last._replace(negative=not last.negative), 1 - threshold - low, True)


def _grouped(terms: Sequence[Term], inputs: int, words: int) -> tuple[list[list[Term]], list[Term]]:
    """Terms that are summed by LUTs, three bits at a time, and bits that are left as the carries of chains, of which `words` more come.

    As few groups as make chains for the other bits. Inverted bits go into groups, where inverters are free.
    """
    single = sorted((term for term in terms if term.node < inputs and not term.shift), key=lambda term: (not term.negative, term))
    groups = [[term for term in terms if term.node >= inputs or term.shift]]
    groups = [group for group in groups if group]
    words += len(groups)
    if not words and len(single) <= LUTS:
        return ([single] if single else []), []
    count = max(0, -(-(len(single) - words + 1) // 4))
    grouped = max(len(single) - (words + count - 1), 3 * (count - 1) + 1) if count else 0
    return groups + [single[start : min(start + 3, grouped)] for start in range(0, grouped, 3)], single[grouped:]
