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

from logicnn.arithmetic.adders import Term, range_of_sum, spanning_tree
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

    `definitions` are the additions before the rows, one for each further column; `extra` are terms of a row that are
    other rows.
    """

    def __init__(
        self, matrix: np.ndarray, low: np.ndarray, high: np.ndarray, strategy: Strategy, max_depth: int | None
    ):
        self.strategy = strategy
        self.max_depth = max_depth
        self.low, self.high = low, high
        self.outputs, inputs = matrix.shape
        self.vectors = list(np.eye(inputs, dtype=np.int64))
        self.ranges = list(zip(low.tolist(), high.tolist(), strict=True))
        self.depths = [0] * inputs
        self.definitions: list[tuple[int, Term, Term]] = []
        self.extra: dict[int, list[Term]] = {}
        self.digits = Digits(self._differences(matrix))
        self.row_bits = 3 + sum(Interval(*each).width for each in self.ranges[:inputs]) / max(1, inputs)
        self.taken: list[Taken] = []  # in order
        self._queue: _Queue | None = None  # there is none before `run`

    def _differences(self, matrix: np.ndarray) -> np.ndarray:
        """The matrix with rows (or columns) replaced by their difference from another one where that has fewer digits.

        A row's difference leaves the other row as an extra term. For columns, the other column's input becomes a sum
        with this one's.
        """
        if self.strategy.differences is None:
            return matrix
        lines = matrix if self.strategy.differences == ROWS else matrix.T
        steps = spanning_tree(lines)
        result = lines.copy()
        for line, parent, shift, negative in steps:
            result[line] -= (-lines[parent] if negative else lines[parent]) << shift
        if self.strategy.differences == ROWS:
            for line, parent, shift, negative in steps:
                self.extra.setdefault(line, []).append(Term(parent, shift, negative))
            return result
        columns = result.T
        standing = list(range(len(lines)))  # the column that now carries a column's coefficients
        for line, parent, shift, negative in reversed(steps):  # children first: they were attached last
            new = self._define(Term(standing[parent]), Term(standing[line], shift, negative))
            columns = np.concatenate([columns, columns[:, [standing[parent]]]], axis=1)
            columns[:, standing[parent]] = 0
            standing[parent] = new
        return columns

    # -- costs

    def _saved(self, pattern: Pattern, uses: int) -> float:
        if pattern.kind == ROWS:
            bits, weight = self._sum_bits(pattern), 1.0
        else:
            bits, weight = self.row_bits, self.strategy.row_weight
        return (uses - 1) * bits**self.strategy.by_width * weight

    def _sum_bits(self, pattern: Pattern) -> int:
        """Carry bits of a sum of two columns, its range taken as if they read different inputs."""
        below, above = max(0, -pattern.distance), max(0, pattern.distance)
        (low, high), second = self.ranges[pattern.first], self.ranges[pattern.second]
        over = (-second[1], -second[0]) if pattern.opposite else second
        low, high = (low << below) + (over[0] << above), (high << below) + (over[1] << above)
        width = 1 + max((~low).bit_length(), high.bit_length()) if low < 0 else high.bit_length()
        return max(1, width - abs(pattern.distance))

    # -- the search

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

    def _take_if(self, pattern: Pattern, uses: int) -> int:
        found = self._occurrences(pattern)
        if len(found) == uses:
            self._take_out(pattern, found)
        return len(found)

    def _occurrences(self, pattern: Pattern) -> list[Occurrence]:
        found = self.digits.occurrences(pattern)
        return found if self.max_depth is None else self._within_depth(pattern, found)

    def _take_out(self, pattern: Pattern, found: Sequence[Occurrence]) -> int:
        below, above = max(0, -pattern.distance), max(0, pattern.distance)
        terms = Term(pattern.first, below), Term(pattern.second, above, pattern.opposite)
        ends = (pattern.first, 0), (pattern.second, pattern.distance)
        if pattern.kind == ROWS:
            self.digits.append(COLUMNS)
            index = self._define(*terms)
            old = [(each.line, column, each.shift + more) for each in found for column, more in ends]
            new = [(each.line, index, each.shift - below, each.sign) for each in found]
        else:
            index = self.digits.append(ROWS)
            old = [(row, each.line, each.shift + more) for each in found for row, more in ends]
            new = [(index, each.line, each.shift - below, each.sign) for each in found]
            for reader, term in zip((pattern.first, pattern.second), terms, strict=True):
                self.extra.setdefault(reader, []).append(term._replace(node=index))
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

    def _define(self, a: Term, b: Term) -> int:
        """A further column: the sum of two terms of columns."""
        column = len(self.vectors)
        first, second = self.vectors[a.node] << a.shift, self.vectors[b.node] << b.shift
        self.vectors.append(first - second if b.negative else first + second)
        self.ranges.append(range_of_sum(self.vectors[-1], self.low, self.high))
        self.depths.append(1 + max(self.depths[a.node], self.depths[b.node]))
        self.definitions.append((column, a, b))
        return column

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

    # -- bounded depth: a sum of terms of depths d fits into depth D when the sum of 2 ** d is at most 2 ** D

    def _row_weight(self, row: int) -> int:
        terms = sum(1 << self.depths[column] for column in self.digits.columns(row))
        return terms + sum(1 << self.row_depth(term.node) for term in self.extra.get(row, ()))

    def row_depth(self, row: int) -> int:
        """The least depth of a row's sum."""
        return max(0, self._row_weight(row) - 1).bit_length()

    def _within_depth(self, pattern: Pattern, found: list[Occurrence]) -> list[Occurrence]:
        """The occurrences that keep every output within the bound, one by one."""
        if pattern.kind == COLUMNS:
            return found if self._rows_may_share(pattern, found) else []
        depths = self.depths[pattern.first], self.depths[pattern.second]
        more = (2 << max(depths)) - (1 << depths[0]) - (1 << depths[1])
        if more == 0:
            return found
        kept = []
        room = {}
        for occurrence in found:
            row = occurrence.line
            if row not in room:
                room[row] = self._room(row)
            if room[row] >= more:
                room[row] -= more
                kept.append(occurrence)
        return kept

    def _rows_may_share(self, pattern: Pattern, found: Sequence[Occurrence]) -> bool:
        weight = sum(1 << self.depths[each.line] for each in found)
        more = (1 << max(0, weight - 1).bit_length()) - weight
        rows = {pattern.first, pattern.second}
        return all((2 if len(rows) == 1 else 1) * more <= self._room(row) for row in rows)

    def _room(self, row: int) -> int:
        """How much the weight of a row may grow: outputs up to the bound, sums that other rows read within their
        depth.
        """
        weight = self._row_weight(row)
        depth = self.max_depth if row < self.outputs and self.max_depth is not None else max(0, weight - 1).bit_length()
        return (1 << depth) - weight
