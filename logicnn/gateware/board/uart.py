"""An asynchronous serial receiver and transmitter: 8 data bits, no parity, one stop bit, least significant bit
first.
"""

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from logicnn.board.protocol import SILENCE
from logicnn.errors import LogicnnError

__all__ = ["Receiver", "Silence", "Transmitter", "divisor_of", "silent_cycles"]

LEAST = 4  # cycles a bit that are enough to find its middle
WRONG = 0.02  # of a bit's length; a byte is read up to 3 %, and the other side has an error of its own


def divisor_of(frequency: float, baud: int) -> int:
    """Cycles a bit at a clock of `frequency` Hz. Raises `LogicnnError` where they are too few, or no whole number is
    near.
    """
    divisor = round(frequency / baud)
    if divisor < LEAST or abs(frequency / divisor / baud - 1) > WRONG:
        near = frequency / max(LEAST, divisor)
        raise LogicnnError(
            f"baud must be made from a clock of {frequency / 1e6:g} MHz within {WRONG:.0%}, not {baud}; {near:.0f} can"
        )
    return divisor


class Receiver(wiring.Component):
    """Bytes from the line `rx`, sampled in the middle of each bit of `divisor` cycles.

    `o.valid` is up for one cycle at the middle of the stop bit; a byte without a stop bit is dropped. The next start
    bit may come right then, half a bit early, so that a sender up to 3 % fast is still read.
    """

    def __init__(self, divisor: int):
        self._divisor = divisor
        super().__init__({"rx": In(1, init=1), "o": Out(stream.Signature(8, always_ready=True))})

    def elaborate(self, platform):
        m = Module()
        line = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, line, init=1)
        wait = Signal(range(self._divisor + self._divisor // 2))
        left = Signal(range(10))  # samples to come: eight data bits and the stop bit
        shift = Signal(8)
        m.d.comb += self.o.payload.eq(shift)
        m.d.sync += self.o.valid.eq(0)
        with m.If(left == 0), m.If(~line):
            m.d.sync += [left.eq(9), wait.eq(self._divisor + self._divisor // 2 - 1)]
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Else():
            m.d.sync += [left.eq(left - 1), wait.eq(self._divisor - 1)]
            with m.If(left == 1):
                m.d.sync += self.o.valid.eq(line)
            with m.Else():
                m.d.sync += shift.eq(Cat(shift[1:], line))
        return m


class Transmitter(wiring.Component):
    """Bytes to the line `tx`; `i.ready` while the line is idle. A byte takes 10 bits of `divisor` cycles."""

    def __init__(self, divisor: int):
        self._divisor = divisor
        super().__init__({"tx": Out(1, init=1), "i": In(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        wait = Signal(range(self._divisor))
        left = Signal(range(11))  # bits to come: start, eight data bits, stop
        shift = Signal(9, init=0x1FF)
        m.d.comb += [self.tx.eq(shift[0]), self.i.ready.eq(left == 0)]
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [shift.eq(Cat(C(0, 1), self.i.payload)), left.eq(10), wait.eq(self._divisor - 1)]
        with m.Elif(left != 0):
            with m.If(wait == 0):
                m.d.sync += [shift.eq(Cat(shift[1:], C(1, 1))), left.eq(left - 1), wait.eq(self._divisor - 1)]
            with m.Else():
                m.d.sync += wait.eq(wait - 1)
        return m


def silent_cycles(divisor: int) -> int:
    """`SILENCE` byte times or a little more: the next power of two."""
    return 1 << (SILENCE * 10 * divisor - 1).bit_length()


class Silence(wiring.Component):
    """`quiet` when no byte was `heard` for `silent_cycles`, until the next one."""

    def __init__(self, divisor: int):
        self._cycles = silent_cycles(divisor)
        super().__init__({"heard": In(1), "quiet": Out(1)})

    def elaborate(self, platform):
        m = Module()
        passed = Signal(range(self._cycles + 1))
        m.d.comb += self.quiet.eq(passed[-1])
        with m.If(self.heard):
            m.d.sync += passed.eq(0)
        with m.Elif(~self.quiet):
            m.d.sync += passed.eq(passed + 1)
        return m
