"""Frames in hardware against frames as bytes: what a deframer says of any bytes, and what a framer sends."""

import binascii
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Signal
from amaranth.lib.crc import Processor
from amaranth.sim import Simulator
from hypothesis import example, given, settings

from logicnn import load
from logicnn.board.protocol import (
    CRC_START,
    ESCAPE,
    FLAG,
    TOGGLE,
    Counters,
    Decoder,
    Fault,
    Frame,
    Identity,
    Kind,
    encode,
)
from logicnn.gateware.board.frames import CRC, Deframer, Framer, Program, steps
from logicnn.network import shipped
from sim_tests.serial_helpers import streams

SIZE = 3  # bytes of a sample
REQUESTS = {Kind.IDENTIFY: 0, Kind.CLASSIFY: SIZE, Kind.COUNTERS: 0}


def ref_verdicts(data: bytes) -> list[tuple[int, int | None, bytes]]:
    """Fault, and of a frame without one its kind and payload, for everything between two flags."""
    found = []
    for part in data.split(bytes([FLAG]))[:-1]:
        if not part:
            continue
        body, escaped = bytearray(), False
        for byte in part:
            if byte == ESCAPE:
                escaped = True
            else:
                body.append(byte ^ TOGGLE * escaped)
                escaped = False
        found.append(ref_verdict(bytes(body), escaped))
    return found


def ref_verdict(body: bytes, escaped: bool) -> tuple[int, int | None, bytes]:
    if escaped:
        return Fault.CUT, None, b""
    kind = body[0] & 15
    if len(body) > 1:
        if kind not in REQUESTS:
            return Fault.COMMAND, None, b""
        wanted = REQUESTS[kind].to_bytes(2, "little")
        if any(given != right for given, right in zip(body[1:3], wanted, strict=False)):
            return Fault.LENGTH, None, b""
    whole = 3 + REQUESTS.get(kind, 0) + 2
    if len(body) != whole:
        return (Fault.CUT if len(body) < whole else Fault.LENGTH), None, b""
    if binascii.crc_hqx(body, CRC_START):
        return Fault.CRC, None, b""
    return 0, kind, body[3:-2]


class Bench:
    """One simulation of a deframer for all streams of bytes, each of which ends in a flag."""

    def __init__(self) -> None:
        self.dut = Deframer(SIZE)
        self.data, self.found = b"", []
        self.simulator = Simulator(self.dut)
        self.simulator.add_clock(1e-6)
        self.simulator.add_testbench(self.bytes_in)

    async def bytes_in(self, ctx):
        while True:
            await ctx.tick()
            if self.data:
                await self.stream_in(ctx, self.data)
                self.data = b""

    async def stream_in(self, ctx, data):
        dut, payload = self.dut, b""
        for byte in data:
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            if ctx.get(dut.o.valid):
                payload += bytes([ctx.get(dut.o.payload)])
            if ctx.get(dut.ends):
                verdict = ctx.get(dut.verdict)
                good = verdict.fault == 0
                self.found.append((verdict.fault, verdict.kind if good else None, payload if good else b""))
                payload = b""
            await ctx.tick()
            ctx.set(dut.i.valid, 0)
            await ctx.tick()

    def rtl_verdicts(self, data: bytes) -> list[tuple[int, int | None, bytes]]:
        self.data, self.found = data, []
        while self.data:
            self.simulator.advance()
        return self.found


BENCH = Bench()


@settings(max_examples=400, deadline=None)
@example(encode(Frame(Kind.CLASSIFY, 3, b"\x7e\x7d\x00")))
@example(encode(Frame(Kind.IDENTIFY, 15)) * 2 + b"\x7e\x7d\x7e\x7e" + encode(Frame(Kind.COUNTERS, 0)))
@given(streams(SIZE))
def test_verdicts(data):
    data += bytes([FLAG])
    assert BENCH.rtl_verdicts(data) == ref_verdicts(data)


def test_every_byte_changed():
    """A request with any one byte of its body changed is refused."""
    good = encode(Frame(Kind.CLASSIFY, 9, b"abc"))
    for place in range(1, len(good) - 1):
        for change in (1, 16, 128, 255):
            bad = bytes(byte ^ change * (index == place) for index, byte in enumerate(good))
            assert all(fault for fault, _, _ in BENCH.rtl_verdicts(bad)), (place, change)


def test_crc_is_that_of_bytes():
    """The library's hardware CRC is `binascii.crc_hqx`: check value 0x29B1."""
    dut, found = Processor(CRC), []

    async def bench(ctx):
        for byte in b"123456789":
            ctx.set(dut.data, byte)
            ctx.set(dut.valid, 1)
            await ctx.tick()
        found.append(ctx.get(dut.crc))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert found == [0x29B1] and CRC.compute(b"123456789") == 0x29B1


class Reader:
    """Takes bytes from a framer; what is offered stays until it is taken, and no word of the memory is read while it is
    written.
    """

    def __init__(self, dut: Framer):
        self.dut, self.offered = dut, None

    async def cycle(self, ctx, ready: int) -> int | None:
        """The byte that goes in this cycle."""
        ctx.set(self.dut.o.ready, ready)
        byte = ctx.get(self.dut.o.payload) if ctx.get(self.dut.o.valid) else None
        assert self.offered in (None, byte)
        self.offered = None if ready else byte
        await ctx.tick()
        return byte if ready else None


