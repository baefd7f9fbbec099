"""Layers that registers cut anywhere: each sample's class, cycle by cycle, and as many registers as are predicted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logicnn import bits
from logicnn.engines import Mapping, MappingError
from logicnn.engines.piped import Piped, Pipeline
from logicnn.netlist.netlist import Netlist
from logicnn.network import BIT, Activations, Argmax, GroupSum, LutLayer, Network, Thermometer, simplify
from logicnn.resources import DEVICES
from sim_tests.helpers import dense_network, int_network, rtl_pipeline, synthesised_outputs

UP5K = DEVICES["iCE40UP5K"]


def tables(seed: int = 1) -> Network:
    rng = np.random.default_rng(seed)
    layers = [
        Thermometer([1]),
        *(
            LutLayer(rng.integers(a, size=(b, k)), rng.integers(2, size=(b, 1 << k)))
            for a, b, k in ((9, 20, 4), (20, 16, 4))
        ),
        GroupSum([5, 7, 4], rng.integers(1, 4, 16), [0, 1, -2]),
        Argmax(),
    ]
    return simplify(Network(Activations((9,), BIT), layers, "tables", labels=("a", "b", "c")))


def piped(network: Network, levels: int) -> Mapping:
    return Mapping([Piped(network, network.core_start, levels=levels)])


NETWORKS = {
    "tables": tables(),
    "neurons": dense_network(np.random.default_rng(3), 9, 8, 5, 4),
    "scores": dense_network(np.random.default_rng(4), 9, 6, 5, argmax=False),
}


@pytest.mark.parametrize("levels", [1, 2, 3, 50])
@pytest.mark.parametrize("name", NETWORKS)
def test_every_input(name, levels, tmp_path):
    """In the simulator a sample a cycle; as a netlist, which has the registers that are predicted, but for those that
    synthesis finds twice.
    """
    network = NETWORKS[name]
    x = np.arange(512)[:, None] >> np.arange(9) & 1
    mapping, expected = piped(network, levels), network.evaluate(x)
    assert np.array_equal(rtl_pipeline(mapping, network.encode(x)), expected)
    if name == "scores":  # on whose registered words Yosys 0.70 ends without a word, those of Unrolled as well
        return
    assert np.array_equal(synthesised_outputs(mapping, UP5K, network.encode(x), tmp_path), expected)
    netlist = Netlist(tmp_path / "top.json")
    registers = sum(count for cell, count in netlist.cells.items() if cell.startswith("SB_DFF"))
    assert 0.9 * mapping.cost(UP5K).ff <= registers <= mapping.cost(UP5K).ff
    assert (mapping.latency.most == 1) == (levels == 50)


def test_fewer_levels_more_cycles():
    cycles = [piped(tables(), levels).latency.most for levels in (1, 2, 4, 8, 50)]
    assert cycles == sorted(cycles, reverse=True) and len({*cycles}) == 5
    delays = [piped(tables(), levels).delay_ns(UP5K) for levels in (1, 2)]
    assert delays[1] - delays[0] == pytest.approx(UP5K.level_ns)


@settings(deadline=None)
@given(st.integers(1, 5), st.lists(st.integers(0, 6), min_size=1, max_size=9))
def test_bits_meet(levels, late):
    """Bits of any cycles meet in one in which all are there; what a bit waits in once it never waits in again."""
    held = []
    pipeline = Pipeline(levels, bits.bare, lambda bit: held.append(bit) or bit)
    given = [each.at(stage) for each, stage in zip(pipeline.given([1] * len(late)), late, strict=True)]
    assert len(held) == sum(late)
    made, cycles = pipeline.together(bits.popcount(pipeline.wire, given, 0, 4))
    assert sum((bit & 1) << place for place, bit in enumerate(made)) == len(late)
    before = len(held)
    assert all(each.at(stage).stage == stage for each, stage in zip(given, late, strict=True))
    assert len(held) == before and cycles >= max(late)


def test_refuses():
    network = tables()
    with pytest.raises(MappingError, match=r"^levels must be 1 at least, not 0$"):
        Piped(network, 1, levels=0)
    with pytest.raises(MappingError, match=r"^register must be left out: the outputs of Piped are out of registers$"):
        Piped(network, 1, levels=2, register=True)
    with pytest.raises(MappingError, match=r"^layer 0, of type IntDense, cannot be cut by registers$"):
        Piped(int_network(np.random.default_rng(1), 4, 3, 2), 0, levels=2)
