"""The convolution engine on a board: images over a serial line, their classes back, weights from the board's flash where they need RAM."""

import math
from collections.abc import Mapping

from amaranth import *
from amaranth.lib import data, io, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from logicnn.flash import RESOURCE, crc_state
from logicnn.gateware.convolution import ConvolutionEngine
from logicnn.gateware.flash import FlashLoader
from logicnn.gateware.layers import KEEP
from logicnn.gateware.link import Link
from logicnn.gateware.pll import clocked_by_pll, dividers
from logicnn.gateware.top import leds_of
from logicnn.gateware.uart import divisor_of
from logicnn.gateware.weights import PIECE
from logicnn.protocol import Fault, Identity
from logicnn.resources import device_of
from logicnn.sparse import EngineTimes, Plan

__all__ = ["SparseBoardTop", "SparseClassifier"]

WAKE_NS = 30_000  # of the flash chip, ten times what it needs


def flash_pins() -> data.StructLayout:
    """What a flash chip reads."""
    return data.StructLayout({"cs_n": 1, "sck": 1, "copi": 1})


class SparseClassifier(wiring.Component):
    """`logicnn.protocol` over `rx` and `tx`, with samples of a byte a word in C order; the class of the last one on `leds`, in binary.

    With `loaded` the weights are read from the flash chip on `flash` and `cipo` first, as long as `times` says from `locked` on;
    samples that come before are answered LOADING. If they are not this network's, samples are answered WEIGHTS, and all LEDs light up.
    Words of the next sample that come while one is classified are lost, and that sample is answered BUSY.
    """

    def __init__(self, plan: Plan, divisor: int, leds: int, *, loaded: bool, period_ns: float):
        self._plan, self._divisor, self._loaded, self._period_ns = plan, divisor, loaded, period_ns
        self.identity = Identity.of(plan.network, 8)
        self._loader = None
        if loaded:
            state = crc_state(plan.network.digest())
            self._loader = FlashLoader(plan.image_words.size * 8 // PIECE, PIECE, state, math.ceil(WAKE_NS / period_ns))
        self.words = Signal(8, attrs=KEEP)  # of samples, with `arrives`: registers, where a netlist can be driven
        self.arrives = Signal(attrs=KEEP)
        self.result = Signal(8, attrs=KEEP)
        self.answers = Signal(attrs=KEEP)  # in the cycle before `result` is the next class
        self.loaded = Signal(attrs=KEEP)
        self.corrupt = Signal(attrs=KEEP)
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "leds": Out(max(1, leds)),
                "locked": In(1, init=1),
                "flash": Out(flash_pins()),
                "cipo": In(1),
            }
        )

    @property
    def times(self) -> EngineTimes:
        """Of an image that comes while none is classified."""
        return EngineTimes(self._loader.cycles + 1 if self._loader else 0, self._plan.latency, self._period_ns)

    def elaborate(self, platform):
        m = Module()
        m.submodules.link = link = Link(self.identity, self._divisor)
        m.submodules.engine = engine = ConvolutionEngine(self._plan, loaded=self._loaded)
        self._weights(m, engine)
        self._words(m, link, engine)
        done = Signal()  # a result is on its way
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            engine.clear.eq(link.dropped),
            engine.o.ready.eq(~done),
            link.classes.payload.eq(self.result),
            link.classes.valid.eq(done),
            self.answers.eq(engine.o.valid & engine.o.ready),
            self.leds.eq(Mux(self.corrupt, -1, self.result)),
        ]
        with m.If(self.answers):
            m.d.sync += [self.result.eq(engine.o.payload), done.eq(1)]
        with m.Elif(done & link.classes.ready):
            m.d.sync += done.eq(0)
        return m

    def _words(self, m: Module, link: Link, engine: ConvolutionEngine) -> None:
        """Words of a sample go to the engine one behind, so that the last one, which starts it, waits until the sample is accepted."""
        last = Signal(8)
        holds, lost = Signal(), Signal()  # there is a last word; one of this sample could not be taken
        m.d.comb += [engine.i.payload.eq(self.words), engine.i.valid.eq(self.arrives)]
        m.d.sync += [self.words.eq(last), self.arrives.eq(((link.samples.valid & holds) | link.accepted) & self.loaded)]
        with m.If(link.samples.valid):
            m.d.sync += [last.eq(link.samples.payload), holds.eq(1)]
            with m.If(~self.loaded | (holds & ~engine.i.ready)):
                m.d.sync += lost.eq(1)
        with m.Elif(link.accepted | link.dropped):
            m.d.sync += [holds.eq(0), lost.eq(0)]
        with m.If(self.corrupt):
            m.d.comb += link.refuse.eq(Fault.WEIGHTS)
        with m.Elif(~self.loaded):
            m.d.comb += link.refuse.eq(Fault.LOADING)
        with m.Elif(lost | ~engine.i.ready):
            m.d.comb += link.refuse.eq(Fault.BUSY)

    def _weights(self, m: Module, engine: ConvolutionEngine) -> None:
        if self._loader is None:
            m.d.comb += self.loaded.eq(1)
            return
        m.submodules.loader = ResetInserter(~self.locked)(self._loader)
        loader = self._loader
        wiring.connect(m, loader.o, engine.load)
        m.d.comb += [
            self.flash.cs_n.eq(loader.cs_n),
            self.flash.sck.eq(loader.sck),
            self.flash.copi.eq(loader.copi),
            loader.cipo.eq(self.cipo),
        ]
        m.d.sync += [self.loaded.eq(loader.done), self.corrupt.eq(loader.error)]


