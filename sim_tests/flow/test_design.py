"""A mapping on a board: its clock, what there is too little of, and what synthesis is told."""

import time
from dataclasses import replace

import numpy as np
import pytest
from amaranth.build import Clock, Pins, Resource

from logicnn import load
from logicnn.board import boards
from logicnn.commands import cli
from logicnn.engines import Mapping
from logicnn.flow.design import MARGIN, designed
from logicnn.network import (
    Activations,
    Argmax,
    BinaryDense,
    Flatten,
    IntConv2d,
    IntDense,
    Interval,
    Network,
    Offset,
    Requantize,
    Threshold,
    files,
)


def run(*arguments: str) -> int:
    return cli.main(["build", *arguments])


@pytest.mark.parametrize("frequency", [1e6, 12e6, 25e6, 100e6])
def test_divider_leaves_the_margin(frequency):
    mapping, board = Mapping.unrolled(load("mnist-bnn")), boards.find("icebreaker")

    def platform():
        made = board.platform()
        made.add_resources([Resource("other", 0, Pins("1", dir="i"), Clock(frequency))])
        made.default_clk = "other"
        return made

    design = designed(mapping, replace(board, platform=platform), 1200)
    divider = design.divider
    assert divider == 1 or divider % 2 == 0
    assert design.clock_hz == frequency / divider
    needed = MARGIN * mapping.delay_ns(board.device)
    assert divider * 1e9 / frequency >= needed and (divider <= 2 or (divider - 2) * 1e9 / frequency < needed)


def test_too_big(tmp_path, capsys):
    rng = np.random.default_rng(1)
    layers = [
        BinaryDense(rng.choice([-1, 1], (80, 200)), Threshold(np.full(80, 100))),
        BinaryDense(rng.choice([-1, 1], (10, 80)), Offset(np.zeros(10, int))),
        Argmax(),
    ]
    files.save(Network(Activations((200,), Interval(0, 1)), layers, "big"), tmp_path / "big.lnn")
    start = time.perf_counter()
    assert run("--board", "icebreaker", "--model", str(tmp_path / "big.lnn"), "--output", str(tmp_path / "out")) == 2
    assert time.perf_counter() - start < 2 and not (tmp_path / "out").exists()
    (error,) = capsys.readouterr().err.splitlines()
    assert (
        error.startswith("error: big needs about ") and " more than the 5280 of the iCE40UP5K on icebreaker; " in error
    )


def test_far_too_big(tmp_path, capsys):
    """Convolutions of integers that would unroll to more than any sharing brings back: refused at once."""
    rng = np.random.default_rng(1)
    layers = [
        IntConv2d(
            rng.integers(-99, 100, (20, 1, 5, 5)), np.zeros(20, int), Requantize(np.ones(20), np.full(20, 5), 0, 255)
        ),
        Flatten(),
        IntDense(rng.integers(-99, 100, (10, 11520)), np.zeros(10, int)),
        Argmax(),
    ]
    files.save(Network(Activations((1, 28, 28), Interval(0, 255)), layers, "huge"), tmp_path / "huge.lnn")
    start = time.perf_counter()
    assert run("--board", "ulx3s", "--model", str(tmp_path / "huge.lnn"), "--output", str(tmp_path / "out")) == 2
    assert time.perf_counter() - start < 2 and not (tmp_path / "out").exists()
    assert capsys.readouterr().err.startswith("error: no engine builds huge: layer 0 and those after it need about ")
