from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from logicnn.data.dataset import Split
from logicnn.engines.reused import Reused
from logicnn.errors import LogicnnError
from logicnn.network import Activations, Interval
from logicnn.nn import integer
from logicnn.nn.integer.groups import Falling, Plan, Step, accuracy, curvatures, group_pruned, shares
from logicnn.pruning.knapsack import Importance
from logicnn.pruning.structures import rows

GIVEN = Activations((8,), Interval(-128, 127))
PLAN = Plan(("cycle",), steps=3, least=0.4, epochs=4, learning_rate=1e-2, tolerance=0.8)


def samples(count: int, seed: int) -> Split:
    """Of two of eight inputs, whether their sum is above 0."""
    x = np.random.default_rng(seed).integers(-128, 128, (count, 8)).astype(np.int16)
    return Split(x, (x[:, 1] + x[:, 2] > 0).astype(np.int64))


@pytest.fixture(scope="module")
def net() -> integer.QuantNet:
    torch.set_num_threads(1)
    torch.manual_seed(2)
    layers = nn.Sequential(nn.Linear(8, 12, bias=False), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 2))
    train = samples(4096, 1)
    integer.fit(layers, train.x.astype(np.float32) / 128, train.y, integer.class_loss, integer.Recipe(6, 1e-2, 1), "")
    return integer.quantise(layers, GIVEN, 7, integer.Scheme(activation_bits=7), torch.from_numpy(train.x).float())


@pytest.fixture(scope="module")
def structures(net):
    return [rows((each.weight.shape[0], each.weight.shape[1]), 2, 2) for each in net.layers]


def pruned(net, structures, plan=PLAN, **others) -> tuple[integer.QuantNet, list[Step]]:
    return group_pruned(net, structures, plan, samples(4096, 1), samples(500, 2), **others)


def test_falls_to_the_budget(net, structures):
    """As few rows as the last accepted budget; the engine stores and computes no others; weights that are left work."""
    made, steps = pruned(net, structures)
    assert [step.budget["cycle"] for step in steps] == [int(share * 30) for share in shares(PLAN.falling, 3, 0.4)]
    assert all(step.used["cycle"] <= step.budget["cycle"] for step in steps)
    last = [step for step in steps if step.accepted][-1]
    assert accuracy(made, samples(500, 2)) == last.accuracy >= 0.8 * accuracy(net, samples(500, 2))
    network = integer.export(made, "small")
    engine = Reused(network, 0, len(network.layers), 2, 2)
    assert int(engine.program.weights.any((1, 2)).sum()) == last.used["cycle"] <= 12
    np.testing.assert_array_equal(
        network.evaluate(samples(100, 3).x.astype(np.int64)), integer.decide(made, samples(100, 3).x)
    )


def test_best_stands_where_it_errs_too_much(net, structures):
    """No accuracy is above 1: nothing is accepted, after one more try it ends, and the network is as it was."""
    made, steps = pruned(net, structures, replace(PLAN, tolerance=2.0))
    assert [step.accepted for step in steps] == [False, False]
    for before, after in zip(net.layers, made.layers, strict=True):
        assert torch.equal(before.weight, after.weight) and bool((after.mask == 1).all())


def test_goes_on(net, structures, tmp_path):
    """A run that ends after its first step goes on to what it would have come to."""
    kept = tmp_path / "steps"

    class Killed(Exception):
        pass

    def twice(step: Step, seen: list[Step] = []) -> None:  # noqa: B006
        seen.append(step)
        if len(seen) == 2:
            raise Killed

    whole, steps = pruned(net, structures)
    with pytest.raises(Killed):
        pruned(net, structures, kept=kept, say=twice)
    later: list[Step] = []
    again, resumed = pruned(net, structures, kept=kept, say=later.append)
    assert resumed == steps and later == steps[1:]
    for one, other in zip(whole.layers, again.layers, strict=True):
        assert torch.equal(one.integers(), other.integers())
    with pytest.raises(LogicnnError, match="of another network, plan or data set; remove it"):
        pruned(net, structures, replace(PLAN, seed=2), kept=kept)
    kept.write_bytes(b"nothing")
    with pytest.raises(LogicnnError, match="is no checkpoint of pruning"):
        pruned(net, structures, kept=kept)


def test_layer_by_layer(net, structures):
    """Each layer keeps its share, whatever the others are worth."""
    _, steps = pruned(net, structures, replace(PLAN, together=False, steps=1, tolerance=0.0))
    shapes = [each.count for each in structures]
    assert steps[0].used["cycle"] == sum(int(0.4 * count) for count in shapes)


def test_curvatures_are_mean_squares_of_slopes(net):
    """Sample by sample with autograd."""
    part = samples(700, 3)
    found = curvatures(net, part)
    wanted = [np.zeros(each.weight.shape) for each in net.layers]
    for x, y in zip(torch.from_numpy(part.x).float(), torch.from_numpy(part.y), strict=True):
        net.zero_grad()
        integer.class_loss(net(x[None]), y[None]).backward()
        for total, layer in zip(wanted, net.layers, strict=True):
            total += layer.weight.grad.numpy() ** 2 / 700
    net.zero_grad()
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-9)


def test_measure_of_slopes(net, structures):
    _, steps = pruned(net, structures, replace(PLAN, measure=Importance.GRADIENT, steps=1, tolerance=0.0))
    assert steps[0].used["cycle"] <= steps[0].budget["cycle"]


@pytest.mark.parametrize(
    ("falling", "expected"),
    (
        (Falling.CONSTANT, [0.85, 0.7, 0.55, 0.4]),
        (Falling.BINARY, [0.7, 0.55, 0.475, 0.4]),
        (Falling.POLYNOMIAL, [0.653125, 0.475, 0.409375, 0.4]),
    ),
)
def test_shares(falling, expected):
    assert shares(falling, 4, 0.4) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("wrong", "message"),
    (
        ({"regrowing": 4}, "regrowing must be 0 ... 3 of the epochs, not 4"),
        ({"resources": ()}, "resources must name at least one"),
        ({"resources": ("dsp",)}, "resources must be of cycle, word, not 'dsp'"),
        ({"steps": 0}, "steps must be at least 1 and least between 0 and 1, not 0 and 0.4"),
    ),
)
def test_wrong(net, structures, wrong, message):
    with pytest.raises(LogicnnError, match=message.replace(".", r"\.")):
        pruned(net, structures, replace(PLAN, **wrong))
    with pytest.raises(LogicnnError, match="structures must be one for each of 2 layers, not 1"):
        pruned(net, structures[:1])
