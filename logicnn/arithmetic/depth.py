"""A bound on how many additions lie one after the other, while pairs are taken out of a matrix.

A sum of terms of depths d fits into a depth D where the sum of all ``2 ** d``, its *weight*, is at most ``2 ** D``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from logicnn.arithmetic.adders import Term
from logicnn.arithmetic.columns import Columns
from logicnn.arithmetic.digits import COLUMNS, Digits, Occurrence, Pattern

__all__ = ["DepthBound"]


@dataclass(frozen=True, eq=False)
class DepthBound:
    """At most `most` additions to every one of the first `outputs` rows, as digits, columns and `extra` terms (rows
    that a row reads) are when it is asked.
    """

    digits: Digits
    columns: Columns
    extra: Mapping[int, Sequence[Term]]
    outputs: int
    most: int

    def within(self, pattern: Pattern, found: list[Occurrence]) -> list[Occurrence]:
        """The occurrences of a pattern that may be taken out, one by one."""
        if pattern.kind == COLUMNS:
            return found if self._rows_may_share(pattern, found) else []
        depths = self.columns.depths[pattern.first], self.columns.depths[pattern.second]
        more = (2 << max(depths)) - (1 << depths[0]) - (1 << depths[1])
        if more == 0:
            return found
        kept = []
        room: dict[int, int] = {}
        for occurrence in found:
            row = occurrence.line
            if row not in room:
                room[row] = self._room(row)
            if room[row] >= more:
                room[row] -= more
                kept.append(occurrence)
        return kept

    def _rows_may_share(self, pattern: Pattern, found: Sequence[Occurrence]) -> bool:
        weight = sum(1 << self.columns.depths[each.line] for each in found)
        more = (1 << _depth(weight)) - weight
        rows = {pattern.first, pattern.second}
        return all((2 if len(rows) == 1 else 1) * more <= self._room(row) for row in rows)

    def _room(self, row: int) -> int:
        """How much the weight of a row may grow: outputs up to the bound, sums that other rows read within their
        depth.
        """
        weight = self._weight(row)
        return (1 << (self.most if row < self.outputs else _depth(weight))) - weight

    def _weight(self, row: int) -> int:
        terms = sum(1 << self.columns.depths[column] for column in self.digits.columns(row))
        return terms + sum(1 << _depth(self._weight(term.node)) for term in self.extra.get(row, ()))


def _depth(weight: int) -> int:
    return max(0, weight - 1).bit_length()
