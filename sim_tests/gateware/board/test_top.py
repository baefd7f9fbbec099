"""A board's synthesised design, from pin to pin: each lane has a conversation of its own."""

import numpy as np
import pytest

from benchmarks.faulty_line import FaultyLine, Rates
from logicnn.board import boards
from logicnn.board.protocol import TAGS, Counters, Fault, Frame, Identity, Kind, pack_sample
from logicnn.engines import Mapping
from logicnn.flow import tools
from logicnn.flow.design import designed
from logicnn.flow.sources import elaborated
from logicnn.netlist.simulate import Simulation
from sim_tests.helpers import all_bits, wide_network
from sim_tests.serial_helpers import NetlistLine, byte_cycles, error, request

LANES = 512
DIVISOR = 8  # cycles a bit: 1.5 Mbaud at 12 MHz
BYTE = byte_cycles(DIVISOR)
ANSWERED = 12 * BYTE


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    """The pins of a board with a pipelined network."""
    folder = tmp_path_factory.mktemp("board")
    design = designed(Mapping.unrolled(wide_network(), (0, 2)), boards.find("icebreaker"), 1_500_000)
    assert design.clock_hz / design.baud == DIVISOR
    sources = elaborated(design)
    for name, data in sources.files.items():
        (folder / name).write_bytes(data)
    tools.run(sources.synthesis, folder, "synthesis.log")
    return NetlistLine(Simulation(folder / "top.json", LANES), DIVISOR, "uart_0__rx__io", "uart_0__tx__io")


def asked(samples: np.ndarray) -> list[bytes | int]:
    """Requests a byte time apart, so that answers keep up with them."""
    return [
        part
        for at, sample in enumerate(samples)
        for part in (request(Kind.CLASSIFY, at % TAGS, pack_sample(sample, 1)), BYTE)
    ]


def classes(samples: np.ndarray) -> list[Frame]:
    return [
        Frame(Kind.CLASSIFY, at % TAGS, bytes([each]))
        for at, each in enumerate(wide_network().evaluate_bits(samples).tolist())
    ]


def test_every_request(line):
    """Identity, a sample, a damaged one, and the counters."""
    identity, samples = Identity.of(wide_network(), 1).to_bytes(), all_bits(13)[::256]
    damaged = bytearray(request(Kind.CLASSIFY, 3, b"ab"))
    damaged[4] ^= 4
    others = [ANSWERED, bytes(damaged), ANSWERED, request(Kind.COUNTERS, 6)]
    scripts = [[request(Kind.IDENTIFY, 1), (len(identity) + 20) * BYTE, *asked([each]), *others] for each in samples]
    assert line.answers(scripts, 2 * ANSWERED) == [
        [
            Frame(Kind.IDENTIFY, 1, identity),
            *classes(each[None]),
            error(Fault.CRC, 3),
            Frame(Kind.COUNTERS, 6, Counters(1, 1).to_bytes()),
        ]
        for each in samples
    ]


def test_every_sample(line):
    """All 8,192, sixteen in each lane."""
    every = all_bits(13).reshape(LANES, 16, 13)
    assert line.answers([asked(each) for each in every], 2 * ANSWERED) == [classes(each) for each in every]
    assert len(set(wide_network().evaluate_bits(all_bits(13)).tolist())) == 3


def test_sender_fast_or_slow(line):
    """By up to 3 %."""
    wrong, samples = np.linspace(-0.03, 0.03, 13), all_bits(13)[5::800]
    answers = line.answers([asked(samples)] * 13, 2 * ANSWERED, bit_cycles=DIVISOR * (1 + wrong))
    assert answers == [classes(samples)] * 13


def test_faulty_line(line):
    """Bytes lost, doubled, changed and late on the way to 512 boards and back: no class that is another sample's, and a
    board that goes on. (`benchmarks.faults` has a million frames.)
    """
    line.simulation.restore(line.start)
    hosts = FaultyLine(line.simulation, wide_network(), 1)
    hosts.ask(8)
    counted = hosts.counted
    assert counted.frames > 3_500 and counted.wrong == 0 and min(counted.faults.values()) > 5
    assert 0.5 * counted.frames < counted.accepted < 0.95 * counted.frames < counted.accepted + counted.damaged


def test_line_without_faults(line):
    """All are answered right, a cycle of tags and more."""
    line.simulation.restore(line.start)
    hosts = FaultyLine(line.simulation, wide_network(), 1, Rates(**dict.fromkeys(vars(Rates()), 0.0)))
    hosts.ask(2)
    assert (hosts.counted.frames, hosts.counted.accepted, hosts.counted.damaged) == (1_024, 1_024, 0)
