"""Inputs made for single neurons: rows that samples leave out, and netlists whose faults only they show."""

import json

import numpy as np
import pytest

from logicnn import bits
from logicnn.engines import Mapping
from logicnn.errors import CheckFailed
from logicnn.flow.design import PROBE
from logicnn.netlist.netlist import Netlist
from logicnn.network import Activations, Argmax, GroupSum, Interval, LutLayer, Network
from logicnn.verify.directed import Directed
from logicnn.verify.logic import LogicCheck, netlist_outputs
from logicnn.verify.vectors import Vectors
from sim_tests.helpers import dense_network, int_network
from sim_tests.netlist_helpers import board_netlist

RNG = np.random.default_rng(41)
NETWORK = dense_network(np.random.default_rng(24), 24, 12, 8, 4)


def narrow_network() -> Network:
    """Tables of tables, whose inputs do not overlap."""
    rng = np.random.default_rng(4)
    first = LutLayer(rng.permutation(64).reshape(16, 4), rng.integers(0, 2, (16, 16)))
    second = LutLayer(rng.permutation(16).reshape(4, 4), rng.integers(0, 2, (4, 16)))
    return Network(
        Activations((64,), Interval(0, 1)), [first, second, GroupSum([2, 2], np.ones(4, int), [0, 0]), Argmax()]
    )


def test_every_row_of_tables_of_tables():
    """Of 64 inputs that are all 0 else."""
    network = narrow_network()
    made = Directed(network).exercising(np.zeros((1, 64), bool), 1000)
    given = next(iter(network.values(made)))
    for inputs in network.layers[1].connections:
        rows = given[:, inputs] @ (1 << np.arange(4))
        assert set(rows.tolist()) == set(range(16))


def test_nothing_about_words():
    """Networks of integers have no rows that are few."""
    network = int_network(RNG, 4, 5, 3)
    samples = RNG.integers(0, 2, (8, network.core_bits)).astype(bool)
    assert Directed(network).exercising(samples, 100).shape == (0, network.core_bits)


@pytest.fixture(scope="module")
def netlist(tmp_path_factory):
    return board_netlist(Mapping.unrolled(NETWORK), tmp_path_factory.mktemp("directed"))


def test_suspects(netlist):
    """A net that differs from a bit on one sample is named with that sample; inputs about it are like it where that bit
    depends on them.
    """
    directed, samples = Directed(NETWORK), RNG.integers(0, 2, (512, 24)).astype(bool)
    read = list(NETWORK.read_inputs())
    given = dict(zip(Netlist(netlist).nets(PROBE.inputs), bits.pack(samples[:, read]), strict=True))
    values = Netlist(netlist).cone(given, Netlist(netlist).next_of_registers(PROBE.output))
    before, there, total = directed.suspects(values, samples)
    first = bits.pack(next(iter(NETWORK.values(samples))).astype(bool))
    net, place = next(
        (net, place)
        for net, row in values.items()
        for place, bit in enumerate(first)
        if np.array_equal(row, bit) and sum(np.array_equal(row, each) for each in values.values()) == 1
    )
    values[net] = values[net] ^ np.array([1 << 5, *[0] * (len(values[net]) - 1)], np.uint64)
    after, fewer, _ = directed.suspects(values, samples)
    (found,) = [each for each in after if (each.layer, each.place) == (NETWORK.core_start, place)]
    assert fewer == there - 1 and total == 12 + 8 + 4 * NETWORK.activations[-2].interval.word + 2
    assert found.net == net and found.samples.tolist() == [5] and len(after) == len(before) + 1
    about = directed.about([found], samples, 64)
    neuron = list(NETWORK.layers[NETWORK.core_start].neurons(NETWORK.core_input))[place]
    assert (about[:, list(neuron.inputs)] == samples[5, list(neuron.inputs)]).all()


def test_a_row_that_no_sample_has(tmp_path):
    """Wrong entries for rows of which no vector is are seen, since inputs are made for them."""
    network = narrow_network()
    path = board_netlist(Mapping.unrolled(network), tmp_path)
    text, check = path.read_text(), LogicCheck(network)
    vectors = Vectors(np.zeros((256, 64), int), np.zeros(0, int), "zeros")
    assert check.verified(Netlist(path), vectors).directed > 0
    samples = RNG.integers(0, 2, (4096, 64)).astype(bool)
    expected, zeros = network.evaluate_bits(samples), network.encode(vectors.x[:1])
    design = json.loads(text)["modules"]["top"]
    drivers = Netlist(path).drivers
    cone = Netlist(path).logic(Netlist(path).nets(PROBE.inputs), Netlist(path).next_of_registers(PROBE.output))
    luts = sorted(
        {name for net, _ in cone if (name := drivers.get(net)) and design["cells"][name]["type"] == "SB_LUT4"}
    )
    harmful = found = shown = 0
    for name in luts:
        wrong = json.loads(text)
        parameters = wrong["modules"]["top"]["cells"][name]["parameters"]
        table = list(parameters["LUT_INIT"])
        place = int(RNG.integers(16))
        table[place] = "10"[int(table[place])]
        parameters["LUT_INIT"] = "".join(table)
        (tmp_path / "wrong.json").write_text(json.dumps(wrong))
        read = Netlist(tmp_path / "wrong.json")
        differs = not np.array_equal(netlist_outputs(read, PROBE, network, samples), expected)
        harmful += differs
        shown += not np.array_equal(netlist_outputs(read, PROBE, network, zeros), network.evaluate_bits(zeros))
        try:
            check.verified(read, vectors)
        except CheckFailed as failure:
            assert differs and "the netlist differs from the network" in str(failure)
            found += 1
    assert harmful > 10 and shown < 3 and found > 2 * shown + 5, (shown, found, harmful)
