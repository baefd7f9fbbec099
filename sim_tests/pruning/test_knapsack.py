"""Groups that are kept under a budget: against every choice there is, against the bound of shares, and by hand."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from logicnn.errors import LogicnnError
from logicnn.pruning import knapsack
from logicnn.pruning.knapsack import Importance, importance, kept


@st.composite
def problems(draw):
    """Up to ten groups of two resources, with values that are alike or not there."""
    groups = draw(st.integers(1, 10))
    value = draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0, 0.3]), min_size=groups, max_size=groups))
    costs = [draw(st.lists(st.integers(0, 4), min_size=groups, max_size=groups)) for _ in range(2)]
    budget = [draw(st.integers(0, sum(each))) for each in costs]
    return np.array(value), dict(zip(("dsp", "bram"), map(np.array, costs), strict=True)), budget


@pytest.mark.parametrize("tries", [0, 30, knapsack.TRIES])  # by search, by either, by counting
@given(problem=problems())
@settings(deadline=None)
def test_best_of_all_choices(tries, problem):
    value, cost, budget = problem
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knapsack, "TRIES", tries)
        found = kept(value, cost, dict(zip(cost, budget, strict=True)))
    choices = np.array(list(product([0, 1], repeat=len(value))))
    within = np.all([choices @ cost[name] <= most for name, most in zip(cost, budget, strict=True)], axis=0)
    assert all(cost[name][found].sum() <= most for name, most in zip(cost, budget, strict=True))
    assert value[found].sum() == pytest.approx((choices[within] @ value).max())
    assert not found[value == 0].any()


@pytest.mark.parametrize("kinds", [1, 3])
def test_many_groups(kinds):
    """10,000 groups: less than the worth of a group from what shares of groups would give."""
    rng = np.random.default_rng(kinds)
    value, kind = rng.random(10_000) ** 2, rng.integers(0, kinds, 10_000)
    uses = np.array([[1, 0, 5], [4, 1, 9], [1, 1, 2]])[kind]
    cost: dict[str, np.ndarray] = dict(zip(("dsp", "bram", "lut"), uses.T, strict=True))
    budget = {name: int(each.sum() * share) for (name, each), share in zip(cost.items(), (0.3, 0.4, 0.35), strict=True)}
    found = kept(value, cost, budget)
    bound = -linprog(-value, A_ub=uses.T, b_ub=list(budget.values()), bounds=(0, 1)).fun
    assert all(cost[name][found].sum() <= most for name, most in budget.items())
    assert 0 <= bound - value[found].sum() + 1e-9 < 1


def test_counting_is_searching(monkeypatch):
    """Thousands of groups of three costs, as rows of two convolutions and dense layers have."""
    rng = np.random.default_rng(3)
    cycles = np.repeat([576, 64, 1], [40, 300, 4000])
    value = rng.lognormal(0, 2, len(cycles)) * cycles**0.5
    budget = {"cycle": int(cycles.sum() * 0.3)}
    counted = kept(value, {"cycle": cycles}, budget)
    monkeypatch.setattr(knapsack, "TRIES", 0)
    searched = kept(value, {"cycle": cycles}, budget)
    assert cycles[counted].sum() <= budget["cycle"]
    assert value[counted].sum() == pytest.approx(value[searched].sum(), rel=1e-9)


def test_one_large_or_two_small():
    """By hand: density would take the small one first, and leave no room for the large one."""
    cost = {"dsp": np.array([6, 5, 5])}
    assert kept(np.array([0.9, 0.5, 0.5]), cost, {"dsp": 10}).tolist() == [False, True, True]
    assert kept(np.array([0.9, 0.4, 0.4]), cost, {"dsp": 10}).tolist() == [True, False, False]
    assert kept(np.array([0.9, 0.4, 0.4]), cost, {"dsp": 16}).all()
    assert kept(np.array([0.9, 0.4, 0.4]), cost, {}).all()  # nothing is bounded


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (Importance.L1, [7 / 7, 2 / 7, 0]),
        (Importance.L2, [5 / 5, np.sqrt(2) / 5, 0]),
        (Importance.GRADIENT, [7 / 7, 3 / 7, 0]),
        (Importance.SALIENCY, [25 / 2, 3 / 2, 0]),
    ],
)
def test_importance(measure, expected):
    groups = np.array([[3, -4], [1, 1], [0, 0]])
    assert importance(measure, groups, np.array([[1, 1], [1, 2], [9, 9]])).tolist() == pytest.approx(expected)


def test_importance_of_nothing():
    assert importance(Importance.L1, np.zeros((3, 2))).tolist() == [0, 0, 0]


COST = {"dsp": np.array([1, 2])}


@pytest.mark.parametrize(
    ("value", "cost", "budget", "message"),
    [
        ([1, 1], COST, {"bram": 3}, r"^budget must name resources of cost \(dsp\), not 'bram'$"),
        ([1, 1], COST, {"dsp": -1}, r"^budget of dsp must be at least 0, what no group needs, not -1$"),
        ([1, -1], COST, {"dsp": 1}, r"^value must be \(groups,\) finite numbers that are not negative$"),
        ([1, np.nan], COST, {"dsp": 1}, r"^value must be \(groups,\) finite numbers that are not negative$"),
        ([1], COST, {"dsp": 1}, r"^cost of dsp must be \(1,\) integers that are not negative$"),
    ],
)
def test_wrong(value, cost, budget, message):
    with pytest.raises(LogicnnError, match=message):
        kept(np.array(value), cost, budget)


def test_importance_wrong():
    with pytest.raises(LogicnnError, match=r"^groups must be \(groups, weights\) and not empty, not \(4,\)$"):
        importance(Importance.L1, np.ones(4))
    with pytest.raises(LogicnnError, match=r"^slope must be \(2, 3\) as groups for gradient, not none$"):
        importance(Importance.GRADIENT, np.ones((2, 3)))


# Values, costs, budgets and optima of hls4ml's tests (test/pytest/test_optimization/test_knapsack.py, commit 231c8598)
HLS4ML = (
    ([4, 5, 6, 8, 3], [[2, 5, 3, 2, 5]], [8], 18, {0, 2, 3}),
    ([10, 2, 6, 12, 3], [[3, 1, 4, 5, 5], [3, 2, 4, 1, 2]], [8, 7], 22, {0, 3}),
    ([10, 2, 6, 8, 3], [[2] * 5, [3] * 5], [7, 7], 18, {0, 3}),
    ([10, 2, 6, 12, 3], [[3, 1, 4, 5, 5], [3, 2, 4, 1, 2]], [19, 12], 33, {0, 1, 2, 3, 4}),
)


@pytest.mark.parametrize(("value", "costs", "budgets", "optimum", "groups"), HLS4ML)
def test_optima_of_hls4ml(value, costs, budgets, optimum, groups):
    cost = {str(number): np.array(each) for number, each in enumerate(costs)}
    chosen = kept(np.array(value), cost, {str(number): each for number, each in enumerate(budgets)})
    assert set(np.flatnonzero(chosen)) == groups and np.array(value)[chosen].sum() == optimum


@pytest.mark.parametrize("spread", (4.0, 12.0))
def test_values_of_many_orders_of_magnitude(spread):
    """Squares of slopes lie that far apart, most of them below what a search of sums takes for zero."""
    value = np.exp(np.random.default_rng(3).normal(0, spread, 3000))
    chosen = kept(value, {"word": np.ones(3000, int)}, {"word": 1000})
    assert set(np.flatnonzero(chosen)) == set(np.argsort(-value)[:1000])
    costs = np.random.default_rng(4).integers(1, 4, 3000)
    chosen = kept(value, {"word": costs, "dsp": 4 - costs}, {"word": 1500, "dsp": 1500})
    assert 1497 <= (costs[chosen]).sum() <= 1500 and 1497 <= (4 - costs[chosen]).sum() <= 1500
    assert value[chosen].min() > np.quantile(value, 0.5)
