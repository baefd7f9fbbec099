"""Proofs that logic is arithmetic: of what is, and of what is not."""

import numpy as np
import pytest

from logicnn import bits
from logicnn.arithmetic.adders import Adder, AdderGraph, Term
from logicnn.arithmetic.slices import Rectifier
from logicnn.network import Interval
from logicnn.verify import arithmetic


@pytest.mark.parametrize("count", [0, 1, 4, 6, 7, 13])
def test_counts(count):
    assert all(arithmetic.counts(count, minimum) for minimum in range(-1, count + 3))


def test_counts_of_too_many():
    assert not arithmetic.counts(arithmetic.MOST_ROWS + 1, 3)


def test_wrong_counts(monkeypatch):
    """One row in 64."""
    right = bits.at_least

    def wrong(wire, given, minimum):
        every = given[0]
        for bit in given[1:]:
            every = every & bit
        return right(wire, given, minimum) ^ every

    monkeypatch.setattr(bits, "at_least", wrong)
    assert not arithmetic.counts.__wrapped__(6, 3)


def test_tables():
    rng = np.random.default_rng(5)
    for k in (2, 3, 4, 5, 6):
        for _ in range(20):
            assert arithmetic.looks_up(tuple(rng.integers(0, 2, 1 << k).tolist()))


def test_wrong_tables(monkeypatch):
    monkeypatch.setattr(bits, "table", lambda wire, inputs, rows: inputs[0] & inputs[1])
    assert arithmetic.looks_up.__wrapped__((0, 0, 0, 1)) and not arithmetic.looks_up.__wrapped__((0, 1, 0, 1))


@pytest.mark.parametrize(
    ("columns", "constant", "width"), [((78,), 14, 7), ((3, 0, 5), -2, 6), ((9, 9), 0, 3), ((), 5, 4)]
)
def test_sums(columns, constant, width):
    assert arithmetic.sums_up(columns, constant, width)


def test_wrong_sums(monkeypatch):
    """One bit too many, a carry lost, a bit of another weight."""
    right = bits.add_bits
    for wrong in (
        lambda wire, columns, constant, width: right(wire, columns, constant + 1, width),
        lambda wire, columns, constant, width: right(wire, [columns[0][1:]], constant, width),
        lambda wire, columns, constant, width: right(wire, [columns[0][2:], columns[0][:1]], constant, width),
        lambda wire, columns, constant, width: [*right(wire, columns, constant, width - 1), wire.zero],
    ):
        monkeypatch.setattr(bits, "add_bits", wrong)
        assert not arithmetic.sums_up.__wrapped__((11,), 3, 4)


@pytest.mark.parametrize(
    ("count", "width", "signed", "paired"), [(2, 3, True, 0), (5, 4, False, 0), (5, 4, True, 16), (10, 2, False, 0)]
)
def test_greatest(count, width, signed, paired):
    assert arithmetic.finds_greatest(count, width, signed, paired)


def test_wrong_greatest(monkeypatch):
    """Ties to the highest index."""
    right = bits.argmax

    def wrong(wire, words, all_pairs=None):
        index = right(wire, words[::-1], all_pairs=all_pairs)  # of three: 2 - index
        return [~(index[0] | index[1]) & ~wire.zero ^ index[0] ^ index[0] ^ ~(index[0] | index[1]), index[1]]

    monkeypatch.setattr(bits, "argmax", wrong)
    assert not arithmetic.finds_greatest.__wrapped__(3, 2, False, 0)


def test_wrong_signs(monkeypatch):
    """Words with signs as if they had none."""
    monkeypatch.setattr("logicnn.engines.layer_bits.unsigned", lambda word, signed: list(word))
    assert arithmetic.finds_greatest.__wrapped__(3, 3, False, 0)
    assert not arithmetic.finds_greatest.__wrapped__(3, 3, True, 0)


def test_additions(monkeypatch):
    assert arithmetic.adds()
    monkeypatch.setattr(bits, "full_adder", lambda wire, a, b, c: (a ^ b ^ c, (a & b) | (a & c)))
    assert not arithmetic.adds.__wrapped__()


def test_words_that_hold_sums():
    """3 x + y of bytes, in ten bits."""
    byte = Interval(0, 255)
    graph = AdderGraph((byte, byte), (Adder(Term(0, 1), Term(0)), Adder(Term(2), Term(1))), (Term(3),))
    assert arithmetic.holds_all(graph)
    x = np.random.default_rng(2).integers(0, 256, (64, 2))
    wire = bits.packed(1)
    words = [list(bits.pack(bits.from_words(column[:, None], 8))) for column in x.T]
    (word,) = arithmetic.sums_of(graph, wire, words)
    assert np.array_equal(bits.to_words(bits.unpack(np.stack(word), 64), len(word), False), graph.evaluate(x))
    object.__setattr__(graph, "intervals", (*graph.intervals[:3], Interval(0, 1019)))
    assert not arithmetic.holds_all(graph)


@pytest.mark.parametrize("interval", [Interval(-300, 500), Interval(0, 900), Interval(-3, 2)])
@pytest.mark.parametrize("rectifier", [Rectifier(2, 4), Rectifier(0, 8, True), Rectifier(5, 3, True), Rectifier(9, 2)])
def test_rectifiers(interval, rectifier):
    assert arithmetic.rectifies(interval, rectifier)


def test_decisions():
    assert arithmetic.slices((-9, -1, 0, 3, 200), 5, True, 3)
    assert arithmetic.slices((0, 1, 31, 32), 5, False, 3)
    assert arithmetic.finds_greater(6, True) and arithmetic.finds_greater(6, False)
    assert not arithmetic.finds_greater(11, False)
