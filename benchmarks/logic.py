"""The logic of a board with other cells in it: what follows from these is computed again, on vectors or as a graph."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from pysat.solvers import Cadical195

from logicnn import bits
from logicnn.flow.design import PROBE
from logicnn.netlist.graph import FALSE, TRUE, Bit, GaveUp, Graph
from logicnn.netlist.netlist import Gate, Net, Netlist, gates
from logicnn.network import Network

__all__ = ["AsGraph", "Logic", "OnVectors", "gates_of"]


def gates_of(cells: Mapping[str, dict]) -> dict[Net, Gate]:
    """The gates of LUTs and carries."""
    found: dict[Net, Gate] = {}
    for cell in cells.values():
        found |= gates(cell["type"], cell, lambda port, ports=cell["connections"]: ports[port][0]) or {}
    return found


@dataclass(frozen=True, eq=False)
class Logic:
    """Between the registers of the stored sample and of the result."""

    netlist: Netlist
    network: Network

    @cached_property
    def given(self) -> list[Net]:
        return self.netlist.nets(PROBE.inputs)

    @cached_property
    def wanted(self) -> list[Net]:
        return self.netlist.next_of_registers(PROBE.output)

    @cached_property
    def order(self) -> dict[Net, Gate]:
        """Gates by net, a net after all that it follows from."""
        return dict(self.netlist.logic(self.given, self.wanted))

    @cached_property
    def _readers(self) -> dict[Net, list[Net]]:
        found: dict[Net, list[Net]] = {}
        for net, gate in self.order.items():
            for each in gate.inputs:
                found.setdefault(each, []).append(net)
        return found

    def read_by(self, nets: Iterable[Net], other: Mapping[Net, Gate]) -> np.ndarray:  # (given,) bool
        """Which of the stored bits nets follow from, with `other` gates."""
        seen, left = set[Net](), list(nets)
        while left:
            net = left.pop()
            if net not in seen:
                seen.add(net)
                gate = other.get(net) or self.order.get(net)
                left += gate.inputs if gate else ()
        return np.array([net in seen for net in self.given])

    def changed(self, base: Mapping[Net, Any], other: Mapping[Net, Gate], kept: Callable[[Any, Any], Any]) -> dict:
        """The nets that are not what they were in `base`, with `other` gates; `kept` gives what a new value becomes,
        beside the old one, which it returns where they are the same.

        Raises `KeyError` for a gate that reads what is not in `base`.
        """
        extra: dict[Net, list[Net]] = {}
        for net, gate in other.items():
            for each in gate.inputs:
                extra.setdefault(each, []).append(net)
        affected, left = set[Net](), list(other)
        while left:
            net = left.pop()
            if net not in affected:
                affected.add(net)
                left += [*self._readers.get(net, ()), *extra.get(net, ())]
        found: dict[Net, Any] = {}
        done: set[Net] = set()
        for root in affected:
            stack = [root]
            while stack:
                net = stack[-1]
                gate = other.get(net) or self.order[net]
                missing = [each for each in gate.inputs if each in affected and each not in done]
                if net in done or not missing:
                    stack.pop()
                    if net not in done:
                        done.add(net)
                        self._made(net, gate, base, found, kept)
                else:
                    stack += missing
        return found

    def _made(
        self, net: Net, gate: Gate, base: Mapping[Net, Any], found: dict, kept: Callable[[Any, Any], Any]
    ) -> None:
        old = base[net]
        value = kept(gate.function(*(found[each] if each in found else base[each] for each in gate.inputs)), old)
        if value is not old:
            found[net] = value


@dataclass(frozen=True, eq=False)
class OnVectors:
    """The logic's values on encoded samples (n, core bits)."""

    logic: Logic
    encoded: np.ndarray

    @cached_property
    def values(self) -> dict[Net, np.ndarray]:
        read = bits.pack(self.encoded[:, list(self.logic.network.read_inputs())])
        given = dict(zip(self.logic.given, read, strict=True))
        words = read.shape[1]
        constants = {
            "0": np.zeros(words, np.uint64),
            "1": np.full(words, ~np.uint64(0)),
            "x": np.zeros(words, np.uint64),
        }
        return {**constants, **given, **self.logic.netlist.cone(given, self.logic.wanted)}

    def differing(self, other: Mapping[Net, Gate]) -> np.ndarray:
        """The samples, by place, on which other gates give another result."""
        made = self.logic.changed(self.values, other, lambda new, old: old if np.array_equal(new, old) else new)
        differs = np.zeros_like(self.values["0"])
        for net in self.logic.wanted:
            if net in made:
                differs |= made[net] ^ self.values[net]
        return np.flatnonzero(bits.unpack(differs[None], len(self.encoded))[:, 0])

    def first_differing(self, other: Mapping[Net, Gate]) -> int | None:
        found = self.differing(other)
        return int(found[0]) if len(found) else None


