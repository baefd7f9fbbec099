"""What a search for pairs starts from: a matrix, or the differences of its similar rows or columns."""

from dataclasses import dataclass

import numpy as np

from logicnn.arithmetic.adders import digit_count

__all__ = ["COLUMNS", "ROWS", "Start", "start_of"]

ROWS, COLUMNS = 0, 1  # of a matrix: kinds of lines


@dataclass(frozen=True, eq=False)
class Start:
    """A matrix (rows, columns), whose last columns are sums, and rows that rows read.

    `definitions` (sums, 6) are what `logicnn.arithmetic.pairs` calls taken: kind, first, second, distance, opposite and
    index of the sum; `extra` (reads, 4) a row, a row that it reads, the shift and whether that is negative.
    """

    matrix: np.ndarray
    definitions: np.ndarray
    extra: np.ndarray


def _spanning_tree(lines: np.ndarray) -> list[tuple[int, int, bool]]:
    """(line, parent, negative) along a minimum spanning tree of digit counts, parents first; only where it saves
    digits.
    """
    best = digit_count(lines, 1)
    parents: dict[int, tuple[int, bool]] = {}
    steps = []
    left = set(range(len(lines)))
    while left:
        line = min(left, key=lambda each: (best[each], each))
        left.remove(line)
        if line in parents:
            steps.append((line, *parents[line]))
        for negative in (False, True):
            difference = lines + lines[line] if negative else lines - lines[line]
            digits = digit_count(difference, 1) + 1
            for other in left:
                if digits[other] < best[other]:
                    best[other] = digits[other]
                    parents[other] = line, negative
    return steps


def start_of(matrix: np.ndarray, along: int | None) -> Start:  # (outputs, inputs) int64
    """The matrix with rows (`along` ROWS) or columns replaced by their difference from another one where that has fewer
    digits, along a minimum spanning tree; as it is with None.

    Of rows, a difference leaves the other row to be read. Of columns, the other column's input becomes a sum with this
    one's.
    """
    none = np.zeros((0, 6), np.int64), np.zeros((0, 4), np.int64)
    if along is None:
        return Start(matrix, *none)
    lines = matrix if along == ROWS else matrix.T
    steps = _spanning_tree(lines)
    result = lines.copy()
    for line, parent, negative in steps:
        result[line] -= -lines[parent] if negative else lines[parent]
    if along == ROWS:
        extra = [(line, parent, 0, negative) for line, parent, negative in steps]
        return Start(result, none[0], np.array(extra, np.int64).reshape(-1, 4))
    made = result.T
    definitions = []
    standing = list(range(len(lines)))  # the column that now carries a column's coefficients
    for line, parent, negative in reversed(steps):  # children first: they were attached last
        new = made.shape[1]
        definitions.append((ROWS, standing[parent], standing[line], 0, negative, new))
        made = np.concatenate([made, made[:, [standing[parent]]]], axis=1)
        made[:, standing[parent]] = 0
        standing[parent] = new
    return Start(np.ascontiguousarray(made), np.array(definitions, np.int64).reshape(-1, 6), none[1])
