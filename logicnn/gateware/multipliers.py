"""Signed weights times unsigned words, many at once: two to a DSP block on iCE40 UltraPlus, as multiplications elsewhere."""

from collections.abc import Sequence

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
    """`o` is ``words * weights``, products of 8 bits unsigned and 8 signed in 16 bits, two cycles later; one set a cycle.

    A weight is the one that was given when its bit of `take` was up last. `together` has a number for each multiplier: bits of the same
    number are always up together.
    """

    def __init__(self, together: Sequence[int]):
        self._together = tuple(together)
        count = len(self._together)
        super().__init__(
            {
                "words": In(data.ArrayLayout(8, count)),
                "weights": In(data.ArrayLayout(signed(8), count)),
                "take": In(count),
                "o": Out(data.ArrayLayout(signed(16), count)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        device = device_of(platform)
        words = Signal.like(self.words)
        m.d.sync += words.eq(self.words)
        count = len(self._together)
        if device and device.family is Family.ICE40 and device.multipliers:
            for start in range(0, count, 2):
                self._pair(m, start, words)
            return m
        for place in range(count):
            weight = Signal(signed(8), name=f"weight{place}")
            with m.If(self.take[place]):
                m.d.sync += weight.eq(self.weights[place])
            m.d.sync += self.o[place].eq(words[place] * weight)
        return m

    def _pair(self, m: Module, start: int, words) -> None:
        """A block for two multipliers; its register holds the weights of both, or of the one, if they are always taken together."""
        places = range(start, min(start + 2, len(self._together)))
        product, weights, held = (Signal(bits, name=f"{name}{start}") for name, bits in (("product", 32), ("weights", 16), ("held", 16)))
        alike = len({self._together[place] for place in places}) == 1
        for place in places:
            given, mine = self.weights[place], weights.word_select(place - start, 8)
            kept = held.word_select(place - start, 8)
            m.d.comb += mine.eq(given if alike else Mux(self.take[place], given, kept))
            if not alike:
                m.d.sync += kept.eq(mine)
        m.submodules[f"mac{start}"] = Instance(
            "SB_MAC16",
            **{f"p_{name}": C(value, 2 if name.endswith("SELECT") else 1) for name, value in PAIRED.items()},
            i_CLK=ClockSignal(),
            i_CE=1,
            i_A=Cat(*(words[place] for place in places), C(0, 8))[:16],
            i_B=weights,
            i_BHOLD=~self.take[start] if alike else 0,
            o_O=product,
        )
        m.d.comb += [self.o[place].eq(product.word_select(place - start, 16)) for place in places]
