"""What goes on a board: a sample comes in over a serial line, its class goes back over the line and onto LEDs."""

from collections.abc import Sequence

import numpy as np
from amaranth import *
from amaranth.lib import io, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.gateware.core import Accelerator
from logicnn.gateware.layers import KEEP, port_shape
from logicnn.gateware.link import Link
from logicnn.gateware.uart import divisor_of
from logicnn.mapping import Mapping
from logicnn.protocol import Identity

__all__ = ["BoardTop", "InputStore", "SerialClassifier"]


class InputStore(wiring.Component):
    """Collects the bits of one input from bytes and keeps those that the network reads.

    Bytes hold eight input bits each, the first in the least significant place; the last byte is padded. A mask in block RAM says
    which bits are read; those shift into a register of as many flip-flops (`bits`), two cycles a bit, 17 a byte. With `accepted`, 17 cycles
    or more after the last byte, `o.valid` goes up until the transfer, before which no byte may come; `dropped` starts over.
    """

    def __init__(self, shape, read: Sequence[int], size: int):
        self._read = tuple(read)
        self._size = size
        self.bits = Signal(max(1, len(self._read)), reset_less=True, attrs=KEEP)
        super().__init__(
            {
                "i": In(stream.Signature(8, always_ready=True)),
                "accepted": In(1),
                "dropped": In(1),
                "o": Out(stream.Signature(shape)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        length = -(-self._size // 8) * 8
        mask = np.isin(np.arange(length), self._read).astype(int).tolist()
        m.submodules.mask = memory = Memory(shape=1, depth=length, init=mask, attrs={"ram_style": "block"})
        keep = memory.read_port()
        place = Signal(range(length + 1))
        byte = Signal(8)
        left = Signal(range(9))  # bits of the byte to come
        m.d.comb += [keep.addr.eq(place), keep.en.eq(1), self.o.payload.eq(self._spread())]
        with m.If(left != 0):
            advance = Signal()  # the mask is read in the cycle after `place` changes
            m.d.sync += advance.eq(~advance)
            with m.If(advance):
                m.d.sync += [place.eq(place + 1), left.eq(left - 1), byte.eq(byte >> 1)]
                with m.If(keep.data):
                    m.d.sync += self.bits.eq(Cat(self.bits[1:], byte[0]))
        with m.Elif(self.i.valid):
            m.d.sync += [byte.eq(self.i.payload), left.eq(8)]
        with m.Elif(self.accepted | self.dropped):
            m.d.sync += place.eq(0)
        with m.If(self.accepted):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m

    def _spread(self):
        """The stored bits at their places in the input, zeros elsewhere."""
        place = {index: self.bits[position] for position, index in enumerate(self._read)}
        return Cat(place.get(index, C(0, 1)) for index in range(self._size))


class SerialClassifier(wiring.Component):
    """`logicnn.protocol` over `rx` and `tx`; the class of the last sample on `leds`, in binary.

    A sample holds the bits of the network's `core_input`. The result is registered: `result` holds the last class. The next sample may
    be sent while one is answered.
    """

    def __init__(self, mapping: Mapping, divisor: int, leds: int):
        self._mapping = mapping
        self._divisor = divisor
        self.identity = Identity.of(mapping.network, mapping.network.core_input.interval.word)
        self.result = Signal(port_shape(mapping.network.output), reset_less=True, attrs=KEEP)
        super().__init__({"rx": In(1, init=1), "tx": Out(1, init=1), "leds": Out(max(1, leds))})

    def elaborate(self, platform):
        m = Module()
        network = self._mapping.network
        m.submodules.link = link = Link(self.identity, self._divisor)
        m.submodules.store = store = InputStore(port_shape(network.core_input), network.read_inputs(), network.core_bits)
        m.submodules.accelerator = accelerator = Accelerator(self._mapping)
        done = Signal()
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            self.leds.eq(self.result),
            store.accepted.eq(link.accepted),
            store.dropped.eq(link.dropped),
            accelerator.o.ready.eq(~done),
            link.classes.payload.eq(self.result),
            link.classes.valid.eq(done),
        ]
        wiring.connect(m, link.samples, store.i)
        wiring.connect(m, store.o, accelerator.i)
        with m.If(accelerator.o.valid & accelerator.o.ready):
            m.d.sync += [self.result.eq(accelerator.o.payload), done.eq(1)]
        with m.Elif(done & link.classes.ready):
            m.d.sync += done.eq(0)
        return m


class BoardTop(Elaboratable):
    """`SerialClassifier` on the pins of a platform: its first UART, its LEDs, its default clock divided by `divider`.

    A divider above 1 gives combinational logic the time that it needs; the divided clock is constrained, so that place and route checks it.
    """

    def __init__(self, mapping: Mapping, divider: int, baud: int):
        self._mapping = mapping
        self._divider = divider
        self._baud = baud

    def elaborate(self, platform):
        m = Module()
        frequency = platform.default_clk_frequency / self._divider
        m.submodules.clock = clock = io.Buffer("i", platform.request(platform.default_clk, dir="-"))
        m.domains.sync = sync = ClockDomain(reset_less=True)
        if self._divider == 1:
            m.d.comb += sync.clk.eq(clock.i)
        else:
            m.domains.board = board = ClockDomain(reset_less=True)
            m.d.comb += board.clk.eq(clock.i)
            wait = Signal(range(self._divider // 2))
            divided = Signal(attrs=KEEP)
            m.d.comb += sync.clk.eq(divided)
            with m.If(wait == self._divider // 2 - 1):
                m.d.board += [wait.eq(0), divided.eq(~divided)]
            with m.Else():
                m.d.board += wait.eq(wait + 1)
            platform.add_clock_constraint(divided, frequency)
        uart = platform.request("uart", 0, dir="-")
        m.submodules.rx = rx = io.Buffer("i", uart.rx)
        m.submodules.tx = tx = io.Buffer("o", uart.tx)
        pins = leds_of(platform)
        m.submodules.classifier = classifier = SerialClassifier(self._mapping, divisor_of(frequency, self._baud), len(pins))
        m.d.comb += [classifier.rx.eq(rx.i), tx.o.eq(classifier.tx)]
        for index, pin in enumerate(pins):
            m.submodules[f"led{index}"] = led = io.Buffer("o", pin)
            m.d.comb += led.o.eq(classifier.leds[index])
        return m


def leds_of(platform) -> list:
    """The platform's LEDs 0, 1, ... as ports; the class index is shown in binary on as many as there are."""
    pins = []
    while ("led", len(pins)) in platform.resources:
        pins.append(platform.request("led", len(pins), dir="-"))
    return pins
