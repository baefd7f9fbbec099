"""Colorlight 5A-75B, revision 7.0: ECP5 25F, 25 MHz. A serial port of 3.3 V is on its header J19: P11, which is the
LED's as well, from the board, and M13, the button's, to it. Programmed by a JTAG cable with an FT232.

Pins: amaranth_boards.colorlight_5a75b_r7_0.
"""

from amaranth_boards.colorlight_5a75b_r7_0 import Colorlight_5A75B_R70Platform

from logicnn.board.boards import Board, Programmer


def platform() -> Colorlight_5A75B_R70Platform:
    made = Colorlight_5A75B_R70Platform()
    made.resources.pop(("led", 0))  # the serial port needs its pin  # pyright: ignore
    return made


board = Board(
    "colorlight",
    platform,
    "LFE5U-25F",
    programmer=Programmer("openFPGALoader", "openfpgaloader", ("-c", "ft232", "-f")),
)
