"""Logic between two registers of a netlist on every input there is, where these are few."""

import math
import time

import numpy as np

from logicnn.engines import Mapping
from logicnn.errors import CheckFailed
from logicnn.netlist.graph import GaveUp
from logicnn.netlist.netlist import Netlist
from logicnn.verify.logic import Probe, differs, netlist_outputs
from logicnn.verify.prove import PROBE, Proof

__all__ = ["can_exhaust", "exhausted"]

MOST = 22  # input bits: as many inputs take seconds
BLOCK = 16  # bits of inputs that are evaluated at once


def can_exhaust(mapping: Mapping) -> bool:
    """Whether a mapping is logic of few bits."""
    network = mapping.network
    return mapping.feed_forward and network.core_input.is_bits and len(network.read_inputs()) <= MOST


def exhausted(netlist: Netlist, mapping: Mapping, probe: Probe = PROBE, seconds: float = math.inf) -> Proof:
    """Proves by trying: the netlist gives what `Network.evaluate` does for every value of the bits that are read.

    Raises `CheckFailed` with the first input on which they differ, `GaveUp` after so many seconds.
    """
    network, end = mapping.network, time.monotonic() + seconds
    read = network.read_inputs()
    low = min(BLOCK, len(read))
    encoded = np.zeros((1 << low, network.core_bits), bool)
    encoded[:, read[:low]] = np.arange(1 << low)[:, None] >> np.arange(low) & 1
    for high in range(1 << (len(read) - low)):
        if time.monotonic() > end:
            raise GaveUp(f"no proof in {seconds:g} s")
        encoded[:, read[low:]] = high >> np.arange(len(read) - low) & 1
        expected, actual = network.evaluate_bits(encoded), netlist_outputs(netlist, probe, network, encoded)
        wrong = np.flatnonzero((expected != actual).reshape(len(encoded), -1).any(axis=1))
        if len(wrong):
            at = int(wrong[0])
            raise CheckFailed(differs(encoded[at], expected[at], actual[at]))
    gates = netlist.logic(netlist.nets(probe.inputs), netlist.next_of_registers(probe.output))
    return Proof((), len(read), len(list(gates)))
