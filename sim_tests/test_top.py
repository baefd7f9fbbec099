"""The board design as seen from its serial line: samples in, classes out."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from logicnn.gateware.top import SerialClassifier
from logicnn.mapping import Mapping
from logicnn.network import Activations, Argmax, BinaryDense, Interval, Network, Offset, Threshold
from logicnn.protocol import TAGS, Kind, pack_sample
from logicnn.resources import DEVICES
from logicnn.sharing import optimise
from sim_tests.helpers import all_bits, dense_network, int_network
from sim_tests.serial_helpers import DIVISOR, converse, request


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
