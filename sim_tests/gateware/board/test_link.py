"""A board's end of the line: what it accepts, what it refuses and why, and that nothing it accepted is lost.

Conversations are lanes of the synthesised link; one is held in Amaranth's simulator, too.
"""

import itertools
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from amaranth.hdl import Elaboratable, Module, Signal

from logicnn.board.protocol import (
    ESCAPE,
    FLAG,
    SILENCE,
    TAGS,
    Counters,
    Damage,
    Fault,
    Frame,
    Identity,
    Kind,
)
from logicnn.gateware.board.link import Link
from logicnn.gateware.board.uart import silent_cycles
from logicnn.netlist.simulate import Simulation
from sim_tests.netlist_helpers import synthesised
from sim_tests.serial_helpers import (
    DIVISOR,
    NetlistLine,
    Verdict,
    byte_cycles,
    converse,
    error,
    random_streams,
    ref_verdicts,
    request,
)

LANES = 512
FASTEST = 4  # cycles a bit, the least that a receiver reads
SAMPLE = 2  # bytes
MOST_CYCLES = 2047  # of a class


class Named(Identity):
    """An identity of a few bytes, flags and escapes among them, so that conversations are short."""

    def to_bytes(self) -> bytes:
        return bytes(range(0x60, 0x88))


IDENTITY = Named("", "", (8 * SAMPLE,), 0, 1, 8 * SAMPLE, 1, 9)
IDENTIFIED = IDENTITY.to_bytes()


