"""Weights moved to what a layer's shared additions make anyway: selection by cost in the shared graph.

In a graph of shared additions (`logicnn.arithmetic.sharing`) the cost of a weight is not that of its constant: a weight
that reuses the digits of a neighbour is free, and one digit of a expensive constant may be all that costs. What an
output adds up are *terms*: inputs and shared nodes, shifted and signed. Here one or two terms of a sum make way for
another one, or for none, as long as an addition saved is worth more than what it does to the layer's sums on samples.
That goes beyond Xu et al. 2023, section III-C, which counts every weight by itself.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from logicnn.arithmetic.adders import AdderGraph, Term
from logicnn.errors import LogicnnError

__all__ = ["substituted", "terms_of"]

TRIED = 64  # of the best exchanges found, before all are searched again
LARGEST = 128.0  # factor of a term


def terms_of(graph: AdderGraph) -> list[list[Term]]:
    """What every output adds up: inputs, and nodes that more than one reads."""
    first = len(graph.inputs)
    readers = Counter(term.node for adder in graph.adders for term in adder.terms) + Counter(
        each.node for each in graph.outputs if each
    )
    found = []
    for output in graph.outputs:
        terms, left = [], [output] if output else []
        while left:
            term = left.pop()
            if term.node < first or readers[term.node] > 1:
                terms.append(term)
                continue
            inner = graph.adders[term.node - first].terms
            left += [Term(each.node, each.shift + term.shift, each.negative != term.negative) for each in inner]
        found.append(terms)
    return found


@dataclass
class _Sum:
    """Entries of a dictionary times powers of two, and how far their sum is from the one wanted.

    Signals of the entries on samples enter by their inner products alone: ``gram`` of each other, ``products`` with the
    error.
    """

    gram: np.ndarray  # (entries, entries)
    vectors: np.ndarray  # (entries, inputs): what every entry is of the layer's inputs
    limit: int  # of a weight
    bit_cost: float  # of a term, in units of the squared error
    terms: dict[int, tuple[int, float]]  # by a number of its own, (entry, factor)
    products: np.ndarray
    square: float
    weights: np.ndarray = field(init=False)  # (inputs,)
    number: int = field(init=False)

    def __post_init__(self) -> None:
        self.number = len(self.terms)
        self.weights = np.zeros(self.vectors.shape[1])
        for entry, factor in self.terms.values():
            self.weights += factor * self.vectors[entry]

    def settle(self) -> None:
        """Exchanges while any is worth it. Ends: each lowers error and cost together by a hundredth of a term's cost
        at least.
        """
        while self._best():
            pass

    def _best(self) -> bool:
        """Whether any of the exchanges found was worth it."""
        numbers = list(self.terms)
        count = len(numbers)
        left, right = np.tril_indices(count)  # left == right: one term alone
        entries = np.array([self.terms[each][0] for each in numbers], np.int64)
        factors = np.array([self.terms[each][1] for each in numbers])
        # One row for each set of terms that goes: none, one or two of them; the error and its products without these.
        pair = left != right
        a, b = entries[left], entries[right]
        fa, fb = factors[left], np.where(pair, factors[right], 0.0)
        square = self.square - 2 * fa * self.products[a] - 2 * fb * self.products[b]
        square += fa * fa * self.gram[a, a] + fb * fb * self.gram[b, b] + 2 * fa * fb * self.gram[a, b]
        products = self.products - fa[:, None] * self.gram[a] - fb[:, None] * self.gram[b]
        square, products = np.append(square, self.square), np.concatenate([products, self.products[None]])
        gone = np.append(1 + pair, 0)
        own = np.maximum(np.diag(self.gram), 1e-12)
        wanted = -products / own
        below = np.exp2(np.floor(np.log2(np.clip(np.abs(wanted), 1.0, LARGEST / 2)))) * np.where(wanted < 0, -1.0, 1.0)
        moves: list[tuple[float, int, int | None, float]] = []
        for factor in (below, 2 * below):
            value = (
                square[:, None] + 2 * factor * products + factor * factor * own - self.bit_cost * (gone[:, None] - 1)
            )
            for flat in np.argpartition(value, min(TRIED, value.size - 1), axis=None)[:TRIED]:
                row, entry = np.unravel_index(flat, value.shape)
                moves.append((float(value[row, entry]), int(row), int(entry), float(factor[row, entry])))
        without = square - self.bit_cost * gone
        moves += [(float(without[row]), int(row), None, 0.0) for row in np.argsort(without)[:TRIED]]
        done = False
        for _, row, entry, factor in sorted(moves, key=lambda move: move[0]):
            going = tuple(dict.fromkeys((numbers[left[row]], numbers[right[row]]))) if row < len(left) else ()
            done |= all(each in self.terms for each in going) and self._exchange(going, entry, factor)
        return done

    def _exchange(self, going: tuple[int, ...], entry: int | None, factor: float) -> bool:
        """Whether the exchange is worth it as the sum is now; if so, it is made."""
        changes = [(self.terms[each][0], -self.terms[each][1]) for each in going] + (
            [(entry, factor)] if entry is not None else []
        )
        weights, products, square = self.weights, self.products, self.square
        for at, by in changes:
            weights = weights + by * self.vectors[at]
            square += 2 * by * products[at] + by * by * self.gram[at, at]
            products = products + by * self.gram[at]
        more = len(changes) - 2 * len(going)
        if square + self.bit_cost * more > self.square - 0.01 * self.bit_cost or np.abs(weights).max() > self.limit:
            return False
        for each in going:
            del self.terms[each]
        if entry is not None:
            self.terms[self.number] = entry, factor
            self.number += 1
        self.weights, self.products, self.square = weights, products, square
        return True


def substituted(
    graph: AdderGraph, values: np.ndarray, wanted: np.ndarray, importance: np.ndarray, bit_cost: float, limit: int
) -> tuple[np.ndarray, np.ndarray]:
    """The matrix (outputs, inputs) and offsets (outputs,) of integers that come near the wanted sums with fewer
    additions.

    `values` (samples, inputs) are what the graph reads; the squared distance of a sum from `wanted` (samples, outputs)
    counts times `importance` (samples, outputs), of samples on average; `bit_cost` is what a carry bit is worth in the
    same unit. No exchange makes a weight exceed `limit` either way. An output that is of no importance on these samples
    stays as it is, since they do not say when it matters. Raises `LogicnnError` for a bit_cost or limit that is not
    positive, no samples, or arrays of other shapes.
    """
    samples, outputs = len(values), len(graph.outputs)
    if bit_cost <= 0 or limit <= 0:
        raise LogicnnError(f"bit_cost and limit must be positive, not {bit_cost} and {limit}")
    if not samples:
        raise LogicnnError("values must hold at least one sample, not none")
    for name, array, width in (
        ("values", values, len(graph.inputs)),
        ("wanted", wanted, outputs),
        ("importance", importance, outputs),
    ):
        if array.shape != (samples, width):
            raise LogicnnError(f"{name} must have shape ({samples}, {width}), not {array.shape}")
    sums, first = terms_of(graph), len(graph.inputs)
    shared = sorted({term.node for terms in sums for term in terms if term.node >= first})
    place = {node: index for index, node in enumerate([*range(first), *shared])}
    vectors = graph.coefficients[list(place)].astype(np.float64)
    signals = vectors @ values.T.astype(np.float64)
    matrix, offsets = graph.matrix, np.zeros(outputs, np.int64)
    for row, terms in enumerate(sums):
        weight = importance[:, row] / samples
        total = weight.sum()
        if total > 0:

            def centred(signal: np.ndarray, weight=weight, total=total) -> np.ndarray:  # offsets make up for means
                return (signal - (signal @ weight / total)[..., None]) * np.sqrt(weight)

            seen = centred(signals)
            error = centred(matrix[row] @ values.T - wanted[:, row])
            made = {
                index: (place[term.node], (-1.0 if term.negative else 1.0) * (1 << term.shift))
                for index, term in enumerate(terms)
            }
            chain = bit_cost * graph.interval(row).word
            state = _Sum(seen @ seen.T, vectors, limit, chain, made, seen @ error, float(error @ error))
            state.settle()
            matrix[row] = np.rint(state.weights).astype(np.int64)
        else:
            weight, total = np.full(samples, 1 / samples), 1.0
        offsets[row] = round(float((wanted[:, row] - matrix[row] @ values.T) @ weight / total))
    return matrix, offsets
