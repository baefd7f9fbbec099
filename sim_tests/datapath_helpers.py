"""Datapaths of random layers, and samples for them."""

from itertools import pairwise

import numpy as np

from logicnn.arithmetic.sharing import optimise
from logicnn.arithmetic.slices import Datapath, Rectifier
from logicnn.network import Interval


def random_datapath(*shape: int, seed: int = 1, density: float = 0.6, low: int = -8, high: int = 7) -> Datapath:
    rng = np.random.default_rng(seed)
    layers = []
    given = [Interval(low, high)] * shape[0]
    for index, (inputs, outputs) in enumerate(pairwise(shape)):
        weights = rng.integers(-20, 20, (outputs, inputs)) * (rng.random((outputs, inputs)) < density)
        graph = optimise(weights, given, tries=3)
        rectifier = Rectifier(3, 4) if index < len(shape) - 2 else None
        layers.append((graph, (rectifier,) * outputs if rectifier else None))
        given = [Interval(0, 15)] * outputs
    return Datapath(tuple(layers))


def samples(datapath: Datapath, count: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.stack([rng.integers(each.low, each.high + 1, count) for each in datapath.inputs], axis=1)
