"""Faults in a small board, decided: what is called harmless never shows, what is refuted does."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.decided import HARMLESS, INPUT, LINE, UNREACHED, Board
from benchmarks.link import core_cells, without
from benchmarks.logic import answered
from benchmarks.planted import SETS, planted, traffic
from benchmarks.reachable import inductive
from logicnn.board import boards
from logicnn.engines import Mapping
from logicnn.flow import tools
from logicnn.flow.design import PROBE, designed
from logicnn.flow.sources import elaborated
from logicnn.netlist.graph import GaveUp, Graph
from logicnn.netlist.netlist import Module, Netlist
from logicnn.verify.logic import netlist_outputs
from sim_tests.helpers import all_bits, dense_network

NETWORK = replace(dense_network(np.random.default_rng(24), 9, 7, 5, 4), name="small")
BAUD = 1_500_000


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("decided")
    design = designed(Mapping.unrolled(NETWORK), boards.find("icebreaker"), BAUD)
    sources = elaborated(design)
    for name, data in sources.files.items():
        (folder / name).write_bytes(data)
    tools.run(sources.synthesis, folder, "synthesis.log")
    divisor = round(design.clock_hz / design.baud)
    return Board(NETWORK, Netlist(folder / "top.json"), all_bits(9)[::7], divisor, 1, folder)


def test_faults_of_the_logic(board, tmp_path):
    """Every input tells which are harmless."""
    every, found, rng = all_bits(9), {INPUT: 0, HARMLESS: 0}, np.random.default_rng(5)
    expected = NETWORK.evaluate_bits(every)
    for kind in ["table"] * 30 + ["nets"] * 10:
        _, wrong = planted(kind, board.module, board.core, rng)
        outcome, in_core, _ = board.outcome(wrong)
        board.write(wrong, tmp_path / "wrong.json")
        shown = not np.array_equal(netlist_outputs(Netlist(tmp_path / "wrong.json"), PROBE, NETWORK, every), expected)
        assert in_core and outcome == (INPUT if shown else HARMLESS)
        found[outcome] += 1
    assert min(found.values()) > 3


def test_resets(board):
    """A line that is never idle again is seen; a reset that nothing can see is not refuted."""
    cells = dict(board.module.cells)
    name = next(each for each in cells if each.startswith("classifier.link.transmitter.left_SB_DFFESR"))
    kind = SETS[cells[name]["type"]]
    ports = {"S" if port == "R" else port: nets for port, nets in cells[name]["connections"].items()}
    cells[name] = cells[name] | {"type": kind, "connections": ports}
    assert board.outcome(Module(cells, board.module.names, board.module.ports))[0] == LINE
    rng = np.random.default_rng(3)
    said, wrong = planted("reset", board.module, board.places, rng)
    changed = [each for each in wrong.cells if wrong.cells[each] is not board.module.cells[each]]
    assert [wrong.cells[each]["type"][-1] in "RS" for each in changed] == [True] and "made a SB_DFF" in said
    way = "S" if wrong.cells[changed[0]]["type"].endswith("S") else "R"
    assert way in wrong.cells[changed[0]]["connections"]


def test_a_row_that_is_never_reached(board):
    """A transmitter has 10 bits to send at most: what a table says of 12 does not matter, of 0 it does."""
    left = board.module.nets("classifier.link.transmitter.left")
    name, inputs = next(
        (name, [ports[f"I{place}"][0] for place in range(4)])
        for name, cell in board.module.cells.items()
        if cell["type"] == "SB_LUT4"
        and set(left) == {(ports := cell["connections"])[f"I{place}"][0] for place in range(4)}
    )
    for value, expected in ((12, UNREACHED), (0, LINE)):
        row = sum((value >> left.index(net) & 1) << place for place, net in enumerate(inputs))
        cells = dict(board.module.cells)
        table = int(cells[name]["parameters"]["LUT_INIT"], 2) ^ 1 << row
        cells[name] = cells[name] | {"parameters": cells[name]["parameters"] | {"LUT_INIT": f"{table:016b}"}}
        assert board.outcome(Module(cells, board.module.names, board.module.ports))[0] == expected


def test_core(board):
    """What is taken out is logic, and nothing else reads it."""
    core = core_cells(board.module)
    left = without(board.module, core)
    read = {
        net
        for cell in left.cells.values()
        for port, nets in cell["connections"].items()
        if cell["port_directions"][port] == "input" and "DFF" not in cell["type"]
        for net in nets
    }
    made = {cell["connections"]["O"][0] for name in core if (cell := board.module.cells[name])["type"] == "SB_LUT4"}
    assert core and not read & made


def test_inductive():
    """Of a counter from 0 to 2: that it is never 3 is true after every state in which it is; that its low bit is 0 is
    not.
    """
    graph = Graph()
    low, high = graph.input(), graph.input()
    now = [graph.both(low, high) ^ 1, low ^ 1]
    after_low, after_high = graph.both(low ^ 1, high ^ 1), low
    then = [graph.both(after_low, after_high) ^ 1, after_low ^ 1]
    assert inductive(graph, now, then, []) == [0]
    assert inductive(graph, now, then, [high]) == [0, 1]


def test_answered():
    pigeons = range(5)
    clauses = [[4 * pigeon + hole + 1 for hole in range(4)] for pigeon in pigeons]
    clauses += [
        [-4 * a - hole - 1, -4 * b - hole - 1] for a, b in itertools.combinations(pigeons, 2) for hole in range(4)
    ]
    assert answered(clauses, 60) is None
    found = answered(clauses[1:], 60)
    assert found is not None and all(found & set(clause) for clause in clauses[1:])
    with pytest.raises(GaveUp, match=r"^no answer in 0 s$"):
        answered(clauses, 0)


def test_traffic():
    """Bytes of samples are sent as they are; the line is idle in between."""
    line = traffic(np.full((1, 20), 0x55, np.uint8), 4, 3, 20_000, 1)
    assert line.shape == (20_000, 3) and set(np.unique(line)) == {0, 1} and 0.4 < line.mean() < 0.95
