"""Plots: ticks around what is shown, places in proportion, units that people read."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from logicnn.flow.plot import CELLS, TIME, Point, duration, energy, log_ticks, plot


@given(st.floats(1e-6, 1e9), st.floats(1, 1e6))
def test_log_ticks(low, times):
    """Rising, around the range, of 1, 2 and 5 times powers of ten; few."""
    found = log_ticks(low, low * times)
    assert 2 <= len(found) <= 9 and all(a < b for a, b in pairwise(found))
    assert found[0] <= low * (1 + 1e-6) and low * times <= found[-1] * (1 + 1e-6)
    assert all(f"{each:.6e}"[:8] in ("1.000000", "2.000000", "5.000000") for each in found)


def test_plot():
    """Costs along, by factors where the axis is so; accuracy upward."""
    found = plot([Point(100, 0.9, "1"), Point(1000, 0.95), Point(10_000, 1.0, "3")], TIME)
    (a, low, _), (b, middle, none), (c, high, _) = found.points
    assert round(b - a, 1) == round(c - b, 1) > 0 and none == "" and low - middle == middle - high > 0
    assert [text for _, text in found.across] == ["100 ns", "200 ns", "500 ns", "1 us", "2 us", "5 us", "10 us"]
    cells = plot([Point(1000, 0.9, "1"), Point(4000, 0.9, "2")], CELLS)
    (first, *_), (second, *_) = cells.points
    assert cells.across[0] == (60, "0") and round((second - 60) / (first - 60), 1) == 4.0


def test_texts():
    assert [duration(each) for each in (0.5, 66.1, 1083.3, 2.5e6)] == ["0.5 ns", "66.1 ns", "1.08 us", "2.5 ms"]
    assert [energy(each) for each in (0.0053, 2e-5, 12.0)] == ["5.3 nJ", "20 pJ", "12 uJ"]
