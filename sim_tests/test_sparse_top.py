"""The convolution engine on a board: images over the serial line, weights from flash, and what happens when these are wrong."""

import json
from dataclasses import replace

import numpy as np
import pytest

from logicnn import boards, flash, tools
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.flash_chip import FlashChip
from logicnn.gateware.pll import dividers
from logicnn.gateware.sparse_top import SparseBoardTop, SparseClassifier
from logicnn.protocol import Fault, Kind, pack_sample
from logicnn.sparse import EngineTimes, Plan, Tile
from logicnn.verify import Vectors
from logicnn.verify_engine import engine_outputs, verify_engine
from sim_tests.serial_helpers import DIVISOR, converse, error, request
from sim_tests.sparse_helpers import network

WHOLE = network(8, image=(1, 6, 6), convolutions=((3, 2, 2),), dense=())
PLAN = Plan(WHOLE, Tile(2, 2))
PERIOD_NS = 1000.0


def images(count: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, 1, 6, 6))


def answers_over_the_line(script: list[bytes | int], *, contents: bytes | None = None, wait: bool = True) -> tuple[list, int]:
    """What the design answers, and the LEDs in the end; `contents` of its flash, if any, which is read before all, or with no `wait`."""
    dut = SparseClassifier(PLAN, DIVISOR, 3, loaded=contents is not None, period_ns=PERIOD_NS)
    leds = [0]

    async def chip(ctx):
        model = FlashChip(contents or b"", flash.OFFSET, 3)
        while True:
            pins = ctx.get(dut.flash)
            ctx.set(dut.cipo, model.step(pins.cs_n, pins.sck, pins.copi))
            leds[0] = ctx.get(dut.leds)
            await ctx.tick()

    loading = [dut.times.loading + 4] if wait else []
    return converse(dut, [*loading, *script], others=[chip], after=PLAN.latency + 40 * 10 * DIVISOR), leds[0]


def requests(x: np.ndarray) -> list[bytes]:
    return [request(Kind.CLASSIFY, tag, pack_sample(each.ravel(), 8)) for tag, each in enumerate(x)]


def classes(answers: list) -> list[int]:
    assert all(answer.kind == Kind.CLASSIFY for answer in answers)
    return [answer.payload[0] for answer in answers]


@pytest.mark.parametrize("loaded", [False, True])
def test_classes(loaded):
    x = images(6)
    contents = flash.image(PLAN.image_words, WHOLE.digest()) if loaded else None
    answers, leds = answers_over_the_line(requests(x), contents=contents)
    assert classes(answers) == WHOLE.evaluate(x).tolist()
    assert len(set(classes(answers))) > 1
    assert leds == answers[-1].payload[0]


def test_broken_sample():
    """What came of a sample that was cut, or damaged, is forgotten, also when its words came while one was classified."""
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
    contents = flash.image(PLAN.image_words, WHOLE.digest())
    loading = 2 * (8 * len(contents) + 100)  # cycles, about twice as many as it takes
    answers, _ = answers_over_the_line([first, loading, second], contents=contents, wait=False)
    assert answers[0] in (error(Fault.LOADING, 0), error(Fault.BUSY, 0))
    assert classes(answers[-1:]) == WHOLE.evaluate(x[1:]).tolist()


