"""Training, pruning and export: the exported network computes what the torch network computes, for every input."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from logicnn.engines import Mapping, costs
from logicnn.network import Activations, BinaryConv2d, BinaryDense, Interval, MaxPool2d
from logicnn.nn.binary import (
    BinaryNet,
    ConvNeurons,
    DenseNeurons,
    DenseScores,
    FanIn,
    Pool,
    Recipe,
    Strength,
    Total,
    accuracy,
    budget_masks,
    class_dependence,
    export,
    fit,
    lut4_of,
    strength,
)
from logicnn.resources import DEVICES
from sim_tests.helpers import digits


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(1)


def shaken(net: BinaryNet, seed: int) -> BinaryNet:
    """Batch norms as if trained, negative gains among them, and a third of the synapses pruned."""
    generator = torch.Generator().manual_seed(seed)
    for layer in net.layers:
        layer.mask.copy_((torch.rand(layer.mask.shape, generator=generator) < 0.67).float())
        if hasattr(layer, "mean"):
            for values, spread in ((layer.mean, 0.5), (layer.bias.data, 0.7), (layer.gain.data, 1.0)):
                values.copy_(torch.randn(values.shape, generator=generator) * spread)
            layer.variance.copy_(torch.rand(layer.variance.shape, generator=generator) + 0.1)
        else:
            layer.bias.data.copy_(torch.randn(layer.bias.shape, generator=generator) * 2)
    return net.eval()


@pytest.mark.parametrize("seed", range(5))
def test_export_dense_exact(seed):
    net = shaken(
        BinaryNet(
            Activations((3,), Interval(0, 7)), [2, 5], [DenseNeurons(6, 8), DenseNeurons(8, 5), DenseScores(5, 3)]
        ),
        seed,
    )
    x = torch.cartesian_prod(*[torch.arange(8)] * 3)
    assert np.array_equal(export(net).evaluate(x.numpy()), net(x).argmax(1).numpy())


@pytest.mark.parametrize(("padding", "stride"), [(0, 1), (1, 1), (1, 2)])
def test_export_conv_exact(padding, stride):
    blocks = [ConvNeurons(1, 3, 3, stride, padding), Pool(2)]
    given = Activations((1, 6, 6), Interval(0, 1))
    side = ((6 + 2 * padding - 3) // stride + 1) // 2
    net = shaken(
        BinaryNet(
            Activations(given.shape, Interval(0, 3)),
            [2],
            [*blocks, DenseNeurons(3 * side * side, 4), DenseScores(4, 3)],
        ),
        3,
    )
    x = torch.randint(0, 4, (400, 1, 6, 6))
    network = export(net)
    assert [type(layer) for layer in network.layers[1:3]] == [BinaryConv2d, MaxPool2d]
    assert np.array_equal(network.evaluate(x.numpy()), net(x).argmax(1).numpy())


def lut4_of_network(network) -> int:
    return Mapping.unrolled(network).cost(DEVICES["iCE40UP5K"]).lut4


def trained_digits(budget: int, measure: Strength = Strength.MAGNITUDE) -> BinaryNet:
    torch.manual_seed(1)
    net = BinaryNet(Activations((1, 8, 8), Interval(0, 16)), [8], [DenseNeurons(64, 60), DenseScores(60, 10)])
    fit(
        net,
        digits().train,
        Recipe(12, 0.02, seed=1, batch=100, budget=budget, rules=[FanIn(6), Total(0.4)], measure=measure),
        "test",
    )
    return net


@pytest.mark.parametrize("measure", list(Strength))
def test_training_meets_the_budget(measure):
    net = trained_digits(500, measure)
    network = export(net, "digits", "digits")
    assert lut4_of_network(network) <= 500
    test = digits().test
    right = np.mean(network.evaluate(test.x) == test.y)
    assert right == accuracy(net, test)
    assert right > 0.6  # chance is 0.1


def test_training_repeats():
    assert export(trained_digits(400)).digest() == export(trained_digits(400)).digest()


def test_estimate_agrees_with_export():
    """Pruning counts as the mapping counts: the same formulas, on masks and on networks."""
    net = shaken(
        BinaryNet(
            Activations((12,), Interval(0, 1)), [1], [DenseNeurons(12, 9), DenseNeurons(9, 7), DenseScores(7, 4)]
        ),
        2,
    )
    masks = [layer.mask for layer in net.layers]
    for layer in net.layers[:-1]:  # all thresholds in the middle: nothing is constant
        layer.mean.zero_(), layer.bias.data.zero_(), layer.gain.data.fill_(1)
    net.layers[-1].bias.data.zero_()
    exported = lut4_of_network(export(net))
    width = int(masks[-1].sum(1).max()).bit_length()
    widths = export(net).activations[-2].interval.width
    assert lut4_of(net, masks) - costs.argmax_lut4(4, width) == exported - costs.argmax_lut4(4, widths)


def test_budget_too_small():
    net = BinaryNet(Activations((12,), Interval(0, 1)), [1], [DenseNeurons(12, 9), DenseScores(9, 4)])
    with pytest.raises(ValueError, match=r"^budget must be at least \d+ LUT4 for these rules, not 3$"):
        budget_masks(net, [layer.latent.abs() for layer in net.layers], [FanIn(4), Total(1.0)], 3)


def test_fan_in_keeps_the_strongest():
    mask = FanIn(2).mask(torch.tensor([[3.0, 1.0, 2.0, 0.5], [0.1, 0.2, 0.3, 0.4]]), 0.0)
    assert mask.tolist() == [[1, 0, 1, 0], [0, 0, 1, 1]]


def test_total_keeps_the_strongest():
    assert Total(1.0).mask(torch.tensor([[3.0, 1.0], [2.0, 0.5]]), 0.5).tolist() == [[1, 0], [1, 0]]


def test_strengths():
    latent, gradient = torch.tensor([[-2.0, 1.0]]), torch.tensor([[0.5, -3.0]])
    assert strength(Strength.MAGNITUDE, latent).tolist() == [[2, 1]]
    assert strength(Strength.FIRST_ORDER, latent, gradient=gradient).tolist() == [[1, 3]]
    assert strength(Strength.DEPENDENCE, latent, dependence=torch.tensor([0.0, 2.0])).tolist() == [[0, 2]]
    with pytest.raises(ValueError, match=r"^gradient must be given"):
        strength(Strength.FIRST_ORDER, latent)
    with pytest.raises(ValueError, match=r"^dependence must be given"):
        strength(Strength.DEPENDENCE, latent)


def test_class_dependence():
    """A copy of the class is worth one bit of two equal classes, a constant or an independent bit nothing."""
    labels = np.array([0, 0, 1, 1])
    bits = np.array([[0, 1, 0], [0, 1, 1], [1, 1, 0], [1, 1, 1]], bool)
    assert class_dependence(bits, labels) == pytest.approx([1, 0, 0], abs=1e-9)


def test_pruned_weights_get_gradients():
    layer = DenseScores(4, 2)
    layer.mask[0, 0] = 0
    layer(torch.ones(1, 4))[0, 0].backward()
    assert layer.latent.grad[0, 0] != 0


def test_digits_recipe(tmp_path):
    """The recipe that needs no download: under a minute, and the shipped file again."""
    import subprocess
    import sys
    import time

    from logicnn import load

    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "train.digits_bnn", "--output", str(tmp_path / "digits-bnn.lnn")],
        check=True,
        capture_output=True,
    )
    assert time.perf_counter() - start < 60
    network = load(tmp_path / "digits-bnn.lnn")
    test = digits().test
    assert np.mean(network.evaluate(test.x) == test.y) > 0.9
    assert all(isinstance(layer, BinaryDense) for layer in network.layers[2:-1])
