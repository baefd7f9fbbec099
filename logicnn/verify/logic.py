"""Logic between two registers of a netlist against `Network.evaluate`, vector by vector."""

from dataclasses import dataclass, replace

import numpy as np

from logicnn import bits
from logicnn.errors import CheckFailed
from logicnn.netlist.netlist import Net, Netlist
from logicnn.network import Network
from logicnn.verify.activity import Activity
from logicnn.verify.check import Check
from logicnn.verify.directed import Directed
from logicnn.verify.layers import layer_names, layers_of_nets
from logicnn.verify.vectors import Vectors, Verification, compared

__all__ = ["LogicCheck", "Probe", "decode", "differs", "netlist_outputs"]


DIRECTED = 8192  # inputs for single neurons, and about bits that a net nearly has, at most
WATCHED = 1024  # samples whose changes are counted, at most


@dataclass(frozen=True)
class Probe:
    """Names in a netlist: the register that holds the input bits that are read, and the register that takes the
    output; of an engine that takes several cycles, when the input is offered, when the register takes the output, and
    whether an earlier one still waits to be sent.
    """

    inputs: str = "classifier.store.bits"
    output: str = "classifier.result"
    offers: str = "classifier.offers"
    answers: str = "classifier.answers"
    waits: str = "classifier.answers__valid"


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


def differs(encoded: np.ndarray, expected: np.ndarray, actual: np.ndarray) -> str:
    """What netlist and network say of an input, (core bits,) bool."""
    ones = np.flatnonzero(encoded)
    return (
        f"the netlist differs from the network: where of the {len(encoded)} input bits those at {ones.tolist()} are 1, "
        f"it should give {expected.tolist()} but gives {actual.tolist()}"
    )


@dataclass(frozen=True)
class LogicCheck(Check):
    """Registers between the two (a pipeline) count as wires."""

    network: Network
    probe: Probe = Probe()

    def verified(self, netlist: Netlist, vectors: Vectors) -> Verification:
        """Of the vectors, of inputs for single neurons, and of inputs about bits of layers that a net nearly has
        (`verify.directed`).
        """
        checked = self.compared(netlist, vectors)
        encoded, directed = self.network.encode(vectors.x), Directed(self.network)
        samples = encoded[: len(vectors.labels)] if len(vectors.labels) else encoded
        more = directed.exercising(samples, min(DIRECTED, len(encoded)))
        every = np.concatenate([encoded, more])
        wanted = netlist.next_of_registers(self.probe.output)
        values = netlist.cone(_packed(netlist, self.probe, self.network, every), wanted)
        self._same(netlist, more)
        suspects, nets, total = directed.suspects(values, every)
        about = directed.about(suspects, every, min(DIRECTED, len(every))) if suspects else more[:0]
        self._same(netlist, about)
        return replace(checked, directed=len(more) + len(about), layer_nets=nets, layer_bits=total)

    def compared(self, netlist: Netlist, vectors: Vectors) -> Verification:
        """Of the vectors alone."""
        encoded = self.network.encode(vectors.x)
        actual = netlist_outputs(netlist, self.probe, self.network, encoded)
        return compared(self.network.evaluate_bits(encoded), actual, vectors)

    def _same(self, netlist: Netlist, encoded: np.ndarray) -> None:
        """Raises `CheckFailed` with the first input, (n, core bits), on which netlist and network differ."""
        if not len(encoded):
            return
        expected = self.network.evaluate_bits(encoded)
        actual = netlist_outputs(netlist, self.probe, self.network, encoded)
        wrong = np.flatnonzero((expected != actual).reshape(len(encoded), -1).any(axis=1))
        if len(wrong):
            at = int(wrong[0])
            raise CheckFailed(differs(encoded[at], expected[at], actual[at]))

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
