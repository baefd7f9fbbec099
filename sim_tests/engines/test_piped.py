"""Layers that registers cut anywhere: each sample's class, cycle by cycle, and as many registers as are predicted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logicnn import bits
from logicnn.engines import Mapping, MappingError
from logicnn.engines.piped import Piped, Pipeline, outputs_of
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


def test_registered_already():
    mapping = piped(tables(), 2)
    assert mapping.with_registers().engines == mapping.engines and mapping.engines[0].registered


def test_fewer_levels_more_cycles():
    cycles = [piped(tables(), levels).latency.most for levels in (1, 2, 4, 8, 50)]
    assert cycles == sorted(cycles, reverse=True) and len({*cycles}) == 5
    delays = [piped(tables(), levels).delay_ns(UP5K) for levels in (1, 2)]
    assert delays[1] - delays[0] == pytest.approx(UP5K.level_ns)


class Depth(int):
    """A reading of bits: how many LUTs are behind a register."""

    def __and__(self, other):
        return Depth(max(self, other))

    __or__ = __xor__ = __and__

    def __invert__(self):
        return self


@pytest.mark.parametrize("levels", [1, 2, 5])
@pytest.mark.parametrize("name", NETWORKS)
def test_no_deeper(name, levels):
    """Between registers lie no more LUTs than asked for; the outputs are behind registers."""
    network, seen = NETWORKS[name], []
    engine = Piped(network, network.core_start, levels=levels)
    inner = bits.Wire(lambda depth: seen.append(Depth(depth + 1)) or seen[-1], Depth(0))
    made, cycles = outputs_of(engine, Pipeline(levels, inner, lambda depth: Depth(0)), [Depth(0)] * 9)
    assert max(seen) <= levels and set(made) == {0} and cycles == engine.latency.most


def test_constants_wait_for_nothing():
    """A constant that goes through LUTs is there in every cycle, and cuts nothing off from registers."""
    pipeline = Pipeline(1, bits.bare, lambda bit: bit)
    constant = pipeline.wire(~pipeline.wire.zero)
    (bit,) = pipeline.given([1])
    for _ in range(4):
        constant, bit = pipeline.wire(~~constant), pipeline.wire(bit & constant)
    made, cycles = pipeline.together([bit, constant])
    assert constant.stage is None and cycles == 4 and [each & 1 for each in made] == [1, 1]


def test_inverted_bits_wait_once():
    held = []
    pipeline = Pipeline(1, bits.bare, lambda bit: held.append(bit) or bit)
    first, second = pipeline.given([1, 0])
    late = pipeline.wire(pipeline.wire(pipeline.wire(second & first) | first) ^ second)
    before = len(held)
    pipeline.wire(late & first)
    assert len(held) == before + 3  # of late, and of first twice more
    pipeline.wire(late | ~first)
    assert len(held) == before + 3


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
