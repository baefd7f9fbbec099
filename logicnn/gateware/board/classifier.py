"""What a board does: a sample comes in over a serial line, its class, or what else its network gives, goes back over
the line and onto LEDs.
"""

import math

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from logicnn.board.flash import PIECE_BITS, crc_state
from logicnn.board.protocol import Fault, Identity
from logicnn.engines import Io, Mapping
from logicnn.gateware.board.feed import WordFeed, bytes_of
from logicnn.gateware.board.flash import FlashLoader, loader_cycles
from logicnn.gateware.board.frames import CYCLES_BITS
from logicnn.gateware.board.link import Link
from logicnn.gateware.board.store import InputStore
from logicnn.gateware.core import Accelerator, pieces_of
from logicnn.gateware.wires import KEEP, port_shape
from logicnn.resources import Device

__all__ = ["Classifier", "identity_of", "loading_cycles"]

WAKE_NS = 30_000  # of the flash chip, ten times what it needs


def identity_of(mapping: Mapping) -> Identity:
    """What a board with a mapping says that it runs: values go over the line packed where they are read whole, else in
    whole bytes.
    """
    interval = mapping.given.interval
    return Identity.of(mapping.network, interval.word if mapping.input_io is Io.PARALLEL else 8 * bytes_of(interval))


def _loaded(mapping: Mapping, device: Device | None, period_ns: float) -> tuple[int, int]:
    """(pieces that are loaded on a device, cycles until its flash chip has woken)."""
    pieces = sum(pieces_of(engine, device) for engine in mapping.engines) if device else 0
    return pieces, math.ceil(WAKE_NS / period_ns)


def loading_cycles(mapping: Mapping, device: Device, period_ns: float) -> int:
    """Cycles from the start of a board's clock until its memories are loaded from flash; 0 where none is."""
    pieces, waking = _loaded(mapping, device, period_ns)
    return loader_cycles(pieces, PIECE_BITS, waking) + 1 if pieces else 0


