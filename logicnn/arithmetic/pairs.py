"""Pairs taken out of the digits of a matrix: one greedy search, the pair first that saves most logic.

A pair of *columns*, ``a ± (b << d)``, occurs in several rows and is added once, before the rows. A pair of *rows* reads
the same terms, whose sum is made once and added to both. `logicnn.arithmetic.sharing` and
`logicnn.arithmetic.popcounts` make searches of it and build graphs from what is left. The search is compiled.
"""

from dataclasses import dataclass

import numpy as np

from logicnn.arithmetic.adders import Term
from logicnn.arithmetic.compiled import compiled, leaf
from logicnn.arithmetic.differences import COLUMNS, ROWS
from logicnn.arithmetic.digits import lowest, masks, unpacked, weight
from logicnn.arithmetic.ranking import (
    FOUND,
    PATTERN,
    USES,
    gain,
    patterns_of,
    patterns_with,
    ranked,
    score,
    with_room,
)
from logicnn.arithmetic.residual import (
    MINUS,
    NEVER,
    OTHER,
    PLUS,
    VALUE,
    Residual,
    append,
    both,
    change,
    lines_of,
    pair_range,
    span,
)
from logicnn.arithmetic.tally import adjust, count_of, pop, settle

__all__ = ["Rows", "level", "readers_last", "rows_of", "searched"]


@leaf
def level(load):
    """The least depth into which so much load fits."""
    depth = 0
    while 1 << depth < load:
        depth += 1
    return depth


@leaf
def _room(left, row):
    """How much the load of a row may grow: outputs up to the bound, sums that other rows read within their depth."""
    load = left.load[row]
    return (1 << (left.most if row < left.outputs else level(load))) - load


@leaf
def _define(left, index, first, second, distance, opposite):
    """Range and depth of a column that is a sum."""
    left.ranges[index, 0], left.ranges[index, 1] = pair_range(left, first, second, distance, opposite)
    left.ranges[index, 2] = 1 + max(left.ranges[first, 2], left.ranges[second, 2])


@leaf
def _record(left, kind, first, second, distance, opposite, index):
    """What was taken, and of a row who reads it."""
    row = left.taken[left.used[0]]
    row[0], row[1], row[2], row[3], row[4], row[5] = kind, first, second, distance, opposite, index
    left.used[0] += 1
    if kind == COLUMNS:
        for reader, shift, negative in ((first, max(0, -distance), 0), (second, max(0, distance), opposite)):
            read = left.extra[left.used[1]]
            read[0], read[1], read[2], read[3] = reader, index, shift, negative
            left.used[1] += 1


@compiled
def _residual(matrix, low, high, definitions, extra, fewest, minimal, most):
    """A matrix before anything is taken out but for `definitions`, which made its last columns, and `extra`."""
    rows, columns = matrix.shape
    digits = 0
    for row in range(rows):
        for column in range(columns):
            digits += weight(matrix[row, column])
    takes = digits // 2 + 1
    both_lines = lines_of(matrix, digits, takes, minimal)
    left = Residual(
        both_lines[0],
        both_lines[1],
        np.zeros((columns + takes, 3), np.int64),
        np.zeros(rows + takes, np.int64),
        np.zeros((len(definitions) + takes, 6), np.int64),
        np.zeros((len(extra) + 2 * takes, 4), np.int64),
        np.zeros(2, np.int64),
        fewest,
        rows,
        minimal,
        most,
        np.full(max(rows, columns) + takes, -1, np.int64),
        np.zeros((digits + 1, 3), np.int64),
        np.zeros(4096, np.int64),
    )
    for column in range(len(low)):
        left.ranges[column, 0], left.ranges[column, 1] = low[column], high[column]
    for each in range(len(definitions)):
        kind, first, second, distance, opposite, index = definitions[each]
        _define(left, index, first, second, distance, opposite)
        _record(left, kind, first, second, distance, opposite, index)
    for each in range(len(extra)):
        for field in range(4):
            left.extra[each, field] = extra[each, field]
    left.used[1] = len(extra)
    for row in range(rows):
        start, stop = span(left.rows, row)
        for at in range(start, stop):
            left.load[row] += weight(left.rows.pool[at, VALUE]) << left.ranges[left.rows.pool[at, OTHER], 2]
    return left


@leaf
def _partners(plus, minus, distance, opposite):
    """The digits, plus and minus, of a first entry whose partners in a second are these."""
    if distance >= 0:
        plus, minus = plus >> distance, minus >> distance
    else:
        plus, minus = plus << -distance, minus << -distance
    if opposite:
        return minus, plus
    return plus, minus


