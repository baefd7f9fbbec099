"""The netlist that synthesis wrote, evaluated 64 samples at a time: a reading of the circuit that shares nothing with
its generator.

Reads the JSON of Yosys for iCE40 (SB_LUT4, SB_CARRY, SB_DFF*) and ECP5 (LUT4, PFUMX, L6MUX21, CCU2C, TRELLIS_FF). Only
the cone of the requested nets is evaluated; anything in it that is not combinational logic, a register or a given net
is an error, never a guess.

Cell semantics: iCE40 technology library (Lattice, 2017), SB_LUT4, SB_CARRY; FPGA libraries reference guide (Lattice
Diamond 3.12), CCU2C.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from logicnn.errors import LogicnnError

__all__ = ["Gate", "Module", "Net", "Netlist", "NetlistError", "gates", "lookup", "number_of"]

# Yosys numbers nets from 2; "0", "1" and "x" are constants. ("next", net) is the next value of a register, ("carry", n)
# inside a cell.
Net = int | str | tuple[str, Any]


class NetlistError(LogicnnError):
    """A netlist that cannot be read, or holds a cell whose function is not known here."""

    exit_code = 1


@dataclass(frozen=True)
class Module:
    """The top module of a flat netlist as Yosys writes it: cells by name, nets of signals and ports by name, first bit
    first.
    """

    cells: dict[str, dict]
    names: dict[str, list[Net]]
    ports: dict[str, dict]

    @classmethod
    def read(cls, path: str | Path) -> "Module":
        """Raises `NetlistError` for a file that is not such a netlist."""
        try:
            modules = json.loads(Path(path).read_text())["modules"]
            (top,) = [
                module for module in modules.values() if int(str(module.get("attributes", {}).get("top", "0")), 2)
            ]
            return cls(top["cells"], {name: net["bits"] for name, net in top["netnames"].items()}, top.get("ports", {}))
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise NetlistError(f"cannot read the netlist {path}: {error}") from None

    def nets(self, name: str) -> list[Net]:
        """The nets of a signal, first bit first; its name is the path in the design, joined by dots."""
        if name not in self.names:
            raise NetlistError(f"the netlist has no signal {name!r}")
        return self.names[name]

    def owners(self) -> dict[Net, str]:
        """One name of each net: in the innermost module where it has one."""
        found: dict[Net, str] = {}
        for name, nets in sorted(self.names.items(), key=lambda each: -each[0].count(".")):
            for net in nets:
                if not isinstance(net, str):
                    found.setdefault(net, name)
        return found


# A reading of a netlist's bits: anything with & | ^ ~, such as words of 64 samples.
Bits = Any


@dataclass(frozen=True)
class Gate:
    """One output of a combinational cell: `function` of the values of `inputs`."""

    inputs: tuple[Net, ...]
    function: Callable[..., Bits]


CONSTANTS = "0", "1", "x"


def lookup(table: int, inputs: Sequence[Bits]) -> Bits | int:
    """Packed evaluation of a truth table whose bit ``i`` is the output for input word ``i`` (input 0 lowest); 0 and -1
    are constants.
    """
    size = 1 << len(inputs)
    full = (1 << size) - 1
    if table == 0:
        return 0
    if table == full:
        return -1
    half = size >> 1
    low, high = table & ((1 << half) - 1), table >> half
    if low == high:
        return lookup(low, inputs[:-1])
    *rest, x = inputs
    ones = (1 << half) - 1
    if low == 0:
        return x if high == ones else x & lookup(high, rest)
    if high == 0:
        return ~x if low == ones else ~x & lookup(low, rest)
    if low == ones:
        return ~x | lookup(high, rest)
    if high == ones:
        return x | lookup(low, rest)
    if low == ones ^ high:
        return x ^ lookup(low, rest)
    when_low = lookup(low, rest)
    return when_low ^ (x & (when_low ^ lookup(high, rest)))


def _lut(table: int) -> Callable[..., Bits]:
    def function(*inputs: Bits) -> Bits:
        result = lookup(table, inputs)
        if not isinstance(result, int):
            return result
        zero = inputs[0] ^ inputs[0]
        return ~zero if result else zero

    return function


MAJORITY = _lut(0b1110_1000)


def _passed(bit: Bits) -> Bits:
    return bit


def number_of(parameter: str | int) -> int:
    return parameter if isinstance(parameter, int) else int(parameter, 2)


def _select(low: Bits, high: Bits, select: Bits) -> Bits:
    return low ^ (select & (low ^ high))


def _ccu2c(cell: dict, net: Callable[[str], Net]) -> dict[Net, Gate]:
    """Two 4-input LUTs and their carries; ``INJECT1 = "YES"`` breaks the carry, which the flow never does."""
    logic = {}
    carry = net("CIN")
    parameters = cell["parameters"]
    for half in "01":
        if str(parameters.get(f"INJECT1_{half}", "NO")).strip() == "YES":
            raise NetlistError("CCU2C with INJECT1 is not supported")
        table = number_of(parameters[f"INIT{half}"])
        inputs = tuple(net(f"{name}{half}") for name in "ABCD")
        # S = LUT4 xor CIN; COUT = CIN where the LUT4 is 1, else the LUT2 of its low four entries with A and B
        logic[net(f"S{half}")] = Gate((*inputs, carry), lambda a, b, c, d, cin, t=table: _lut(t)(a, b, c, d) ^ cin)
        after: Net = net("COUT") if half == "1" else ("carry", id(cell))
        logic[after] = Gate(
            (*inputs, carry), lambda a, b, c, d, cin, t=table: _select(_lut(t & 0xF)(a, b), cin, _lut(t)(a, b, c, d))
        )
        carry = after
    return logic


def gates(kind: str, cell: dict, net: Callable[[str], Net]) -> dict[Net, Gate] | None:
    """The combinational functions of a cell by output net, or None for a cell of another kind; `net` gives the net of a
    port.
    """
    match kind:
        case "SB_LUT4":
            return {
                net("O"): Gate(tuple(net(f"I{i}") for i in range(4)), _lut(number_of(cell["parameters"]["LUT_INIT"])))
            }
        case "SB_CARRY":
            return {net("CO"): Gate((net("I0"), net("I1"), net("CI")), MAJORITY)}
        case "LUT4":
            return {net("Z"): Gate(tuple(net(name) for name in "ABCD"), _lut(number_of(cell["parameters"]["INIT"])))}
        case "PFUMX":
            return {net("Z"): Gate((net("BLUT"), net("ALUT"), net("C0")), _select)}
        case "L6MUX21":
            return {net("Z"): Gate((net("D0"), net("D1"), net("SD")), _select)}
        case "CCU2C":
            return _ccu2c(cell, net)
    return None


def _next_value(kind: str, cell: dict, net: Callable[[str], Net]) -> tuple[Net, Gate] | None:
    """The output net of a flip-flop and its next value while it is enabled, or None for a cell of another kind.

    Synthesis may turn an AND or OR before a register into a synchronous reset or set, which therefore belongs to the
    value.
    """
    if kind.startswith("SB_DFF"):
        control = kind.removeprefix("SB_DFF").lstrip("NE")
        data, reset, sets = net("D"), net(control[-1]) if control else "0", control.endswith("S")
    elif kind == "TRELLIS_FF":
        parameters = {name: str(value).strip() for name, value in cell["parameters"].items()}
        if parameters.get("LSRMUX", "LSR") != "LSR":
            raise NetlistError(f"TRELLIS_FF with LSRMUX {parameters['LSRMUX']} is not supported")
        data, reset, sets = net("DI"), net("LSR"), parameters.get("REGSET", "RESET") == "SET"
    else:
        return None
    return net("Q"), Gate((data, reset), (lambda d, r: d | r) if sets else (lambda d, r: d & ~r))


def _carry_cells(cells: Iterable[dict]) -> int:
    """Cells that the carries of iCE40 take beside the LUTs': nextpnr's rules, in `ice40/chains.cc`.

    A carry shares the cell of a LUT with the same operands and carry. A chain whose first carry comes from the fabric
    takes a cell to get in; a carry that goes anywhere else than to the next place of its chain takes one to get out.
    """
    luts, carries, outs = set(), [], set()
    readers: Counter[tuple[Net, str]] = Counter()
    for cell in cells:
        ports = {port: nets[0] for port, nets in cell["connections"].items() if nets}
        directions = cell.get("port_directions", {})
        kind = cell["type"]
        for port, net in ports.items():
            if directions.get(port) == "input":
                chained = (kind, port) in (("SB_CARRY", "CI"), ("SB_LUT4", "I3"))
                readers[net, f"{kind}.{port}" if chained else "fabric"] += 1
        if kind == "SB_LUT4":
            luts.add((ports["I1"], ports["I2"], ports["I3"]))
        elif kind == "SB_CARRY":
            carries.append((ports["I0"], ports["I1"], ports["CI"]))
            outs.add(ports["CO"])
    lone = sum(carry not in luts for carry in carries)
    into = sum(not isinstance(carry, str) and carry not in outs for _, _, carry in carries)
    out = sum(
        bool(readers[net, "fabric"]) or readers[net, "SB_LUT4.I3"] > 1 or readers[net, "SB_CARRY.CI"] > 1
        for net in outs
    )
    return lone + into + out


def _feed_ins(cells: Iterable[dict]) -> int:
    """Cells by which carries get into ECP5's chains, a CCU2C (two cells) each: nextpnr's rule, in `ecp5/pack.cc`.

    A first carry that is a constant needs one as well, one that is open (`logicnn.netlist.chains`) none.
    """
    slices = [cell["connections"] for cell in cells if cell["type"] == "CCU2C"]
    fed = {"x"} | {nets[0] for ports in slices if (nets := ports.get("COUT"))}
    return 2 * sum(nets[0] not in fed for ports in slices if (nets := ports.get("CIN")))


class Netlist:
    """A flat netlist: gates by output net, registers by output net, nets by name.

    Raises `NetlistError` for a file that is not such a netlist.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        module = Module.read(path)
        cells = module.cells
        self.cells = Counter(cell["type"] for cell in cells.values())
        self._carry_cells = _carry_cells(cells.values()) + _feed_ins(cells.values())
        self._names = module.names
        self._module = module
        self.nets = module.nets
        self._gates: dict[Net, Gate] = {}
        self._registers: dict[Net, Net] = {}
        self._others: dict[Net, str] = {}
        self._drivers: dict[Net, str] = {}
        for name, cell in cells.items():
            self._add(name, cell)

    def _add(self, name: str, cell: dict) -> None:
        def net(port: str) -> Net:
            bits = cell["connections"].get(port, ["0"])
            return bits[0] if bits else "x"

        logic = gates(cell["type"], cell, net)
        register = _next_value(cell["type"], cell, net)
        if logic is not None:
            self._gates |= logic
            self._drivers |= dict.fromkeys(logic, name)
        elif register is not None:
            self._gates["next", register[0]] = register[1]
            self._registers[register[0]] = "next", register[0]
            self._drivers[register[0]] = name
        else:
            for port, direction in cell.get("port_directions", {}).items():
                if direction == "output":
                    self._others |= dict.fromkeys(cell["connections"][port], f"{cell['type']}.{port}")

    @property
    def logic_cells(self) -> int:
        """Places that LUTs and carries take, with those by which carries get into their chains.

        On iCE40 a carry shares a cell with a LUT that reads the same, on ECP5 a CCU2C takes two.
        """
        return self.cells["SB_LUT4"] + self.cells["LUT4"] + 2 * self.cells["CCU2C"] + self._carry_cells

    def named(self, counts: Mapping[Net, int]) -> dict[str, int]:
        """Counts of nets added up by name; a net of several names has that of the innermost module."""
        owners, found = self.owners, Counter[str]()
        for net, count in counts.items():
            if net in owners:
                found[owners[net]] += count
        return found

    def constant(self, name: str) -> int | None:
        """The value of a signal of which synthesis has made a constant, or that takes one when it is first written;
        None for one that varies.
        """
        nets = [net if isinstance(net, str) else self._registers.get(net, net) for net in self.nets(name)]
        try:
            values = self.evaluate({"0": np.zeros(1, np.uint64)}, nets)
        except NetlistError:  # it depends on something
            return None
        return sum(int(value[0] & np.uint64(1)) << place for place, value in enumerate(values))

    def registers_below(self, prefix: str) -> list[str]:
        """Names of the signals in a component, by its path, that are registers."""
        return [
            name
            for name, nets in self._names.items()
            if name.startswith(f"{prefix}.") and any(net in self._registers for net in nets)
        ]

    def next_of_registers(self, name: str) -> list[Net]:
        """The nets of the next value of the registers of a signal (a constant bit stays one)."""
        return [net if isinstance(net, str) else self._registers[net] for net in self.nets(name)]

    def places_of_registers(self, name: str) -> set[str]:
        """Names that nextpnr may give to the placed cells of the registers of a signal: alone, or in one cell with the
        LUT before it.
        """
        cells = set()
        for net in self.nets(name):
            if net in self._registers:
                register, before = self._drivers[net], self._drivers.get(self._gates[self._registers[net]].inputs[0])
                cells |= {register, f"{register}_DFFLC", f"{before}_LC", f"{register}_LC"}
        return cells

    def evaluate(
        self, given: Mapping[Net, np.ndarray], wanted: Sequence[Net]
    ) -> np.ndarray:  # (len(wanted), words) uint64
        """Values of the nets `wanted` from those of the nets `given` (words,), registers in between taken as wires.

        That is the settled output of a feed-forward pipeline whose input is held; a loop raises `NetlistError`.
        """
        values = self._values(given, self._order(wanted, {*given, *CONSTANTS}))
        return np.stack([values[net] for net in wanted])

    def cone(self, given: Mapping[Net, np.ndarray], wanted: Sequence[Net]) -> dict[Net, np.ndarray]:
        """`evaluate` for every net that the values of `wanted` depend on, a net after all that it depends on."""
        order = self._order(wanted, {*given, *CONSTANTS})
        values = self._values(given, order)
        return {net: values[net] for net in order}

    def logic(self, given: Iterable[Net], wanted: Sequence[Net]) -> Iterator[tuple[Net, Gate]]:
        """The nets that `wanted` depend on beyond those `given`, a net after all that it depends on, each with its
        gate; of a register one that passes its next value on.
        """
        for net in self._order(wanted, {*given, *CONSTANTS}):
            yield net, self._gate(net)

    def reads(self, net: Net, through: bool = True) -> Sequence[Net]:
        """The nets that a net follows from: inputs of its gate, and `through` a register its next value; none of
        anything else.
        """
        if net in self._gates or (through and net in self._registers):
            return self._inputs(net)
        return ()

    @cached_property
    def owners(self) -> dict[Net, str]:
        """One name of each net: in the innermost module where it has one."""
        return self._module.owners()

    @property
    def drivers(self) -> dict[Net, str]:
        """The logic cell or register that makes each net."""
        return dict(self._drivers)

    def activity(self, given: Mapping[Net, np.ndarray], wanted: Sequence[Net], samples: int) -> dict[Net, int]:
        """How often each net of the cone of `wanted` changes from one of `samples` to the next, without glitches.

        Every output of a cell counts, registers too; the given nets do not.
        """
        order = self._order(wanted, {*given, *CONSTANTS})
        values = self._values(given, order)
        found = {}
        for net in order:
            if isinstance(net, tuple) and net[0] == "next":  # no net of the circuit
                continue
            word = values[net]
            after = (word >> np.uint64(1)) | (np.append(word[1:], np.uint64(0)) << np.uint64(63))
            changes = word ^ after
            last = samples - 1  # pairs of samples
            found[net] = int(np.bitwise_count(changes[: last // 64]).sum())
            if last % 64:
                found[net] += int(np.bitwise_count(changes[last // 64] & np.uint64((1 << last % 64) - 1)))
        return found

    def _values(self, given: Mapping[Net, np.ndarray], order: Sequence[Net]) -> dict[Net, np.ndarray]:
        words = len(next(iter(given.values())))
        values: dict[Net, np.ndarray] = dict(given)
        values |= {"0": np.zeros(words, np.uint64), "1": np.full(words, ~np.uint64(0)), "x": np.zeros(words, np.uint64)}
        for net in order:
            gate = self._gate(net)
            values[net] = gate.function(*(values[each] for each in gate.inputs))
        return values

    def _gate(self, net: Net) -> Gate:
        """What makes a net; a register counts as a wire."""
        return self._gates.get(net) or Gate((self._registers[net],), _passed)

    def _inputs(self, net: Net) -> Sequence[Net]:
        if net in self._gates:
            return self._gates[net].inputs
        if net in self._registers:
            return (self._registers[net],)
        names = [name for name, nets in self._names.items() if net in nets]
        raise NetlistError(
            f"net {net} ({names[0] if names else 'unnamed'}) is driven by {self._others.get(net, 'nothing')}, which "
            f"is not logic"
        )

    def _order(self, wanted: Iterable[Net], known: Collection[Net]) -> list[Net]:
        """The cone of `wanted` beyond `known`, inputs before outputs; depth first without recursion."""
        order: list[Net] = []
        done = set(known)
        open_nets: set[Net] = set()
        stack = [(net, False) for net in wanted]
        while stack:
            net, finished = stack.pop()
            if finished:
                open_nets.discard(net)
                done.add(net)
                order.append(net)
                continue
            if net in done:
                continue
            if net in open_nets:
                raise NetlistError(f"net {net} depends on itself")
            open_nets.add(net)
            stack.append((net, True))
            stack.extend((each, False) for each in self._inputs(net) if each not in done)
        return order