class Classifier(wiring.Component):
    """`logicnn.board.protocol` over `rx` and `tx`; the class of the last sample on `leds`, in binary, or the lowest
    bits of its outputs.

    A sample holds the values that the mapping's first engine reads. `result` holds the last class. Where samples are
    read whole, the next one may be sent while one is answered, and is answered BUSY if the first engine does not take
    it at once; where value by value, those of the next sample that come while one is classified are lost, and that
    sample is answered BUSY.

    With `loads_for` a device whose memories must be loaded, they are read from the flash chip on `flash` and `cipo`
    first, from `locked` on (`loading_cycles`); samples that come before are answered LOADING. If they are not this
    network's, samples are answered WEIGHTS, and all LEDs light up.

    `cycles` counts from the last value that the accelerator took to its class, where that is no fixed pipeline.
    """

    def __init__(
        self, mapping: Mapping, divisor: int, leds: int, *, loads_for: Device | None = None, period_ns: float = 1e3
    ):
        self._mapping, self._divisor, self._loads_for = mapping, divisor, loads_for
        self.identity = identity_of(mapping)
        self._pieces, self._waking = _loaded(mapping, loads_for, period_ns)
        self.result = Signal(port_shape(mapping.gives), reset_less=True, attrs=KEEP)
        ports = {"rx": In(1, init=1), "tx": Out(1, init=1), "leds": Out(max(1, leds))}
        if not mapping.feed_forward:
            self.answers = Signal(attrs=KEEP)  # in the cycle before `result` is the next class
            self.idle = Signal(attrs=KEEP)  # a class would be sent at once
            self.cycles = Signal(CYCLES_BITS, attrs=KEEP)
        if self.loads:
            self.loaded = Signal(attrs=KEEP)
            self.corrupt = Signal(attrs=KEEP)
            chip = data.StructLayout({"cs_n": 1, "sck": 1, "copi": 1})
            ports |= {"locked": In(1, init=1), "flash": Out(chip), "cipo": In(1)}
        super().__init__(ports)

    @property
    def loads(self) -> bool:
        """Whether it reads a flash chip."""
        return self._pieces > 0

    def elaborate(self, platform):
        m = Module()
        timed = not self._mapping.feed_forward
        m.submodules.link = link = Link(self.identity, self._divisor, timed=timed)
        source = self._source(m)
        m.submodules.accelerator = accelerator = Accelerator(self._mapping, self._loads_for if self.loads else None)
        done, result = Signal(), Value.cast(self.result)  # a result is on its way, and what it is
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            self.leds.eq(Mux(self.corrupt, -1, result) if self.loads else result),
            source.accepted.eq(link.accepted),
            source.dropped.eq(link.dropped),
            accelerator.o.ready.eq(~done),
        ]
        wiring.connect(m, link.samples, source.i)
        self._offer(m, source.o, accelerator)
        if self._mapping.input_io is Io.SERIAL:
            m.d.comb += accelerator.clear.eq(link.dropped)
        if timed:
            self._refusals(m, link, source, accelerator)
            self._time(m, accelerator)
            m.d.comb += link.cycles.eq(self.cycles)
        if self.loads:
            self._load(m, accelerator)
        finished, taken = accelerator.o.valid & accelerator.o.ready, self._send(m, link, done)
        with m.If(finished):
            m.d.sync += [self.result.eq(accelerator.o.payload), done.eq(1)]
        with m.Elif(taken):
            m.d.sync += done.eq(0)
        if timed:
            m.d.comb += [self.answers.eq(finished), self.idle.eq(~done & ~link.answers.valid & link.answers.ready)]
        return m

    def _send(self, m: Module, link: Link, done: Value) -> Value:
        """The result to the link, when it is `done`; up when the next one may take its place. Several bytes are sent
        from a register of their own, since of logic a result must be taken before the next sample comes.
        """
        result, count = Value.cast(self.result), self.identity.answer_bytes
        if count == 1:
            m.d.comb += [link.answers.payload.eq(result), link.answers.valid.eq(done)]
            return done & link.answers.ready
        takes = Signal(attrs=KEEP)  # may be held up where a netlist's answers need not go over the line
        left, whole = Signal(range(count + 1)), Signal(8 * count)
        m.d.comb += [
            takes.eq(link.answers.ready),
            link.answers.payload.eq(whole[:8]),
            link.answers.valid.eq(left != 0),
        ]
        begins = done & (left == 0)
        with m.If(begins):
            m.d.sync += [whole.eq(result), left.eq(count)]
        with m.Elif(takes & (left != 0)):
            m.d.sync += [whole.eq(whole >> 8), left.eq(left - 1)]
        return begins

    def _source(self, m: Module) -> InputStore | WordFeed:
        """What makes samples of the link's bytes."""
        network = self._mapping.network
        if self._mapping.input_io is Io.PARALLEL:
            shape = port_shape(network.core_input)
            m.submodules.store = source = InputStore(shape, network.read_inputs(), network.core_bits)
        else:
            m.submodules.feed = source = WordFeed(self._mapping.given.interval)
        return source

    def _offer(self, m: Module, samples, accelerator: Accelerator) -> None:
        """Samples to the accelerator."""
        if self._mapping.feed_forward or self._mapping.input_io is Io.SERIAL:
            wiring.connect(m, samples, accelerator.i)
            return
        offers = Signal(attrs=KEEP)  # where a netlist can be driven
        m.d.comb += [
            offers.eq(samples.valid),
            accelerator.i.valid.eq(offers),
            accelerator.i.payload.eq(samples.payload),
            samples.ready.eq(accelerator.i.ready),
        ]

    def _refusals(self, m: Module, link: Link, source: InputStore | WordFeed, accelerator: Accelerator) -> None:
        """Why a sample is not accepted. One that is stored must go on at once: the next one comes into its place."""
        blocked = ~self.loaded if self.loads else C(0, 1)
        lost = ~accelerator.i.ready
        if isinstance(source, WordFeed):
            m.d.comb += source.blocked.eq(blocked)
            lost = source.lost
        with m.If(self.corrupt if self.loads else C(0, 1)):
            m.d.comb += link.refuse.eq(Fault.WEIGHTS)
        with m.Elif(blocked):
            m.d.comb += link.refuse.eq(Fault.LOADING)
        with m.Elif(lost):
            m.d.comb += link.refuse.eq(Fault.BUSY)

    def _time(self, m: Module, accelerator: Accelerator) -> None:
        running = Signal()
        with m.If(accelerator.i.valid & accelerator.i.ready):
            m.d.sync += [self.cycles.eq(0), running.eq(1)]
        with m.Elif(running):
            m.d.sync += [self.cycles.eq(self.cycles + 1), running.eq(~self.answers)]

    def _load(self, m: Module, accelerator: Accelerator) -> None:
        loader = FlashLoader(self._pieces, PIECE_BITS, crc_state(self._mapping.network.digest()), self._waking)
        m.submodules.loader = ResetInserter(~self.locked)(loader)
        wiring.connect(m, loader.o, accelerator.load)
        m.d.comb += [
            self.flash.cs_n.eq(loader.cs_n),
            self.flash.sck.eq(loader.sck),
            self.flash.copi.eq(loader.copi),
            loader.cipo.eq(self.cipo),
        ]
        m.d.sync += [self.loaded.eq(loader.done), self.corrupt.eq(loader.error)]