@leaf
def _next_spot(value, plus, minus, same, distance, opposite, minimal):
    """The lowest of the places, plus and minus, at which a `value` and another or the `same` have a pattern, and the
    sign of its first digit; 0 for none.
    """
    while plus or minus:
        if plus and (not minus or lowest(plus) < lowest(minus)):
            sign, shift = 1, lowest(plus)
            plus &= plus - 1
        else:
            sign, shift = -1, lowest(minus)
            minus &= minus - 1
        if not same or both(value, shift, sign, shift + distance, -sign if opposite else sign, minimal):
            return shift, sign
    return 0, 0


@leaf
def _occurrences(left, kind, first, second, distance, opposite):
    """Where a pattern may be taken out, no digit twice and within the bound on depth: how often, at `left.spots`."""
    along, same, count, more = left.columns if kind == ROWS else left.rows, first == second, 0, 0
    if kind == ROWS and left.most >= 0:
        a, b = left.ranges[first, 2], left.ranges[second, 2]
        more = (2 << max(a, b)) - (1 << a) - (1 << b)
    begin, stop = span(along, first)
    for at in range(begin, stop):
        left.mark[along.pool[at, OTHER]] = at
    start, end = span(along, second)
    for there in range(start, end):
        line = along.pool[there, OTHER]
        at = left.mark[line]
        if at < 0:
            continue
        a, a_plus, a_minus = along.pool[at, VALUE], along.pool[at, PLUS], along.pool[at, MINUS]
        b, b_plus, b_minus = along.pool[there, VALUE], along.pool[there, PLUS], along.pool[there, MINUS]
        room = _room(left, line) if more else 0
        while room >= more:
            plus, minus = _partners(b_plus, b_minus, distance, opposite)
            shift, sign = _next_spot(a, plus & a_plus, minus & a_minus, same, distance, opposite, left.minimal)
            if sign == 0:
                break
            left.spots[count, 0], left.spots[count, 1], left.spots[count, 2] = line, shift, sign
            count += 1
            room -= more
            a_digit, b_digit = sign * (1 << shift), (-sign if opposite else sign) * (1 << shift + distance)
            a, b = a - a_digit - (b_digit if same else 0), b - b_digit - (a_digit if same else 0)
            a_plus, a_minus = masks(a, left.minimal)
            b_plus, b_minus = masks(b, left.minimal)
    for at in range(begin, stop):
        left.mark[along.pool[at, OTHER]] = -1
    return count if kind == ROWS or left.most < 0 or _rows_may_share(left, first, second, count) else 0


@leaf
def _rows_may_share(left, first, second, count):
    """Whether two rows may read a sum of the terms at the first `count` spots."""
    load = 0
    for each in range(count):
        load += 1 << left.ranges[left.spots[each, 0], 2]
    more = (1 << level(load)) - load
    if first == second:
        return 2 * more <= _room(left, first)
    return more <= _room(left, first) and more <= _room(left, second)


@leaf
def _take_out(left, kind, first, second, distance, opposite, count, keys, counts):
    """Takes a pattern out at the first `count` spots: the index of its sum."""
    index = append(left.columns if kind == ROWS else left.rows, count)
    if kind == ROWS:
        _define(left, index, first, second, distance, opposite)
    for each in range(count):
        line, shift, sign = left.spots[each, 0], left.spots[each, 1], left.spots[each, 2]
        a, b = -sign * (1 << shift), (sign if opposite else -sign) * (1 << shift + distance)
        if kind == ROWS:
            change(left, line, first, a, keys, counts)
            change(left, line, second, b, keys, counts)
        else:
            change(left, first, line, a, keys, counts)
            change(left, second, line, b, keys, counts)
    below, nothing = max(0, -distance), keys[:0]
    for each in range(count):
        line, shift, sign = left.spots[each, 0], left.spots[each, 1], left.spots[each, 2]
        row, column = (line, index) if kind == ROWS else (index, line)
        change(left, row, column, sign * (1 << shift - below), nothing, nothing)
    _record(left, kind, first, second, distance, opposite, index)
    if kind == COLUMNS and left.most >= 0:
        for reader in (first, second):
            left.load[reader] += 1 << level(left.load[index])
    return index


@compiled
def _repeat(left, taken):
    """Takes out what another search took, as far as it still occurs as often as is worth it."""
    nothing = np.empty(0, np.int64)
    first_made = left.rows.used[0], left.columns.used[0]
    names = np.full((2, taken[:, 5].max() + 1 if len(taken) else 1), -1, np.int64)
    for each in range(len(taken)):
        kind, first, second, distance, opposite, index = taken[each]
        if first >= first_made[1 - kind]:
            first = names[kind, first]
        if second >= first_made[1 - kind]:
            second = names[kind, second]
        if first < 0 or second < 0:
            continue
        count = _occurrences(left, kind, first, second, distance, opposite)
        if count >= left.fewest[kind]:
            made = _take_out(left, kind, first, second, distance, opposite, count, nothing, nothing)
            names[kind, index] = made


