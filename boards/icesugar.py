"""iCESugar (MuseLab): iCE40 UP5K, 12 MHz, USB serial and programmer in one (iCELink). The LEDs are its RGB LED.

Pins: amaranth_boards.icesugar.
"""

from amaranth_boards.icesugar import ICESugarPlatform

from logicnn.board.boards import Board, Programmer

board = Board(
    "icesugar",
    ICESugarPlatform,
    "iCE40UP5K",
    engine_hz=24e6,
    programmer=Programmer("icesprog", "icesprog, of github.com/wuxx/icesugar"),
    usb=((0x1D50, 0x602B),),  # iCELink
)
