"""Frames of `logicnn.board.protocol` in hardware: what takes them from a serial receiver, and what gives them to a
transmitter.
"""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.crc import Processor, catalog
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.board.protocol import (
    CRC_BYTES,
    CYCLES_BYTES,
    ERRORS_BYTES,
    ESCAPE,
    FLAG,
    HEADER_BYTES,
    IMAGES_BYTES,
    TAGS,
    TOGGLE,
    Counters,
    Fault,
    Identity,
    Kind,
)

__all__ = ["CYCLES_BITS", "FAULT", "TIMED", "ZERO", "Answer", "Deframer", "Framer", "Program"]

CRC, CRC_BIT = (catalog.CRC16_IBM_3740(data_width=width) for width in (8, 1))  # a byte, or a bit a cycle
TAG_BITS = (TAGS - 1).bit_length()
FAULT = range(max(Fault) + 1)  # 0: none

Verdict = data.StructLayout({"fault": FAULT, "kind": 4, "tag": TAG_BITS})


class Place(enum.Enum):
    """Where in a frame the next byte is."""

    START = 0
    LOW = 1
    HIGH = 2
    PAYLOAD = 3
    CHECK = 4
    LAST = 5
    WHOLE = 6  # behind the frame's last byte
    REST = 7  # of a frame with a fault


class Deframer(wiring.Component):
    """Frames from bytes on `i`: the payload of CLASSIFY requests on `o`, byte by byte as it comes, and of every frame,
    in the cycle of the flag behind it, `ends` and its `verdict`. What came on `o` counts only when that has no fault.
    `quiet` ends a frame that has stopped.

    `size`: bytes of a sample.
    """

    def __init__(self, size: int):
        self._lengths = {Kind.IDENTIFY: 0, Kind.CLASSIFY: size, Kind.COUNTERS: 0}
        super().__init__(
            {
                "i": In(stream.Signature(8, always_ready=True)),
                "quiet": In(1),
                "o": Out(stream.Signature(8, always_ready=True)),
                "ends": Out(1),
                "verdict": Out(Verdict),
            }
        )

    def elaborate(self, platform):
        m = Module()
        place = Signal(Place)
        fault = Signal(FAULT)
        kind, tag = Signal(4), Signal(TAG_BITS)
        escaped, flag, escape, arrives = Signal(), Signal(), Signal(), Signal()
        byte = Signal(8)
        m.submodules.crc = crc = ResetInserter(self.ends)(Processor(CRC))
        m.d.comb += [
            flag.eq(self.i.valid & (self.i.payload == FLAG)),
            escape.eq(self.i.valid & (self.i.payload == ESCAPE)),
            arrives.eq(self.i.valid & ~flag & ~escape),
            byte.eq(self.i.payload ^ Mux(escaped, TOGGLE, 0)),
            crc.data.eq(byte),
            crc.valid.eq(arrives),
            self.o.payload.eq(byte),
            self.o.valid.eq(arrives & (place == Place.PAYLOAD)),
            self.ends.eq((flag | (self.quiet & ~self.i.valid)) & ((place != Place.START) | escaped)),
            self.verdict.kind.eq(kind),
            self.verdict.tag.eq(tag),
            self.verdict.fault.eq(fault),
        ]
        with m.If(escaped):
            m.d.comb += self.verdict.fault.eq(Fault.CUT)
        with m.Elif(place == Place.WHOLE):
            m.d.comb += self.verdict.fault.eq(Mux(crc.match_detected, 0, Fault.CRC))
        with m.If(escape):
            m.d.sync += escaped.eq(1)
        with m.Elif(arrives | self.ends):
            m.d.sync += escaped.eq(0)
        with m.If(self.ends):
            m.d.sync += [place.eq(Place.START), tag.eq(0)]
        with m.Elif(arrives):
            self._advance(m, place, fault, kind, tag, byte)
        return m

    def _advance(self, m: Module, place: Signal, fault: Signal, kind: Signal, tag: Signal, byte: Signal) -> None:
        """What a byte of a frame says."""
        length = self._lengths[Kind.CLASSIFY]
        size, count = C(length, 16), Signal(range(max(2, length)))
        is_sample = kind == Kind.CLASSIFY

        def wrong(why: Fault) -> list:
            return [place.eq(Place.REST), fault.eq(why)]

        with m.Switch(place):
            with m.Case(Place.START):
                m.d.sync += [kind.eq(byte), tag.eq(byte >> 4), fault.eq(Fault.CUT), place.eq(Place.LOW)]
            with m.Case(Place.LOW):
                m.d.sync += place.eq(Place.HIGH)
                with m.If((kind == 0) | (kind > max(self._lengths))):
                    m.d.sync += wrong(Fault.COMMAND)
                with m.Elif(byte != Mux(is_sample, size[:8], 0)):
                    m.d.sync += wrong(Fault.LENGTH)
            with m.Case(Place.HIGH):
                m.d.sync += [count.eq(0), place.eq(Mux(is_sample, Place.PAYLOAD, Place.CHECK))]
                with m.If(byte != Mux(is_sample, size[8:], 0)):
                    m.d.sync += wrong(Fault.LENGTH)
            with m.Case(Place.PAYLOAD):
                m.d.sync += count.eq(count + 1)
                with m.If(count == length - 1):
                    m.d.sync += place.eq(Place.CHECK)
            with m.Case(Place.CHECK):
                m.d.sync += place.eq(Place.LAST)
            with m.Case(Place.LAST):
                m.d.sync += place.eq(Place.WHOLE)
            with m.Case(Place.WHOLE):
                m.d.sync += wrong(Fault.LENGTH)


