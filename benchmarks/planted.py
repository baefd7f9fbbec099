"""Faults planted in a netlist, one at a time: a table's bit flipped, the inputs of two cells or the carries of two
chains exchanged, a register's reset turned into a set. What becomes of them `benchmarks.decided` says.
"""

from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter

import numpy as np

from logicnn.board.protocol import FLAG, Frame, Kind, encode
from logicnn.flow.serial_line import levels
from logicnn.gateware.board.uart import silent_cycles
from logicnn.netlist.netlist import Module, Net

__all__ = ["KINDS", "planted", "traffic"]

KINDS = {"table": 0.6, "nets": 0.2, "carry": 0.1, "reset": 0.1}  # shares of the faults
BROKEN = 0.15  # of frames, with silence inside
STORMS, JUNK = 0.03, bytes([0, FLAG])  # of frames, are many short ones, until counters are carried
OUTPUT = {"SB_LUT4": "O", "SB_CARRY": "CO"}
SETS = {"SB_DFFSR": "SB_DFFSS", "SB_DFFSS": "SB_DFFSR", "SB_DFFESR": "SB_DFFESS", "SB_DFFESS": "SB_DFFESR"}


def planted(kind: str, module: Module, places: Collection[str], rng: np.random.Generator) -> tuple[str, Module]:
    """A fault of a kind at a random one of these cells, as people say it, and the module with it."""
    while True:
        cells = {name: cell for name, cell in module.cells.items() if name in places}
        said = PLANTED[kind](cells, rng)
        made = Module(module.cells | cells, module.names, module.ports)
        if said is not None and _has_no_loop(made.cells):
            return said, made


def _has_no_loop(cells: Mapping[str, dict]) -> bool:
    """Whether no net follows from itself within a cycle."""
    follows: dict[Net, list[Net]] = {}
    for cell in cells.values():
        output = OUTPUT.get(cell["type"])
        if output is not None:
            ports = cell["connections"]
            follows[ports[output][0]] = [nets[0] for port, nets in ports.items() if port != output]
    try:
        tuple(TopologicalSorter(follows).static_order())
    except CycleError:
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
    cell, kind = cells[name], SETS[cells[name]["type"]]
    ports = {kind[-1] if port in ("R", "S") else port: nets for port, nets in cell["connections"].items()}
    ways = {kind[-1] if port in ("R", "S") else port: way for port, way in cell["port_directions"].items()}
    cells[name] = cell | {"type": kind, "connections": ports, "port_directions": ways}
    return f"{name} made a {cells[name]['type']}"


PLANTED = {"table": _table, "nets": _nets, "carry": _carry, "reset": _reset}


def traffic(
    samples: np.ndarray, divisor: int, lanes: int, cycles: int, seed: int
) -> np.ndarray:  # (cycles, lanes) uint8
    """Levels of a line in each lane: requests of all kinds, some of these `samples` (n, bytes) and random ones, with
    answers awaited and not, frames cut, changed, of wrong lengths, with silence inside, noise, and long silence.
    """
    rng = np.random.default_rng(seed)
    line = np.ones((lanes, cycles), np.uint8)
    for lane in line:
        at = int(rng.integers(1, 40 * divisor))
        while at < cycles:
            data = _sent(rng, samples) if rng.random() > STORMS else JUNK * int(rng.integers(1, 400))
            cut = int(rng.integers(len(data))) if rng.random() < BROKEN else 0
            for part, pause in ((data[:cut], _broken), (data[cut:], _pause))[0 if cut else 1 :]:
                sent = np.array([level for byte in part for level in levels(byte)], np.uint8).repeat(divisor)
                fits = sent[: max(0, cycles - at)]
                lane[at : at + len(fits)] = fits
                at += len(sent) + pause(rng, divisor)
    return line.T


def _pause(rng: np.random.Generator, divisor: int) -> int:
    """Cycles between two frames."""
    return int(rng.choice([0, 1, 12, 40, 270], p=[0.3, 0.2, 0.25, 0.2, 0.05])) * 10 * divisor


def _broken(rng: np.random.Generator, divisor: int) -> int:
    """Cycles within a frame that goes on: often nearly those after which a board takes it for broken off."""
    silent = silent_cycles(divisor)
    return silent + int(rng.integers(-80, 81)) if rng.random() < 0.5 else int(rng.integers(silent * 5 // 4))


def _sent(rng: np.random.Generator, samples: np.ndarray) -> bytes:
    kinds = [Kind.CLASSIFY, Kind.IDENTIFY, Kind.COUNTERS, int(rng.integers(16))]
    kind = int(rng.choice(kinds, p=[0.45, 0.15, 0.2, 0.2]))
    size = samples.shape[1] if kind == Kind.CLASSIFY else 0
    payload = rng.choice(samples).tobytes()[:size]
    if rng.random() < 0.1:
        size = max(0, size + int(rng.integers(-2, 3)))
        payload = np.packbits(rng.random(8 * size) < rng.random()).tobytes()
    frame = bytearray(encode(Frame(kind, int(rng.integers(16)), payload)))
    if rng.random() < 0.2:
        frame[int(rng.integers(len(frame)))] ^= int(rng.integers(1, 256))
    if rng.random() < 0.15:
        left = int(rng.integers(1, len(frame))) if rng.random() < 0.3 else len(frame) - int(rng.integers(1, 8))
        frame = frame[: max(1, left)]
    return bytes(frame)
