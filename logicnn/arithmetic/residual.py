"""What is left of a matrix while pairs of its digits are taken out, read by rows and by columns. All compiled.

An entry is what is left of one weight. A taken pair is a column more, the sum of two columns, or a row more, which two
rows read; lines are only ever appended. `logicnn.arithmetic.pairs` decides what is taken.
"""

from typing import NamedTuple

import numpy as np

from logicnn.arithmetic.compiled import compiled, leaf
from logicnn.arithmetic.differences import ROWS
from logicnn.arithmetic.digits import key_of, lowest, masks, weight
from logicnn.arithmetic.tally import adjust

__all__ = [
    "MINUS",
    "NEVER",
    "OTHER",
    "PLUS",
    "VALUE",
    "Lines",
    "Residual",
    "append",
    "both",
    "change",
    "lines_of",
    "pair_range",
    "pairs_between",
    "pairs_within",
    "span",
]

NEVER = 1 << 30  # uses that no pattern has


class Lines(NamedTuple):
    """All rows, or all columns, each a stretch of a pool of entries; a line has room for as many as it had digits when
    it was made, because what is taken leaves fewer.
    """

    heads: np.ndarray  # (lines, 2) where a line starts in the pool, and how many entries it has
    pool: np.ndarray  # (entries, 4): OTHER, VALUE, PLUS, MINUS
    used: np.ndarray  # (2,) lines, and entries of the pool


OTHER, VALUE, PLUS, MINUS = range(4)  # of an entry: its column or row, what is left of the weight, and its digits


class Residual(NamedTuple):
    """The matrix, and what was taken out of it.

    With a bound on depth (`most`, -1 without) a row's `load` is the sum of ``2 ** depth`` over its terms, where columns
    have depths in additions: it fits into a depth D where it is at most ``2 ** D``.
    """

    rows: Lines
    columns: Lines
    ranges: np.ndarray  # (columns, 3) low and high, of sums as if their columns read different inputs, and depth
    load: np.ndarray  # (rows,)
    taken: np.ndarray  # (taken, 6) kind, first, second, distance, opposite, index of the sum
    extra: np.ndarray  # (reads, 4) a row, a row that it reads, shift, negative
    used: np.ndarray  # (2,) of taken, of extra
    fewest: np.ndarray  # (2,) uses that make a pattern of each kind worth a sum of its own
    outputs: int  # rows that were there first
    minimal: bool  # digits of any minimal representation
    most: int
    mark: np.ndarray  # scratch: an entry by line, else -1
    spots: np.ndarray  # scratch: (occurrences, 3) line, shift and sign
    keys: np.ndarray  # scratch


@compiled
def _room_for(lines, digits, takes):
    return Lines(np.zeros((lines + takes, 2), np.int64), np.zeros((2 * digits + 1, 4), np.int64), np.zeros(2, np.int64))


@compiled
def lines_of(matrix, digits, takes, minimal):  # (rows, columns) -> Lines, Lines
    """Both readings of a matrix with so many digits, with room for so many further lines each."""
    rows, columns = _room_for(matrix.shape[0], digits, takes), _room_for(matrix.shape[1], digits, takes)
    weights = np.zeros(matrix.shape, np.int64)
    for row in range(matrix.shape[0]):
        for column in range(matrix.shape[1]):
            weights[row, column] = weight(matrix[row, column])
    for row in range(matrix.shape[0]):
        append(rows, weights[row].sum())
    for column in range(matrix.shape[1]):
        append(columns, weights[:, column].sum())
    for row in range(matrix.shape[0]):
        for column in range(matrix.shape[1]):
            value = matrix[row, column]
            if value:
                plus, minus = masks(value, minimal)
                _append_entry(rows, row, column, value, plus, minus)
                _append_entry(columns, column, row, value, plus, minus)
    return rows, columns


@leaf
def pair_range(left, first, second, distance, opposite):
    """Range of a sum of two columns, as if they read different inputs."""
    below, above = max(0, -distance), max(0, distance)
    low, high = left.ranges[second, 0], left.ranges[second, 1]
    if opposite:
        low, high = -high, -low
    return (left.ranges[first, 0] << below) + (low << above), (left.ranges[first, 1] << below) + (high << above)


@leaf
def append(lines, room):
    """A further line with room for so many entries: its index."""
    index = lines.used[0]
    lines.heads[index, 0], lines.heads[index, 1] = lines.used[1], 0
    lines.used[0] += 1
    lines.used[1] += room
    return index


@leaf
def span(lines, line):
    """Where a line starts and stops in the pool."""
    start = lines.heads[line, 0]
    return start, start + lines.heads[line, 1]


@leaf
def _entry(lines, line, other):
    """Where an entry stands in the pool, or -1."""
    start, stop = span(lines, line)
    for at in range(start, stop):
        if lines.pool[at, OTHER] == other:
            return at
    return -1


