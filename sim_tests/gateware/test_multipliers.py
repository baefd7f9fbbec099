"""Weights times words: in Amaranth's simulator, and in the DSP blocks of a netlist for iCE40 UltraPlus."""

import numpy as np
import pytest
from amaranth.sim import Simulator
from amaranth_boards.icebreaker import ICEBreakerPlatform

from logicnn.bits import to_words
from logicnn.gateware.multipliers import Multipliers
from logicnn.netlist.netlist import Netlist
from logicnn.netlist.simulate import Simulation
from logicnn.network import Interval
from sim_tests.netlist_helpers import synthesised

BYTE, SIGNED_BYTE = Interval(0, 255), Interval(-128, 127)
RANGES = [(Interval(0, 3), Interval(-4, 3)), (Interval(-4, 3), Interval(0, 3)), (BYTE, SIGNED_BYTE)]
Stimuli = dict[str, np.ndarray]  # words and weights (cycles, count), take (cycles, count), enable (cycles,)


def stimuli(together: list[int], word: Interval, weight: Interval, cycles: int, seed: int = 1) -> Stimuli:
    """Random words, weights and enables; a weight is taken with those of the same number, first of all."""
    rng, count = np.random.default_rng(seed), len(together)
    take = (rng.random((cycles, max(together) + 1)) < 0.6)[:, together]
    take[0] = True
    enable = rng.random(cycles) < 0.8
    enable[0] = True
    return {
        "words": rng.integers(word.low, word.high + 1, (cycles, count)),
        "weights": rng.integers(weight.low, weight.high + 1, (cycles, count)),
        "take": take,
        "enable": enable,
    }


def ref_products(given: Stimuli) -> np.ndarray:  # (cycles, count)
    """What is there in each cycle: the product of two cycles of `enable` before; 0 until then is not looked at."""
    held, products = np.zeros_like(given["weights"][0]), []
    for words, weights, take, enable in zip(*given.values(), strict=True):
        if enable:
            held = np.where(take, weights, held)
            products.append(words * held)
    made = np.cumsum(given["enable"]) - given["enable"]  # cycles of `enable` before each
    return np.array([products[max(0, count - 2)] for count in made.tolist()])


def rtl_products(dut: Multipliers, given: Stimuli) -> np.ndarray:
    seen = []

    async def bench(ctx):
        for words, weights, take, enable in zip(*given.values(), strict=True):
            ctx.set(dut.enable, int(enable))
            ctx.set(dut.take, sum(int(bit) << place for place, bit in enumerate(take)))
            ctx.set(dut.words, words.tolist())
            ctx.set(dut.weights, weights.tolist())
            seen.append([ctx.get(dut.o[place]) for place in range(len(take))])
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return np.array(seen)


def settled(given: Stimuli) -> slice:
    """From where on a product is there."""
    return slice(int(np.flatnonzero(given["enable"])[1]) + 1, None)


@pytest.mark.parametrize("together", [[0], [0, 0], [0, 1, 1], [2, 0, 1, 2]])
@pytest.mark.parametrize(("word", "weight"), RANGES)
def test_products(word, weight, together):
    given = stimuli(together, word, weight, 200)
    after = settled(given)
    seen = rtl_products(Multipliers(together, word, weight), given)
    assert np.array_equal(seen[after], ref_products(given)[after])


TOGETHER = [0, 0, 1, 2, 2]  # a block for two alike, one for two that are not, and one for one
LANES = 256


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    dut, folder = Multipliers(TOGETHER, BYTE, SIGNED_BYTE), tmp_path_factory.mktemp("blocks")
    ports = [dut.enable, dut.words, dut.weights, dut.take, dut.o]
    # Not with -dsp, as Yosys 0.70 then makes one 16 x 16 multiplication of an instance of two; its ABC ends without a
    # word on so little logic.
    path = synthesised(dut, ports, folder, "synth_ice40 -noabc -top top", platform=ICEBreakerPlatform())
    assert Netlist(path).cells["SB_MAC16"] == 3
    return Simulation(path, LANES)


def net_products(simulation: Simulation, lanes: list[Stimuli]) -> np.ndarray:  # (cycles, lanes, count)
    seen = []
    for cycle in range(len(lanes[0]["enable"])):
        for name, width in (("words", 8), ("weights", 8), ("take", 1)):
            values = np.stack([lane[name][cycle] for lane in lanes]).astype(int)
            simulation.set(name, (values[:, :, None] >> np.arange(width) & 1).astype(bool).reshape(LANES, -1))
        simulation.set("enable", [lane["enable"][cycle] for lane in lanes])
        seen.append(to_words(simulation.bits("o"), 16, True))
        simulation.step()
    return np.array(seen)


def test_blocks(blocks):
    """Two multiplications a block."""
    given = [stimuli(TOGETHER, BYTE, SIGNED_BYTE, 100, seed) for seed in range(LANES)]
    seen = net_products(blocks, given)
    for lane, each in enumerate(given):
        assert np.array_equal(seen[settled(each), lane], ref_products(each)[settled(each)])


def test_blocks_exhaustive(blocks):
    """All words, one after another, with all weights, one a lane."""
    words = np.repeat(np.arange(256), len(TOGETHER)).reshape(256, -1)
    first = (np.arange(256) == 0)[:, None].repeat(len(TOGETHER), axis=1)
    always = np.ones(256, bool)
    given = [
        {"words": words, "weights": 0 * words + each, "take": first, "enable": always} for each in range(-128, 128)
    ]
    expected = words[:-2, None] * np.arange(-128, 128)[:, None]
    assert np.array_equal(net_products(blocks, given)[2:], expected)
