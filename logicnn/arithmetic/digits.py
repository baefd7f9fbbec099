"""The signed digits of a matrix, read by rows and by columns, and the patterns that pairs of them make."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from logicnn.arithmetic.adders import Term, signed_digits

__all__ = ["COLUMNS", "ROWS", "Digits", "Occurrence", "Pattern"]

ROWS, COLUMNS = 0, 1
SHIFT_BITS = 6  # of a place; the rest is the index of a row or column, below 2 ** 21
SHIFTS = (1 << SHIFT_BITS) - 1
INDEX_BITS = 21


class Pattern(NamedTuple):
    """Two digits of one line: those of `second` stand `distance` above those of `first`, with the opposite sign or the
    same. `kind` is what the lines are: in ROWS it is a sum of two columns, in COLUMNS one for two rows.
    """

    first: int
    second: int
    distance: int
    opposite: bool
    kind: int

    @classmethod
    def of(cls, key: int) -> "Pattern":
        """The pattern of a key; numpy counts keys, one integer each (`keys`)."""
        low, high = SHIFT_BITS + 3, SHIFT_BITS + 3 + INDEX_BITS
        distance = (key >> 2 & (2 * SHIFTS + 1)) - SHIFTS - 1
        return cls(key >> high, key >> low & (1 << INDEX_BITS) - 1, distance, bool(key >> 1 & 1), key & 1)

    @staticmethod
    def keys(low: np.ndarray, high: np.ndarray, opposite: np.ndarray, kind: int) -> np.ndarray:
        """Keys of the patterns of digits at the places `low` and `high`."""
        distance = (high & SHIFTS) - (low & SHIFTS) + SHIFTS + 1
        indices = (low >> SHIFT_BITS << INDEX_BITS) | high >> SHIFT_BITS
        return ((indices << SHIFT_BITS + 1 | distance) << 1 | opposite) << 1 | kind

    @staticmethod
    def kind_of(key: int) -> int:
        return key & 1

    @property
    def terms(self) -> tuple[Term, Term]:
        """What it adds up: the lower of its two digits is not shifted."""
        below, above = max(0, -self.distance), max(0, self.distance)
        return Term(self.first, below), Term(self.second, above, self.opposite)


class Occurrence(NamedTuple):
    """Where a pattern occurs: the line, the shift of its first digit, and that digit's sign."""

    line: int
    shift: int
    sign: int


class Digits:
    """Digits of a matrix, in both readings: by the row, and by the column, that each stands in.

    A *place* in a row is a column and a shift, in a column a row and a shift, packed into one integer.
    """

    def __init__(self, matrix: np.ndarray):
        self._lines: tuple[list[dict[int, int]], list[dict[int, int]]] = (
            [{} for _ in range(matrix.shape[0])],
            [{} for _ in range(matrix.shape[1])],
        )
        digits = signed_digits(matrix)
        for row, column, shift in zip(*(each.tolist() for each in np.nonzero(digits)), strict=True):
            self.put(row, column, shift, int(digits[row, column, shift]))

    def count(self, kind: int) -> int:
        """How many rows or columns there are."""
        return len(self._lines[kind])

    def append(self, kind: int) -> int:
        """A further row or column without digits: its index."""
        self._lines[kind].append({})
        return len(self._lines[kind]) - 1

    def put(self, row: int, column: int, shift: int, sign: int) -> None:
        self._lines[ROWS][row][column << SHIFT_BITS | shift] = sign
        self._lines[COLUMNS][column][row << SHIFT_BITS | shift] = sign

    def take(self, row: int, column: int, shift: int) -> int:
        """Removes a digit: its sign."""
        self._lines[COLUMNS][column].pop(row << SHIFT_BITS | shift)
        return self._lines[ROWS][row].pop(column << SHIFT_BITS | shift)

    def terms(self, row: int) -> list[Term]:
        """The digits of a row, each as a column that is shifted and signed."""
        return [Term(place >> SHIFT_BITS, place & SHIFTS, sign < 0) for place, sign in self._lines[ROWS][row].items()]

    def columns(self, row: int) -> Iterator[int]:
        """The column of each digit of a row."""
        return (place >> SHIFT_BITS for place in self._lines[ROWS][row])

    def keys_with(self, row: int, column: int, shift: int, sign: int, kinds: Iterable[int]) -> Iterator[int]:
        """Keys of the patterns that such a digit makes, or would make, with others of its row and of its column."""
        for kind in kinds:
            line, other = (row, column) if kind == ROWS else (column, row)
            digits = self._lines[kind][line]
            if digits:
                place = other << SHIFT_BITS | shift
                places = np.fromiter(digits.keys(), np.int64, len(digits))
                signs = np.fromiter(digits.values(), np.int64, len(digits))
                yield from Pattern.keys(
                    np.minimum(places, place), np.maximum(places, place), signs != sign, kind
                ).tolist()

    def keys(self, kind: int) -> Iterator[np.ndarray]:
        """Keys of all patterns, line by line."""
        for line in self._lines[kind]:
            places = np.array(sorted(line), np.int64)
            signs = np.array([line[place] for place in places.tolist()])
            low, high = np.triu_indices(len(places), 1)
            if len(low):
                yield Pattern.keys(places[low], places[high], signs[low] != signs[high], kind)

    def occurrences(self, pattern: Pattern) -> list[Occurrence]:
        """Where a pattern occurs, no digit in two of them."""
        first, second = (self._lines[1 - pattern.kind][index] for index in (pattern.first, pattern.second))
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
            found.append(Occurrence(place >> SHIFT_BITS, place & SHIFTS, sign))
        return found
