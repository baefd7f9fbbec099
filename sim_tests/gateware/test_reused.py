"""The reuse engine in Amaranth's simulator, against the network's value and its predicted cycles."""

import numpy as np
import pytest

from logicnn.board import boards
from logicnn.engines import Mapping
from logicnn.engines.reused import Reused
from logicnn.flow import tools
from logicnn.flow.design import designed
from logicnn.flow.sources import elaborated
from logicnn.gateware import Accelerator
from logicnn.gateware.reused import ReuseEngine
from logicnn.network import Interval, Network
from logicnn.verify.cycles import CycleCheck
from logicnn.verify.vectors import Vectors
from sim_tests.reference import ref_evaluate
from sim_tests.reused_helpers import conv_network, dense_network, near_ties
from sim_tests.stream_helpers import rtl_stream

CASES = {
    "one multiplier": (dense_network([3, 2]), 1, 1),
    "a group": (dense_network([5, 4, 3]), 4, 1),
    "words of two": (dense_network([5, 7, 3]), 2, 2),
    "more neurons at a time than there are": (dense_network([4, 3, 2]), 5, 1),
    "more values at a time than there are": (dense_network([3, 5, 2]), 1, 8),
    "fewer words than neurons at a time": (dense_network([4, 9, 3]), 3, 4),
    "many layers": (dense_network([6, 8, 5, 9, 4]), 2, 4),
    "rows left out": (dense_network([24, 12, 16, 5], density=0.1), 2, 2),
    "neurons left out": (dense_network([16, 24, 20, 18, 4], density=0.06, decides=True), 2, 4),
    "kernels left out": (conv_network((1, 7, 7), [(9, 2, 1, 2), (7, 2, 1, 1)], [6, 3], density=0.12), 2, 2),
    "no weights at all": (dense_network([4, 3, 2], density=0.0), 2, 2),
    "signed": (dense_network([6, 8, 3], Interval(-8, 7), between=Interval(-4, 3)), 2, 2),
    "unsigned in, signed between": (dense_network([6, 8, 3], between=Interval(-8, 7), weight_bits=5), 3, 2),
    "multiplied": (dense_network([6, 8, 3], multipliers=True, weight_bits=8), 2, 4),
    "steps that begin anywhere": (dense_network([6, 8, 3], multipliers=True, offsets=True, weight_bits=8), 2, 4),
    "ties to even": (dense_network([6, 8, 3], even=True, last=True), 2, 2),
    "ties to even, multiplied": (dense_network([6, 8, 3], Interval(-8, 7), even=True, multipliers=True), 2, 4),
    "floating point": (near_ties(), 3, 2),
    "floating point, from another zero": (near_ties(-37), 2, 4),
    "offsets alone": (dense_network([6, 8, 3], Interval(-8, 7), offsets=True, last=True), 2, 2),
    "requantized in the end": (dense_network([6, 8, 3], multipliers=True, last=True), 2, 1),
    "the class": (dense_network([6, 8, 5], decides=True), 2, 4),
    "the class of one": (dense_network([6, 8, 1], decides=True), 2, 1),
    "the class of requantized scores": (dense_network([6, 8, 5], decides=True, last=True), 4, 2),
    "a convolution": (conv_network((1, 4, 5), [(3, 2, 1, 1)], [4]), 2, 1),
    "channels in words": (conv_network((3, 4, 4), [(5, 3, 1, 1)], [3]), 2, 2),
    "more channels than a word has": (conv_network((5, 3, 3), [(5, 2, 1, 1)], [3]), 3, 4),
    "strides": (conv_network((2, 7, 6), [(3, 3, 2, 1)], [4]), 2, 2),
    "pooled": (conv_network((1, 6, 7), [(3, 3, 1, 2)], [4]), 2, 1),
    "pooled groups": (conv_network((2, 7, 7), [(5, 2, 1, 3)], [4]), 2, 2),
    "convolutions": (conv_network((2, 9, 9), [(5, 2, 1, 2), (6, 2, 1, 1)], [7, 4], decides=True), 3, 2),
    "rows of kernels left out": (conv_network((3, 6, 6), [(6, 3, 1, 2), (4, 2, 1, 1)], [5, 3], density=0.15), 2, 2),
    "signed pixels": (conv_network((2, 5, 5), [(3, 2, 1, 2)], [3], Interval(-8, 7), between=Interval(-4, 3)), 2, 2),
    "dense layers on an image": (conv_network((3, 3, 2), [], [5, 4]), 2, 2),
    "padded": (conv_network((2, 4, 5), [(3, 3, 1, 1)], [4], padding=[1]), 2, 2),
    "padded in the middle": (conv_network((1, 6, 6), [(4, 3, 1, 2), (5, 3, 1, 1)], [4], padding=[0, 2]), 2, 2),
    "padded and pooled": (
        conv_network((2, 7, 5), [(3, 3, 1, 2), (4, 3, 2, 1), (3, 2, 1, 1)], [3], padding=[1, 2, 1], decides=True),
        *(3, 4),
    ),
    "padded with rows left out": (conv_network((3, 4, 4), [(6, 3, 1, 1)] * 2, [3], density=0.1, padding=[1, 1]), 2, 2),
    "padded between values of both signs": (
        conv_network((1, 4, 4), [(3, 3, 1, 1)] * 3, [3], Interval(-8, 7), padding=[1, 0, 1], between=Interval(-4, 3)),
        *(2, 1),
    ),
    "eight bits": (dense_network([9, 8, 3], Interval(-128, 127), 8, between=Interval(0, 127)), 4, 2),
}


