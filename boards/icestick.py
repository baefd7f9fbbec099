"""iCEstick (Lattice): iCE40 HX1K, 12 MHz, USB serial, five LEDs.

Pins: amaranth_boards.icestick.
"""

from amaranth_boards.icestick import ICEStickPlatform

from logicnn.board.boards import Board, Programmer

board = Board(
    "icestick",
    ICEStickPlatform,
    "iCE40HX1K",
    programmer=Programmer("iceprog", "fpga-icestorm", offset_option="-o"),
    other_programmer=Programmer("openFPGALoader", "openfpgaloader", ("-b", "ice40_generic"), "-o"),
    usb=((0x0403, 0x6010),),  # FT2232H
)
