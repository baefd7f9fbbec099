"""SB_MAC16, the multiplier and accumulator of the iCE40 UltraPlus. Source: DSP function usage guide (FPGA-TN-02007),
its block diagram.

Letters are those of the diagram: A to D the operands, F and G the products of high and of low bytes, J and K the mixed
ones, H their sum, Q and S the output registers. Asynchronous resets must be constant 0, and the clock's rising edge
active.
"""

from collections.abc import Sequence
from typing import TypeVar

from logicnn.bits import add_bits, full_adder, mux
from logicnn.netlist.cells.cell import WIRE, Cell, product
from logicnn.netlist.circuit import ZERO, Bit

__all__ = ["mac16"]

Word = list[Bit]
Choice = TypeVar("Choice")


def mac16(cell: Cell) -> None:
    """Puts the cell into its circuit, all parameters but NEG_TRIGGER; what nothing reads is never computed."""
    if cell.number("NEG_TRIGGER"):
        raise cell.fail("clocked by the falling edge")
    for reset in ("IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT"):
        cell.require_constant(reset, ZERO)
    enable = cell.bit("CE", "1") if cell.clocked("CLK") else ZERO
    a, b, c, d = (
        _held(cell, letter, cell.bits(letter, 16), enable & ~cell.bit(f"{letter}HOLD"), f"{letter}_REG")
        for letter in "ABCD"
    )
    f, g, h = _products(cell, a, b, enable)
    below = _choose(cell, "BOTADDSUB_LOWERINPUT", b, g, h[:16], [cell.bit("SIGNEXTIN")] * 16)
    carry = _choose(cell, "BOTADDSUB_CARRYSELECT", ZERO, ~ZERO, cell.bit("ACCUMCI"), cell.bit("CI"))
    low, low_held, carry = _accumulate(cell, "BOT", below, d, carry, enable)
    above = _choose(cell, "TOPADDSUB_LOWERINPUT", a, f, h[16:], [below[15]] * 16)
    carry = _choose(cell, "TOPADDSUB_CARRYSELECT", ZERO, ~ZERO, carry, carry ^ cell.bit("ADDSUBBOT"))
    high, high_held, carry = _accumulate(cell, "TOP", above, c, carry, enable)
    bottom = _choose(cell, "BOTOUTPUT_SELECT", low, low_held, g, h[:16])
    top = _choose(cell, "TOPOUTPUT_SELECT", high, high_held, f, h[16:])
    for net, bit in zip(cell.outputs("O", 32), [*bottom, *top], strict=True):
        cell.circuit.drive(net, bit)
    for port, bit in (("ACCUMCO", carry), ("CO", carry ^ cell.bit("ADDSUBTOP")), ("SIGNEXTOUT", above[15])):
        cell.circuit.drive(cell.outputs(port)[0], bit)


def _choose(cell: Cell, parameter: str, *choices: Choice) -> Choice:
    return choices[cell.number(parameter)]


def _held(cell: Cell, name: str, word: Sequence[Bit], enable: Bit, parameter: str) -> Word:
    """The word, through registers where the parameter is 1."""
    if not cell.number(parameter):
        return list(word)
    initial = None if enable is ZERO else 0  # a register that nothing ever loads must not be relied on
    return [cell.circuit.register((cell.name, (name, place)), bit, enable, initial) for place, bit in enumerate(word)]


def _products(cell: Cell, a: Word, b: Word, enable: Bit) -> tuple[Word, Word, Word]:
    """(F, G, H) of 16, 16 and 32 bits; in the mode of two 8 x 8 products the registers of J, K and H stand still."""
    two = bool(cell.number("MODE_8x8"))
    a_signed, b_signed = bool(cell.number("A_SIGNED")), bool(cell.number("B_SIGNED"))
    slow = ZERO if two else enable
    f = _held(cell, "F", product(a[8:], b[8:], (a_signed, b_signed), 16), enable, "TOP_8x8_MULT_REG")
    g = _held(cell, "G", product(a[:8], b[:8], (a_signed and two, b_signed and two), 16), enable, "BOT_8x8_MULT_REG")
    j = _held(cell, "J", product(a[:8], b[8:], (False, b_signed), 16), slow, "PIPELINE_16x16_MULT_REG1")
    k = _held(cell, "K", product(a[8:], b[:8], (a_signed, False), 16), slow, "PIPELINE_16x16_MULT_REG1")
    columns: list[Word] = [[] for _ in range(32)]
    constant = 0
    for word, shift, signed in ((g, 0, False), (j, 8, b_signed), (k, 8, a_signed), (f, 16, False)):
        for place, bit in enumerate(word):
            negative = signed and place == 15  # -x = ~x - 1
            columns[place + shift].append(~bit if negative else bit)
            constant -= negative << (place + shift)
    h = _held(cell, "H", add_bits(WIRE, columns, constant % (1 << 32), 32), slow, "PIPELINE_16x16_MULT_REG2")
    return f, g, h


def _accumulate(cell: Cell, half: str, addend: Word, load: Word, carry: Bit, enable: Bit) -> tuple[Word, Word, Bit]:
    """The adder of one half: (its result, the result's register, the carry). ADDSUB subtracts the addend: ``~(~u + x) =
    u - x``.
    """
    nets = [(cell.name, (half, place)) for place in range(16)]
    held = [cell.circuit.bit(net) for net in nets]
    upper = load if cell.number(f"{half}ADDSUB_UPPERINPUT") else held
    subtract, overwrite = cell.bit(f"ADDSUB{half}"), cell.bit(f"OLOAD{half}")
    result = []
    for x, u, new in zip(addend, upper, load, strict=True):
        total, carry = full_adder(WIRE, x, u ^ subtract, carry)
        result.append(mux(overwrite, total ^ subtract, new))
    for net, bit in zip(nets, result, strict=True):
        cell.circuit.register(net, bit, enable & ~cell.bit(f"OHOLD{half}"))
    return result, held, carry