class Program(enum.Enum):
    """Which answer a `Framer` sends."""

    CLASSIFY = 0
    ERROR = 1
    COUNTERS = 2
    IDENTIFY = 3


Answer = data.StructLayout({"program": Program, "tag": TAG_BITS, "value": 8})


class Source(enum.Enum):
    """Where a byte of an answer comes from."""

    CONSTANT = 0
    VALUE = 1
    CHECK = 2
    CYCLES = 3  # the lowest byte that is left of them


# `raw`: a flag; `last` of its answer; `top`: a counter's highest byte; `torn`: a lower one of the errors, behind which
# nothing is counted until the next byte has gone (images are only counted while another answer is sent).
Step = data.StructLayout({"byte": 8, "source": Source, "tagged": 1, "raw": 1, "last": 1, "top": 1, "torn": 1})
PROGRAM_STEPS = 16  # room for an answer but the last
IMAGES = PROGRAM_STEPS * Program.COUNTERS.value + 1 + HEADER_BYTES  # the counters' lowest bytes
ERRORS = IMAGES + IMAGES_BYTES
ZERO, TIMED = Counters(0, 0), Counters(0, 0, 0)
CYCLES_BITS = 8 * CYCLES_BYTES


def steps(identity: Identity, counters: Counters) -> list[dict]:
    """All answers one after another, a `Step` a byte, each `PROGRAM_STEPS` after the one before."""
    flag = {"byte": FLAG, "raw": 1}
    value = {"source": Source.VALUE}
    counts: list[dict] = [{"byte": byte} for byte in counters.to_bytes()]
    counts[IMAGES_BYTES - 1] |= {"top": 1}
    for place in range(IMAGES_BYTES, IMAGES_BYTES + ERRORS_BYTES - 1):
        counts[place] |= {"torn": 1}
    counts[IMAGES_BYTES + ERRORS_BYTES - 1] |= {"top": 1}
    for place in range(IMAGES_BYTES + ERRORS_BYTES, len(counts)):
        counts[place] |= {"source": Source.CYCLES}
    payloads = {
        Program.CLASSIFY: (Kind.CLASSIFY, [value]),
        Program.ERROR: (Kind.ERROR, [value]),
        Program.COUNTERS: (Kind.COUNTERS, counts),
        Program.IDENTIFY: (Kind.IDENTIFY, [{"byte": byte} for byte in identity.to_bytes()]),
    }
    found: list[dict] = []
    for program in Program:
        kind, payload = payloads[program]
        found += [{}] * (PROGRAM_STEPS * program.value - len(found))
        size = identity.answer_bytes if program is Program.CLASSIFY else len(payload)  # one step for all its bytes
        low, high = size.to_bytes(HEADER_BYTES - 1, "little")
        found += [flag, {"byte": kind, "tagged": 1}, {"byte": low}, {"byte": high}, *payload]
        found += [{"source": Source.CHECK}] * CRC_BYTES + [flag | {"last": 1}]
    return found


