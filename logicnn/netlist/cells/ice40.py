"""Cells of iCE40: flip-flops, pins, clocks, block memory and the large memory of the UltraPlus.

Sources: iCE40 technology library (Lattice, 2017); memory usage guide (FPGA-TN-02002), SB_RAM40_4K; SPRAM usage guide
(FPGA-TN-02022), SB_SPRAM256KA. At power-up registers are 0 and block memory is INIT.
"""

import re

import numpy as np

from logicnn.netlist.cells.cell import Cell
from logicnn.netlist.circuit import ONE, ZERO, Bit, Memory, Read, Write

__all__ = ["block_memory", "flip_flop", "global_buffer", "large_memory", "pin", "pll"]


def flip_flop(cell: Cell) -> None:
    """SB_DFF*: N falling edge, E enable, R and S asynchronous, SR and SS synchronous (and only while enabled)."""
    match = re.fullmatch(r"SB_DFF(N?)(E?)(R|S|SR|SS|)", cell.kind)
    if not match or match[1]:
        raise cell.fail("clocked by the falling edge" if match else "unknown flip-flop")
    following = cell.bit("D")
    if match[3] in ("R", "S"):
        cell.require_constant(match[3], ZERO)
    elif match[3] == "SR":
        following = following & ~cell.bit("R")
    elif match[3] == "SS":
        following = following | cell.bit("S")
    cell.circuit.register(cell.outputs("Q")[0], following, cell.bit("E", "1") if cell.clocked("C") else ZERO)


def pin(cell: Cell) -> None:
    """SB_IO and SB_GB_IO at one data rate: PIN_TYPE's low two bits say how the pin is read, its high four how it is
    driven.

    A pin with an output enable is the level from outside (an input of the circuit) while it is not driven.
    """
    circuit, style = cell.circuit, cell.number("PIN_TYPE")
    outside, drive = cell.net("PACKAGE_PIN"), style >> 2
    if cell.number("NEG_TRIGGER"):
        raise cell.fail("clocked by the falling edge")

    def held(port: str) -> Bit:
        cell.require_constant("CLOCK_ENABLE", ONE, "1")
        return circuit.register((cell.name, port), cell.bit(port), ONE if cell.clocked("OUTPUT_CLK") else ZERO)

    match drive:
        case 0b0000:
            pass
        case 0b0110:
            circuit.drive(outside, cell.bit("D_OUT_0"))
        case 0b0101:
            circuit.drive(outside, held("D_OUT_0"))
        case 0b1010:
            circuit.share_pin(outside, cell.bit("D_OUT_0"), cell.bit("OUTPUT_ENABLE"))
        case 0b1101:
            circuit.share_pin(outside, held("D_OUT_0"), held("OUTPUT_ENABLE"))
        case _:
            raise cell.fail(f"PIN_TYPE {style:06b} is not supported")
    match style & 3:
        case 0b01:
            circuit.buffer(cell.net("D_IN_0", "x"), outside)
        case 0b00 if not isinstance(cell.net("D_IN_0", "x"), str):
            cell.require_constant("CLOCK_ENABLE", ONE, "1")
            circuit.register(cell.net("D_IN_0"), circuit.bit(outside), ONE if cell.clocked("INPUT_CLK") else ZERO)
        case 0b00:
            pass
        case _:
            raise cell.fail(f"PIN_TYPE {style:06b} is not supported")
    if cell.kind == "SB_GB_IO":
        circuit.buffer(cell.net("GLOBAL_BUFFER_OUTPUT", "x"), outside)
    for net in cell.nets("D_IN_1", 1, "x"):
        circuit.sources[net] = f"{cell.name}.D_IN_1"


def global_buffer(cell: Cell) -> None:
    """SB_GB."""
    cell.circuit.buffer(cell.net("GLOBAL_BUFFER_OUTPUT", "x"), cell.net("USER_SIGNAL_TO_GLOBAL_BUFFER"))


