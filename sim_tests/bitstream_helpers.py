"""Bitstreams of small designs, and wrong bits in them."""

import json
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from logicnn.flow import tools
from logicnn.netlist import icestorm
from logicnn.netlist.netlist import Module

# What bits of a logic cell are the rows of its table, by row: Project IceStorm, "LOGIC Tile".
ROWS = (4, 14, 15, 5, 6, 16, 17, 7, 3, 13, 12, 2, 1, 11, 10, 0)
FIRST_COLUMN, PER_LINE = 36, 10  # of those bits in a tile's text, two lines a cell

needs_icestorm = pytest.mark.skipif(
    not icestorm.is_installed(), reason="IceStorm (fpga-icestorm) is not installed: no reader of bitstreams"
)


def made(verilog: str, folder: Path, pins: dict[str, str], device: str, package: str, options: str = "") -> bytes:
    """The bitstream of a module `top`; its netlist is ``top.json`` in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "top.v").write_text(verilog)
    (folder / "top.pcf").write_text("".join(f"set_io {port} {pin}\n" for pin, port in pins.items()))
    tools.run(["yosys", "-q", "-p", f"read_verilog top.v; synth_ice40 -top top {options} -json top.json"], folder, "y")
    where = f"--{device} --package {package} --json top.json --pcf top.pcf --asc top.asc --seed 1 -q".split()
    tools.run(["nextpnr-ice40", *where], folder, "n")
    tools.run(["icepack", "top.asc", "top.bin"], folder, "i")
    return (folder / "top.bin").read_bytes()


def place_of(folder: Path, signal: str, bit: int) -> tuple[int, int, int]:
    """Where a build has placed the flip-flop of a bit of a signal: column and row of the tile, cell."""
    netlist = Module.read(folder / "top.json")
    net = netlist.nets(signal)[bit]
    (register,) = [name for name, cell in netlist.cells.items() if cell["connections"].get("Q") == [net]]
    before = netlist.cells[register]["connections"]["D"]
    luts = [name for name, cell in netlist.cells.items() if cell["connections"].get("O") == before]
    placed = json.loads((folder / "placed.json").read_text())["modules"]["top"]["cells"]
    names = [f"{name}_LC" for name in luts] + [f"{register}_DFFLC", f"{register}_LC"]
    (found,) = [placed[name]["attributes"]["NEXTPNR_BEL"] for name in names if name in placed]
    x, y, cell = map(int, re.findall(r"\d+", found))
    return x, y, cell


def flipped(data: bytes, place: tuple[int, int, int], row: int) -> bytes:
    """A bitstream in which one row of the table of one cell is another, its CRC right."""
    x, y, cell = place
    line, column = divmod(ROWS[row], PER_LINE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "right.bin").write_bytes(data)
        subprocess.run(["iceunpack", "right.bin", "right.asc"], cwd=folder, check=True, capture_output=True)
        lines = (folder / "right.asc").read_text(errors="replace").splitlines()
        at = lines.index(f".logic_tile {x} {y}") + 1 + 2 * cell + line
        place_in_line = FIRST_COLUMN + column
        bit = "1" if lines[at][place_in_line] == "0" else "0"
        lines[at] = lines[at][:place_in_line] + bit + lines[at][place_in_line + 1 :]
        (folder / "wrong.asc").write_text("\n".join(lines) + "\n")
        tools.run(["icepack", "wrong.asc", "wrong.bin"], folder, "icepack.log")
        return (folder / "wrong.bin").read_bytes()
