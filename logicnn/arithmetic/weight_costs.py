"""What a constant weight costs as logic, and which weights to choose: hardware-aware weight selection (Xu et al. 2023,
section III-C).

The cost of a constant is that of its own multiplier, in carry bits of the additions that make ``w * x`` (about as many
logic cells). In a layer, multiples are shared between neurons, and what is left is about an addition for each signed
digit.
"""

from functools import cache

import numpy as np

from logicnn.arithmetic.adders import digit_count
from logicnn.arithmetic.sharing import optimise
from logicnn.errors import LogicnnError
from logicnn.network import Interval

__all__ = ["multiplier_bits", "selected", "smooth_cost"]


@cache
def multiplier_bits(weight_bits: int = 8, input_bits: int = 8) -> tuple[int, ...]:
    """Carry bits of the multiplier by each constant ``-2 ** (weight_bits - 1)`` ... of a signed word of
    `input_bits`.
    """
    half = 1 << (weight_bits - 1)
    given = [Interval(-1 << (input_bits - 1), (1 << (input_bits - 1)) - 1)]
    return tuple(optimise(np.array([[weight]]), given, tries=12).bits for weight in range(-half, half))


def selected(count: int, weight_bits: int = 8) -> np.ndarray:  # (count,) sorted
    """The `count` constants with the cheapest multipliers; of equals those with fewer signed digits, then the smaller
    ones.

    Raises `LogicnnError` for fewer than 2 constants or more than there are.
    """
    half = 1 << (weight_bits - 1)
    values = np.arange(1 - half, half)  # what symmetric quantisation uses
    if not 2 <= count <= len(values):
        raise LogicnnError(f"count must lie in 2 ... {len(values)}, not {count}")
    costs = np.array(multiplier_bits(weight_bits))[1:]
    order = np.lexsort((values < 0, np.abs(values), digit_count(values[:, None], 1), costs))
    return np.sort(values[order[:count]])


def smooth_cost(choices: np.ndarray, distance: float, temperature: float, limit: int, steps: int) -> np.ndarray:
    """A differentiable cost of weights ``-limit ... limit``, in steps of ``1 / steps``.

    The soft minimum over `choices` of the signed digits of a choice plus `distance` times how far away it is: weights
    are drawn to cheap constants near them.
    """
    at = np.arange(-limit * steps, limit * steps + 1) / steps
    digits = digit_count(choices[:, None], 1)
    costs = digits + distance * np.abs(at[:, None] - choices)
    least = costs.min(1, keepdims=True)
    return least[:, 0] - temperature * np.log(np.exp(-(costs - least) / temperature).sum(1))