class Framer(wiring.Component):
    """Answers on `i` to bytes of frames on `o`; the next answer is taken when the last byte of one has gone.

    The bytes are read from a block RAM that says, too, which of them are a tag, a value, or the CRC. The counters are
    bytes of it: answers of `Program.CLASSIFY`, and cycles with `error`, of which there may be three in the time of four
    bytes. They go up between bytes. Behind each byte the CRC takes 8 cycles, and the counters 17 at most. They begin
    with `counters`; where those have cycles, they are what `cycles` is when their answer begins.

    Where samples are answered with several bytes, all but the first are taken on `more`, which must have them.
    """

    def __init__(self, identity: Identity, counters: Counters = ZERO):
        self._steps = steps(identity, counters)
        self._timed, self._bytes = counters.cycles is not None, identity.answer_bytes
        ports = {"i": In(stream.Signature(Answer)), "error": In(1), "o": Out(stream.Signature(8))}
        ports |= {"cycles": In(CYCLES_BITS)} if self._timed else {}
        super().__init__(ports | ({"more": In(stream.Signature(8))} if self._bytes > 1 else {}))

    def elaborate(self, platform):
        m = Module()
        m.submodules.steps = memory = Memory(
            shape=Step, depth=len(self._steps), init=self._steps, attrs={"ram_style": "block"}
        )
        read = memory.read_port()
        step = read.data
        place = Signal(range(len(self._steps)))
        value, tag = Signal(8), Signal(TAG_BITS)
        escaped, special, begins, goes = Signal(), Signal(), Signal(), Signal()
        busy, fresh, sums = (
            Signal(),
            Signal(),
            Signal(),
        )  # an answer is being sent; its step is read; its byte goes into the CRC
        plain, byte, check, left = Signal(8), Signal(8), Signal(), Signal(3, init=7)
        m.submodules.crc = crc = ResetInserter(step.raw)(Processor(CRC_BIT))
        m.submodules.tally = tally = Tally(memory)
        m.d.comb += [
            read.en.eq(~tally.writes),
            read.addr.eq(Mux(tally.active, tally.place, place)),
            tally.step.eq(step),
            tally.error.eq(self.error),
            tally.image.eq(begins & (self.i.payload.program == Program.CLASSIFY)),
            tally.may.eq(~busy | (fresh & ~step.torn)),
            plain.eq(Mux(step.source == Source.VALUE, value, step.byte | Mux(step.tagged, tag << 4, 0))),
            check.eq(step.source == Source.CHECK),
            byte.eq(Mux(check, crc.crc >> 8, plain)),
            crc.valid.eq(sums),
            crc.data.eq(Mux(check, crc.crc[-1], plain.bit_select(left, 1))),  # what is checked itself leaves zeros
            special.eq(~step.raw & ~escaped & ((byte == FLAG) | (byte == ESCAPE))),
            self.o.payload.eq(Mux(special, ESCAPE, byte ^ Mux(escaped, TOGGLE, 0))),
            self.o.valid.eq(busy & ~fresh & ~sums & ~tally.active),
            self.i.ready.eq(~busy),
            begins.eq(self.i.valid & self.i.ready),
            goes.eq(self.o.valid & self.o.ready),
        ]
        if self._timed:
            cycles = Signal(CYCLES_BITS)
            with m.If(step.source == Source.CYCLES):
                m.d.comb += plain.eq(cycles)
            with m.If(begins):
                m.d.sync += cycles.eq(self.cycles)
            with m.Elif(sums & (left == 0) & (step.source == Source.CYCLES)):
                m.d.sync += cycles.eq(cycles >> 8)
        m.d.sync += fresh.eq(begins | tally.active)
        with m.If(begins):
            m.d.sync += [busy.eq(1), place.eq(self.i.payload.program * PROGRAM_STEPS)]
            m.d.sync += [value.eq(self.i.payload.value), tag.eq(self.i.payload.tag)]
        with m.If(goes):
            m.d.sync += [escaped.eq(special), sums.eq(~special)]
        with m.If(sums):
            m.d.sync += left.eq(left - 1)
            with m.If(left == 0):
                m.d.sync += [sums.eq(0), fresh.eq(1), place.eq(place + 1), busy.eq(~step.last)]
        if self._bytes > 1:
            ended = sums & (left == 0) & (step.source == Source.VALUE)
            self._further(m, begins, ended, value, place)
        return m

    def _further(self, m: Module, begins: Value, ended: Value, value: Value, place: Value) -> None:
        """A sample's further bytes, each in the `place` of the first, when a `value` has `ended`."""
        further = Signal(range(self._bytes))
        with m.If(begins):
            m.d.sync += further.eq(Mux(self.i.payload.program == Program.CLASSIFY, self._bytes - 1, 0))
        with m.If(ended & (further != 0)):
            m.d.comb += self.more.ready.eq(1)
            m.d.sync += [value.eq(self.more.payload), place.eq(place), further.eq(further - 1)]


class Tally(wiring.Component):
    """Counters in a memory of `Step`s, a byte each, lowest first: `image` and `error` add one to theirs, in cycles that
    begin with `may`.

    While `active`, its `place` is to be read, but for cycles with `writes`; `step` is what was read.
    """

    def __init__(self, memory: Memory):
        self._port = memory.write_port()
        signature = {"image": In(1), "error": In(1), "may": In(1), "step": In(Step)}
        super().__init__(
            signature | {"active": Out(1), "writes": Out(1), "place": Out(range(PROGRAM_STEPS * len(Program)))}
        )

    def elaborate(self, platform):
        m = Module()
        low = Signal(range(PROGRAM_STEPS))  # of `place`; the rest is that of all counters
        image, errors = Signal(), Signal(2)  # to be counted
        starts, counts = Signal(), Signal()
        more = Signal(9)
        m.d.comb += [
            self.place.eq(Cat(low, C(IMAGES // PROGRAM_STEPS, 2))),
            starts.eq(self.may & ~self.active & (image | (errors != 0))),
            counts.eq(starts & ~image),
            more.eq(self.step.byte + 1),
            self._port.addr.eq(self.place),
            self._port.data.eq(self.step),
            self._port.data.byte.eq(more),
            self._port.en.eq(self.writes),
        ]
        m.d.sync += [image.eq(self.image | (image & ~starts)), errors.eq(errors + self.error - counts)]
        with m.If(starts):
            m.d.sync += [self.active.eq(1), low.eq(Mux(image, IMAGES % PROGRAM_STEPS, ERRORS % PROGRAM_STEPS))]
        with m.Elif(self.active):
            m.d.sync += self.writes.eq(~self.writes)
            with m.If(self.writes):
                m.d.sync += [low.eq(low + 1), self.active.eq(more[8] & ~self.step.top)]
        return m
