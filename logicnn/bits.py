"""Bit-level arithmetic written once and read three ways.

Every function takes a `Wire` and combines bits with ``&``, ``|``, ``^`` and ``~`` only. A bit may therefore be

* a Python ``int`` (infinitely many copies of it: mask the result with ``& 1``),
* a numpy ``uint64`` array that holds the same bit of 64 samples in each word,
* an Amaranth value of width 1.

`Wire` decides what becomes of an intermediate that is used more than once: nothing for integers and numpy, a named
``Signal`` in gateware (an Amaranth *expression* would be copied at every use). Words are lists of bits, least
significant first.

Costs are LUT4 of a plain 4-input fabric; `logicnn.resources` turns them into device resources.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "Wire",
    "add_bits",
    "argmax",
    "at_least",
    "bare",
    "from_words",
    "full_adder",
    "greater",
    "half_adder",
    "mux",
    "pack",
    "packed",
    "popcount",
    "table",
    "to_words",
    "unpack",
]

Bit = Any


@dataclass(frozen=True)
class Wire:
    """Binds an intermediate bit so that later uses share it; `zero` is the constant 0 of the reading."""

    bind: Callable[[Bit], Bit]
    zero: Bit

    def __call__(self, bit: Bit) -> Bit:
        return self.bind(bit)


bare = Wire(lambda bit: bit, 0)  # Python integers


def packed(words: int) -> Wire:
    """The reading on numpy arrays of `words` 64-bit words, one sample a bit."""
    return Wire(lambda bit: bit, np.zeros(words, np.uint64))


def pack(bits: np.ndarray) -> np.ndarray:  # (samples, n) bool -> (n, ceil(samples / 64)) uint64
    """Puts sample s of input i into bit ``s % 64`` of word ``[i, s // 64]``; the words are padded with zeros."""
    rows = np.packbits(np.ascontiguousarray(bits.T), axis=1, bitorder="little")
    padding = -rows.shape[1] % 8
    return np.ascontiguousarray(np.pad(rows, ((0, 0), (0, padding)))).view("<u8").astype(np.uint64, copy=False)


def unpack(words: np.ndarray, samples: int) -> np.ndarray:  # (n, words) uint64 -> (samples, n) bool
    """The inverse of `pack`."""
    rows = np.ascontiguousarray(words).astype("<u8", copy=False).view(np.uint8)
    return np.unpackbits(rows, axis=1, bitorder="little", count=samples).T.astype(bool)


def from_words(words: np.ndarray, width: int) -> np.ndarray:  # (samples, n) integers -> (samples, n * width) bool
    """Words as bits in two's complement, each word's lowest bit first."""
    return (words[:, :, None] >> np.arange(width) & 1).astype(bool).reshape(len(words), words.shape[1] * width)


def to_words(
    bits: np.ndarray, width: int, signed: bool
) -> np.ndarray:  # (samples, n * width) bool -> (samples, n) int64
    """The inverse of `from_words`."""
    weights = np.int64(1) << np.arange(width)
    if signed:
        weights[-1] = -weights[-1]
    return bits.reshape(len(bits), bits.shape[1] // width, width).astype(np.int64) @ weights


def mux(select: Bit, low: Bit, high: Bit) -> Bit:
    """`high` where `select` is 1, else `low`."""
    return (low & ~select) | (high & select)


def majority(a: Bit, b: Bit, c: Bit) -> Bit:
    return (a & b) | (c & (a ^ b))


def half_adder(wire: Wire, a: Bit, b: Bit) -> tuple[Bit, Bit]:
    """``a + b`` as (sum, carry): 2 LUT4."""
    return wire(a ^ b), wire(a & b)


def full_adder(wire: Wire, a: Bit, b: Bit, c: Bit) -> tuple[Bit, Bit]:
    """``a + b + c`` as (sum, carry): 2 LUT4, one level."""
    return wire(a ^ b ^ c), wire(majority(a, b, c))


def full_adder_plus_one(wire: Wire, a: Bit, b: Bit) -> tuple[Bit, Bit]:
    """``a + b + 1`` as (sum, carry): the cost of a half adder, so a constant rides along for nothing."""
    return wire(~(a ^ b)), wire(a | b)


def add_bits(wire: Wire, columns: Sequence[Sequence[Bit]], constant: int, width: int) -> list[Bit]:
    """Sums bits of many weights and a constant, modulo ``2 ** width``: a compressor tree.

    `columns[i]` holds the bits of weight ``2 ** i``. Each column is reduced by full adders, oldest bits first (which
    keeps the tree balanced), until one bit is left; carries join the next column. The constant costs nothing as long as
    its column holds two bits.
    """
    carries: list[Bit] = []
    word = []
    for weight in range(width):
        column = deque([*(columns[weight] if weight < len(columns) else ()), *carries])
        carries = _reduce(wire, column, 2)
        match len(column), constant >> weight & 1:
            case 2, 0:
                total, carry = half_adder(wire, *column)
                carries.append(carry)
            case 2, 1:
                total, carry = full_adder_plus_one(wire, *column)
                carries.append(carry)
            case 1, 1:
                total = wire(~column[0])
                carries.append(column[0])
            case 0, 1:
                total = ~wire.zero
            case _:
                total = column[0] if column else wire.zero
        word.append(total)
    return word


def _reduce(wire: Wire, column: deque[Bit], most: int) -> list[Bit]:
    """Full adders, oldest bits first, until at most `most` bits are left in `column`; returns their carries."""
    carries = []
    while len(column) > most:
        total, carry = full_adder(wire, column.popleft(), column.popleft(), column.popleft())
        column.append(total)
        carries.append(carry)
    return carries


def popcount(wire: Wire, bits: Sequence[Bit], offset: int, width: int) -> list[Bit]:
    """The number of ones plus `offset` as a `width`-bit word, modulo ``2 ** width`` (two's complement if it can be
    negative).
    """
    return add_bits(wire, [bits], offset % (1 << width), width)


def at_least(wire: Wire, bits: Sequence[Bit], minimum: int) -> Bit:
    """1 where at least `minimum` of `bits` are 1: a binarized neuron. Needs no constant inputs: degenerate cases are
    constants.

    Up to four bits are one LUT4 and up to six are three: of the first four bits only whether they reach `minimum`, miss
    it by one or by two, or by more can matter, which is two bits. More bits go through a compressor tree whose constant
    makes the threshold a power of two: only the carries of the tree are needed then, and the last adder of every column
    is half an adder.
    """
    count = len(bits)
    if minimum <= 0:
        return ~wire.zero
    if minimum > count:
        return wire.zero
    if count <= 4:
        return wire(_at_least_of_four(list(bits), minimum))
    if count <= 6:
        return wire(_at_least_of_six(wire, bits, minimum))
    return _carry_out(wire, bits, minimum)


def _at_least_of_four(bits: list[Bit], minimum: int) -> Bit:
    """`at_least` as an expression of up to four bits, for ``1 <= minimum <= len(bits)``."""
    a, *rest = bits
    if minimum == len(bits):
        return _all(bits, a)
    if minimum == 1:
        return _any(bits, a)
    if len(bits) == 3:
        return majority(*bits)
    b, c, d = rest
    if minimum == 2:
        return (a & b) | (c & d) | ((a | b) & (c | d))
    return (a & b & (c | d)) | (c & d & (a | b))


def _at_least_of_six(wire: Wire, bits: Sequence[Bit], minimum: int) -> Bit:
    """`at_least` of five or six bits from what the first four can contribute: `enough`, or short by one or two of the
    `later` bits.
    """
    four, later = list(bits[:4]), bits[4:]
    one_more = later[0] | later[-1]
    two_more = (later[0] & later[1]) if len(later) == 2 else wire.zero
    if minimum <= 2:  # at worst short by two
        enough = wire(_at_least_of_four(four, minimum))
        short_by_one = wire(_at_least_of_four(four, minimum - 1)) if minimum == 2 else ~wire.zero
        return enough | (short_by_one & one_more) | two_more
    short_by_two = _at_least_of_four(four, minimum - 2)
    if minimum > 5:  # all bits but the later ones are needed in any case
        return wire(short_by_two) & two_more
    short_by_one = _at_least_of_four(four, minimum - 1)
    if minimum == 5:
        return (wire(short_by_one) & one_more) | (wire(short_by_two) & two_more)
    enough = _at_least_of_four(four, minimum)
    # high low | ones among the first four           high low | fires when
    #  1    1  | >= minimum                           1    1  | always
    #  1    0  | minimum - 1                          1    0  | a later bit is 1
    #  0    1  | minimum - 2                          0    1  | both later bits are 1
    #  0    0  | fewer                                0    0  | never
    high, low = wire(short_by_one), wire(enough | (short_by_two & ~short_by_one))
    return (high & (low | one_more)) | (low & two_more)


def _carry_out(wire: Wire, bits: Sequence[Bit], minimum: int) -> Bit:
    """`at_least` by a compressor tree for ``ones + 2 ** k - minimum >= 2 ** k``, of which only the carries into column
    k are made.
    """
    k = (max(minimum, len(bits) - minimum + 1) - 1).bit_length()
    constant = (1 << k) - minimum
    column = deque(bits)
    for weight in range(k):
        one = constant >> weight & 1
        carries = _reduce(wire, column, 3 - one)
        match len(column), one:  # of the last adder only the carry is needed
            case 3, 0:
                carries.append(wire(majority(*column)))
            case 2, 1:
                carries.append(wire(column[0] | column[1]))
            case 2, 0:
                carries.append(wire(column[0] & column[1]))
            case 1, 1:
                carries.append(column[0])
        column = deque(carries)
    return wire(_any(list(column), wire.zero))  # their sum is below two, so at most one of them is 1


def table(wire: Wire, inputs: Sequence[Bit], rows: Sequence[bool]) -> Bit:
    """The bit of the row whose number the inputs are, the first of them its lowest bit: any function of them.

    Up to four inputs are one LUT4; one more takes two tables of the others, and the choice between them.
    """
    if len(rows) != 1 << len(inputs):
        raise ValueError(f"rows must be {1 << len(inputs)} for {len(inputs)} inputs, not {len(rows)}")
    if not any(rows):
        return wire.zero
    if all(rows):
        return ~wire.zero
    *others, last = inputs
    low, high = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    if list(low) == list(high):
        return table(wire, others, low)
    if len(inputs) <= 4:
        return wire(_of_rows(inputs, rows))
    return wire(mux(last, table(wire, others, low), table(wire, others, high)))


def _of_rows(inputs: Sequence[Bit], rows: Sequence[bool]) -> Bit:
    """`table` as an expression of inputs, of which the last one matters."""
    *others, last = inputs
    low, high = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    match (any(low), all(low)), (any(high), all(high)):
        case (False, _), (_, True):
            return last
        case (_, True), (False, _):
            return ~last
        case (False, _), _:
            return _of_these(others, high) & last
        case (_, True), _:
            return _of_these(others, high) | ~last
        case _, (False, _):
            return _of_these(others, low) & ~last
        case _, (_, True):
            return _of_these(others, low) | last
    if [not each for each in low] == list(high):
        return _of_these(others, low) ^ last
    return mux(last, _of_these(others, low), _of_these(others, high))


def _of_these(inputs: Sequence[Bit], rows: Sequence[bool]) -> Bit:
    """`_of_rows`, without inputs at the end that do not matter."""
    half = len(rows) // 2
    while list(rows[:half]) == list(rows[half:]):
        inputs, rows, half = inputs[:-1], rows[:half], half // 2
    return _of_rows(inputs, rows)


def greater(wire: Wire, a: Sequence[Bit], b: Sequence[Bit]) -> Bit:
    """1 where the unsigned word `a` exceeds `b` (same width): logarithmic depth."""
    return _compare(wire, a, b)[0]


def _compare(wire: Wire, a: Sequence[Bit], b: Sequence[Bit]) -> tuple[Bit, Bit]:
    """(a > b, a == b), two bits at a time: each pair of results is two LUT4."""
    if len(a) == 1:
        return a[0] & ~b[0], ~(a[0] ^ b[0])
    half = max(1, 1 << (len(a) - 1).bit_length() >> 1)
    low_greater, low_equal = _compare(wire, a[:half], b[:half])
    high_greater, high_equal = _compare(wire, a[half:], b[half:])
    return wire(high_greater | (high_equal & low_greater)), wire(high_equal & low_equal)


def argmax(wire: Wire, words: Sequence[Sequence[Bit]], all_pairs: bool | None = None) -> list[Bit]:
    """The index of the greatest unsigned word, ties to the lowest index.

    With `all_pairs` (default: of words of one or two bits, which one LUT4 compares) all words meet at once: about five
    levels whatever their number, and one more whenever their width doubles. Else they play a knock-out tournament,
    which of wide words takes fewer LUTs: ``ceil(log2(len(words)))`` rounds, each a comparison and a multiplexer of the
    winner's word and index.
    """
    if all_pairs is None:
        all_pairs = len(words[0]) <= 2
    return _argmax_of_all_pairs(wire, words) if all_pairs else _argmax_by_rounds(wire, words)


def _argmax_of_all_pairs(wire: Wire, words: Sequence[Sequence[Bit]]) -> list[Bit]:
    count = len(words)
    beats = {
        (b, a): wire(greater(wire, words[b], words[a])) for b in range(count) for a in range(b)
    }  # b > a as indices and as words
    # Lower words must not be beaten by any later one, later words must beat every earlier one.
    wins = [
        _all_of(wire, [*(beats[i, a] for a in range(i)), *(~beats[b, i] for b in range(i + 1, count))])
        for i in range(count)
    ]
    return [
        _any([wins[i] for i in range(count) if i >> place & 1], wire.zero)
        for place in range(max(1, (count - 1).bit_length()))
    ]


def _all_of(wire: Wire, bits: Sequence[Bit]) -> Bit:
    """AND by LUTs of four inputs."""
    while len(bits) > 1:
        bits = [wire(_all(bits[at : at + 4], ~wire.zero)) for at in range(0, len(bits), 4)]
    return bits[0] if bits else ~wire.zero


def _all(bits: Sequence[Bit], none: Bit) -> Bit:
    """AND as a balanced tree."""
    if len(bits) <= 1:
        return bits[0] if bits else none
    return _all(bits[: len(bits) // 2], none) & _all(bits[len(bits) // 2 :], none)


def _any(bits: Sequence[Bit], none: Bit) -> Bit:
    """OR as a balanced tree."""
    if len(bits) <= 1:
        return bits[0] if bits else none
    return _any(bits[: len(bits) // 2], none) | _any(bits[len(bits) // 2 :], none)


def _argmax_by_rounds(wire: Wire, words: Sequence[Sequence[Bit]]) -> list[Bit]:
    width = max(1, (len(words) - 1).bit_length())
    field = [
        (list(word), [~wire.zero if index >> i & 1 else wire.zero for i in range(width)])
        for index, word in enumerate(words)
    ]
    known = 0  # index bits that differ within the field: constants above need no multiplexer
    while len(field) > 1:
        known += 1
        winners = []
        for (word_a, index_a), (word_b, index_b) in zip(field[::2], field[1::2], strict=False):
            second = wire(greater(wire, word_b, word_a))
            final = len(field) == 2
            word = [] if final else [wire(mux(second, a, b)) for a, b in zip(word_a, word_b, strict=True)]
            lower = [wire(mux(second, a, b)) for a, b in zip(index_a[: known - 1], index_b[: known - 1], strict=True)]
            winners.append((word, [*lower, second, *index_a[known:]]))
        if len(field) % 2:
            winners.append(field[-1])
        field = winners
    return field[0][1]
