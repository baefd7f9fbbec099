"""Cells of ECP5: flip-flops, pins, clocks, distributed and block memory, multipliers.

Sources: memory usage guide (FPGA-TN-02204), DP16KD; sysDSP usage guide (FPGA-TN-02205), MULT18X18D; FPGA libraries reference guide (Lattice
Diamond 3.12). At power-up registers have the level of their reset (GSR), and memory is INITVAL.
"""

from logicnn.bits import mux
from logicnn.cells.cell import Cell, product
from logicnn.circuit import ONE, ZERO, Bit

__all__ = ["clock_buffer", "distributed_memory", "flip_flop", "multiplier", "pin", "pll"]


def flip_flop(cell: Cell) -> None:
    """TRELLIS_FF: enable and synchronous reset or set, which goes before the enable unless SRMODE says otherwise."""
    cell.require("CLKMUX", "CLK")
    cell.require("LSRMODE", "LSR")
    order = cell.require("SRMODE", "LSR_OVER_CE", "CE_OVER_LSR", "ASYNC")
    reset = _selected(cell, "LSR", "LSRMUX", "LSR")
    if order == "ASYNC" and reset is not ZERO:
        raise cell.fail("LSR is not constant")
    level = ONE if cell.require("REGSET", "RESET", "SET") == "SET" else ZERO
    enable = _selected(cell, "CE", "CEMUX", "1")
    if order != "CE_OVER_LSR":
        enable = enable | reset
    following = mux(reset, cell.bit("DI"), level)
    cell.circuit.register(cell.outputs("Q")[0], following, enable if cell.clocked("CLK") else ZERO, initial=int(level is ONE))


def _selected(cell: Cell, port: str, parameter: str, default: str) -> Bit:
    """An input behind a multiplexer that passes it, inverts it or is a constant."""
    match cell.require(parameter, default, port, "INV", "0", "1"):
        case "0":
            return ZERO
        case "1":
            return ONE
        case "INV":
            return ~cell.bit(port)
    return cell.bit(port)


def pin(cell: Cell) -> None:
    """TRELLIS_IO: T is 1 where the pin is not driven."""
    direction = cell.require("DIR", "INPUT", "OUTPUT", "BIDIR")
    if direction != "INPUT":
        cell.circuit.share_pin(cell.net("B"), cell.bit("I"), ~cell.bit("T"))
    if direction != "OUTPUT":
        cell.circuit.buffer(cell.net("O", "x"), cell.net("B"))


def clock_buffer(cell: Cell) -> None:
    """DCCA with its enable constant."""
    cell.require_constant("CE", ONE, "1")
    cell.circuit.buffer(cell.net("CLKO", "x"), cell.net("CLKI"))


def pll(cell: Cell) -> None:
    """EHXPLLL: each output a clock of its own."""
    for port in ("CLKOP", "CLKOS", "CLKOS2", "CLKOS3", "LOCK", "INTLOCK", "REFCLK", "CLKINTFB"):
        cell.circuit.sources[cell.net(port, "x")] = f"{cell.name}.{port}"


def distributed_memory(cell: Cell) -> None:
    """TRELLIS_DPR16X4: 16 words of four bits in registers, written at the edge, read within the cycle."""
    cell.require("WCKMUX", "WCK")
    enable = _selected(cell, "WRE", "WREMUX", "WRE") if cell.clocked("WCK") else ZERO
    initial = cell.number("INITVAL")
    write, read = (_decoded(cell.bits(port, 4)) for port in ("WAD", "RAD"))
    for place, (net, data) in enumerate(zip(cell.outputs("DO", 4), cell.bits("DI", 4), strict=True)):
        level = ZERO
        for word in range(16):
            held = cell.circuit.register((cell.name, (word, place)), data, enable & write[word], initial >> 4 * word + place & 1)
            level = level | (read[word] & held)
        cell.circuit.drive(net, level)


def _decoded(address: list[Bit]) -> list[Bit]:
    """For each word whether the address is its."""
    lines = [ONE]
    for bit in address:
        lines = [line & ~bit for line in lines] + [line & bit for line in lines]
    return lines


def multiplier(cell: Cell) -> None:
    """MULT18X18D without registers, as Yosys writes it: 18 x 18 bits, each operand signed where SIGNEDA or SIGNEDB is 1."""
    for stage in ("INPUTA", "INPUTB", "INPUTC", "PIPELINE", "OUTPUT"):
        cell.require(f"REG_{stage}_CLK", "NONE")
    for port in ("SOURCEA", "SOURCEB"):
        cell.require_constant(port, ZERO)
    signs = cell.bit("SIGNEDA"), cell.bit("SIGNEDB")
    if any(sign not in (ZERO, ONE) for sign in signs):
        raise cell.fail("SIGNEDA and SIGNEDB are not constant")
    words = [[cell.bit(f"{letter}{place}") for place in range(18)] for letter in "AB"]
    result = product(words[0], words[1], (signs[0] is ONE, signs[1] is ONE), 36)
    for place, bit in enumerate(result):
        cell.circuit.drive(cell.outputs(f"P{place}")[0], bit)