def pll(cell: Cell) -> None:
    """SB_PLL40_*: each output a clock of its own, the core's and the global one the same."""
    for output in ("", "A", "B"):
        core, wide = (cell.net(f"PLLOUT{way}{output}", "x") for way in ("CORE", "GLOBAL"))
        cell.circuit.sources[core] = f"{cell.name}.PLLOUTCORE{output}"
        if isinstance(core, str):
            cell.circuit.sources[wide] = f"{cell.name}.PLLOUTGLOBAL{output}"
        elif not isinstance(wide, str):
            cell.circuit.buffers[wide] = core
    cell.circuit.sources[cell.net("LOCK", "x")] = f"{cell.name}.LOCK"


def block_memory(cell: Cell) -> None:
    """SB_RAM40_4K: 256 words of 16 bits, or 512 x 8, 1024 x 4, 2048 x 2 by READ_MODE and WRITE_MODE 0 to 3.

    In mode m, data bit j is pin j, 2 j, 4 j + 1 or 8 j + 3, and bit ``2 ** m * j + s`` of the word, where s is the
    address above its low eight bits. A read sees what was there before a write.
    """
    circuit = cell.circuit

    def port(address: str, mode: int) -> tuple[list, range, list[int]]:
        step = 1 << mode
        bits = cell.bits(address, 11)[: 8 + mode]
        weights = [16 << i for i in range(8)] + [1 << i for i in range(mode)]
        pins = [step * j + max(step // 2 - 1, 0) for j in range(16 // step)]
        return list(zip(bits, weights, strict=True)), range(0, 16, step), pins

    modes = cell.number("READ_MODE"), cell.number("WRITE_MODE")
    if max(modes) > 3:
        raise cell.fail(f"READ_MODE {modes[0]} and WRITE_MODE {modes[1]} are not supported")
    address, places, pins = port("RADDR", modes[0])
    every = cell.outputs("RDATA", 16)
    outputs = [every[pin] for pin in pins]
    for net in outputs:
        circuit.register(net, circuit.bit(net))
    for net in {*every} - {*outputs}:
        circuit.sources[net] = f"{cell.name}.RDATA, unused in this mode"
    enable = cell.bit("RE") & cell.bit("RCLKE", "1") if cell.clocked("RCLK") else ZERO
    reads = [Read(enable, address, places, outputs)]
    address, places, pins = port("WADDR", modes[1])
    data, masks = cell.bits("WDATA", 16), cell.bits("MASK", 16)
    enable = cell.bit("WE") & cell.bit("WCLKE", "1") if cell.clocked("WCLK") else ZERO
    kept = [ZERO] * len(pins) if modes[1] else masks
    writes = [Write(enable, address, places, [data[pin] for pin in pins], [~mask for mask in kept])]
    if cell.text("INIT_FILE", ""):
        raise cell.fail("INIT_FILE is not supported")
    rows = [cell.number(f"INIT_{row:X}") >> 16 * word & 0xFFFF for row in range(16) for word in range(16)]
    initial = (np.array(rows)[:, None] >> np.arange(16) & 1).astype(bool)
    circuit.memories[cell.name] = Memory(cell.kind, 256, 16, initial, reads, writes)


def large_memory(cell: Cell) -> None:
    """SB_SPRAM256KA: 16,384 words of 16 bits, one port, four write masks of four bits, content unknown at first.

    DATAOUT is unknown after a write and at power-up: here the complement of what was written, and random. The power
    modes must be off.
    """
    for port, level in (("STANDBY", ZERO), ("SLEEP", ZERO), ("POWEROFF", ONE)):
        cell.require_constant(port, level)
    circuit = cell.circuit
    address = [(bit, 16 << i) for i, bit in enumerate(cell.bits("ADDRESS", 14))]
    selected = cell.bit("CHIPSELECT") if cell.clocked("CLOCK") else ZERO
    write, data, outputs = selected & cell.bit("WREN"), cell.bits("DATAIN", 16), cell.outputs("DATAOUT", 16)
    for net, bit in zip(outputs, data, strict=True):
        circuit.register(net, ~bit, write, initial=None)
    masks = [mask for mask in cell.bits("MASKWREN", 4) for _ in range(4)]
    reads = [Read(selected & ~cell.bit("WREN"), address, range(16), outputs)]
    writes = [Write(write, address, range(16), data, masks)]
    circuit.memories[cell.name] = Memory(cell.kind, 1 << 14, 16, None, reads, writes)