@leaf
def _append_entry(lines, line, other, value, plus, minus):
    _, at = span(lines, line)
    lines.heads[line, 1] += 1
    lines.pool[at, OTHER], lines.pool[at, VALUE], lines.pool[at, PLUS], lines.pool[at, MINUS] = (
        other,
        value,
        plus,
        minus,
    )


@leaf
def _put(lines, line, at, other, value, plus, minus):
    """Sets the entry at `at` (-1: a new one), or removes it."""
    if at < 0:
        if value:
            _append_entry(lines, line, other, value, plus, minus)
    elif value:
        lines.pool[at, VALUE], lines.pool[at, PLUS], lines.pool[at, MINUS] = value, plus, minus
    else:
        lines.heads[line, 1] -= 1
        _, last = span(lines, line)
        for each in range(4):
            lines.pool[at, each] = lines.pool[last, each]


@leaf
def change(left, row, column, delta, keys, counts):
    """Adds `delta` to an entry; the patterns in the table that its lost digits made are counted less often.

    What is taken away must be digits of the entry, so that it gains none. Of new entries nothing is counted.
    """
    in_row, in_column = _entry(left.rows, row, column), _entry(left.columns, column, row)
    old, plus, minus = 0, 0, 0
    if in_row >= 0:
        old, plus, minus = left.rows.pool[in_row, VALUE], left.rows.pool[in_row, PLUS], left.rows.pool[in_row, MINUS]
    new = old + delta
    new_plus, new_minus = masks(new, left.minimal)
    if len(keys) and old:
        for kind in range(2):
            if left.fewest[kind] < NEVER:
                lines, line, at = (left.rows, row, in_row) if kind == ROWS else (left.columns, column, in_column)
                _lose_between(lines, line, at, plus & ~new_plus, minus & ~new_minus, kind, keys, counts)
                other = lines.pool[at, OTHER]
                for each in range(pairs_within(old, plus, minus, left.minimal, other, kind, left.keys)):
                    adjust(keys, counts, left.keys[each], -1)
                for each in range(pairs_within(new, new_plus, new_minus, left.minimal, other, kind, left.keys)):
                    adjust(keys, counts, left.keys[each], 1)
    _put(left.rows, row, in_row, column, new, new_plus, new_minus)
    _put(left.columns, column, in_column, row, new, new_plus, new_minus)
    if left.most >= 0:
        left.load[row] += (weight(new) - weight(old)) << left.ranges[column, 2]


@leaf
def _lose_between(lines, line, at, plus, minus, kind, keys, counts):
    """Of one entry, these digits make no patterns any more with the other entries of its line."""
    other = lines.pool[at, OTHER]
    start, stop = span(lines, line)
    for signed in range(2):
        digits = minus if signed else plus
        while digits:
            shift = lowest(digits)
            digits &= digits - 1
            for each in range(start, stop):
                if each == at:
                    continue
                for opposite in range(2):
                    partners = lines.pool[each, MINUS if opposite != signed else PLUS]
                    while partners:
                        key = key_of(other, lines.pool[each, OTHER], lowest(partners) - shift, opposite, kind)
                        adjust(keys, counts, key, -1)
                        partners &= partners - 1


@leaf
def both(value, first, first_sign, second, second_sign, minimal):
    """Whether a value has two of its digits at once; those of different minimal representations exclude each other."""
    less = first_sign * (1 << first) + second_sign * (1 << second)
    return not minimal or weight(value - less) == weight(value) - 2


@leaf
def pairs_within(value, plus, minus, minimal, other, kind, found):
    """Patterns of the digits of one entry, into `found`: how many."""
    count, left = 0, plus | minus
    if not left & left - 1:
        return 0
    while left:
        first = lowest(left)
        left &= left - 1
        above = left
        while above:
            second = lowest(above)
            above &= above - 1
            for signed in range(2):
                if not (minus if signed else plus) >> first & 1:
                    continue
                for opposite in range(2):
                    signs = 1 - 2 * signed, 1 - 2 * (signed ^ opposite)
                    if not (plus if signs[1] > 0 else minus) >> second & 1:
                        continue
                    if both(value, first, signs[0], second, signs[1], minimal):
                        found[count] = key_of(other, other, second - first, opposite, kind)
                        count += 1
    return count


@leaf
def pairs_between(a, first, b, second, kind, found, count):
    """Patterns of the digits of two entries with the indices `first` and `second`, behind `count` others in `found`:
    how many there are then.
    """
    for signed in range(2):
        digits = a[MINUS if signed else PLUS]
        while digits:
            shift = lowest(digits)
            digits &= digits - 1
            for opposite in range(2):
                partners = b[MINUS if opposite != signed else PLUS]
                while partners:
                    found[count] = key_of(first, second, lowest(partners) - shift, opposite, kind)
                    count += 1
                    partners &= partners - 1
    return count
