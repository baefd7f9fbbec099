"""The weights' memory: read-only block RAM that is filled with the bitstream, or RAM that is filled at start (SPRAM on iCE40 UltraPlus)."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.resources import SPRAM_DEPTH, SPRAM_WIDTH, device_of
from logicnn.sparse import Plan

__all__ = ["PIECE", "WeightMemory"]

PIECE = SPRAM_WIDTH  # bits of what is loaded at once


class WeightMemory(wiring.Component):
    """Words in the order in which a plan reads them; `word` is that of `address` a cycle after `read`, and stays until the next.

    With `loaded` the words come over `load` first, in pieces of `PIECE` bits, the lowest of a word first, else they are there from the
    start.
    """

    def __init__(self, plan: Plan, loaded: bool):
        self._plan, self._loaded = plan, loaded
        width, depth = plan.tile.word_bits, len(plan.words)
        self._pieces = width // PIECE
        self.load_layout = data.StructLayout({"data": PIECE, "address": range(depth * self._pieces)})
        super().__init__(
            {
                "read": In(1),
                "address": In(range(depth)),
                "word": Out(width),
                "load": In(stream.Signature(self.load_layout, always_ready=True)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        device = device_of(platform)
        if self._loaded and device and device.capacity.spram:
            self._spram(m)
            return m
        init = [] if self._loaded else self._plan.words.tolist()
        m.submodules.memory = memory = Memory(
            shape=self._plan.tile.word_bits, depth=len(self._plan.words), init=init, attrs={"ram_style": "block"}
        )
        port = memory.read_port()
        m.d.comb += [port.en.eq(self.read), port.addr.eq(self.address), self.word.eq(port.data)]
        if self._loaded:
            write = memory.write_port(granularity=PIECE)
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
        """Single-port blocks side by side (FPGA-TN-02022, SPRAM usage guide): there is no room for more words than one of them has."""
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
                o_DATAOUT=self.word.word_select(number, PIECE),
            )
