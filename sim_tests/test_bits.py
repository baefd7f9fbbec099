"""`logicnn.bits`, read on Python integers whose bit v is the value for input v: every input at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logicnn import bits


def columns(count: int) -> list[int]:
    """Bit i of every input of `count` bits, as one integer each."""
    return [sum((v >> i & 1) << v for v in range(1 << count)) for i in range(count)]


def table(results: list[int], size: int) -> list[int]:
    """Words from their bit columns."""
    return [sum((column >> v & 1) << place for place, column in enumerate(results)) for v in range(size)]


@pytest.mark.parametrize("count", range(12))
def test_at_least_exhaustive(count):
    for minimum in range(-1, count + 3):
        fires = bits.at_least(bits.bare, columns(count), minimum)
        assert table([fires], 1 << count) == [v.bit_count() >= minimum for v in range(1 << count)]


@pytest.mark.parametrize("count", range(9))
@pytest.mark.parametrize("offset", [-9, -1, 0, 3, 8])
def test_popcount_exhaustive(count, offset):
    word = bits.popcount(bits.bare, columns(count), offset, 5)
    assert table(word, 1 << count) == [(v.bit_count() + offset) % 32 for v in range(1 << count)]


def test_add_bits_weighted_columns():
    a = columns(6)
    word = bits.add_bits(bits.bare, [a[:3], a[3:5], a[5:]], 1, 4)
    assert table(word, 64) == [
        (sum(v >> i & 1 for i in range(3)) + 2 * sum(v >> i & 1 for i in (3, 4)) + 4 * (v >> 5) + 1) % 16
        for v in range(64)
    ]


@given(
    st.integers(1, 7).flatmap(
        lambda width: st.lists(st.integers(0, 2**width - 1), min_size=1, max_size=12).map(lambda words: (width, words))
    )
)
def test_argmax(case):
    width, words = case
    for all_pairs in (None, False, True):
        index = bits.argmax(bits.bare, [[word >> i & 1 for i in range(width)] for word in words], all_pairs)
        assert sum((bit & 1) << place for place, bit in enumerate(index)) == words.index(max(words))


@pytest.mark.parametrize("width", [1, 2, 3])
def test_greater_exhaustive(width):
    a = columns(2 * width)
    result = bits.greater(bits.bare, a[:width], a[width:])
    assert table([result], 4**width) == [v % 2**width > v >> width for v in range(4**width)]


@given(st.integers(0, 200), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_pack_inverse(samples, width, seed):
    matrix = np.random.default_rng(seed).random((samples, width)) < 0.5
    words = bits.pack(matrix)
    assert words.shape == (width, -(-samples // 64)) and words.dtype == np.uint64
    assert np.array_equal(bits.unpack(words, samples), matrix)


def test_packed_equals_integers():
    count, minimum = 9, 5
    matrix = (np.arange(1 << count)[:, None] >> np.arange(count) & 1).astype(bool)
    words = bits.pack(matrix)
    fires = bits.at_least(bits.packed(words.shape[1]), list(words), minimum)
    assert np.array_equal(bits.unpack(fires[None], len(matrix))[:, 0], matrix.sum(1) >= minimum)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_table_exhaustive(count):
    for function in range(1 << (1 << count)):
        rows = [function >> row & 1 for row in range(1 << count)]
        assert table([bits.table(bits.bare, columns(count), rows)], 1 << count) == rows


@given(st.integers(4, 6).flatmap(lambda k: st.lists(st.booleans(), min_size=1 << k, max_size=1 << k)))
def test_table(rows):
    """Any function of four bits is one LUT4, of five three, of six seven."""
    count, bound = (len(rows) - 1).bit_length(), []

    def bind(bit: int) -> int:
        bound.append(bit)
        return bit

    assert table([bits.table(bits.Wire(bind, 0), columns(count), rows)], len(rows)) == rows
    assert len(bound) <= {4: 1, 5: 3, 6: 7}[count]


def test_table_refuses():
    with pytest.raises(ValueError, match=r"^rows must be 4 for 2 inputs, not 3$"):
        bits.table(bits.bare, [0, 1], [0, 1, 1])
