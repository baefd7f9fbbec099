"""Faults planted in a netlist, one at a time, and whether they matter: a table's bit flipped, the inputs of two cells
or the carries of two chains exchanged, a register's reset turned into a set.

A fault is decided over all states of the board: the next value of every register and every pin as a function of
registers and pins, before and after. The same functions, by a proof, are harmless. Others are refuted by an input of
the network that gets another output, or by bytes on the serial line that get another answer. Where neither is found it
is left open: it differs in states that the board may never enter, or whose difference nothing may ever read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from logicnn import bits
from logicnn.board.protocol import Frame, Kind, encode
from logicnn.flow.design import PROBE
from logicnn.flow.serial_line import levels
from logicnn.netlist.cells import circuit
from logicnn.netlist.circuit import ONE, ZERO, Circuit, Write
from logicnn.netlist.graph import FALSE, TRUE, Graph
from logicnn.netlist.netlist import Module, Net, Netlist, NetlistError
from logicnn.netlist.simulate import Simulation
from logicnn.network import Network
from logicnn.verify.logic import netlist_outputs

__all__ = ["CLOCK", "KINDS", "Board", "Machine", "planted", "traffic"]

CLOCK, RX, TX = "clk", "uart_0__rx__io", "uart_0__tx__io"
LANES, CYCLES = 256, 30_000  # conversations side by side, and how long

KINDS = {"table": 0.6, "nets": 0.2, "carry": 0.1, "reset": 0.1}  # shares of the faults
SETS = {"SB_DFFSR": "SB_DFFSS", "SB_DFFSS": "SB_DFFSR", "SB_DFFESR": "SB_DFFESS", "SB_DFFESS": "SB_DFFESR"}


def planted(kind: str, module: Module, clock: Net, rng: np.random.Generator) -> tuple[str, Module]:
    """A fault of a kind at a random place, as people say it, and the module with it."""
    while True:
        made = Module(dict(module.cells), module.names, module.ports)
        said = PLANTED[kind](made.cells, rng)
        if said is not None and _has_no_loop(made, clock):
            return said, made


def _has_no_loop(module: Module, clock: Net) -> bool:
    try:
        made = circuit(module, clock=clock)
        made.order(list(_roots(made, module).values()), {})
    except NetlistError:
        return False
    return True


def _drawn(cells: dict[str, dict], rng: np.random.Generator, *kinds: str) -> str:
    return str(rng.choice([name for name, cell in cells.items() if cell["type"] in kinds]))


def _table(cells: dict[str, dict], rng: np.random.Generator) -> str | None:
    """An entry that no constant input rules out."""
    name = _drawn(cells, rng, "SB_LUT4")
    row = int(rng.integers(16))
    inputs = [cells[name]["connections"][f"I{place}"][0] for place in range(4)]
    if any(isinstance(net, str) and (net == "1") != bool(row >> place & 1) for place, net in enumerate(inputs)):
        return None
    table = int(cells[name]["parameters"]["LUT_INIT"], 2) ^ 1 << row
    cells[name] = cells[name] | {"parameters": cells[name]["parameters"] | {"LUT_INIT": f"{table:016b}"}}
    return f"entry {row} of {name} flipped"


def _exchanged(cells: dict[str, dict], one: tuple[str, str], other: tuple[str, str]) -> str | None:
    ends = [cells[name]["connections"][port] for name, port in (one, other)]
    if ends[0] == ends[1]:
        return None
    for (name, port), nets in zip((one, other), reversed(ends), strict=True):
        cells[name] = cells[name] | {"connections": cells[name]["connections"] | {port: nets}}
    return f"{'.'.join(one)} and {'.'.join(other)} exchanged"


def _nets(cells: dict[str, dict], rng: np.random.Generator) -> str | None:
    one, other = (_drawn(cells, rng, "SB_LUT4") for _ in range(2))
    return _exchanged(cells, (one, f"I{rng.integers(4)}"), (other, f"I{rng.integers(4)}"))


def _carry(cells: dict[str, dict], rng: np.random.Generator) -> str | None:
    one, other = (_drawn(cells, rng, "SB_CARRY") for _ in range(2))
    return _exchanged(cells, (one, "CI"), (other, "CI"))


def _reset(cells: dict[str, dict], rng: np.random.Generator) -> str | None:
    name = _drawn(cells, rng, *SETS)
    cells[name] = cells[name] | {"type": SETS[cells[name]["type"]]}
    return f"{name} made a {cells[name]['type']}"


PLANTED = {"table": _table, "nets": _nets, "carry": _carry, "reset": _reset}


@dataclass(frozen=True)
class Machine:
    """A board's netlist as functions: literals of the next value of each register, and of each pin that is driven, of
    the literals of registers and inputs.
    """

    state: Mapping[Net, int]
    functions: Mapping[Net, int]

    @classmethod
    def of(
        cls, module: Module, clock: Net, graph: Graph, state: Mapping[Net, int] | None = None, **patterns: np.ndarray
    ) -> "Machine":
        """With the state of another one whose functions are to be compared, or a new one: on the graph's patterns
        registers of these names have these values, packed bits (bits, words), and others random ones.
        """
        made = circuit(module, clock=clock)
        if state is None:
            rows = {
                net: row for name, each in patterns.items() for net, row in zip(module.nets(name), each, strict=True)
            }
            nets = [*made.registers, *sorted(made.inputs, key=str)]
            state = {net: graph.input(_word(rows[net]) if net in rows else None) for net in nets}
        return cls(state, _literals(made, graph, state, _roots(made, module)))


def _word(packed: np.ndarray) -> int:
    return int.from_bytes(packed.astype("<u8").tobytes(), "little")


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


def traffic(sample_bytes: int, divisor: int, lanes: int, cycles: int, seed: int) -> np.ndarray:  # (cycles, lanes) uint8
    """Levels of a line in each lane: requests of all kinds, with answers awaited and not, frames cut, changed, of wrong
    lengths, noise, and long silence.
    """
    rng = np.random.default_rng(seed)
    line = np.ones((lanes, cycles), np.uint8)
    for lane in line:
        at = int(rng.integers(1, 40 * divisor))
        while at < cycles:
            data = _sent(rng, sample_bytes)
            sent = np.array([level for byte in data for level in levels(byte)], np.uint8).repeat(divisor)
            part = sent[: max(0, cycles - at)]
            lane[at : at + len(part)] = part
            pause = rng.choice([0, 1, 12, 40, 270], p=[0.3, 0.2, 0.25, 0.2, 0.05])
            at += len(sent) + int(pause * 10 * divisor)
    return line.T


def _sent(rng: np.random.Generator, sample_bytes: int) -> bytes:
    kind = int(rng.choice([Kind.CLASSIFY, Kind.IDENTIFY, Kind.COUNTERS, int(rng.integers(16))], p=[0.5, 0.2, 0.2, 0.1]))
    size = sample_bytes if kind == Kind.CLASSIFY else 0
    if rng.random() < 0.1:
        size = max(0, size + int(rng.integers(-2, 3)))
    density = rng.random()
    payload = np.packbits(rng.random(8 * size) < density).tobytes()
    frame = bytearray(encode(Frame(kind, int(rng.integers(16)), payload)))
    if rng.random() < 0.2:
        frame[int(rng.integers(len(frame)))] ^= int(rng.integers(1, 256))
    if rng.random() < 0.1:
        frame = frame[: int(rng.integers(1, len(frame)))]
    return bytes(frame)


@dataclass(frozen=True)
class Board:
    """A synthesised board whose faults are decided: its netlist's design as JSON, what it is as a machine, and what it
    answers to `line`.
    """

    network: Network
    design: dict[str, Any]
    module: Module
    graph: Graph
    machine: Machine
    line: np.ndarray  # (cycles, lanes)
    answer: np.ndarray  # (cycles, lanes)

    @classmethod
    def of(
        cls, network: Network, netlist: Path, encoded: np.ndarray, sample_bytes: int, divisor: int, seed: int
    ) -> "Board":
        """`encoded` samples (n, core bits) are what is stored in as many states that are looked at first."""
        module, graph = Module.read(netlist), Graph(seed, patterns=len(encoded))
        stored = bits.pack(encoded[:, list(network.read_inputs())])
        machine = Machine.of(module, module.nets(CLOCK)[0], graph, **{PROBE.inputs: stored})
        line = traffic(sample_bytes, divisor, LANES, CYCLES, seed)
        return cls(network, json.loads(netlist.read_text()), module, graph, machine, line, _answer(netlist, line))

    def outcome(self, wrong: Module, path: Path) -> tuple[str, bool]:
        """What is found of a module with a fault: "harmless", "refuted by an input", "refuted on the line" or "open",
        and whether it changes what the network's registers take. The netlist with the fault is left at `path`.
        """
        after = Machine.of(wrong, self.module.nets(CLOCK)[0], self.graph, self.machine.state)
        functions = (
            (self.machine.functions[key], after.functions.get(key, FALSE), key) for key in self.machine.functions
        )
        changed = [(a, b, key) for a, b, key in functions if not self.graph.equal(a, b)]
        self._write(wrong, path)
        result = [("next", net) for net in self.module.nets(PROBE.output)]
        core = [(a, b) for a, b, key in changed if key in result]
        if not changed:
            return "harmless", False
        if core and any(self._is_refuted(a, b, path) for a, b in core):
            return "refuted by an input", True
        try:
            answer = _answer(path, self.line)
        except NetlistError:
            return "open", bool(core)
        return ("open" if np.array_equal(answer, self.answer) else "refuted on the line"), bool(core)

    def _is_refuted(self, right: int, wrong: int, path: Path) -> bool:
        """Whether the input of a state in which a register takes something else is one that gets another output."""
        pattern = self.graph.differing(right, wrong)
        stored = [self.machine.state[net] for net in self.module.nets(PROBE.inputs)]
        encoded = np.zeros((1, self.network.core_bits), bool)
        encoded[0, list(self.network.read_inputs())] = self.graph.pattern(pattern, stored)
        try:
            found = netlist_outputs(Netlist(path), PROBE, self.network, encoded)
        except NetlistError:
            return False
        return not np.array_equal(found, self.network.evaluate_bits(encoded))

    def _write(self, module: Module, path: Path) -> None:
        modules = self.design["modules"]
        top = next(name for name, each in modules.items() if int(str(each["attributes"].get("top", "0")), 2))
        path.write_text(
            json.dumps({**self.design, "modules": {**modules, top: {**modules[top], "cells": module.cells}}})
        )


def _answer(netlist: Path, line: np.ndarray) -> np.ndarray:
    simulation = Simulation(netlist, LANES, clock=CLOCK)
    simulation.set(RX, 1)
    return simulation.run({RX: line}, record=[TX])[TX].astype(np.uint8)
