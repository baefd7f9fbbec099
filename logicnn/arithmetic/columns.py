"""What the rows of a matrix add up: its inputs, and sums that several rows have in common."""

import numpy as np

from logicnn.arithmetic.adders import Term, range_of_sum, spanning_tree
from logicnn.arithmetic.digits import ROWS, Pattern

__all__ = ["Columns", "differences"]


class Columns:
    """Inputs of the ranges `low` ... `high`, then sums of two terms each: `definitions` has the index and the terms of
    every sum, `ranges` and `depths` (additions one after the other) are of all columns.
    """

    def __init__(self, low: np.ndarray, high: np.ndarray):
        self._low, self._high = low, high
        self._vectors = list(np.eye(len(low), dtype=np.int64))  # each column in terms of the inputs
        self.ranges = list(zip(low.tolist(), high.tolist(), strict=True))
        self.depths = [0] * len(low)
        self.definitions: list[tuple[int, Term, Term]] = []

    def define(self, a: Term, b: Term) -> int:
        """A further column, the sum of two terms: its index."""
        column = len(self._vectors)
        first, second = self._vectors[a.node] << a.shift, self._vectors[b.node] << b.shift
        self._vectors.append(first - second if b.negative else first + second)
        self.ranges.append(range_of_sum(self._vectors[-1], self._low, self._high))
        self.depths.append(1 + max(self.depths[a.node], self.depths[b.node]))
        self.definitions.append((column, a, b))
        return column

    def sum_bits(self, pattern: Pattern) -> int:
        """Carry bits of the sum that a pattern of rows is, its range taken as if both columns read different inputs."""
        # The terms' shifts and ranges without making terms: the search asks this once for every pattern that it sees
        below, above = max(0, -pattern.distance), max(0, pattern.distance)
        (low, high), second = self.ranges[pattern.first], self.ranges[pattern.second]
        if pattern.opposite:
            second = -second[1], -second[0]
        low, high = (low << below) + (second[0] << above), (high << below) + (second[1] << above)
        width = 1 + max((~low).bit_length(), high.bit_length()) if low < 0 else high.bit_length()
        return max(1, width - abs(pattern.distance))


def differences(
    matrix: np.ndarray, along: int | None, columns: Columns
) -> tuple[np.ndarray, dict[int, list[Term]]]:  # (outputs, inputs) -> (outputs, columns)
    """The matrix with rows (`along` ROWS) or columns replaced by their difference from another one where that has fewer
    digits, along a minimum spanning tree, and the terms of each row that are other rows; as it is with None.

    Of rows, a difference leaves the other row as a term. Of columns, the other column's input becomes a sum with this
    one's, which `columns` gets.
    """
    extra: dict[int, list[Term]] = {}
    if along is None:
        return matrix, extra
    lines = matrix if along == ROWS else matrix.T
    steps = spanning_tree(lines)
    result = lines.copy()
    for line, parent, shift, negative in steps:
        result[line] -= (-lines[parent] if negative else lines[parent]) << shift
    if along == ROWS:
        for line, parent, shift, negative in steps:
            extra.setdefault(line, []).append(Term(parent, shift, negative))
        return result, extra
    made = result.T
    standing = list(range(len(lines)))  # the column that now carries a column's coefficients
    for line, parent, shift, negative in reversed(steps):  # children first: they were attached last
        new = columns.define(Term(standing[parent]), Term(standing[line], shift, negative))
        made = np.concatenate([made, made[:, [standing[parent]]]], axis=1)
        made[:, standing[parent]] = 0
        standing[parent] = new
    return made, extra
