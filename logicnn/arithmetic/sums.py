"""Two-operand additions made one by one, and what an `AdderGraph` of them costs. The additions are compiled.

A term is (node, shift, negative), (-1, 0, 0) for zero; nodes are the inputs, then the additions.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from logicnn.arithmetic.adders import Adder, Term, limits
from logicnn.arithmetic.compiled import compiled, leaf
from logicnn.arithmetic.differences import ROWS
from logicnn.arithmetic.digits import lowest, masks, width
from logicnn.arithmetic.pairs import level, readers_last
from logicnn.arithmetic.residual import OTHER, VALUE, span
from logicnn.network import Interval

__all__ = ["Builder", "adders_of", "built", "term_of"]

UNBOUNDED = np.int64(-1)  # depth; of a type that functions are compiled for once
MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 by the golden ratio


class Sums(NamedTuple):
    """Additions, with room for more.

    A node's vector, what it is of the inputs, is ``sign * (odd << shift)``, where the first coefficient of `odd` is
    positive and not all are even; a table finds nodes by that.
    """

    low: np.ndarray  # of inputs
    high: np.ndarray
    vectors: np.ndarray  # (nodes + 1, inputs): behind the last node one that is being made
    lows: np.ndarray  # of nodes
    highs: np.ndarray
    depths: np.ndarray
    shifts: np.ndarray
    signs: np.ndarray
    hashes: np.ndarray
    table: np.ndarray  # nodes by hash, or -1
    adders: np.ndarray  # (nodes, 7): two terms, and the node whose bit enters the carry, or -1
    used: np.ndarray  # (1,) nodes


@compiled
def empty(low, high, room):
    """No additions yet, with room for so many."""
    inputs = len(low)
    nodes, size = inputs + room, 64
    while size < 2 * nodes:
        size *= 2
    sums = Sums(
        low,
        high,
        np.zeros((nodes + 1, inputs), np.int64),
        np.zeros(nodes, np.int64),
        np.zeros(nodes, np.int64),
        np.zeros(nodes, np.int64),
        np.zeros(nodes, np.int64),
        np.zeros(nodes, np.int64),
        np.zeros(nodes, np.uint64),
        np.full(size, -1, np.int64),
        np.zeros((nodes, 7), np.int64),
        np.zeros(1, np.int64),
    )
    for index in range(inputs):
        sums.vectors[index, index] = 1
        _append(sums, 0)
    return sums


@leaf
def _normal(vector):
    """Shift and sign of a vector, the sign 0 for zero, and a hash of what is left."""
    together, sign, mixed = 0, 0, np.uint64(0)
    for value in vector:
        together |= value
        if sign == 0 and value:
            sign = 1 if value > 0 else -1
    shift = lowest(together) if together else 0
    for value in vector:
        mixed = (mixed ^ np.uint64((value >> shift) * sign)) * MIX
        mixed ^= mixed >> np.uint64(29)
    return shift, sign, mixed


@leaf
def _place_of(sums, vector, shift, sign, mixed):
    """Where the table has a node with such a vector up to shift and sign, or would."""
    last = len(sums.table) - 1
    at = np.int64(mixed >> np.uint64(20)) & last
    while sums.table[at] >= 0:
        node = sums.table[at]
        if sums.hashes[node] == mixed:
            same, scale = True, sign * sums.signs[node]
            for index in range(len(vector)):
                if vector[index] >> shift != scale * (sums.vectors[node, index] >> sums.shifts[node]):
                    same = False
                    break
            if same:
                break
        at = at + 1 & last
    return at


@leaf
def _append(sums, depth):
    """A node more, whose vector stands behind the last one: its index."""
    node = sums.used[0]
    vector, low, high = sums.vectors[node], 0, 0
    for index in range(len(vector)):
        ends = vector[index] * sums.low[index], vector[index] * sums.high[index]
        low, high = low + min(ends[0], ends[1]), high + max(ends[0], ends[1])
    sums.lows[node], sums.highs[node], sums.depths[node] = low, high, depth
    shift, sign, mixed = _normal(vector)
    sums.shifts[node], sums.signs[node], sums.hashes[node] = shift, sign, mixed
    sums.table[_place_of(sums, vector, shift, sign, mixed)] = node
    sums.used[0] += 1
    return node


@leaf
def _add(sums, a, b, positive, carry, deepest):
    """The sum as a term; with `positive` not as the negative of a node, at the cost of a longer carry chain where need
    be.

    A node that exists is taken where it is at most `deepest` (-1: wherever it is), and the sum is no fraction of it.
    """
    node = sums.used[0]
    vector = sums.vectors[node]
    for index in range(len(vector)):
        vector[index] = 0
    depth = 0
    for term in (a, b, carry):
        if term[0] >= 0:
            depth = max(depth, sums.depths[term[0]])
            for index in range(len(vector)):
                more = sums.vectors[term[0], index] << term[1]
                vector[index] += -more if term[2] else more
    shift, sign, mixed = _normal(vector)
    if sign == 0:
        return -1, 0, 0
    known = sums.table[_place_of(sums, vector, shift, sign, mixed)]
    if known >= 0 and shift >= sums.shifts[known] and (deepest < 0 or sums.depths[known] <= deepest):
        return known, shift - sums.shifts[known], int(sign != sums.signs[known])
    if a[1] > b[1] or (a[1] == b[1] and a[2] > b[2]):
        a, b = b, a
    flip = a[2] == 1 and not (positive and b[2] == 0)
    if carry[0] >= 0 and a[2] != b[2]:
        flip = carry[2] == 0  # such a chain takes its carry away
    made = sums.adders[node]
    made[0], made[1], made[2] = a[0], 0, a[2] ^ flip
    made[3], made[4], made[5], made[6] = b[0], b[1] - a[1], b[2] ^ flip, carry[0]
    for index in range(len(vector)):
        vector[index] = (-vector[index] if flip else vector[index]) >> a[1]
    return _append(sums, 1 + depth), a[1], int(flip)


@leaf
def _span(sums, term):
    return (sums.highs[term[0]] - sums.lows[term[0]]) << term[1]


@leaf
def _sort(sums, terms, count):
    """Terms by their top bit: by insertion, because they mostly are."""
    for at in range(1, count):
        term = terms[at, 0], terms[at, 1], terms[at, 2]
        span, place = _span(sums, term), at
        while place:
            before = terms[place - 1, 0], terms[place - 1, 1], terms[place - 1, 2]
            other = _span(sums, before)
            if other < span or (other == span and before <= term):
                break
            _move(terms, place, place - 1)
            place -= 1
        terms[place, 0], terms[place, 1], terms[place, 2] = term


@leaf
def _first_two(sums, terms, count, depth):
    """The first pair whose sum leaves the whole within the depth, and how deep it may be; without a bound, or where
    there is none, the first two terms.
    """
    if depth >= 0:
        room = 1 << depth
        for each in range(count):
            room -= 1 << sums.depths[terms[each, 0]]
        for second in range(1, count):
            for first in range(second):
                depths = sums.depths[terms[first, 0]], sums.depths[terms[second, 0]]
                most = room + (1 << depths[0]) + (1 << depths[1])
                if 2 << max(depths[0], depths[1]) <= most:
                    return first, second, level(most + 1) - 1
    return 0, 1, -1


@leaf
def _carry_for(a, b, carries, count):
    """The first of some bits that fits into the carry chain of two terms, or -1: it enters at the chain's first bit,
    and its sign must be theirs.
    """
    if a[1] == b[1] == 0:
        for each in range(count):
            if a[2] != b[2] or carries[each, 2] == a[2]:
                return each
    return -1


@leaf
def _move(terms, to, at):
    terms[to, 0], terms[to, 1], terms[to, 2] = terms[at, 0], terms[at, 1], terms[at, 2]


@leaf
def _remove(terms, at, count):
    for each in range(at, count - 1):
        _move(terms, each, each + 1)


@leaf
def total(sums, terms, count, positive, depth, carries):
    """The sum of `count` terms, always of the two with the lowest top bits: chains grow late (Huffman's order).

    `carries` are terms of one bit that enter the chains of the others where they can. A result of which `positive` is
    asked may be the negative of a node all the same, where a carry makes it so. `terms` must have room for the carries;
    both are used up.
    """
    left = len(carries)
    while count > 1 or left:
        if count < 2:
            left -= 1
            terms[count, 0], terms[count, 1], terms[count, 2] = carries[left, 0], carries[left, 1], carries[left, 2]
            count += 1
            continue
        _sort(sums, terms, count)
        first, second, deepest = _first_two(sums, terms, count, depth)
        a = terms[first, 0], terms[first, 1], terms[first, 2]
        b = terms[second, 0], terms[second, 1], terms[second, 2]
        at, carry = _carry_for(a, b, carries, left), (-1, 0, 0)
        if at >= 0:
            carry = carries[at, 0], carries[at, 1], carries[at, 2]
            _remove(carries, at, left)
            left -= 1
        made = _add(sums, a, b, positive and count == 2, carry, deepest)
        _remove(terms, second, count)
        _remove(terms, first, count - 1)
        count -= 2
        if made[0] >= 0:
            terms[count, 0], terms[count, 1], terms[count, 2] = made
            count += 1
    if count == 0:
        return -1, 0, 0
    return terms[0, 0], terms[0, 1], terms[0, 2]


@leaf
def _enter(terms, count, place, shift, negative):
    """Appends a term where it is no zero: how many there are then."""
    if place[0] < 0:
        return count
    terms[count, 0], terms[count, 1], terms[count, 2] = place[0], place[1] + shift, place[2] ^ negative
    return count + 1


@compiled
def _columns(sums, left, terms):
    """Terms of the columns (columns, 3): the inputs, and the sums that were taken."""
    columns = np.zeros((left.columns.used[0], 3), np.int64)
    for index in range(len(sums.low)):
        columns[index, 0] = index
    for each in range(left.used[0]):
        kind, first, second, distance, opposite, index = left.taken[each]
        if kind == ROWS:
            count = 0
            for column, shift, negative in ((first, max(0, -distance), 0), (second, max(0, distance), opposite)):
                count = _enter(terms, count, columns[column], shift, negative)
            made = total(sums, terms, count, False, UNBOUNDED, terms[:0])
            columns[index, 0], columns[index, 1], columns[index, 2] = made
    return columns


@compiled
def assembled(sums, left):
    """The outputs (outputs, 3), of additions for what was taken out of a matrix and what is left."""
    terms = np.empty((len(sums.lows) + 1, 3), np.int64)
    columns = _columns(sums, left, terms)
    order, first, following = readers_last(left)
    rows = np.zeros((len(order), 3), np.int64)
    for row in order:
        count = 0
        start, stop = span(left.rows, row)
        for at in range(start, stop):
            plus, minus = masks(left.rows.pool[at, VALUE], False)
            for negative in range(2):
                mask = minus if negative else plus
                while mask:
                    count = _enter(terms, count, columns[left.rows.pool[at, OTHER]], lowest(mask), negative)
                    mask &= mask - 1
        read = first[row]
        while read >= 0:
            count = _enter(terms, count, rows[left.extra[read, 1]], left.extra[read, 2], left.extra[read, 3])
            read = following[read]
        depth = -1
        if left.most >= 0:
            load = 0
            for each in range(count):
                load += 1 << sums.depths[terms[each, 0]]
            depth = left.most if row < left.outputs else level(load)
        made = total(sums, terms, count, row < left.outputs, depth, terms[:0])
        rows[row, 0], rows[row, 1], rows[row, 2] = made
    return rows[: left.outputs]


@leaf
def _chain_bits(sums, node):
    """The length of an addition's carry chain: `AdderGraph.chains`, compiled."""
    low, low_negative = sums.adders[node, 0], sums.adders[node, 2]  # the term that is not shifted comes first
    shift, negative = sums.adders[node, 4], sums.adders[node, 5]
    if sums.lows[node] == sums.highs[node]:
        return 0
    stop = max(1, width(sums.lows[node], sums.highs[node]))
    if low_negative or sums.adders[node, 6] >= 0:
        return stop
    if not negative and sums.lows[low] >= 0 and sums.highs[low] < 1 << shift:
        return 0
    return stop - min(shift, stop)


@compiled
def cost(sums, outputs):
    """Carry bits of what the outputs read, those of negations included, and the depth of the deepest."""
    used, bits, depth = np.zeros(sums.used[0], np.bool_), 0, 0
    for node, shift, negative in outputs:
        if node >= 0:
            used[node] = True
            depth = max(depth, sums.depths[node])
            if negative:
                bits += max(0, width(-sums.highs[node] << shift, -sums.lows[node] << shift) - shift)
    for node in range(sums.used[0] - 1, len(sums.low) - 1, -1):
        if used[node]:
            bits += _chain_bits(sums, node)
            for operand in (0, 3, 6):
                if sums.adders[node, operand] >= 0:
                    used[sums.adders[node, operand]] = True
    return bits, depth


@compiled
def built(left, low, high):
    """What is left of a search and what was taken (`pairs.searched`) as additions over inputs of these ranges: their
    carry bits and depth, the additions (adders, 7) and the outputs (outputs, 3).
    """
    sums = empty(low, high, left.used[0] + left.used[1] + left.rows.used[1])
    outputs = assembled(sums, left)
    bits, depth = cost(sums, outputs)
    return bits, depth, sums.adders[len(low) : sums.used[0]], outputs


def term_of(term: Sequence[int]) -> Term | None:
    """A compiled term."""
    node, shift, negative = map(int, term)
    return None if node < 0 else Term(node, shift, bool(negative))


def adders_of(adders: np.ndarray) -> tuple[Adder, ...]:  # (adders, 7)
    """Compiled additions."""
    return tuple(
        Adder(Term(a, up, bool(minus)), Term(b, shift, bool(negative)), None if carry < 0 else carry)
        for a, up, minus, b, shift, negative, carry in adders.tolist()
    )


class Builder:
    """Makes additions one by one; a value that exists already, up to a shift and a sign, is not made again."""

    def __init__(self, inputs: Sequence[Interval]):
        self._sums = empty(*limits(tuple(inputs)), max(64, len(inputs)))

    @property
    def adders(self) -> tuple[Adder, ...]:
        """What was made."""
        return adders_of(self._sums.adders[len(self._sums.low) : int(self._sums.used[0])])

    def total(self, terms: Sequence[Term], positive: bool, carries: Sequence[Term] = ()) -> Term | None:
        """The sum of terms, always of the two with the lowest top bits: chains grow late (Huffman's order).

        `carries` are terms of one bit that enter the chains of the others where they can. A result of which `positive`
        is asked may be the negative of a node all the same, where a carry makes it so.
        """
        more = len(terms) + len(carries)
        if self._sums.used[0] + more > len(self._sums.lows):
            self._sums = _grown(self._sums, 2 * len(self._sums.lows) + more)
        given = np.zeros((more + 1, 3), np.int64)
        given[: len(terms)] = np.array(terms, np.int64).reshape(-1, 3)
        bits = np.array(carries, np.int64).reshape(-1, 3)
        return term_of(total(self._sums, given, len(terms), positive, UNBOUNDED, bits))


def _grown(sums: Sums, nodes: int) -> Sums:
    """The additions with room for so many nodes."""
    used = int(sums.used[0])
    larger = empty(sums.low, sums.high, nodes - len(sums.low))
    for name in ("vectors", "lows", "highs", "depths", "shifts", "signs", "hashes", "adders"):
        getattr(larger, name)[:used] = getattr(sums, name)[:used]
    for node in range(len(sums.low), used):
        place = _place_of(
            larger, larger.vectors[node], *(getattr(larger, name)[node] for name in ("shifts", "signs", "hashes"))
        )
        larger.table[place] = node
    larger.used[0] = used
    return larger
