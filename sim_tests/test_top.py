"""The board design as seen from its serial line: bytes in, classes out."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from amaranth.sim import Simulator

from logicnn.gateware.top import SerialClassifier
from logicnn.protocol import SILENCE
from logicnn.mapping import Mapping
from logicnn.network import Activations, Argmax, BinaryDense, Interval, Network, Offset, Threshold
from logicnn.resources import DEVICES
from logicnn.sharing import optimise
from sim_tests.helpers import all_bits, dense_network, int_network

DIVISOR = 8  # cycles a bit


def frames(encoded: np.ndarray) -> list[bytes]:
    """Eight input bits a byte, the first lowest."""
    return [bytes(np.packbits(row, bitorder="little")) for row in encoded]


async def send(ctx, line, data: bytes, bit_cycles: float = DIVISOR) -> None:
    """Bytes on a serial line, from a sender whose bits last `bit_cycles`."""
    sent = 0
    for place, level in enumerate(level for byte in data for level in [0, *(byte >> i & 1 for i in range(8)), 1]):
        ctx.set(line, level)
        cycles = round((place + 1) * bit_cycles) - sent
        await ctx.tick().repeat(cycles)
        sent += cycles


async def receive(ctx, line) -> int:
    """The next byte on a serial line."""
    await ctx.tick().until(~line)
    await ctx.tick().repeat(DIVISOR + DIVISOR // 2 - 1)
    byte = 0
    for place in range(8):
        byte |= ctx.get(line) << place
        await ctx.tick().repeat(DIVISOR)
    assert ctx.get(line) == 1, "no stop bit"
    return byte


def classes_over_the_line(
    network,
    data: list[bytes],
    registers=(),
    mapping: Mapping | None = None,
    bit_cycles: float = DIVISOR,
    silence_after: dict[int, bool] | None = None,
    expected: int | None = None,
):
    """What the design answers to the frames, and the LEDs after each answer."""
    dut = SerialClassifier(mapping or Mapping.unrolled(network, registers), DIVISOR, 2)
    answers: list[int] = []
    leds: list[int] = []

    async def sender(ctx):
        for index, frame in enumerate(data):
            await send(ctx, dut.rx, frame, bit_cycles)
            if silence_after and silence_after.get(index):
                await ctx.tick().repeat((SILENCE + 1) * 10 * DIVISOR)

    async def receiver(ctx):
        while len(answers) < (len(data) if expected is None else expected):
            answers.append(await receive(ctx, dut.tx))
            leds.append(ctx.get(dut.leds))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(sender)
    simulator.add_testbench(receiver)
    simulator.run()
    return answers, leds


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
    answers, leds = classes_over_the_line(network, frames(encoded), registers)
    assert answers == expected and leds == expected


@pytest.mark.parametrize("ranks", [0, 2])
def test_classes_of_words(ranks):
    """Words of four bits, two to a byte, one of which nothing reads."""
    network = int_network(np.random.default_rng(11), 5, 6, 3)
    weights = network.layers[0].weights.copy()
    weights[:, 2] = 0
    network = replace(network, layers=(replace(network.layers[0], weights=weights), *network.layers[1:]))
    x = np.random.default_rng(1).integers(-8, 8, (25, 5))
    mapping = Mapping.embedded(network, DEVICES["LFE5U-85F"], ranks=ranks, optimiser=partial(optimise, tries=3))
    answers, _ = classes_over_the_line(network, frames(network.encode(x)), mapping=mapping)
    assert len(network.read_inputs()) == 16 and answers == network.evaluate(x).tolist()


def test_one_byte_exhaustive():
    network = dense_network(np.random.default_rng(5), 7, 5, 4, 3)
    expected = network.evaluate_bits(all_bits(7)).tolist()
    assert len(set(expected)) > 1
    assert classes_over_the_line(network, frames(all_bits(7)))[0] == expected


@pytest.mark.parametrize("error", [-0.04, -0.02, 0.02, 0.04])
def test_sender_fast_or_slow(error):
    network = wide_network()
    encoded = np.random.default_rng(2).random((10, 13)) < 0.5
    answers, _ = classes_over_the_line(network, frames(encoded), bit_cycles=DIVISOR * (1 + error))
    assert answers == network.evaluate_bits(encoded).tolist()


def test_silence_starts_over():
    network = wide_network()
    encoded = np.random.default_rng(3).random((3, 13)) < 0.5
    first, second, third = frames(encoded)
    answers, _ = classes_over_the_line(network, [first, second[:1], third], silence_after={1: True}, expected=2)
    assert answers == network.evaluate_bits(encoded[[0, 2]]).tolist()
