"""OrangeCrab r0.2 (25F): ECP5 25F, 48 MHz. Its USB has no serial port: one of 3.3 V is on pins 1 (from the board) and 0
(to it), which the Feather form calls TX and RX.

Pins: amaranth_boards.orangecrab_r0_2.
"""

from amaranth.build import Attrs
from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_25FPlatform
from amaranth_boards.resources import UARTResource

from logicnn.board.boards import Board, Programmer


def platform() -> OrangeCrabR0_2_25FPlatform:
    made = OrangeCrabR0_2_25FPlatform()
    made.add_resources([UARTResource(0, tx="1", rx="0", conn=("io", 0), attrs=Attrs(IO_TYPE="LVCMOS33"))])
    return made


board = Board(
    "orangecrab",
    platform,
    "LFE5U-25F",
    programmer=Programmer("dfu-util", "dfu-util", ("-d", "1209:5af0", "-a", "0", "-D")),
)
