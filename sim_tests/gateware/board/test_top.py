"""A board's synthesised design, from pin to pin."""

import numpy as np

from logicnn.board import boards
from logicnn.board.protocol import Counters, Decoder, Fault, Frame, Identity, Kind, pack_sample
from logicnn.engines import Mapping
from logicnn.flow import tools
from logicnn.flow.design import designed
from logicnn.flow.serial_line import levels
from logicnn.flow.sources import elaborated
from logicnn.netlist.simulate import Simulation
from sim_tests.helpers import wide_network
from sim_tests.serial_helpers import error, request

LANES = 64
NETLIST_DIVISOR = 12  # cycles a bit: 1 Mbaud at 12 MHz


def line_of(data: bytes) -> np.ndarray:  # (cycles,)
    """A line on which these bytes are sent."""
    return np.repeat([level for byte in data for level in levels(byte)], NETLIST_DIVISOR)


def sent(line: np.ndarray) -> bytes:
    """The bytes that were sent on a line (cycles,)."""
    found, at = bytearray(), 0
    while at < len(line):
        if line[at]:
            at += 1
            continue
        middles = at + NETLIST_DIVISOR // 2 + NETLIST_DIVISOR * np.arange(1, 10)
        *bits, stop = line[middles]
        assert stop == 1, "no stop bit"
        found.append(sum(int(bit) << place for place, bit in enumerate(bits)))
        at = middles[-1]
    return bytes(found)


def test_netlist(tmp_path):
    """The synthesised design of a board, from pin to pin: identity, a sample for each lane, a damaged one, and the
    counters.
    """
    network = wide_network()
    design = designed(Mapping.unrolled(network), boards.find("icebreaker"), 1_000_000)
    assert design.clock_hz / design.baud == NETLIST_DIVISOR
    sources = elaborated(design)
    for name, data in sources.files.items():
        (tmp_path / name).write_bytes(data)
    tools.run(sources.synthesis, tmp_path, "synthesis.log")
    encoded = np.random.default_rng(6).random((LANES, 13)) < 0.5
    identity = Identity.of(network, 1)
    idle = np.ones(12 * 10 * NETLIST_DIVISOR, np.int64)
    damaged = bytearray(request(Kind.CLASSIFY, 3, b"ab"))
    damaged[4] ^= 4
    lanes = []
    for sample in encoded:
        asked = request(Kind.CLASSIFY, 5, pack_sample(sample, 1)), bytes(damaged), request(Kind.COUNTERS, 6)
        parts = [
            line_of(request(Kind.IDENTIFY, 1)),
            *[idle] * (len(identity.to_bytes()) // 10),
            *(part for each in asked for part in (line_of(each), idle)),
        ]
        lanes.append(np.concatenate([idle, *parts, idle]))
    longest = max(map(len, lanes))  # escapes
    line = np.stack([np.concatenate([lane, np.ones(longest - len(lane), np.int64)]) for lane in lanes], axis=1)
    taken = Simulation(tmp_path / "top.json", LANES).run({"uart_0__rx__io": line}, record=["uart_0__tx__io"])[
        "uart_0__tx__io"
    ]
    expected = network.evaluate_bits(encoded)
    assert len(set(expected.tolist())) == 3
    for lane in range(LANES):
        assert Decoder().feed(sent(taken[:, lane])) == [
            Frame(Kind.IDENTIFY, 1, identity.to_bytes()),
            Frame(Kind.CLASSIFY, 5, bytes([expected[lane]])),
            error(Fault.CRC, 3),
            Frame(Kind.COUNTERS, 6, Counters(1, 1).to_bytes()),
        ]
