"""Quantised training: what torch computes and what the exported integers compute are the same numbers."""

from collections import OrderedDict
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from logicnn.arithmetic.weight_costs import multiplier_bits, selected, smooth_cost
from logicnn.errors import LogicnnError
from logicnn.network import (
    Activations,
    Flatten,
    IntConv2d,
    IntDense,
    Interval,
    MaxPool2d,
    Network,
    Requantize,
    Slicer,
)
from logicnn.network.widths import trimmed
from logicnn.nn import integer
from sim_tests.helpers import digits, int_network
from sim_tests.torch_helpers import float_digits

BYTES = Activations((6,), Interval(-128, 127))


def float_net(*sizes: int) -> nn.Sequential:
    torch.manual_seed(1)
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes[:-1]):
        norm = nn.BatchNorm1d(b)
        norm.running_mean, norm.running_var = torch.randn(b), torch.rand(b) + 0.5
        layers += [nn.Linear(a, b), norm, nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1])).eval()


def samples(count: int = 500, features: int = 6) -> np.ndarray:
    return np.random.default_rng(2).integers(-128, 128, (count, features)).astype(np.int8)


def scores(network: Network, x: np.ndarray) -> np.ndarray:
    return Network(network.input, network.layers[:-1]).evaluate(x)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("weight_bits", "activation_bits"), [(8, 8), (4, 6), (2, 2)])
def test_torch_equals_integers(weight_bits, activation_bits, per_channel):
    x = samples()
    net = integer.quantise(
        float_net(6, 9, 7, 3), BYTES, 5, integer.Scheme(weight_bits, activation_bits, per_channel), torch.from_numpy(x)
    )
    network = integer.export(net)
    last = net.layers[-1]
    with torch.no_grad():
        real = net(torch.from_numpy(x).float()).numpy()
    assert np.array_equal(real * 2.0 ** (last.in_exponent + float(last.weight_exponent[0])), scores(network, x))
    assert np.array_equal(integer.decide(net, x), network.evaluate(x))
    assert (
        max(int(np.abs(layer.weights).max()) for layer in network.layers if isinstance(layer, IntDense))
        <= (1 << weight_bits - 1) - 1
    )


def test_folding_is_exact_up_to_rounding():
    net, x = float_net(6, 9, 3), samples()
    words = integer.quantise(net, BYTES, 5, integer.Scheme(), torch.from_numpy(x))
    with torch.no_grad():
        expected, actual = net(torch.from_numpy(x).float() / 32), words(torch.from_numpy(x).float())
    assert float((expected - actual).abs().max()) < 0.05 * float(expected.abs().max())


def test_convolution():
    torch.manual_seed(3)
    norm = nn.BatchNorm2d(4)
    strided = [nn.Conv2d(1, 4, 3, 2, 1), norm, nn.ReLU(), nn.Flatten(), nn.Linear(64, 10)]
    pooled = [nn.Conv2d(1, 4, 3), norm, nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(), nn.Flatten(), nn.Linear(36, 10)]
    x = digits().test.x[:100]
    for layers in (strided, pooled):
        words = integer.quantise(
            nn.Sequential(*layers).eval(),
            Activations((1, 8, 8), Interval(0, 16)),
            3,
            integer.Scheme(),
            torch.from_numpy(x),
        )
        network = integer.export(words)
        assert np.array_equal(integer.decide(words, x), network.evaluate(x))
        assert integer.export(integer.restored(network, 3)) == network


