"""The shipped integer networks: right on their data, embedded as they are, and their recipe on a small scale."""

from dataclasses import replace

import numpy as np
import pytest

from logicnn import load
from logicnn.data import datasets
from logicnn.data.fibre import bit_errors
from logicnn.network import IntDense

torch = pytest.importorskip("torch")

from logicnn.nn import integer
from train.logic_design import DESIGNS, train

SHAPES = {  # Xu et al. 2023, Table I
    "ofc-a": (21, 40, 25),
    "ofc-b": (21, 50, 25),
    "ofc-c": (21, 50, 50),
    "jsc-a": (16, 64, 16, 16, 8),
    "jsc-b": (16, 64, 32, 32, 32),
    "jsc-c": (16, 64, 48, 48, 32),
    "nid-a": (593, 20),
    "nid-b": (593, 20, 20),
    "nid-c": (593, 25, 25),
}


def test_shapes_are_the_papers():
    assert {name: shape[1:] for name, shape in SHAPES.items()} == {
        name: design.hidden for name, design in DESIGNS.items()
    }


@pytest.mark.parametrize("name", ["jsc-a", "nid-a", "ofc-a"])
def test_shipped_shapes(name):
    network = load(name)
    layers = [layer for layer in network.layers if isinstance(layer, IntDense)]
    assert (network.input.size, *(len(layer.weights) for layer in layers[:-1])) == SHAPES[name]
    assert network.dataset == DESIGNS[name].task.dataset and all(layer.width is not None for layer in layers)


@pytest.mark.parametrize(("name", "error"), [("jsc-a", 0.285), ("nid-a", 0.042)])
def test_shipped_accuracy(name, error, dataset):
    data = dataset(load(name).dataset)
    assert np.mean(load(name).evaluate(data.test.x) != data.test.y) < error


def test_shipped_equaliser():
    """Far fewer bit errors than from the nearest level, on the simulated link, which needs no files."""
    data = datasets.load("ofc-sim")
    x, y = data.test.x[:100_000], data.test.y[:100_000]
    middle = x[:, x.shape[1] // 2].astype(float)
    edges = np.quantile(middle, [0.25, 0.5, 0.75])
    assert bit_errors(load("ofc-a").evaluate(x), y) < 1e-3 < 0.1 * bit_errors(np.searchsorted(edges, middle), y)


def test_recipe_on_a_small_scale():
    """All stages in seconds: the networks that come out are those that were measured."""
    data = datasets.load("ofc-sim")
    small = datasets.Dataset(
        data.name,
        data.classes,
        data.highest,
        datasets.Split(*(part[:20_000] for part in (data.train.x, data.train.y, data.train.real))),
        datasets.Split(*(part[:5_000] for part in (data.test.x, data.test.y, data.test.real))),
        data.lowest,
    )
    design = replace(DESIGNS["ofc-a"], epochs=(3, 2, 2), hidden=(8,))
    plan = integer.Exchange(1, bit_costs=(1e-6,), samples=512, steps=20, tries=1)
    first, again = (train("ofc-a", small, 1, counts=(40,), design=design, plan=plan) for _ in range(2))
    assert (
        first.proposed == again.proposed and first.constants == again.constants and first.quantised == again.quantised
    )
    assert first.proposed_error == bit_errors(first.proposed.evaluate(small.test.x), small.test.y)
    assert first.constants_error == bit_errors(first.constants.evaluate(small.test.x), small.test.y)
    assert first.selected_weights == 40
    kept = sum(np.count_nonzero(layer.weights) for layer in first.proposed.layers if isinstance(layer, IntDense))
    assert (
        first.figures["density_proposed"] == kept / (21 * 8 + 8)
        and first.figures["proposed_error"] == first.proposed_error
    )
    weights = np.concatenate([layer.weights.ravel() for layer in first.constants.layers if isinstance(layer, IntDense)])
    assert (
        len(np.unique(weights))
        <= 40
        < len(np.unique(np.concatenate([a.weights.ravel() for a in first.quantised.layers[:-1]])))
    )
