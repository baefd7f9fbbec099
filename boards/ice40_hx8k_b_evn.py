"""Lattice iCE40-HX8K breakout board: iCE40 HX8K, 12 MHz, USB serial, eight LEDs.

Pins: amaranth_boards.ice40_hx8k_b_evn.
"""

from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform

from logicnn.board.boards import Board, Programmer

board = Board(
    "ice40_hx8k_b_evn",
    ICE40HX8KBEVNPlatform,
    "iCE40HX8K",
    programmer=Programmer("iceprog", "fpga-icestorm", offset_option="-o"),
    other_programmer=Programmer("openFPGALoader", "openfpgaloader", ("-b", "ice40_generic"), "-o"),
    usb=((0x0403, 0x6010),),  # FT2232H
)
