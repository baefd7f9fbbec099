"""Sums told back from their adders."""

from functools import reduce
from operator import xor

from hypothesis import given
from hypothesis import strategies as st

from logicnn import bits
from logicnn.netlist.graph import Graph
from logicnn.verify.traced import Lemmas

columns = st.lists(st.lists(st.booleans(), max_size=7), min_size=1, max_size=4)


@given(columns, st.integers(0, 63), st.integers(1, 7))
def test_compressor_trees_are_sums(columns, constant, width):
    """Bits of several weights, some of them inverted."""
    lemmas = Lemmas(Graph())
    inputs = [lemmas.inputs(len(column)) for column in columns]
    read = [
        [~bit if inverted else bit for bit, inverted in zip(bits_, column, strict=True)]
        for bits_, column in zip(inputs, columns, strict=True)
    ]
    word = bits.add_bits(lemmas.wire, read, constant % (1 << width), width)
    expected = {0: constant}
    for weight, (given_bits, column) in enumerate(zip(inputs, columns, strict=True)):
        for bit, inverted in zip(given_bits, column, strict=True):
            expected[bit.literal >> 1] = -(1 << weight) if inverted else 1 << weight
            expected[0] += inverted << weight
    nodes = [bit.literal >> 1 for column in inputs for bit in column]
    found = lemmas.linear([bit.literal for bit in word], nodes, width)
    modulus = 1 << width
    assert found == {node: much % modulus for node, much in expected.items() if much % modulus}


def test_what_is_no_sum():
    """Parity of four bits is one bit of their sum, but no lemma makes it linear."""
    lemmas = Lemmas(Graph())
    inputs = lemmas.inputs(4)
    parity = lemmas.wire(reduce(xor, inputs))
    nodes = [bit.literal >> 1 for bit in inputs]
    assert lemmas.linear([parity.literal], nodes, 2) is None
    assert lemmas.linear([inputs[0].literal, inputs[1].literal], nodes, 2) == {nodes[0]: 1, nodes[1]: 2}
