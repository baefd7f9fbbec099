"""Layers of learned tables, and the sums of their bits: against a row of a table that is looked up, and a sum of
products.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logicnn import bits
from logicnn.engines import Mapping
from logicnn.engines.unrolled import logic_of
from logicnn.gateware import Core
from logicnn.network import (
    BIT,
    Activations,
    Argmax,
    GroupSum,
    Interval,
    LutLayer,
    Network,
    NetworkError,
    PackedBits,
    Thermometer,
    files,
    simplify,
)
from logicnn.network.values import Batch
from logicnn.resources import DEVICES
from sim_tests.helpers import lut4_of, rtl_evaluate, synthesise, synthesised_outputs


def tables_of(seed: int, given: int, out: int, k: int) -> LutLayer:
    rng = np.random.default_rng(seed)
    return LutLayer(rng.integers(given, size=(out, k)), rng.integers(2, size=(out, 1 << k)))


def ref_tables(layer: LutLayer, x: np.ndarray) -> np.ndarray:  # (n, in) -> (n, out)
    _, k = layer.connections.shape
    rows = (x[:, layer.connections] << np.arange(k)).sum(2)
    return np.stack([table[rows[:, index]] for index, table in enumerate(layer.tables)], axis=1)


def ref_sums(layer: GroupSum, x: np.ndarray) -> np.ndarray:  # (n, in) -> (n, classes)
    weighted = np.split(x * layer.weights, np.cumsum(layer.sizes)[:-1], axis=1)
    return np.stack([each.sum(1) for each in weighted], axis=1) + layer.offsets


def network_of(seed: int = 1, k: int = 4) -> Network:
    rng = np.random.default_rng(seed)
    layers = [
        Thermometer([1]),
        tables_of(seed, 9, 14, k),
        tables_of(seed + 1, 14, 12, 3),
        GroupSum([4, 3, 5], rng.integers(1, 4, 12), [0, 1, -2]),
        Argmax(),
    ]
    return Network(Activations((9,), BIT), layers, "tables", labels=("a", "b", "c"))


def every(count: int) -> np.ndarray:  # (2 ** count, count)
    return np.arange(1 << count)[:, None] >> np.arange(count) & 1


def evaluated(layer: LutLayer | GroupSum, x: np.ndarray) -> Batch:
    return layer.evaluate(Activations((x.shape[1],), BIT), PackedBits(bits.pack(x.astype(bool)), len(x)))


@pytest.mark.parametrize("k", range(2, 7))
def test_tables(k):
    layer, x = tables_of(k, 8, 30, k), every(8)
    assert np.array_equal(evaluated(layer, x).integers, ref_tables(layer, x))


@given(st.integers(0, 99), st.lists(st.integers(0, 7), min_size=1, max_size=5).filter(any))
def test_sums(seed, sizes):
    rng = np.random.default_rng(seed)
    layer = GroupSum(sizes, rng.integers(1, 128, sum(sizes)), rng.integers(-50, 50, len(sizes)))
    x = rng.integers(2, size=(100, sum(sizes)))
    scores = evaluated(layer, x).integers
    assert np.array_equal(scores, ref_sums(layer, x))
    interval = layer.infer(Activations((sum(sizes),), BIT)).interval
    ends = layer.offsets.min(), (ref_sums(layer, np.ones((1, sum(sizes)), int))).max()
    assert (interval.low, interval.high) == ends


@pytest.mark.parametrize("k", [2, 4, 5, 6])
def test_logic(k):
    """Every input of the network: exact evaluation, a reference that looks rows up, and the gateware."""
    network, x = network_of(k=k), every(9)
    first, second, sums = network.layers[1:4]
    scores = ref_sums(sums, ref_tables(second, ref_tables(first, x)))
    expected = scores.argmax(1)
    assert len(set(expected.tolist())) == 3
    assert np.array_equal(network.evaluate(x), expected)
    assert np.array_equal(rtl_evaluate(network, x.astype(bool)), expected)


def test_netlist(tmp_path):
    """What synthesis makes, on every input; a table is a LUT4 in it, and no estimate is passed."""
    network, x = network_of(k=4), every(9)
    device = DEVICES["iCE40UP5K"]
    made = synthesised_outputs(Mapping.unrolled(network), device, x.astype(bool), tmp_path)
    assert np.array_equal(made.ravel(), network.evaluate(x))
    tables = replace(network, layers=network.layers[:2], labels=())
    folder = tmp_path / "tables"
    folder.mkdir()
    assert lut4_of(synthesise(Core(Mapping.unrolled(tables)), folder)) == 14


def test_what_is_read():
    """Not an input on which no row depends."""
    layer = LutLayer([[5, 0, 3], [0, 3, 9]], [[0, 1] * 4, [0, 0, 0, 0, 1, 1, 1, 1]])
    assert layer.depends.tolist() == [[True, False, False], [False, False, True]]
    given = Activations((10,), BIT)
    assert layer.reads(given).tolist() == [5, 9]
    assert logic_of(layer, given).lut4 == 0  # wires


def idle_network(seed: int) -> Network:
    """Constant tables, tables that are there twice with their inputs in another order, bits that are read twice."""
    rng = np.random.default_rng(seed)

    def layer(inputs: int, out: int) -> LutLayer:
        connections, tables = rng.integers(inputs, size=(out, 3)), rng.integers(2, size=(out, 8))
        tables[rng.random(out) < 0.2] = rng.integers(2)
        again = rng.integers(out, size=out // 3)
        order = rng.permutation(3)
        rows = (np.arange(8)[:, None] >> np.argsort(order) & 1) @ (1 << np.arange(3))
        connections[: len(again)] = connections[again][:, order]
        tables[: len(again)] = tables[again][:, rows]
        return LutLayer(connections, tables)

    sums = GroupSum([5, 0, 4], rng.integers(1, 128, 9), rng.integers(-9, 9, 3))
    return Network(Activations((8,), BIT), [Thermometer([1]), layer(8, 12), layer(12, 10), layer(10, 9), sums], "idle")


@pytest.mark.parametrize("seed", range(40))
def test_simplified(seed):
    """The same scores of every input, of tables that all differ, none of them constant or unread."""
    network = idle_network(seed)
    less, x = simplify(network), every(8)
    assert np.array_equal(less.evaluate(x), network.evaluate(x))
    *tables, sums = less.layers[1:]
    assert len(tables) == 3 and len(tables[-1].tables) == sums.sizes.sum() <= 9
    again = simplify(less)
    assert again.digest() == less.digest()
    for layer, reader in pairwise(tables):
        read = np.unique(reader.connections[reader.depends])
        assert len(layer.tables) == max(1, len(read))
    if len(tables[0].tables) > 1:
        columns = ref_tables(tables[0], x).T
        assert len(np.unique(columns, axis=0)) == len(columns)


def test_nothing_left():
    """Of tables that are all constant one stays in each layer."""
    sums = GroupSum([1, 1], [3, 4], [0, 1])
    network = Network(Activations((2,), BIT), [Thermometer([1]), LutLayer([[0, 1]] * 2, [[1] * 4] * 2), sums])
    less = simplify(network)
    assert np.array_equal(less.evaluate(every(2)), network.evaluate(every(2)))
    assert len(less.layers[1].tables) == 1


def test_largest_offset():
    """A constant bit stays a bit where its score would pass 32 bits."""
    sums = GroupSum([1, 1], [127, 1], [(1 << 31) - 1 - 126, 0])
    network = Network(Activations((2,), BIT), [Thermometer([1]), LutLayer([[0, 1]] * 2, [[1] * 4, [0, 1] * 2]), sums])
    assert np.array_equal(simplify(network).evaluate(every(2)), network.evaluate(every(2)))


def test_files(tmp_path):
    network = network_of(k=5)
    files.save(network, tmp_path / "tables.lnn")
    again = files.load(tmp_path / "tables.lnn")
    assert again.digest() == network.digest() and np.array_equal(again.evaluate(every(9)), network.evaluate(every(9)))


def test_estimate():
    """A table of up to four inputs is a LUT4."""
    layer, given = tables_of(3, 40, 100, 4), Activations((40,), BIT)
    assert logic_of(layer, given).lut4 == 100 and logic_of(layer, given).levels == 1
    assert Mapping.unrolled(network_of()).cost(DEVICES["iCE40UP5K"]).lut4 > 26


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LutLayer([[0]], [[0, 1]]), r"connections must be of 2 to 6 inputs a table, not 1$"),
        (lambda: LutLayer([[0] * 7], [[0, 1] * 64]), r"connections must be of 2 to 6 inputs a table, not 7$"),
        (lambda: LutLayer([[0, 1]], [[0, 1]]), r"tables must have shape \(1, 4\) for connections of shape \(1, 2\)"),
        (lambda: LutLayer([[0, 1]], [[0, 1, 2, 0]]), r"tables must be 0 or 1, but hold 2$"),
        (lambda: LutLayer([[0, -1]], [[0, 1, 1, 0]]), r"connections must be 0 at least, not -1$"),
        (
            lambda: LutLayer([[0, 1], [9, 2]], [[0, 1, 1, 0]] * 2).infer(Activations((9,), BIT)),
            r"connections must be below 9, the size of its input, but table 1 reads input 9$",
        ),
        (lambda: tables_of(1, 4, 4, 2).infer(Activations((4,), Interval(0, 3))), r"LutLayer reads bits"),
        (lambda: GroupSum([2, -1], [1], [0, 0]), r"sizes must be of 1 class at least, and none below 0"),
        (lambda: GroupSum([2, 2], [1, 1, 1], [0, 0]), r"weights must be 4, the sum of its sizes, not 3$"),
        (lambda: GroupSum([2], [1, 1], [0, 0]), r"offsets must be 1, as its sizes, not 2$"),
        (lambda: GroupSum([2], [1, 0], [0]), r"weights must lie in 1 ... 127, but hold 0$"),
        (lambda: GroupSum([2], [1, 1], [0]).infer(Activations((3,), BIT)), r"are of 2 bits, but its input has 3$"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(NetworkError, match=message):
        make()


def test_files_refuse():
    fields, arrays = tables_of(1, 9, 5, 4).described()
    for name, wrong in (("tables", arrays["tables"][:-1]), ("connections", arrays["connections"][:-1])):
        with pytest.raises(NetworkError, match=r"^connections and tables do not match the shape \(5, 4\)$"):
            LutLayer.restored(fields, arrays | {name: wrong})


def test_sums_that_are_read_as_bits():
    """A sum of 0 or 1 is a bit for the layer behind it; of a constant table it is always 1, and none."""
    ones = LutLayer([[0, 1]], [[1, 1, 1, 1]])
    network = Network(Activations((2,), BIT), [ones, GroupSum([1], [1], [0]), LutLayer([[0, 0]], [[0, 1, 1, 1]])])
    assert np.array_equal(simplify(network).evaluate(every(2)), network.evaluate(every(2)))