def flipped(image: bytes, bit: int) -> bytes:
    return bytes(byte ^ (1 << bit % 8) * (place == bit // 8) for place, byte in enumerate(image))


@pytest.mark.parametrize(
    "contents",
    [
        flipped(flash.image(PLAN.image_words, WHOLE.digest()), 77),
        flash.image(PLAN.image_words, network(9).digest()),
        b"",
    ],
    ids=["corrupt", "another network's", "erased"],
)
def test_corrupt_weights(contents):
    """Samples are refused, and all LEDs light up."""
    answers, leds = answers_over_the_line(requests(images(2)), contents=contents)
    assert answers == [error(Fault.WEIGHTS, 0), error(Fault.WEIGHTS, 1)]
    assert leds == 0b111


@pytest.mark.parametrize(("given", "wanted"), [(12e6, 24e6), (12e6, 48e6), (16e6, 30e6), (100e6, 20e6)])
def test_dividers(given, wanted):
    """Within the ranges of the guide: phase detector 10 to 133 MHz, oscillator 533 to 1066 MHz."""
    found = dividers(given, wanted)
    detector = given / (found.reference + 1)
    oscillator = detector * (found.feedback + 1)
    assert 10e6 <= detector <= 133e6 and 533e6 <= oscillator <= 1066e6
    assert found.frequency == oscillator / 2**found.output == pytest.approx(wanted, rel=0.01)


def test_dividers_known():
    """`icepll -i 12 -o 24` (Project IceStorm): DIVR 0, DIVF 63, DIVQ 5, FILTER_RANGE 1."""
    found = dividers(12e6, 24e6)
    assert (found.reference, found.feedback, found.output, found.filter) == (0, 63, 5, 1)


@pytest.fixture(scope="module")
def synthesised(tmp_path_factory):
    """The design of a small network for the icebreaker, as Yosys writes it."""
    folder = tmp_path_factory.mktemp("icebreaker")
    top, platform = SparseBoardTop(PLAN, 24e6, 115_200), boards.find("icebreaker").make_platform()
    plan = platform.prepare(top, "top", debug_verilog=False, emit_src=False)
    for name, data in plan.files.items():
        (folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    tools.run(json.loads((folder / "build_top.json").read_text())["commands"][0], folder, "synthesis.log")
    return folder / "top.json", top.times


def test_netlist(synthesised):
    """From flash image to class, memories and multipliers as cells: equal, and in the cycles of the prediction."""
    netlist, times = synthesised
    x = images(300)
    image = flash.image(PLAN.image_words, WHOLE.digest())
    run = engine_outputs(netlist, PLAN, x, image, times)
    checked = verify_engine(run, PLAN, times, Vectors(x, np.zeros(0, np.int64), "random"))
    assert checked.vectors == 300 and checked.mismatches == 0
    assert run.loading == times.loading + 2  # until the lock of the PLL is seen
    changed = x.copy()
    changed[5] = next(each for each in images(100)[6:] if WHOLE.evaluate(each[None]) != run.classes[5])
    with pytest.raises(
        CheckFailed, match=r"^the netlist differs from the network on 1 of 300 vectors: vector 5 \(random\) should give \d but gives \d$"
    ):
        verify_engine(run, PLAN, times, Vectors(changed, np.zeros(0, np.int64), "random"))
    with pytest.raises(CheckFailed, match=rf"^the netlist takes {run.cycles} cycles for an input, but {run.cycles + 1} were predicted$"):
        verify_engine(run, PLAN, replace(times, latency=run.cycles + 1), Vectors(x, np.zeros(0, np.int64), "random"))


def test_netlist_of_corrupt_flash(synthesised):
    netlist, times = synthesised
    with pytest.raises(CheckFailed, match=r"^the netlist finds its flash image corrupt$"):
        engine_outputs(netlist, PLAN, images(1), flipped(flash.image(PLAN.image_words, WHOLE.digest()), 12), times)


def test_inputs_of_another_size(tmp_path):
    with pytest.raises(LogicnnError, match=r"^x must have samples of shape \(1, 6, 6\), not \(1, 6, 7\)$"):
        engine_outputs(tmp_path / "none.json", PLAN, np.zeros((1, 1, 6, 7)), None, EngineTimes(0, 1, 1.0))


def test_netlist_has_blocks(synthesised):
    """Two multipliers a DSP block, weights in SPRAM, maps and patterns in block RAM."""
    netlist, _ = synthesised
    module = json.loads(netlist.read_text())["modules"]["top"]
    kinds = [cell["type"] for cell in module["cells"].values()]
    assert kinds.count("SB_MAC16") == PLAN.tile.multipliers // 2
    assert kinds.count("SB_SPRAM256KA") == -(-PLAN.fields.bits // 16)
    assert kinds.count("SB_PLL40_PAD") == 1
