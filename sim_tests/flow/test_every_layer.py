"""Every layer type, alone and in mixtures, by every way out: a design on each board, both forms of Verilog."""

import numpy as np
import pytest

from logicnn.board import boards
from logicnn.flow import tools
from logicnn.flow.design import designed, mapped
from logicnn.flow.sources import elaborated
from logicnn.flow.verilog import exported, mapping_of
from logicnn.netlist.simulate import Simulation
from logicnn.network import (
    Activations,
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Flatten,
    IntConv2d,
    IntDense,
    Interval,
    MaxPool2d,
    Network,
    Offset,
    Requantize,
    Slicer,
    Thermometer,
    Threshold,
)
from logicnn.verify.logic import decode
from logicnn.verify.vectors import random_vectors
from sim_tests.helpers import logic_only, rtl_evaluate

NIBBLES = Interval(-8, 7)
RNG = np.random.default_rng(12)


def signs(*shape: int) -> np.ndarray:
    return RNG.choice([-1, 1], shape)


def numbers(*shape: int) -> np.ndarray:
    return RNG.integers(-7, 8, shape)


def network(shape: tuple[int, ...], interval: Interval, *layers) -> Network:
    return Network(Activations(shape, interval), layers, "every")


RELU = Requantize(np.ones(2), np.full(2, 2), 0, 7)
pytestmark = pytest.mark.usefixtures("short_search")
NETWORKS = {
    "a few integers": network((3,), NIBBLES, IntDense([[1, -2, 3], [0, 1, 1]], [0, 4]), Argmax()),
    "one score": network((3,), NIBBLES, IntDense([[3, -2, 1]], [2]), Slicer([-4, 5])),
    "scores alone": network((3,), NIBBLES, IntDense(numbers(2, 3), [0, 4])),
    "wrapped sums": network((3,), NIBBLES, IntDense(numbers(2, 3), [0, 4], None, np.array([5, 6])), Argmax()),
    "integer convolution": network(
        (1, 3, 3), NIBBLES, IntConv2d(numbers(2, 1, 2, 2), [3, -3], RELU), MaxPool2d(2), Flatten(), Argmax()
    ),
    "inputs alone": network((4,), NIBBLES, Argmax()),
    "bits": network((6,), Interval(0, 1), BinaryDense(signs(3, 6), Offset([0, 1, 0])), Argmax()),
    "binarized convolution": network(
        (1, 4, 4),
        Interval(0, 3),
        Thermometer([1, 3]),
        BinaryConv2d(signs(2, 2, 2, 2), Threshold([3, 4])),
        MaxPool2d(3),
        Flatten(),
        BinaryDense(signs(3, 2), Offset([0, 0, 1])),
        Argmax(),
    ),
    "integers on bits": network((5,), Interval(0, 1), IntDense(numbers(3, 5), [0, 1, 2]), Argmax()),
    "bits of integers": network(
        (4,),
        NIBBLES,
        IntDense(numbers(6, 4), numbers(6), Requantize(np.ones(6), np.full(6, 3), 0, 1)),
        BinaryDense(signs(4, 6), Threshold([3, 2, 3, 4])),
        IntDense(numbers(3, 4), [0, 1, 2]),
        Argmax(),
    ),
}


@pytest.mark.parametrize("board", boards.names())
@pytest.mark.parametrize("name", [name for name, each in NETWORKS.items() if each.decides])
def test_design(name, board):
    """All that a build reads is there, and the clock leaves the logic its time."""
    board = boards.find(board)
    design = designed(mapped(NETWORKS[name], board), board, 115_200)
    assert design.mapping.is_whole and "top.il" in elaborated(design).files
    assert design.period_ns >= design.mapping.delay_ns(board.device)


@pytest.mark.parametrize("name", NETWORKS)
def test_combinational(name):
    whole = NETWORKS[name]
    x = random_vectors(whole, 64)
    actual = rtl_evaluate(whole, whole.encode(x), mapping_of(whole, False, 10.0))
    assert np.array_equal(actual, whole.evaluate(x))


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A folder of netlists of the texts of all networks as streams, by one run of Yosys."""
    folder = tmp_path_factory.mktemp("texts")
    script = []
    for place, each in enumerate(NETWORKS.values()):
        text = exported(mapping_of(each, True, 10.0), f"core{place}", folder, stream=True)
        text.write(folder / f"core{place}.v", force=False)
        script.append(
            f"design -reset\nread_verilog core{place}.v\n{logic_only(f'synth_ice40 -top core{place}')}\n"
            f"write_json {place}.json"
        )
    (folder / "all.ys").write_text("\n".join(script) + "\n")
    tools.run(["yosys", "-q", "all.ys"], folder, "all.log")
    return folder


@pytest.mark.parametrize("name", NETWORKS)
def test_stream(texts, name):
    """A sample a cycle, and each answer as many cycles later as the header says, registered."""
    whole, place = NETWORKS[name], list(NETWORKS).index(name)
    latency = mapping_of(whole, True, 10.0).latency.most
    assert latency >= 1
    simulation, x = Simulation(texts / f"{place}.json"), random_vectors(whole, 64)
    simulation.set("i__payload", whole.encode(x))
    simulation.set("i__valid", 1)
    simulation.set("o__ready", 1)
    simulation.step(1)
    simulation.set("i__valid", 0)
    assert (simulation.run_until("o__valid", 100) == latency - 1).all()
    assert np.array_equal(decode(whole, simulation.bits("o__payload")), whole.evaluate(x))
