"""A sample that a network reads whole, from the bytes of a frame."""

from collections.abc import Sequence

import numpy as np
from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.gateware.wires import KEEP

__all__ = ["InputStore"]


class InputStore(wiring.Component):
    """Collects the bits of one input from bytes and keeps those that the network reads.

    Bytes hold eight input bits each, the first in the least significant place; the last byte is padded. A mask in block
    RAM says which bits are read; those shift into a register of as many flip-flops (`bits`), two cycles a bit, 17 a
    byte. With `accepted`, 17 cycles or more after the last byte, `o.valid` goes up until the transfer, before which no
    byte may come; `dropped` starts over.
    """

    def __init__(self, shape, read: Sequence[int], size: int):
        self._read = tuple(read)
        self._size = size
        self.bits = Signal(max(1, len(self._read)), reset_less=True, attrs=KEEP)
        super().__init__(
            {
                "i": In(stream.Signature(8, always_ready=True)),
                "accepted": In(1),
                "dropped": In(1),
                "o": Out(stream.Signature(shape)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        length = -(-self._size // 8) * 8
        mask = np.isin(np.arange(length), self._read).astype(int).tolist()
        m.submodules.mask = memory = Memory(shape=1, depth=length, init=mask, attrs={"ram_style": "block"})
        keep = memory.read_port()
        place = Signal(range(length + 1))
        byte = Signal(8)
        left = Signal(range(9))  # bits of the byte to come
        m.d.comb += [keep.addr.eq(place), keep.en.eq(1), self.o.payload.eq(self._spread())]
        with m.If(left != 0):
            advance = Signal()  # the mask is read in the cycle after `place` changes
            m.d.sync += advance.eq(~advance)
            with m.If(advance):
                m.d.sync += [place.eq(place + 1), left.eq(left - 1), byte.eq(byte >> 1)]
                with m.If(keep.data):
                    m.d.sync += self.bits.eq(Cat(self.bits[1:], byte[0]))
        with m.Elif(self.i.valid):
            m.d.sync += [byte.eq(self.i.payload), left.eq(8)]
        with m.Elif(self.accepted | self.dropped):
            m.d.sync += place.eq(0)
        with m.If(self.accepted):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m

    def _spread(self):
        """The stored bits at their places in the input, zeros elsewhere."""
        place = {index: self.bits[position] for position, index in enumerate(self._read)}
        return Cat(place.get(index, C(0, 1)) for index in range(self._size))
