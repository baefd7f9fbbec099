"""Frames of `logicnn.protocol` in hardware: what takes them from a serial receiver, and what gives them to a transmitter."""

from amaranth import *
from amaranth.lib import data, enum, stream, wiring
from amaranth.lib.crc import Processor, catalog
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.protocol import CRC_BYTES, ESCAPE, FLAG, HEADER_BYTES, TAGS, TOGGLE, Counters, Fault, Identity, Kind

__all__ = ["FAULT", "Answer", "Deframer", "Framer", "Program"]

CRC = catalog.CRC16_IBM_3740(data_width=8)
TAG_BITS = (TAGS - 1).bit_length()
VALUE_BITS = 8 * len(Counters(0, 0).to_bytes())  # of the longest payload that is no constant
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
    """Frames from bytes on `i`: the payload of CLASSIFY requests on `o`, byte by byte as it comes, and of every frame, in the cycle of the
    flag behind it, `ends` and its `verdict`. What came on `o` counts only when that has no fault. `quiet` ends a frame that has stopped.

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


Answer = data.StructLayout({"program": Program, "tag": TAG_BITS, "value": VALUE_BITS})


class Source(enum.Enum):
    """Where a byte of an answer comes from."""

    CONSTANT = 0
    VALUE = 1
    CHECK = 2


Step = data.StructLayout({"byte": 8, "source": Source, "tagged": 1, "raw": 1, "last": 1})
PROGRAM_STEPS = 16  # room for an answer but the last


def steps(identity: Identity) -> list[dict]:
    """All answers one after another, a `Step` a byte, each `PROGRAM_STEPS` after the one before."""
    flag = {"byte": FLAG, "raw": 1}
    value = {"source": Source.VALUE}
    named = identity.to_bytes()
    payloads = {
        Program.CLASSIFY: (Kind.CLASSIFY, [value]),
        Program.ERROR: (Kind.ERROR, [value]),
        Program.COUNTERS: (Kind.COUNTERS, [value] * (VALUE_BITS // 8)),
        Program.IDENTIFY: (Kind.IDENTIFY, [{"byte": byte} for byte in named]),
    }
    found: list[dict] = []
    for program in Program:
        kind, payload = payloads[program]
        found += [{}] * (PROGRAM_STEPS * program.value - len(found))
        low, high = len(payload).to_bytes(HEADER_BYTES - 1, "little")
        found += [flag, {"byte": kind, "tagged": 1}, {"byte": low}, {"byte": high}, *payload]
        found += [{"source": Source.CHECK}] * CRC_BYTES + [flag | {"last": 1}]
    return found


class Framer(wiring.Component):
    """Answers on `i` to bytes of frames on `o`; the next answer is taken when the last byte of one has gone.

    The bytes are read from a block RAM of constants that says, too, which of them are a tag, a value, or the CRC.
    """

    def __init__(self, identity: Identity):
        self._steps = steps(identity)
        super().__init__({"i": In(stream.Signature(Answer)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.steps = memory = Memory(shape=Step, depth=len(self._steps), init=self._steps, attrs={"ram_style": "block"})
        step = memory.read_port()
        place = Signal(range(len(self._steps)))
        value, tag = Signal(VALUE_BITS), Signal(TAG_BITS)
        escaped, special, begins, goes, ends = Signal(), Signal(), Signal(), Signal(), Signal()
        byte = Signal(8)
        m.submodules.crc = crc = ResetInserter(goes & step.data.raw)(Processor(CRC))
        with m.Switch(step.data.source):
            with m.Case(Source.VALUE):
                m.d.comb += byte.eq(value)
            with m.Case(Source.CHECK):
                m.d.comb += byte.eq(crc.crc >> 8)  # which comes to the register's top when it is itself part of what is checked
            with m.Default():
                m.d.comb += byte.eq(step.data.byte | Mux(step.data.tagged, tag << 4, 0))
        m.d.comb += [
            step.en.eq(1),
            step.addr.eq(place),
            special.eq(~step.data.raw & ~escaped & ((byte == FLAG) | (byte == ESCAPE))),
            self.o.payload.eq(Mux(special, ESCAPE, byte ^ Mux(escaped, TOGGLE, 0))),
            begins.eq(self.i.valid & self.i.ready),
            goes.eq(self.o.valid & self.o.ready),
            ends.eq(goes & ~special & step.data.last),
            crc.data.eq(byte),
            crc.valid.eq(goes & ~special),
        ]
        busy, fresh = Signal(), Signal()  # an answer is being sent; its step is read
        m.d.comb += [self.i.ready.eq(~busy), self.o.valid.eq(busy & ~fresh)]
        m.d.sync += fresh.eq(begins | goes)
        with m.If(begins):
            m.d.sync += [busy.eq(1), place.eq(self.i.payload.program * PROGRAM_STEPS)]
            m.d.sync += [value.eq(self.i.payload.value), tag.eq(self.i.payload.tag)]
        with m.Elif(goes):
            m.d.sync += escaped.eq(special)
            with m.If(~special):
                m.d.sync += place.eq(place + 1)
                with m.If(step.data.source == Source.VALUE):
                    m.d.sync += value.eq(value >> 8)
        with m.If(ends):
            m.d.sync += busy.eq(0)
        return m
