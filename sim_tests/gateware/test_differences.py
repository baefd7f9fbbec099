"""The engine of lanes in Amaranth's simulator and as a netlist, against the network and its predicted cycles."""

import numpy as np
import pytest

from logicnn.board import boards
from logicnn.engines import Mapping
from logicnn.engines.differences import Differences
from logicnn.flow import tools
from logicnn.flow.design import designed
from logicnn.flow.sources import elaborated
from logicnn.gateware.differences import DifferenceEngine
from logicnn.network import Network
from logicnn.verify.cycles import CycleCheck
from logicnn.verify.vectors import Vectors
from sim_tests.differences_helpers import binary_network
from sim_tests.stream_helpers import rtl_stream

CASES = {
    "row by row": (binary_network((1, 6, 6), [(5, 3, 1, True)], [6]), 8, 1),
    "row by row, not pooled": (binary_network((2, 4, 5), [(3, 3, 1, False)], [6]), 6, 1),
    "two rows": (binary_network((1, 6, 7), [(4, 3, 1, True)], [9]), 16, 2),
    "two rows, not pooled": (binary_network((1, 6, 7), [(4, 3, 1, False)], [9]), 16, 2),
    "four rows": (binary_network((1, 7, 7), [(4, 3, 1, True)], [9]), 32, 4),
    "four rows, not pooled": (binary_network((1, 7, 7), [(4, 3, 1, False)], [9]), 32, 4),
    "more segments than rows": (binary_network((1, 6, 7), [(4, 3, 1, True)], [9]), 16, 4),
    "no padding": (binary_network((2, 8, 8), [(4, 3, 0, True), (3, 2, 0, False)], [9]), 16, 2),
    "even kernels": (binary_network((1, 5, 5), [(4, 2, 1, False), (3, 4, 2, True)], [9]), 16, 2),
    "one by one": (binary_network((3, 4, 4), [(4, 1, 0, True)], [6]), 8, 2),
    "layers": (binary_network((1, 12, 12), [(4, 3, 1, True), (6, 3, 1, True), (5, 3, 1, False)], [7, 9]), 32, 4),
    "pruned": (binary_network((2, 7, 7), [(6, 3, 1, True), (5, 3, 1, False)], [7, 9], density=0.4, seed=2), 16, 2),
    "kernels twice": (binary_network((1, 6, 6), [(9, 3, 1, True)], [6], copies=True), 8, 1),
    "kernels twice, four rows": (binary_network((1, 7, 7), [(9, 3, 1, False)], [9], copies=True), 32, 4),
    "dense": (binary_network((20,), [], [9, 5, 7]), 8, 2),
    "dense, a row of one": (binary_network((17,), [], [5, 7]), 16, 2),
    "dense, pruned": (binary_network((40,), [], [21, 11, 7], density=0.3, seed=2), 8, 2),
    "dense layers alone on an image": (binary_network((2, 3, 3), [(1, 1, 0, False)], [6, 7]), 8, 4),
}


def classes(network: Network, engine: Differences, x: np.ndarray, stall: float = 0.0) -> tuple[list[int], list[int]]:
    """Of each sample, and the cycles from its last bit to it."""
    outputs, entered, left = rtl_stream(DifferenceEngine(engine), x.ravel().tolist(), len(x), stall, stall)
    last = entered[network.input.size - 1 :: network.input.size]
    return outputs, [out - into for out, into in zip(left, last, strict=True)]


@pytest.mark.parametrize(
    ("name", "reuse"), [*((name, True) for name in CASES), ("row by row", False), ("layers", False), ("pruned", False)]
)
def test_classes_and_latency(name, reuse):
    network, lanes, segments = CASES[name]
    engine = Differences(network, 0, len(network.layers), lanes, segments, reuse)
    x = np.random.default_rng(3).integers(0, 2, (6, *network.input.shape))
    found, cycles = classes(network, engine, x)
    expected = network.evaluate(x).tolist()
    assert found == expected and len(set(expected)) > 1
    assert set(cycles) == {engine.latency.most}


def test_streams_that_stall():
    network, lanes, segments = CASES["layers"]
    engine = Differences(network, 0, len(network.layers), lanes, segments)
    x = np.random.default_rng(3).integers(0, 2, (3, *network.input.shape))
    assert classes(network, engine, x, stall=0.4)[0] == network.evaluate(x).tolist()


@pytest.mark.parametrize(
    ("board", "network", "lanes", "loads"),
    (
        ("icebreaker", CASES["layers"][0], 32, False),
        ("icebreaker", binary_network((1, 8, 8), [(32, 3, 1, True), (48, 3, 1, True)], [9]), 16, True),
        ("ulx3s", CASES["pruned"][0], 16, False),
    ),
    ids=("icebreaker", "from large memory", "ulx3s"),
)
def test_netlist(board, network, lanes, loads, tmp_path):
    """What Yosys makes of it, memories included, clock by clock from power-up on."""
    mapping = Mapping([Differences(network, 0, len(network.layers), lanes, 2)])
    made = designed(mapping, boards.find(board), 115_200)
    assert bool(mapping.images(made.device)) == loads
    sources = elaborated(made)
    for file, data in sources.files.items():
        (tmp_path / file).write_bytes(data)
    tools.run(sources.synthesis, tmp_path, "synthesis.log")
    x = np.random.default_rng(3).integers(0, 2, (200, *network.input.shape))
    check = made.check
    assert isinstance(check, CycleCheck)
    assert check.judged(check.run(tmp_path / "top.json", x), Vectors(x, np.zeros(0, int), "random")).vectors == 200
