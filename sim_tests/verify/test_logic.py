"""Logic between two registers of a netlist, against the network: what is wrong is found, whatever it is."""

import json
from dataclasses import replace

import numpy as np
import pytest

from logicnn.engines import Mapping
from logicnn.errors import CheckFailed
from logicnn.flow.design import PROBE
from logicnn.netlist.netlist import Netlist
from logicnn.network import Activations, BinaryDense, Interval, Network, Offset
from logicnn.verify.logic import LogicCheck, decode
from logicnn.verify.vectors import Vectors
from sim_tests.helpers import all_bits, dense_network
from sim_tests.netlist_helpers import board_netlist

NETWORK = replace(dense_network(np.random.default_rng(24), 9, 7, 5, 4), name="small")
EVERY = Vectors(all_bits(9).astype(int), np.zeros(0, int), "every input")


@pytest.fixture(scope="module", params=[(), (1,)], ids=["combinational", "registered"])
def netlist(request, tmp_path_factory):
    """A board design of a small network, as Yosys makes it: the file."""
    return board_netlist(Mapping.unrolled(NETWORK, request.param), tmp_path_factory.mktemp("design"))


def test_every_input(netlist):
    """Registers between the two are wires here."""
    assert LogicCheck(NETWORK).verified(Netlist(netlist), EVERY).vectors == 512


def luts_before(design: dict, name: str) -> list[dict]:
    """LUTs on a way into the data inputs of a register."""
    module = design["modules"]["top"]
    bits = module["netnames"][name]["bits"]
    registers = [cell["connections"] for cell in module["cells"].values() if cell["type"].startswith("SB_DFF")]
    todo = [each["D"][0] for each in registers if each["Q"][0] in bits]
    cells = [cell for cell in module["cells"].values() if cell["type"] in ("SB_LUT4", "SB_CARRY")]
    driver = {cell["connections"]["O" if cell["type"] == "SB_LUT4" else "CO"][0]: cell for cell in cells}
    found: dict[int, dict] = {}
    while todo:
        cell = driver.get(todo.pop())
        if cell is not None and id(cell) not in found:
            found[id(cell)] = cell
            todo += [net for port, nets in cell["connections"].items() if port not in ("O", "CO") for net in nets]
    return [cell for cell in found.values() if cell["type"] == "SB_LUT4"]


def test_changed_luts_are_found(netlist, tmp_path):
    """Each LUT before the result, inverted in turn."""
    text = netlist.read_text()
    count = len(luts_before(json.loads(text), PROBE.output))
    assert count > 3
    for index in range(count):
        design = json.loads(text)
        table = luts_before(design, PROBE.output)[index]["parameters"]
        table["LUT_INIT"] = "".join("10"[int(bit)] for bit in table["LUT_INIT"])
        (tmp_path / "changed.json").write_text(json.dumps(design))
        with pytest.raises(CheckFailed, match=r"^the netlist differs from the network on \d+ of 512 vectors: vector "):
            LogicCheck(NETWORK).verified(Netlist(tmp_path / "changed.json"), EVERY)


def test_scores_are_signed():
    network = Network(
        Activations((2,), Interval(0, 1)), [BinaryDense(np.array([[1, 1], [-1, 1]]), Offset(np.array([-2, -3])))]
    )
    word = network.output.interval.word
    values = network.evaluate(all_bits(2).astype(int))
    bits = (values[:, :, None] >> np.arange(word) & 1).reshape(4, -1).astype(bool)
    assert values.min() < 0 and np.array_equal(decode(network, bits), values)
