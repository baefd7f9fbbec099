"""The board design as seen from its serial line: samples in, classes out; memories from flash, and what happens when
these are wrong.
"""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from logicnn.arithmetic.sharing import optimise
from logicnn.board import flash
from logicnn.board.protocol import TAGS, Fault, Kind, pack_sample
from logicnn.engines import Mapping, Sparse
from logicnn.engines.sparse.contents import contents_of
from logicnn.engines.sparse.plan import Tile
from logicnn.gateware.board.classifier import Classifier, loading_cycles
from logicnn.netlist.flash_chip import FlashChip
from logicnn.resources import DEVICES
from sim_tests.helpers import all_bits, dense_network, int_network, wide_network
from sim_tests.serial_helpers import DIVISOR, converse, error, request
from sim_tests.sparse_helpers import network, plan_of


def classes_over_the_line(network, encoded, registers=(), mapping: Mapping | None = None, bit_cycles: float = DIVISOR):
    """The classes of encoded samples, sent a byte time apart, so that answers keep up with the shortest, and the LEDs
    after each.
    """
    dut = Classifier(mapping or Mapping.unrolled(network, registers), DIVISOR, 2)
    leds: list[int] = []

    async def watch(ctx):
        async for _, _, shown, *_ in ctx.tick().sample(dut.leds):
            if not leds or leds[-1] != shown:
                leds.append(shown)

    requests = [request(Kind.CLASSIFY, index % TAGS, pack_sample(sample, 1)) for index, sample in enumerate(encoded)]
    script = [part for each in requests for part in (each, 10 * DIVISOR)]
    answers = converse(dut, script, bit_cycles=bit_cycles, others=[watch])
    assert [(answer.kind, answer.tag) for answer in answers] == [
        (Kind.CLASSIFY, index % TAGS) for index in range(len(requests))
    ]
    return [answer.payload[0] for answer in answers], leds


@pytest.mark.parametrize("registers", [(), (0, 2)])
def test_classes(registers):
    network = wide_network()
    encoded = np.random.default_rng(1).random((40, 13)) < 0.5
    expected = network.evaluate_bits(encoded).tolist()
    assert len(set(expected)) == 3
    answers, leds = classes_over_the_line(network, encoded, registers)
    changes = [after for before, after in zip([0, *expected], expected, strict=False) if before != after]
    assert answers == expected and leds == [0, *changes]


@pytest.mark.parametrize("latency", [0, 2])
def test_classes_of_words(latency):
    """Words of four bits, two to a byte, one of which nothing reads."""
    network = int_network(np.random.default_rng(11), 5, 6, 3)
    weights = network.layers[0].weights.copy()
    weights[:, 2] = 0
    network = replace(network, layers=(replace(network.layers[0], weights=weights), *network.layers[1:]))
    x = np.random.default_rng(1).integers(-8, 8, (25, 5))
    mapping = Mapping.embedded(network, DEVICES["LFE5U-85F"], latency=latency, optimiser=partial(optimise, tries=3))
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


WHOLE = network(8, image=(1, 6, 6), convolutions=((3, 2, 2),), dense=())
PLAN = plan_of(WHOLE, Tile(2, 2))
ENGINE = Mapping([Sparse(PLAN)])
IMAGE = flash.image(contents_of(PLAN).image, WHOLE.digest())
UP5K = DEVICES["iCE40UP5K"]  # whose large memory is loaded
PERIOD_NS = 1000.0


def images(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, 1, 6, 6))


def answers_over_the_line(
    script: list[bytes | int], *, contents: bytes | None = None, wait: bool = True
) -> tuple[list, int]:
    """What the design answers, and the LEDs in the end; `contents` of its flash, if any, which is read before all, or
    with no `wait`.
    """
    dut = Classifier(ENGINE, DIVISOR, 3, loads_for=None if contents is None else UP5K, period_ns=PERIOD_NS)
    leds = [0]

    async def chip(ctx):
        model = FlashChip(contents or b"", flash.OFFSET, 3)
        while True:
            if contents is not None:
                pins = ctx.get(dut.flash)
                ctx.set(dut.cipo, model.step(pins.cs_n, pins.sck, pins.copi))
            leds[0] = ctx.get(dut.leds)
            await ctx.tick()

    loading = [loading_cycles(ENGINE, UP5K, PERIOD_NS) + 4] if wait and contents is not None else []
    return converse(dut, [*loading, *script], others=[chip], after=PLAN.latency + 40 * 10 * DIVISOR), leds[0]


def requests(x: np.ndarray) -> list[bytes]:
    return [request(Kind.CLASSIFY, tag, pack_sample(each.ravel(), 8)) for tag, each in enumerate(x)]


def classes(answers: list) -> list[int]:
    assert all(answer.kind == Kind.CLASSIFY for answer in answers)
    return [answer.payload[0] for answer in answers]


@pytest.mark.parametrize("loaded", [False, True])
def test_classes_of_an_engine(loaded):
    x = images(6)
    contents = IMAGE if loaded else None
    answers, leds = answers_over_the_line(requests(x), contents=contents)
    assert classes(answers) == WHOLE.evaluate(x).tolist()
    assert len(set(classes(answers))) > 1
    assert leds == answers[-1].payload[0]


def test_broken_sample():
    """What came of a sample that was cut, or damaged, is forgotten, also when its words came while one was
    classified.
    """
    x = images(4)
    first, second, third, fourth = requests(x)
    damaged = bytearray(second)
    damaged[20] ^= 1
    answers, _ = answers_over_the_line([first, second[:9], bytes(damaged), third, b"noise", fourth])
    good = [answer for answer in answers if answer.kind == Kind.CLASSIFY]
    assert classes(good) == WHOLE.evaluate(x[[0, 2, 3]]).tolist()
    assert error(Fault.CUT, 1) in answers


def test_sample_too_early():
    """While weights are still read; afterwards samples are classified."""
    x = images(2)
    first, second = requests(x)
    contents = IMAGE
    loading = 2 * (8 * len(contents) + 100)  # cycles, about twice as many as it takes
    answers, _ = answers_over_the_line([first, loading, second], contents=contents, wait=False)
    assert answers[0] in (error(Fault.LOADING, 0), error(Fault.BUSY, 0))
    assert classes(answers[-1:]) == WHOLE.evaluate(x[1:]).tolist()


def flipped(image: bytes, bit: int) -> bytes:
    return bytes(byte ^ (1 << bit % 8) * (place == bit // 8) for place, byte in enumerate(image))


@pytest.mark.parametrize(
    "contents",
    [
        flipped(IMAGE, 77),
        flash.image(contents_of(PLAN).image, network(9).digest()),
        b"",
    ],
    ids=["corrupt", "another network's", "erased"],
)
def test_corrupt_weights(contents):
    """Samples are refused, and all LEDs light up."""
    answers, leds = answers_over_the_line(requests(images(2)), contents=contents)
    assert answers == [error(Fault.WEIGHTS, 0), error(Fault.WEIGHTS, 1)]
    assert leds == 0b111
