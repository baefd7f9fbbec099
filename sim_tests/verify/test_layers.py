"""Which layer logic belongs to: by cones of fan-in that are followed here, not by levels."""

from dataclasses import replace

import numpy as np
import pytest

from logicnn import bits
from logicnn.board import boards
from logicnn.engines import Mapping
from logicnn.flow.design import mapped
from logicnn.netlist.netlist import Netlist
from logicnn.network import Activations, Flatten, Interval, Network, load
from logicnn.verify.cycles import CycleCheck
from logicnn.verify.layers import layer_names
from logicnn.verify.logic import LogicCheck, Probe
from logicnn.verify.vectors import Vectors, vectors_for
from sim_tests.helpers import all_bits, dense_network
from sim_tests.netlist_helpers import board_netlist

NETWORK = replace(dense_network(np.random.default_rng(24), 9, 7, 5, 4), name="small")
X = all_bits(9).astype(int)


@pytest.fixture(scope="module", params=[(), (1,)], ids=["combinational", "registered"])
def netlist(request, tmp_path_factory):
    return Netlist(board_netlist(Mapping.unrolled(NETWORK, request.param), tmp_path_factory.mktemp("design")))


def cone(netlist, net):
    found, todo = set(), [net]
    while todo:
        net = todo.pop()
        if net not in found:
            found.add(net)
            todo += netlist.reads(net)
    return found


def test_names():
    assert layer_names(NETWORK) == {0: "BinaryDense 1", 1: "BinaryDense 2", 2: "BinaryDense 3", 3: "Argmax"}


def test_layers_are_cones(netlist):
    """A net belongs to the first layer of which it is, or helps to make, a bit; to the last one where there is none."""
    parts = LogicCheck(NETWORK).layers(netlist, Vectors(X, np.zeros(0, int), "every input"))
    names = layer_names(NETWORK)
    encoded = NETWORK.encode(X)
    given = dict(zip(netlist.nets(Probe().inputs), bits.pack(encoded[:, list(NETWORK.read_inputs())]), strict=True))
    values = netlist.cone(given, netlist.next_of_registers(Probe().output))
    expected = dict.fromkeys(values, max(names))
    found = set()
    for layer in reversed(range(len(names))):
        (outputs,) = list(NETWORK.values(encoded))[layer : layer + 1]
        words = bits.from_words(outputs, NETWORK.activations[layer + 1].interval.word).T
        for net, packed in values.items():
            row = bits.unpack(packed[None], len(X))[:, 0]
            if (
                len(row) // 32 <= row.sum() <= len(row) - len(row) // 32
                and ((words == row).all(1) | (words != row).all(1)).any()
            ):
                found.add(layer)
                expected |= dict.fromkeys(cone(netlist, net) & set(values), layer)
    assert parts == {net: names[layer] for net, layer in expected.items()}
    assert found >= {0, 1}


def test_few_labelled_samples_are_enough(netlist):
    """Random inputs stand beside them."""
    check, every = LogicCheck(NETWORK), Vectors(X, np.zeros(0, int), "every input")
    three = Vectors(np.concatenate([X[:3], np.random.default_rng(1).permutation(X)]), np.zeros(3, int), "three")
    assert check.layers(netlist, three) == check.layers(netlist, every)


def test_layers_without_logic(tmp_path):
    """A network that only turns its input around has none, and its netlist nothing of a layer."""
    network = Network(Activations((1, 3, 3), Interval(0, 1)), (Flatten(),), name="flat")
    made = Netlist(board_netlist(Mapping.unrolled(network), tmp_path))
    assert layer_names(network) == {}
    assert LogicCheck(network).layers(made, vectors_for(network, "quick")) == {}


def test_layers_that_share_logic_are_not_told():
    """Of an engine that computes several by the same logic nothing is claimed, and nothing is simulated for it."""
    mapping = mapped(load("mnist-bcnn"), boards.find("icebreaker"))
    assert not any(engine.has_own_logic for engine in mapping.engines)
    check = CycleCheck(mapping, None, 0, 40.0, False)
    assert check.layers(None, vectors_for(load("mnist-bcnn"), "quick")) == {}