def rtl_reused(network: Network, engine: Reused, x: np.ndarray, stall: float = 0.0) -> tuple[np.ndarray, list[int]]:
    """Outputs, and the cycles from each sample's last value to them."""
    gives = engine.gives
    outputs, entered, left = rtl_stream(ReuseEngine(engine), x.ravel().tolist(), len(x), stall, stall)
    bits = gives.interval.word
    if engine.decides:
        return np.array(outputs), _cycles(network, entered, left)
    words = np.array([[each >> place * bits & (1 << bits) - 1 for place in range(gives.size)] for each in outputs])
    if gives.interval.low < 0:
        words = np.where(words >> bits - 1, words - (1 << bits), words)
    return words, _cycles(network, entered, left)


def _cycles(network: Network, entered: list[int], left: list[int]) -> list[int]:
    last = entered[network.input.size - 1 :: network.input.size]
    return [out - into for out, into in zip(left, last, strict=True)]


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_latency(name):
    network, neurons, inputs = CASES[name]
    engine = Reused(network, 0, len(network.layers), neurons, inputs)
    given = network.input.interval
    x = np.random.default_rng(3).integers(given.low, given.high + 1, (6, network.input.size))
    rtl, cycles = rtl_reused(network, engine, x)
    np.testing.assert_array_equal(rtl, ref_evaluate(network, x.reshape(-1, *network.input.shape)))
    assert set(cycles) == {engine.latency.most}


@pytest.mark.parametrize("zero", (0, 5, -100))
def test_floating_point(zero):
    """Every halved integer, as 32 bits of floating point round it."""
    network = near_ties(zero, then=False)
    x = np.arange(-300, 301)[:, None]
    rtl, _ = rtl_reused(network, Reused(network, 0, 1, 5, 1), x)
    np.testing.assert_array_equal(rtl, ref_evaluate(network, x))
    np.testing.assert_array_equal(rtl, network.evaluate(x))
    assert len(np.unique(rtl[:, 0] - rtl[:, 3])) > 1  # not all ties are exact


def test_streams_that_stall():
    network, neurons, inputs = CASES["many layers"]
    engine = Reused(network, 0, len(network.layers), neurons, inputs)
    x = np.random.default_rng(3).integers(0, 8, (8, network.input.size))
    rtl, _ = rtl_reused(network, engine, x, stall=0.4)
    np.testing.assert_array_equal(rtl, ref_evaluate(network, x))


@pytest.mark.parametrize(
    ("board", "network", "tile"),
    (
        ("icebreaker", dense_network([6, 9, 5], weight_bits=4, density=0.4, decides=True), (5, 4)),  # four in logic
        ("icebreaker", dense_network([6, 9, 5], Interval(-8, 7), 8, multipliers=True, decides=True), (2, 2)),
        ("icebreaker", dense_network([196, 200, 12], decides=True), (5, 4)),  # too many weights for block RAM
        ("ulx3s", near_ties(5), (3, 2)),
        ("icebreaker", conv_network((2, 7, 7), [(5, 3, 1, 3)], [4], padding=[1], decides=True), (2, 2)),
    ),
    ids=("narrow", "multiplied", "large memory", "floating point, ecp5", "padded and pooled"),
)
def test_netlist(board, network, tile, tmp_path):
    """What Yosys makes of it, DSP blocks and memories included, clock by clock from power-up on; on ECP5 outputs."""
    mapping = Mapping([Reused(network, 0, len(network.layers), *tile)])
    made = designed(mapping, boards.find(board), 115_200)
    assert bool(mapping.images(made.device)) == (network.input.size == 196)
    sources = elaborated(made)
    for file, data in sources.files.items():
        (tmp_path / file).write_bytes(data)
    tools.run(sources.synthesis, tmp_path, "synthesis.log")
    given, check = network.input.interval, made.check
    x = np.random.default_rng(3).integers(given.low, given.high + 1, (200, *network.input.shape))
    assert isinstance(check, CycleCheck)
    assert check.judged(check.run(tmp_path / "top.json", x), Vectors(x, np.zeros(0, int), "random")).vectors == 200


def test_each_layer_on_its_own_tile():
    """Engines in a row: each takes the next sample as soon as its own has left."""
    network = dense_network([6, 9, 8, 5], decides=True)
    mapping = Mapping([Reused(network, 0, 1, 3, 2), Reused(network, 1, 1, 4, 4), Reused(network, 2, 2, 5, 1)])
    x = np.random.default_rng(3).integers(0, 8, (6, 6))
    outputs, entered, left = rtl_stream(Accelerator(mapping), x.ravel().tolist(), len(x))
    np.testing.assert_array_equal(outputs, ref_evaluate(network, x))
    assert left[0] - entered[5] == mapping.latency.most
