"""Schedules of pruned networks: scan orders, memories, predictions, and what is refused."""

import numpy as np
import pytest

from logicnn.engines.sparse.contents import contents_of, memories
from logicnn.engines.sparse.kernels import SparseError
from logicnn.engines.sparse.plan import Layer, Plan, Tile, planned
from logicnn.engines.sparse.scan import Move, scan
from logicnn.network import (
    Activations,
    Argmax,
    Flatten,
    IntConv2d,
    IntDense,
    Interval,
    MaxPool2d,
    Network,
    Requantize,
    load,
)
from logicnn.resources import DEVICES
from sim_tests.sparse_helpers import BYTE, network, plan_of

STEPS = {Move.RIGHT: (0, 1), Move.LEFT: (0, -1), Move.DOWN: (1, 0), Move.UP: (-1, 0)}


@pytest.mark.parametrize("pool", [1, 2])
@pytest.mark.parametrize("rows", range(1, 5))
@pytest.mark.parametrize("columns", range(1, 5))
def test_scan(rows, columns, pool):
    """Every position once, block by block, by steps to neighbours; blocks by steps to neighbours, too."""
    y, x, block, seen = 0, -1, (0, 0), []
    for move, leave, number in scan(rows, columns, pool):
        down, right = STEPS[move]
        y, x = y + down, x + right
        assert (y // pool, x // pool) == block
        assert number == len(seen) % pool**2
        seen.append((y, x))
        assert (leave != 0) == (number == pool**2 - 1)
        if leave:
            block = tuple(np.add(block, STEPS[leave - 1]))
    assert sorted(seen) == [(y, x) for y in range(rows * pool) for x in range(columns * pool)]


def words_of(plan: Plan) -> list[tuple[list[int], list[int], int, int, int]]:
    """Of every word weights, indices, flags and missing lanes."""
    fields, found = plan.fields, []
    for word in contents_of(plan).words:

        def take(bits: int) -> int:
            nonlocal word
            value, word = word & (1 << bits) - 1, word >> bits
            return value

        weights = [take(8) for _ in range(fields.weights)]
        indices = [take(fields.index_bits) for _ in range(fields.indices)]
        found.append(([(each ^ 128) - 128 for each in weights], indices, take(1), take(1), take(fields.missing_bits)))
        assert word == 0
    return found


def ref_kernels(plan: Plan, layer: Layer, words: list) -> np.ndarray:
    """The kernels of a layer as its words and the patterns' memory say: positions by set, index and slot, weights from
    words.
    """
    first = sum(each.sets for each in plan.layers[: plan.layers.index(layer)])
    start = sum(
        (1 if each.dense else each.words) * len(each.outputs) * each.channels
        for each in plan.layers[: plan.layers.index(layer)]
    )
    kernels, current, slots = np.zeros_like(layer.kernels), first, plan.tile.slots
    contents = contents_of(plan)
    for place in range(layer.words * len(layer.outputs) * layer.channels):
        weights, indices, onward, back, _ = words[start + place]
        at, word = divmod(place, layer.words)
        channel, group = divmod(at, len(layer.outputs)) if layer.dense else divmod(at, layer.channels)[::-1]
        for record in range(layer.records):
            kernel = word * layer.records + record
            if kernel >= len(layer.outputs[group]):
                continue
            for slot in range(layer.keep):
                part, here = divmod(slot, slots)
                row = contents.tables[
                    record * layer.joined + part,
                    current << plan.fields.index_bits | indices[record * layer.joined + part],
                ]
                code = int(row) >> here * contents.code_bits & (1 << contents.code_bits) - 1
                position = contents.positions[(kernel * layer.joined + part) * slots + here][code]
                kernels[layer.outputs[group][kernel], channel, position] += weights[record * layer.keep + slot]
        current += onward - back * ((len(layer.segments) if layer.dense else layer.words) - 1)
    return kernels


@pytest.mark.parametrize(
    ("made", "tile"),
    [
        (lambda: network(1), Tile(3, 2)),
        (lambda: network(2, convolutions=((7, 5, 1), (9, 4, 2)), image=(2, 11, 9), patterns=9), Tile(4, 3, 80)),
        (lambda: network(3, side=5, image=(120,), convolutions=(), dense=((50, 3), (31, 1)), patterns=12), Tile(5, 3)),
        (lambda: load("lenet5-ikr"), Tile(5, 3)),
    ],
)
def test_memories_hold_the_kernels(made, tile):
    plan = plan_of(made(), tile)
    words = words_of(plan)
    for layer in plan.layers:
        assert np.array_equal(ref_kernels(plan, layer, words), layer.kernels)
        assert sorted(layer.order) == list(range(len(layer.kernels)))


def test_maps_do_not_overlap():
    """A layer's input and output are apart, and no row or column of a window meets a bank twice."""
    plan = plan_of(load("lenet5-ikr"), Tile(5, 3))
    for layer in plan.layers:
        if layer.gives:
            ends = [(each.base, each.base + each.words) for each in (layer.given, layer.gives)]
            assert max(start for start, _ in ends) >= min(end for _, end in ends)
        if not layer.dense:
            assert layer.given.pitch % plan.side == 1
            assert layer.given.stride % plan.side == 0


def test_lenet():
    """LeNet-5 at the densities of Table II: cycles by hand, and at least 60 % of what 16 multipliers can do."""
    plan = planned(load("lenet5-ikr"), 16)
    assert plan.tile == Tile(5, 3)
    conv1, conv2 = (
        10 * (24 * 24 + 4),
        10 * (20 * (64 + 4) + 16),
    )  # two outputs at once; five, which wait a cycle a block
    dense1, dense2 = 32 * (167 + 4) + 2 * 167, 20 * (4 + 4) + 2 * 4
    written = 4 * 11 + 2 + 5 + 3 + 3
    assert plan.latency == 2 + conv1 + conv2 + dense1 + dense2 + written
    assert plan.products / plan.latency / 16 > 0.6
    assert plan.interval == plan.latency + 28 * 28


def test_cycles_fall_with_density():
    latencies = [
        planned(network(4, image=(1, 14, 14), convolutions=((8, keep, 2),)), 16).latency for keep in (6, 4, 2, 1)
    ]
    assert latencies == sorted(latencies, reverse=True)
    assert latencies[-1] < 0.65 * latencies[0]


def test_selectors_read_what_their_patterns_need():
    """A lane has few positions where its outputs share patterns: those of Table II, a fifth of 15 multiplexers of 25
    words less a half.
    """
    inputs = [len(each) for each in contents_of(plan_of(load("lenet5-ikr"), Tile(5, 3))).positions]
    assert sum(inputs) < 0.6 * 15 * 25


def test_memory_shapes():
    plan = planned(load("lenet5-ikr"), 16)
    contents = contents_of(plan)
    assert contents.image.shape == (len(contents.words), 8)
    device = DEVICES["iCE40UP5K"]
    assert sum(device.brams(*each) for each in memories(plan).values()) <= device.capacity.bram


def padded() -> Network:
    conv = IntConv2d(np.ones((1, 1, 3, 3)), np.zeros(1), Requantize(np.ones(1), np.zeros(1), 0, 255), padding=1)
    return Network(Activations((1, 4, 4), BYTE), [conv, Flatten(), IntDense(np.ones((2, 16)), np.zeros(2)), Argmax()])


def full(outputs: int) -> Network:
    """A dense layer whose kernels keep 3 of 9 in more ways than a set has patterns."""
    rng = np.random.default_rng(6)
    weights = np.zeros((outputs, 60, 9), np.int64)
    for kernel in weights.reshape(-1, 9):
        kernel[rng.choice(9, 3, replace=False)] = 1
    conv = IntConv2d(np.eye(9, dtype=int).reshape(9, 1, 3, 3), np.zeros(9), Requantize(np.ones(9), np.zeros(9), 0, 255))
    image = Activations((1, 12, 8), BYTE)
    dense = IntDense(weights.reshape(outputs, -1), np.zeros(outputs))
    return Network(image, [conv, Flatten(), dense, Argmax()])


@pytest.mark.parametrize(
    ("made", "tile", "message"),
    [
        (
            lambda: load("digits-bnn"),
            Tile(2, 2),
            r"^layer 0 must be a convolution \(with pooling by 2 or not\), dense, or an Argmax of sums, not ",
        ),
        (lambda: load("jsc-a"), Tile(2, 2), r"^layer 0 must have no widths, and a requantiser that multiplies by 1$"),
        (padded, Tile(2, 2), r"^layer 0 must have stride 1 and no padding, not 1 and 1$"),
        (
            lambda: network(5, convolutions=((4, 3, 3),)),
            Tile(3, 2),
            r"^layer 1 must be a convolution .* not MaxPool2d$",
        ),
        (
            lambda: network(5),
            Tile(2, 1),
            r"^a kernel keeps 3 weights, but Tile has 1 slots a lane, and 2 lanes for a kernel$",
        ),
        (
            lambda: network(5),
            Tile(3, 3, 16),
            r"^Tile.word_bits must hold the 3 weights of a kernel and its index, not 16$",
        ),
        (
            lambda: full(2),
            Tile(3, 3),
            r"^layer 2 has more than 16 patterns in the kernels of one output; prune it to patterns$",
        ),
        (
            lambda: Network(network(5).input, network(5).layers[:1]),
            Tile(3, 3),
            r"^the engine's layers must end in Argmax or IntDense, whose outputs come in order, not IntConv2d$",
        ),
        (
            lambda: Network(Activations((1, 8, 8), Interval(-128, 127)), network(5).layers),
            Tile(3, 3),
            r"^the input must be words of up to 8 bits",
        ),
    ],
)
def test_refused(made, tile, message):
    with pytest.raises(SparseError, match=message):
        plan_of(made(), tile)


def test_tile_wrong():
    with pytest.raises(SparseError, match=r"^Tile.lanes must be positive, not 0$"):
        Tile(0, 1)


def test_pool_ends_are_dropped():
    """Rows and columns that fill no block are not computed."""
    plan = plan_of(network(7, image=(1, 9, 8), convolutions=((3, 2, 2),)), Tile(3, 2))
    assert plan.layers[0].steps == 6 * 6
    assert isinstance(plan.network.layers[1], MaxPool2d)
