"""ECP5 carry chains that begin with a constant, without the cell that feeds it in.

nextpnr puts a CCU2C before a chain whose first carry comes from anywhere but a chain (`ecp5/pack.cc`), also for a
constant. Here the chain's first half cell makes its carry from its operands alone, the sum's lowest bit moves to a
LUT4, and the carry into the chain is left open: a cell less a chain, and a carry cell less on its way.

Cell semantics: FPGA libraries reference guide (Lattice Diamond 3.12), CCU2C: S = LUT4 xor CIN, and COUT = CIN where the
LUT4 is 1, else the LUT2 of its low four entries with A and B.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from logicnn.netlist.netlist import number_of
from logicnn.storage import replace_file

__all__ = ["open_chains", "opened"]

INPUTS = "ABCD"


def opened(netlist: dict[str, Any]) -> dict[str, Any]:
    """A netlist (JSON as Yosys writes it for ECP5) whose chains begin without a feed-in, wherever the first carry and
    the inputs C and D of its half cell are constants, D is 1 and a LUT2 of A and B can be the carry; others stay as
    they are.

    Nets keep their numbers, so that signals are where they were. An input without such chains is returned as it is.
    """
    modules = {name: _opened_module(module) for name, module in netlist["modules"].items()}
    return netlist | {"modules": modules}


def open_chains(source: Path, target: Path) -> None:
    """Writes the netlist of a file, `opened`, to another one or the same."""
    replace_file(target, json.dumps(opened(json.loads(source.read_bytes()))).encode())


def _opened_module(module: dict[str, Any]) -> dict[str, Any]:
    cells = module.get("cells", {})
    chained = {net for cell in cells.values() if cell["type"] == "CCU2C" for net in cell["connections"].get("COUT", ())}
    fresh = iter(range(_next_net(module), 1 << 62))
    changed: dict[str, Any] = {}
    for name, cell in cells.items():
        if cell["type"] == "CCU2C" and _net(cell, "CIN") not in chained:
            changed |= _first_cell(name, cell, fresh)
    return module | {"cells": cells | changed} if changed else module


def _next_net(module: dict[str, Any]) -> int:
    """A number above those of all nets."""
    held = [each["bits"] for each in (module.get("ports", {}) | module.get("netnames", {})).values()]
    held += [nets for cell in module["cells"].values() for nets in cell["connections"].values()]
    return 1 + max((net for nets in held for net in nets if isinstance(net, int)), default=1)


def _first_cell(name: str, cell: dict[str, Any], fresh: Iterator[int]) -> dict[str, Any]:
    """The first cell of a chain with its carry open, and the LUT4 of its first sum bit; nothing where it has to stay as
    it is.
    """
    nets = cell["connections"]
    carry, c, d = (_net(cell, port) for port in ("CIN", "C0", "D0"))
    if carry not in ("0", "1") or c not in ("0", "1") or d != "1" or _injects(cell):
        return {}
    table = number_of(cell["parameters"]["INIT0"])
    enters, row = carry == "1", 8 + 4 * (c == "1")
    total = carries = 0
    for entry in range(4):  # of A and B
        passes = table >> row + entry & 1
        carries |= (enters if passes else table >> entry & 1) << entry
        total |= (passes ^ enters) << entry
    word = f"{carries:016b}"  # with D = 1 it is 0, so that the open carry is not read
    first = cell | {
        "parameters": cell["parameters"] | {"INIT0": word},
        "connections": nets | {"CIN": ["x"]},
    }
    if not nets.get("S0"):
        return {name: first}
    first["connections"]["S0"] = [next(fresh)]
    sum_bit = {
        "hide_name": 1,
        "type": "LUT4",
        "parameters": {"INIT": f"{total | total << 4 | total << 8 | total << 12:016b}"},
        "attributes": {},
        "port_directions": dict.fromkeys(INPUTS, "input") | {"Z": "output"},
        "connections": {"A": nets["A0"], "B": nets["B0"], "C": ["0"], "D": ["0"], "Z": nets["S0"]},
    }
    return {name: first, f"{name}$sum0": sum_bit}


def _net(cell: dict[str, Any], port: str) -> int | str:
    """The net at a port of one bit, "x" where it is open."""
    return (cell["connections"].get(port) or ["x"])[0]


def _injects(cell: dict[str, Any]) -> bool:
    return str(cell["parameters"].get("INJECT1_0", "YES")).strip() == "YES"
