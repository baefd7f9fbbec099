"""Gate-level circuits in the ``.bench`` format of ISCAS'85 and ISCAS'89: read, evaluated gate by gate, and as a design.

A line is ``INPUT(n)``, ``OUTPUT(n)``, ``n = GATE(a, b, ...)`` or a comment after ``#``. A ``DFF`` takes its operand at
every edge of the one clock, and is 0 before the first: the format says nothing of a reset, and the flip-flops of both
device families start at 0.

`evaluate` and `Design` share the circuit as it was read and nothing else: numpy's operators on words of 64 lanes here,
Amaranth's reductions there.

Formats and circuits: Brglez and Fujiwara, "A neutral netlist of 10 combinational benchmark circuits", ISCAS 1985;
Brglez, Bryan and Kozminski, "Combinational profiles of sequential benchmark circuits", ISCAS 1989.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from graphlib import CycleError, TopologicalSorter
from operator import and_, or_, xor
from pathlib import Path
from typing import Any

import numpy as np
from amaranth import *

from logicnn.errors import LogicnnError

__all__ = [
    "BenchError",
    "Design",
    "Gate",
    "GateCircuit",
    "checked",
    "circuits_folder",
    "evaluate",
    "read",
    "read_all",
    "run",
    "settled",
]

VARIABLE = "LOGICNN_CIRCUITS"
PORT = re.compile(r"(INPUT|OUTPUT)\s*\(\s*([^\s(),=]+)\s*\)", re.IGNORECASE)
ASSIGNMENT = re.compile(r"([^\s(),=]+)\s*=\s*(\w+)\s*\(([^()=]*)\)")
# The kind without its inversion, whether it inverts, and its least number of operands
KINDS = {
    "AND": ("AND", False, 1),
    "NAND": ("AND", True, 1),
    "OR": ("OR", False, 1),
    "NOR": ("OR", True, 1),
    "XOR": ("XOR", False, 2),
    "XNOR": ("XOR", True, 2),
    "BUFF": ("BUFF", False, 1),
    "NOT": ("BUFF", True, 1),
}
ON_WORDS: Mapping[str, Callable] = {"AND": and_, "OR": or_, "XOR": xor}
ON_VALUES: Mapping[str, Callable] = {"AND": Value.all, "OR": Value.any, "XOR": Value.xor}


class BenchError(LogicnnError):
    """What is no circuit; the message names the file and the line, or the circuit and the net."""


@dataclass(frozen=True)
class Gate:
    """One output: `kind` is a key of `KINDS`, `operands` are nets."""

    kind: str
    operands: tuple[str, ...]


@dataclass(frozen=True)
class GateCircuit:
    """A circuit of one clock, as a file has it. Every net is an input, a gate's or a register's."""

    name: str  # the file's, without its ending
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    gates: Mapping[str, Gate]  # by the net that each drives, operands before their readers
    registers: Mapping[str, str]  # the net before each flip-flop by the net behind it


def circuits_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """`given`, else the environment's LOGICNN_CIRCUITS. Raises `BenchError` for neither and for what is no folder."""
    chosen = given or os.environ.get(VARIABLE)
    if not chosen:
        raise BenchError(f"no folder of circuits; set {VARIABLE} or --circuits to the folder that holds *.bench")
    if not Path(chosen).is_dir():
        raise BenchError(f"{'--circuits' if given else VARIABLE} is {chosen}, which is no folder")
    return Path(chosen)


def read_all(folder: Path) -> tuple[list[GateCircuit], list[dict[str, str]]]:
    """The circuits of a folder by name, and which files hold none and why. Raises `BenchError` for a folder without any
    circuit.
    """
    circuits, refused = [], []
    for path in sorted(folder.glob("*.bench")):
        try:
            circuits.append(read(path))
        except BenchError as error:
            refused.append({"file": path.name, "why": str(error)})
    if not circuits:
        why = f": {refused[0]['why']}" if refused else " in any *.bench"
        raise BenchError(f"folder {folder} holds no circuit{why}")
    return circuits, refused


