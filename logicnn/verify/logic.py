"""Logic between two registers of a netlist against `Network.evaluate`, vector by vector."""

from dataclasses import dataclass

import numpy as np

from logicnn import bits
from logicnn.netlist.netlist import Netlist
from logicnn.network import Network
from logicnn.verify.check import Check
from logicnn.verify.vectors import Vectors, Verification, compared

__all__ = ["LogicCheck", "Probe", "decode", "netlist_outputs"]


@dataclass(frozen=True)
class Probe:
    """Names in a netlist: the register that holds the input bits that are read, and the register that takes the
    output.
    """

    inputs: str = "classifier.store.bits"
    output: str = "classifier.result"


def netlist_outputs(
    netlist: Netlist, probe: Probe, network: Network, encoded: np.ndarray
) -> np.ndarray:  # (n, core bits) -> (n, *output.shape)
    """What the logic between the two registers of `probe` computes from encoded samples."""
    read = list(network.read_inputs())
    given = dict(zip(netlist.nets(probe.inputs), bits.pack(encoded[:, read]), strict=True))
    word = bits.unpack(netlist.evaluate(given, netlist.next_of_registers(probe.output)), len(encoded))
    return decode(network, word)


def decode(network: Network, word: np.ndarray) -> np.ndarray:  # (n, width) bool -> (n, *output.shape) integers
    """Output bits, as the gateware lays them out, to integers."""
    output = network.output
    words = bits.to_words(word, output.interval.word, output.interval.low < 0)
    return words.reshape(len(word), *output.shape)


@dataclass(frozen=True)
class LogicCheck(Check):
    """Registers between the two (a pipeline) count as wires."""

    network: Network
    probe: Probe = Probe()

    def verified(self, netlist: Netlist, vectors: Vectors) -> Verification:
        encoded = self.network.encode(vectors.x)
        actual = netlist_outputs(netlist, self.probe, self.network, encoded)
        return compared(self.network.evaluate_bits(encoded), actual, vectors)
