"""The board design as seen from its serial line: samples in, classes out."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from logicnn import boards, tools
from logicnn.build import board_script
from logicnn.errors import LogicnnError
from logicnn.gateware.top import BoardTop, SerialClassifier
from logicnn.gateware.uart import divisor_of
from logicnn.mapping import Mapping
from logicnn.network import Activations, Argmax, BinaryDense, Interval, Network, Offset, Threshold
from logicnn.protocol import TAGS, Counters, Decoder, Fault, Frame, Identity, Kind, pack_sample
from logicnn.resources import DEVICES
from logicnn.sharing import optimise
from logicnn.simulate import Simulation
from logicnn.simulated_board import levels
from sim_tests.helpers import all_bits, dense_network, int_network
from sim_tests.serial_helpers import DIVISOR, converse, error, request


def classes_over_the_line(network, encoded, registers=(), mapping: Mapping | None = None, bit_cycles: float = DIVISOR):
    """The classes of encoded samples, sent a byte time apart, so that answers keep up with the shortest, and the LEDs after each."""
    dut = SerialClassifier(mapping or Mapping.unrolled(network, registers), DIVISOR, 2)
    leds: list[int] = []

    async def watch(ctx):
        async for _, _, shown, *_ in ctx.tick().sample(dut.leds):
            if not leds or leds[-1] != shown:
                leds.append(shown)

    requests = [request(Kind.CLASSIFY, index % TAGS, pack_sample(sample, 1)) for index, sample in enumerate(encoded)]
    script = [part for each in requests for part in (each, 10 * DIVISOR)]
    answers = converse(dut, script, bit_cycles=bit_cycles, others=[watch])
    assert [(answer.kind, answer.tag) for answer in answers] == [(Kind.CLASSIFY, index % TAGS) for index in range(len(requests))]
    return [answer.payload[0] for answer in answers], leds


def wide_network() -> Network:
    """Thirteen inputs, so that the last byte is padded, three of which nothing reads."""
    rng = np.random.default_rng(24)
    weights = rng.choice([-1, 1], (6, 13))
    weights[:, [2, 7, 12]] = 0
    return Network(
        Activations((13,), Interval(0, 1)),
        [BinaryDense(weights, Threshold(rng.integers(4, 7, 6))), BinaryDense(rng.choice([-1, 1], (3, 6)), Offset([0, 0, 0])), Argmax()],
    )


@pytest.mark.parametrize("registers", [(), (0, 2)])
def test_classes(registers):
    network = wide_network()
    encoded = np.random.default_rng(1).random((40, 13)) < 0.5
    expected = network.evaluate_bits(encoded).tolist()
    assert len(set(expected)) == 3
    answers, leds = classes_over_the_line(network, encoded, registers)
    changes = [after for before, after in zip([0, *expected], expected, strict=False) if before != after]
    assert answers == expected and leds == [0, *changes]


@pytest.mark.parametrize("ranks", [0, 2])
def test_classes_of_words(ranks):
    """Words of four bits, two to a byte, one of which nothing reads."""
    network = int_network(np.random.default_rng(11), 5, 6, 3)
    weights = network.layers[0].weights.copy()
    weights[:, 2] = 0
    network = replace(network, layers=(replace(network.layers[0], weights=weights), *network.layers[1:]))
    x = np.random.default_rng(1).integers(-8, 8, (25, 5))
    mapping = Mapping.embedded(network, DEVICES["LFE5U-85F"], ranks=ranks, optimiser=partial(optimise, tries=3))
    answers, _ = classes_over_the_line(network, network.encode(x), mapping=mapping)
    assert len(network.read_inputs()) == 16 and answers == network.evaluate(x).tolist()


def test_one_byte_exhaustive():
    network = dense_network(np.random.default_rng(5), 7, 5, 4, 3)
    expected = network.evaluate_bits(all_bits(7)).tolist()
    assert len(set(expected)) > 1
    assert classes_over_the_line(network, all_bits(7))[0] == expected


@pytest.mark.parametrize("error", [-0.03, -0.02, 0.02, 0.03])
def test_sender_fast_or_slow(error):
    network = wide_network()
    encoded = np.random.default_rng(2).random((10, 13)) < 0.5
    answers, _ = classes_over_the_line(network, encoded, bit_cycles=DIVISOR * (1 + error))
    assert answers == network.evaluate_bits(encoded).tolist()


@pytest.mark.parametrize(
    ("frequency", "baud", "expected"), [(6e6, 115_200, 52), (12e6, 115_200, 104), (25e6, 1_000_000, 25), (24e6, 6_000_000, 4)]
)
def test_divisor(frequency, baud, expected):
    assert divisor_of(frequency, baud) == expected


@pytest.mark.parametrize(
    ("frequency", "baud", "message"),
    [
        (6e6, 921_600, r"^baud must be made from a clock of 6 MHz within 2%, not 921600; 857143 can$"),
        (1e6, 1_000_000, r"^baud must be made from a clock of 1 MHz within 2%, not 1000000; 250000 can$"),
    ],
)
def test_no_divisor(frequency, baud, message):
    with pytest.raises(LogicnnError, match=message):
        divisor_of(frequency, baud)


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
    """The synthesised design of a board, from pin to pin: identity, a sample for each lane, a damaged one, and the counters."""
    network, platform = wide_network(), boards.find("icebreaker").make_platform()
    mapping = Mapping.unrolled(network)
    script = board_script(mapping)
    plan = platform.prepare(BoardTop(mapping, 1, 1_000_000), "top", debug_verilog=False, emit_src=False, script_after_read=script)
    for name, data in plan.files.items():
        (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    tools.run(json.loads((tmp_path / "build_top.json").read_text())["commands"][0], tmp_path, "synthesis.log")
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
    taken = Simulation(tmp_path / "top.json", LANES).run({"uart_0__rx__io": line}, record=["uart_0__tx__io"])["uart_0__tx__io"]
    expected = network.evaluate_bits(encoded)
    assert len(set(expected.tolist())) == 3
    for lane in range(LANES):
        assert Decoder().feed(sent(taken[:, lane])) == [
            Frame(Kind.IDENTIFY, 1, identity.to_bytes()),
            Frame(Kind.CLASSIFY, 5, bytes([expected[lane]])),
            error(Fault.CRC, 3),
            Frame(Kind.COUNTERS, 6, Counters(1, 1).to_bytes()),
        ]
