"""Kernels that are drawn to each other, and the statistics of batch norm over samples."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from logicnn.data.dataset import Split
from logicnn.engines.differences import Differences
from logicnn.network import Activations, Interval
from logicnn.nn.binary import BinaryNet, ConvNeurons, DenseNeurons, DenseScores, Pool, Recipe, accuracy, export, fit
from logicnn.nn.binary.alike import Variety, changed, fit_alike, settle

GIVEN = Activations((1, 8, 8), Interval(0, 15))


def samples(count: int, seed: int) -> Split:
    """The quarter of a noisy picture that is brightest."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 10, (count, 1, 8, 8)), rng.integers(0, 4, count)
    for each, quarter in zip(x, y, strict=True):
        each[0, quarter // 2 * 4 : quarter // 2 * 4 + 4, quarter % 2 * 4 : quarter % 2 * 4 + 4] += 5
    return Split(x.astype(np.uint8), y)


def small_net() -> BinaryNet:
    torch.manual_seed(1)
    blocks = [ConvNeurons(1, 12, 3, padding=1), Pool(2), ConvNeurons(12, 16, 3, padding=1), Pool(2), DenseScores(64, 4)]
    return BinaryNet(GIVEN, [8], blocks)


def test_kernels_become_alike_at_the_accuracy_that_was():
    torch.set_num_threads(1)
    net, train, test = small_net(), samples(2000, 1), samples(400, 2)
    fit(net, train, Recipe(4, 0.01, 1, batch=100), "small")
    settle(net, train)
    before, right = changed(net), accuracy(net, test)
    fit_alike(net, train, Recipe(6, 0.01, 1, batch=100), 0.3, "alike")
    settle(net, train)
    assert (
        all(after < each for after, each in zip(changed(net), before, strict=True))
        and changed(net)[1] < 0.7 * before[1]
    )
    assert right > 0.9 and accuracy(net, test) > right - 0.03
    network = export(net, "small")
    engine = Differences(network, 1, len(network.layers) - 1, 32, 4)
    looks = [sum(op.mode != 0 for op in each.ops) / each.layer.weights.size for each in engine.passes[:2]]
    assert looks == pytest.approx(changed(net), rel=0.15)  # the engine's order counts constants, too


def test_variety():
    """Pixels that only move: mirrored ones, or all of a batch by the same way, with -1 from outside."""
    torch.manual_seed(3)
    x = torch.where(torch.rand(64, 2, 5, 6) < 0.5, -1.0, 1.0)
    assert torch.equal(Variety().varied(x), x)
    turned = Variety(mirrored=True).varied(x)
    same, mirrored = (turned == x).flatten(1).all(1), (turned == x.flip(-1)).flatten(1).all(1)
    assert (same | mirrored).all() and 16 < int(mirrored.sum()) < 48
    ways = set()
    for _ in range(60):
        moved = Variety(moved=1).varied(x)
        found = []
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                rows, columns = (slice(max(0, -way), size - max(0, way)) for way, size in ((down, 5), (right, 6)))
                shifted = torch.full_like(x, -1.0)
                shifted[..., rows, columns] = x[..., slice(max(0, down), 5 + min(0, down)), :][
                    ..., slice(max(0, right), 6 + min(0, right))
                ]
                found += [(down, right)] if torch.equal(moved, shifted) else []
        (way,) = found
        ways.add(way)
    assert len(ways) == 9


def test_statistics_are_those_of_the_samples():
    torch.manual_seed(1)
    net = BinaryNet(GIVEN, [8], [ConvNeurons(1, 5, 3), DenseNeurons(180, 7), DenseScores(7, 4)])
    train = samples(500, 1)
    settle(net, train)
    conv, dense, _ = net.blocks
    x = net.encode(torch.tensor(train.x))
    with torch.no_grad():
        sums = torch.nn.functional.conv2d(x, conv.weights()) / 3
        torch.testing.assert_close(conv.mean, sums.mean((0, 2, 3)))
        torch.testing.assert_close(conv.variance, sums.var((0, 2, 3)))
        sums = conv(x).flatten(1) @ dense.weights().t() / 180**0.5
        torch.testing.assert_close(dense.mean, sums.mean(0))
    assert conv.MOMENTUM == ConvNeurons.MOMENTUM < 1 and not net.training
