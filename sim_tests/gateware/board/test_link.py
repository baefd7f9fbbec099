"""A board's end of the line: what it accepts, what it refuses and why, and that nothing it accepted is lost."""

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from logicnn.board.protocol import Counters, Decoder, Fault, Frame, Identity, Kind, encode, pack_sample
from logicnn.engines.mapping import Mapping
from logicnn.gateware.board.classifier import Classifier
from logicnn.gateware.board.link import Link
from sim_tests.helpers import wide_network
from sim_tests.serial_helpers import DIVISOR, PAUSE, converse, error, request, send, streams

NETWORK = wide_network()
IDENTITY = Identity.of(NETWORK, 1)
SAMPLE = IDENTITY.sample_bytes
LONG = (
    (len(encode(Frame(Kind.IDENTIFY, 0, IDENTITY.to_bytes()))) + 10) * 10 * DIVISOR
)  # cycles of the longest answer, and a little
ANSWERED = 12 * 10 * DIVISOR  # cycles in which a short answer is sent


def linked(script: list[bytes | int], *, cycles: int = 5, refuse: int = 0) -> list:
    """What a link answers whose sample's class, the exclusive or of its bytes, comes `cycles` after it was accepted."""
    dut = Link(IDENTITY, DIVISOR)

    async def classifier(ctx):
        ctx.set(dut.refuse, refuse)
        value = 0
        while True:
            sample, payload, accepted, dropped = (
                ctx.get(each) for each in (dut.samples.valid, dut.samples.payload, dut.accepted, dut.dropped)
            )
            assert not (accepted and dropped)
            if sample:
                value ^= payload
            elif accepted:
                await ctx.tick().repeat(cycles)
                ctx.set(dut.classes.payload, value)
                ctx.set(dut.classes.valid, 1)
                await ctx.tick().until(dut.classes.ready)
                ctx.set(dut.classes.valid, 0)
            if accepted or dropped:
                value = 0
            await ctx.tick()

    return converse(dut, script, others=[classifier], after=LONG + cycles)


def of_class(tag: int, sample: bytes) -> Frame:
    return Frame(Kind.CLASSIFY, tag, bytes([sample[0] ^ sample[1]]))


def counters(tag: int, images: int, errors: int) -> Frame:
    return Frame(Kind.COUNTERS, tag, Counters(images, errors).to_bytes())


def test_requests():
    """Samples back to back; flags and escapes in them; counters of what was classified."""
    samples = [b"\x7e\x7d", b"\x00\x00", b"\xff\x01", b"\x7d\x5e"]
    script = [
        request(Kind.IDENTIFY, 7),
        LONG,
        *(request(Kind.CLASSIFY, tag, sample) for tag, sample in enumerate(samples)),
    ]
    answers = linked([*script, ANSWERED, request(Kind.COUNTERS, 15)])
    expected = [of_class(tag, sample) for tag, sample in enumerate(samples)]
    assert answers == [Frame(Kind.IDENTIFY, 7, IDENTITY.to_bytes()), *expected, counters(15, len(samples), 0)]


@pytest.mark.parametrize(
    ("bad", "fault", "tag"),
    [
        (request(9, 4), Fault.COMMAND, 4),
        (request(0, 4), Fault.COMMAND, 4),
        (request(Kind.CLASSIFY, 3, b"a"), Fault.LENGTH, 3),
        (request(Kind.CLASSIFY, 3, b"abc"), Fault.LENGTH, 3),
        (request(Kind.CLASSIFY, 3, bytes(2 + 256)), Fault.LENGTH, 3),
        (request(Kind.IDENTIFY, 3, b"a"), Fault.LENGTH, 3),
        (request(Kind.CLASSIFY, 2, b"ab")[:-3] + b"\x7e", Fault.CUT, 2),
        (request(Kind.CLASSIFY, 2, b"ab")[:-1] + b"x\x7e", Fault.LENGTH, 2),
        (request(Kind.CLASSIFY, 2, b"ab")[:-2] + b"x\x7e", Fault.CRC, 2),
        (request(Kind.CLASSIFY, 2, b"ab").replace(b"a", b"c"), Fault.CRC, 2),
        (b"\x7e\x7d\x7e", Fault.CUT, 0),
        (b"\x7e" + b"noise, and more of it than any frame is long" + b"\x7e", Fault.COMMAND, ord("n") >> 4),
    ],
)
def test_faults(bad, fault, tag):
    """An error with its code and tag, one more in the counter, and the next frame is read, right behind it or after a
    while.
    """
    good = b"zy"
    for pause in (1, ANSWERED):
        answers = linked([bad, pause, request(Kind.CLASSIFY, 1, good), ANSWERED, request(Kind.COUNTERS)])
        assert answers == [error(fault, tag), of_class(1, good), counters(0, 1, 1)]


def test_silence():
    """A frame that stops is answered after a while; a pause between frames is not."""
    cut = request(Kind.CLASSIFY, 6, b"ab")[:-3]
    assert linked([cut, PAUSE + ANSWERED, request(Kind.CLASSIFY, 1, b"ab")]) == [
        error(Fault.CUT, 6),
        of_class(1, b"ab"),
    ]
    assert linked([request(Kind.CLASSIFY, 1, b"ab"), PAUSE + ANSWERED, request(Kind.COUNTERS)])[1:] == [
        counters(0, 1, 0)
    ]


