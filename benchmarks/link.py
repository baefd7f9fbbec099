"""A board's link and store without the network's logic, which stands outside and says classes: what faults in them do
on the line.

What is left of a board is small, so that it compiles in seconds and simulates thousands of conversations.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from logicnn import bits
from logicnn.flow.design import PROBE
from logicnn.netlist.netlist import Module, Net, Netlist
from logicnn.netlist.simulate import Simulation

__all__ = ["RX", "TX", "Line", "clock_of", "core_cells", "without"]

CLOCK, RX, TX = "clk", "uart_0__rx__io", "uart_0__tx__io"
OFFERED = "classifier.store.o__valid"
CHUNK = 2500  # cycles, after which answers are compared
CLASS = "class.given"  # what the logic gives, in a board without it


def _inputs(cell: Mapping) -> list[Net]:
    directions = cell.get("port_directions", {})
    return [net for port, nets in cell["connections"].items() if directions.get(port) == "input" for net in nets]


def _outputs(cell: Mapping) -> list[Net]:
    directions = cell.get("port_directions", {})
    return [net for port, nets in cell["connections"].items() if directions.get(port) == "output" for net in nets]


def data_of(module: Module, name: str) -> list[Net]:
    """The nets that registers of a signal take."""
    taken = {
        net: cell["connections"]["D"][0]
        for cell in module.cells.values()
        if "DFF" in cell["type"]
        for net in cell["connections"]["Q"]
    }
    return [taken[net] for net in module.nets(name)]


def clock_of(module: Module) -> str | None:
    """The name of the board's clock where it is one of two."""
    return CLOCK if CLOCK in module.names else None


def core_cells(module: Module) -> set[str]:
    """The logic that only the register of the result follows from."""
    readers: dict[Net, set[str]] = {}
    driver = {net: name for name, cell in module.cells.items() for net in _outputs(cell)}
    for name, cell in module.cells.items():
        for net in _inputs(cell):
            readers.setdefault(net, set()).add(name)
    pins = {net for port in module.ports.values() for net in port["bits"]}
    result = {driver[net] for net in module.nets(PROBE.output)}
    found: set[str] = set()
    left = [driver[net] for net in data_of(module, PROBE.output) if net in driver]
    while left:
        name = left.pop()
        cell = module.cells[name]
        if name in found or cell["type"] not in ("SB_LUT4", "SB_CARRY"):
            continue
        if any(net in pins or not readers[net] <= found | result for net in _outputs(cell)):
            continue
        found.add(name)
        left += [driver[net] for net in _inputs(cell) if net in driver]
    return found


def without(module: Module, cells: set[str]) -> Module:
    """A board without the cells of its logic, whose result is the signal `CLASS`."""
    names = {**module.names, CLASS: data_of(module, PROBE.output)}
    return Module({name: cell for name, cell in module.cells.items() if name not in cells}, names, module.ports)


@dataclass(frozen=True)
class Heard:
    """What a board sends in each cycle (cycles, lanes) uint8, and its registers at power-up and behind each edge, but
    those of the stored sample, in the first lanes.
    """

    answer: np.ndarray
    registers: Mapping[Net, np.ndarray]  # (cycles + 1,) uint64, a lane a bit


@dataclass(frozen=True, eq=False)
class Line:
    """Conversations, (cycles, lanes) levels, with a board whose classes are those of the logic of a netlist."""

    logic: Netlist
    levels: np.ndarray

    @cached_property
    def _classes(self) -> dict[bytes, int]:
        return {}

    def heard(self, module: Module, path: Path, right: Heard | None = None) -> Heard:
        """Of a board `without` its logic, whose netlist is left at `path`; what follows soon after an answer that is
        not the `right` one is left out.
        """
        names = {name: {"bits": nets} for name, nets in module.names.items()}
        top = {"attributes": {"top": "1"}, "cells": module.cells, "netnames": names, "ports": module.ports}
        path.write_text(json.dumps({"modules": {"top": top}}))
        cycles, lanes = self.levels.shape
        simulation = Simulation(path, lanes, forced=[CLASS], clock=clock_of(module))
        simulation.set(RX, 1)
        nets = sorted(set(registers_of(module)) & simulation.nets.keys() - set(module.nets(PROBE.inputs)))
        rows = np.array([simulation.nets[net] for net in nets])
        offered = simulation.nets[module.nets(OFFERED)[0]]
        stored = [simulation.nets[net] for net in module.nets(PROBE.inputs)]
        trace, said = np.zeros((cycles + 1, len(rows)), np.uint64), np.zeros(lanes, np.int64)
        trace[0] = simulation.values[rows, 0]

        def behind(cycle: int) -> None:
            values = simulation.values
            trace[cycle] = values[rows, 0]
            if values[offered].any():
                which = np.flatnonzero(bits.unpack(values[offered][None], lanes)[:, 0])
                held = bits.unpack(values[stored], lanes)
                said[which] = self._said(held[which])
                simulation.set(CLASS, said)

        simulation.attach(behind)
        answers = list[np.ndarray]()
        for start in range(0, cycles, CHUNK):
            part = slice(start, start + CHUNK)
            answers.append(simulation.run({RX: self.levels[part]}, record=[TX])[TX].astype(np.uint8))
            if right is not None and not np.array_equal(answers[-1], right.answer[part]):
                break
        answer = np.concatenate(answers)
        return Heard(answer, dict(zip(nets, trace.T, strict=True)))

    def _said(self, held: np.ndarray) -> list[int]:  # (n, read bits) bool
        """Classes of what is stored."""
        keys = [row.tobytes() for row in np.packbits(held, axis=1)]
        unknown = [place for place, key in enumerate(keys) if key not in self._classes]
        if unknown:
            given = dict(zip(self.logic.nets(PROBE.inputs), bits.pack(held[unknown]), strict=True))
            found = bits.unpack(self.logic.evaluate(given, self.logic.next_of_registers(PROBE.output)), len(unknown))
            numbers = bits.to_words(found, found.shape[1], False)[:, 0].tolist()
            self._classes.update(zip((keys[place] for place in unknown), numbers, strict=True))
        return [self._classes[key] for key in keys]


def registers_of(module: Module) -> list[Net]:
    """The nets of all registers."""
    return [net for cell in module.cells.values() if "DFF" in cell["type"] for net in _outputs(cell)]