def read(path: Path) -> GateCircuit:
    """The circuit of a file. Raises `BenchError` for a line that is none, for a net that nothing or more than one thing
    drives, and for gates in a circle.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"{path.name} cannot be read: {error}") from None
    inputs: list[str] = []
    outputs: list[str] = []
    gates: dict[str, Gate] = {}
    registers: dict[str, str] = {}
    driven: set[str] = set()
    for number, text in enumerate(lines, 1):
        line, where = text.partition("#")[0].strip(), f"{path.name}, line {number}"
        if not line:
            continue
        if port := PORT.fullmatch(line):
            ports = inputs if port[1].upper() == "INPUT" else outputs
            ports.append(port[2])
            if ports is outputs:
                continue
            net = port[2]
        else:
            net, gate = _assignment(line, where)
            if gate.kind == "DFF":
                registers[net] = gate.operands[0]
            else:
                gates[net] = gate
        if net in driven:
            raise BenchError(f"{where}: net {net!r} is driven twice")
        driven.add(net)
    return checked(GateCircuit(path.stem, tuple(inputs), tuple(outputs), gates, registers))


def _assignment(line: str, where: str) -> tuple[str, Gate]:
    """The net that a line drives, and its gate, which may be a DFF."""
    found = ASSIGNMENT.fullmatch(line)
    if not found:
        raise BenchError(f"{where}: {line[:60]!r} is no INPUT(n), OUTPUT(n) or n = GATE(a, b, ...)")
    net, kind, given = found[1], found[2].upper(), found[3].strip()
    operands = tuple(each.strip() for each in given.split(",")) if given else ()
    if kind not in KINDS and kind != "DFF":
        raise BenchError(f"{where}: gate {found[2]!r} is none of {', '.join([*KINDS, 'DFF'])}")
    if not all(operands) or any(" " in each for each in operands):
        raise BenchError(f"{where}: the operands of {net!r} must be nets, with commas between, not {given!r}")
    base, _, least = KINDS.get(kind, ("BUFF", False, 1))
    if len(operands) < least or (base == "BUFF" and len(operands) > 1):
        wanted = "one operand" if base == "BUFF" else f"at least {least}"
        raise BenchError(f"{where}: {kind} takes {wanted}, not {len(operands)}")
    return net, Gate(kind, operands)


def checked(circuit: GateCircuit) -> GateCircuit:
    """The circuit with its gates in order. Raises `BenchError` for a net that nothing drives, and for a loop."""
    name = circuit.name
    if not circuit.outputs:
        raise BenchError(f"{name}: there is no OUTPUT(n)")
    driven = {*circuit.inputs, *circuit.gates, *circuit.registers}
    read_by = {net: f"gate {reader!r}" for reader, gate in circuit.gates.items() for net in gate.operands}
    read_by |= {net: f"register {reader!r}" for reader, net in circuit.registers.items()}
    read_by |= dict.fromkeys(circuit.outputs, "OUTPUT")
    for net, reader in read_by.items():
        if net not in driven:
            raise BenchError(f"{name}: net {net!r}, which {reader} reads, is driven by nothing")
    sorter = TopologicalSorter(
        {net: [each for each in gate.operands if each in circuit.gates] for net, gate in circuit.gates.items()}
    )
    try:
        order = list(sorter.static_order())
    except CycleError as error:
        circle = error.args[1]
        raise BenchError(f"{name}: net {circle[0]!r} depends on itself, through {len(circle) - 1} gates") from None
    return replace(circuit, gates={net: circuit.gates[net] for net in order})


def run(
    circuit: GateCircuit, given: np.ndarray, first: Mapping[str, np.ndarray] | None = None
) -> Iterator[dict[str, np.ndarray]]:
    """All nets (words,) just before every edge, for inputs (cycles, inputs, words) uint64, 64 lanes a word. Registers
    start with the values `first`, or 0.
    """
    state = first or {net: np.zeros(given.shape[2], np.uint64) for net in circuit.registers}
    for now in given:
        values = settled(circuit, dict(zip(circuit.inputs, now, strict=True)) | dict(state))
        yield values
        state = {net: values[before] for net, before in circuit.registers.items()}


def evaluate(circuit: GateCircuit, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outputs (cycles, outputs, words) just before every edge, and the registers (cycles, registers, words) then, for
    inputs as of `run`; all registers are 0 at first.
    """
    outputs = np.zeros((len(given), len(circuit.outputs), given.shape[2]), np.uint64)
    states = np.zeros((len(given), len(circuit.registers), given.shape[2]), np.uint64)
    for cycle, values in enumerate(run(circuit, given)):
        for place, net in enumerate(circuit.outputs):
            outputs[cycle, place] = values[net]
        for place, net in enumerate(circuit.registers):
            states[cycle, place] = values[net]
    return outputs, states


def settled(circuit: GateCircuit, given: Mapping[str, Any]) -> dict[str, Any]:
    """All nets of one cycle, from those of inputs and registers: anything with ``& | ^ ~``."""
    values = dict(given)
    for net, gate in circuit.gates.items():
        base, inverts, _ = KINDS[gate.kind]
        operands = [values[each] for each in gate.operands]
        value = operands[0] if base == "BUFF" else reduce(ON_WORDS[base], operands)
        values[net] = ~value if inverts else value
    return values


class Design(Elaboratable):
    """The circuit as an Amaranth design: a signal for every net, `i` and `o` in the order of its inputs and outputs."""

    def __init__(self, circuit: GateCircuit):
        self._circuit = circuit
        self.i = Signal(len(circuit.inputs))
        self.o = Signal(len(circuit.outputs))

    @property
    def ports(self) -> Sequence[Signal]:
        return [each for each in (self.i, self.o) if len(each)]

    def elaborate(self, platform):
        m = Module()
        circuit = self._circuit
        nets: dict[str, Value] = dict(zip(circuit.inputs, self.i, strict=True))
        for net in [*circuit.registers, *circuit.gates]:
            nets[net] = Signal(name=f"net_{net}", reset_less=True)
        for net, gate in circuit.gates.items():
            base, inverts, _ = KINDS[gate.kind]
            operands = Cat(nets[each] for each in gate.operands)
            value = operands if base == "BUFF" else ON_VALUES[base](operands)
            m.d.comb += nets[net].eq(~value if inverts else value)
        for net, before in circuit.registers.items():
            m.d.sync += nets[net].eq(nets[before])
        m.d.comb += self.o.eq(Cat(nets[each] for each in circuit.outputs))
        return m
