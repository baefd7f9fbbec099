"""Adder graphs against matrix products: exact matrices, exact ranges, bounded depth, and counts from published
results.
"""

import numpy as np
import pytest

from logicnn.arithmetic.adders import (
    Adder,
    AdderGraph,
    AdderGraphError,
    Term,
    pruned,
)
from logicnn.arithmetic.sharing import optimise
from logicnn.network import Interval
from sim_tests.helpers import carried_graph, every_input

BIT = Interval(0, 1)
BYTE = Interval(-128, 127)
TRIES = 3  # a few strategies and one repeated search; the default takes seconds


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0, 0)])
def test_empty(shape):
    matrix = np.zeros(shape, int)
    graph = optimise(matrix, [BIT] * shape[1], tries=TRIES)
    assert graph.matrix.shape == shape
    assert graph.evaluate(np.zeros((5, shape[1]), int)).shape == (5, shape[0])
    assert (graph.bits, graph.depth, graph.adders) == (0, 0, ())


def test_chain_of_shifted_sum():
    """x + 4 y of bytes: two bits pass by, of the eleven of the sum nine are made; 4 x - y has to borrow from the first
    bit.
    """
    unsigned = Interval(0, 255)
    assert AdderGraph((unsigned, unsigned), (Adder(Term(0), Term(1, 2)),), (Term(2),)).chains == ((2, 11),)
    assert AdderGraph((unsigned, unsigned), (Adder(Term(0, 2), Term(1, 0, True)),), (Term(2),)).chains == ((0, 11),)


def test_carries():
    """A carry is added where both terms are, and taken away where one of them is."""
    graph = carried_graph()
    assert graph.matrix.tolist() == [
        [1, 1, 1, 0],
        [1, -1, -1, 0],
        [-2, 2, 0, -2],
        [3, -1, -1, 1],
        [-5, -3, -5, -1],
        [-3, 1, 1, -1],
    ]
    x = every_input(graph.inputs)
    assert np.array_equal(graph.evaluate(x), x @ graph.matrix.T)
    assert [first for first, _ in graph.chains] == [0] * 5  # a carry enters at the lowest bit
    assert graph.depths[4:] == (1, 1, 1, 2, 2)
    assert pruned(graph) == graph


def test_negation_bits():
    graph = optimise(np.array([[-1], [-4], [2]]), [BYTE], tries=TRIES)
    assert graph.negation_bits == (9, 9, 0)  # 128 needs nine bits; below a shift there is nothing to negate
    assert (graph.depth, graph.bits, graph.luts_carry4) == (0, 18, (18, 6))


def test_evaluate_wrong():
    graph = optimise(np.array([[1, 3]]), [BIT, Interval(-2, 1)], tries=TRIES)
    with pytest.raises(AdderGraphError, match=r"^x must have shape \(samples, 2\), not \(2,\)$"):
        graph.evaluate(np.array([0, 1]))
    with pytest.raises(AdderGraphError, match=r"^x\[1, 0\] is 2, outside 0 ... 1$"):
        graph.evaluate(np.array([[0, 1], [2, 0]]))
    with pytest.raises(AdderGraphError, match=r"^x\[0, 1\] is -3, outside -2 ... 1$"):
        graph.evaluate(np.array([[0, -3]]))
