"""That what `logicnn.bits` makes of bits is arithmetic: for all rows of its inputs, by a SAT solver, or by lemmas of
its adders. What it is compared with is numpy's arithmetic on integers, or comparison by subtraction.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from logicnn import bits
from logicnn.arithmetic.adders import AdderGraph, Term
from logicnn.arithmetic.slices import Rectifier
from logicnn.engines.layer_bits import greater_word, greatest, reached
from logicnn.netlist.graph import Bit, GaveUp, Graph
from logicnn.network import Interval
from logicnn.verify.traced import Lemmas

__all__ = [
    "added",
    "adds",
    "counts",
    "extended",
    "finds_first",
    "finds_greater",
    "finds_greatest",
    "holds_all",
    "looks_up",
    "rectified",
    "rectifies",
    "slices",
    "sums_of",
    "sums_up",
    "turned",
]

GREATEST_S = 30.0  # in which classes of some ten scores are proved
MOST_ROWS = 20  # bits, all of whose rows are tried
Word = Sequence[bits.Bit]


def _rows(count: int) -> tuple[np.ndarray, np.ndarray]:  # (rows,) int64, (count, words) uint64
    """All rows of so many bits, as integers and packed."""
    rows = np.arange(1 << count, dtype=np.int64)
    return rows, bits.pack((rows[:, None] >> np.arange(count) & 1).astype(bool))


def _integers(word: Sequence[np.ndarray], rows: int, signed: bool) -> np.ndarray:  # packed bits -> (rows,) int64
    return bits.to_words(bits.unpack(np.stack(word), rows), len(word), signed)[:, 0]


@cache
def counts(count: int, minimum: int) -> bool:
    """Whether ``bits.at_least`` of so many bits is that at least `minimum` of them are 1, for all of their rows."""
    if count > MOST_ROWS:
        return False
    rows, given = _rows(count)
    fires = bits.at_least(bits.packed(given.shape[1]), list(given), minimum) if count else minimum <= 0
    expected = np.bitwise_count(rows) >= minimum
    if isinstance(fires, bool):
        return bool(expected.all()) == fires
    return np.array_equal(bits.unpack(fires[None], len(rows))[:, 0], expected)


@cache
def looks_up(rows: tuple[int, ...]) -> bool:
    """Whether ``bits.table`` gives the bit of every row."""
    count = len(rows).bit_length() - 1
    given = [sum(1 << row for row in range(len(rows)) if row >> place & 1) for place in range(count)]
    found = bits.table(bits.bare, given, [bool(each) for each in rows]) & (1 << len(rows)) - 1
    return found == sum(bit << row for row, bit in enumerate(rows))


@cache
def sums_up(columns: tuple[int, ...], constant: int, width: int) -> bool:
    """Whether ``bits.add_bits`` of so many bits of each weight, 1, 2, 4, ..., and a constant is their sum modulo
    ``2 ** width``, by lemmas of its adders.
    """
    lemmas = Lemmas(Graph())
    read = [lemmas.inputs(count) for count in columns]
    word = bits.add_bits(lemmas.wire, read, constant % (1 << width), width)
    expected = {0: constant % (1 << width)}
    for weight, column in enumerate(read):
        expected |= dict.fromkeys((bit.literal >> 1 for bit in column), (1 << weight) % (1 << width))
    inputs = {bit.literal >> 1 for column in read for bit in column}
    found = lemmas.linear([bit.literal for bit in word], inputs, width)
    return found == {node: much for node, much in expected.items() if much}


@cache
def finds_greatest(count: int, width: int, signed: bool, paired: int) -> bool:
    """Whether ``bits.argmax`` of so many words gives the first of the greatest, for all words: there are none of which
    it does not.
    """
    graph = Graph(seconds=GREATEST_S)
    wire = bits.Wire(lambda bit: bit, graph.zero)
    words = [[Bit(graph, graph.input()) for _ in range(width)] for _ in range(count)]
    index = greatest(wire, words, signed, paired)
    one, wrong = ~graph.zero, ~graph.zero
    for place, word in enumerate(words):
        chosen = one
        for at, bit in enumerate(index):
            chosen = chosen & (bit if place >> at & 1 else ~bit)
        beaten = graph.zero
        for other, rival in enumerate(words):
            if other < place:
                beaten = beaten | _reaches(rival, word, signed, one)
            elif other > place:
                beaten = beaten | ~_reaches(word, rival, signed, one)
        wrong = wrong & ~(chosen & ~beaten)  # it is no word, or one that another one beats
    try:
        return not graph.satisfiable(wrong.literal)
    except GaveUp:
        return False


@cache
def finds_greater(width: int, signed: bool) -> bool:
    """Whether the greater of two words is chosen as `engines.layer_bits` does, for all rows of both."""
    if 2 * width > MOST_ROWS:
        return False
    rows, given = _rows(2 * width)
    a, b = list(given[:width]), list(given[width:])
    made = greater_word(bits.packed(given.shape[1]), a, b, signed)
    numbers = (_integers(word, len(rows), signed) for word in (a, b))
    return np.array_equal(_integers(made, len(rows), signed), np.maximum(*numbers))


def turned(wire: bits.Wire, best: Word, score: Word) -> tuple[bits.Bit, list[bits.Bit]]:
    """Whether a score is ahead of the best one so far, and the best one with it."""
    ahead = wire(bits.greater(wire, score, best))
    return ahead, [wire(bits.mux(ahead, old, new)) for old, new in zip(best, score, strict=True)]


@cache
def finds_first(width: int) -> bool:
    """Whether `turned` takes a score where it is the greater one and keeps the greater one, for all rows of two scores;
    then of scores in turn the first of the greatest is the last one that it takes.
    """
    if 2 * width > MOST_ROWS:
        return False
    rows, given = _rows(2 * width)
    best, score = list(given[:width]), list(given[width:])
    ahead, kept = turned(bits.packed(given.shape[1]), best, score)
    old, new = (_integers(word, len(rows), False) for word in (best, score))
    return np.array_equal(_integers([ahead], len(rows), False), new > old) and np.array_equal(
        _integers(kept, len(rows), False), np.maximum(old, new)
    )


@cache
def slices(thresholds: tuple[int, ...], width: int, signed: bool, gives: int) -> bool:
    """Whether a decision is how many thresholds a score of so many bits reaches, for all of its rows."""
    if width > MOST_ROWS:
        return False
    rows, given = _rows(width)
    made = reached(bits.packed(given.shape[1]), list(given), signed, thresholds, gives)
    numbers = _integers(list(given), len(rows), signed)
    return np.array_equal(_integers(made, len(rows), False), np.searchsorted(thresholds, numbers, side="right"))


def _reaches(a: Word, b: Word, signed: bool, one: bits.Bit) -> bits.Bit:
    """1 where ``a >= b``: ``a - b`` borrows nothing, where sign bits, which count negatively, change sides."""
    if signed:
        a, b = [*a[:-1], b[-1]], [*b[:-1], a[-1]]
    carry = one
    for x, y in zip(a, b, strict=True):
        carry = (x & ~y) | (carry & ~(x ^ y))
    return carry


# -- additions of words


def extended(word: Word, signed: bool, width: int, zero: bits.Bit) -> list[bits.Bit]:
    """The same number in so many bits, or its lowest ones."""
    return [word[place] if place < len(word) else word[-1] if signed else zero for place in range(width)]


def added(wire: bits.Wire, a: Word, b: Word, carry: bits.Bit) -> list[bits.Bit]:
    """``a + b + carry`` modulo their width, by full adders in a row."""
    made = []
    for x, y in zip(a, b, strict=True):
        total, carry = bits.full_adder(wire, x, y, carry)
        made.append(total)
    return made


@cache
def adds() -> bool:
    """Whether `added` adds: a full adder gives ``a + b + c`` for all eight rows, of which words follow bit by bit; and
    all words of three bits, for this loop's sake.
    """
    rows, given = _rows(3)
    total, carry = bits.full_adder(bits.packed(given.shape[1]), *given)
    if not np.array_equal(_integers([total, carry], len(rows), False), np.bitwise_count(rows)):
        return False
    rows, given = _rows(7)
    made = added(bits.packed(given.shape[1]), list(given[:3]), list(given[3:6]), given[6])
    return np.array_equal(_integers(made, len(rows), False), (rows & 7) + (rows >> 3 & 7) + (rows >> 6) & 7)


def _term(word: Word, signed: bool, term: Term, width: int, zero: bits.Bit) -> list[bits.Bit]:
    """A shifted word, every bit inverted where it is negative."""
    found = extended([zero] * term.shift + list(word), signed, width, zero)
    return [~bit for bit in found] if term.negative else found


def sums_of(graph: AdderGraph, wire: bits.Wire, words: Sequence[Word]) -> list[list[bits.Bit]]:
    """The outputs of a graph of additions, as words of their intervals."""
    zero = wire.zero
    nodes = [_constant(of, wire) or list(word) for of, word in zip(graph.inputs, words, strict=True)]
    signed = [interval.low < 0 for interval in graph.intervals]

    def read(term: Term, width: int) -> list[bits.Bit]:
        return _term(nodes[term.node], signed[term.node], term, width, zero)

    for a, b, carry in graph.adders:
        width = graph.intervals[len(nodes)].word
        negative = a.negative or b.negative  # at most one of them: its bits inverted and 1 more
        enters = zero if carry is None else nodes[carry][0]
        nodes.append(added(wire, read(a, width), read(b, width), ~enters if negative else enters))
    made = []
    for index, term in enumerate(graph.outputs):
        width = graph.interval(index).word
        word = [zero] * width if term is None else read(term, width)
        if term is not None and term.negative:
            word = added(wire, word, [zero] * width, ~zero)
        made.append(word)
    return made


def _constant(interval: Interval, wire: bits.Wire) -> list[bits.Bit] | None:
    """The word of an input that has one value only."""
    if interval.low != interval.high:
        return None
    return [~wire.zero if interval.low >> place & 1 else wire.zero for place in range(interval.word)]


def holds_all(graph: AdderGraph) -> bool:
    """Whether every addition of a graph stays in the word that holds it: what each is of the inputs, and how far that
    goes, in Python's integers.
    """
    count = len(graph.inputs)
    rows = [[int(place == node) for place in range(count)] for node in range(count)]
    for index, adder in enumerate(graph.adders, count):
        row = [0] * count
        carry = Interval(0, 0) if adder.carry is None else graph.intervals[adder.carry]
        if carry.low < 0 or carry.high > 1 or (adder.a.negative and adder.b.negative):
            return False
        for term in adder.terms:
            factor = -1 << term.shift if term.negative else 1 << term.shift
            row = [much + factor * more for much, more in zip(row, rows[term.node], strict=True)]
        rows.append(row)
        ends = [[much * given.low, much * given.high] for much, given in zip(row, graph.inputs, strict=True)]
        held = graph.intervals[index]
        if not held.low <= sum(map(min, ends)) <= sum(map(max, ends)) <= held.high:
            return False
    return True


def rectified(wire: bits.Wire, word: Word, signed: bool, rectifier: Rectifier) -> list[bits.Bit]:
    """The word of a rectifier: bits above it, if not all like the sign, make it an end of its range."""
    negative = word[-1] if signed else wire.zero
    body = list(word[:-1] if signed else word)
    magnitude = rectifier.bits - rectifier.signed
    sign = negative if rectifier.signed else wire.zero
    inside = (body[rectifier.shift : rectifier.shift + magnitude] + [sign] * magnitude)[:magnitude]
    beyond = body[rectifier.shift + magnitude :]
    over = under = wire.zero
    for bit in beyond:
        over, under = over | bit, under | ~bit
    over = wire(over & ~negative)
    if not rectifier.signed:
        return [wire((bit & ~negative) | over) for bit in inside]
    under = wire(under & negative)
    return [*(wire((bit & ~under) | over) for bit in inside), negative]


@cache
def rectifies(interval: Interval, rectifier: Rectifier) -> bool:
    """Whether `rectified` is ``clip(sum >> shift, low, high)``, for all rows of the bits from `shift` on; the ones
    below are not read.
    """
    width, signed = interval.word, interval.low < 0
    above = max(1, width - rectifier.shift)
    if above > MOST_ROWS:
        return False
    rows, given = _rows(above)
    zero = np.zeros_like(given[0])
    word = extended([zero] * min(rectifier.shift, width - 1) + list(given), signed, width, zero)
    numbers = _integers(word, len(rows), signed)
    made = rectified(bits.packed(given.shape[1]), word, signed, rectifier)
    return np.array_equal(_integers(made, len(rows), rectifier.signed), rectifier.evaluate(numbers))
