"""Netlists proved, and refuted where they are wrong: against all inputs of small networks."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from logicnn.board import boards
from logicnn.engines import Mapping
from logicnn.engines.folded import Folded
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.flow.design import PROBE, mapped
from logicnn.netlist.graph import GaveUp
from logicnn.netlist.netlist import Netlist
from logicnn.network import Activations, Argmax, Flatten, GroupSum, Interval, LutLayer, MaxPool2d, Network
from logicnn.verify.logic import netlist_outputs
from logicnn.verify.prove import can_prove, prove
from sim_tests.helpers import all_bits, conv_network, dense_network, int_network
from sim_tests.netlist_helpers import board_netlist

RNG = np.random.default_rng(25)
NETWORK = replace(dense_network(RNG, 9, 7, 5, 4), name="small")
EVERY = all_bits(9)


def table_network() -> Network:
    """Tables of two sizes, weighted sums."""
    first = LutLayer(RNG.integers(0, 10, (12, 4)), RNG.integers(0, 2, (12, 16)))
    second = LutLayer(RNG.integers(0, 12, (9, 3)), RNG.integers(0, 2, (9, 8)))
    sums = GroupSum([3, 4, 2], RNG.integers(1, 4, 9), [0, -2, 1])
    return Network(Activations((10,), Interval(0, 1)), [first, second, sums, Argmax()], "tables")


def pooled_network() -> Network:
    """A maximum of words, and a decision among what is left."""
    layers = [MaxPool2d(2), Flatten(), *int_network(RNG, 4, 3).layers]
    return Network(Activations((1, 4, 4), Interval(-8, 7)), layers, "pooled")


NETWORKS = {
    "binarized": NETWORK,
    "convolution": conv_network(RNG),
    "tables": table_network(),
    "integers": int_network(RNG, 4, 5, 3, signed=True),
    "multipliers that wrap": int_network(RNG, 4, 5, 3, multipliers=True, width=14),
    "pooled": pooled_network(),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_proved(name, tmp_path):
    """Every layer type, whole: the arithmetic, too."""
    network = NETWORKS[name]
    mapping = mapped(network, boards.find("icebreaker"))
    assert can_prove(mapping)
    netlist = Netlist(board_netlist(mapping, tmp_path))
    samples = RNG.integers(0, 2, (256, network.core_bits)).astype(bool)
    proof = prove(netlist, mapping, samples, PROBE)
    assert proof.whole and proof.inputs == len(network.read_inputs())
    assert f"all 2**{proof.inputs} inputs" in proof.as_text()
    if name == "integers":  # whose sums the solver is asked about
        with pytest.raises(GaveUp, match=r"^no proof in -1 s$"):
            prove(netlist, mapping, samples, PROBE, seconds=-1)
    assert proof.layers[-1].bits == network.output.size * network.output.interval.word


@pytest.fixture(scope="module", params=[(), (1,)], ids=["combinational", "registered"])
def small(request, tmp_path_factory):
    mapping = Mapping.unrolled(NETWORK, request.param)
    return mapping, board_netlist(mapping, tmp_path_factory.mktemp("small"))


def test_every_flipped_table_bit(small, tmp_path):
    """Refuted exactly where some input shows it, by such an input."""
    mapping, path = small
    text, right = path.read_text(), Netlist(path)
    cone = right.logic(right.nets(PROBE.inputs), right.next_of_registers(PROBE.output))
    drivers = {right.drivers.get(net) for net, _ in cone}
    luts = [name for name, cell in cells(json.loads(text)).items() if name in drivers and cell["type"] == "SB_LUT4"]
    expected, refuted, harmless = NETWORK.evaluate_bits(EVERY), 0, 0
    for name, place in zip(RNG.choice(luts, 40), RNG.integers(0, 16, 40), strict=True):
        design = json.loads(text)
        parameters = cells(design)[name]["parameters"]
        table = list(parameters["LUT_INIT"])
        table[place] = "10"[int(table[place])]
        parameters["LUT_INIT"] = "".join(table)
        (tmp_path / "wrong.json").write_text(json.dumps(design))
        wrong = Netlist(tmp_path / "wrong.json")
        differs = np.flatnonzero(netlist_outputs(wrong, PROBE, NETWORK, EVERY) != expected)
        if not len(differs):
            prove(wrong, mapping, EVERY[:64], PROBE)
            harmless += 1
            continue
        with pytest.raises(CheckFailed, match=r"^the netlist differs from the network: where of the 9 ") as failure:
            prove(wrong, mapping, EVERY[:64], PROBE)
        ones = json.loads(re.search(r"those at (\[.*?\])", str(failure.value))[1])
        row = np.isin(np.arange(9), ones)
        assert (EVERY[differs] == row).all(1).any()
        refuted += 1
    assert refuted > 10 and harmless > 3


def cells(design: dict) -> dict:
    return design["modules"]["top"]["cells"]


def test_engines_without_a_proof(small):
    """They are compared on vectors only, and that is said."""
    layers = int_network(RNG, 4, 5, 3)
    folded = Mapping([Folded(layers, layers.core_start, 1, 1)])
    assert not can_prove(folded)
    with pytest.raises(LogicnnError, match=r"^a proof is of logic .*, not of .* by Folded \(layers 0 to "):
        prove(Netlist(small[1]), folded, EVERY, PROBE)
