"""A board's link and store as functions: the next value of every register, every pin and what goes to memories, of
registers and pins.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.link import CLASS, clock_of
from logicnn.netlist.cells import circuit
from logicnn.netlist.circuit import ONE, ZERO, Circuit, Write
from logicnn.netlist.graph import FALSE, TRUE, Graph
from logicnn.netlist.netlist import Module, Net

__all__ = ["Machine"]


@dataclass(frozen=True)
class Machine:
    """A board's netlist as functions: literals of the next value of each register, and of each pin that is driven, of
    the literals of registers and inputs.
    """

    state: Mapping[Net, int]
    functions: Mapping[Net, int]

    @classmethod
    def of(
        cls, module: Module, graph: Graph, state: Mapping[Net, int] | None = None, seen: Mapping[Net, int] | None = None
    ) -> "Machine":
        """Of a board `without` its logic; with the state of another one whose functions are to be compared, or a new
        one, in which registers have these values on the graph's patterns (bit p: pattern p), and others random ones.
        """
        clock = clock_of(module)
        cut = [net for net in module.nets(CLASS) if not isinstance(net, str)]
        made = circuit(module, cut, clock and module.nets(clock)[0])
        if state is None:
            nets = [*made.registers, *sorted(made.inputs, key=str)]
            state = {net: graph.input((seen or {}).get(net)) for net in nets}
        return cls(state, _literals(made, graph, state, _roots(made, module)))


def _roots(made: Circuit, module: Module) -> dict[Net, Any]:
    pins = {net: made.logic[net] for port in module.ports.values() for net in port["bits"] if net in made.logic}
    ports: dict[Net, Any] = {}
    for name, memory in made.memories.items():
        for index, port in enumerate((*memory.reads, *memory.writes)):
            data = (*port.data, *port.masks) if isinstance(port, Write) else ()
            read = [port.enable, *(bit for bit, _ in port.address), *data]
            ports |= {("port", (name, index, place)): bit for place, bit in enumerate(read)}
    return {("next", net): register.next for net, register in made.registers.items()} | pins | ports


def _literals(made: Circuit, graph: Graph, state: Mapping[Net, int], roots: Mapping[Net, Any]) -> dict[Net, int]:
    found = {id(ZERO): FALSE, id(ONE): TRUE}
    for bit in made.order(list(roots.values()), {}):
        match bit.operator:
            case "net" if bit.net in state:
                found[id(bit)] = state[bit.net]
            case "net":
                found[id(bit)] = graph.merged(found[id(made.logic[bit.net])]) if bit.net in made.logic else FALSE
            case "~":
                found[id(bit)] = found[id(bit.operands[0])] ^ 1
            case "&":
                a, b = (found[id(each)] for each in bit.operands)
                found[id(bit)] = graph.both(a, b)
            case "|":
                a, b = (found[id(each)] for each in bit.operands)
                found[id(bit)] = graph.both(a ^ 1, b ^ 1) ^ 1
            case "^":
                a, b = (found[id(each)] for each in bit.operands)
                found[id(bit)] = graph.both(graph.both(a, b) ^ 1, graph.both(a ^ 1, b ^ 1) ^ 1)
    return {key: found[id(bit)] for key, bit in roots.items()}
