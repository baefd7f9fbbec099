"""LUT items: what a weight costs as logic, beside what the arithmetic makes of it."""

import numpy as np
import pytest

pytest.importorskip("torch")

from logicnn.arithmetic.sharing import without_sharing
from logicnn.errors import LogicnnError
from logicnn.network import Interval
from logicnn.nn.integer.luts import lut_items
from logicnn.pruning.structures import masks_within

BYTE = Interval(-128, 127)


def test_costs_by_hand():
    """77 = 64 + 16 - 4 + 1."""
    assert lut_items(np.array([[0, 1, 64], [-2, 3, 77]])).cost["lut"].tolist() == [0, 9, 9, 9, 18, 36]
    assert lut_items(np.array([[[[3]]]]), 4).cost["lut"].tolist() == [10]


@pytest.mark.parametrize("shape", ((12, 24), (8, 60), (20, 10)))
def test_budget_of_half_the_additions_keeps_more_than_half_of_the_magnitude(shape):
    weights = np.random.default_rng(3).integers(-127, 128, shape)
    structure = lut_items(weights)
    (mask,) = masks_within({"lut": int(structure.cost["lut"].sum()) // 2}, [structure], [weights.astype(float)])
    kept = weights * mask
    assert np.abs(kept).sum() > 0.6 * np.abs(weights).sum()
    for each in (weights, kept):
        assert without_sharing(each, [BYTE] * shape[1]).bits == pytest.approx(structure.used(each)["lut"], rel=0.25)


@pytest.mark.parametrize(
    ("arguments", "message"),
    (
        ((np.array([[0.5]]),), "weights must be integers, not float64"),
        ((np.array([[1]]), 0), "input_bits must be at least 1, not 0"),
    ),
)
def test_arguments(arguments, message):
    with pytest.raises(LogicnnError, match=f"^{message}$"):
        lut_items(*arguments)