def test_training_prunes_chooses_and_stays_exact():
    """Digits to better than nine in ten, with a third of the weights and forty constants."""
    net, x, y = float_digits(24)
    words = integer.quantise(net, Activations((64,), Interval(0, 16)), 3, integer.Scheme(), torch.from_numpy(x))
    integer.fit(
        words, x, y, integer.class_loss, integer.Recipe(20, 5e-3, 1, batch=128, density=(0.3, 1.0)), "quantised"
    )
    choices = selected(40)
    expensive = [np.abs(layer.weights) for layer in integer.export(words).layers if isinstance(layer, IntDense)]
    integer.choose(words, choices)
    integer.fit(
        words, x, y, integer.class_loss, integer.Recipe(20, 2e-3, 1, batch=128, cost=integer.Cost(0.05)), "chosen"
    )
    network = integer.export(words)
    data = digits()
    test = data.test.x.reshape(-1, 64)
    layers = [layer for layer in network.layers if isinstance(layer, IntDense)]
    assert np.array_equal(integer.decide(words, test), network.evaluate(test))
    assert np.mean(network.evaluate(test) == data.test.y) > 0.9
    assert all(set(np.unique(layer.weights)) <= set(choices.tolist()) for layer in layers)
    assert np.count_nonzero(layers[0].weights) <= 0.31 * layers[0].weights.size
    costs = np.array(multiplier_bits())
    before, after = (
        sum(costs[each + 128].sum() for each in group)
        for group in (expensive, [np.abs(layer.weights) for layer in layers])
    )
    assert after < 0.6 * before


def test_training_repeats():
    x, y = samples(300), np.arange(300) % 3
    results = []
    for _ in range(2):
        words = integer.quantise(float_net(6, 5, 3), BYTES, 5, integer.Scheme(), torch.from_numpy(x))
        integer.fit(words, x, y, integer.class_loss, integer.Recipe(2, 1e-2, 7, batch=64, density=(0.5, 1.0)), "twice")
        results.append(integer.export(words).digest())
    assert results[0] == results[1]


def test_bfloat16_training_stays_exact():
    """Products of bfloat16 train another network than those of float32, but still one that is exported as it is
    evaluated.
    """
    data, results = digits(), []
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 10)).eval()
    for machine in (integer.Machine(half=True), integer.Machine()):
        words = integer.quantise(
            net, Activations((1, 8, 8), Interval(0, 16)), 4, integer.Scheme(), torch.from_numpy(data.train.x)
        )
        integer.fit(
            words,
            data.train.x,
            data.train.y,
            integer.class_loss,
            integer.Recipe(15, 5e-3, 1, batch=64),
            "bfloat16",
            machine,
        )
        network = integer.export(words)
        assert np.array_equal(integer.decide(words, data.test.x, at_once=100), network.evaluate(data.test.x))
        assert np.mean(network.evaluate(data.test.x) == data.test.y) > 0.9
        results.append(network.digest())
    assert results[0] != results[1]


def test_decision_becomes_a_slicer():
    x = samples()
    net = nn.Sequential(*float_net(6, 5, 1), integer.Decision((-2.0, 0.0, 2.0)))
    words = integer.quantise(net, BYTES, 5, integer.Scheme(), torch.from_numpy(x))
    network = integer.export(words, labels=("a", "b", "c", "d"))
    assert isinstance(network.layers[-1], Slicer)
    assert np.array_equal(integer.decide(words, x, (-2.0, 0.0, 2.0)), network.evaluate(x))
    assert float(integer.score_loss((-3, -1, 1, 3))(torch.tensor([[1.0]]), torch.tensor([3]))) == 4.0


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (
            nn.Sequential(OrderedDict(first=nn.Linear(6, 3), bend=nn.Sigmoid())),
            r"^layer 'bend' is a Sigmoid; Linear, Conv2d, BatchNorm",
        ),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2)), r"^layer '2' must be a maximum over tiles"),
        (
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)),
            r"^layer '2' must be a maximum over tiles",
        ),
        (nn.Sequential(nn.Linear(6, 3), nn.Linear(3, 2)), r"^layer 0 must be followed by an activation$"),
        (nn.Sequential(nn.Linear(6, 3), nn.ReLU()), r"^layer 0 must not be followed by an activation$"),
        (nn.Sequential(nn.BatchNorm1d(6)), r"^layer '0', a BatchNorm1d, must follow a Linear or Conv2d$"),
        (nn.Sequential(nn.Flatten()), r"^the network has no Linear or Conv2d layer$"),
        (nn.Sequential(nn.Conv2d(2, 2, 3, groups=2)), r"^layer '0' must be a convolution without groups"),
    ],
)
def test_unsupported(net, message):
    with pytest.raises(LogicnnError, match=message):
        integer.quantise(net, BYTES, 5, integer.Scheme(), torch.from_numpy(samples()))


