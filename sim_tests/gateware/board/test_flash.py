# amaranth: UnusedElaboratable=no
"""The loader of words reads images from a model of the flash chip, and refuses what is not one."""

import json
import zlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from amaranth import ResetInserter, Signal
from amaranth.back import rtlil
from amaranth.sim import Simulator

from logicnn.board.flash import OFFSET, crc_state, image
from logicnn.errors import LogicnnError
from logicnn.flow import tools
from logicnn.gateware.board.flash import FlashLoader
from logicnn.netlist.flash_chip import FlashChip, Transfer

DIGEST = "00112233445566778899aabbccddeeff" * 2
OTHER = "00112233445566778899aabbccddeefe" * 2
WIDTHS = [16, 32, 48, 64]

# Text and CRC-32: https://reveng.sourceforge.io/crc-catalogue/all.htm#crc.cat.crc-32-iso-hdlc (check),
# https://rosettacode.org/wiki/CRC-32
CRC_CHECKS = [(b"123456789", 0xCBF43926), (b"The quick brown fox jumps over the lazy dog", 0x414FA339)]


def random_words(count: int, word_bits: int, seed: int = 1) -> np.ndarray:  # (count, word_bits / 8) uint8
    return np.random.default_rng(seed).integers(0, 256, (count, word_bits // 8), np.uint8)


class Loaded(NamedTuple):
    """The words that came out, by address in their order, and the cycle from which `done` or `error` was up."""

    words: list[tuple[int, int]]
    done: int | None
    error: int | None


def rtl_load(loader: FlashLoader, chip: Callable[[int, int, int], int], late: int = 0, reset_after: int = 0) -> Loaded:
    """What the loader makes of a chip whose output comes `late` cycles late, from power-up or from a reset
    `reset_after` cycles later.
    """
    reset = Signal()
    words = []
    seen: dict[str, list[int]] = {"done": [], "error": []}
    end = loader.cycles + 40
    pending = [1] * late

    async def testbench(ctx):
        for cycle in range(-reset_after, end):
            ctx.set(reset, cycle == -1)
            pending.append(chip(ctx.get(loader.cs_n), ctx.get(loader.sck), ctx.get(loader.copi)))
            ctx.set(loader.cipo, pending.pop(0))
            if cycle >= 0 and ctx.get(loader.o.valid):
                words.append((ctx.get(loader.o.payload.address), ctx.get(loader.o.payload.data)))
            for name, cycles in seen.items():
                if ctx.get(getattr(loader, name)):
                    cycles.append(cycle)
            await ctx.tick()

    simulator = Simulator(ResetInserter(reset)(loader))
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    first = {name: cycles[0] if cycles else None for name, cycles in seen.items()}
    assert all(cycles == list(range(cycles[0], end)) for cycles in seen.values() if cycles), "done and error stay"
    return Loaded(words, **first)


def ref_words(words: np.ndarray) -> list[tuple[int, int]]:
    return [(address, int.from_bytes(bytes(word), "little")) for address, word in enumerate(words)]


def loader_of(words: np.ndarray, digest: str = DIGEST, wake_cycles: int = 20, offset: int = OFFSET) -> FlashLoader:
    return FlashLoader(len(words), 8 * words.shape[1], crc_state(digest), wake_cycles, offset)


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("word_bits", WIDTHS)
@pytest.mark.parametrize("count", [1, 2, 3, 8, 21])
def test_words(count, word_bits, late):
    words = random_words(count, word_bits)
    loader = loader_of(words)
    chip = FlashChip(image([words], DIGEST), OFFSET, 20)
    assert rtl_load(loader, chip.step, late) == Loaded(ref_words(words), loader.cycles, None)


@pytest.mark.parametrize("word_bits", WIDTHS)
@pytest.mark.parametrize("wake_cycles", [0, 96, 97, 112, 113, 720])
def test_protocol(wake_cycles, word_bits):
    """WAKE, a pause, READ with its address, the words, the CRC and a byte; every figure of the docstrings."""
    words = random_words(3, word_bits)
    loader = loader_of(words, wake_cycles=wake_cycles, offset=0xA53C69)
    chip = FlashChip(image([words], DIGEST), 0xA53C69, wake_cycles)
    assert rtl_load(loader, chip.step).done == loader.cycles
    pause = next(
        words
        for words in (1 << i for i in range(9))
        if words * word_bits >= 48 and 2 * (words * word_bits - 8) >= wake_cycles
    )
    waited = 2 * (pause * word_bits - 8)
    assert chip.transfers == [
        Transfer(0xAB, 0, 8, waited - 50),
        Transfer(0x03, 0xA53C69, 32 + 3 * word_bits + 40, waited),
    ]
    assert loader.cycles == 2 * (word_bits * (2 * pause + 3) + 39)


@pytest.mark.parametrize("reset_after", [1, 300, 361, 362, 363, 364])
def test_reset(reset_after):
    """While the loader pauses and while it reads, in each half of a bit: it starts again."""
    words = random_words(3, 16)
    loader = loader_of(words)
    assert loader.cycles == 430
    assert rtl_load(loader, FlashChip(image([words], DIGEST), OFFSET, 20).step, 0, reset_after) == Loaded(
        ref_words(words), 430, None
    )


def test_cycles():
    """2,048 words of 64 bits at 12 MHz: 8 words of pauses, 22 ms."""
    assert FlashLoader(2048, 64, 0, 360).cycles == 2 * (64 * (8 + 2048) + 39) == 263246


@pytest.mark.parametrize("text, crc", CRC_CHECKS)
def test_crc_of_loader(text, crc):
    """The first byte is in the state, as a digest would be; 8 and 42 bytes are words of 16 bits."""
    loader = FlashLoader(len(text) // 2, 16, zlib.crc32(text[:1]) ^ 0xFFFFFFFF, 0)
    chip = FlashChip(text[1:] + crc.to_bytes(4, "little"), OFFSET, 0)
    assert rtl_load(loader, chip.step).done == loader.cycles


def test_every_flipped_bit_is_an_error():
    words = random_words(3, 16)
    good = image([words], DIGEST)
    for place in range(8 * len(good)):
        flipped = bytearray(good)
        flipped[place // 8] ^= 1 << place % 8
        loader = loader_of(words)
        loaded = rtl_load(loader, FlashChip(bytes(flipped), OFFSET, 20).step)
        assert (loaded.done, loaded.error) == (None, loader.cycles), place


def test_another_network():
    words = random_words(3, 64)
    loader = loader_of(words)
    assert rtl_load(loader, FlashChip(image([words], OTHER), OFFSET, 20).step).error == loader.cycles


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("word_bits", WIDTHS)
def test_no_chip(word_bits, level):
    loader = loader_of(random_words(3, word_bits))
    loaded = rtl_load(loader, lambda *pins: level)
    assert (loaded.done, loaded.error) == (None, loader.cycles)


@pytest.mark.parametrize("floating", [0, 1])
def test_chip_asleep(floating):
    """A chip that needs one cycle more than the loader waits has not woken."""
    words = random_words(3, 16)
    loader = loader_of(words, wake_cycles=112)
    awake, asleep = (FlashChip(image([words], DIGEST), OFFSET, wake, floating) for wake in (112, 113))
    assert rtl_load(loader, awake.step).done == loader.cycles
    assert rtl_load(loader, asleep.step).error == loader.cycles


def test_elsewhere():
    words = random_words(3, 16)
    loader = loader_of(words)
    assert rtl_load(loader, FlashChip(image([words], DIGEST), OFFSET + 1, 20).step).error == loader.cycles


def test_last_bytes():
    """Up to the last byte of the flash; what comes after the CRC, here the first byte, is not looked at."""
    words = random_words(2, 16)
    data = image([words], DIGEST)
    offset = (1 << 24) - len(data)
    loader = loader_of(words, offset=offset)
    assert rtl_load(loader, FlashChip(data, offset, 20).step).done == loader.cycles


def sent(chip: FlashChip, data: bytes, bits: int, extra: int = 0) -> int:
    """What comes back for `extra` zeros after the first `bits` bits of `data`, in mode 0; two cycles unselected before
    and after.
    """
    stream = [data[place // 8] >> 7 - place % 8 & 1 for place in range(bits)] + [0] * extra
    back = 0
    for cs_n in (1, 1):
        chip.step(cs_n, 0, 0)
    for copi in stream:
        chip.step(0, 0, copi)
        back = back << 1 | chip.step(0, 1, copi)
    for cs_n in (1, 1):
        chip.step(cs_n, 0, 0)
    return back & (1 << extra) - 1


def test_model():
    """The chip alone: asleep, half a command, waking, awake; erased bytes around its contents, and its end."""
    read, chip = b"\x03\x12\x34\x56", FlashChip(b"\xc5\x3a", 0x123456, 200, floating=0)
    assert sent(chip, read, 32, 8) == 0
    assert sent(chip, b"\xab", 7) == 0 == sent(chip, read, 32, 8)
    sent(chip, b"\xab", 8)
    assert sent(chip, read, 32, 8) == 0
    for _ in range(120):
        chip.step(1, 0, 0)
    assert sent(chip, read, 32, 24) == 0xC53AFF
    assert sent(chip, b"\x03\x12\x34\x55", 32, 20) == 0xFFC53
    assert sent(chip, b"\x0b\x12\x34\x56", 32, 8) == 0
    assert [transfer.bits for transfer in chip.transfers] == [40, 7, 40, 8, 40, 56, 52, 40]
    end = FlashChip(b"\x77", 0, 0)
    sent(end, b"\xab", 8)
    assert sent(end, b"\x03\xff\xff\xff", 32, 16) == 0xFF77


def test_model_demands_mode_0():
    for pins, message in [
        ([(1, 1, 0), (0, 1, 0)], "sck is high as cs_n falls"),
        ([(0, 0, 0), (0, 1, 1)], "copi changes as sck rises"),
    ]:
        chip = FlashChip(b"", 0, 0)
        with pytest.raises(AssertionError, match=message):
            for each in pins:
                chip.step(*each)


def test_cells(tmp_path):
    """The figures of the docstring: 2,048 words of 64 bits."""
    loader = FlashLoader(2048, 64, crc_state(DIGEST), 360)
    ports = [
        loader.cs_n,
        loader.sck,
        loader.copi,
        loader.cipo,
        loader.o.valid,
        loader.o.payload.as_value(),
        loader.done,
        loader.error,
    ]
    (tmp_path / "top.il").write_text(rtlil.convert(loader, ports=ports))
    (tmp_path / "top.ys").write_text("read_rtlil top.il\nsynth_ice40 -top top\nwrite_json top.json\n")
    tools.run(["yosys", "-q", "top.ys"], tmp_path, "yosys.log")
    cells = [
        cell["type"] for cell in json.loads((tmp_path / "top.json").read_text())["modules"]["top"]["cells"].values()
    ]
    assert sum(cell == "SB_LUT4" for cell in cells) <= 90
    assert sum(cell.startswith("SB_DFF") for cell in cells) == 122


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"word_bits": 24}, r"word_bits must be 16, 32, 48 or 64, not 24$"),
        ({"count": 0}, r"count must be at least 1, not 0$"),
        ({"wake_cycles": -1}, r"wake_cycles must be at least 0, not -1$"),
        ({"offset": -1}, r"offset must be within 0 \.\.\. 0x1000000 less 4 words and their CRC, not -0x1$"),
        (
            {"offset": (1 << 24) - 35},
            r"offset must be within 0 \.\.\. 0x1000000 less 4 words and their CRC, not 0xffffdd$",
        ),
    ],
)
def test_loader_refuses(changed, message):
    with pytest.raises(LogicnnError, match="^" + message):
        FlashLoader(**{"count": 4, "word_bits": 64, "state": 0, "wake_cycles": 360, **changed})
