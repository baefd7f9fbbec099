"""The synthesised netlist of a design proved equal to its network, for every input.

The logic between two registers of the netlist, gate by gate, joins the graph of what it is to compute
(`verify.specification`): where it has a bit of that, it is proved to be the same, and what follows is made of that bit.
In the end the answer's bits are.
"""

import math
from collections.abc import Mapping as Table
from dataclasses import dataclass

import numpy as np

from logicnn import bits
from logicnn.engines import Mapping
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.netlist.graph import FALSE, TRUE, Bit, Graph, has_solver
from logicnn.netlist.netlist import Net, Netlist
from logicnn.verify.logic import Probe, netlist_outputs
from logicnn.verify.specification import Step, can_specify, specified

__all__ = ["Proof", "Proved", "can_prove", "check_provable", "prove"]


PROBE = Probe()


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

    @property
    def whole(self) -> bool:
        """Whether all blocks are arithmetic, too."""
        return all(method for layer in self.layers for _, _, method in layer.blocks)

    @property
    def summary(self) -> str:
        what = "the network" if self.whole else "the network's logic, not all of which is proved to be arithmetic,"
        return f"{self.gates} gates equal {what} for all 2**{self.inputs} inputs"

    def as_text(self) -> str:
        """A line a layer, behind what all of it says."""
        lines = [self.summary]
        for layer in self.layers:
            what = [
                f"{count} x {kind}, {method or 'not proved to be arithmetic'}" for kind, count, method in layer.blocks
            ]
            found = f"{layer.nets} of {layer.bits} bits are nets of the netlist"
            lines.append("; ".join([*what, found]))
        names = ["netlist", *(layer.name for layer in self.layers)]
        width = max(map(len, names)) + 2
        return "".join(f"{name:<{width}}{line}\n" for name, line in zip(names, lines, strict=True))


def prove(
    netlist: Netlist, mapping: Mapping, encoded: np.ndarray, probe: Probe = PROBE, seconds: float = math.inf
) -> Proof:
    """Proves the logic between the registers of `probe`; samples `encoded` (n, core bits) bool are where the search for
    equal nets begins.

    Raises `CheckFailed` with an input on which netlist and network differ, `LogicnnError` where an engine takes several
    cycles, or is not known as logic of bits.
    """
    check_provable(mapping)
    graph = Graph(seconds=seconds, patterns=len(encoded))
    given, literals = _inputs(graph, netlist, mapping, encoded, probe)
    wire = bits.Wire(lambda bit: Bit(graph, graph.merged(bit.literal)), graph.zero)
    steps = specified(mapping, wire, [Bit(graph, each) for each in literals])
    wanted = netlist.next_of_registers(probe.output)
    values = _joined(graph, netlist, given, wanted)
    answer = [bit for word in steps[-1].words for bit in word] if steps else literals
    if len(answer) != len(wanted):
        raise LogicnnError(f"{probe.output} has {len(wanted)} bits, but the network's output has {len(answer)}")
    for net, expected in zip(wanted, answer, strict=True):
        actual = values[net].literal
        if not graph.equal(actual, expected):
            pattern = graph.pattern(graph.differing(actual, expected), literals)
            raise CheckFailed(_difference(netlist, mapping, pattern, probe))
    there = {bit.literal >> 1 for bit in values.values()}
    return Proof(tuple(_proved(step, there) for step in steps), len(given), len(values) - len(given) - 3)


def can_prove(mapping: Mapping) -> bool:
    """Whether all engines say what they make of bits, and there is a solver."""
    return has_solver() and all(can_specify(engine) for engine in mapping.engines)


def check_provable(mapping: Mapping) -> None:
    """Raises `LogicnnError` with the kind of an engine that says nothing of its bits."""
    for engine in mapping.engines:
        if not can_specify(engine):
            raise LogicnnError(
                f"a proof is of logic of bits and of constant additions, not of {mapping.network.name or 'a network'} "
                f"by {type(engine).__name__} (layers {engine.start} to {engine.stop - 1}); its netlist is compared on "
                f"vectors by `logicnn build`"
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
    expected = network.evaluate_bits(encoded[None])[0]
    actual = netlist_outputs(netlist, probe, network, encoded[None])[0]
    ones = np.flatnonzero(encoded)
    return (
        f"the netlist differs from the network: where of the {len(encoded)} input bits those at {ones.tolist()} are 1, "
        f"it should give {expected.tolist()} but gives {actual.tolist()}"
    )