@dataclass(frozen=True, eq=False)
class AsGraph:
    """The logic as a graph that is kept from one question to the next."""

    logic: Logic
    encoded: np.ndarray  # (n, core bits) samples, the first patterns

    @cached_property
    def graph(self) -> Graph:
        return Graph(patterns=len(self.encoded))

    @cached_property
    def values(self) -> dict[Net, Bit]:
        graph = self.graph
        read = bits.pack(self.encoded[:, list(self.logic.network.read_inputs())])
        found = {"0": Bit(graph, FALSE), "1": Bit(graph, TRUE), "x": Bit(graph, FALSE)}
        for net, row in zip(self.logic.given, read, strict=True):
            found[net] = Bit(graph, graph.input(int.from_bytes(row.astype("<u8").tobytes(), "little")))
        for net, gate in self.logic.order.items():
            made = gate.function(*(found[each] for each in gate.inputs))
            found[net] = Bit(graph, graph.merged(made.literal))
        return found

    def excited(self, other: Mapping[Net, Gate], most: int) -> np.ndarray:  # (at most `most`, read bits) bool
        """Stored samples on which some of these gates give something else than those that they replace."""
        graph, base = self.graph, self.values
        unlike = Bit(graph, FALSE)
        for net, gate in other.items():
            unlike = unlike | (gate.function(*(base[each] for each in gate.inputs)) ^ base[net])
        if not graph.satisfiable(unlike.literal):
            return np.zeros((0, len(self.logic.given)), bool)
        value = graph.value(unlike.literal)
        places = [place for place in range(graph.count) if value >> place & 1][-most:]
        literals = [base[each].literal for each in self.logic.given]
        return np.array([graph.pattern(place, literals) for place in places])

    def differing(self, other: Mapping[Net, Gate], seconds: float) -> np.ndarray | None:  # (read bits,) bool
        """A stored sample for which other gates give another result, None where there is none. Raises `GaveUp`."""
        graph, base = self.graph, self.values

        def kept(new: Bit, old: Bit) -> Bit:
            literal = old.literal if graph.equal(new.literal, old.literal, thorough=False) else new.literal
            return old if literal == old.literal else Bit(graph, literal)

        made, unlike = self.logic.changed(base, other, kept), Bit(graph, FALSE)
        for net in self.logic.wanted:
            unlike = unlike | (made.get(net, base[net]) ^ base[net])
        if unlike.literal == FALSE:
            return None
        clauses, names = graph.clauses([unlike.literal])
        found = answered(
            [*clauses, [-names[unlike.literal >> 1] if unlike.literal & 1 else names[unlike.literal >> 1]]], seconds
        )
        if found is None:
            return None
        given = [base[net].literal >> 1 for net in self.logic.given]
        return np.array([names.get(node, 1) in found for node in given])


def answered(clauses: Sequence[Sequence[int]], seconds: float) -> set[int] | None:
    """Literals of a model, None where there is none; by CaDiCaL, which finds models of sums and comparisons where
    Glucose does not, and is asked in another process, since it cannot be interrupted.

    Raises `GaveUp` after so many seconds.
    """
    ours, theirs = Pipe(duplex=False)
    asked = get_context("fork").Process(target=_asked, args=(clauses, theirs))
    asked.start()
    try:
        if not ours.poll(seconds):
            raise GaveUp(f"no answer in {seconds:g} s")
        model = ours.recv()
    finally:
        asked.kill()
        asked.join()
    return None if model is None else set(model)


def _asked(clauses: Sequence[Sequence[int]], answer: Connection) -> None:
    with Cadical195(bootstrap_with=clauses) as solver:
        answer.send(solver.get_model() if solver.solve() else None)
