"""The weights' memory: read-only block RAM that is filled with the bitstream, or RAM that is filled at start (SPRAM on
iCE40 UltraPlus).
"""

from collections.abc import Sequence

from amaranth import *
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.board.flash import PIECE_BITS
from logicnn.gateware.engine import load_layout
from logicnn.resources import SPRAM_DEPTH, device_of

__all__ = ["WeightMemory"]


class WeightMemory(wiring.Component):
    """Words in the order in which they are read; `word` is that of `address` a cycle after `read`, and stays until the
    next.

    With `loaded` the words come over `load` first, in pieces of `PIECE_BITS`, the lowest of a word first, else they are
    there from the start. A word is a power of two of pieces.
    """

    def __init__(self, words: Sequence[int], width: int, loaded: bool):
        self._words, self._width, self._loaded = tuple(words), width, loaded
        self._pieces = width // PIECE_BITS
        ports = {"read": In(1), "address": In(range(len(self._words))), "word": Out(width)}
        if loaded:
            ports["load"] = In(stream.Signature(load_layout(len(self._words) * self._pieces), always_ready=True))
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        device = device_of(platform)
        if self._loaded and device and device.capacity.spram:
            self._spram(m)
            return m
        init = [] if self._loaded else list(self._words)
        m.submodules.memory = memory = Memory(
            shape=self._width, depth=len(self._words), init=init, attrs={"ram_style": "block"}
        )
        port = memory.read_port()
        m.d.comb += [port.en.eq(self.read), port.addr.eq(self.address), self.word.eq(port.data)]
        if self._loaded:
            write = memory.write_port(granularity=PIECE_BITS)
            at, piece = self._place()
            m.d.comb += [
                write.en.eq(self.load.valid << piece),
                write.addr.eq(at),
                write.data.eq(self.load.payload.data.replicate(self._pieces)),
            ]
        return m

    def _place(self) -> tuple[Value, Value]:
        """Address of a loaded piece's word, and its number there."""
        bits = (self._pieces - 1).bit_length()
        return self.load.payload.address[bits:], self.load.payload.address[:bits]

    def _spram(self, m: Module) -> None:
        """Single-port blocks side by side (FPGA-TN-02022, SPRAM usage guide): there is no room for more words than one
        of them has.
        """
        address = Signal(range(SPRAM_DEPTH))
        at, piece = self._place()
        m.d.comb += address.eq(Mux(self.load.valid, at, self.address))
        for number in range(self._pieces):
            writes = Signal(name=f"writes{number}")
            m.d.comb += writes.eq(self.load.valid & (piece == number))
            m.submodules[f"spram{number}"] = Instance(
                "SB_SPRAM256KA",
                i_ADDRESS=address,
                i_DATAIN=self.load.payload.data,
                i_MASKWREN=C(0b1111, 4),
                i_WREN=writes,
                i_CHIPSELECT=self.read | writes,
                i_CLOCK=ClockSignal(),
                i_STANDBY=0,
                i_SLEEP=0,
                i_POWEROFF=1,  # active low
                o_DATAOUT=self.word.word_select(number, PIECE_BITS),
            )
