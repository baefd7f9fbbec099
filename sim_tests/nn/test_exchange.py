"""Terms exchanged in trained networks: restored exactly, curvature known, cheaper within the error that is allowed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from logicnn.arithmetic.sharing import optimise
from logicnn.errors import LogicnnError
from logicnn.network import (
    Activations,
    Argmax,
    BinaryDense,
    Flatten,
    IntDense,
    Interval,
    Network,
    Requantize,
    Slicer,
    Threshold,
)
from logicnn.network.widths import trimmed
from logicnn.nn import integer
from logicnn.nn.integer.exchange import curvatures
from sim_tests.helpers import int_network
from sim_tests.torch_helpers import float_digits

PLAN = integer.Exchange(1, bit_costs=(1e-6, 1e-5), samples=1024, steps=50, tries=2)


def carry_bits(network: Network) -> int:
    return sum(
        optimise(layer.matrix(given), (given.interval,) * given.size, tries=2).bits
        for layer, given in zip(network.layers, network.activations, strict=False)
        if isinstance(layer, IntDense)
    )


@pytest.mark.parametrize("network", [int_network(np.random.default_rng(seed), 5, 7, 6, 3) for seed in range(3)])
def test_restored_network_is_exported_again(network):
    layers = [
        IntDense(
            layer.weights,
            layer.bias,
            Requantize(np.ones(len(layer.bias)), layer.activation.shift, 0, 255) if layer.activation else None,
        )
        for layer in network.layers[:-1]
    ]
    network = Network(network.input, [*layers, Argmax()], "again")
    again = integer.export(integer.restored(network, 3), "again")
    assert again.digest() == network.digest()
    x = np.random.default_rng(1).integers(network.input.interval.low, network.input.interval.high + 1, (50, 5))
    with torch.no_grad():
        scores = integer.restored(network, 3)(torch.from_numpy(x).float()).numpy()
    assert np.array_equal(scores * 8, Network(network.input, layers).evaluate(x))


def test_restored_decision():
    given = Activations((2,), Interval(-8, 7))
    network = Network(given, [IntDense([[3, -2]], [1]), Slicer([-5, 9])])
    assert integer.export(integer.restored(network, 2)).digest() == network.digest()
    assert integer.restored(network, 2).blocks[-1].thresholds == (-1.25, 2.25)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([IntDense([[1, 2]], [0], Requantize([3], [1], 0, 255)), Argmax()], "layer 0 must multiply by 1 and clip at 0"),
        (
            [IntDense([[1, 2]], [0], Requantize([1], [1], -128, 127)), Argmax()],
            "layer 0 must multiply by 1 and clip at 0",
        ),
        ([BinaryDense([[1, -1]], Threshold([1])), Argmax()], "layer 0 is a BinaryDense"),
    ],
)
def test_what_cannot_be_restored(layers, message):
    with pytest.raises(LogicnnError, match=message):
        integer.restored(Network(Activations((2,), Interval(0, 1)), layers), 0)


def test_curvatures():
    """Of cross entropy ``diag(p) - p p'``; of a square 2; of a binary score ``p (1 - p)``."""
    scores, labels = torch.randn(6, 4, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 1, 2, 3, 0, 1])
    factors = curvatures(scores, labels, integer.class_loss)
    p = torch.softmax(scores, 1)
    assert torch.allclose(factors @ factors.mT, torch.diag_embed(p) - p[:, :, None] * p[:, None, :], atol=1e-6)
    square = curvatures(scores[:, :1], labels, integer.score_loss((-1.0, 0.0, 1.0, 2.0)))
    assert torch.allclose(square @ square.mT, torch.full((6, 1, 1), 2.0))
    single = curvatures(scores[:, :1], labels % 2, integer.class_loss)
    one = torch.sigmoid(scores[:, :1])
    assert torch.allclose(single @ single.mT, (one * (1 - one))[:, :, None], atol=1e-6)


@pytest.fixture(scope="module")
def classifier() -> tuple[Network, np.ndarray, np.ndarray, integer.Exchange]:
    """Digits to better than nine in ten, its training samples, and a plan with the unit of its scores."""
    net, x, y = float_digits(16)
    words = integer.quantise(net, Activations((64,), Interval(0, 16)), 3, integer.Scheme(), torch.from_numpy(x))
    last = words.layers[-1]
    return (
        integer.export(words, "digits"),
        x,
        y,
        replace(PLAN, score_exponent=last.in_exponent + int(last.weight_exponent[0])),
    )


def test_cheaper_sums_within_the_limit(classifier):
    network, x, y, plan = classifier

    def error(each: Network) -> float:
        return float(np.mean(each.evaluate(x) != y))

    limit = error(network) + 0.01
    made = integer.exchanged(network, x, y, integer.class_loss, error, limit, plan)
    assert limit < 0.1 and error(made) <= limit
    assert carry_bits(made) < 0.9 * carry_bits(network)
    assert integer.exchanged(network, x, y, integer.class_loss, error, limit, plan) == made


def test_network_stays_where_nothing_is_allowed(classifier):
    network, x, y, plan = classifier
    assert integer.exchanged(network, x, y, integer.class_loss, lambda _: 1.0, 0.5, plan) is network


def test_widths_are_trimmed_afterwards(classifier):
    network, x, y, plan = classifier
    with pytest.raises(LogicnnError, match=r"^layer 0 must not be trimmed yet, but has widths \d+ ... \d+$"):
        integer.exchanged(trimmed(network, x), x, y, integer.class_loss, lambda _: 0.0, 0.5, plan)
    with pytest.raises(LogicnnError, match=r"^layer 0 must be an IntDense, not Flatten$"):
        integer.exchanged(
            Network(network.input, [Flatten(), *network.layers]), x, y, integer.class_loss, lambda _: 0.0, 0.5, plan
        )
    with pytest.raises(LogicnnError, match=r"^network must end in an Argmax or a Slicer, not IntDense$"):
        integer.exchanged(
            Network(network.input, network.layers[:-1]), x, y, integer.class_loss, lambda _: 0.0, 0.5, plan
        )


def test_unit_of_scores_without_errors(classifier):
    """A network that decides every sample right has less loss with every larger unit."""
    network, x, y, plan = classifier
    right = network.evaluate(x) == y
    with pytest.raises(LogicnnError, match=r"^score_exponent must be given: on these samples no unit"):
        integer.exchanged(
            network, x[right], y[right], integer.class_loss, lambda _: 0.0, 0.5, replace(plan, score_exponent=None)
        )
