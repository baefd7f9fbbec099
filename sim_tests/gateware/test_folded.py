"""The folded engine in Amaranth's simulator and as Yosys makes it, against the network's value and its predicted
cycles.
"""

import numpy as np
import pytest

from logicnn.board import boards
from logicnn.engines.folded import Folded
from logicnn.flow import tools
from logicnn.flow.design import designed
from logicnn.flow.sources import elaborated
from logicnn.gateware import Accelerator
from logicnn.gateware.folded import FoldedLayer
from logicnn.network import Activations, IntDense, Interval, Network
from logicnn.verify.cycles import CycleCheck
from logicnn.verify.vectors import Vectors
from sim_tests.reference import ref_evaluate
from sim_tests.reused_helpers import dense_network
from sim_tests.stream_helpers import rtl_stream

SIGNED, EIGHT = Interval(-8, 7), Interval(-128, 127)
CASES = {
    "one multiplier": (dense_network([3, 2]), 1, 1),
    "a multiplier a weight": (dense_network([3, 2]), 2, 3),
    "all neurons at once": (dense_network([6, 4]), 4, 2),
    "groups of neurons": (dense_network([6, 7], last=True), 3, 3),
    "inputs padded": (dense_network([7, 4], last=True), 4, 3),
    "many products of a neuron": (dense_network([23, 3], last=True), 3, 23),
    "rows left out": (dense_network([24, 12], density=0.06, last=True), 4, 2),
    "no weights of the last inputs": (Network(Activations((3,), SIGNED), [IntDense([[1, 0, 0]], [0])]), 1, 1),
    "no weights at all": (dense_network([4, 3], density=0.0), 3, 2),
    "no weights, requantized": (dense_network([4, 3], density=0.0, last=True), 2, 2),
    "signed": (dense_network([6, 8], SIGNED, between=Interval(-4, 3), last=True), 4, 2),
    "eight bits": (dense_network([9, 8], EIGHT, 8, between=Interval(0, 127), last=True), 8, 3),
    "weights in block RAM": (dense_network([20, 4], weight_bits=8, last=True), 4, 1),
    "the class": (dense_network([6, 5], decides=True, last=True), 5, 2),
    "the class, each cycle": (dense_network([3, 4], decides=True), 4, 3),
    "the class of groups of signed scores": (dense_network([6, 7], SIGNED, decides=True), 3, 3),
    "the class of one": (dense_network([6, 1], decides=True), 1, 3),
    "weights of groups in block RAM": (dense_network([20, 5], density=0.3, last=True), 2, 2),
}


def words_of(x: np.ndarray, interval: Interval) -> list[int]:  # (n, size) -> n ports
    bits = interval.word
    return [sum((int(each) & (1 << bits) - 1) << place * bits for place, each in enumerate(row)) for row in x]


def rtl_folded(engine: Folded, x: np.ndarray, stall: float = 0.0) -> tuple[np.ndarray, list[int], list[int]]:
    """Outputs, and the cycles of the transfers of samples and outputs."""
    ports = words_of(x, engine.given.interval)
    outputs, entered, left = rtl_stream(FoldedLayer(engine), ports, len(x), stall, stall)
    bits, size = engine.gives.interval.word, engine.gives.size
    words = np.array([[each >> place * bits & (1 << bits) - 1 for place in range(size)] for each in outputs])
    if engine.gives.interval.low < 0:
        words = np.where(words >> bits - 1, words - (1 << bits), words)
    return words, entered, left


def samples(network: Network, count: int) -> np.ndarray:
    given = network.input.interval
    return np.random.default_rng(3).integers(given.low, given.high + 1, (count, network.input.size))


@pytest.mark.parametrize("name", CASES)
def test_outputs_latency_and_interval(name):
    network, neurons, inputs = CASES[name]
    engine = Folded(network, 0, neurons, inputs)
    x = samples(network, 9)
    rtl, entered, left = rtl_folded(engine, x)
    np.testing.assert_array_equal(rtl, ref_evaluate(network, x).reshape(rtl.shape))
    assert {out - into for out, into in zip(left, entered, strict=True)} == {engine.latency.most}
    assert set(np.diff(entered)) == {engine.interval}


@pytest.mark.parametrize(
    "name", ("a multiplier a weight", "groups of neurons", "weights in block RAM", "the class, each cycle")
)
def test_streams_that_stall(name):
    network, neurons, inputs = CASES[name]
    x = samples(network, 30)
    rtl, _, _ = rtl_folded(Folded(network, 0, neurons, inputs), x, stall=0.6)
    np.testing.assert_array_equal(rtl, ref_evaluate(network, x).reshape(rtl.shape))


@pytest.mark.parametrize("reuse", (1, 2, 5, 8))
def test_layers_work_at_once(reuse):
    """Each on a sample of its own, so that the slowest sets the pace."""
    network = dense_network([6, 9, 8, 5], decides=True)
    mapping = Folded.row(network, reuse)
    x = samples(network, 12)
    outputs, entered, left = rtl_stream(Accelerator(mapping), words_of(x, network.input.interval), len(x))
    np.testing.assert_array_equal(outputs, ref_evaluate(network, x))
    assert left[0] - entered[0] == mapping.latency.most
    assert set(np.diff(left)) == {mapping.interval} == {max(each.interval for each in mapping.engines)}


@pytest.mark.parametrize(
    ("board", "network", "reuse"),
    (
        ("ulx3s", dense_network([6, 9, 5], EIGHT, 8, density=0.7, decides=True), 3),
        ("ulx3s", dense_network([20, 6, 5], EIGHT, 8, decides=True), 20),
        ("icebreaker", dense_network([6, 9, 5], EIGHT, 8, decides=True), 6),
        ("ice40_hx8k_b_evn", dense_network([6, 9, 5], decides=True), 3),
    ),
    ids=("ecp5", "ecp5, block RAM", "blocks of two", "no blocks"),
)
def test_netlist(board, network, reuse, tmp_path):
    """What Yosys makes of it, DSP blocks and memories included, clock by clock from power-up on."""
    mapping = Folded.row(network, reuse)
    made = designed(mapping, boards.find(board), 115_200)
    sources = elaborated(made)
    for file, content in sources.files.items():
        (tmp_path / file).write_bytes(content)
    tools.run(sources.synthesis, tmp_path, "synthesis.log")
    x, check = samples(network, 100), made.check
    assert isinstance(check, CycleCheck)
    assert check.judged(check.run(tmp_path / "top.json", x), Vectors(x, np.zeros(0, int), "random")).vectors == 100
