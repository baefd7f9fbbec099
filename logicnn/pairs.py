"""The digits of a matrix while pairs of them are shared: one greedy search, the pair first that saves most logic.

A pair of *columns*, ``a ± (b << d)``, occurs in several rows and is added once, before the rows. A pair of *rows* reads the same terms,
whose sum is made once and added to both. `logicnn.sharing` and `logicnn.popcounts` make searches of it and build graphs from what is left.
"""

import heapq
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from logicnn.adders import Term, range_of_sum, signed_digits, spanning_tree
from logicnn.network import Interval

__all__ = ["COLUMNS", "ROWS", "SHIFT", "SHIFTS", "Sharing", "Strategy"]

# A digit of the matrix stands in a line (its row) under a place (column and shift), and the other way round; both readings are kept. A
# place is ``index << SHIFT | shift``. A pattern is two digits of one line by their indices, relative shift and relative sign, packed into
# an int; its lowest bit says whether the lines are rows (a sum of two columns) or columns (a sum for two rows).
SHIFT = 6
SHIFTS = (1 << SHIFT) - 1
ROWS, COLUMNS = 0, 1
NEVER = 1 << 30  # uses that no pattern has


def _pattern_keys(places: np.ndarray, signs: np.ndarray, place: int, sign: int, kind: int) -> list[int]:
    """Patterns of one digit with the digits of a line."""
    return _keys(np.minimum(places, place), np.maximum(places, place), signs != sign, kind).tolist()


def _keys(low: np.ndarray, high: np.ndarray, opposite: np.ndarray, kind: int) -> np.ndarray:
    distance = (high & SHIFTS) - (low & SHIFTS) + SHIFTS + 1
    return ((((low >> SHIFT << 21) | high >> SHIFT) << 7 | distance) << 1 | opposite) << 1 | kind


class _Pattern(NamedTuple):
    """Digits of `second` stand `distance` above those of `first`, with the opposite sign or the same."""

    first: int
    second: int
    distance: int
    opposite: bool
    kind: int

    @classmethod
    def of(cls, key: int) -> "_Pattern":
        return cls(key >> 30, key >> 9 & 0x1FFFFF, (key >> 2 & 127) - SHIFTS - 1, bool(key >> 1 & 1), key & 1)


@dataclass(frozen=True)
class Strategy:
    """How patterns are ranked: ``(uses - 1) * bits ** by_width``, patterns of rows times `row_weight`; ties and noise by `seed`.

    `fewest` uses make a pair of columns, and one of rows, worth a sum of its own (None: never).
    """

    by_width: float = 0.5
    row_weight: float = 0.8
    noise: float = 0.0
    seed: int = 0
    differences: int | None = None  # ROWS or COLUMNS along a minimum spanning tree, or the matrix as it is
    fewest: tuple[int | None, int | None] = (2, 2)


