"""How a bitstream is checked from pin to pin: what a design and its board's file say about it."""

from logicnn.board.boards import Board
from logicnn.flow.design import Design
from logicnn.flow.sources import TOP, Sources
from logicnn.verify.bitstream import BitstreamCheck, Wiring

__all__ = ["bitstream_check", "wiring_of"]

SMALLER = {"iCE40HX4K": ":4k", "iCE40LP4K": ":4k"}  # dies of 8k in packages of their own, by IceStorm's names
RX, TX = "uart_0__rx__io", "uart_0__tx__io"


def wiring_of(board: Board, constraints: str, baud: int) -> Wiring:
    """From the constraints (.pcf) that Amaranth makes of a board's file."""
    platform = board.make_platform()
    words = [line.split() for line in constraints.splitlines()]
    pins = {each[2]: each[1] for each in words if each[:1] == ["set_io"]}
    clock = next(name for name in pins.values() if name.startswith(f"{platform.default_clk}_"))
    package = f"{platform.package.lower()}{SMALLER.get(platform.device, '')}"
    return Wiring(pins, package, clock, platform.default_clk_frequency, RX, TX, baud)


def bitstream_check(design: Design, sources: Sources) -> BitstreamCheck:
    """The check of the bitstream that a build makes of a design for iCE40."""
    from logicnn.gateware.board.classifier import identity_of

    mapping = design.mapping
    return BitstreamCheck(
        design.network,
        identity_of(mapping),
        wiring_of(design.board, sources.files[f"{TOP}.pcf"].decode(), design.baud),
        design.clock_hz,
        design.divider,
        design.uses_pll,
        mapping.latency.most,
        design.image,
        design.loading_cycles if design.image else 0,
    )
