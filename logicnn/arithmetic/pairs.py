"""Pairs taken out of the digits of a matrix: one greedy search, the pair first that saves most logic.

A pair of *columns*, ``a ± (b << d)``, occurs in several rows and is added once, before the rows. A pair of *rows* reads
the same terms, whose sum is made once and added to both. `logicnn.arithmetic.sharing` and
`logicnn.arithmetic.popcounts` make searches of it and build graphs from what is left.
"""

import heapq
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from logicnn.arithmetic.columns import Columns, differences
from logicnn.arithmetic.depth import DepthBound
from logicnn.arithmetic.digits import COLUMNS, ROWS, Digits, Occurrence, Pattern
from logicnn.network import Interval

__all__ = ["Sharing", "Strategy"]

Taken = tuple[Pattern, int]  # what was shared, and the index of its sum among columns or rows


@dataclass(frozen=True)
class Strategy:
    """How patterns are ranked: ``(uses - 1) * bits ** by_width``, patterns of rows times `row_weight`; ties and noise
    by `seed`.

    `fewest` uses make a pair of columns, and one of rows, worth a sum of its own (None: never).
    """

    by_width: float = 0.5
    row_weight: float = 0.8
    noise: float = 0.0
    seed: int = 0
    differences: int | None = None  # ROWS or COLUMNS along a minimum spanning tree, or the matrix as it is
    fewest: tuple[int | None, int | None] = (2, 2)

    @property
    def kinds(self) -> list[int]:
        """Lines in which pairs are looked for."""
        return [kind for kind in (ROWS, COLUMNS) if self.fewest[kind] is not None]

    def is_worth(self, kind: int, uses: int) -> bool:
        """Whether so many uses make a sum of its own worth it."""
        fewest = self.fewest[kind]
        return fewest is not None and uses >= fewest


class _Queue:
    """How often each pattern occurs, and which of those that are worth it saves most."""

    def __init__(self, digits: Digits, strategy: Strategy, saved: Callable[[Pattern, int], float]):
        self._strategy, self._saved = strategy, saved
        self._random = random.Random(strategy.seed)
        self._counts: dict[int, int] = {}
        self._heap: list[tuple[float, float, int, int]] = []
        for kind in strategy.kinds:
            keys = list(digits.keys(kind))
            if keys:
                found, uses = np.unique(np.concatenate(keys), return_counts=True)
                often = uses >= (strategy.fewest[kind] or 0)
                self._counts |= zip(found[often].tolist(), uses[often].tolist(), strict=True)
        for key, uses in self._counts.items():
            self._push(key, uses)

    def _push(self, key: int, uses: int) -> None:
        saved = self._saved(Pattern.of(key), uses)
        if self._strategy.noise:
            saved *= 1 + self._strategy.noise * self._random.random()
        heapq.heappush(self._heap, (-saved, self._random.random(), key, uses))

    def lose(self, keys: Iterable[int]) -> None:
        """One use less of each of these."""
        counts = self._counts
        for key in keys:
            if key in counts:
                counts[key] -= 1

    def gain(self, new: dict[int, int]) -> None:
        """So many uses more of each of these."""
        for key, uses in new.items():
            if key in self._counts:
                self._counts[key] += uses
            elif self._strategy.is_worth(Pattern.kind_of(key), uses):
                self._counts[key] = uses
                self._push(key, uses)

    def empty(self, take: Callable[[Pattern, int], int]) -> None:
        """Offers patterns, with their uses, until none is worth it. `take` takes one out where it still occurs so
        often, and returns how often it does.
        """
        while self._heap:
            _, _, key, uses = heapq.heappop(self._heap)
            now = self._counts.get(key, 0)
            if now == uses:
                now = take(Pattern.of(key), uses)
                if now == uses:
                    self._counts.pop(key, None)
                    continue
                self._counts[key] = now
            if self._strategy.is_worth(Pattern.kind_of(key), now):
                self._push(key, now)
            else:
                self._counts.pop(key, None)


