"""How often patterns occur in what is left of a matrix, and which of them saves most. All compiled."""

from typing import NamedTuple

import numpy as np

from logicnn.arithmetic.compiled import compiled, leaf
from logicnn.arithmetic.differences import ROWS
from logicnn.arithmetic.digits import ones, unpacked, width
from logicnn.arithmetic.residual import (
    MINUS,
    NEVER,
    OTHER,
    PLUS,
    VALUE,
    pair_range,
    pairs_between,
    pairs_within,
    span,
)
from logicnn.arithmetic.tally import EMPTY, add, adjust, at_least, count_of, grown, push, put, table

__all__ = [
    "FOUND",
    "PATTERN",
    "USES",
    "Ranking",
    "Rule",
    "gain",
    "patterns_of",
    "patterns_with",
    "ranked",
    "score",
    "with_room",
]


class Ranking(NamedTuple):
    """How often each pattern occurs, and a heap of those that are worth it."""

    keys: np.ndarray  # of the table
    counts: np.ndarray
    heap: np.ndarray  # items
    scores: np.ndarray  # (items,)
    ties: np.ndarray
    items: np.ndarray  # (items, 3): PATTERN, USES, FOUND
    used: np.ndarray  # (3,) of the table, of the heap, items


PATTERN, USES, FOUND = range(3)  # of an item: how often it was counted when it got its score, and could be taken then


class Rule(NamedTuple):
    """How patterns are scored: `Strategy` without what is no number, and the bits of a row."""

    by_width: float
    row_weight: float
    row_bits: float
    noise: float


@compiled
def patterns_of(left, kind, line):
    """Patterns of one row or column, each as often as it occurs."""
    lines = left.rows if kind == ROWS else left.columns
    start, stop = span(lines, line)
    digits = 0
    for at in range(start, stop):
        digits += _digits(lines.pool[at])
    found, count = np.empty(digits * digits // 2 + 1, np.int64), 0
    for at in range(start, stop):
        entry = lines.pool[at]
        more = pairs_within(entry[VALUE], entry[PLUS], entry[MINUS], left.minimal, entry[OTHER], kind, left.keys)
        for each in range(more):
            found[count + each] = left.keys[each]
        count += more
        for there in range(at + 1, stop):
            other = lines.pool[there]
            count = pairs_between(entry, entry[OTHER], other, other[OTHER], kind, found, count)
    return found[:count]


@leaf
def _digits(entry):
    """How many digits an entry has."""
    return ones(entry[PLUS]) + ones(entry[MINUS])


@compiled
def patterns_with(left, kind, index):
    """Patterns of the digits of a new line, a sum of the given kind, with the others of the lines that it crosses."""
    along, across = (left.columns, left.rows) if kind == ROWS else (left.rows, left.columns)
    begin, end = span(along, index)
    room = 0
    for at in range(begin, end):
        start, stop = span(across, along.pool[at, OTHER])
        for there in range(start, stop):
            room += _digits(along.pool[at]) * _digits(across.pool[there])
    found, count = np.empty(room, np.int64), 0
    for at in range(begin, end):
        entry = along.pool[at]
        more = pairs_within(entry[VALUE], entry[PLUS], entry[MINUS], left.minimal, index, kind, left.keys)
        for each in range(more):
            found[count + each] = left.keys[each]
        count += more
        start, stop = span(across, entry[OTHER])
        for there in range(start, stop):
            other = across.pool[there]
            if other[OTHER] != index:
                count = pairs_between(entry, index, other, other[OTHER], kind, found, count)
    return found[:count]


@leaf
def score(left, rule, pattern, uses, seed):
    """What so many uses of a pattern save."""
    first, second, distance, opposite, kind = unpacked(pattern)
    if kind == ROWS:
        low, high = pair_range(left, first, second, distance, opposite)
        saved = float(max(1, width(low, high) - abs(distance))) ** rule.by_width
    else:
        saved = rule.row_bits**rule.by_width * rule.row_weight
    saved *= uses - 1
    if rule.noise:
        saved *= 1 + rule.noise * _random(seed)
    return saved


@leaf
def _random(seed):
    """A number below 1, and the next `seed`: splitmix64 (Steele, Lea and Flood, OOPSLA 2014)."""
    seed[0] += np.uint64(0x9E3779B97F4A7C15)
    mixed = seed[0]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return float(mixed >> np.uint64(11)) / (1 << 53)


@leaf
def _enter(ranking, left, rule, pattern, uses, seed):
    """Puts a further pattern of the table into the heap, where there must be room."""
    item = ranking.used[2]
    ranking.items[item, PATTERN], ranking.items[item, USES], ranking.items[item, FOUND] = pattern, uses, uses
    ranking.scores[item], ranking.ties[item] = score(left, rule, pattern, uses, seed), _random(seed)
    push(ranking.heap, ranking.used[1], ranking.scores, ranking.ties, item)
    ranking.used[1] += 1
    ranking.used[2] += 1


@compiled
def ranked(left, rule, seed):
    """All patterns that are worth it."""
    (keys, counts), used = table(np.int64(1024)), np.int64(0)
    for kind in range(2):
        if left.fewest[kind] < NEVER:
            for line in range(left.rows.used[0] if kind == ROWS else left.columns.used[0]):
                found = patterns_of(left, kind, line)
                keys, counts, used = grown(keys, counts, used, len(found))
                for key in found:
                    used += add(keys, counts, key, 1)
    keys, counts, used = at_least(keys, counts, left.fewest, 64)
    room = used + 64
    ranking = Ranking(
        keys,
        counts,
        np.empty(room, np.int64),
        np.empty(room),
        np.empty(room),
        np.empty((room, 3), np.int64),
        np.array((used, 0, 0)),
    )
    for at in range(len(keys)):
        if keys[at] != EMPTY:
            _enter(ranking, left, rule, keys[at], counts[at], seed)
    return ranking


@compiled
def with_room(ranking, more):
    """The ranking with room for so many further patterns."""
    keys, counts, ranking.used[0] = grown(ranking.keys, ranking.counts, ranking.used[0], more)
    heap, scores, ties, items = ranking.heap, ranking.scores, ranking.ties, ranking.items
    while ranking.used[2] + more > len(scores):
        heap, items = np.concatenate((heap, heap)), np.concatenate((items, items))
        scores, ties = np.concatenate((scores, scores)), np.concatenate((ties, ties))
    return Ranking(keys, counts, heap, scores, ties, items, ranking.used)


@leaf
def gain(ranking, left, rule, found, seed):
    """Counts the patterns of a new line, sorted: those that are known occur more often, others enter if it is worth
    it. There must be room.
    """
    start = 0
    while start < len(found):
        stop = start
        while stop < len(found) and found[stop] == found[start]:
            stop += 1
        key, more = found[start], stop - start
        start = stop
        if count_of(ranking.keys, ranking.counts, key) > 0:
            adjust(ranking.keys, ranking.counts, key, more)
        elif more >= left.fewest[key & 1]:
            ranking.used[0] += put(ranking.keys, ranking.counts, key, more)
            _enter(ranking, left, rule, key, more, seed)
