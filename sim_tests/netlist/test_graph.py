"""And-inverter graphs, against the truth tables of what they are made of."""

from functools import reduce
from operator import and_, or_, xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logicnn import bits
from logicnn.netlist.graph import FALSE, TRUE, Bit, GaveUp, Graph

COUNT = 4
ROWS = 1 << COUNT
INPUTS = [sum((row >> place & 1) << row for row in range(ROWS)) for place in range(COUNT)]
OPERATORS = {"&": and_, "|": or_, "^": xor}

expressions = st.recursive(
    st.integers(0, COUNT - 1),
    lambda inner: st.one_of(
        st.tuples(st.just("~"), inner), st.tuples(st.sampled_from(sorted(OPERATORS)), inner, inner)
    ),
    max_leaves=12,
)


def made(expression, leaves):
    """An expression, in any reading of its leaves."""
    if isinstance(expression, int):
        return leaves[expression]
    operator, *parts = expression
    values = [made(part, leaves) for part in parts]
    return ~values[0] if operator == "~" else OPERATORS[operator](*values)


def ref_table(expression) -> int:
    return made(expression, INPUTS) & (1 << ROWS) - 1


@given(expressions, expressions)
def test_equal_if_tables_are(one, other):
    graph = Graph()
    leaves = graph.bits(COUNT)
    a, b = made(one, leaves).literal, made(other, leaves).literal
    assert graph.equal(a, b) == (ref_table(one) == ref_table(other))
    if ref_table(one) != ref_table(other):
        pattern = graph.pattern(graph.differing(a, b), [leaf.literal for leaf in leaves])
        row = sum(int(bit) << place for place, bit in enumerate(pattern))
        assert (ref_table(one) ^ ref_table(other)) >> row & 1


@given(st.lists(expressions, min_size=2, max_size=8))
def test_merged_are_one_literal_a_function(several):
    """Up to inversion; constants are constants."""
    graph = Graph()
    leaves = graph.bits(COUNT)
    merged = [graph.merged(made(each, leaves).literal) for each in several]
    tables = [ref_table(each) for each in several]
    full = (1 << ROWS) - 1
    for a, table in zip(merged, tables, strict=True):
        assert (a in (FALSE, TRUE)) == (table in (0, full))
        for b, other in zip(merged, tables, strict=True):
            assert (a == b) == (table == other) and (a == b ^ 1) == (table == other ^ full)


def test_satisfiable():
    """AND of many inputs, which no random pattern shows."""
    graph = Graph()
    leaves = graph.bits(60)
    every = reduce(and_, leaves)
    assert graph.satisfiable(every.literal)
    assert graph.pattern(graph.differing(every.literal, FALSE), [leaf.literal for leaf in leaves]).all()
    assert not graph.satisfiable((every & (~leaves[3] | ~leaves[40])).literal)


def test_counts_in_another_order():
    """Two compressor trees of the same bits: no bit of one is in the other but the result."""
    graph = Graph()
    leaves = graph.bits(9)
    wire = bits.Wire(lambda bit: Bit(graph, graph.merged(bit.literal)), graph.zero)
    one, other = bits.popcount(wire, leaves, 0, 4), bits.popcount(wire, leaves[::-1], 0, 4)
    assert all(graph.equal(a.literal, b.literal) for a, b in zip(one, other, strict=True))
    assert not graph.equal(one[0].literal, other[1].literal)


def test_no_time():
    graph = Graph(seconds=-1)
    a, b = graph.bits(2)
    with pytest.raises(GaveUp, match=r"^no proof in -1 s$"):
        graph.satisfiable((a & b).literal)
