"""Masks of a network that trains: they follow its weights while they learn, and nothing pruned comes back
afterwards.
"""

import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn

from logicnn.data.dataset import Dataset, Split
from logicnn.errors import LogicnnError
from logicnn.network import IntConv2d, IntDense
from logicnn.nn import integer
from logicnn.nn.integer.patterns import (
    assign_patterns,
    by_patterns,
    by_strength,
    densities,
    falling,
    mask_weights,
    masks_of,
    proposed_keep,
    sensitivity,
    settle,
    strongest,
    weighted,
)
from logicnn.pruning.patterns import Rule, by_summed_quality
from sim_tests.helpers import digits
from train import cnn_small_ikr, lenet5_ikr
from train.lenet5_ikr import Plan, exported, floats, moved, pruned

RULES = (Rule(9, 2, 4, 3), Rule(12, 5, 4, 2))


def net() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))


def samples() -> tuple[np.ndarray, np.ndarray]:
    data = digits()
    return data.train.x[:600] / np.float32(16), data.train.y[:600]


def kept(weights: torch.Tensor, size: int) -> list[int]:
    """How many weights are left of every kernel, each count once."""
    flat = weights.detach().numpy().reshape(len(weights), -1, size)
    return sorted(set(np.count_nonzero(flat, axis=2).ravel().tolist()))


def test_patterns_mask_every_kernel():
    model = net()
    mask_weights(model)
    patterns = assign_patterns(model, RULES)
    assert [kept(layer.weight, rule.size) for layer, rule in zip(weighted(model), RULES, strict=True)] == [[3], [2]]
    for each, layer in zip(patterns, weighted(model), strict=True):
        assert sum(len(part.weights) for part in each.compressed(layer.weight.detach().numpy())) == each.index.size


def test_pruned_weights_stay_as_they_were():
    model, (x, y) = net(), samples()
    mask_weights(model)
    assign_patterns(model, RULES)
    before = [layer.parametrizations["weight"].original.detach().clone() for layer in weighted(model)]
    integer.fit(model, x, y, integer.class_loss, integer.Recipe(1, 1e-2, 1, batch=100), "step")
    masks, expected = masks_of(model), [layer.weight.detach().clone() for layer in weighted(model)]
    for old, layer, mask in zip(before, weighted(model), masks, strict=True):
        changed = (layer.parametrizations["weight"].original != old).numpy()
        assert changed[mask].any() and not changed[~mask].any()
    settle(model)
    for layer, mask, wanted in zip(weighted(model), masks, expected, strict=True):
        assert torch.equal(layer.weight, wanted) and not layer.weight.detach().numpy()[~mask].any()
    with pytest.raises(LogicnnError, match=r"^the network has no masks; mask_weights puts them there$"):
        masks_of(model)


def test_falling():
    """From all but one weight a kernel, with as many patterns as there are, down to the rules."""
    keeps = [[rule.keep for rule in falling(RULES, progress)] for progress in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert keeps[0] == [8, 11] and keeps[-1] == [3, 2] and keeps == sorted(keeps, reverse=True)
    assert falling(RULES, 1.0) == list(RULES)
    assert falling([Rule(4, 1, 16, 2)], 0.0) == [Rule(4, 1, 4, 3)]


def test_strongest():
    model = net()
    mask_weights(model)
    strongest(model, (0.25, 0.1))
    for layer, mask, share in zip(weighted(model), masks_of(model), (0.25, 0.1), strict=True):
        strength = layer.parametrizations["weight"].original.detach().abs().numpy()
        assert np.count_nonzero(mask) == round(share * mask.size) and strength[mask].min() >= strength[~mask].max()


def test_sensitivity_prunes_one_layer_at_a_time():
    model, (x, y) = net(), samples()
    integer.fit(model, x, y, integer.class_loss, integer.Recipe(15, 1e-2, 1, batch=100), "trained")
    whole = copy.deepcopy(model)

    def error(each: nn.Module) -> float:
        with torch.no_grad():
            return float((each(torch.from_numpy(x)).argmax(1).numpy() != y).mean())

    curves = sensitivity(model, RULES, [(1, 3, 9), (2, 12)], error, by_summed_quality)
    assert [list(curve) for curve in curves] == [[1, 3, 9], [2, 12]]
    assert curves[0][9] == curves[1][12] == error(whole) < curves[0][1]  # a kernel that keeps all is not pruned
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), whole.parameters(), strict=True))


def test_bad_arguments():
    model = net()
    mask_weights(model)
    with pytest.raises(LogicnnError, match=r"^the network must have no masks: settle it first$"):
        sensitivity(model, RULES, [(1,), (1,)], lambda _: 0.0)
    with pytest.raises(LogicnnError, match=r"^densities must be for 2 layers with weights, not 1$"):
        strongest(model, (0.5,))
    with pytest.raises(LogicnnError, match=r"^densities must lie in 0 \(excluded\) ... 1, not 1.5$"):
        strongest(model, (0.5, 1.5))
    with pytest.raises(LogicnnError, match=r"^keeps must be for 2 layers with weights, not 1$"):
        sensitivity(net(), RULES, [(1,)], lambda _: 0.0)


def test_proposed_keep():
    curve = {1: 0.5, 2: 0.03, 4: 0.02, 8: 0.01}
    assert [proposed_keep(curve, 0.01, rise) for rise in (0.0, 0.01, 0.02, 1.0)] == [8, 4, 2, 1]
    assert proposed_keep(curve, 0.0, 0.001) == 8


def test_rules_for_other_layers():
    model = net()
    mask_weights(model)
    with pytest.raises(LogicnnError, match=r"^rules must be for 2 layers with weights, not 1$"):
        assign_patterns(model, RULES[:1])


