"""Netlists of a few cells, as Yosys writes them, and the same designs in Amaranth's simulator."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.back import rtlil
from amaranth.hdl import Value

from logicnn.board import boards
from logicnn.engines import Mapping
from logicnn.flow import tools
from logicnn.flow.design import designed
from logicnn.flow.sources import elaborated
from logicnn.netlist.simulate import Simulation

SEED = 30
KEEP = {"keep": 1}  # a name in the netlist
PORTS = {"clk": ("input", [2]), "other": ("input", [3]), "i": ("input", [4]), "o": ("output", [5])}


def rtl_run(simulation: Simulation, words: np.ndarray) -> np.ndarray:  # (cycles, lanes) -> (cycles, lanes) object
    """Outputs before each edge, by the netlist."""
    seen = []
    for row in words:
        simulation.set("i", row)
        seen.append([sum(int(bit) << place for place, bit in enumerate(lane)) for lane in simulation.bits("o")])
        simulation.step()
    return np.array(seen, object)


def synthesised(
    component: Any,
    ports: Sequence[Any],
    folder: Path,
    command: str = "synth_ice40 -top top",
    verilog: str = "",
    platform: Any = None,
) -> Path:
    """The netlist that commands of Yosys make of a design and of further modules in Verilog."""
    text = rtlil.convert(component, ports=[Value.cast(each) for each in ports], platform=platform)
    (folder / "top.il").write_text(text)
    (folder / "top.v").write_text(verilog)
    (folder / "top.ys").write_text(f"read_rtlil top.il\nread_verilog top.v\n{command}\nwrite_json top.json\n")
    tools.run(["yosys", "-q", "top.ys"], folder, "yosys.log")
    return folder / "top.json"


def board_netlist(mapping: Mapping, folder: Path) -> Path:
    """The icebreaker's design of a mapping, as Yosys makes it: the file."""
    sources = elaborated(designed(mapping, boards.find("icebreaker"), 115_200))
    for name, data in sources.files.items():
        (folder / name).write_bytes(data)
    tools.run(sources.synthesis, folder, "synthesis.log")
    return folder / "top.json"


def written(folder: Path, cells: dict[str, dict], names: dict[str, list], ports: dict[str, tuple[str, list]]) -> Path:
    """A netlist by hand."""
    module = {
        "attributes": {"top": "1"},
        "ports": {name: {"direction": direction, "bits": nets} for name, (direction, nets) in ports.items()},
        "cells": cells,
        "netnames": {
            name: {"bits": nets}
            for name, nets in {**names, **{name: nets for name, (_, nets) in ports.items()}}.items()
        },
    }
    (folder / "top.json").write_text(json.dumps({"modules": {"top": module}}))
    return folder / "top.json"


def cell(kind: str, output: str, parameters: dict[str, str] | None = None, **ports: list) -> dict:
    directions = {name: "output" if name == output else "input" for name in ports}
    return {"type": kind, "parameters": parameters or {}, "port_directions": directions, "connections": ports}


def flip_flop(data: int, out: int, clock: int = 2, kind: str = "SB_DFF", **ports: list) -> dict:
    return cell(kind, "Q", C=[clock], D=[data], Q=[out], **ports)


def inverter(data: int, out: int) -> dict:
    return cell("SB_LUT4", "O", {"LUT_INIT": "01" * 8}, I0=[data], I1=["0"], I2=["0"], I3=["0"], O=[out])