class Classified(Elaboratable):
    """A link whose sample's class, the exclusive or of its bytes, is offered `cycles` after it was accepted."""

    def __init__(self, divisor: int):
        self.link = Link(IDENTITY, divisor)
        self.rx, self.tx = self.link.rx, self.link.tx
        self.refuse = self.link.refuse
        self.cycles = Signal(range(MOST_CYCLES + 1))

    def elaborate(self, platform):
        m = Module()
        m.submodules.link = link = self.link
        value, result, wait, busy = Signal(8), Signal(8), Signal.like(self.cycles), Signal()
        m.d.comb += [link.answers.valid.eq(busy & (wait == 0)), link.answers.payload.eq(result)]
        with m.If(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.If(link.answers.valid & link.answers.ready):
            m.d.sync += busy.eq(0)
        with m.If(link.samples.valid):
            m.d.sync += value.eq(value ^ link.samples.payload)
        with m.If(link.accepted | link.dropped):
            m.d.sync += value.eq(0)
        with m.If(link.accepted):
            m.d.sync += [result.eq(value), wait.eq(self.cycles), busy.eq(1)]
        return m


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """The synthesised link, in every lane."""
    folder, component = tmp_path_factory.mktemp("link"), Classified(FASTEST)
    ports = [component.rx, component.tx, component.refuse, component.cycles]
    return NetlistLine(Simulation(synthesised(component, ports, folder), LANES), FASTEST)


def long_answer(divisor: int) -> int:
    """Cycles of the longest answer, and a little."""
    return (len(request(Kind.IDENTIFY, 0, IDENTIFIED)) + 10) * byte_cycles(divisor)


BYTE = byte_cycles(FASTEST)
LONG = long_answer(FASTEST)
ANSWERED = 16 * BYTE  # cycles in which a short answer is sent, escapes and all


def of_class(tag: int, sample: bytes) -> Frame:
    return Frame(Kind.CLASSIFY, tag, bytes([sample[0] ^ sample[1]]))


def counters(tag: int, images: int, errors: int) -> Frame:
    return Frame(Kind.COUNTERS, tag, Counters(images, errors).to_bytes())


def identified(tag: int) -> Frame:
    return Frame(Kind.IDENTIFY, tag, IDENTIFIED)


SAMPLES = [b"\x7e\x7d", b"\x00\x00", b"\xff\x01", b"\x7d\x5e"]  # flags and escapes in them


def requests(divisor: int) -> tuple[list, list]:
    """A script and its answers: samples back to back, errors of several kinds, counters of what was classified."""
    short = 16 * byte_cycles(divisor)
    script = [
        request(Kind.IDENTIFY, 7),
        long_answer(divisor),
        *(request(Kind.CLASSIFY, tag, sample) for tag, sample in enumerate(SAMPLES)),
        short,
        request(9, 4),
        short,
        request(Kind.CLASSIFY, 2, b"ab")[:-3] + b"\x7e",
        request(Kind.COUNTERS, 15),
    ]
    classes = [of_class(tag, sample) for tag, sample in enumerate(SAMPLES)]
    faults = [error(Fault.COMMAND, 4), error(Fault.CUT, 2)]
    return script, [identified(7), *classes, *faults, counters(15, len(SAMPLES), 2)]


def test_requests(line):
    script, expected = requests(FASTEST)
    assert line.answers([script], LONG) == [expected]


def test_requests_simulated():
    """The same in Amaranth's simulator, at another rate."""
    script, expected = requests(DIVISOR)
    assert converse(Classified(DIVISOR), script, divisor=DIVISOR) == expected


FAULTS = [
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
]


def test_faults(line):
    """An error with its code and tag, one more in the counter, and the next frame is read, right behind it or after a
    while.
    """
    good, cases = b"zy", list(itertools.product(FAULTS, (1, ANSWERED)))
    scripts = [
        [bad, pause, request(Kind.CLASSIFY, 1, good), ANSWERED, request(Kind.COUNTERS)] for (bad, _, _), pause in cases
    ]
    expected = [[error(fault, tag), of_class(1, good), counters(0, 1, 1)] for (_, fault, tag), _ in cases]
    assert line.answers(scripts, LONG) == expected


def ref_answers(verdicts: Iterable[Verdict]) -> list[Frame]:
    """What is answered to frames of which each comes when no answer waits, apart from COUNTERS."""
    found = []
    for each in verdicts:
        match each.kind if not each.fault else Kind.ERROR:
            case Kind.ERROR:
                found.append(error(each.fault, each.tag))
            case Kind.IDENTIFY:
                found.append(identified(each.tag))
            case Kind.CLASSIFY:
                found.append(of_class(each.tag, each.payload))
    return found


def test_every_header(line):
    """Every kind with every tag, without a payload and with one of a sample's length."""
    asked = [request(head & 15, head >> 4, payload) for payload in (b"", b"ab") for head in range(256)]
    asked = [each for each in asked if not any(found.kind == Kind.COUNTERS for found in ref_verdicts(each, SAMPLE))]
    assert len(asked) == 2 * 256 - TAGS
    assert line.answers([[each] for each in asked], LONG) == [ref_answers(ref_verdicts(each, SAMPLE)) for each in asked]


def test_every_byte_changed(line):
    """A request of which one byte is another is refused, whichever byte and whichever other."""
    good = request(Kind.CLASSIFY, 9, b"}c")
    bad = [
        bytes(byte ^ change * (index == place) for index, byte in enumerate(good))
        for place in range(1, len(good) - 1)
        for change in range(1, 256)
    ]
    expected = [ref_answers(ref_verdicts(each, SAMPLE)) for each in bad]
    assert {answer.kind for each in expected for answer in each} == {Kind.ERROR}
    assert line.answers([[each] for each in bad], 3 * ANSWERED) == expected


def test_silence(line):
    """A frame that stops is answered after a while, without a byte behind it; a pause between frames is not."""
    cut, good = request(Kind.CLASSIFY, 6, b"ab")[:-3], request(Kind.CLASSIFY, 1, b"ab")
    pause = silent_cycles(FASTEST)
    assert SILENCE * BYTE <= pause <= 2 * SILENCE * BYTE
    scripts = [[cut, pause + ANSWERED], [good, pause + ANSWERED, request(Kind.COUNTERS)]]
    assert line.answers(scripts, ANSWERED) == [[error(Fault.CUT, 6)], [of_class(1, b"ab"), counters(0, 1, 0)]]


def test_a_byte_as_silence_ends(line):
    """In every cycle: it is still of the frame, or begins another one, but is not lost."""
    whole = request(Kind.CLASSIFY, 6, b"ab")
    begun, rest = whole[:-3], whole[-3:]
    pauses = silent_cycles(FASTEST) - BYTE + np.arange(-LANES // 2, LANES // 2)
    answers = line.answers([[begun, pause, rest] for pause in pauses.tolist()], 2 * ANSWERED)
    one, two = [of_class(6, b"ab")], [error(Fault.CUT, 6), *ref_answers(ref_verdicts(rest, SAMPLE))]
    assert answers == [one] * answers.count(one) + [two] * answers.count(two)
    assert min(answers.count(one), answers.count(two)) > LANES // 4


def test_busy(line):
    """A sample that comes while one is classified is refused, and that one's class is answered."""
    script = [request(Kind.CLASSIFY, 1, b"ab"), request(Kind.CLASSIFY, 2, b"cd"), request(Kind.CLASSIFY, 3, b"ef")]
    script += [MOST_CYCLES + ANSWERED, request(Kind.CLASSIFY, 4, b"gh"), ANSWERED]
    expected = [error(Fault.BUSY, 2), error(Fault.BUSY, 3), of_class(1, b"ab"), of_class(4, b"gh")]
    assert line.answers([script], MOST_CYCLES + LONG, cycles=MOST_CYCLES) == [expected]


def test_answers_wait(line):
    """While a long answer goes out a class and a reply wait; an error makes up for a further reply; a request displaces
    an error, which another error does not.
    """
    first = request(Kind.IDENTIFY, 1)
    waits = [first, request(Kind.CLASSIFY, 2, b"ab"), request(Kind.COUNTERS, 3), request(Kind.COUNTERS, 4), LONG]
    displaces = [first, request(9, 2), request(Kind.COUNTERS, 3), LONG, request(Kind.COUNTERS, 5)]
    stays = [first, request(9, 2), request(Kind.CLASSIFY, 3), LONG, request(Kind.COUNTERS, 5)]
    assert line.answers([waits, displaces, stays], LONG) == [
        [identified(1), of_class(2, b"ab"), counters(3, 1, 1), error(Fault.BUSY)],
        [identified(1), counters(3, 0, 1), error(Fault.BUSY), counters(5, 0, 1)],
        [identified(1), error(Fault.COMMAND, 2), error(Fault.BUSY), counters(5, 0, 2)],
    ]


@pytest.mark.parametrize("second", [Kind.COUNTERS, 9])
@pytest.mark.parametrize("first", [Kind.COUNTERS, 9])
def test_a_frame_in_every_cycle(line, first, second):
    """From before the end of a long answer, behind which a class and then what was there `first` go, until these have
    gone: each is answered, or BUSY makes up for it.
    """
    before = [request(Kind.IDENTIFY, 1), request(Kind.CLASSIFY, 2, b"ab"), request(first, 3)]
    pauses = LONG - 3 * ANSWERED + np.arange(3 * LANES)
    scripts = [[*before, each, request(second, 4), LONG, request(Kind.COUNTERS, 5)] for each in pauses.tolist()]
    alone = []
    for found in line.answers(scripts, 2 * ANSWERED):
        assert found[0] == identified(1) and found.count(of_class(2, b"ab")) == 1
        tags = {each.tag for each in found if each != error(Fault.BUSY)}
        lost = {3, 4} - tags
        assert len(lost) == (error(Fault.BUSY) in found) <= 1
        faults = [tag for tag, kind in ((3, first), (4, second)) if kind == 9 or tag in lost]
        assert found[-1] == counters(5, 1, len(faults))
        alone.append(not lost)
    assert alone == sorted(alone) and ANSWERED < alone.index(True) < 2 * LANES  # the class takes less than that


def test_refused(line):
    """Samples only."""
    faults = [Fault.WEIGHTS, Fault.LOADING, Fault.BUSY]
    script = [request(Kind.CLASSIFY, 2, b"ab"), ANSWERED, request(Kind.COUNTERS, 1)]
    expected = [[error(fault, 2), counters(1, 0, 1)] for fault in faults]
    assert line.answers([script] * len(faults), LONG, refuse=faults) == expected


LAST = 11  # tag of the last request of all


class Conversation:
    """Any bytes, a request right behind them, or after a while where they hold requests, and at last the counters."""

    def __init__(self, rng: random.Random, stream: bytes):
        self.stream, self.refuse, self.cycles = stream, rng.choice([0] * 9 + [Fault.LOADING]), 0
        self.kind, self.tag = rng.choice([Kind.IDENTIFY, Kind.CLASSIFY, Kind.COUNTERS]), rng.randrange(TAGS)
        self.sample = rng.choice([rng.randbytes(SAMPLE), bytes(rng.choices([FLAG, ESCAPE], k=SAMPLE))])
        self.asked = request(self.kind, self.tag, self.sample if self.kind == Kind.CLASSIFY else b"")
        self.verdicts = ref_verdicts(stream + self.asked, SAMPLE)
        self.quiet = rng.randrange(4) > 0  # whether the request comes when nothing else is to be answered
        before = any(not each.fault for each in ref_verdicts(stream + bytes([FLAG]), SAMPLE))
        if not self.quiet:
            self.cycles = rng.choice([0, rng.randrange(20), rng.randrange(MOST_CYCLES + 1)])
        pause = 2 * LONG + 2 * ANSWERED if self.quiet and before else rng.randrange(FASTEST)
        self.script = [
            stream,
            pause,
            self.asked,
            MOST_CYCLES * (self.cycles > 0) + 2 * LONG + 2 * ANSWERED,
            request(Kind.COUNTERS, LAST),
        ]

    def wrong(self, answers: Sequence[Frame | Damage]) -> str:
        """What is wrong with its answers, or nothing."""
        if any(isinstance(each, Damage) for each in answers) or not answers:
            return "an answer is no frame"
        *found, last = (each for each in answers if isinstance(each, Frame))
        if (last.kind, last.tag) != (Kind.COUNTERS, LAST):
            return "the last request is not answered"
        by_kind = {kind: [each for each in found if each.kind == kind] for kind in Kind}
        return self._wrong_frames(by_kind) or self._wrong_counters(by_kind, Counters.from_bytes(last.payload))

    def _wrong_frames(self, by_kind: dict[Kind, list[Frame]]) -> str:
        good = {kind: [each for each in self.verdicts if not each.fault and each.kind == kind] for kind in Kind}
        samples = [] if self.refuse else [of_class(each.tag, each.payload) for each in good[Kind.CLASSIFY]]
        if not in_order(by_kind[Kind.CLASSIFY], samples):
            return "a class is not that of a sample"
        if not in_order(by_kind[Kind.IDENTIFY], [identified(each.tag) for each in good[Kind.IDENTIFY]]):
            return "an identity is not asked for"
        if not in_order([each.tag for each in by_kind[Kind.COUNTERS]], [each.tag for each in good[Kind.COUNTERS]]):
            return "counters are not asked for"
        # an error is that of a frame, or a sample's that is refused, or makes up for another
        excuses = [error(each.fault or self.refuse or Fault.BUSY, each.tag) for each in self.verdicts]
        if not in_order([each for each in by_kind[Kind.ERROR] if each != error(Fault.BUSY)], excuses):
            return "an error is not that of a frame"
        if sum(map(len, by_kind.values())) < len(self.verdicts) and error(Fault.BUSY) not in by_kind[Kind.ERROR]:
            return "an answer is missing without a word"
        refused = self.refuse and self.kind == Kind.CLASSIFY
        answered = by_kind[self.kind][-1:] == [self.answer] or self.kind == Kind.COUNTERS
        if self.quiet and not refused and not answered:
            return f"the request's answer is not {self.answer}"
        return ""

    @property
    def answer(self) -> Frame:
        """That of the request, where it is accepted and not for the counters."""
        return identified(self.tag) if self.kind == Kind.IDENTIFY else of_class(self.tag, self.sample)

    def _wrong_counters(self, by_kind: dict[Kind, list[Frame]], last: Counters) -> str:
        """Every frame is an image, answered with something else, or an error."""
        every = [Counters.from_bytes(each.payload) for each in by_kind[Kind.COUNTERS]] + [last]
        if any(before.images > after.images or before.errors > after.errors for before, after in pairwise(every)):
            return "counters go down"
        if self.quiet and self.kind == Kind.COUNTERS and every[-2:] != [last, last]:
            return "counters change while nothing comes"
        replies = len(by_kind[Kind.IDENTIFY]) + len(by_kind[Kind.COUNTERS])
        if last.images != len(by_kind[Kind.CLASSIFY]):
            return f"{last.images} images are counted"
        if last.errors != len(self.verdicts) - last.images - replies:
            return f"{last.errors} errors are counted"
        return ""


def in_order(some: Sequence, every: Sequence) -> bool:
    """Whether `some` are left where others of `every` are left out."""
    rest = iter(every)
    return all(each in rest for each in some)


HARD = [b"\x7e" * 20, b"\x7d" * 20, b"\x7d\x7e" * 10, request(Kind.CLASSIFY, 0, b"ab")[:-4], request(Kind.IDENTIFY) * 6]


def conversations(count: int) -> list[Conversation]:
    rng, streams = random.Random(8), random_streams(7, SAMPLE)
    return [Conversation(rng, stream) for stream in itertools.islice(itertools.chain(HARD, streams), count)]


def complaints(asked: Sequence[Conversation], answers: Sequence[Sequence[Frame | Damage]]) -> list[tuple]:
    """What is wrong with answers, the shortest stream first."""
    judged = [(each.wrong(found), each.stream, each.asked, found) for each, found in zip(asked, answers, strict=True)]
    return sorted((each for each in judged if each[0]), key=lambda each: len(each[1]))


@pytest.fixture(scope="module")
def conversed(line):
    asked = conversations(12 * LANES)
    after = LONG + ANSWERED
    return asked, line.answers(
        [each.script for each in asked],
        after,
        cycles=[each.cycles for each in asked],
        refuse=[each.refuse for each in asked],
    )


def test_any_bytes_then_a_request(conversed):
    """Whatever came before, a request right behind it is answered correctly, or after the answers where what came held
    requests; and every frame is classified, answered or counted as an error.
    """
    asked, answers = conversed
    assert complaints(asked, answers)[:1] == []
    kinds = Counter(answer.kind for each in answers for answer in each)
    faults = {Fault(answer.payload[0]) for each in answers for answer in each if answer.kind == Kind.ERROR}
    assert min(kinds.values()) > 1000 and set(kinds) == set(Kind) and faults == {*Fault} - {Fault.WEIGHTS}


CHANGES = {
    "left out": lambda frame: [],
    "said twice": lambda frame: [frame, frame],
    "another tag": lambda frame: [Frame(frame.kind, frame.tag ^ 8, frame.payload)],
    "another payload": lambda frame: [Frame(frame.kind, frame.tag, bytes([frame.payload[0] ^ 64]) + frame.payload[1:])],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_wrong_answer_is_found(conversed, change):
    """Any answer to a request, in any of 200 conversations."""
    asked, answers = ([*each[:200]] for each in conversed)
    for lane, found in enumerate(answers):
        at = random.Random(lane).choice([place for place, each in enumerate(found) if each.kind != Kind.ERROR])
        answers[lane] = [*found[:at], *CHANGES[change](found[at]), *found[at + 1 :]]
    assert len(complaints(asked, answers)) == len(asked)
