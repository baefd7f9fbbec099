"""Shared additions against matrix products: exact matrices, bounded depth, and counts from published results."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logicnn.arithmetic.adders import AdderGraphError, Term
from logicnn.arithmetic.digits import weight
from logicnn.arithmetic.sharing import (
    Attempt,
    Strategy,
    least_depth,
    optimise,
    search,
    shallow,
    without_sharing,
)
from logicnn.network import Interval
from sim_tests.helpers import every_input

BIT = Interval(0, 1)


BYTE = Interval(-128, 127)


TRIES = 3  # a few strategies and one repeated search; the default takes seconds


RANGES = [BIT, Interval(1, 1), Interval(0, 3), Interval(-2, 1), Interval(-4, -1), Interval(2, 5), Interval(-1, 1)]


@st.composite
def problems(draw):
    """Up to 4 x 4 weights of up to 12 bits over mixed small ranges, some lines all zero."""
    rows, columns = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    limit = (1 << draw(st.integers(1, 12))) - 1
    weight = st.one_of(st.just(0), st.integers(-limit, limit))
    matrix = np.array(
        draw(st.lists(st.lists(weight, min_size=columns, max_size=columns), min_size=rows, max_size=rows))
    )
    if draw(st.booleans()):
        matrix[draw(st.integers(0, rows - 1))] = 0
    if draw(st.booleans()):
        matrix[:, draw(st.integers(0, columns - 1))] = 0
    return matrix, draw(st.lists(st.sampled_from(RANGES), min_size=columns, max_size=columns))


@settings(deadline=None, max_examples=80)
@given(problems(), st.integers(0, 5))
def test_optimise_exact(problem, seed):
    """The product, the exact range of every node and output, the form of every addition and the same graph again."""
    matrix, inputs = problem
    graph = optimise(matrix, inputs, tries=TRIES, seed=seed)
    assert np.array_equal(graph.matrix, matrix)
    x = every_input(inputs)
    y = graph.evaluate(x)
    assert np.array_equal(y, x @ matrix.T)
    assert [graph.interval(index) for index in range(len(matrix))] == [
        Interval(int(low), int(high)) for low, high in zip(y.min(0), y.max(0), strict=True)
    ]
    nodes = x @ graph.coefficients.T
    assert graph.intervals == tuple(
        Interval(int(low), int(high)) for low, high in zip(nodes.min(0), nodes.max(0), strict=True)
    )
    for adder in graph.adders:
        assert min(term.shift for term in adder.terms) == 0
        assert not all(term.negative for term in adder.terms)
    assert graph == optimise(matrix, inputs, tries=TRIES, seed=seed)


@settings(deadline=None, max_examples=80)
@given(problems())
def test_without_sharing_exact(problem):
    matrix, inputs = problem
    assert np.array_equal(without_sharing(matrix, inputs).matrix, matrix)


@settings(deadline=None, max_examples=80)
@given(problems())
def test_sharing_never_costs(problem):
    matrix, inputs = problem
    assert optimise(matrix, inputs, tries=TRIES).bits <= without_sharing(matrix, inputs).bits


def test_sharing_never_costs_single_weight():
    """-102 = -(16 + 1) * 6: its two equal pairs are shared at the cost of longer chains on an input of one bit."""
    matrix = np.array([[-102]])
    assert optimise(matrix, [BIT], tries=TRIES).bits <= without_sharing(matrix, [BIT]).bits


def test_zero_matrix():
    graph = optimise(np.zeros((2, 3), int), [BYTE] * 3, tries=TRIES)
    assert graph.outputs == (None, None)
    assert (graph.bits, graph.interval(0), graph.evaluate(np.ones((1, 3), int)).tolist()) == (
        0,
        Interval(0, 0),
        [[0, 0]],
    )


def test_zero_input():
    """An input that is always 0 has no bits, and neither have its multiples."""
    graph = optimise(np.array([[-4], [1]]), [Interval(0, 0)], tries=TRIES)
    assert min(graph.negation_bits) >= 0
    assert graph.bits >= 0


def test_powers_of_two_are_wires():
    matrix = np.array([[1, 0, 0], [0, 8, 0], [0, 0, 1024], [0, 2, 0]])
    graph = optimise(matrix, [BYTE] * 3, tries=TRIES)
    assert (graph.adders, graph.bits, graph.depth) == ((), 0, 0)
    assert graph.outputs == (Term(0), Term(1, 3), Term(2, 10), Term(1, 1))


def test_disjoint_operands_are_wires():
    """x + 4 y with x in 0 ... 3 only puts bits side by side."""
    graph = optimise(np.array([[1, 4]]), [Interval(0, 3), Interval(0, 3)], tries=TRIES)
    assert (len(graph.adders), graph.chains, graph.bits) == (1, ((4, 4),), 0)


def test_rows_alike_share():
    """Equal, shifted and negated rows are one chain of additions."""
    row = np.array([3, -5, 7])
    alone = optimise(row[None], [BYTE] * 3, tries=TRIES)
    graph = optimise(np.stack([row, row, row * 4, -row]), [BYTE] * 3, tries=TRIES)
    assert len(graph.adders) == len(alone.adders)
    assert len({term.node for term in graph.outputs}) == 1
    assert [term.shift for term in graph.outputs] == [0, 0, 2, 0]


def test_offset_column():
    graph = optimise(np.array([[3, -1, 100], [0, 0, -7]]), [BYTE, BYTE, Interval(1, 1)], tries=TRIES)
    x = np.array([[5, -9, 1], [-128, 127, 1]])
    assert np.array_equal(graph.evaluate(x), [[124, -7], [-411, -7]])
    assert graph.interval(1) == Interval(-7, -7)


def test_several_matrices():
    rng = np.random.default_rng(3)
    parts = [rng.integers(-20, 21, (rows, 4)) for rows in (1, 3, 2)]
    assert optimise(parts, [BYTE] * 4, tries=TRIES) == optimise(np.vstack(parts), [BYTE] * 4, tries=TRIES)


def needed_depth(matrix):
    """ceil(log2) of the most signed digits in a row."""
    return max(max(1, sum(weight(int(each)) for each in row)) - 1 for row in matrix).bit_length()


@settings(deadline=None, max_examples=60)
@given(problems(), st.integers(0, 2))
def test_depth_bounded(problem, more):
    """Every bound from the one on that a tree of the digits needs, also where rows are negative."""
    matrix, inputs = problem
    bound = needed_depth(matrix) + more
    graph = optimise(matrix, inputs, tries=TRIES, depth=bound)
    assert graph.depth <= bound
    assert np.array_equal(graph.matrix, matrix)


def test_depth_bounded_where_sums_recur():
    """A sum that recurs at a shift: one that is there but deep must not stand in for a shallow one."""
    graph = optimise(np.array([[853, 1229]]), [BIT] * 2, tries=TRIES, depth=4)
    assert graph.depth == 4 and np.array_equal(graph.matrix, [[853, 1229]])


@pytest.mark.parametrize(("matrix", "bound"), [([[-1]], 0), ([[-1, -1]], 1), ([[-1, 1], [1, -1]], 1)])
def test_depth_of_negated_rows(matrix, bound):
    """The least bound is kept, also where rows are negative."""
    matrix = np.array(matrix)
    assert optimise(matrix, [BIT] * matrix.shape[1], depth=bound, tries=TRIES).depth <= bound


def test_depth_of_8x8():
    matrix = np.random.default_rng(1).integers(-128, 128, (8, 8))
    least = needed_depth(matrix)
    for bound in range(least, least + 4):
        graph = optimise(matrix, [BYTE] * 8, tries=TRIES, depth=bound)
        assert graph.depth <= bound
        assert np.array_equal(graph.matrix, matrix)
    with pytest.raises(AdderGraphError, match=rf"^depth must be at least {least} .*, not {least - 1}$"):
        optimise(matrix, [BYTE] * 8, depth=least - 1)


def test_8x8_near_published():
    """da4ml finds 98 adders for a random 8-bit 8 x 8 matrix: https://github.com/calad0i/da4ml-ae, output of
    table2.ipynb.
    """
    matrix = np.random.default_rng(1).integers(-128, 128, (8, 8))
    shared, plain = optimise(matrix, [BYTE] * 8, tries=30), without_sharing(matrix, [BYTE] * 8)
    assert len(shared.adders) <= 104
    assert len(plain.adders) > 1.3 * len(shared.adders)


@settings(deadline=None, max_examples=40)
@given(problems())
def test_shallow(problem):
    """The matrix, at most one addition above the least depth."""
    matrix, inputs = problem
    graph = shallow(matrix, inputs, tries=TRIES)
    assert np.array_equal(graph.matrix, matrix)
    assert graph.depth <= least_depth(matrix) + 1
    assert least_depth(matrix) == needed_depth(matrix)


def test_shallow_costs_little():
    matrix = np.random.default_rng(1).integers(-128, 128, (16, 16))
    free, bounded = optimise(matrix, [BYTE] * 16, tries=60), shallow(matrix, [BYTE] * 16, tries=60)
    assert bounded.depth == 7 and free.depth > 7
    assert bounded.bits <= 1.06 * free.bits


@pytest.mark.parametrize(("given_matrix", "options"), [(np.ones(3, int), {}), (np.ones((1, 3), int), {"tries": 0})])
def test_shallow_wrong(given_matrix, options):
    with pytest.raises(AdderGraphError, match=r"^(matrix|tries) must be "):
        shallow(given_matrix, [BIT] * 3, **options)


MESSAGES = [
    (np.ones((1, 1)), [BIT], {}, r"^matrix must be two-dimensional and of integers, not 2-dimensional of float64$"),
    (np.ones(3, int), [BIT] * 3, {}, r"^matrix must be two-dimensional and of integers, not 1-dimensional of int64$"),
    (np.ones((2, 2), int), [BIT] * 3, {}, r"^matrix must have 3 columns, one for each of inputs, not 2$"),
    (
        [np.ones((1, 2), int), np.ones((1, 3), int)],
        [BIT] * 2,
        {},
        r"^matrix must have 2 columns, one for each of inputs, not "
        r"3$",
    ),
    ([], [BIT], {}, r"^matrix must hold at least one matrix, not none$"),
    (np.array([[1 << 24]]), [BIT], {}, r"^matrix must hold weights of at most 16777215 either way, not 16777216$"),
    (
        np.array([[5, -(1 << 24)]]),
        [BIT] * 2,
        {},
        r"^matrix must hold weights of at most 16777215 either way, "
        r"not -16777216$",
    ),
    (
        np.array([[-(1 << 63)]]),
        [BIT],
        {},
        r"^matrix must hold weights of at most 16777215 either way, "
        r"not -9223372036854775808$",
    ),
    (
        np.array([[1 << 20]]),
        [Interval(0, 1 << 40)],
        {},
        r"^inputs and matrix must stay below 2 \*\* 54 in every sum, "
        r"not reach 1\d{18}$",
    ),
    (np.array([[1]]), [BIT], {"tries": 0}, r"^tries must be a whole number, at least 1 and .*, not 0$"),
    (np.array([[1]]), [BIT], {"tries": 2.5}, r"^tries must be a whole number.*, not 2\.5$"),
    (np.array([[1]]), [BIT], {"seed": -1}, r"^seed must be a whole number, at least 0 and .*, not -1$"),
    (np.array([[1]]), [BIT], {"seed": 1 << 63}, r"^seed .* below 2 \*\* 63, not 9223372036854775808$"),
    (np.array([[1]]), [BIT], {"depth": 1.0}, r"^depth must be a whole number.*, not 1\.0$"),
    (
        np.array([[1, 1, 1]]),
        [BIT] * 3,
        {"depth": 1},
        r"^depth must be at least 2 for 3 signed digits in a row, "
        r"not 1$",
    ),
]


@pytest.mark.parametrize(("matrix", "inputs", "options", "message"), MESSAGES)
def test_optimise_wrong(matrix, inputs, options, message):
    with pytest.raises(AdderGraphError, match=message):
        optimise(matrix, inputs, **options)


@pytest.mark.parametrize("shape", [(6, 6), (20, 8), (8, 20)])
def test_every_strategy_keeps_the_depth(shape):
    rng = np.random.default_rng(sum(shape))
    matrix = rng.integers(-128, 128, shape)
    graph = optimise(matrix, [BYTE] * shape[1], tries=20, depth=7)
    assert graph.depth <= 7 and np.array_equal(graph.matrix, matrix)


@settings(deadline=None, max_examples=60)
@given(problems())
def test_cost_consistent(problem):
    matrix, inputs = problem
    graph = optimise(matrix, inputs, tries=TRIES)
    chains = [stop - first for first, stop in graph.chains]
    assert all(length >= 0 for length in chains)
    assert all(
        stop == 0 or stop == max(1, each.width)
        for (_, stop), each in zip(graph.chains, graph.intervals[len(inputs) :], strict=True)
    )
    assert [bits > 0 for bits in graph.negation_bits] == [term is not None and term.negative for term in graph.outputs]
    assert graph.bits == sum(chains) + sum(graph.negation_bits)
    luts, carries = graph.luts_carry4
    assert luts == graph.bits
    assert luts <= 4 * carries
    assert carries <= luts


def test_search_makes_so_many_attempts():
    """Whatever the number of starts, and ends with the cheapest of all."""
    for starts in range(1, 9):
        for tries in (1, 2, 5, 9, 15, 24, 60):
            costs = []

            def attempt(strategy, taken, costs=costs):
                costs.append((37 * len(costs)) % 101)
                return Attempt(costs[-1], strategy, taken, len(costs))

            best = search([Strategy()] * starts, tries, 0, attempt)
            assert len(costs) == tries
            assert best.cost == min(costs)


def test_wide_and_narrow_inputs_end():
    """Differences of columns put a wide input under a narrow one's large weight: the search's ranges do not fit."""
    wide = (1 << 22) + 1
    matrix = np.array([[wide, 0], [-2 * wide, 0], [wide + 1024, 0]] + [[3, 3], [5, 5]] * 5 + [[0, 5]] * 8)
    inputs = [BIT, Interval(0, 1 << 41)]
    assert np.array_equal(optimise(matrix, inputs, tries=12).matrix, matrix)


@pytest.mark.parametrize("fewest", [(1, 2), (2, 0)])
def test_strategy_wrong(fewest):
    with pytest.raises(AdderGraphError, match=r"^fewest must be at least 2 uses, or None, not \("):
        Strategy(fewest=fewest)
