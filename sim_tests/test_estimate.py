"""Estimates against synthesis, and the clock divider that follows from them."""

import json

import numpy as np
import pytest

from benchmarks.common import RESULTS
from logicnn import boards, estimate, gateware, load
from logicnn.build import MARGIN, divider_for
from logicnn.mapping import Mapping, Shared
from logicnn.network import Activations, IntConv2d, IntDense, Interval, Network
from logicnn.resources import DEVICES, Resources
from sim_tests.helpers import dense_network, lut4_of, synthesise


@pytest.mark.parametrize(("fan_in", "minimum"), [(4, 2), (5, 3), (6, 3), (6, 5), (9, 5), (16, 8), (40, 20), (127, 64)])
def test_threshold(tmp_path, fan_in, minimum):
    measured = lut4_of(synthesise(gateware.Threshold(fan_in, minimum), tmp_path))
    assert estimate.threshold_lut4(fan_in) == pytest.approx(measured, rel=0.15, abs=2)


@pytest.mark.parametrize(("words", "high"), [(10, 3), (10, 15), (10, 100)])
def test_argmax(tmp_path, words, high):
    given = Activations((words,), Interval(0, high))
    measured = lut4_of(synthesise(gateware.Argmax(given), tmp_path))
    assert estimate.argmax_lut4(words, given.interval.width) == pytest.approx(measured, rel=0.25, abs=4)


@pytest.mark.parametrize("device", DEVICES.values(), ids=lambda device: device.name)
def test_registers_shorten_the_core(device):
    network = load("digits-bnn")
    whole = estimate.core_delay_ns(Mapping.unrolled(network), device)
    cut = estimate.core_delay_ns(Mapping.unrolled(network, [3]), device)
    assert device.register_ns < cut < whole


def test_unshared_bits():
    """By hand: 2 and 1 further weights of bytes at one place; 3 of words of 4 bits at four places."""
    dense = Network(Activations((3,), Interval(0, 255)), [IntDense([[1, 2, 3], [0, 4, 5], [0, 0, 0]], [0, 0, 0])])
    conv = Network(Activations((1, 3, 3), Interval(0, 15)), [IntConv2d(np.ones((1, 1, 2, 2)), [0])])
    assert (estimate.unshared_bits(dense), estimate.unshared_bits(conv)) == (3 * 8, 3 * 4 * 4)


def test_registers_count():
    network = dense_network(np.random.default_rng(24), 9, 7, 5, 4)
    plain, cut = (estimate.core(Mapping.unrolled(network, registers)) for registers in ((), (0, 1)))
    assert cut.ff - plain.ff == 7 + 5 and cut.lut4 == plain.lut4


def test_cheapest_shares_wide_neurons():
    """On iCE40, where the estimate is that of the netlist."""
    network = dense_network(np.random.default_rng(3), 40, 24, 4, 3)
    plain = Mapping.unrolled(network, [0])
    device = DEVICES["iCE40UP5K"]
    mapping = estimate.cheapest(plain, device, tries=3)
    assert isinstance(mapping.engines[0], Shared) and mapping.latency == plain.latency
    assert estimate.core(mapping).logic_cells < 0.8 * estimate.core(plain).logic_cells
    assert estimate.core_delay_ns(mapping, device) > 5 * device.level_ns
    assert estimate.cheapest(plain, DEVICES["LFE5U-85F"]) == plain


def test_cheapest_leaves_narrow_neurons():
    plain = Mapping.unrolled(load("digits-bnn"))
    assert estimate.cheapest(plain, DEVICES["iCE40UP5K"]) == plain


@pytest.mark.parametrize("frequency", [1e6, 12e6, 25e6, 100e6])
def test_divider_leaves_the_margin(frequency):
    mapping, board = Mapping.unrolled(load("mnist-bnn")), boards.find("icebreaker")
    divider = divider_for(mapping, board, frequency)
    assert divider == 1 or divider % 2 == 0
    needed = MARGIN * estimate.core_delay_ns(mapping, board.device)
    assert divider * 1e9 / frequency >= needed and (divider <= 2 or (divider - 2) * 1e9 / frequency < needed)


@pytest.mark.parametrize("name", ["iCE40UP5K", "LFE5U-85F"])
def test_sparse_engine(name):
    """Within 15 % of the placed cells that the record has; blocks of DSP and large RAM exactly."""
    record = json.loads((RESULTS / "lenet5_icebreaker.json").read_text())
    (placed,) = [row for row in (record, record["ulx3s"]) if row["device"] == name]
    device = DEVICES[name]
    mapping = Mapping.sparse(load("lenet5-ikr"), device)
    predicted = estimate.design(mapping, device)
    assert predicted.logic_cells == pytest.approx(placed["logic_cells"], rel=0.15)
    assert (predicted.dsp, predicted.spram) == (placed["dsp"], placed["spram"])
    assert predicted <= device.capacity
    assert estimate.core_delay_ns(mapping, device) > device.level_ns


def test_resources_order():
    small, large = Resources(lut4=1, ff=2), Resources(lut4=3, ff=2, dsp=1)
    assert small <= large and not large <= small and small + large == Resources(lut4=4, ff=4, dsp=1)
