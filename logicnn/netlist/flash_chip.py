"""A serial flash chip, pin by pin.

Ref: Winbond W25Q128JV data sheet, revision F: SPI operations (mode 0), Release Power-down / Device ID (ABh), Read Data
(03h).
"""

from typing import NamedTuple

__all__ = ["FlashChip", "Transfer"]

WAKE, READ = 0xAB, 0x03
SIZE = 1 << 24  # bytes, a power of two: READ goes on from the start after the end


class Transfer(NamedTuple):
    """What happened while the chip was selected, and for how many cycles it was not before."""

    command: int
    address: int  # what came after the command, up to 24 bits
    bits: int  # rising edges of sck
    paused: int


class FlashChip:
    """W25Q128JV in deep power-down, erased but for `contents` from byte `offset`; wakes `wake` cycles (tRES1) after
    WAKE.

    Does WAKE (when `cs_n` rises after its eight bits; the device ID is not modelled) and READ; ignores all else, in
    deep power-down all but WAKE, and whatever begins before it has woken. The output is `floating` while nothing is
    read. `transfers` are those that ended.
    """

    def __init__(self, contents: bytes, offset: int, wake: int, floating: int = 1):
        self._contents, self._offset, self._wake, self._floating = contents, offset, wake, floating
        self._cs_n, self._sck, self._copi, self._cipo = 1, 0, 0, floating
        self._cycle, self._edge = -1, 0  # now, and when cs_n changed
        self._woken: int | None = None  # the cycle from which commands are taken
        self._reads = False
        self._shift = self._bits = self._paused = 0
        self.transfers: list[Transfer] = []

    def step(self, cs_n: int, sck: int, copi: int) -> int:
        """The output in a cycle with these inputs; to be called once a cycle. Asserts what mode 0 demands of a
        master.
        """
        self._cycle += 1
        if sck != self._sck:
            self._sck = sck
            if not cs_n and not self._cs_n:
                if sck:
                    self._rise(copi)
                elif self._reads:
                    self._cipo = self._output()
        if cs_n != self._cs_n:
            self._cs_n = cs_n
            self._deselect() if cs_n else self._select()
        self._copi = copi
        return self._cipo

    def _rise(self, copi: int) -> None:
        assert copi == self._copi, "copi changes as sck rises"
        self._bits += 1
        if self._bits <= 32:
            self._shift = self._shift << 1 | copi
        if self._bits == 32:
            awake = self._woken is not None and self._edge >= self._woken
            self._reads = awake and self._shift >> 24 == READ

    def _output(self) -> int:
        byte, bit = divmod(self._bits - 32, 8)
        place = ((self._shift & 0xFFFFFF) + byte) % SIZE - self._offset
        return (self._contents[place] if 0 <= place < len(self._contents) else 0xFF) >> 7 - bit & 1

    def _select(self) -> None:
        assert not self._sck, "sck is high as cs_n falls"
        self._paused, self._edge = self._cycle - self._edge, self._cycle
        self._shift = self._bits = 0

    def _deselect(self) -> None:
        shifted = min(self._bits, 32)
        command, address = (self._shift >> max(0, shifted - 8)), self._shift & (1 << max(0, shifted - 8)) - 1
        self.transfers.append(Transfer(command, address, self._bits, self._paused))
        self._edge, self._reads, self._cipo = self._cycle, False, self._floating
        if self._bits >= 8 and command == WAKE and self._woken is None:
            self._woken = self._cycle + self._wake
