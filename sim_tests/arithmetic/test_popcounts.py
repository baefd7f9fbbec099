"""Shared popcounts against the layer that they come from: every input of small layers, and as synthesised netlists."""

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.ulx3s import ULX3S_85F_Platform
from hypothesis import given, settings
from hypothesis import strategies as st

from logicnn.arithmetic.popcounts import PopcountError, PopcountLayer, share_popcounts
from logicnn.bits import pack, unpack
from logicnn.flow import tools
from logicnn.gateware import SharedThresholds
from logicnn.netlist.netlist import Netlist
from logicnn.network import BIT, Activations, BinaryDense, Neuron, Threshold
from sim_tests.helpers import all_bits, logic_only, random_ternary, rtl_words


def ref_fires(layer: BinaryDense, x: np.ndarray) -> np.ndarray:
    agreeing = (np.where(x, 1, -1) @ layer.weights.astype(int).T + np.abs(layer.weights.astype(int)).sum(1)) // 2
    return agreeing >= layer.activation.level


def shared(layer: BinaryDense, **options) -> PopcountLayer:
    inputs = layer.weights.shape[1]
    return share_popcounts(list(layer.neurons(Activations((inputs,), BIT))), inputs, **options)


def random_layer(seed: int, neurons: int, inputs: int, density: float) -> BinaryDense:
    rng = np.random.default_rng(seed)
    weights = random_ternary(rng, neurons, inputs, density=density)
    middle = np.count_nonzero(weights, axis=1) // 2
    return BinaryDense(weights, Threshold(middle + rng.integers(-2, 3, neurons)))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    neurons=st.integers(1, 7),
    inputs=st.integers(1, 10),
    density=st.sampled_from([0.3, 0.7, 1.0]),
)
def test_every_input(seed, neurons, inputs, density):
    layer = random_layer(seed, neurons, inputs, density)
    result = shared(layer, tries=4)
    assert np.array_equal(result.matrix, layer.weights)
    assert np.array_equal(result.evaluate(all_bits(inputs)), ref_fires(layer, all_bits(inputs)))


@pytest.mark.parametrize("thresholds", [[-1, 0, 1, 6, 7, 8], [3, 3, 3, 3, 3, 3]])
def test_degenerate_thresholds(thresholds):
    weights = np.array([[1, 1, -1, 1, 0, 0, 0], [0] * 7, [0] * 7, [1] * 7, [1] * 7, [-1] * 7])
    layer = BinaryDense(weights, Threshold(np.array(thresholds)))
    component = SharedThresholds(shared(layer, tries=3))
    expected = ref_fires(layer, all_bits(7)) @ (1 << np.arange(6))
    assert rtl_words(component, all_bits(7)) == expected.tolist()


def test_the_reuse_identity_halves_two_neurons():
    """P_b = P_a + |D| - 2 P_(a, D): two neurons that differ in half of their inputs cost little more than one."""
    weights = np.ones((2, 64), int)
    weights[1, 32:] = -1
    one, two = (
        shared(BinaryDense(rows, Threshold(np.full(len(rows), 32))), tries=6) for rows in (weights[:1], weights)
    )
    assert two.lut4 <= 1.3 * one.lut4


def test_sharing_beats_separate_neurons():
    dense = random_layer(1, 16, 64, 1.0)
    together = shared(dense, tries=8).lut4
    apart = sum(
        shared(BinaryDense(row[None], Threshold(dense.activation.level[:1])), tries=1).lut4 for row in dense.weights
    )
    assert together < 0.65 * apart


@pytest.mark.parametrize(
    "platform, command",
    [(ICEBreakerPlatform, "synth_ice40"), (ULX3S_85F_Platform, "synth_ecp5"), (None, "synth_ice40")],
)
def test_netlist(platform, command, tmp_path):
    layer = random_layer(3, 8, 40, 0.8)
    result = shared(layer, tries=6)
    component = SharedThresholds(result)
    text = rtlil.convert(component, ports=[component.i, component.o], platform=platform() if platform else None)
    (tmp_path / "top.il").write_text(text)
    (tmp_path / "top.ys").write_text(f"read_rtlil top.il\n{logic_only(f'{command} -top top')}\nwrite_json top.json\n")
    tools.run(["yosys", "-q", "top.ys"], tmp_path, "yosys.log")
    netlist = Netlist(tmp_path / "top.json")
    x = np.random.default_rng(0).integers(0, 2, (500, 40)).astype(bool)
    x[0], x[1] = False, True
    actual = unpack(netlist.evaluate(dict(zip(netlist.nets("i"), pack(x), strict=True)), netlist.nets("o")), len(x))
    assert np.array_equal(actual, ref_fires(layer, x))
    if platform is ICEBreakerPlatform:
        assert netlist.cells["SB_LUT4"] == pytest.approx(result.lut4, rel=0.05)
        assert netlist.logic_cells == pytest.approx(result.logic_cells, rel=0.05)


def test_same_seed_same_layer():
    layer = random_layer(5, 6, 20, 1.0)
    assert shared(layer, tries=8, seed=3) == shared(layer, tries=8, seed=3)


@pytest.mark.parametrize("options, message", [({"tries": 0}, "tries must be at least 1, not 0")])
def test_wrong(options, message):
    with pytest.raises(PopcountError, match=message):
        share_popcounts([], 3, **options)
    with pytest.raises(PopcountError, match="inputs below 2, not 2"):
        share_popcounts([Neuron((0, 2), (False, True), 1)], 2)
    with pytest.raises(PopcountError, match=r"every input once, not \(0, 0\)"):
        share_popcounts([Neuron((0, 0), (False, True), 1)], 2)
