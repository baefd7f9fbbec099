"""Every input of logic that has few: what is refuted is exactly what some input shows."""

import json
from dataclasses import replace

import numpy as np
import pytest

from logicnn.board import boards
from logicnn.engines import Mapping
from logicnn.errors import CheckFailed
from logicnn.flow.design import PROBE, mapped
from logicnn.netlist.graph import GaveUp
from logicnn.netlist.netlist import Netlist
from logicnn.verify import exhaustive
from logicnn.verify.exhaustive import can_exhaust, exhausted
from logicnn.verify.logic import netlist_outputs
from sim_tests.helpers import all_bits, dense_network, int_network
from sim_tests.netlist_helpers import board_netlist
from sim_tests.verify.test_prove import cells

RNG = np.random.default_rng(31)
NETWORK = replace(dense_network(RNG, 7, 6, 3), name="tiny")
EVERY = all_bits(7)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return board_netlist(Mapping.unrolled(NETWORK), tmp_path_factory.mktemp("tiny"))


@pytest.mark.parametrize("block", [0, 3, 16])
def test_every_input(built, tmp_path, monkeypatch, block):
    """In one piece or many; of each wrong table, an input that shows it, or that there is none."""
    monkeypatch.setattr(exhaustive, "BLOCK", block)
    mapping = Mapping.unrolled(NETWORK)
    proof = exhausted(Netlist(built), mapping)
    assert proof.whole and proof.inputs == 7 and f"{proof.gates} gates equal the network for all 2**7" in proof.summary
    with pytest.raises(GaveUp, match=r"^no proof in -1 s$"):
        exhausted(Netlist(built), mapping, seconds=-1)
    design = json.loads(built.read_text())
    right = Netlist(built)
    cone = right.logic(right.nets(PROBE.inputs), right.next_of_registers(PROBE.output))
    drivers = {right.drivers.get(net) for net, _ in cone}
    luts = [cell for name, cell in cells(design).items() if name in drivers and cell["type"] == "SB_LUT4"]
    expected, refuted = NETWORK.evaluate_bits(EVERY), 0
    for cell in luts:
        table = cell["parameters"]["LUT_INIT"]
        cell["parameters"]["LUT_INIT"] = "".join("10"[int(bit)] for bit in table)
        (tmp_path / "wrong.json").write_text(json.dumps(design))
        cell["parameters"]["LUT_INIT"] = table
        wrong = Netlist(tmp_path / "wrong.json")
        if np.array_equal(netlist_outputs(wrong, PROBE, NETWORK, EVERY), expected):
            assert exhausted(wrong, mapping).inputs == 7
            continue
        with pytest.raises(CheckFailed, match=r"^the netlist differs from the network: where of the 7 input bits"):
            exhausted(wrong, mapping)
        refuted += 1
    assert refuted > len(luts) // 2


def test_which():
    """Logic of few bits; words need not have all the values that they could have."""
    assert can_exhaust(Mapping.unrolled(NETWORK))
    assert not can_exhaust(Mapping.unrolled(dense_network(RNG, 23, 4, 3)))
    assert not can_exhaust(mapped(int_network(RNG, 4, 3), boards.find("icebreaker")))
