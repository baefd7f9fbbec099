"""What goes on a board: a classifier on the pins of its platform."""

from amaranth import *
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

from logicnn.board.flash import RESOURCE
from logicnn.gateware.board.classifier import Classifier
from logicnn.gateware.board.clock import Clock, clocked_by_pll
from logicnn.gateware.wires import KEEP

__all__ = ["BoardTop", "leds_of"]


def leds_of(platform) -> int:
    """How many LEDs 0, 1, ... a platform has; the class index is shown in binary on as many as there are."""
    count = 0
    while ("led", count) in platform.resources:
        count += 1
    return count


class BoardTop(Elaboratable):
    """A `Classifier` on the pins of a platform: its first UART, its LEDs, its flash chip where memories are loaded, and
    a clock.

    A clock that is not the platform's own is constrained, so that place and route checks it.
    """

    def __init__(self, classifier: Classifier, clock: Clock):
        self._classifier = classifier
        self._clock = clock

    def elaborate(self, platform):
        m = Module()
        locked = self._make_clock(m, platform)
        uart = platform.request("uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        pins = [platform.request("led", number, dir="-") for number in range(leds_of(platform))]
        m.submodules.classifier = classifier = self._classifier
        m.d.comb += [classifier.rx.eq(rx.i), tx.o.eq(classifier.tx)]
        for index, pin in enumerate(pins):
            m.submodules[f"led{index}"] = led = io.Buffer("o", pin)
            m.d.comb += led.o.eq(classifier.leds[index])
        if classifier.loads:
            m.d.comb += classifier.locked.eq(locked)
            self._flash(m, platform.request(*RESOURCE, dir="-"))
        return m

    def _make_clock(self, m: Module, platform) -> Value:
        """The domain `sync`; whether its clock is stable."""
        clock, pin = self._clock, platform.request(platform.default_clk, dir="-")
        if clock.pll:
            m.domains.sync = sync = ClockDomain(reset_less=True)
            made, locks = Signal(name="pll_clock", attrs=KEEP), Signal(name="pll_locks", attrs=KEEP)
            locked = Signal()
            clocked_by_pll(m, pin, clock.pll, made, locks)
            m.d.comb += sync.clk.eq(made)
            m.submodules.locked = FFSynchronizer(locks, locked, init=0)
            platform.add_clock_constraint(made, clock.hz)
            return locked
        m.submodules.clock = buffer = io.Buffer("i", pin)
        m.domains.sync = sync = ClockDomain(reset_less=True)
        if clock.divider == 1:
            m.d.comb += sync.clk.eq(buffer.i)
            return C(1, 1)
        m.domains.board = board = ClockDomain(reset_less=True)
        m.d.comb += board.clk.eq(buffer.i)
        wait = Signal(range(clock.divider // 2))
        divided = Signal(attrs=KEEP)
        m.d.comb += sync.clk.eq(divided)
        with m.If(wait == clock.divider // 2 - 1):
            m.d.board += [wait.eq(0), divided.eq(~divided)]
        with m.Else():
            m.d.board += wait.eq(wait + 1)
        platform.add_clock_constraint(divided, clock.hz)
        return C(1, 1)

    def _flash(self, m: Module, chip) -> None:
        """Chip select, write protect and hold of a platform, where it has them, are active when 1."""
        flash = self._classifier.flash
        m.submodules.cipo = cipo = io.Buffer("i", chip.cipo)
        m.d.comb += self._classifier.cipo.eq(cipo.i)
        pins = {"cs": ~flash.cs_n, "clk": flash.sck, "copi": flash.copi, "wp": C(0), "hold": C(0)}
        for name, value in pins.items():
            if hasattr(chip, name):  # a board may tie write protect and hold by itself
                m.submodules[name] = buffer = io.Buffer("o", getattr(chip, name))
                m.d.comb += buffer.o.eq(value)