class Sharing:
    """The digits of a matrix while pairs are taken out of them.

    `definitions` are the additions before the rows, one for each further column; `extra` are terms of a row that are other rows.
    """

    def __init__(self, matrix: np.ndarray, low: np.ndarray, high: np.ndarray, strategy: Strategy, max_depth: int | None):
        self.strategy = strategy
        self.max_depth = max_depth
        self.low, self.high = low, high
        self.random = random.Random(strategy.seed)
        self.outputs, inputs = matrix.shape
        self.vectors = list(np.eye(inputs, dtype=np.int64))
        self.ranges = list(zip(low.tolist(), high.tolist(), strict=True))
        self.depths = [0] * inputs
        self.definitions: list[tuple[int, Term, Term]] = []
        self.extra: dict[int, list[Term]] = {}
        matrix = self._differences(matrix)
        self.lines: tuple[list[dict[int, int]], list[dict[int, int]]] = (
            [{} for _ in range(matrix.shape[0])],
            [{} for _ in range(matrix.shape[1])],
        )
        digits = signed_digits(matrix)
        for row, column, shift in zip(*(each.tolist() for each in np.nonzero(digits)), strict=True):
            self._put(row, column, shift, int(digits[row, column, shift]))
        self.row_bits = 3 + sum(Interval(*each).width for each in self.ranges[:inputs]) / max(1, inputs)
        self.fewest = tuple(NEVER if each is None else each for each in strategy.fewest)  # by kind
        self.counts: dict[int, int] = {}
        self.heap: list[tuple[float, float, int, int]] = []
        self.counting = False
        self.taken: list[tuple[_Pattern, int]] = []  # what was shared, in order, and the index of its sum

    # -- differences of similar rows or columns

    def _differences(self, matrix: np.ndarray) -> np.ndarray:
        """The matrix with rows (or columns) replaced by their difference from another one where that has fewer digits.

        A row's difference leaves the other row as an extra term. For columns, the other column's input becomes a sum with this one's.
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

    # -- digits

    def _put(self, row: int, column: int, shift: int, sign: int) -> None:
        self.lines[ROWS][row][column << SHIFT | shift] = sign
        self.lines[COLUMNS][column][row << SHIFT | shift] = sign

    def _line_keys(self, kind: int, line: int, place: int, sign: int) -> list[int]:
        digits = self.lines[kind][line]
        if not digits or self.fewest[kind] == NEVER:
            return []
        places = np.fromiter(digits.keys(), np.int64, len(digits))
        signs = np.fromiter(digits.values(), np.int64, len(digits))
        return _pattern_keys(places, signs, place, sign, kind)

    def _remove(self, row: int, column: int, shift: int) -> None:
        sign = self.lines[ROWS][row].pop(column << SHIFT | shift)
        self.lines[COLUMNS][column].pop(row << SHIFT | shift)
        if not self.counting:
            return
        counts = self.counts
        for kind, line, place in ((ROWS, row, column << SHIFT | shift), (COLUMNS, column, row << SHIFT | shift)):
            for key in self._line_keys(kind, line, place, sign):
                if key in counts:
                    counts[key] -= 1

    def _add(self, row: int, column: int, shift: int, sign: int, new: dict[int, int]) -> None:
        if self.counting:
            self._count_new(row, column, shift, sign, new)
        self._put(row, column, shift, sign)

    def _count_new(self, row: int, column: int, shift: int, sign: int, new: dict[int, int]) -> None:
        for kind, line, place in ((ROWS, row, column << SHIFT | shift), (COLUMNS, column, row << SHIFT | shift)):
            for key in self._line_keys(kind, line, place, sign):
                new[key] = new.get(key, 0) + 1

    # -- prices

    def _sum_bits(self, pattern: _Pattern) -> int:
        """Carry bits of a sum of two columns, its range taken as if they read different inputs."""
        below, above = max(0, -pattern.distance), max(0, pattern.distance)
        (low, high), second = self.ranges[pattern.first], self.ranges[pattern.second]
        over = (-second[1], -second[0]) if pattern.opposite else second
        low, high = (low << below) + (over[0] << above), (high << below) + (over[1] << above)
        width = 1 + max((~low).bit_length(), high.bit_length()) if low < 0 else high.bit_length()
        return max(1, width - abs(pattern.distance))

    def _push(self, key: int, uses: int) -> None:
        pattern = _Pattern.of(key)
        if pattern.kind == ROWS:
            bits, weight = self._sum_bits(pattern), 1.0
        else:
            bits, weight = self.row_bits, self.strategy.row_weight
        saved = (uses - 1) * bits**self.strategy.by_width * weight
        if self.strategy.noise:
            saved *= 1 + self.strategy.noise * self.random.random()
        heapq.heappush(self.heap, (-saved, self.random.random(), key, uses))

    # -- the search

    def repeat(self, taken: Iterable[tuple[_Pattern, int]]) -> "Sharing":
        """Takes out what another search took, as far as it still occurs as often as `fewest` says."""
        renamed: tuple[dict[int, int], dict[int, int]] = ({}, {})
        first = len(self.lines[ROWS]), len(self.lines[COLUMNS])
        for pattern, index in taken:
            names, old = renamed[pattern.kind], first[1 - pattern.kind]
            here = [each if each < old else names.get(each) for each in (pattern.first, pattern.second)]
            if None in here:
                continue
            again = pattern._replace(first=here[0], second=here[1])
            found = self._occurrences(again)
            if len(found) >= self.fewest[again.kind]:
                names[index] = self._take_out(again, found)
        return self

    def run(self) -> "Sharing":
        """Takes out pairs until none occurs as often as `fewest` says."""
        self._count()
        self.counting = True
        while self.heap:
            _, _, key, uses = heapq.heappop(self.heap)
            now = self.counts.get(key, 0)
            if now == uses:
                pattern = _Pattern.of(key)
                found = self._occurrences(pattern)
                if len(found) == uses:
                    self._take_out(pattern, found)
                    self.counts.pop(key, None)
                    continue
                now = self.counts[key] = len(found)
            if now >= self.fewest[key & 1]:
                self._push(key, now)
            else:
                self.counts.pop(key, None)
        return self

    def _count(self) -> None:
        for kind in (ROWS, COLUMNS):
            if self.fewest[kind] == NEVER:
                continue
            keys = []
            for line in self.lines[kind]:
                places = np.array(sorted(line), np.int64)
                signs = np.array([line[place] for place in places.tolist()])
                low, high = np.triu_indices(len(places), 1)
                if len(low):
                    keys.append(_keys(places[low], places[high], signs[low] != signs[high], kind))
            if keys:
                found, uses = np.unique(np.concatenate(keys), return_counts=True)
                often = uses >= self.fewest[kind]
                self.counts |= zip(found[often].tolist(), uses[often].tolist(), strict=True)
        for key, uses in self.counts.items():
            self._push(key, uses)

    def _occurrences(self, pattern: _Pattern) -> list[tuple[int, int, int]]:
        """(line, shift of the first digit, its sign), no digit twice."""
        first, second = (self.lines[1 - pattern.kind][index] for index in (pattern.first, pattern.second))
        found = []
        used: set[int] = set()
        for place in sorted(first):
            sign, other = first[place], place + pattern.distance
            if not 0 <= (place & SHIFTS) + pattern.distance <= SHIFTS:
                continue
            partner = second.get(other)
            if partner is None or (partner != sign) != pattern.opposite:
                continue
            if pattern.first == pattern.second:
                if place in used or other in used:
                    continue
                used |= {place, other}
            found.append((place >> SHIFT, place & SHIFTS, sign))
        return self._within_depth(pattern, found) if self.max_depth is not None else found

    def _take_out(self, pattern: _Pattern, found: list[tuple[int, int, int]]) -> int:
        below, above = max(0, -pattern.distance), max(0, pattern.distance)
        terms = Term(pattern.first, below), Term(pattern.second, above, pattern.opposite)
        new: dict[int, int] = {}
        if pattern.kind == ROWS:
            self.lines[COLUMNS].append({})
            index = column = self._define(*terms)
            for row, shift, _ in found:
                self._remove(row, pattern.first, shift)
                self._remove(row, pattern.second, shift + pattern.distance)
            for row, shift, sign in found:
                self._add(row, column, shift - below, sign, new)
        else:
            index = row = len(self.lines[ROWS])
            self.lines[ROWS].append({})
            for column, shift, _ in found:
                self._remove(pattern.first, column, shift)
                self._remove(pattern.second, column, shift + pattern.distance)
            for column, shift, sign in found:
                self._add(row, column, shift - below, sign, new)
            for reader, term in zip((pattern.first, pattern.second), terms, strict=True):
                self.extra.setdefault(reader, []).append(term._replace(node=row))
        for key, uses in new.items():
            if key in self.counts:
                self.counts[key] += uses
            elif uses >= self.fewest[key & 1]:
                self.counts[key] = uses
                self._push(key, uses)
        self.taken.append((pattern, index))
        return index

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
        stack = list(range(len(self.lines[ROWS])))[::-1]
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
        terms = sum(1 << self.depths[place >> SHIFT] for place in self.lines[ROWS][row])
        return terms + sum(1 << self.row_depth(term.node) for term in self.extra.get(row, ()))

    def row_depth(self, row: int) -> int:
        """The least depth of a row's sum."""
        return max(0, self._row_weight(row) - 1).bit_length()

    def _within_depth(self, pattern: _Pattern, found: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
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
            row = occurrence[0]
            if row not in room:
                room[row] = self._room(row)
            if room[row] >= more:
                room[row] -= more
                kept.append(occurrence)
        return kept

    def _rows_may_share(self, pattern: _Pattern, found: list[tuple[int, int, int]]) -> bool:
        weight = sum(1 << self.depths[column] for column, _, _ in found)
        more = (1 << max(0, weight - 1).bit_length()) - weight
        rows = {pattern.first, pattern.second}
        return all((2 if len(rows) == 1 else 1) * more <= self._room(row) for row in rows)

    def _room(self, row: int) -> int:
        """By how much the weight of a row may grow: outputs up to the bound, sums that other rows read within their depth."""
        weight = self._row_weight(row)
        depth = self.max_depth if row < self.outputs and self.max_depth is not None else max(0, weight - 1).bit_length()
        return (1 << depth) - weight
