"""A mapping on a board: its clock, what there is too little of, and what synthesis is told."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from amaranth.build import Clock, Pins, Resource

from logicnn import load
from logicnn.board import boards
from logicnn.commands import cli
from logicnn.engines import Mapping
from logicnn.errors import LogicnnError
from logicnn.flow import tools
from logicnn.flow.design import MARGIN, NO_COLLISIONS, check_answers, designed
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


def test_answers():
    """Classes of a byte, else as many outputs as a frame holds."""
    given = Activations((3,), Interval(0, 7))
    check_answers(Network(given, [IntDense(np.ones((256, 3), int), np.zeros(256)), Argmax()]))
    with pytest.raises(LogicnnError, match=r"one of at most 256 classes, not of 257; use logicnn\.gateware\.Core$"):
        check_answers(Network(given, [IntDense(np.ones((257, 3), int), np.zeros(257)), Argmax()]))
    check_answers(Network(given, [IntDense(np.ones((3264, 3), int), np.zeros(3264))]))  # of 5 bits
    with pytest.raises(LogicnnError, match=r"^a board answers with at most 2040 bytes, not 2041; "):
        check_answers(Network(given, [IntDense(np.ones((3265, 3), int), np.zeros(3265))]))


def test_too_big(tmp_path, capsys):
    rng = np.random.default_rng(1)
    layers = [
        BinaryDense(rng.choice([-1, 1], (700, 200)), Threshold(np.full(700, 100))),
        BinaryDense(rng.choice([-1, 1], (10, 700)), Offset(np.zeros(10, int))),
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
            rng.integers(-99, 100, (20, 1, 5, 5)),
            np.zeros(20, int),
            Requantize(np.ones(20), np.full(20, 5), 0, 255),
            width=np.full(20, 22),  # which no engine with a memory computes
            padding=2,
        ),
        Flatten(),
        IntDense(rng.integers(-99, 100, (10, 15680)), np.zeros(10, int)),
        Argmax(),
    ]
    files.save(Network(Activations((1, 28, 28), Interval(0, 255)), layers, "huge"), tmp_path / "huge.lnn")
    start = time.perf_counter()
    assert run("--board", "ulx3s", "--model", str(tmp_path / "huge.lnn"), "--output", str(tmp_path / "out")) == 2
    assert time.perf_counter() - start < 2 and not (tmp_path / "out").exists()
    assert capsys.readouterr().err.startswith("error: no engine builds huge: layer 0 and those after it need about ")


def module(name: str) -> str:
    """RTLIL of a module with a memory that is read in one place and written in another."""
    return f"""
module \\{name}
  wire input 1 \\clk
  wire input 2 \\we
  wire width 4 input 3 \\a
  wire width 4 input 4 \\b
  wire width 4 output 5 \\q
  memory width 4 size 16 \\m
  cell $memrd_v2 \\read
    parameter \\MEMID "\\\\m"
    parameter \\ABITS 4
    parameter \\WIDTH 4
    parameter \\CLK_ENABLE 1'1
    parameter \\CLK_POLARITY 1'1
    parameter \\TRANSPARENCY_MASK 1'0
    parameter \\COLLISION_X_MASK 1'0
    parameter \\CE_OVER_SRST 1'0
    parameter \\ARST_VALUE 4'x
    parameter \\SRST_VALUE 4'x
    parameter \\INIT_VALUE 4'x
    connect \\CLK \\clk
    connect \\EN 1'1
    connect \\ARST 1'0
    connect \\SRST 1'0
    connect \\ADDR \\a
    connect \\DATA \\q
  end
  cell $memwr_v2 \\write
    parameter \\MEMID "\\\\m"
    parameter \\ABITS 4
    parameter \\WIDTH 4
    parameter \\CLK_ENABLE 1'1
    parameter \\CLK_POLARITY 1'1
    parameter signed \\PORTID 0
    parameter \\PRIORITY_MASK 1'0
    connect \\CLK \\clk
    connect \\EN {{ \\we \\we \\we \\we }}
    connect \\ADDR \\a
    connect \\DATA \\b
  end
end
"""


def test_collisions_of_one_engine(tmp_path):
    """Only memories inside the engine at layer 1 are told that words are not read while written, not those at 10."""
    names = ["top.c.engine1", "top.c.engine1.maps", "top.c.engine10", "top.c.engine10.maps", "top.c.join1"]
    (tmp_path / "m.il").write_text("".join(map(module, names)))
    script = f"read_rtlil m.il\n{NO_COLLISIONS.format('engine1')}\nwrite_json m.json\n"
    (tmp_path / "m.ys").write_text(script)
    tools.run(["yosys", "-q", "m.ys"], tmp_path, "m.log")
    modules = json.loads((tmp_path / "m.json").read_text())["modules"]
    reads = {name: each["cells"]["read"]["parameters"] for name, each in modules.items()}
    masks = {name: int(each["COLLISION_X_MASK"], 2) for name, each in reads.items()}
    assert masks == {name: int("engine1" in name.split(".")) for name in names}
