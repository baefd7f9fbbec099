"""Classes that are counted in turn, proved through all cycles; wrong netlists are refuted by samples."""

import json
import re

import numpy as np
import pytest

from logicnn.board import boards
from logicnn.engines import Mapping
from logicnn.engines.counted import Counted
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.flow.design import PROBE, designed
from logicnn.netlist.netlist import Netlist
from logicnn.network import Activations, Argmax, GroupSum, Interval, LutLayer, Network
from logicnn.verify.prove import can_prove, prove
from logicnn.verify.vectors import Vectors
from sim_tests.helpers import all_bits
from sim_tests.netlist_helpers import board_netlist

INPUTS = 7
EVERY = all_bits(INPUTS)


def counted(sizes: list[int]) -> Mapping:
    """Tables, and so many of each class, some of which have a start."""
    rng = np.random.default_rng(10 + len(sizes))
    tables = LutLayer(rng.integers(0, INPUTS, (sum(sizes), 4)), rng.integers(0, 2, (sum(sizes), 16)))
    sums = GroupSum(sizes, rng.integers(1, 4, sum(sizes)), rng.integers(-2, 3, len(sizes)))
    return Counted.row(Network(Activations((INPUTS,), Interval(0, 1)), [tables, sums, Argmax()], "counted"))


@pytest.fixture(scope="module", params=[[3, 2], [3, 4, 2, 3, 3]], ids=["2 classes", "5 classes"])
def small(request, tmp_path_factory):
    """Two classes: samples come faster than answers."""
    mapping = counted(request.param)
    return mapping, board_netlist(mapping, tmp_path_factory.mktemp("counted"))


def test_proved(small):
    mapping, path = small
    assert can_prove(mapping)
    proof = prove(Netlist(path), mapping, EVERY[:64], PROBE)
    assert proof.whole and proof.cycles == mapping.latency.most
    assert "at once or later" in proof.as_text() and "of two scores in turn, row by row" in proof.as_text()
    names, scores = [layer.name for layer in proof.layers], proof.layers[1]
    assert names == ["LutLayer", "GroupSum", "Argmax"] and scores.nets == scores.bits


def test_flipped_and_inverted_tables(small, tmp_path):
    """What the simulation shows is refuted, by a sample for which it does so; what is proved it never shows."""
    mapping, path = small
    check = designed(mapping, boards.find("icebreaker"), 115_200).check
    text, rng = path.read_text(), np.random.default_rng(2)
    engine = [name for name in cells(json.loads(text)) if name.startswith("classifier.accelerator.") and "LUT4" in name]
    engine = [name for name in engine if cells(json.loads(text))[name]["type"] == "SB_LUT4"]
    x = EVERY.astype(int)
    expected, found = mapping.network.evaluate(x), {"refuted": 0, "proved": 0}
    for name, places in zip(rng.choice(engine, 12), [[5], range(16)] * 6, strict=True):
        design = json.loads(text)
        parameters = cells(design)[name]["parameters"]
        table = list(parameters["LUT_INIT"])
        for place in places:
            table[place] = "10"[int(table[place])]
        parameters["LUT_INIT"] = "".join(table)
        (tmp_path / "wrong.json").write_text(json.dumps(design))
        try:
            prove(Netlist(tmp_path / "wrong.json"), mapping, EVERY[:64], PROBE)
        except CheckFailed as failure:
            ones = json.loads(re.search(r"those at (\[.*?\])", str(failure))[1])
            sample = np.isin(np.arange(INPUTS), ones)[None].astype(int)
            assert shows(check, tmp_path / "wrong.json", sample, mapping.network.evaluate(sample))
            found["refuted"] += 1
        except LogicnnError as failure:
            assert str(failure).startswith("not proved for samples that follow others")
        else:
            assert not shows(check, tmp_path / "wrong.json", x, expected)
            found["proved"] += 1
    assert found["refuted"] >= 2, found


def shows(check, path, x, expected) -> bool:
    """Whether the simulation of a netlist gives something else, or nothing."""
    try:
        return not np.array_equal(check.run(path, x).answers, expected)
    except CheckFailed:
        return True


def test_a_sum_that_is_cut(small, tmp_path):
    """Sums that are always 0 are told by a sample."""
    mapping, path = small
    design = json.loads(path.read_text())
    name = next(each for each in design["modules"]["top"]["netnames"] if each.endswith(".counted"))
    nets = design["modules"]["top"]["netnames"][name]["bits"]
    for cell in cells(design).values():
        if cell["connections"].get("Q", [None])[0] in nets:
            cell["connections"]["D"] = ["0"]
    (tmp_path / "wrong.json").write_text(json.dumps(design))
    with pytest.raises(CheckFailed, match=rf"^the netlist differs .* of the {INPUTS} input bits .* cycles but gives"):
        prove(Netlist(tmp_path / "wrong.json"), mapping, EVERY[:64], PROBE)
    check = designed(mapping, boards.find("icebreaker"), 115_200).check
    with pytest.raises(CheckFailed):
        check.verified(Netlist(tmp_path / "wrong.json"), Vectors(EVERY.astype(int), np.zeros(0, int), "every input"))


def cells(design: dict) -> dict:
    return design["modules"]["top"]["cells"]
