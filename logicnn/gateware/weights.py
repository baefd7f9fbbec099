"""The weights' memory: read-only block RAM that is filled with the bitstream, or RAM that is filled at start (SPRAM on iCE40 UltraPlus)."""

from amaranth import *
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.resources import SPRAM_DEPTH, SPRAM_WIDTH, device_of
from logicnn.sparse import Plan

__all__ = ["WeightMemory"]


class WeightMemory(wiring.Component):
    """Words in the order in which a plan reads them; `word` is that of `address` a cycle after `read`, and stays until the next.

    With `loaded` the words come over `load` first, else they are there from the start.
    """

    def __init__(self, plan: Plan, loaded: bool):
        self._plan, self._loaded = plan, loaded
        width, depth = plan.tile.word_bits, len(plan.words)
        self.load_layout = data.StructLayout({"data": width, "address": range(depth)})
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
            write = memory.write_port()
            m.d.comb += [
                write.en.eq(self.load.valid),
                write.addr.eq(self.load.payload.address),
                write.data.eq(self.load.payload.data),
            ]
        return m

    def _spram(self, m: Module) -> None:
        """Single-port blocks side by side (FPGA-TN-02022, SPRAM usage guide): there is no room for more words than one of them has."""
        address = Signal(range(SPRAM_DEPTH))
        m.d.comb += address.eq(Mux(self.load.valid, self.load.payload.address, self.address))
        for place in range(0, self._plan.tile.word_bits, SPRAM_WIDTH):
            m.submodules[f"spram{place // SPRAM_WIDTH}"] = Instance(
                "SB_SPRAM256KA",
                i_ADDRESS=address,
                i_DATAIN=self.load.payload.data[place : place + SPRAM_WIDTH],
                i_MASKWREN=C(0b1111, 4),
                i_WREN=self.load.valid,
                i_CHIPSELECT=self.read | self.load.valid,
                i_CLOCK=ClockSignal(),
                i_STANDBY=0,
                i_SLEEP=0,
                i_POWEROFF=1,  # active low
                o_DATAOUT=self.word[place : place + SPRAM_WIDTH],
            )
