"""A classifier in a design of your own: frames come in one clock domain, answers are counted in another.

    python docs/examples/digit_counter.py --output build/digit_counter

builds it for the icebreaker: digits come from a memory, as they would from a camera, in the domain `pixel` (6 MHz);
`digits-bnn` classifies them there, between registers; a FIFO takes the classes to the default domain (12 MHz),
where the counts are, and LEDs show the digit that came most often. The counter takes an answer every few cycles only:
until then the FIFO, the classifier and the source wait.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from amaranth import *
from amaranth.lib import data, io, stream, wiring
from amaranth.lib.fifo import AsyncFIFO
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth_boards.icebreaker import ICEBreakerPlatform

import logicnn
from logicnn.engines import Mapping
from logicnn.flow import tools
from logicnn.gateware import Accelerator
from logicnn.network import Network

COUNT_BITS = 16


class FrameSource(wiring.Component):
    """Frames from a memory, again and again: replace it by what your camera or detector sends. A frame at most every
    second cycle.
    """

    o: stream.Interface

    def __init__(self, frames: Sequence[int], width: int):
        self._frames, self._width = list(frames), width
        super().__init__({"o": Out(stream.Signature(width))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.frames = memory = Memory(shape=self._width, depth=len(self._frames), init=self._frames)
        read = memory.read_port()
        place = Signal(range(len(self._frames)))
        taken = Signal()
        m.d.comb += [
            read.addr.eq(place),
            read.en.eq(1),
            self.o.payload.eq(read.data),
            taken.eq(self.o.valid & self.o.ready),
        ]
        m.d.sync += self.o.valid.eq(~taken)  # the next frame is read in the cycle after one is taken
        with m.If(taken):
            m.d.sync += place.eq(Mux(place == len(self._frames) - 1, 0, place + 1))
        return m


class ClassCounter(wiring.Component):
    """How often each class came, and which came most often; `busy` cycles for an answer, in which none is taken."""

    def __init__(self, classes: int, busy: int):
        self._classes, self._busy = classes, busy
        super().__init__(
            {
                "i": In(stream.Signature(range(classes))),
                "counts": Out(data.ArrayLayout(COUNT_BITS, classes)),
                "most": Out(range(classes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        wait, most_count = Signal(range(self._busy + 1)), Signal(COUNT_BITS)
        count = Signal(COUNT_BITS)
        m.d.comb += [self.i.ready.eq(wait == 0), count.eq(self.counts[self.i.payload] + 1)]
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.Elif(self.i.valid):
            m.d.sync += [self.counts[self.i.payload].eq(count), wait.eq(self._busy)]
            with m.If(count > most_count):
                m.d.sync += [self.most.eq(self.i.payload), most_count.eq(count)]
        return m


class DigitCounter(wiring.Component):
    """Source and classifier in the domain `pixel`, the counter in `sync`."""

    def __init__(self, network: Network, frames: Sequence[int], busy: int = 3):
        mapping = Mapping.unrolled(network, registers_after=range(network.core_start, len(network.layers), 2))
        self.source = FrameSource(frames, network.core_bits)
        self.classifier = Accelerator(mapping)
        self.counter = ClassCounter(network.output.interval.high + 1, busy)
        super().__init__({"counts": Out(self.counter.counts.shape()), "most": Out(self.counter.most.shape())})

    def elaborate(self, platform):
        m = Module()
        m.submodules.source = DomainRenamer("pixel")(self.source)
        m.submodules.classifier = DomainRenamer("pixel")(self.classifier)
        m.submodules.counter = self.counter
        width = len(self.classifier.o.payload)
        m.submodules.answers = answers = AsyncFIFO(width=width, depth=4, w_domain="pixel", r_domain="sync")
        wiring.connect(m, self.source.o, self.classifier.i)
        wiring.connect(m, self.classifier.o, answers.w_stream)
        wiring.connect(m, answers.r_stream, self.counter.i)
        m.d.comb += [self.counts.eq(self.counter.counts), self.most.eq(self.counter.most)]
        return m


class Top(Elaboratable):
    """`DigitCounter` on the icebreaker: its clock, half of it for `pixel`, LEDs."""

    def __init__(self, counter: DigitCounter):
        self._counter = counter

    def elaborate(self, platform):
        m = Module()
        m.submodules.clock = clock = io.Buffer("i", platform.request(platform.default_clk, dir="-"))
        m.domains.sync = sync = ClockDomain(reset_less=True)
        m.domains.pixel = pixel = ClockDomain(reset_less=True)
        half = Signal()
        m.d.sync += half.eq(~half)
        m.d.comb += [sync.clk.eq(clock.i), pixel.clk.eq(half)]
        platform.add_clock_constraint(half, platform.default_clk_frequency / 2)
        m.submodules.counter = self._counter
        for index in range(2):
            m.submodules[f"led{index}"] = led = io.Buffer("o", platform.request("led", index, dir="-"))
            m.d.comb += led.o.eq(self._counter.most[index])
        return m


def digits(network: Network, count: int) -> list[int]:
    """The first digits of the network's test set, as the classifier reads them: a bit each, the first lowest."""
    from logicnn.data import datasets

    encoded = network.encode(datasets.load(network.dataset).test.x[:count])
    return [sum(int(bit) << place for place, bit in enumerate(row)) for row in encoded]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--output", type=Path, default=Path("build/digit_counter"), help="folder for the build (default: %(default)s)"
    )
    given = parser.parse_args()
    os.environ.update(tools.environment())  # Amaranth finds the tools of this Python, activated or not
    network = logicnn.load("digits-bnn")
    top = Top(DigitCounter(network, digits(network, 16)))
    ICEBreakerPlatform().build(top, "digit_counter", build_dir=str(given.output))
    print(given.output / "digit_counter.bin")


if __name__ == "__main__":
    main()
