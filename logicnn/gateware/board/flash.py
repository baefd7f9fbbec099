"""Words from a board's SPI flash at start-up, checked.

Ref: Winbond W25Q128JV data sheet, revision F: Release Power-down (ABh), Read Data (03h), AC electrical characteristics.
"""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for

from logicnn.board.flash import CRC_BYTES, OFFSET
from logicnn.errors import LogicnnError

__all__ = ["CrcCheck", "FlashLoader", "loader_cycles", "pause_words"]

WAKE, READ = 0xAB, 0x03
FLASH_BYTES = 1 << 24  # what an address of three bytes reaches
COMMAND = 32  # bits of READ and its address
BEHIND = 8  # bits that the CRC is behind the line: bytes come highest bit first, the CRC takes the lowest first
TAIL = 8 * CRC_BYTES + BEHIND - 1  # bits from position 0 to the end of the check, if there were no words
POLYNOMIAL = 0xEDB88320  # CRC-32 (IEEE 802.3, clause 3.2.9) with the lowest power on top: the register shifts down


class CrcCheck(wiring.Component):
    """CRC-32 over bits, one a cycle in which `step` is up, then its comparison with the bits that follow.

    The register begins with `state`. While `compare` is up it shifts out instead, and `wrong` rises for good, a cycle
    later, if `i` is not the complement of its lowest bit.
    """

    def __init__(self, state: int):
        self._state = state
        super().__init__({"i": In(1), "step": In(1), "compare": In(1), "wrong": Out(1)})

    def elaborate(self, platform):
        m = Module()
        crc = Signal(32, init=self._state)
        odd, feedback = Signal(), Signal()
        m.d.comb += [odd.eq(crc[0] ^ self.i), feedback.eq(odd & ~self.compare)]
        with m.If(self.step):
            m.d.sync += [
                crc.eq(Cat(crc[1:], 0) ^ Mux(feedback, POLYNOMIAL, 0)),
                self.wrong.eq(self.wrong | (self.compare & ~odd)),
            ]
        return m