def test_scheme_out_of_range():
    with pytest.raises(LogicnnError, match=r"^weight_bits must lie in 2 ... 8, not 9$"):
        integer.Scheme(weight_bits=9)


def test_sums_that_float_does_not_hold_are_refused():
    net = integer.quantise(
        float_net(6, 9, 3),
        replace(BYTES, interval=Interval(-(1 << 20), 1 << 20)),
        5,
        integer.Scheme(),
        torch.from_numpy(samples()),
    )
    assert isinstance(net, integer.QuantNet)
    with pytest.raises(LogicnnError, match=r"below 16777216 training is exact$"):
        integer.export(net)


def test_costs_of_constants():
    """Fig. 6 of the paper: 107 is expensive, -16 is cheap; powers of two cost nothing."""
    costs = multiplier_bits()
    assert costs[107 + 128] > 3 * costs[-16 + 128]
    assert all(costs[(1 << shift) + 128] == 0 for shift in range(7))


def test_selected():
    few, more = selected(15), selected(40)
    assert set(few) < set(more) and len(more) == 40 and {0, 1, 2, 4, 8, 16, 32, 64} <= set(few.tolist())
    for count in (1, 256):
        with pytest.raises(LogicnnError, match=rf"^count must lie in 2 ... 255, not {count}$"):
            selected(count)


def test_smooth_cost_draws_to_cheap_constants():
    cost = smooth_cost(np.arange(-127, 128), 0.15, 0.3, 127, 4)
    at = {value: cost[(value + 127) * 4] for value in (0, 63, 64, 85, 107)}
    assert at[0] < at[64] < at[85] < at[107] and at[63] < at[85]


def test_trimming_keeps_what_fits():
    network = int_network(np.random.default_rng(1), 5, 6, 3)
    x = np.random.default_rng(2).integers(-8, 8, (400, 5))
    assert np.array_equal(trimmed(network, x).evaluate(x), network.evaluate(x))
    less = trimmed(network, x, 0.2)
    assert any(
        np.any(a.width < b.width) for a, b in zip(less.layers[:-1], trimmed(network, x).layers[:-1], strict=True)
    )
    assert not np.array_equal(less.evaluate(x), network.evaluate(x))


def test_trimming_behind_a_pool():
    layers = [
        IntConv2d(np.ones((1, 1, 1, 1)), [0], Requantize([1], [0], 0, 15)),
        MaxPool2d(2),
        Flatten(),
        IntDense([[1]], [0]),
    ]
    network = Network(Activations((1, 2, 2), Interval(0, 15)), layers)
    made = trimmed(network, np.array([[[[1, 2], [3, 7]]]]))
    assert [layer.width.tolist() for layer in made.layers if isinstance(layer, IntConv2d | IntDense)] == [[4], [4]]


def test_trimming_by_hand():
    network = Network(Activations((1,), Interval(-100, 100)), [IntDense([[1]], [0])])
    x = np.array([[-1], [3], [3], [-4], [60]])
    assert trimmed(network, x).layers[0].width.tolist() == [7]
    assert trimmed(network, x, 0.2).layers[0].width.tolist() == [3]  # without 60: -4 ... 3


def test_trimming_wrong():
    network = int_network(np.random.default_rng(1), 5, 6, 3)
    for bad, message in ((-0.1, r"^outliers must lie in 0 ... 1 \(excluded\), not -0.1$"), (1.0, r"not 1.0$")):
        with pytest.raises(LogicnnError, match=message):
            trimmed(network, np.zeros((3, 5), int), bad)
    with pytest.raises(LogicnnError, match=r"^x must hold at least one sample, not none$"):
        trimmed(network, np.zeros((0, 5), int))
