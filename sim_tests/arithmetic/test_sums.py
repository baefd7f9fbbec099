"""Additions one by one, and the cost of compiled graphs against that of `AdderGraph`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logicnn.arithmetic.adders import AdderGraph, Term, limits, pruned
from logicnn.arithmetic.sharing import Pairs, Strategy
from logicnn.arithmetic.sums import Builder, adders_of, built, term_of
from logicnn.network import Interval


def test_sum_that_is_a_fraction_of_a_node_is_made_anew():
    """``(3 a + b) + (a + 3 b)`` has two zeros below; ``a + b`` is not that node shifted down."""
    inputs = (Interval(0, 7), Interval(0, 7))
    builder = Builder(inputs)
    left, right = (builder.total([Term(one), Term(one, 1), Term(other)], True) for one, other in ((0, 1), (1, 0)))
    assert left and right
    fourfold = builder.total([left, right], False)
    once = builder.total([Term(0), Term(1)], False)
    again = builder.total([Term(0, 3), Term(1, 3)], False)
    graph = AdderGraph(inputs, builder.adders, (fourfold, once, again))
    np.testing.assert_array_equal(graph.matrix, [[4, 4], [1, 1], [8, 8]])
    assert once and again and again == once._replace(shift=3)


terms = st.lists(st.builds(Term, st.integers(0, 3), st.integers(0, 4), st.booleans()), max_size=9)


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.tuples(terms, st.booleans()), max_size=12))
def test_totals(sums):
    """Whatever was made before, also behind more nodes than there was room for."""
    inputs = (Interval(0, 1), Interval(-3, 2), Interval(1, 4), Interval(0, 200))
    builder = Builder(inputs)
    ends = [builder.total(each, positive) for each, positive in sums]
    expected = np.zeros((len(sums), 4), np.int64)
    for row, (each, _) in zip(expected, sums, strict=True):
        for term in each:
            row[term.node] += (-1 if term.negative else 1) << term.shift
    graph = AdderGraph(inputs, builder.adders, tuple(ends))
    np.testing.assert_array_equal(graph.matrix, expected)
    assert all(min(term.shift for term in (each.a, each.b)) == 0 for each in graph.adders)


def test_grows():
    builder, rng = Builder([Interval(0, 7)] * 20), np.random.default_rng(1)
    picked = rng.integers(0, 2, (60, 20))
    ends = [builder.total([Term(index) for index in np.flatnonzero(row)], True) for row in picked]
    graph = AdderGraph((Interval(0, 7),) * 20, builder.adders, tuple(ends))
    np.testing.assert_array_equal(graph.matrix, picked)
    assert len(set(graph.adders)) == len(graph.adders) > 64


@settings(deadline=None)  # the first call compiles
@given(st.integers(1, 6), st.integers(0, 8), st.booleans())
def test_carries(words, carries, negative):
    """Bits that enter carry chains are added; one chain takes one."""
    inputs = (Interval(0, 7),) * words + (Interval(0, 1),) * carries
    builder = Builder(inputs)
    given_terms = [Term(index, 0, negative) for index in range(words)]
    bits = [Term(words + index, 0, negative) for index in range(carries)]
    end = builder.total(given_terms, True, carries=bits)
    graph = AdderGraph(inputs, builder.adders, (end,))
    np.testing.assert_array_equal(graph.matrix, [[-1 if negative else 1] * (words + carries)])
    taken = sum(each.carry is not None for each in graph.adders)
    assert taken == min(carries, words - 1 + max(0, carries - words + 1) // 2)


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 1 << 30), st.booleans(), st.sampled_from([None, 5, 8]))
def test_cost(seed, signed, depth):
    """The compiled cost is the graph's, negations of outputs included."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-40, 41, rng.integers(1, 7, 2)) * (rng.random() < 0.9)
    inputs = tuple(Interval(-8 if signed else 0, int(high)) for high in rng.integers(0, 9, matrix.shape[1]))
    left = Pairs(matrix, inputs, depth).search(Strategy())
    bits, deepest, adders, outputs = built(left, *limits(inputs))
    graph = pruned(AdderGraph(inputs, adders_of(adders), tuple(map(term_of, outputs))))
    np.testing.assert_array_equal(graph.matrix, matrix)
    assert (bits, deepest) == (graph.bits, graph.depth)


@pytest.mark.parametrize("terms", [[], [Term(0), Term(0, 0, True)]])
def test_zero(terms):
    builder = Builder([Interval(0, 1)])
    assert builder.total(terms, True) is None and builder.adders == ()
