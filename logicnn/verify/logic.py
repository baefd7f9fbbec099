"""Logic between two registers of a netlist against `Network.evaluate`, vector by vector."""

from dataclasses import dataclass

import numpy as np

from logicnn import bits
from logicnn.netlist.netlist import Net, Netlist
from logicnn.network import Network
from logicnn.verify.activity import Activity
from logicnn.verify.check import Check
from logicnn.verify.layers import layer_names, layers_of_nets
from logicnn.verify.vectors import Vectors, Verification, compared

__all__ = ["LogicCheck", "Probe", "decode", "netlist_outputs"]


WATCHED = 1024  # samples whose changes are counted, at most


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
    given = _packed(netlist, probe, network, encoded)
    word = bits.unpack(netlist.evaluate(given, netlist.next_of_registers(probe.output)), len(encoded))
    return decode(network, word)


def _packed(netlist: Netlist, probe: Probe, network: Network, encoded: np.ndarray) -> dict[Net, np.ndarray]:
    return dict(zip(netlist.nets(probe.inputs), bits.pack(encoded[:, list(network.read_inputs())]), strict=True))


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

    def activity(self, netlist: Netlist, x: np.ndarray) -> Activity:
        """From one sample to the next: of the logic and the registers in it, in one cycle."""
        encoded = self.network.encode(x[:WATCHED])
        given = _packed(netlist, self.probe, self.network, encoded)
        counts = netlist.activity(given, netlist.next_of_registers(self.probe.output), len(encoded))
        pairs = max(1, len(encoded) - 1)
        return Activity(1, {name: count / pairs for name, count in netlist.named(counts).items()})

    def layers(self, netlist: Netlist, vectors: Vectors) -> dict[Net, str]:
        encoded = self.network.encode(vectors.varied(WATCHED))
        given = _packed(netlist, self.probe, self.network, encoded)
        values = netlist.cone(given, netlist.next_of_registers(self.probe.output))
        names = layer_names(self.network)
        if not names:
            return {}
        rest = dict.fromkeys(values, names[max(names)])  # what nothing but the answer follows from
        return rest | layers_of_nets(netlist, self.network, values, encoded, through=True)
