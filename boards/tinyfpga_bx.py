"""TinyFPGA BX: iCE40 LP8K, 16 MHz, one LED. Its USB has no serial port: one of 3.3 V is on pins 1 (from the board) and
2 (to it).

Pins: amaranth_boards.tinyfpga_bx.
"""

from amaranth.build import Attrs
from amaranth_boards.resources import UARTResource
from amaranth_boards.tinyfpga_bx import TinyFPGABXPlatform

from logicnn.board.boards import Board, Programmer


def platform() -> TinyFPGABXPlatform:
    made = TinyFPGABXPlatform()
    made.add_resources([UARTResource(0, tx="1", rx="2", conn=("gpio", 0), attrs=Attrs(IO_STANDARD="SB_LVCMOS"))])
    return made


board = Board("tinyfpga_bx", platform, "iCE40LP8K", programmer=Programmer("tinyprog", "tinyprog", ("-p",)))
