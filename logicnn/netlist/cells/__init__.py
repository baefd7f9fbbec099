"""What the cells of a netlist do: models of iCE40's and ECP5's, each with its source, put together to a circuit.

A cell, a parameter or a port whose function is not known here raises `NetlistError`, never a guess.
"""

from collections.abc import Callable, Iterable, Mapping

from logicnn.netlist.cells import ecp5, ice40
from logicnn.netlist.cells.cell import Cell
from logicnn.netlist.cells.mac16 import mac16
from logicnn.netlist.circuit import Circuit
from logicnn.netlist.netlist import Module, Net, NetlistError, gates

__all__ = ["circuit"]

MODELS: Mapping[str, Callable[[Cell], None]] = {
    "SB_IO": ice40.pin,
    "SB_GB_IO": ice40.pin,
    "SB_GB": ice40.global_buffer,
    "SB_RAM40_4K": ice40.block_memory,
    "SB_SPRAM256KA": ice40.large_memory,
    "SB_MAC16": mac16,
    "TRELLIS_FF": ecp5.flip_flop,
    "TRELLIS_IO": ecp5.pin,
    "TRELLIS_DPR16X4": ecp5.distributed_memory,
    "DP16KD": ecp5.block_memory,
    "MULT18X18D": ecp5.multiplier,
    "EHXPLLL": ecp5.pll,
    "DCCA": ecp5.clock_buffer,
}
# Cells that clocks pass, oscillators, and cells that only read the circuit.
BUFFERS = "SB_IO", "SB_GB_IO", "SB_GB", "TRELLIS_IO", "DCCA"
OSCILLATORS = {"SB_HFOSC": "CLKHF", "SB_LFOSC": "CLKLF", "OSCG": "OSC"}
SINKS = "$scopeinfo", "SB_RGBA_DRV", "SB_WARMBOOT", "USRMCLK"
CLOCKS = "C", "CLK", "CLOCK", "RCLK", "WCLK", "CLKA", "CLKB", "WCK"


def circuit(module: Module, cut: Iterable[Net] = (), clock: Net | None = None) -> Circuit:
    """The circuit of a netlist whose nets `cut` lose their drivers, and of one `clock` if it has several."""
    built = Circuit(frozenset(cut))
    for port in module.ports.values():
        if port["direction"] != "output":
            built.inputs |= {net for net in port["bits"] if not isinstance(net, str)}
    cells = [
        Cell(built, name, cell["type"], cell.get("parameters", {}), cell["connections"])
        for name, cell in module.cells.items()
    ]
    for cell in sorted(cells, key=lambda cell: cell.kind not in BUFFERS):
        if clock is not None and _is_foreign(cell, built.origin(clock)):
            for port, direction in module.cells[cell.name].get("port_directions", {}).items():
                if direction == "output":
                    built.sources |= dict.fromkeys(cell.connections[port], f"{cell.name}, which has another clock")
        else:
            _add(cell, module.cells[cell.name])
    for net in built.logic.keys() & built.inputs - built.cut:
        built.inputs.discard(net)  # a pin of direction inout that the circuit drives
    built.check_clock()
    return built


def _is_foreign(cell: Cell, clock: Net) -> bool:
    if cell.kind in BUFFERS:
        return False
    nets = [net for port in CLOCKS for net in cell.connections.get(port, ()) if not isinstance(net, str)]
    return any(cell.circuit.origin(net) != clock for net in nets)


def _add(cell: Cell, raw: dict) -> None:
    built, directions = cell.circuit, raw.get("port_directions", {})
    logic = gates(cell.kind, raw, lambda port: cell.net(port, "x" if directions.get(port) == "output" else "0"))
    if logic is not None:
        for net, gate in logic.items():
            built.drive(net, gate.function(*map(built.bit, gate.inputs)))
    elif cell.kind in MODELS:
        MODELS[cell.kind](cell)
    elif cell.kind.startswith("SB_DFF"):
        ice40.flip_flop(cell)
    elif cell.kind.startswith("SB_PLL40_"):
        ice40.pll(cell)
    elif cell.kind in OSCILLATORS:
        built.sources[cell.net(OSCILLATORS[cell.kind], "x")] = f"{cell.name}.{OSCILLATORS[cell.kind]}"
    elif cell.kind not in SINKS:
        raise NetlistError(f"cell {cell.name} is a {cell.kind}, whose function is not known")