def pause_words(word_bits: int, wake_cycles: int) -> int:
    """Words in the time of which the loader waits, before WAKE and after it.

    The least power of two with ``word_bits * pause >= 48`` and ``2 * (word_bits * pause - 8) >= wake_cycles``, of at
    least 64 positions: what begins WAKE and what begins READ are the same low bits of the position.
    """
    waited = -(-(wake_cycles + 2 * 8) // (2 * word_bits))  # words from WAKE to READ
    return 1 << max(6 - bits_for(word_bits - 1), (waited - 1).bit_length())


def loader_cycles(count: int, word_bits: int, wake_cycles: int) -> int:
    """Cycles of a `FlashLoader` from reset to `done` or `error`: ``2 * (word_bits * (2 * pause + count) + 39)``, two a
    bit.
    """
    return 2 * (word_bits * (2 * pause_words(word_bits, wake_cycles) + count) + TAIL)


class FlashLoader(wiring.Component):
    """Reads `count` words of `word_bits` (16, 32, 48 or 64) and their CRC-32 from a flash chip, once, from reset on.

    An SPI master in mode 0: `sck` has half the clock's frequency (READ allows 50 MHz) and is low while `cs_n` is high.
    A bit of `cipo` is taken at the end of the cycle in which `sck` is high, so that it may come up to a cycle late, by
    output registers in the pads for example. The chip is in deep power-down after configuration: WAKE, then `cs_n` is
    high for `wake_cycles` or more (30 µs, that is 360 cycles at 12 MHz; the chip needs tRES1 = 3 µs), then READ from
    byte `offset`. Before WAKE `cs_n` is high for 50 cycles less than after it. `copi` is arbitrary while words come,
    and one byte after the CRC is read and ignored. Write protect and hold must be inactive.

    `o.valid` is up for one cycle a word, with its index as `address`; the first byte is the lowest. `done` or `error`
    is up `loader_cycles` cycles after reset and stays: `done` if the CRC of the words, begun with the register value
    `state` (`logicnn.board.flash.crc_state`), is the one that follows them. Words go out before that is known. A line
    that is stuck has the right CRC for two of 2 ** 32 values of `state`.

    All control is read off `position`, index and place of a bit in a word; the first bit of word 0 comes at -1, what
    precedes it below. Every change falls on the end of a byte, at a place that is 6 modulo 8. Words and CRC share one
    shift register. For 2,048 words of 64 bits: 83 LUT4, 122 flip-flops (64 shift, 32 sum up), 157 logic cells.
    """

    def __init__(self, count: int, word_bits: int, state: int, wake_cycles: int, offset: int = OFFSET):
        if word_bits not in (16, 32, 48, 64):
            raise LogicnnError(f"word_bits must be 16, 32, 48 or 64, not {word_bits!r}")
        if count < 1:
            raise LogicnnError(f"count must be at least 1, not {count!r}")
        if wake_cycles < 0:
            raise LogicnnError(f"wake_cycles must be at least 0, not {wake_cycles!r}")
        if not 0 <= offset <= FLASH_BYTES - count * word_bits // 8 - CRC_BYTES:
            raise LogicnnError(
                f"offset must be within 0 ... {FLASH_BYTES:#x} less {count} words and their CRC, not {offset:#x}"
            )
        self._count, self._word_bits, self._state, self._offset = count, word_bits, state, offset
        self._place_bits = bits_for(word_bits - 1)
        self._wake_cycles, self._pause = wake_cycles, pause_words(word_bits, wake_cycles)
        super().__init__(
            {
                "cs_n": Out(1, init=1),
                "sck": Out(1),
                "copi": Out(1),
                "cipo": In(1),
                "o": Out(
                    stream.Signature(data.StructLayout({"data": word_bits, "address": range(count)}), always_ready=True)
                ),
                "done": Out(1),
                "error": Out(1),
            }
        )

    @property
    def cycles(self) -> int:
        """`loader_cycles` of this loader."""
        return loader_cycles(self._count, self._word_bits, self._wake_cycles)

    def elaborate(self, platform):
        m = Module()
        width, wide = self._word_bits, self._place_bits
        end_index, end_place = divmod(TAIL - 1, width)
        index_bits = 1 + max(bits_for(self._count + end_index), bits_for(2 * self._pause - 1))
        position = Signal(wide + index_bits, init=(1 << index_bits) - 2 * self._pause << wide)
        place, index, ahead = position[:wide], position[wide:], position[-1]  # `ahead` of the words
        pause = (self._pause << wide).bit_length() - 1  # positions of a pause: 2 ** pause
        start, read = self._at(-COMMAND - 2), position[pause]

        phase, byte, end = Signal(), Signal(), Signal()
        select, deselect, finish = Signal(), Signal(), Signal()
        summing, comparing, finished = Signal(), Signal(), Signal()
        m.d.comb += [
            byte.eq(phase & (position[:3] == 6)),
            end.eq(place == width - 1),
            select.eq(ahead & (position[3:pause] == start % (1 << pause) >> 3)),
            finish.eq(comparing & (place[3:] == end_place >> 3) & (index[0] == (self._count + end_index) % 2)),
            deselect.eq(finish | ahead & ~read),
        ]
        m.d.sync += [phase.eq(~phase & ~finished), self.sck.eq(~phase & ~self.cs_n)]
        shift = Signal(width, reset_less=True)
        with m.If(phase):
            m.d.sync += [
                position.eq(position + Mux(end, (1 << wide) - width + 1, 1)),
                shift.eq(Cat(self.cipo, shift[:-1])),
            ]
        with m.If(byte):
            m.d.sync += [
                self.cs_n.eq(Mux(self.cs_n, ~select, deselect)),
                summing.eq(~ahead),
                # The first index that has all ones of `count` is `count`.
                comparing.eq(comparing | ~ahead & ((index & self._count) == self._count)),
                finished.eq(finish),
            ]
        m.submodules.check = check = CrcCheck(self._state)
        m.d.comb += [
            # The byte before the one that comes moves up a bit a bit, and is taken from its lowest bit up.
            check.i.eq(Array(shift[2 * ((low + 1) % 8)] for low in range(8))[position[:3]]),
            check.step.eq(phase & summing),
            check.compare.eq(comparing),
            self.copi.eq(self._commands().bit_select(Cat(position[:5], read), 1)),
            self.o.valid.eq(phase & end & ~ahead & ~comparing),
            self.o.payload.data.eq(Cat(shift[top - 8 : top] for top in range(width, 0, -8))),
            self.o.payload.address.eq(index),
            self.done.eq(finished & ~check.wrong),
            self.error.eq(finished & check.wrong),
        ]
        return m

    def _at(self, bit: int) -> int:
        """The position `bit` bits after position 0: words of 48 bits leave places out."""
        index, place = divmod(bit, self._word_bits)
        return (index << self._place_bits) + place

    def _commands(self) -> Const:
        """What goes out by the low five bits of the position: first WAKE, again and again, then READ and the
        address.
        """
        wake = sum((WAKE >> 7 - bit & 1) << self._at(bit - COMMAND - 1) % 8 for bit in range(8)) * 0x01010101
        command = READ << 24 | self._offset
        read = sum((command >> COMMAND - 1 - bit & 1) << self._at(bit - COMMAND - 1) % 32 for bit in range(COMMAND))
        return C(wake | read << 32, 64)