class Sharing:
    """The digits of a matrix while pairs are taken out of them, and what was taken.

    `columns` are its inputs and the sums that are made before the rows; `extra` are terms of a row that are other rows.
    """

    def __init__(
        self, matrix: np.ndarray, low: np.ndarray, high: np.ndarray, strategy: Strategy, max_depth: int | None
    ):
        self.strategy = strategy
        self.low, self.high = low, high
        self.outputs, inputs = matrix.shape
        self.columns = Columns(low, high)
        ranges = self.columns.ranges[:inputs]
        self._row_bits = 3 + sum(Interval(*each).width for each in ranges) / max(1, inputs)
        matrix, self.extra = differences(matrix, strategy.differences, self.columns)
        self.digits = Digits(matrix)
        self.taken: list[Taken] = []  # in order
        self._bound = (
            None if max_depth is None else DepthBound(self.digits, self.columns, self.extra, self.outputs, max_depth)
        )
        self._queue: _Queue | None = None  # there is none before `run`

    def repeat(self, taken: Iterable[Taken]) -> "Sharing":
        """Takes out what another search took, as far as it still occurs as often as the strategy wants."""
        renamed: tuple[dict[int, int], dict[int, int]] = ({}, {})
        first = self.digits.count(ROWS), self.digits.count(COLUMNS)
        for pattern, index in taken:
            names, old = renamed[pattern.kind], first[1 - pattern.kind]
            here = [each if each < old else names.get(each) for each in (pattern.first, pattern.second)]
            if None in here:
                continue
            again = pattern._replace(first=here[0], second=here[1])
            found = self._occurrences(again)
            if self.strategy.is_worth(again.kind, len(found)):
                names[index] = self._take_out(again, found)
        return self

    def run(self) -> "Sharing":
        """Takes out pairs until none occurs as often as the strategy wants."""
        self._queue = _Queue(self.digits, self.strategy, self._saved)
        self._queue.empty(self._take_if)
        return self

    def readers_last(self) -> list[int]:
        """Rows in an order in which every row comes after those that it reads."""
        order: dict[int, None] = {}
        stack = list(range(self.digits.count(ROWS)))[::-1]
        while stack:
            row = stack.pop()
            if row in order:
                continue
            waiting = [term.node for term in self.extra.get(row, ()) if term.node not in order]
            if waiting:
                stack += [row, *waiting]
            else:
                order[row] = None
        return list(order)

    def _saved(self, pattern: Pattern, uses: int) -> float:
        if pattern.kind == ROWS:
            bits, weight = self.columns.sum_bits(pattern), 1.0
        else:
            bits, weight = self._row_bits, self.strategy.row_weight
        return (uses - 1) * bits**self.strategy.by_width * weight

    def _take_if(self, pattern: Pattern, uses: int) -> int:
        found = self._occurrences(pattern)
        if len(found) == uses:
            self._take_out(pattern, found)
        return len(found)

    def _occurrences(self, pattern: Pattern) -> list[Occurrence]:
        found = self.digits.occurrences(pattern)
        return self._bound.within(pattern, found) if self._bound else found

    def _take_out(self, pattern: Pattern, found: Sequence[Occurrence]) -> int:
        terms = pattern.terms
        ends = (pattern.first, 0), (pattern.second, pattern.distance)
        below = terms[0].shift
        if pattern.kind == ROWS:
            self.digits.append(COLUMNS)
            index = self.columns.define(*terms)
            old = [(each.line, column, each.shift + more) for each in found for column, more in ends]
            new = [(each.line, index, each.shift - below, each.sign) for each in found]
        else:
            index = self.digits.append(ROWS)
            old = [(row, each.line, each.shift + more) for each in found for row, more in ends]
            new = [(index, each.line, each.shift - below, each.sign) for each in found]
            for term in terms:
                self.extra.setdefault(term.node, []).append(term._replace(node=index))
        self._exchange(old, new)
        self.taken.append((pattern, index))
        return index

    def _exchange(self, old: Sequence[tuple[int, int, int]], new: Sequence[tuple[int, int, int, int]]) -> None:
        """Digits (row, column, shift) out, and digits with their signs in; the queue follows, if there is one."""
        kinds = self.strategy.kinds
        for row, column, shift in old:
            sign = self.digits.take(row, column, shift)
            if self._queue:
                self._queue.lose(self.digits.keys_with(row, column, shift, sign, kinds))
        more: dict[int, int] = {}
        for row, column, shift, sign in new:
            if self._queue:
                for key in self.digits.keys_with(row, column, shift, sign, kinds):
                    more[key] = more.get(key, 0) + 1
            self.digits.put(row, column, shift, sign)
        if self._queue:
            self._queue.gain(more)