@compiled
def _empty(ranking, left, rule, seed):
    """Takes out patterns until none occurs as often as is worth it."""
    while ranking.used[1]:
        item = ranking.heap[0]
        pattern = ranking.items[item, PATTERN]
        first, second, distance, opposite, kind = unpacked(pattern)
        uses = found = count_of(ranking.keys, ranking.counts, pattern)
        if uses == ranking.items[item, USES] and uses >= left.fewest[kind]:
            found = _occurrences(left, kind, first, second, distance, opposite)
            if found >= ranking.items[item, FOUND]:
                ranking.used[1] = pop(ranking.heap, ranking.used[1], ranking.scores, ranking.ties)
                index = _take_out(left, kind, first, second, distance, opposite, found, ranking.keys, ranking.counts)
                adjust(ranking.keys, ranking.counts, pattern, -NEVER)  # it is offered no more
                for each in (kind, 1 - kind):
                    if left.fewest[each] < NEVER:
                        new = patterns_with(left, kind, index) if each == kind else patterns_of(left, each, index)
                        ranking = with_room(ranking, len(new))
                        gain(ranking, left, rule, np.sort(new), seed)
                continue
        if min(uses, found) >= left.fewest[kind]:
            ranking.items[item, USES], ranking.items[item, FOUND] = uses, found
            ranking.scores[item] = score(left, rule, pattern, found, seed)
            settle(ranking.heap, ranking.used[1], ranking.scores, ranking.ties)
        else:
            adjust(ranking.keys, ranking.counts, pattern, -NEVER)  # it is offered no more
            ranking.used[1] = pop(ranking.heap, ranking.used[1], ranking.scores, ranking.ties)


@compiled
def searched(matrix, low, high, definitions, extra, fewest, minimal, most, rule, seed, taken):
    """What is left of a matrix when pairs are taken out of it until none is worth it, first those of `taken`.

    `matrix` (rows, columns), its last columns sums by `definitions` and its rows reading others by `extra` as in
    `Start`; `low` and `high` of the inputs; `fewest` by kind; `most` additions on a path, or -1.
    """
    left = _residual(matrix, low, high, definitions, extra, fewest, minimal, most)
    _repeat(left, taken)
    random = np.full(1, np.uint64(seed))
    _empty(ranked(left, rule, random), left, rule, random)
    return left


@compiled
def readers_last(left):
    """Rows in an order in which every row comes after those that it reads, and where each one's reads stand in `extra`:
    the first by row, the next by read, -1 after the last.
    """
    rows, reads = left.rows.used[0], left.used[1]
    first, following = np.full(rows, -1, np.int64), np.full(reads + 1, -1, np.int64)
    for read in range(reads - 1, -1, -1):
        following[read] = first[left.extra[read, 0]]
        first[left.extra[read, 0]] = read
    order, count, done = np.empty(rows, np.int64), 0, np.zeros(rows, np.bool_)
    stack, size = np.empty(rows + reads + 1, np.int64), 0
    for start in range(rows):
        stack[0], size = start, 1
        while size:
            row, waiting = stack[size - 1], False
            read = first[row]
            while read >= 0 and not done[row]:
                if not done[left.extra[read, 1]]:
                    stack[size], waiting = left.extra[read, 1], True
                    size += 1
                read = following[read]
            if not waiting:
                size -= 1
                if not done[row]:
                    done[row] = True
                    order[count] = row
                    count += 1
    return order, first, following


@dataclass(frozen=True)
class Rows:
    """What every row adds up when a search has ended: columns (`terms`), and other rows that it `reads`; the first
    `outputs` rows are those of the matrix. `order` is one in which every row comes after those that it reads.
    """

    terms: tuple[tuple[Term, ...], ...]
    reads: tuple[tuple[Term, ...], ...]
    order: tuple[int, ...]
    outputs: int


def rows_of(left: Residual) -> Rows:
    """The rows of what is left, in canonical signed digits."""
    order, first, following = readers_last(left)
    terms, reads = [], []
    for row in range(len(order)):
        start, stop = (int(each) for each in span(left.rows, row))
        digits = ((other, value, masks(value, False)) for other, value, _, _ in left.rows.pool[start:stop].tolist())
        terms.append(
            tuple(
                Term(other, shift, bool(negative))
                for other, _, signs in digits
                for negative in range(2)
                for shift in range(signs[negative].bit_length())
                if signs[negative] >> shift & 1
            )
        )
        read, found = int(first[row]), []
        while read >= 0:
            _, other, shift, negative = left.extra[read].tolist()
            found.append(Term(other, shift, bool(negative)))
            read = int(following[read])
        reads.append(tuple(found))
    return Rows(tuple(terms), tuple(reads), tuple(order.tolist()), left.outputs)