def test_busy():
    """A sample that comes while one is classified is refused, and that one's class is answered."""
    script = [request(Kind.CLASSIFY, 1, b"ab"), request(Kind.CLASSIFY, 2, b"cd"), request(Kind.CLASSIFY, 3, b"ef")]
    after = [12 * ANSWERED, request(Kind.CLASSIFY, 4, b"gh"), ANSWERED]
    answers = linked([*script, *after], cycles=10 * ANSWERED)
    assert answers == [error(Fault.BUSY, 2), error(Fault.BUSY, 3), of_class(1, b"ab"), of_class(4, b"gh")]


def test_answers_wait():
    """While a long answer goes out a class and a reply wait; an error makes up for a further reply, and a request
    displaces an error.
    """
    first, identify = request(Kind.IDENTIFY, 1), Frame(Kind.IDENTIFY, 1, IDENTITY.to_bytes())
    script = [first, request(Kind.CLASSIFY, 2, b"ab"), request(Kind.COUNTERS, 3), request(Kind.COUNTERS, 4), LONG]
    assert linked(script) == [identify, of_class(2, b"ab"), counters(3, 1, 1), error(Fault.BUSY)]
    script = [first, request(9, 2), request(Kind.COUNTERS, 3), LONG, request(Kind.COUNTERS, 5)]
    assert linked(script) == [identify, counters(3, 0, 1), error(Fault.BUSY), counters(5, 0, 1)]


@pytest.mark.parametrize("fault", [Fault.WEIGHTS, Fault.LOADING, Fault.BUSY])
def test_refused(fault):
    """Samples only."""
    answers = linked([request(Kind.CLASSIFY, 2, b"ab"), ANSWERED, request(Kind.COUNTERS, 1)], refuse=fault)
    assert answers == [error(fault, 2), counters(1, 0, 1)]


class Bench:
    """One simulation of a board design for all streams of bytes, with as few cycles a bit as it reads."""

    DIVISOR = 4

    def __init__(self) -> None:
        self.dut = Classifier(Mapping.unrolled(NETWORK), self.DIVISOR, 2)
        self.script: list[bytes] = []
        self.decoder, self.answers = Decoder(), []
        self.idle = 0  # cycles since the last byte of an answer
        self.simulator = Simulator(self.dut)
        self.simulator.add_clock(1e-6)
        self.simulator.add_testbench(self.sender)
        self.simulator.add_testbench(self.receiver, background=True)

    async def sender(self, ctx):
        while True:
            await ctx.tick()
            for each in self.script:
                await send(ctx, self.dut.rx, each, self.DIVISOR)
                if any(isinstance(found, Frame) for found in Decoder().feed(each)):
                    await self.until_idle(ctx)
            self.script = []

    async def until_idle(self, ctx):
        self.idle = 0
        while self.idle < 30 * self.DIVISOR:
            await ctx.tick()

    async def receiver(self, ctx):
        """As `simulated_board.receive`, in single ticks, so that it can be left at any time."""
        while True:
            await ctx.tick()
            self.idle += 1
            if not ctx.get(self.dut.tx):
                byte = 0
                for place in range(8):
                    for _ in range(self.DIVISOR + (place == 0) * self.DIVISOR // 2):
                        await ctx.tick()
                    byte |= ctx.get(self.dut.tx) << place
                for _ in range(self.DIVISOR):
                    await ctx.tick()
                self.answers += self.decoder.feed(bytes([byte]))
                self.idle = 0

    def answers_to(self, *script: bytes) -> list:
        self.script, self.answers = list(script), []
        while self.script:
            self.simulator.advance()
        return self.answers


@pytest.fixture(scope="module")
def bench():
    return Bench()


REQUESTS = st.one_of(
    st.just((Kind.IDENTIFY, None)),
    st.just((Kind.COUNTERS, None)),
    st.lists(st.booleans(), min_size=NETWORK.core_bits, max_size=NETWORK.core_bits).map(
        lambda bits: (Kind.CLASSIFY, bits)
    ),
)


@settings(max_examples=1000, deadline=None, phases=[Phase.explicit, Phase.generate])
@example(b"\x7e" * 20, (Kind.IDENTIFY, None), 3)
@example(request(Kind.CLASSIFY, 0, b"ab")[:-4], (Kind.CLASSIFY, [True] * 13), 5)
@given(streams(SAMPLE), REQUESTS, st.integers(0, 15))
def test_any_bytes_then_a_request(bench, stream, asked, tag):
    """Whatever came before, a request right behind it is answered correctly, or after the answers where what came held
    requests.
    """
    kind, bits = asked
    payload = b"" if bits is None else pack_sample(np.array(bits), 1)
    answers = bench.answers_to(stream, request(kind, tag, payload))
    (answer,) = [each for each in answers if (each.kind, each.tag) == (kind, tag)][-1:]
    if kind == Kind.IDENTIFY:
        assert Identity.from_bytes(answer.payload) == IDENTITY
    elif kind == Kind.CLASSIFY:
        assert answer.payload[0] == NETWORK.evaluate_bits(np.array([bits]))[0]
    else:
        assert Counters.from_bytes(answer.payload)
    assert all(isinstance(each, Frame) for each in answers)
