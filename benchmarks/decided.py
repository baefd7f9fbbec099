"""What becomes of a fault planted in a board's netlist.

In the network's logic a fault is refuted by an input that gets another result, and harmless where a solver proves that
none does. In the link and the store it is refuted by bytes on the serial line that get another answer, or that get one
at another time; harmless where every register and pin is the same function as before, or where it is proved that no
state which the board enters shows it (`benchmarks.reachable`). Where none of these is found it is left open.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.link import RX, TX, Heard, Line, clock_of, core_cells, without
from benchmarks.logic import AsGraph, Logic, OnVectors, gates_of
from benchmarks.machine import Machine
from benchmarks.planted import traffic
from benchmarks.reachable import Reachable
from logicnn.netlist.cells import circuit
from logicnn.netlist.graph import FALSE, GaveUp, Graph
from logicnn.netlist.netlist import Gate, Module, Net, Netlist, NetlistError
from logicnn.netlist.simulate import Simulation
from logicnn.network import Network
from logicnn.verify.directed import Directed

__all__ = ["HARMLESS", "INPUT", "LINE", "OPEN", "UNREACHED", "Board"]

HARMLESS, UNREACHED = "harmless in every state", "harmless in every state that is reached"
INPUT, LINE, OPEN = "refuted by an input", "refuted on the line", "open"
LANES, CYCLES = 256, 30_000  # conversations side by side, and how long
LONGER = 10  # times as many cycles, where the first ones show nothing
SENT = 200  # samples in them
EXCITED, AIMED = 64, 16_384  # samples on which a fault changes a cell, and those that are made of them
ANSWER_S = 200.0  # for the solver to find an input, or that there is none
GRAPH = 1024  # samples, with which the search for equal nets begins


@dataclass(frozen=True, eq=False)
class Board:
    """A synthesised board whose faults are decided; files go to `folder`."""

    network: Network
    netlist: Netlist
    encoded: np.ndarray  # (n, core bits) samples: of all that a build compares, those of the data set first
    divisor: int  # cycles a bit
    seed: int
    folder: Path

    @cached_property
    def module(self) -> Module:
        return Module.read(self.netlist.path)

    @cached_property
    def core(self) -> set[str]:
        return core_cells(self.module)

    @cached_property
    def places(self) -> set[str]:
        """Cells that faults are planted in: not those of another clock."""
        clock = clock_of(self.module)
        made = circuit(self.module, clock=clock and self.module.nets(clock)[0])
        unknown = made.unknown()
        return {
            name
            for name, cell in self.module.cells.items()
            if not any(net in unknown or net in made.sources for nets in cell["connections"].values() for net in nets)
            or "DFF" in cell["type"]
        }

    @cached_property
    def _vectors(self) -> OnVectors:
        return OnVectors(Logic(self.netlist, self.network), self.encoded)

    @cached_property
    def _graph(self) -> AsGraph:
        chosen = np.linspace(0, len(self.encoded) - 1, GRAPH).astype(int)
        return AsGraph(self._vectors.logic, self.encoded[chosen])

    @cached_property
    def _link(self) -> Module:
        return without(self.module, self.core)

    def _lines(self, times: int, seed: int, chosen: Sequence[int] = range(SENT)) -> np.ndarray:
        sent = np.packbits(self.encoded[list(chosen)[: len(self.encoded)]], axis=1, bitorder="little")
        return traffic(sent, self.divisor, LANES, times * CYCLES, seed)

    @cached_property
    def _line(self) -> Line:
        return Line(self.netlist, self._lines(1, self.seed))

    @cached_property
    def _longer(self) -> Line:
        return Line(self.netlist, self._lines(LONGER, self.seed + 1))

    @cached_property
    def _heard(self) -> Heard:
        return self._line.heard(self._link, self.folder / "right.json")

    @cached_property
    def _heard_longer(self) -> Heard:
        return self._longer.heard(self._link, self.folder / "right.json")

    @cached_property
    def _reachable(self) -> Reachable:
        return Reachable(self._link, self._heard_longer)

    def outcome(self, wrong: Module) -> tuple[str, bool, int | None]:
        """What is found of a module with a fault, whether it is in the network's logic, and the first of the samples on
        which that gives another result.
        """
        cells = {name: cell for name, cell in wrong.cells.items() if cell is not self.module.cells[name]}
        if cells.keys() <= self.core:
            try:
                return self._of_logic(cells)
            except KeyError:  # it reads a net of the link
                return self._of_whole(wrong, cells), True, None
        if cells.keys() & self.core:
            return self._of_whole(wrong, cells), False, None
        return self._of_link(without(wrong, self.core)), False, None

    def _of_logic(self, cells: Mapping[str, dict]) -> tuple[str, bool, int | None]:
        other = gates_of(cells)
        first = self._vectors.first_differing(other)
        if first is not None:
            return INPUT, True, first
        excited = self._graph.excited(other, EXCITED)
        if not len(excited):
            return HARMLESS, True, None
        if self._shows(self._aimed(other, excited), other):
            return INPUT, True, None
        try:
            stored = self._graph.differing(other, ANSWER_S)
        except GaveUp:
            return OPEN, True, None
        if stored is None:
            return HARMLESS, True, None
        return (INPUT if self._shows(stored[None], other) else OPEN), True, None

    def _aimed(self, other: Mapping[Net, Gate], excited: np.ndarray) -> np.ndarray:  # (AIMED, read bits) bool
        """Stored samples with a small margin in which what a fault depends on is as in `excited` ones."""
        rng, read = np.random.default_rng(self.seed), list(self.network.read_inputs())
        close = self.encoded[rng.choice(self._close, AIMED)][:, read]
        return np.where(self._vectors.logic.read_by(other, other), excited[rng.integers(0, len(excited), AIMED)], close)

    @cached_property
    def _close(self) -> np.ndarray:
        return Directed(self.network).close(self.encoded)

    def _shows(self, stored: np.ndarray, other: Mapping[Net, Gate]) -> bool:
        """Whether one of these samples, (n, read bits), gets another result."""
        encoded = np.zeros((len(stored), self.network.core_bits), bool)
        encoded[:, list(self.network.read_inputs())] = stored
        return OnVectors(self._vectors.logic, encoded).first_differing(other) is not None

    def _of_link(self, wrong: Module) -> str:
        path = self.folder / "wrong-link.json"
        try:
            if not np.array_equal(self._line.heard(wrong, path, self._heard).answer, self._heard.answer):
                return LINE
        except NetlistError:  # the logic reads what is no more a register
            return OPEN
        graph = Graph(self.seed)
        before = Machine.of(self._link, graph)
        after = Machine.of(wrong, graph, before.state)
        pairs = [(each, after.functions.get(key, FALSE)) for key, each in before.functions.items()]
        if all(graph.equal(a, b) for a, b in pairs):
            return HARMLESS
        heard = self._longer.heard(wrong, path, self._heard_longer)
        if not np.array_equal(heard.answer, self._heard_longer.answer):
            return LINE
        return UNREACHED if self._reachable.is_harmless(wrong, heard) else OPEN

    def _answer(self, path: Path, levels: np.ndarray) -> np.ndarray:
        simulation = Simulation(path, LANES, clock=clock_of(self.module))
        simulation.set(RX, 1)
        return simulation.run({RX: levels}, record=[TX])[TX].astype(np.uint8)

    def _of_whole(self, wrong: Module, cells: Mapping[str, dict]) -> str:
        """Of link and logic together, which takes a minute to compile: conversations with samples on which the logic
        gives another result where what it reads of the link has one value.
        """
        path, known, chosen = self.folder / "wrong-whole.json", self._vectors.values, []
        self.write(wrong, path)
        gates = gates_of({name: cell for name, cell in cells.items() if name in self.core})
        for value in "01":
            inputs = {
                net: tuple(each if each in known else value for each in gate.inputs) for net, gate in gates.items()
            }
            held = {net: Gate(inputs[net], gate.function) for net, gate in gates.items()}
            chosen += self._vectors.differing(held)[: SENT // 2].tolist()
        levels = self._lines(1, self.seed, chosen or range(SENT))
        return OPEN if np.array_equal(self._answer(path, levels), self._answer(self.netlist.path, levels)) else LINE

    @cached_property
    def _design(self) -> dict[str, Any]:
        return json.loads(self.netlist.path.read_text())

    def write(self, module: Module, path: Path) -> None:
        """The netlist with another module's cells."""
        modules = self._design["modules"]
        top = next(name for name, each in modules.items() if int(str(each["attributes"].get("top", "0")), 2))
        made = {**self._design, "modules": {**modules, top: {**modules[top], "cells": module.cells}}}
        path.write_text(json.dumps(made))
