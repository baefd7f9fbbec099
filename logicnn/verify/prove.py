"""The synthesised netlist of a design proved equal to its network, for every input.

The logic between two registers of the netlist, gate by gate, joins the graph of what it is to compute
(`verify.specification`): where it has a bit of that, it is proved to be the same, and what follows is made of that bit.
In the end the answer's bits are. Of an engine that works for several cycles at a sample the graph holds the logic of
each cycle (`verify.in_turn`).
"""

import math
from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from logicnn import bits
from logicnn.engines import Mapping
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.netlist.graph import FALSE, TRUE, Bit, Graph, has_solver
from logicnn.netlist.netlist import Module, Net, Netlist
from logicnn.verify.in_turn import Answer, Followed, Samples
from logicnn.verify.logic import Probe, differs, netlist_outputs
from logicnn.verify.specification import Step, can_specify, specified

__all__ = ["Proof", "Proved", "can_prove", "check_provable", "prove"]


PROBE = Probe()
CONSTANTS = "0", "1", "x"


@dataclass(frozen=True)
class Proved:
    """A layer: its blocks by kind, how each was proved to be arithmetic ("" where it was not), and how many of its bits
    the netlist has as nets of their own.
    """

    name: str
    blocks: tuple[tuple[str, int, str], ...]
    bits: int
    nets: int


@dataclass(frozen=True)
class Proof:
    """What was proved of a netlist: that it has the structure of the layers for every input of `inputs` bits."""

    layers: tuple[Proved, ...]
    inputs: int
    gates: int
    cycles: int = 0  # that a sample is followed through; 0 where all is logic between two registers

    @property
    def whole(self) -> bool:
        """Whether all blocks are arithmetic, too."""
        return all(method for layer in self.layers for _, _, method in layer.blocks)

    @property
    def summary(self) -> str:
        what = "the network" if self.whole else "the network's logic, not all of which is proved to be arithmetic,"
        equal = f"equal {what} for all 2**{self.inputs} inputs"
        return f"{self.gates} bits of {self.cycles} cycles {equal}" if self.cycles else f"{self.gates} gates {equal}"

    @property
    def only_tested(self) -> str:
        """What the proof does not say of the netlist."""
        if not self.cycles:
            return "the link and the store of the input; in simulation, as when a pipeline takes the next sample"
        return (
            "the link, the store of the input, and samples while an answer is not taken at once; in simulation. Proved "
            "are samples after any others, at once or later"
        )

    def as_text(self) -> str:
        """A line a layer, behind what all of it says."""
        lines = [self.summary]
        for layer in self.layers:
            what = [
                f"{count} x {kind}, {method or 'not proved to be arithmetic'}" for kind, count, method in layer.blocks
            ]
            found = f"{layer.nets} of {layer.bits} bits are nets of the netlist"
            lines.append("; ".join([*what, found]))
        lines.append(self.only_tested)
        names = ["netlist", *(layer.name for layer in self.layers), "only tested"]
        width = max(map(len, names)) + 2
        return "".join(f"{name:<{width}}{line}\n" for name, line in zip(names, lines, strict=True))


def prove(
    netlist: Netlist, mapping: Mapping, encoded: np.ndarray, probe: Probe = PROBE, seconds: float = math.inf
) -> Proof:
    """Proves the logic between the registers of `probe`; samples `encoded` (n, core bits) bool are where the search for
    equal nets begins.

    Raises `CheckFailed` with an input on which netlist and network differ, `LogicnnError` where an engine is not known
    as logic of bits.
    """
    check_provable(mapping)
    graph = Graph(seconds=seconds, patterns=len(encoded))
    given, literals = _inputs(graph, netlist, mapping, encoded, probe)
    wire = bits.Wire(lambda bit: Bit(graph, graph.merged(bit.literal)), graph.zero)
    steps = specified(mapping, wire, [Bit(graph, each) for each in literals])
    answer = [literal for word in steps[-1].words for literal in word] if steps else literals
    if mapping.feed_forward:
        there = _settled(graph, netlist, mapping, given, answer, literals, probe)
        cycles = 0
    else:
        there, cycles = _followed(graph, netlist, mapping, given, answer, literals, probe), mapping.latency.most
    nodes = {literal >> 1 for literal in there}
    return Proof(tuple(_proved(step, nodes) for step in steps), len(given), len(there), cycles)


def _settled(
    graph: Graph,
    netlist: Netlist,
    mapping: Mapping,
    given: Table[Net, Bit],
    answer: Sequence[int],
    literals: Sequence[int],
    probe: Probe,
) -> list[int]:
    """Proves logic between two registers; the literals of its gates."""
    wanted = netlist.next_of_registers(probe.output)
    _check_width(probe.output, wanted, answer)
    values = _joined(graph, netlist, given, wanted)
    for net, expected in zip(wanted, answer, strict=True):
        actual = values[net].literal
        if not graph.equal(actual, expected):
            pattern = graph.pattern(graph.differing(actual, expected), literals)
            raise CheckFailed(_difference(netlist, mapping, pattern, probe))
    return [bit.literal for net, bit in values.items() if net not in given and net not in CONSTANTS]


