"""Frames in hardware against frames as bytes: what a deframer says of any bytes, and what a framer sends.

Answers and errors while they are sent are lanes of the synthesised framer; a few are sent in Amaranth's simulator, too.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice, product

import numpy as np
import pytest
from amaranth.hdl import Elaboratable, Module, Signal
from amaranth.lib.crc import Processor
from amaranth.sim import Simulator

from logicnn import load
from logicnn.board.protocol import ESCAPE, FLAG, TAGS, Counters, Fault, Frame, Identity, Kind, encode
from logicnn.gateware.board.frames import CRC, Answer, Deframer, Framer, Program, Step, steps
from logicnn.gateware.board.uart import Transmitter
from logicnn.netlist.simulate import Simulation
from logicnn.network import shipped
from sim_tests.netlist_helpers import synthesised
from sim_tests.serial_helpers import Verdict, byte_cycles, decoded, random_streams, received, ref_verdicts

SIZE = 3  # bytes of a sample
IDENTITY = replace(Identity.of(load("digits-bnn"), 1), name="}~")


def rtl_verdicts(data: bytes) -> list[Verdict]:
    """What a deframer says of bytes, with pauses of 0 to 2 cycles between them."""
    dut, found = Deframer(SIZE), []
    pauses = np.random.default_rng(1).integers(0, 3, len(data)).tolist()

    async def bench(ctx):
        payload = b""
        for byte, pause in zip(data, pauses, strict=True):
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            if ctx.get(dut.o.valid):
                payload += bytes([ctx.get(dut.o.payload)])
            if ctx.get(dut.ends):
                fault, kind, tag = (ctx.get(dut.verdict[name]) for name in ("fault", "kind", "tag"))
                found.append(Verdict(fault, tag=tag) if fault else Verdict(0, kind, tag, payload))
                payload = b""
            await ctx.tick()
            ctx.set(dut.i.valid, 0)
            for _ in range(pause):
                await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


def test_verdicts():
    """Of 150 streams, each followed by a flag; `test_link.py` has thousands, and every byte of a frame changed."""
    good = [
        encode(Frame(Kind.CLASSIFY, 3, b"\x7e\x7d\x00")),
        encode(Frame(Kind.IDENTIFY, 15)) * 2 + b"\x7e\x7d\x7e\x7e",
    ]
    data = b"".join(stream + bytes([FLAG]) for stream in [*good, *islice(random_streams(2, SIZE), 150)])
    expected = ref_verdicts(data, SIZE)
    assert {each.fault for each in expected} == {0, Fault.COMMAND, Fault.LENGTH, Fault.CUT, Fault.CRC}
    assert rtl_verdicts(data) == expected


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


def sent(identity: Identity, answers: list[tuple[Program, int, int]], counters: Counters) -> bytes:
    """Bytes that a framer makes of answers, in Amaranth's simulator, to a reader that is not always ready: what is
    offered stays until it is taken.
    """
    dut, found, stop = Framer(identity, counters), bytearray(), Signal()
    rng = np.random.default_rng(5)

    async def source(ctx):
        if counters.cycles is not None:
            ctx.set(dut.cycles, counters.cycles)
        for program, tag, value in answers:
            ctx.set(dut.i.payload, {"program": program, "tag": tag, "value": value})
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        await ctx.tick().until(dut.i.ready)
        ctx.set(stop, 1)

    async def sink(ctx):
        offered = None
        while not ctx.get(stop):
            ready = int(rng.integers(2))
            ctx.set(dut.o.ready, ready)
            byte = ctx.get(dut.o.payload) if ctx.get(dut.o.valid) else None
            assert offered in (None, byte)
            offered = None if ready else byte
            found.extend([byte] if ready and byte is not None else [])
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(source)
    simulator.add_testbench(sink)
    simulator.run()
    return bytes(found)


@pytest.mark.parametrize("cycles", [None, 0, 0x7D_12_7E, 0xFF_7E_01])
def test_answers_simulated(cycles):
    """All kinds, with values whose bytes, and whose CRC, are flags and escapes."""
    answers = [(Program.CLASSIFY, tag, value) for tag in (0, 7, 15) for value in (0, FLAG, ESCAPE, 255)]
    answers += [(Program.ERROR, 3, Fault.CRC), (Program.COUNTERS, 8, 0), (Program.IDENTIFY, 7, 0)]
    kinds = {Program.CLASSIFY: Kind.CLASSIFY, Program.ERROR: Kind.ERROR}
    expected = [Frame(kinds[program], tag, bytes([value])) for program, tag, value in answers[:-2]]
    expected += [
        Frame(Kind.COUNTERS, 8, Counters(0x1234, 0x7E7D, cycles).to_bytes()),
        Frame(Kind.IDENTIFY, 7, IDENTITY.to_bytes()),
    ]
    assert sent(IDENTITY, answers, Counters(0x1234 - 12, 0x7E7D, cycles)) == b"".join(map(encode, expected))


DIVISOR = 4
BYTE = byte_cycles(DIVISOR) + 1  # cycles that a transmitter takes for one, at least
SHORT = 16 * BYTE  # cycles of an answer with a byte
LANES = 256


class Sending(Elaboratable):
    """A framer before a transmitter."""

    def __init__(self):
        self.offer = Signal(Answer)
        self.valid = Signal()
        self.error = Signal()
        self.tx = Signal()

    def elaborate(self, platform):
        m = Module()
        m.submodules.framer = framer = Framer(IDENTITY, INITIAL)
        m.submodules.transmitter = transmitter = Transmitter(DIVISOR)
        m.d.comb += [
            framer.i.payload.eq(self.offer),
            framer.i.valid.eq(self.valid),
            framer.error.eq(self.error),
            transmitter.i.payload.eq(framer.o.payload),
            transmitter.i.valid.eq(framer.o.valid),
            framer.o.ready.eq(transmitter.i.ready),
            self.tx.eq(transmitter.tx),
        ]
        return m


def offer(program: Program, tag: int = 0, value: int = 0) -> int:
    return Answer.const({"program": program, "tag": tag, "value": value}).as_bits()


class Lanes:
    """A synthesised framer in every lane, from power-up on, with counters that can be set."""

    def __init__(self, simulation: Simulation):
        self.simulation = simulation
        (self.memory,) = simulation.memories
        self.start = simulation.snapshot()
        content, words = simulation.contents(self.memory), self.words(INITIAL)
        given, found = (each[: len(words), None] >> np.arange(16) & 1 for each in (words, content))
        # where synthesis has put each bit of a step
        self.places = [np.flatnonzero((column == found.T).all(1)).item() for column in given.T[: Step.size]]

    @staticmethod
    def words(counters: Counters) -> np.ndarray:
        return np.array([Step.const(each).as_bits() for each in steps(IDENTITY, counters)])

    def sent(
        self, counters: Counters, offers: np.ndarray, valid: np.ndarray, errors: np.ndarray
    ) -> list[list[tuple[int, int]]]:  # each (cycles, lanes) or (cycles,)
        """Bytes and their cycles, by lane, of what is offered while `valid`; in cycles with `errors` one is counted."""
        self.simulation.restore(self.start)
        content, words = self.simulation.contents(self.memory), self.words(counters)
        content[: len(words)] = sum((words >> bit & 1) << place for bit, place in enumerate(self.places))
        self.simulation.load(self.memory, content)
        inputs = {"offer": offers, "valid": valid, "error": errors}
        return received(self.simulation.run(inputs, record=["tx"])["tx"], DIVISOR)


ZERO = Counters(0, 0)
INITIAL = Counters(0x80, 0)  # all bits of whose bytes are 1 in some step


@pytest.fixture(scope="module")
def lanes(tmp_path_factory):
    folder, component = tmp_path_factory.mktemp("framer"), Sending()
    ports = [component.offer, component.valid, component.error, component.tx]
    return Lanes(Simulation(synthesised(component, ports, folder), LANES))


def pulse(cycles: int) -> np.ndarray:
    """1 in the first cycle, then 0."""
    return (np.arange(cycles) == 0).astype(int)


@pytest.mark.parametrize("program", [Program.CLASSIFY, Program.ERROR])
def test_every_answer(lanes, program):
    """All tags with all values."""
    kind = Kind[program.name]
    for tag in range(TAGS):
        offers = np.array([[offer(program, tag, value) for value in range(256)]] * SHORT)
        found = lanes.sent(ZERO, offers, pulse(SHORT), np.zeros(SHORT, int))
        frames = [bytes(byte for _, byte in each) for each in found]
        assert frames == [encode(Frame(kind, tag, bytes([value]))) for value in range(256)]


def test_every_long_answer(lanes):
    """All tags, of what is neither a class nor an error."""
    cycles = (2 * len(IDENTITY.to_bytes()) + 16) * BYTE
    asked = list(product([Program.IDENTIFY, Program.COUNTERS], range(TAGS)))
    offers = np.resize([offer(*each) for each in asked], (cycles, LANES))
    counters = Counters(0x1234_7E7D, 0x7D7E)
    payloads = {Program.IDENTIFY: IDENTITY.to_bytes(), Program.COUNTERS: counters.to_bytes()}
    found = lanes.sent(counters, offers, pulse(cycles), np.zeros(cycles, int))
    expected = [[Frame(Kind[program.name], tag, payloads[program])] for program, tag in asked]
    assert [decoded(each) for each in found[: len(asked)]] == expected


@pytest.mark.parametrize("images", [0, 254, 0xFFFF, 0xFFFFFE, 2**32 - 2])
def test_images_are_counted(lanes, images):
    """Through all bytes, and around."""
    programs = [Program.CLASSIFY, Program.COUNTERS] * 3
    offers, valid = np.repeat([offer(each) for each in programs], SHORT), np.tile(pulse(SHORT), len(programs))
    found = decoded(lanes.sent(Counters(images, 7), offers, valid, np.zeros_like(valid))[0])
    expected = [Counters((images + count) % 2**32, 7) for count in range(1, 4)]
    assert [Counters.from_bytes(each.payload) for each in found[1::2] if isinstance(each, Frame)] == expected


def test_an_error_at_any_time_of_an_answer(lanes):
    """In each cycle: the count before or after it, never the halves of both."""
    times, cycles, counts = np.arange(2 * SHORT), 3 * SHORT, []
    offers, begins = np.full(cycles, offer(Program.COUNTERS)), (np.arange(cycles) == SHORT // 2).astype(int)
    for part in np.split(times, range(LANES, len(times), LANES)):
        errors = np.arange(cycles)[:, None] == np.resize(part, LANES)
        for each in lanes.sent(Counters(0, 0xFF), offers, begins, errors)[: len(part)]:
            (answer,) = decoded(each)
            assert isinstance(answer, Frame)
            counts.append(Counters.from_bytes(answer.payload).errors)
    assert counts == sorted(counts, reverse=True) and set(counts) == {0xFF, 0x100}


FASTEST = 78  # cycles between errors: two bytes of a sender that is 3 % fast, at four cycles a bit


def wrong_counts(found: Sequence[tuple[int, int]], times: np.ndarray, before: int) -> str:
    """What is wrong with counts that were sent one after another: each is one that stood while it was sent, or up to
    three before, and in the end none is lost.
    """
    flags = [
        cycle for (cycle, byte), (_, last) in zip(found, [(0, FLAG), *found], strict=False) if byte == last == FLAG
    ]
    counts = [Counters.from_bytes(each.payload).errors for each in decoded(found) if isinstance(each, Frame)]
    stood = before + np.searchsorted(times, [*flags, found[-1][0]])  # as each answer began, and as the last one ended
    if len(counts) != len(flags):
        return f"{len(counts)} answers begin with {len(flags)} flags"
    for count, first, last in zip(counts, stood, stood[1:], strict=False):
        if (last - count) % 2**16 > last - first + 3:
            return f"{count} was sent while {first} to {last} stood"
    return "" if counts[-1] == (before + len(times)) % 2**16 else f"{counts[-1]} are left"


@pytest.mark.parametrize("errors", [0x7CF8, 0xFFF8, 0x7D77, 0x7D78, 0x7D7D])
def test_errors_as_often_as_they_can_come(lanes, errors):
    """At random, and in half of the lanes as fast as possible while all bytes of the counters are escaped, so that an
    answer takes longest, from each cycle on.
    """
    rng = np.random.default_rng(errors)
    slow = [rng.integers(FASTEST, 3 * BYTE, 60).cumsum() for _ in range(LANES // 2)]
    fast = [2 + first + FASTEST * np.arange(20) for first in range(LANES // 2)]
    cycles = max(times[-1] for times in slow) + 4 * SHORT
    for images, every in ((0, slow), (0x7E7E7E7E, fast)):
        given = np.zeros((cycles, LANES), np.uint8)
        for lane, times in enumerate(every):
            given[times, lane] = 1
        valid = np.arange(cycles) < cycles - 2 * SHORT
        offers = np.full(cycles, offer(Program.COUNTERS))
        found = lanes.sent(Counters(images, errors), offers, valid, given)
        assert [wrong_counts(*each, errors) for each in zip(found, every, strict=False)] == [""] * len(every)
    # the same counts are wrong where an error more, or one that comes later, is said to have been counted
    assert wrong_counts(found[0], np.append(every[0], every[0][-1] + 1), errors)
    assert wrong_counts(found[0], every[0] + 8 * FASTEST, errors)


@pytest.mark.parametrize("word", [1, 8])
def test_identity_fits(word):
    """In one block RAM of iCE40, 256 words, for all shipped networks."""
    for name in shipped():
        assert len(steps(Identity.of(load(name), word), Counters(0, 0))) <= 256
