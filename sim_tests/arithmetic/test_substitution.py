"""Terms exchanged in shared graphs: exact where samples allow it, never more expensive, never beyond the limit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logicnn.arithmetic.adders import digit_count
from logicnn.arithmetic.sharing import optimise, without_sharing
from logicnn.arithmetic.substitution import substituted, terms_of
from logicnn.errors import LogicnnError
from logicnn.network import Interval

BYTE = Interval(0, 255)


def case(seed: int, outputs: int, inputs: int):
    """A random matrix, its graph, and samples."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-127, 128, (outputs, inputs)) * (rng.random((outputs, inputs)) < 0.7)
    return matrix, optimise(matrix, (BYTE,) * inputs, tries=2), rng.integers(0, 256, (200, inputs))


@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_terms_add_up_to_the_matrix(seed, outputs, inputs):
    matrix, graph, _ = case(seed, outputs, inputs)
    for row, terms in zip(matrix, terms_of(graph), strict=True):
        made = sum(
            (graph.coefficients[term.node] * (-1 if term.negative else 1) << term.shift for term in terms),
            np.zeros(inputs, int),
        )
        assert np.array_equal(made, row)


def test_terms_end_where_others_read():
    graph = optimise(np.array([[5, 5, 1], [5, 5, 16]]), (BYTE,) * 3)
    both = [{term.node for term in terms} for terms in terms_of(graph)]
    assert all(len(terms) == 2 for terms in terms_of(graph)) and both[0] & both[1] - set(range(3))


def test_nothing_is_worth_an_error_at_a_low_cost():
    matrix, graph, x = case(1, 5, 4)
    made, offsets = substituted(graph, x, x @ matrix.T + 7, np.ones((200, 5)), 1e-6, 127)
    assert np.array_equal(made, matrix) and offsets.tolist() == [7] * 5


def test_only_the_mean_is_left_at_a_high_cost():
    matrix, graph, x = case(2, 3, 4)
    wanted, importance = x @ matrix.T, np.random.default_rng(3).random((200, 3))
    made, offsets = substituted(graph, x, wanted, importance, 1e12, 127)
    assert not made.any() and np.abs(offsets - np.average(wanted, axis=0, weights=importance)).max() <= 0.5


def test_equal_inputs_take_each_others_weights():
    """Inputs that are always the same: ``3 a + 5 b`` is ``8 a``."""
    x = np.repeat(np.arange(0, 256, 5)[:, None], 2, axis=1)
    matrix = np.array([[3, 5]])
    made, offsets = substituted(without_sharing(matrix, (BYTE, BYTE)), x, x @ matrix.T, np.ones((len(x), 1)), 1.0, 127)
    assert made.sum() == 8 and digit_count(made) == 1 and not offsets.any()


def test_a_neighbours_digits_are_free():
    """``45 a + 11 b`` is made for two rows; ``90 a + 23 b`` comes near twice that, which costs no addition but one."""
    matrix = np.array([[45, 11, 0, 16], [45, 11, 64, 0], [90, 23, 0, 0]])
    graph = optimise(matrix, (BYTE,) * 4)
    x = np.random.default_rng(4).integers(0, 256, (500, 4))
    made, _ = substituted(graph, x, x @ matrix.T, np.ones((500, 3)), 3000.0, 127)
    assert made[2].tolist() == [90, 22, 0, 0] and np.array_equal(made[:2], matrix[:2])
    assert optimise(made, (BYTE,) * 4).bits < graph.bits


def test_an_output_without_importance_stays():
    matrix, graph, x = case(6, 2, 3)
    importance = np.stack([np.zeros(200), np.ones(200)], axis=1)
    made, _ = substituted(graph, x, x @ matrix.T, importance, 1e12, 127)
    assert np.array_equal(made[0], matrix[0]) and not made[1].any()


@given(st.integers(0, 2**32), st.floats(0.0, 6.0))
@settings(max_examples=20, deadline=None)
def test_cost_and_limit(seed, exponent):
    """No weight beyond the limit, and what is saved is worth the error: cost and error together do not rise."""
    matrix, graph, x = case(seed, 4, 6)
    bit_cost, weights = 10.0**exponent, np.ones((200, 4))
    made, offsets = substituted(graph, x, x @ matrix.T, weights, bit_cost, 127)
    assert np.abs(made).max() <= 127
    rises = np.square(x @ (made - matrix).T + offsets).mean(0)
    chains = [bit_cost * graph.interval(row).word for row in range(4)]
    assert all(
        rise <= chain * len(terms) + 0.26 for rise, chain, terms in zip(rises, chains, terms_of(graph), strict=True)
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bit_cost": 0.0}, "bit_cost and limit must be positive"),
        ({"limit": 0}, "bit_cost and limit must be positive"),
        ({"values": np.zeros((0, 2))}, "values must hold at least one sample, not none"),
        ({"values": np.zeros((200, 3))}, r"values must have shape \(200, 2\)"),
        ({"wanted": np.zeros((199, 2))}, r"wanted must have shape \(200, 2\)"),
        ({"importance": np.zeros((200, 3))}, r"importance must have shape \(200, 2\)"),
    ],
)
def test_bad_input(changes, message):
    _, graph, x = case(5, 2, 2)
    given = {"values": x, "wanted": x, "importance": x, "bit_cost": 1.0, "limit": 127} | changes
    with pytest.raises(LogicnnError, match=message):
        substituted(graph, **given)
