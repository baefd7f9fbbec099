"""Signed weights times unsigned words, many at once: two to a DSP block on iCE40 UltraPlus, as multiplications elsewhere."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from logicnn.resources import Family, device_of

__all__ = ["Multipliers"]

# FPGA-TN-02007 (DSP function usage guide), table 4: two 8 x 8 multiplications, A unsigned, products registered. Of the inputs only B is
# registered in the block: what chooses words is slow, so that its register is a cell beside it, and not behind the long way to a block.
PAIRED = {
    "MODE_8x8": 1,
    "A_SIGNED": 0,
    "B_SIGNED": 1,
    "A_REG": 0,
    "B_REG": 1,
    "TOP_8x8_MULT_REG": 1,
    "BOT_8x8_MULT_REG": 1,
    "TOPOUTPUT_SELECT": 2,
    "BOTOUTPUT_SELECT": 2,
}


class Multipliers(wiring.Component):
    """`o` is ``words * weights``, `count` products of 8 bits unsigned and 8 signed in 16 bits; latency 2 cycles, one set a cycle."""

    def __init__(self, count: int):
        self._count = count
        super().__init__(
            {
                "words": In(data.ArrayLayout(8, count)),
                "weights": In(data.ArrayLayout(signed(8), count)),
                "o": Out(data.ArrayLayout(signed(16), count)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        device = device_of(platform)
        if device and device.family is Family.ICE40 and device.multipliers:
            for start in range(0, self._count, 2):
                self._pair(m, start)
        else:
            for place in range(self._count):
                word, weight = Signal(8, name=f"word{place}"), Signal(signed(8), name=f"weight{place}")
                m.d.sync += [word.eq(self.words[place]), weight.eq(self.weights[place]), self.o[place].eq(word * weight)]
        return m

    def _pair(self, m: Module, start: int) -> None:
        places = range(start, min(start + 2, self._count))
        product, words = Signal(32, name=f"product{start}"), Signal(16, name=f"words{start}")
        m.d.sync += words.eq(Cat(self.words[place] for place in places))
        weights = Signal(16, name=f"weights{start}")
        m.d.comb += weights.eq(Cat(self.weights[place] for place in places))
        m.submodules[f"mac{start}"] = Instance(
            "SB_MAC16",
            **{f"p_{name}": C(value, 2 if name.endswith("SELECT") else 1) for name, value in PAIRED.items()},
            i_CLK=ClockSignal(),
            i_CE=1,
            i_A=words,
            i_B=weights,
            o_O=product,
        )
        m.d.comb += [self.o[place].eq(product.word_select(place - start, 16)) for place in places]
