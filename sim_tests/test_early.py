"""The early decisions of benchmarks.reuse beside counting one synapse after the other."""

import numpy as np
import pytest

from benchmarks.reuse import early, together
from logicnn.network import BinaryConv2d
from sim_tests.differences_helpers import binary_network


def looks(layer: BinaryConv2d, kernel: int, seen: np.ndarray) -> tuple[int, bool]:
    """Synapses until an answer is certain, and the answer."""
    weights = layer.weights[kernel].ravel()
    synapses, agreeing = np.flatnonzero(weights), 0
    for number, synapse in enumerate(synapses, 1):
        agreeing += seen.ravel()[synapse] == (weights[synapse] > 0)
        if agreeing >= layer.activation.level[kernel]:
            return number, True
        if agreeing + len(synapses) - number < layer.activation.level[kernel]:
            return number, False
    raise AssertionError("the last synapse decides")


@pytest.mark.parametrize(("density", "pooled"), ((1.0, True), (0.6, True), (0.6, False)))
def test_early(density, pooled):
    layer = binary_network((2, 5, 6), [(3, 3, 1, pooled)], [4], density=density, seed=2).layers[0]
    assert isinstance(layer, BinaryConv2d)
    x = np.random.default_rng(3).random((6, 2, 5, 6)) < 0.5
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)])
    side = 2 if pooled else 1
    total = 0
    for sample in padded:
        for kernel in range(3):
            for row in range(0, 5 // side * side, side):
                for column in range(0, 6, side):
                    for place in range(side * side):
                        down, right = row + place // side, column + place % side
                        count, fires = looks(layer, kernel, sample[:, down : down + 3, right : right + 3])
                        total += count
                        if fires:
                            break
    assert early(layer, x, pooled) == pytest.approx(total / 6)


@pytest.mark.parametrize("rows", (2, 4))
@pytest.mark.parametrize("pooled", (True, False))
def test_together(pooled, rows):
    """Of rows side by side the last one to be certain counts; of pooled positions the first 1 does."""
    layer = binary_network((2, 6, 6), [(3, 3, 1, pooled)], [4], density=0.8, seed=2).layers[0]
    assert isinstance(layer, BinaryConv2d)
    x = np.random.default_rng(3).random((5, 2, 6, 6)) < 0.5
    padded = np.pad(x, [(0, 0), (0, 0), (1, 1), (1, 1)])
    total = 0
    for sample in padded:
        for kernel in range(3):
            looked = [
                [looks(layer, kernel, sample[:, row : row + 3, column : column + 3]) for column in range(6)]
                for row in range(6)
            ]
            if pooled:
                for row in range(0, 6, 2):
                    for column in range(0, 6, 2):
                        four = [looked[row + place // 2][column + place % 2] for place in range(4)]
                        least = min((each for each in four if each[1]), default=max(four))
                        for place in range(4):
                            looked[row + place // 2][column + place % 2] = least
            for row in range(0, 6, rows):
                block = [each for line in looked[row : row + rows] for each in line]
                total += max(block)[0] * len(block)
    assert together(layer, x, pooled, rows) == pytest.approx(total / 5)
