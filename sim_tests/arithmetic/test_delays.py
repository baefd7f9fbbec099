"""Graphs for a delay: a front without dominated points, and bounds that are kept or refused."""

from itertools import pairwise

import numpy as np
import pytest

from logicnn.arithmetic.adders import AdderGraphError
from logicnn.arithmetic.delays import estimated_ns, front, within
from logicnn.arithmetic.sharing import least_depth, optimise
from logicnn.network import Interval
from logicnn.resources import DEVICES

HX8K = DEVICES["iCE40HX8K"]
BYTES = [Interval(-128, 127)] * 6
MATRIX = np.random.default_rng(4).integers(-128, 128, (6, 6))


@pytest.mark.parametrize("device", [HX8K, DEVICES["LFE5U-25F"]])
def test_front(device):
    points = front(MATRIX, BYTES, device, tries=6)
    assert len(points) > 1
    for fast, slow in pairwise(points):
        assert fast.delay_ns < slow.delay_ns and fast.graph.bits > slow.graph.bits
    for point in points:
        assert np.array_equal(point.graph.matrix, MATRIX)
        assert point.delay_ns == estimated_ns(point.graph, device) > 0
    assert least_depth(MATRIX) <= points[0].graph.depth <= points[-1].graph.depth


def test_within():
    points = front(MATRIX, BYTES, HX8K, tries=6)
    for point, delay_ns in ((points[0], points[0].delay_ns), (points[-1], 1e6)):
        assert within(MATRIX, BYTES, HX8K, delay_ns, tries=6) == point.graph
    least = f"{points[0].delay_ns:.2f}"
    with pytest.raises(AdderGraphError, match=rf"^delay_ns must be at least {least} on iCE40HX8K, not 0.5$"):
        within(MATRIX, BYTES, HX8K, 0.5, tries=6)


def test_wires():
    """Powers of two are no additions: nothing to trade."""
    matrix = np.array([[1, 0], [0, 8]])
    (point,) = front(matrix, BYTES[:2], HX8K, tries=3)
    assert point.graph == optimise(matrix, BYTES[:2], tries=3) and point.graph.adders == ()
