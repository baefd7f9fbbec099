"""Binarized layers that share partial popcounts between their neurons.

With bits x and weights -1, 0, +1 a neuron fires when ``weights @ x >= minimum - negatives``. Two neurons a and b that agree on some inputs
and differ on others have the sums ``S + D`` and ``S - D``: both S and D are made once. That is the reuse relation of Gao et al.
(Electronics 2021), ``P_b = P_a + |D| - 2 P_(a,D)``, which `logicnn.sharing` finds for any number of neurons as shared terms of rows.

What is left are sums of many bits, made by compressor trees of LUTs (a carry chain of one or two bits saves nothing), and few sums of
words, made by carry chains. The threshold is a comparison of the last word with a constant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log2

import numpy as np

from logicnn.adders import Adder, AdderGraph, Builder, Term, limits, pruned
from logicnn.errors import LogicnnError
from logicnn.network import BIT, Interval, Neuron
from logicnn.sharing import ROWS, SHIFT, SHIFTS, Sharing, Strategy, search

__all__ = ["Heap", "PopcountError", "PopcountLayer", "share_popcounts"]


class PopcountError(LogicnnError):
    """Neurons from which no shared layer can be made."""


@dataclass(frozen=True)
class Heap:
    """``sum of terms - low``: terms are nodes of `PopcountLayer.small`, `low` their sum's least value, so that the word is unsigned."""

    terms: tuple[Term, ...]
    low: int
    high: int


@dataclass(frozen=True)
class PopcountLayer:
    """Neurons over `small.inputs` bits: small sums of bits, heaps of those, sums of heaps; a neuron fires when its sum reaches its level.

    `small` has no outputs of its own; `words` reads the heaps in order and has one output for each neuron, without the heaps' offsets,
    which are part of `levels`.
    """

    small: AdderGraph
    heaps: tuple[Heap, ...]
    words: AdderGraph
    levels: tuple[int, ...]

    @cached_property
    def _heap_weights(self) -> np.ndarray:  # (heaps, inputs)
        coefficients = self.small.coefficients
        rows = [
            sum(((-coefficients[term.node] if term.negative else coefficients[term.node]) << term.shift for term in heap.terms), 0)
            for heap in self.heaps
        ]
        return np.array(rows, np.int64).reshape(len(self.heaps), len(self.small.inputs))

    @property
    def matrix(self) -> np.ndarray:  # (neurons, inputs)
        """The weights that the layer computes, from its sums alone."""
        return self.words.matrix @ self._heap_weights

    @property
    def thresholds(self) -> tuple[int, ...]:
        """The least weighted sum of bits with which each neuron fires."""
        lows = self.words.matrix @ np.array([heap.low for heap in self.heaps], np.int64)
        return tuple(int(level + low) for level, low in zip(self.levels, lows, strict=True))

    def evaluate(self, x: np.ndarray) -> np.ndarray:  # (samples, inputs) bits -> (samples, neurons) bool
        """Which neurons fire, by the layer's own sums."""
        lows = np.array([heap.low for heap in self.heaps], np.int64)
        return self.words.evaluate(x.astype(np.int64) @ self._heap_weights.T - lows) >= np.array(self.levels)

    @cached_property
    def lut4(self) -> int:
        """LUT4 of the layer, an estimate: two for each full adder of a heap, a carry bit each for words, a third of the compared bits."""
        heaps = sum(heap_lut4([self.small.intervals[term.node].width for term in heap.terms], heap.high - heap.low) for heap in self.heaps)
        compared = sum(-(-self.words.interval(index).width // 3) for index in range(len(self.words.outputs)))
        return self._small_lut4() + heaps + self.words.bits + compared

    def _small_lut4(self) -> int:
        """A sum of up to four inputs is a LUT a bit; a wider one needs its operands and full adders."""
        inputs = len(self.small.inputs)
        reads = np.count_nonzero(self.small.coefficients, axis=1)
        needed = {term.node for heap in self.heaps for term in heap.terms}
        cost = 0
        for node in range(inputs + len(self.small.adders) - 1, inputs - 1, -1):
            if node not in needed:
                continue
            width = self.small.intervals[node].width
            if reads[node] <= 4:
                cost += width
            else:
                operands = [term.node for term in self.small.adders[node - inputs]]
                needed |= set(operands)
                cost += heap_lut4([self.small.intervals[each].width for each in operands], (1 << width) - 1)
        return cost


def heap_lut4(widths: Sequence[int], span: int) -> int:
    """LUT4 of a sum of words: two for each full adder, every adder taking one bit away; many bits by carry chains."""
    if len(widths) >= 15 and max(widths) == 1:
        return round(1.5 * (len(widths) - log2(len(widths)))) + 2
    return 2 * max(0, sum(widths) - span.bit_length())


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


STRATEGIES = (
    Strategy(0.0, 1.0),
    Strategy(0.0, 2.0),
    Strategy(0.0, 4.0),
    Strategy(0.0, 0.7),
    Strategy(0.0, 4.0, differences=ROWS),
    Strategy(0.0, 0.0),
)


def _layer(sharing: Sharing, inputs: int, thresholds: Sequence[int]) -> PopcountLayer:
    """Small sums, heaps and words of what was shared."""
    small = AdderGraph((BIT,) * inputs, tuple(Adder(a, b) for _, a, b in sharing.definitions), ())
    heaps: list[Heap] = []
    heap_of: dict[int, int] = {}
    order = sharing.readers_last()
    for row in order:
        terms = tuple(Term(place >> SHIFT, place & SHIFTS, sign < 0) for place, sign in sorted(sharing.lines[ROWS][row].items()))
        if terms:
            vector = sum((-small.coefficients[t.node] if t.negative else small.coefficients[t.node]) << t.shift for t in terms)
            low, high = int(np.minimum(vector, 0).sum()), int(np.maximum(vector, 0).sum())
            if low == high:  # the terms cancel
                continue
            heap_of[row] = len(heaps)
            heaps.append(Heap(terms, low, high))
    given = tuple(Interval(0, heap.high - heap.low) for heap in heaps)
    builder = Builder(given, *limits(given))
    sums: dict[int, Term | None] = {}
    for row in order:
        terms = [Term(heap_of[row])] if row in heap_of else []
        for term in sharing.extra.get(row, ()):
            at = sums[term.node]
            if at is not None:
                terms.append(Term(at.node, at.shift + term.shift, at.negative != term.negative))
        sums[row] = builder.total(terms, row < sharing.outputs, None)
    words = pruned(AdderGraph(given, tuple(builder.adders), tuple(sums[row] for row in range(sharing.outputs))))
    lows = words.matrix @ np.array([heap.low for heap in heaps], np.int64)
    return PopcountLayer(small, tuple(heaps), words, tuple(int(least - low) for least, low in zip(thresholds, lows, strict=True)))
