"""Estimates against synthesis."""

import json

import numpy as np
import pytest

from benchmarks.common import RESULTS
from logicnn import gateware, load
from logicnn.engines import Mapping, costs
from logicnn.engines.room import board_estimate
from logicnn.network import Activations, Interval
from logicnn.resources import DEVICES
from sim_tests.helpers import dense_network, lut4_of, synthesise


@pytest.mark.parametrize(("fan_in", "minimum"), [(4, 2), (5, 3), (6, 3), (6, 5), (9, 5), (16, 8), (40, 20), (127, 64)])
def test_threshold(tmp_path, fan_in, minimum):
    measured = lut4_of(synthesise(gateware.Threshold(fan_in, minimum), tmp_path))
    assert costs.threshold_lut4(fan_in) == pytest.approx(measured, rel=0.15, abs=2)


@pytest.mark.parametrize(("words", "high"), [(10, 3), (10, 15), (10, 100)])
def test_argmax(tmp_path, words, high):
    given = Activations((words,), Interval(0, high))
    measured = lut4_of(synthesise(gateware.Argmax(given), tmp_path))
    assert costs.argmax_lut4(words, given.interval.width) == pytest.approx(measured, rel=0.25, abs=4)


@pytest.mark.parametrize("device", DEVICES.values(), ids=lambda device: device.name)
def test_registers_shorten_the_core(device):
    network = load("digits-bnn")
    whole = Mapping.unrolled(network).delay_ns(device)
    cut = Mapping.unrolled(network, [3]).delay_ns(device)
    assert device.register_ns < cut < whole


def test_registers_count():
    network, device = dense_network(np.random.default_rng(24), 9, 7, 5, 4), DEVICES["iCE40UP5K"]
    plain, cut = (Mapping.unrolled(network, registers).cost(device) for registers in ((), (0, 1)))
    assert cut.ff - plain.ff == 7 + 5 and cut.lut4 == plain.lut4


@pytest.mark.parametrize("name", ["iCE40UP5K", "LFE5U-85F"])
def test_sparse_engine(name):
    """Within 15 % of the placed cells that the record has; blocks of DSP and large RAM exactly."""
    record = json.loads((RESULTS / "lenet5_icebreaker.json").read_text())
    (placed,) = [row for row in (record, record["ulx3s"]) if row["device"] == name]
    device = DEVICES[name]
    mapping = Mapping.sparse(load("lenet5-ikr"), device)
    predicted = board_estimate(mapping, device)
    assert predicted.logic_cells == pytest.approx(placed["logic_cells"], rel=0.15)
    assert (predicted.dsp, predicted.spram) == (placed["dsp"], placed["spram"])
    assert predicted <= device.capacity
    assert mapping.delay_ns(device) > device.level_ns