def test_moved_images_stay_images():
    torch.manual_seed(1)
    images = torch.rand(8, 1, 28, 28)
    other = moved(images)
    assert (
        other.shape == images.shape
        and float(other.min()) >= 0
        and float(other.max()) <= 1
        and not torch.equal(other, images)
    )


def test_densities_by_hand():
    """Table II: 120 + 3,000 + 32,000 + 400 weights of 430,500, and 293,520 products of 2,293,000."""
    masks = [np.zeros(shape, bool) for shape in ((20, 1, 5, 5), (50, 20, 5, 5), (500, 800), (10, 500))]
    for mask, count in zip(masks, (120, 3000, 32_000, 400), strict=True):
        mask.reshape(-1)[:count] = True
    assert densities(masks, lenet5_ikr.POSITIONS) == (35_520, 35_520 / 430_500, 293_520 / 2_293_000)


def test_recipe_on_a_small_scale():
    """All stages on upscaled digits, in seconds: the network is pruned as Table II says, and is the one that was
    measured.
    """
    images = digits()
    x = np.kron(images.train.x, np.ones((1, 1, 3, 3), np.uint8))
    x = np.pad(np.minimum(x.astype(np.int64) * 16, 255).astype(np.uint8), ((0, 0), (0, 0), (2, 2), (2, 2)))
    data = Dataset(
        "digits",
        images.classes,
        255,
        Split(np.tile(x, (4, 1, 1, 1))[:5400], np.tile(images.train.y, 4)[:5400]),
        Split(x, images.train.y),
    )
    plan = Plan(1, 2, 1)
    whole = floats(data, 1, plan)
    fine = pruned(whole, data, 1, plan, by_strength(lenet5_ikr.RULES), "fine-grained")
    made = pruned(whole, data, 1, plan, by_patterns(lenet5_ikr.RULES, plan.choose), "patterns")
    assert made.weights == fine.weights == 35_520
    network, error = exported(made, data, 1, plan)
    assert error == np.mean(network.evaluate(data.test.x) != data.test.y)
    layers = [layer for layer in network.layers if isinstance(layer, IntDense | IntConv2d)]
    assert 0 < sum(np.count_nonzero(layer.weights) for layer in layers) <= 35_520
    for patterns, layer in zip(made.patterns, layers, strict=True):
        packed = patterns.compressed(layer.weights)
        assert sum(len(each.index) for each in packed) == patterns.index.size


def test_cnn_small_as_in_table_iii():
    """510,848 of 2,381,696 weights, by hand from Tables I and III; the layers read what the positions say."""
    model = cnn_small_ikr.cnn_small(0.5)
    kernels = [
        layer.weight.numel() // rule.size for layer, rule in zip(weighted(model), cnn_small_ikr.RULES, strict=True)
    ]
    assert kernels == [384, 16_384, 16_384, 16_384, 32_768, 65_536, 65_536, 160]
    assert sum(layer.weight.numel() for layer in weighted(model)) == 2_381_696
    assert sum(count * rule.keep for count, rule in zip(kernels, cnn_small_ikr.RULES, strict=True)) == 510_848
    read: list[int] = []
    for layer in weighted(model):
        layer.register_forward_hook(lambda _module, _given, made: read.append(int(np.prod(made.shape[2:]))))
    model.eval()(torch.zeros(1, 3, 32, 32))
    assert tuple(read) == cnn_small_ikr.POSITIONS


def test_mirrored_and_shifted():
    """An image is itself, or mirrored, moved by up to two pixels with its edge repeated; of 64 no two are likely to be
    alike.
    """
    torch.manual_seed(2)
    image = torch.arange(3 * 8 * 8).float().view(1, 3, 8, 8)
    wide = torch.nn.functional.pad(image, (2, 2, 2, 2), mode="replicate")
    windows = [wide[:, :, row : row + 8, column : column + 8] for row in range(5) for column in range(5)]
    expected = {each.numpy().tobytes() for window in windows for each in (window, window.flip(3))}
    found = {each.numpy().tobytes() for each in cnn_small_ikr.moved(image.expand(400, -1, -1, -1)).contiguous()}
    assert len(expected) == 50 and found == expected
    assert float(cnn_small_ikr.moved_reals(image).max()) == 191 / 256


def test_cnn_small_on_a_small_scale(monkeypatch):
    """All stages on a few images of noise: pruned as Table III says, in 8 bits what was trained."""
    monkeypatch.setattr(cnn_small_ikr, "KERNELS", 32)
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 256, (5128, 3, 32, 32), np.uint8), rng.integers(0, 10, 5128)
    data = Dataset("noise", tuple("0123456789"), 255, Split(x, y), Split(x[:20], y[:20]))
    plan, machine = (
        cnn_small_ikr.Plan(1, 1, 1, 1, samples=128, quantised_samples=128),
        cnn_small_ikr.machine_here("cpu"),
    )
    whole = cnn_small_ikr.floats(data, 1, plan, machine)
    made = cnn_small_ikr.pruned(whole, data, 1, plan, machine)
    assert made.weights == 510_848 and made.density == 510_848 / 2_381_696
    network, error = cnn_small_ikr.exported(made.net, data, 1, plan, machine)
    assert error == np.mean(network.evaluate(data.test.x) != data.test.y)
    layers = [layer for layer in network.layers if isinstance(layer, IntDense | IntConv2d)]
    for patterns, layer in zip(made.patterns, layers, strict=True):
        assert sum(len(each.index) for each in patterns.compressed(layer.weights)) == patterns.index.size
    assert cnn_small_ikr.described(machine) == "one CPU thread, bfloat16 products"