def sent(identity: Identity, answers: list[tuple[Program, int, int]], counters: Counters) -> bytes:
    """Bytes that a framer makes of answers, to a reader that is not always ready."""
    dut, found, stop = Framer(identity, counters), bytearray(), Signal()
    rng = np.random.default_rng(5)

    async def source(ctx):
        for program, tag, value in answers:
            ctx.set(dut.i.payload, {"program": program, "tag": tag, "value": value})
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        await ctx.tick().until(dut.i.ready)

        ctx.set(stop, 1)

    async def sink(ctx):
        reader = Reader(dut)
        while not ctx.get(stop):
            byte = await reader.cycle(ctx, int(rng.integers(2)))
            found.extend([] if byte is None else [byte])

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(source)
    simulator.add_testbench(sink)
    simulator.run()
    return bytes(found)


def test_answers():
    """All kinds, with values whose bytes, and whose CRC, are flags and escapes."""
    identity = replace(Identity.of(load("digits-bnn"), 1), name="}~")
    answers = [(Program.CLASSIFY, tag, value) for tag in range(16) for value in (0, 9, FLAG, ESCAPE, 255)]
    answers += [(Program.ERROR, 3, Fault.CRC), (Program.IDENTIFY, 7, 0), (Program.COUNTERS, 8, 0)]
    kinds = {Program.CLASSIFY: Kind.CLASSIFY, Program.ERROR: Kind.ERROR}
    expected = [Frame(kinds[program], tag, bytes([value])) for program, tag, value in answers[:-2]]
    expected += [
        Frame(Kind.IDENTIFY, 7, identity.to_bytes()),
        Frame(Kind.COUNTERS, 8, Counters(0x1234, 0x7E7D).to_bytes()),
    ]
    assert sent(identity, answers, Counters(0x1234 - 80, 0x7E7D)) == b"".join(map(encode, expected))


@pytest.mark.parametrize("images", [0, 254, 0xFFFF, 0xFFFFFE, 2**32 - 2])
def test_images_are_counted(images):
    """Through all bytes, and around."""
    answers = [answer for count in range(3) for answer in ((Program.CLASSIFY, 0, 0), (Program.COUNTERS, count, 0))]
    found = Decoder().feed(sent(Identity.of(load("digits-bnn"), 1), answers, Counters(images, 7)))
    expected = [Counters((images + count) % 2**32, 7) for count in range(1, 4)]
    assert [Counters.from_bytes(each.payload) for each in found[1::2] if isinstance(each, Frame)] == expected


BYTE = 41  # cycles that a transmitter takes for one, at least


def counted(counters: Counters, pauses: Sequence[int]) -> tuple[list[int], list[list[int]]]:
    """Errors in answers of COUNTERS, one after another, while after each pause, in cycles, one is counted; and what
    stood during each.
    """
    dut = Framer(Identity.of(load("digits-bnn"), 1), counters)
    data, stands, stop = bytearray(), [[counters.errors]], Signal()

    async def source(ctx):
        ctx.set(dut.i.payload, {"program": Program.COUNTERS})
        ctx.set(dut.i.valid, 1)
        for pause in pauses:
            await ctx.tick().repeat(pause - 1)
            ctx.set(dut.error, 1)
            await ctx.tick()
            ctx.set(dut.error, 0)
            stands[-1].append((stands[-1][-1] + 1) % 2**16)
        await ctx.tick().repeat(50 * BYTE)
        ctx.set(stop, 1)

    async def sink(ctx):
        reader, since = Reader(dut), BYTE  # cycles since the last byte went
        while not ctx.get(stop):
            since += 1
            byte = await reader.cycle(ctx, int(since >= BYTE))
            if byte is not None:
                since = 0
                data.append(byte)
                if data[-2:] == bytes([FLAG, FLAG]):
                    stands.append(stands[-1][-1:])

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(source)
    simulator.add_testbench(sink)
    simulator.run()
    return [
        Counters.from_bytes(each.payload).errors for each in Decoder().feed(bytes(data)) if isinstance(each, Frame)
    ], stands


def test_an_error_at_any_time_of_an_answer():
    """The count before or after it, never the halves of both."""
    found = [counted(Counters(0, 0xFF), [pause])[0][0] for pause in range(2, 14 * BYTE, 5)]
    assert found == sorted(found, reverse=True) and set(found) == {0xFF, 0x100}


FASTEST = 78  # cycles between errors: two bytes of a sender that is 3 % fast, at four cycles a bit


@pytest.mark.parametrize(
    ("counters", "pauses"),
    [
        *(
            (Counters(0, errors), np.random.default_rng(errors).integers(FASTEST, 3 * BYTE, 200).tolist())
            for errors in (0x7CF8, 0xFFF8)
        ),
        # all bytes of the counters escaped, so that an answer takes longest, and errors beginning at any time of it
        *(
            (Counters(0x7E7E7E7E, errors), [first, *[FASTEST] * 12])
            for errors in (0x7D77, 0x7D78, 0x7D7D)
            for first in range(2, 80, 6)
        ),
    ],
)
def test_errors_as_often_as_they_can_come(counters, pauses):
    """A count is one that stood while it was sent, or up to three before, and in the end none is lost."""
    counts, stands = counted(counters, pauses)
    assert counts[-1] == stands[-1][-1] == (counters.errors + len(pauses)) % 2**16
    for count, stood in zip(counts, stands, strict=False):
        assert (stood[-1] - count) % 2**16 < len(stood) + 3


@pytest.mark.parametrize("word", [1, 8])
def test_identity_fits(word):
    """In one block RAM of iCE40, 256 words, for all shipped networks."""
    for name in shipped():
        assert len(steps(Identity.of(load(name), word), Counters(0, 0))) <= 256
