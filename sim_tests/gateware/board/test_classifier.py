"""The board design as seen from its serial line: samples in, classes out; memories from flash, and what happens when
these are wrong. In Amaranth's simulator; `test_top.py` has every sample in a netlist.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from logicnn.arithmetic.sharing import optimise
from logicnn.board import flash
from logicnn.board.protocol import TAGS, Counters, Fault, Frame, Kind, pack_sample
from logicnn.engines import Mapping, Sparse
from logicnn.engines.reused import Reused
from logicnn.engines.sparse.contents import contents_of
from logicnn.engines.sparse.plan import Tile
from logicnn.gateware.board.classifier import Classifier, identity_of, loading_cycles
from logicnn.netlist.flash_chip import FlashChip
from logicnn.network import Interval
from logicnn.resources import DEVICES
from sim_tests import reused_helpers
from sim_tests.helpers import all_bits, dense_network, int_network, wide_network
from sim_tests.newcomer import LoneComponent, mapping_of, newcomer, samples
from sim_tests.serial_helpers import byte_cycles, converse, error, request
from sim_tests.sparse_helpers import network, plan_of

FASTEST = 4  # cycles a bit, the least that a receiver reads
BYTE = byte_cycles(FASTEST)


def asked(encoded: np.ndarray) -> list[bytes]:
    return [request(Kind.CLASSIFY, index % TAGS, pack_sample(sample, 1)) for index, sample in enumerate(encoded)]


def classes_of(answers: Sequence) -> list[int]:
    """The classes of answers to requests whose tags go up."""
    assert [(each.kind, each.tag) for each in answers] == [(Kind.CLASSIFY, at % TAGS) for at in range(len(answers))]
    return [each.payload[0] for each in answers]


def simulated(network, encoded, mapping: Mapping | None = None) -> tuple[list[int], list[int]]:
    """The classes of encoded samples, sent a byte time apart, so that answers keep up with the shortest, and the LEDs
    after each, in Amaranth's simulator.
    """
    dut, leds = Classifier(mapping or Mapping.unrolled(network), FASTEST, 2), []

    async def watch(ctx):
        async for (shown,) in ctx.changed(dut.leds):
            leds.append(shown)

    script = [part for each in asked(encoded) for part in (each, BYTE)]
    return classes_of(converse(dut, script, divisor=FASTEST, others=[watch])), leds


def changes(values: Sequence[int]) -> list[int]:
    """What LEDs show that begin with 0."""
    return [0, *(after for before, after in zip([0, *values], values, strict=False) if before != after)]


@pytest.mark.parametrize("registers", [(), (0, 2)])
def test_classes_simulated(registers):
    network = wide_network()
    encoded = np.random.default_rng(1).random((8, 13)) < 0.5
    expected = network.evaluate_bits(encoded).tolist()
    assert len(set(expected)) == 3
    assert simulated(network, encoded, Mapping.unrolled(network, registers)) == (expected, changes(expected))


@pytest.mark.parametrize("latency", [0, 2])
def test_classes_of_words(latency):
    """Words of four bits, two to a byte, one of which nothing reads."""
    network = int_network(np.random.default_rng(11), 5, 6, 3)
    weights = network.layers[0].weights.copy()
    weights[:, 2] = 0
    network = replace(network, layers=(replace(network.layers[0], weights=weights), *network.layers[1:]))
    x = np.random.default_rng(1).integers(-8, 8, (8, 5))
    mapping = Mapping.embedded(network, DEVICES["LFE5U-85F"], latency=latency, optimiser=partial(optimise, tries=3))
    expected = network.evaluate(x).tolist()
    assert len(network.read_inputs()) == 16 and len(set(expected)) > 1
    assert simulated(network, network.encode(x), mapping) == (expected, changes(expected))


@pytest.mark.parametrize("gap", (0, 2, 5))
@pytest.mark.parametrize("engine", ("logic", "multipliers"))
def test_outputs(engine, gap):
    """Of a network without a class: several bytes, of which the next sample's wait for the last. What is asked too
    early is answered BUSY, what comes after that is not.
    """
    if engine == "logic":
        network = dense_network(np.random.default_rng(24), 9, 7, 5, argmax=False)
        mapping, x = Mapping.unrolled(network), all_bits(9)[:450:31]
        asked = [pack_sample(each, 1) for each in network.encode(x)]
    else:
        network = reused_helpers.dense_network([5, 7, 9], Interval(-8, 7), between=Interval(-4, 3))
        mapping, x = Mapping([Reused(network, 0, 2, 3, 2)]), np.random.default_rng(3).integers(-8, 8, (12, 5))
        asked = [pack_sample(each, 8) for each in x]
    identity = identity_of(mapping)
    assert identity.answer_bytes == (3 if engine == "logic" else 9)
    script = [part for tag, each in enumerate(asked) for part in (request(Kind.CLASSIFY, tag % TAGS, each), BYTE * gap)]
    script += [30 * BYTE, request(Kind.CLASSIFY, 15, asked[0])]
    after = mapping.latency.most + (identity.answer_on_line + 9) * BYTE
    answers = converse(Classifier(mapping, FASTEST, 2), script, divisor=FASTEST, after=after)
    expected = network.evaluate(x).reshape(len(x), -1)
    good = [each for each in answers if each.kind == Kind.CLASSIFY]
    assert answers[-1] == good[-1] and good[-1].tag == 15
    assert all(each in good or (each.kind, each.payload) == (Kind.ERROR, bytes([Fault.BUSY])) for each in answers)
    assert np.array_equal(identity.answer(good[-1].payload), expected[0])
    for each in good[:-1]:
        assert np.array_equal(identity.answer(each.payload), expected[each.tag])
    assert gap < 5 or len(answers) == len(good) == len(x) + 1
    assert len(np.unique([each.payload for each in good])) > 4 or gap < 5


def test_classes_of_a_byte():
    """Samples of one byte, which is not full."""
    network = dense_network(np.random.default_rng(5), 7, 5, 4, 3)
    encoded = all_bits(7)[::9]
    expected = network.evaluate_bits(encoded).tolist()
    assert len(set(expected)) > 1
    assert simulated(network, encoded) == (expected, changes(expected))


WHOLE = network(8, image=(1, 4, 4), convolutions=((3, 2, 2),), dense=())
PLAN = plan_of(WHOLE, Tile(2, 2))
ENGINE = Mapping([Sparse(PLAN)])
IMAGE = flash.image([contents_of(PLAN).image], WHOLE.digest())
UP5K = DEVICES["iCE40UP5K"]  # whose large memory is loaded
PERIOD_NS = 1000.0


def images(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, 1, 4, 4))


def requests(x: np.ndarray) -> list[bytes]:
    return [request(Kind.CLASSIFY, tag, pack_sample(each.ravel(), 8)) for tag, each in enumerate(x)]


def answers_over_the_line(
    script: list[bytes | int], *, mapping: Mapping = ENGINE, contents: bytes | None = None, wait: bool = True
) -> tuple[list, int]:
    """What the design answers, and the LEDs in the end; `contents` of its flash, if any, which is read before all, or
    with no `wait`.
    """
    dut = Classifier(mapping, FASTEST, 3, loads_for=None if contents is None else UP5K, period_ns=PERIOD_NS)
    leds, loading = [], 0 if contents is None else loading_cycles(mapping, UP5K, PERIOD_NS) + 4

    async def chip(ctx):
        model = FlashChip(contents or b"", flash.OFFSET, 3)
        for _ in range(loading):
            pins = ctx.get(dut.flash)
            ctx.set(dut.cipo, model.step(pins.cs_n, pins.sck, pins.copi))
            await ctx.tick()

    async def watch(ctx):
        async for (shown,) in ctx.changed(dut.leds):
            leds.append(shown)

    whole = [loading, *script] if wait else script
    answers = converse(dut, whole, divisor=FASTEST, others=[chip, watch], after=mapping.latency.most + 20 * BYTE)
    return answers, leds[-1]


@pytest.mark.parametrize("loaded", [False, True])
def test_classes_of_an_engine(loaded):
    """And the cycles that it counts for the last one."""
    x = images(4)
    waits = ENGINE.latency.most + 12 * BYTE
    asked = [*requests(x), waits, request(Kind.COUNTERS, 5)]
    (*answers, counted), leds = answers_over_the_line(asked, contents=IMAGE if loaded else None)
    (cycles,) = ENGINE.cycles(WHOLE.encoded_words(x[-1:])).tolist()
    assert counted == Frame(Kind.COUNTERS, 5, Counters(4, 0, cycles).to_bytes())
    assert classes_of(answers) == WHOLE.evaluate(x).tolist()
    assert len(set(classes_of(answers))) > 1
    assert leds == answers[-1].payload[0]


def test_broken_sample():
    """What came of a sample that was cut, or damaged, is forgotten, also when its words came while one was
    classified.
    """
    x = images(4)
    first, second, third, fourth = requests(x)
    damaged = bytearray(second)
    damaged[12] ^= 1
    answers, _ = answers_over_the_line([first, second[:9], bytes(damaged), third, b"noise", fourth])
    good = [answer.payload[0] for answer in answers if answer.kind == Kind.CLASSIFY]
    assert good == WHOLE.evaluate(x[[0, 2, 3]]).tolist()
    assert error(Fault.CUT, 1) in answers


def test_sample_too_early():
    """While weights are still read; afterwards samples are classified."""
    x = images(2)
    first, second = requests(x)
    loading = loading_cycles(ENGINE, UP5K, PERIOD_NS)
    answers, _ = answers_over_the_line([first, loading, second], contents=IMAGE, wait=False)
    assert loading < len(first) * BYTE  # the sample's last values come when its first ones are lost
    assert answers[0] in (error(Fault.LOADING, 0), error(Fault.BUSY, 0))
    assert [each.payload[0] for each in answers[1:]] == WHOLE.evaluate(x[1:]).tolist()


def flipped(image: bytes, bit: int) -> bytes:
    return bytes(byte ^ (1 << bit % 8) * (place == bit // 8) for place, byte in enumerate(image))


@pytest.mark.parametrize(
    "contents",
    [
        flipped(IMAGE, 77),
        flash.image([contents_of(PLAN).image], network(9).digest()),
        b"",
    ],
    ids=["corrupt", "another network's", "erased"],
)
def test_corrupt_weights(contents):
    """Samples are refused, and all LEDs light up."""
    answers, leds = answers_over_the_line(requests(images(1)), contents=contents)
    assert answers == [error(Fault.WEIGHTS, 0)]
    assert leds == 0b111


PACKED = newcomer("whole-values-loaded")  # whose engine reads samples whole, and has weights from flash
PACKED_IMAGE = flash.image([PACKED.layers[0].weights.reshape(-1, 1).view(np.uint8)], PACKED.digest())


def packed(x: np.ndarray) -> list[bytes]:
    return [request(Kind.CLASSIFY, tag, pack_sample(each, 4)) for tag, each in enumerate(x & 15)]


def test_whole_samples_of_an_engine():
    """Each is answered, also one that comes while its weights are read: by LOADING, and the next one by its class."""
    x = samples(6)
    mapping = mapping_of(PACKED)
    loading = loading_cycles(mapping, UP5K, PERIOD_NS)
    first, *others = packed(x)
    script = [first, loading, *(part for each in others for part in (each, 4 * BYTE))]
    answers, leds = answers_over_the_line(script, mapping=mapping, contents=PACKED_IMAGE, wait=False)
    assert len(first) * BYTE < loading
    assert answers[0] == error(Fault.LOADING, 0)
    assert [each.payload[0] for each in answers[1:]] == PACKED.evaluate(x[1:]).tolist()
    assert leds == answers[-1].payload[0]


def test_whole_samples_with_wrong_weights():
    answers, leds = answers_over_the_line(
        packed(samples(2)), mapping=mapping_of(PACKED), contents=flipped(PACKED_IMAGE, 3)
    )
    assert answers == [error(Fault.WEIGHTS, 0), error(Fault.WEIGHTS, 1)]
    assert leds == 0b111


def test_whole_sample_that_would_wait(monkeypatch):
    """An engine that is not ready when a sample has come does not get it, nor the sample after that in its place."""
    x = samples(3)
    busy = 30 * BYTE  # cycles behind a sample in which the engine takes no other
    monkeypatch.setattr(LoneComponent, "rests", busy)
    answers, _ = answers_over_the_line(
        [packed(x)[0], 8 * BYTE, *packed(x)[1:], 2 * busy, packed(x)[2]],
        mapping=mapping_of(newcomer("whole-whole")),
    )
    expected = newcomer("whole-whole").evaluate(x).tolist()
    assert [each.payload[0] for each in answers] == [expected[0], Fault.BUSY, Fault.BUSY, expected[2]]
