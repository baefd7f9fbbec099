"""Which groups of weights to keep under a budget of several resources: a knapsack over all layers at once.

Ramhorst, Loncar, Constantinides 2023 (arXiv 2308.05170): the most kept importance, ``max v x`` subject to ``A x <= W``
with x in {0, 1}, where a group is what one piece of hardware serves, so that its column of A is what leaves the netlist
with it.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from logicnn.errors import LogicnnError

__all__ = ["Importance", "importance", "kept"]

SECONDS = 60.0  # of the search
CORE = 100  # groups that are searched first
TOLERANCE = 1e-12  # of a sum of values, a group
LARGEST = 1e3  # value in the search, of which the last that has room is about 1
TRIES = 2e6  # of how many of each kind of costs


class Importance(Enum):
    """How much a group of weights is worth."""

    L1 = "l1"  # sum of |w|
    L2 = "l2"  # root of the sum of w ** 2
    GRADIENT = "gradient"  # sum of |w dL/dw|: what the loss changes without them, to first order
    SALIENCY = "saliency"  # sum of w ** 2 d2L/dw2 / 2, the same to second order at a minimum (LeCun et al. 1990)


def importance(
    measure: Importance, groups: np.ndarray, slope: np.ndarray | None = None
) -> np.ndarray:  # (groups, weights of a group), the same -> (groups,)
    """Values of a layer's groups. Of L1, L2 and GRADIENT the greatest is 1, so that layers of large weights are not
    favoured; SALIENCY is what the loss rises by, the same in all layers. All 0 where all weights are.

    `slope` is dL/dw of each weight for GRADIENT, d2L/dw2 for SALIENCY.
    """
    if groups.ndim != 2 or not groups.size:
        raise LogicnnError(f"groups must be (groups, weights) and not empty, not {groups.shape}")
    if measure in (Importance.GRADIENT, Importance.SALIENCY) and (slope is None or slope.shape != groups.shape):
        found = "none" if slope is None else slope.shape
        raise LogicnnError(f"slope must be {groups.shape} as groups for {measure.value}, not {found}")
    match measure:
        case Importance.L1:
            value = np.abs(groups).sum(1)
        case Importance.L2:
            value = np.sqrt(np.square(groups.astype(np.float64)).sum(1))
        case Importance.GRADIENT:
            value = np.abs(groups * slope).sum(1)
        case Importance.SALIENCY:
            return np.maximum(np.square(groups.astype(np.float64)) * slope / 2, 0.0).sum(1)
    return value / max(float(value.max()), np.finfo(np.float64).tiny)


def kept(value: np.ndarray, cost: Mapping[str, np.ndarray], budget: Mapping[str, int]) -> np.ndarray:
    """Which groups (n,) bool to keep: of all choices within the budget one of the greatest value.

    `value` (n,) is not negative; `cost` (n,) integers of each resource that groups use, `budget` how much there is of
    those that are bounded. Groups without value are never kept. Exact: 10,000 groups of three resources take seconds
    where few costs differ, a minute at worst. Raises `LogicnnError` for a budget of a resource that is not known or
    below 0, and where that minute does not suffice to prove a choice the best.
    """
    value = np.asarray(value, np.float64)
    costs = _checked(value, cost, budget)
    worth = np.flatnonzero(value > 0)
    chosen = np.zeros(len(value), bool)
    if len(worth):
        chosen[worth] = _best(value[worth], costs[:, worth], np.array([budget[name] for name in budget], np.int64))
    return chosen


def _checked(value: np.ndarray, cost: Mapping[str, np.ndarray], budget: Mapping[str, int]) -> np.ndarray:
    """Costs (bounded resources, n), in the order of the budget."""
    if value.ndim != 1 or not np.isfinite(value).all() or (value < 0).any():
        raise LogicnnError("value must be (groups,) finite numbers that are not negative")
    for name, bound in budget.items():
        if name not in cost:
            raise LogicnnError(f"budget must name resources of cost ({', '.join(cost)}), not {name!r}")
        if bound < 0:
            raise LogicnnError(f"budget of {name} must be at least 0, what no group needs, not {bound}")
        each = np.asarray(cost[name])
        if each.shape != value.shape or each.dtype.kind not in "iu" or (each < 0).any():
            raise LogicnnError(f"cost of {name} must be {value.shape} integers that are not negative")
    return np.array([np.asarray(cost[name], np.int64) for name in budget]).reshape(len(budget), len(value))


def _best(value: np.ndarray, cost: np.ndarray, room: np.ndarray) -> np.ndarray:
    """The choice, (n,) bool.

    The search has absolute tolerances, but values may lie many orders of magnitude apart: they are taken in units of
    about the last one that has room, and as at most `LARGEST` of it. Where all that are worth more are chosen, what
    else they are worth decides nothing.
    """
    if (cost.sum(1) <= room).all():
        return np.ones(len(value), bool)
    chosen = np.zeros(len(value), bool)
    if (cost == cost[:, :1]).all():  # of groups that are alike as many as there is room for
        used = cost[:, 0] > 0
        count = int((room[used] // cost[used, 0]).min())
        chosen[np.argsort(-value, kind="stable")[:count]] = True
        return chosen
    fits = np.flatnonzero((cost <= room[:, None]).all(0))
    if not len(fits):
        return chosen
    unit, most = _last(value[fits], cost[:, fits], room), LARGEST
    while True:
        chosen[fits] = _settled(np.minimum(value[fits] / unit, most), cost[:, fits], room)
        if chosen[fits][value[fits] / unit > most].all():
            return chosen
        most *= LARGEST


def _last(value: np.ndarray, cost: np.ndarray, room: np.ndarray) -> float:
    """The value of the last group that has room, those first that are worth most beside their share of it."""
    share = (cost / np.maximum(room, 1)[:, None]).sum(0)
    order = np.argsort(-value / np.maximum(share, np.finfo(np.float64).tiny), kind="stable")
    over = (np.cumsum(cost[:, order], 1) > room[:, None]).any(0)
    return float(value[order[max(0, int(np.argmax(over)) - 1) if over.any() else -1]])


def _settled(value: np.ndarray, cost: np.ndarray, room: np.ndarray) -> np.ndarray:
    """The choice where values are alike.

    Shares instead of whole groups give a bound and a price of each resource. A group whose value differs from the price
    of what it uses by more than what is left between that bound and a choice is settled: only the others, the *core*
    (Balas and Zemel 1980), are searched.
    """
    if (cost.sum(1) <= room).all():
        return np.ones(len(value), bool)
    counted = _counted(value, cost, room)
    if counted is not None:
        return counted
    shares = linprog(-value, A_ub=cost, b_ub=room, bounds=(0, 1), method="highs")
    profit = value + shares.ineqlin.marginals @ cost  # beyond the price of what a group uses
    core = np.argsort(np.abs(profit), kind="stable")[:CORE]
    while True:
        chosen = profit > 0
        chosen[core] = False
        chosen[core] = _searched(value[core], cost[:, core], room - cost @ chosen)
        open_ = np.flatnonzero(np.abs(profit) <= -shares.fun - value @ chosen + TOLERANCE * len(value))
        if np.isin(open_, core).all():
            return chosen
        core = np.union1d(open_, core)


def _counted(value: np.ndarray, cost: np.ndarray, room: np.ndarray) -> np.ndarray | None:
    """The choice where costs are of few kinds, by trying how many of each: of a kind the most valuable are kept. None
    where that would take too many tries.
    """
    kinds, kind = np.unique(cost, axis=1, return_inverse=True)
    kind = kind.reshape(-1)
    sizes = np.bincount(kind)
    last = int(sizes.argmax())  # as many of it as there is room left
    others = np.delete(np.arange(len(sizes)), last)
    if np.prod(sizes[others] + 1.0) > TRIES or not kinds[:, last].any():
        return None
    order = np.lexsort((-value, kind))
    worth = [np.concatenate([[0.0], np.cumsum(value[order][kind[order] == each])]) for each in range(len(sizes))]
    left = room.reshape(-1, *[1] * len(others))
    total = np.zeros([1] * len(others))
    for axis, each in enumerate(others):
        shape = [1] * len(others)
        shape[axis] = -1
        left = left - kinds[:, each].reshape(-1, *[1] * len(others)) * np.arange(sizes[each] + 1).reshape(shape)
        total = total + worth[each].reshape(shape)
    used = np.flatnonzero(kinds[:, last])
    count = (left[used] // kinds[used, last].reshape(-1, *[1] * len(others))).min(0).clip(0, sizes[last])
    total = np.where((left >= 0).all(0), total + worth[last][count], -np.inf)
    best = np.unravel_index(int(total.argmax()), total.shape)
    counts = np.zeros(len(sizes), np.int64)
    counts[others], counts[last] = best, count[best]
    chosen = np.empty(len(value), bool)
    chosen[order] = np.arange(len(value)) - np.searchsorted(kind[order], kind[order]) < counts[kind[order]]
    return chosen


def _searched(value: np.ndarray, cost: np.ndarray, room: np.ndarray) -> np.ndarray:
    """The best choice of few groups, by branch and bound.

    Of groups of one cost the most valuable are kept, so that only how many is an integer to be found: the shares that
    add up to it are whole by themselves, since their value falls.
    """
    order = np.lexsort((-value, *cost))
    value, cost = value[order], cost[:, order]
    kinds, first, kind = np.unique(cost, axis=1, return_index=True, return_inverse=True)
    groups, count = len(value), kinds.shape[1]
    of_kind = (kind.reshape(-1) == np.arange(count)[:, None]).astype(float)
    most: Any = np.concatenate([np.ones(groups), of_kind.sum(1)])  # scipy takes arrays for bounds, its hints do not
    within: Any = room
    found = milp(
        np.concatenate([-value, np.zeros(count)]),
        integrality=np.repeat([0, 1], [groups, count]),
        bounds=Bounds(0, most),
        constraints=[
            LinearConstraint(np.hstack([of_kind, -np.eye(count)]), 0, 0),
            LinearConstraint(np.hstack([np.zeros((len(room), groups)), kinds]), -np.inf, within),
        ],
        options={"time_limit": SECONDS, "mip_rel_gap": 0.0},
    )
    if found.status != 0:
        raise LogicnnError(f"{groups} groups of nearly the same worth are too many to choose from: {found.message}")
    chosen = np.empty(groups, bool)
    chosen[order] = np.arange(groups) - first[kind.reshape(-1)] < np.rint(found.x[groups:])[kind.reshape(-1)]
    return chosen
