"""In which order to evaluate kernels, so that each is made of the one before by few changes: kernel reuse (Gao et al.
2021, section III).

Of two kernels a and b that differ in the synapses D, ``P_b = P_a + |D| - 2 P_{a,D}``: only those of D are counted
again. Where more than half differ, b's opposite is nearer, and ``P_b = fan-in - P_-b``; what fires then is what would
not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from logicnn.errors import LogicnnError

__all__ = ["Order", "changes", "ordered", "spanning"]


@dataclass(frozen=True)
class Order:
    """Kernels one after the other, and which of them as their opposite: all weights negated."""

    kernels: tuple[int, ...]
    opposite: tuple[bool, ...]


def changes(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (kernels, synapses) -> 2 x (kernels, kernels)
    """Synapses in which two kernels differ, and in which one differs from the other's opposite."""
    signs = np.asarray(weights)
    if signs.ndim != 2 or not signs.size or np.abs(signs).max() > 1:
        raise LogicnnError(f"weights must be (kernels, synapses) of -1, 0 and +1 and not empty, not {signs.shape}")
    positive, negative = ((signs == each).astype(np.float32) for each in (1, -1))
    none = 1 - positive - negative
    alike = positive @ positive.T + negative @ negative.T
    opposed = positive @ negative.T + negative @ positive.T
    neither = none @ none.T
    size = signs.shape[1]
    return (size - neither - alike).astype(np.int64), (size - neither - opposed).astype(np.int64)


def spanning(cost: np.ndarray) -> int:
    """The cost of a minimum spanning tree: what no order of evaluation, with any number of sums kept, is below."""
    best = cost[0].astype(np.float64)
    best[0] = np.inf
    left = np.ones(len(cost), bool)
    left[0] = False
    total = 0
    while left.any():
        nearest = int(np.argmin(np.where(left, best, np.inf)))
        total += int(best[nearest])
        left[nearest] = False
        best = np.minimum(best, cost[nearest])
    return total


def ordered(weights: np.ndarray, beside: np.ndarray | None = None, opposites: bool = True) -> Order:
    """A short way through all kernels, each once: nearest neighbours from every start, then stretches turned round
    while that helps (2-opt; Croes 1958). The result depends on nothing but the arguments.

    `beside` (kernels, kernels) is added to the changes, symmetric; without `opposites` kernels are taken as they are.
    """
    same, opposed = changes(weights)
    cost = np.minimum(same, opposed) if opposites else same
    whole = cost if beside is None else cost + beside
    way = _shortened(_nearest(whole), whole)
    turned = [False]
    for before, after in pairwise(way):
        turned.append(turned[-1] != bool(opposites and opposed[before, after] < same[before, after]))
    return Order(tuple(way), tuple(turned))


def _nearest(cost: np.ndarray) -> list[int]:
    best: tuple[float, list[int]] = np.inf, []
    far = np.iinfo(np.int64).max
    for start in range(len(cost)):
        open_, way, total = cost.astype(np.int64).copy(), [start], 0
        open_[:, start] = far
        for _ in range(len(cost) - 1):
            row = open_[way[-1]]
            following = int(np.argmin(row))
            total += int(row[following])
            way.append(following)
            open_[:, following] = far
        if total < best[0]:
            best = total, way
    return best[1]


def _shortened(way: Sequence[int], cost: np.ndarray) -> list[int]:
    order, count = np.array(way), len(way)
    improved = True
    while improved and count > 2:
        improved = False
        for first in range(-1, count - 2):
            lasts = np.arange(first + 2, count)
            head, tails = order[first + 1], order[lasts]
            after = np.minimum(lasts + 1, count - 1)
            inner = lasts + 1 < count
            before = cost[order[first], head] if first >= 0 else 0
            gain = before + np.where(inner, cost[tails, order[after]], 0)
            gain -= cost[order[first], tails] if first >= 0 else 0
            gain -= np.where(inner, cost[head, order[after]], 0)
            best = int(np.argmax(gain))
            if gain[best] > 0:
                stretch = slice(first + 1, int(lasts[best]) + 1)
                order[stretch] = order[stretch][::-1].copy()
                improved = True
    return order.tolist()