class SparseBoardTop(Elaboratable):
    """`SparseClassifier` on the pins of a platform, with a clock of `frequency` Hz: its default one, or made from that by a PLL of iCE40.

    Weights are in block RAM from the start, or where the device has SPRAM there, from its first SPI flash.
    """

    def __init__(self, plan: Plan, frequency: float, baud: int):
        self._plan, self._frequency, self._baud = plan, frequency, baud
        self.times: EngineTimes | None = None  # known when elaborated

    def elaborate(self, platform):
        m = Module()
        pin = platform.request(platform.default_clk, dir="-")
        m.domains.sync = sync = ClockDomain(reset_less=True)
        locked = Signal(init=1)
        if self._frequency == platform.default_clk_frequency:
            m.submodules.clock = clock = io.Buffer("i", pin)
            m.d.comb += [sync.clk.eq(clock.i), locked.eq(1)]
        else:
            made, locks = Signal(name="pll_clock", attrs=KEEP), Signal(name="pll_locks", attrs=KEEP)
            clocked_by_pll(m, pin, dividers(platform.default_clk_frequency, self._frequency), made, locks)
            m.d.comb += sync.clk.eq(made)
            m.submodules.locked = FFSynchronizer(locks, locked, init=0)
            platform.add_clock_constraint(made, self._frequency)
        device = device_of(platform)
        loaded = bool(device and device.capacity.spram)
        leds = leds_of(platform)
        divisor, period_ns = divisor_of(self._frequency, self._baud), 1e9 / self._frequency
        m.submodules.classifier = classifier = SparseClassifier(self._plan, divisor, len(leds), loaded=loaded, period_ns=period_ns)
        self.times = classifier.times
        uart = platform.request("uart", 0, dir="-")
        self._inputs(m, {"rx": (uart.rx, classifier.rx)})
        self._outputs(m, {"tx": (uart.tx, classifier.tx)})
        self._outputs(m, {f"led{index}": (led, classifier.leds[index]) for index, led in enumerate(leds)})
        m.d.comb += classifier.locked.eq(locked)
        if loaded:
            chip = platform.request(*RESOURCE, dir="-")
            self._inputs(m, {"cipo": (chip.cipo, classifier.cipo)})
            flash = classifier.flash  # chip select, write protect and hold of the platform are active when 1
            pins = {"cs": ~flash.cs_n, "clk": flash.sck, "copi": flash.copi, "wp": C(0), "hold": C(0)}
            self._outputs(m, {name: (getattr(chip, name), value) for name, value in pins.items()})
        return m

    def _inputs(self, m: Module, pins: Mapping) -> None:
        for name, (pin, value) in pins.items():
            m.submodules[name] = buffer = io.Buffer("i", pin)
            m.d.comb += value.eq(buffer.i)

    def _outputs(self, m: Module, pins: Mapping) -> None:
        for name, (pin, value) in pins.items():
            m.submodules[name] = buffer = io.Buffer("o", pin)
            m.d.comb += buffer.o.eq(value)