def _followed(
    graph: Graph,
    netlist: Netlist,
    mapping: Mapping,
    given: Table[Net, Bit],
    answer: Sequence[int],
    literals: Sequence[int],
    probe: Probe,
) -> list[int]:
    """Proves the answers of an engine that takes several cycles; the literals of the registers' bits in these."""
    module = Module.read(netlist.path)
    result = tuple(module.nets(probe.output))
    _check_width(probe.output, result, answer)
    (offers,), (comes,), (waits,) = (module.nets(name) for name in (probe.offers, probe.answers, probe.waits))
    roots = (comes, *(net for net in result if not isinstance(net, str)))
    followed = Followed(graph, module, (*given, offers, waits), roots)
    sample = {net: bit.literal for net, bit in given.items()}
    latency, interval = mapping.latency.most, mapping.interval
    samples = Samples(followed, offers, sample, {waits: FALSE}, result, comes, latency, interval)
    for made in samples.answers():
        pairs = [*zip(made.result, answer, strict=True), (made.comes, TRUE)]
        for actual, expected in pairs:
            if not graph.equal(actual, expected):
                index = graph.differing(actual, expected)
                shown = graph.pattern(index, literals), graph.pattern(index, made.result), graph.pattern(index, answer)
                raise _wrong(*shown, made)
    return sorted(followed.seen)


def can_prove(mapping: Mapping) -> bool:
    """Whether all engines say what they make of bits, and there is a solver."""
    return has_solver() and all(can_specify(engine) for engine in mapping.engines)


def check_provable(mapping: Mapping) -> None:
    """Raises `LogicnnError` with the kind of an engine that says nothing of its bits."""
    for engine in mapping.engines:
        if not can_specify(engine):
            raise LogicnnError(
                f"a proof is of logic of bits, of constant additions and of classes that are counted in turn, not of "
                f"{mapping.network.name or 'a network'} by {type(engine).__name__} (layers {engine.start} to "
                f"{engine.stop - 1}); its netlist is compared on vectors by `logicnn build`"
            )


def _inputs(
    graph: Graph, netlist: Netlist, mapping: Mapping, encoded: np.ndarray, probe: Probe
) -> tuple[dict[Net, Bit], list[int]]:
    """Nets of the inputs with their bits, and literals of all bits that the mapping reads, in order."""
    network = mapping.network
    packed = bits.pack(encoded)
    literals = [graph.input(int.from_bytes(row.astype("<u8").tobytes(), "little")) for row in packed]
    nets = netlist.nets(probe.inputs)
    read = network.read_inputs()
    return {net: Bit(graph, literals[place]) for net, place in zip(nets, read, strict=True)}, literals


def _joined(graph: Graph, netlist: Netlist, given: Table[Net, Bit], wanted: list[Net]) -> dict[Net, Bit]:
    """The bits of the nets that `wanted` depend on."""
    values: dict[Net, Bit] = dict(given)
    values |= {"0": Bit(graph, FALSE), "1": Bit(graph, TRUE), "x": Bit(graph, FALSE)}
    for net, gate in netlist.logic(given, wanted):
        made = gate.function(*(values[each] for each in gate.inputs))
        values[net] = Bit(graph, graph.merged(made.literal))
    return values


def _proved(step: Step, there: set[int]) -> Proved:
    every = [literal for word in step.words for literal in word]
    blocks = tuple((block.kind, block.count, block.method) for block in step.blocks)
    return Proved(step.name, blocks, len(every), sum(literal >> 1 in there for literal in every))


def _difference(netlist: Netlist, mapping: Mapping, encoded: np.ndarray, probe: Probe) -> str:
    """What netlist and network say of an input, (core bits,) bool."""
    network = mapping.network
    actual = netlist_outputs(netlist, probe, network, encoded[None])[0]
    return differs(encoded, network.evaluate_bits(encoded[None])[0], actual)


def _check_width(name: str, nets: Sequence[Net], answer: Sequence[int]) -> None:
    if len(answer) != len(nets):
        raise LogicnnError(f"{name} has {len(nets)} bits, but the network's output has {len(answer)}")


def _wrong(encoded: np.ndarray, actual: np.ndarray, expected: np.ndarray, made: Answer) -> LogicnnError:
    """What netlist and network say of a sample, (core bits,) bool. Registers that other samples leave are taken to have
    any values that they cannot all have, so that only a sample which comes first shows that the netlist is wrong.
    """
    ones = np.flatnonzero(encoded).tolist()
    what = f"where of the {len(encoded)} input bits those at {ones} are 1, "
    bits_of = [sum(int(bit) << place for place, bit in enumerate(word)) for word in (expected, actual)]
    said = f"it should give {bits_of[0]} after {made.cycles} cycles but gives {bits_of[1]}"
    if made.begins:
        return CheckFailed(f"the netlist differs from the network: {what}{said} or nothing")
    return LogicnnError(
        f"not proved for samples that follow others: {what}{said} or nothing, in a state that may not be"
    )
