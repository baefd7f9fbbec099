"""Datapaths cut into slices: what retiming gains on them, and what is refused."""

import numpy as np
import pytest

from logicnn.arithmetic.retiming import as_placed, least_period, retime
from logicnn.arithmetic.sharing import optimise
from logicnn.arithmetic.slices import Datapath, PipelineError, Slices, layer_end_stages
from logicnn.network import Interval
from logicnn.resources import DEVICES
from sim_tests.datapath_helpers import random_datapath

ECP5 = DEVICES["LFE5U-85F"]


def test_retiming_is_faster_than_layer_ends_and_cheaper_than_soonest():
    slices = Slices(random_datapath(8, 12, 6), 4)
    circuit = slices.circuit(ECP5)
    ends = as_placed(circuit, layer_end_stages(slices, 3))
    ours = retime(circuit, latency=ends.latency)
    assert ours.period_ns < 0.6 * ends.period_ns
    relaxed = retime(circuit, latency=ends.latency, period=ends.period_ns)
    assert relaxed.register_bits <= ends.register_bits


def test_slices_cut_long_additions():
    graph = optimise(np.array([[1, 1]]), [Interval(0, (1 << 30) - 1)] * 2, tries=1)
    whole, cut = (Slices(Datapath(((graph, None),)), bits).circuit(ECP5) for bits in (32, 4))
    assert least_period(cut, 7) < least_period(whole, 7) == least_period(whole, 0)


def test_wrong():
    graph = optimise(np.array([[1, 2]]), [Interval(0, 3)] * 2, tries=1)
    with pytest.raises(PipelineError, match="layers must not be empty"):
        Datapath(())
    with pytest.raises(PipelineError, match=r"layers\[1\] must read 1 words as layers\[0\] gives them, not 2"):
        Datapath(((graph, None), (graph, None)))
    with pytest.raises(PipelineError, match="slice_bits must be at least 1, not 0"):
        Slices(Datapath(((graph, None),)), 0)
