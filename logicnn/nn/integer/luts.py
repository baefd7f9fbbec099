"""What single weights cost where layers are logic and every weight has its own: the LUT items of Ramhorst, Loncar,
Constantinides 2023 (arXiv 2308.05170, section 3), by what the arithmetic here makes of constants.

Zeros leave such hardware one by one, and which weight goes matters: 64 is one term of a sum, 77 four.
"""

import numpy as np

from logicnn.arithmetic.adders import digit_count
from logicnn.errors import LogicnnError
from logicnn.pruning.structures import Structure

__all__ = ["lut_items"]


def lut_items(weights: np.ndarray, input_bits: int = 8) -> Structure:
    """Every weight of integers by itself: a group costs ``lut``, for each of its signed digits an addition of as many
    bits as an input has and one more, about a logic cell each. What neurons share costs less.

    Costs are those of the weights as they are: retrained ones have others, so that a budget is kept by choosing again.
    Raises `LogicnnError` for weights that are no integers, and inputs without bits.
    """
    if weights.dtype.kind not in "iu":
        raise LogicnnError(f"weights must be integers, not {weights.dtype}")
    if input_bits < 1:
        raise LogicnnError(f"input_bits must be at least 1, not {input_bits}")
    digits = digit_count(weights.reshape(-1, 1), 1)
    return Structure(
        np.arange(weights.size).reshape(weights.shape), {"lut": digits.astype(np.int64) * (input_bits + 1)}
    )
