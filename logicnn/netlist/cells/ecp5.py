"""Cells of ECP5: flip-flops, pins, clocks, distributed and block memory, multipliers.

Sources: memory usage guide (FPGA-TN-02204), DP16KD; sysDSP usage guide (FPGA-TN-02205), MULT18X18D; FPGA libraries
reference guide (Lattice Diamond 3.12). At power-up registers have the level of their reset (GSR), and memory is
INITVAL.
"""

import numpy as np

from logicnn.bits import mux
from logicnn.netlist.cells.cell import Cell, product
from logicnn.netlist.circuit import ONE, ZERO, Bit, Memory, Read, Write

__all__ = ["block_memory", "clock_buffer", "distributed_memory", "flip_flop", "multiplier", "pin", "pll"]


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
    cell.circuit.register(
        cell.outputs("Q")[0], following, enable if cell.clocked("CLK") else ZERO, initial=int(level is ONE)
    )


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
            held = cell.circuit.register(
                (cell.name, (word, place)), data, enable & write[word], initial >> 4 * word + place & 1
            )
            level = level | (read[word] & held)
        cell.circuit.drive(net, level)


def _decoded(address: list[Bit]) -> list[Bit]:
    """Whether the address is that of each word."""
    lines = [ONE]
    for bit in address:
        lines = [line & ~bit for line in lines] + [line & bit for line in lines]
    return lines


def multiplier(cell: Cell) -> None:
    """MULT18X18D: 18 x 18 bits, each operand signed where SIGNEDA or SIGNEDB is 1, with registers before and after it
    or without, as Yosys writes it; no reset.
    """
    for stage in ("INPUTC", "PIPELINE"):
        cell.require(f"REG_{stage}_CLK", "NONE")
    for port in ("SOURCEA", "SOURCEB"):
        cell.require_constant(port, ZERO)
    signs = cell.bit("SIGNEDA"), cell.bit("SIGNEDB")
    if any(sign not in (ZERO, ONE) for sign in signs):
        raise cell.fail("SIGNEDA and SIGNEDB are not constant")
    signed = signs[0] is ONE, signs[1] is ONE
    words = [
        _held(cell, f"INPUT{letter}", _narrowed([cell.bit(f"{letter}{place}") for place in range(18)], sign))
        for letter, sign in zip("AB", signed, strict=True)
    ]
    result = _held(cell, "OUTPUT", product(words[0], words[1], signed, len(words[0]) + len(words[1])))
    above = result[-1] if any(signed) else ZERO
    for place in range(36):
        cell.circuit.drive(cell.outputs(f"P{place}")[0], result[place] if place < len(result) else above)


def _narrowed(word: list[Bit], signed: bool) -> list[Bit]:
    """Without the upper bits that repeat the sign, or are 0: a product of as few bits as there are."""
    while len(word) > 1 and word[-1] is (word[-2] if signed else ZERO):
        word = word[:-1]
    return word


def _held(cell: Cell, stage: str, bits: list[Bit]) -> list[Bit]:
    """The bits, or those of a register stage of a multiplier, if it has that."""
    clock = cell.require(f"REG_{stage}_CLK", "NONE", "CLK0", "CLK1", "CLK2", "CLK3")
    if clock == "NONE":
        return bits
    enable = cell.bit(cell.require(f"REG_{stage}_CE", "CE0", "CE1", "CE2", "CE3"))
    cell.require_constant(cell.require(f"REG_{stage}_RST", "RST0", "RST1", "RST2", "RST3"), ZERO)
    enable = enable if cell.clocked(clock) else ZERO
    return [cell.circuit.register((cell.name, (stage, place)), bit, enable, 0) for place, bit in enumerate(bits)]


UNUSED = {1: 0, 2: 1, 4: 2, 9: 3, 18: 4, 36: 5}  # low address bits that a port of so many bits does not use


def block_memory(cell: Cell) -> None:
    """DP16KD without output registers: 1,024 words of 18 bits, two ports of 1, 2, 4, 9 or 18 bits, or A writes, B reads
    and one has 36.

    Ports of 1, 2 and 4 bits leave out the ninth bit of each byte. Ports of 18 and 36 bits take a write enable for each
    nine bits in place of the lowest address bits, and 36 bits are the pins of A, then those of B. WRITEMODE says what a
    port reads while it writes; where one port reads what the other writes, it is the old content.
    """
    cell.require("INIT_DATA", "STATIC")
    widths = {port: cell.number(f"DATA_WIDTH_{port}", 18) for port in "AB"}
    if not {*widths.values()} <= {*UNUSED}:
        raise cell.fail(f"DATA_WIDTH_A {widths['A']} and DATA_WIDTH_B {widths['B']} are not supported")
    simple = 36 in widths.values()
    if simple:
        cell.require_constant("WEB", ZERO)
    outputs = {port: [cell.outputs(f"DO{port}{place}")[0] for place in range(18)] for port in "AB"}
    reads, writes = [], []
    for port, width in widths.items():
        enable, write, address = _port(cell, port, width)
        places = range(width)
        if not (simple and port == "B"):
            data = [cell.bit(f"DI{bank}{place}") for bank in "AB" for place in range(18)][18 * (port == "B") :][:width]
            lines = {18: 2, 36: 4}.get(width, 0)
            masks = [cell.bit(f"AD{port}{place // 9}") if lines else ONE for place in places]
            writes.append(Write(write, address, places, data, masks))
        mode = cell.require(f"WRITEMODE_{port}", "NORMAL", "WRITETHROUGH", "READBEFOREWRITE")
        if not (simple and port == "A"):
            nets = [*outputs["A"], *outputs["B"]] if width == 36 else outputs[port][:width]
            seen = enable & ~write if mode == "NORMAL" else enable
            reads.append(Read(seen, address, places, nets, late=mode == "WRITETHROUGH"))
    read = [net for port in reads for net in port.outputs]
    for net in read:
        cell.circuit.register(net, cell.circuit.bit(net))
    for net in {*outputs["A"], *outputs["B"]} - {*read}:
        cell.circuit.sources[net] = f"{cell.name}, whose output is unused in this width"
    rows = [cell.number(f"INITVAL_{row:02X}") >> 20 * word & 0x3FFFF for row in range(64) for word in range(16)]
    initial = (np.array(rows)[:, None] >> np.arange(18) & 1).astype(bool)
    cell.circuit.memories[cell.name] = Memory(cell.kind, 1024, 18, initial, reads, writes)


def _port(cell: Cell, port: str, width: int) -> tuple[Bit, Bit, list[tuple[Bit, int]]]:
    """(enabled, writes, address) of a port, its clock and resets checked."""
    cell.require(f"REGMODE_{port}", "NOREG")
    cell.require(f"CLK{port}MUX", f"CLK{port}")
    cell.require(f"CSDECODE_{port}", "0b000")
    for pin in (f"RST{port}", f"CS{port}0", f"CS{port}1", f"CS{port}2"):
        cell.require_constant(pin, ZERO)
    weights = [1, 2, 4, *(9 << place for place in range(11))]
    address = [(cell.bit(f"AD{port}{place}"), weights[place]) for place in range(UNUSED[width], 14)]
    enable = cell.bit(f"CE{port}") if cell.clocked(f"CLK{port}") else ZERO
    return enable, enable & cell.bit(f"WE{port}"), address
