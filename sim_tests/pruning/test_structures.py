import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logicnn.engines.reused import Reused
from logicnn.errors import LogicnnError
from logicnn.network import IntConv2d, IntDense, Network
from logicnn.pruning.knapsack import Importance
from logicnn.pruning.structures import Structure, masks_within, multipliers, neurons, rows, single
from sim_tests.reused_helpers import conv_network, dense_network

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))
TILES = st.tuples(st.integers(1, 4), st.sampled_from((1, 2, 4)))


def masked(network: Network, masks: list[np.ndarray]) -> Network:
    layers = [
        IntDense(layer.weights * mask, layer.bias, layer.activation)
        for layer, mask in zip(network.layers, masks, strict=True)
    ]
    return Network(network.input, layers)


@given(SHAPES, TILES, st.integers(0, 2**32))
def test_rows_and_multipliers_are_those_of_the_engine(shape, tile, seed):
    """A group that is all zero is a row, or a multiplier, that the engine does without."""
    rng = np.random.default_rng(seed)
    network = dense_network([shape[1], shape[0]])
    by_rows, by_lanes = rows(shape, *tile), multipliers(shape, *tile, 3)
    for structure in (by_rows, by_lanes):
        keep = rng.random(structure.count) < 0.5
        pruned = masked(network, [structure.mask(keep)])
        engine = Reused(pruned, 0, 1, *tile)
        weights = pruned.layers[0].weights
        wanted = int(engine.program.weights.any((1, 2)).sum())
        assert wanted == by_rows.used(weights)["word"]
        assert len(engine.built) == by_lanes.used(weights)["dsp"]


@given(TILES, st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**32))
def test_convolutions_and_dense_layers_on_images(tile, channels, kernels, seed):
    """Rows and multipliers that the engine does without, of both layers at once, beside weights without effect."""
    rng = np.random.default_rng(seed)
    network = conv_network((channels, 4, 5), [(kernels, 2, 1, 1)], [3])
    conv, flat, dense = network.layers
    image = (kernels, 3, 4)
    structures = [rows(conv.weights.shape, *tile, positions=12), rows(dense.weights.shape, *tile, image)]
    masks = [each.mask(rng.random(each.count) < 0.5) for each in structures]
    pruned = Network(
        network.input,
        [
            IntConv2d(conv.weights * masks[0], conv.bias, conv.activation),
            flat,
            IntDense(dense.weights * masks[1], dense.bias),
        ],
    )
    engine = Reused(pruned, 0, 3, *tile)
    weights = [each.weights for each in engine.computing]
    used = [each.used(weight) for each, weight in zip(structures, weights, strict=True)]
    assert int(engine.program.weights.any((1, 2)).sum()) == sum(each["word"] for each in used)
    assert used[0]["cycle"] == 12 * used[0]["word"] and used[1]["cycle"] == used[1]["word"]
    lanes = [multipliers(weights[0].shape, *tile, 3), multipliers(weights[1].shape, *tile, 3, image)]
    alive = [
        {tuple(place) for place in _tile_places(each, weight, tile)}
        for each, weight in zip(lanes, weights, strict=True)
    ]
    assert len(engine.built) == len(alive[0] | alive[1])


def _tile_places(structure: Structure, weights: np.ndarray, tile: tuple[int, int]) -> list[tuple[int, int]]:
    """Neuron and input at a time of the multipliers whose weights are not all zero."""
    wide = structure.count // min(tile[0], len(weights))
    return [divmod(int(number), wide) for number in np.flatnonzero(structure.gathered(weights).any(1))]


@given(SHAPES)
def test_gathered(shape):
    values = np.arange(1, shape[0] * shape[1] + 1).reshape(shape)
    for structure in (rows(shape, 2, 2), multipliers(shape, 2, 2, 8), neurons(shape), single(shape)):
        found = structure.gathered(values)
        assert sorted(found[found > 0]) == list(range(1, values.size + 1))
        for number, group in enumerate(found):
            assert set(group[group > 0]) == set(values[structure.group == number])


def test_one_choice_for_all_layers():
    """Of equal groups those that are worth more beside their layer's greatest, whichever layer they are in."""
    first = np.array([[8.0, 8.0, 1.0, 1.0], [4.0, 4.0, 0.0, 0.0]])
    second = np.array([[100.0, 90.0]])
    structures = [rows(first.shape, 1, 2), rows(second.shape, 1, 1)]
    masks = masks_within({"cycle": 3}, structures, [first, second])
    np.testing.assert_array_equal(masks[0], [[1, 1, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(masks[1], [[1, 1]])
    more = masks_within({"cycle": 4}, structures, [first, second])
    np.testing.assert_array_equal(more[0], [[1, 1, 0, 0], [1, 1, 0, 0]])
    slopes = [np.zeros_like(first), np.ones_like(second)]
    slopes[0][1] = 1
    by_slope = masks_within({"cycle": 2}, structures, [first, second], Importance.GRADIENT, slopes)
    np.testing.assert_array_equal(by_slope[0], [[0, 0, 0, 0], [1, 1, 0, 0]])


def test_costs():
    assert rows((64, 16), 2, 8).used(np.ones((64, 16))) == {"cycle": 64, "word": 64}
    assert rows((5, 9), 2, 4).count == 9  # padded to six neurons and three words
    assert multipliers((64, 16), 2, 8, 8).used(np.ones((64, 16))) == {"dsp": 16, "width": 128}
    assert neurons((5, 3)).used(np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0], [1, 1, 1]])) == {"neuron": 2}


@pytest.mark.parametrize(
    ("wrong", "message"),
    (
        (lambda: rows((2, 2), 0, 1), "neurons must be at least 1 at a time, not 0"),
        (lambda: multipliers((2, 2), 1, 0, 8), "inputs must be at least 1 at a time, not 0"),
        (lambda: neurons((0, 2)), r"shape must be \(neurons, inputs\) of weights or .*, not \(0, 2\)"),
        (lambda: rows((2, 12), 1, 1, (2, 2, 2)), r"image must have the 12 inputs of a dense layer, not \(2, 2, 2\)"),
        (lambda: masks_within({"dsp": 1}, [rows((2, 2), 1, 1)], [np.ones((2, 2))]), "not 'dsp'"),
    ),
)
def test_wrong(wrong, message):
    with pytest.raises(LogicnnError, match=message):
        wrong()
