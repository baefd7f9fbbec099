"""iCEBreaker (1BitSquared): iCE40 UP5K, 12 MHz, USB serial. LEDs 0 and 1 are on the board, 2 to 6 on its break-off
section.

Pins: amaranth_boards.icebreaker.
"""

from amaranth_boards.icebreaker import ICEBreakerPlatform

from logicnn.board.boards import Board, Programmer


def platform() -> ICEBreakerPlatform:
    made = ICEBreakerPlatform()
    made.add_resources(made.break_off_pmod)
    return made


board = Board(
    "icebreaker",
    platform,
    "iCE40UP5K",
    engine_hz=24e6,
    programmer=Programmer("iceprog", "fpga-icestorm", offset_option="-o"),
    other_programmer=Programmer("openFPGALoader", "openfpgaloader", ("-b", "ice40_generic"), "-o"),
    usb=((0x0403, 0x6010),),  # FT2232H
)
