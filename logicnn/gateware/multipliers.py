"""Weights times words, many at once: two to a DSP block on iCE40 UltraPlus, one with its registers on ECP5, as
multiplications elsewhere."""

from collections.abc import Sequence
from typing import Any

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from logicnn.gateware.wires import word_shape
from logicnn.network import Interval
from logicnn.resources import Family, device_of

__all__ = ["Multipliers"]

BLOCK_BITS = 8  # of an operand of one of two multiplications in a block
# FPGA-TN-02007 (DSP function usage guide), table 4: two 8 x 8 multiplications, products registered. Of the inputs only
# B is registered in the block: what chooses words is slow, so that its register is a cell beside it, and not behind the
# long way to a block.
PAIRED = {
    "MODE_8x8": 1,
    "A_REG": 0,
    "B_REG": 1,
    "TOP_8x8_MULT_REG": 1,
    "BOT_8x8_MULT_REG": 1,
    "TOPOUTPUT_SELECT": 2,
    "BOTOUTPUT_SELECT": 2,
}

WIDE_BITS = 18  # of an operand on ECP5
# FPGA-TN-02205 (sysDSP usage guide): registers before and after a multiplication, all with one clock.
REGISTERED = {
    f"p_REG_{stage}_{kind}": value
    for stage, enable in (("INPUTA", "CE0"), ("INPUTB", "CE1"), ("OUTPUT", "CE0"))
    for kind, value in (("CLK", "CLK0"), ("CE", enable), ("RST", "RST0"))
}


class Multipliers(wiring.Component):
    """`o` is ``words * weights``, two cycles of `enable` later; one set a cycle. In DSP blocks where `dsp` and the
    device has them.

    A weight is the one that was given when its bit of `take` was up last. `together` has a number for each multiplier:
    bits of the same number are always up together.
    """

    def __init__(self, together: Sequence[int], word: Interval, weight: Interval, *, dsp: bool = True):
        self._together, self._word, self._weight, self._dsp = tuple(together), word_shape(word), word_shape(weight), dsp
        count = len(self._together)
        self.product = (Signal(self._word) * Signal(self._weight)).shape()
        super().__init__(
            {
                "enable": In(1, init=1),
                "words": In(data.ArrayLayout(self._word, count)),
                "weights": In(data.ArrayLayout(self._weight, count)),
                "take": In(count),
                "o": Out(data.ArrayLayout(self.product, count)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        device = device_of(platform)
        count = len(self._together)
        if self._dsp and device and device.family is Family.ECP5 and len(set(self._together)) == 1:
            for place in range(count):
                self._registered(m, place)
            return m
        words = Signal.like(self.words)
        with m.If(self.enable):
            m.d.sync += words.eq(self.words)
        fits = max(self._word.width, self._weight.width) <= BLOCK_BITS
        if self._dsp and fits and device and device.family is Family.ICE40 and device.multipliers:
            for start in range(0, count, 2):
                self._pair(m, start, words)
            return m
        for place in range(count):
            weight = Signal(self._weight, name=f"weight{place}")
            with m.If(self.enable & self.take[place]):
                m.d.sync += weight.eq(self.weights[place])
            with m.If(self.enable):
                m.d.sync += self.o[place].eq(words[place] * weight)
        return m

    def _pair(self, m: Module, start: int, words) -> None:
        """A block for two multipliers; its register holds the weights of both, or of the one, if they are always taken
        together.
        """
        places = range(start, min(start + 2, len(self._together)))
        product = Signal(4 * BLOCK_BITS, name=f"product{start}")
        given = Signal(data.ArrayLayout(Shape(BLOCK_BITS, self._weight.signed), 2), name=f"given{start}")
        wide = Signal(data.ArrayLayout(Shape(BLOCK_BITS, self._word.signed), 2), name=f"wide{start}")
        alike = len({self._together[place] for place in places}) == 1
        for number, place in enumerate(places):
            m.d.comb += wide[number].eq(words[place])
            if alike:
                m.d.comb += given[number].eq(self.weights[place])
                continue
            held = Signal(self._weight, name=f"held{place}")
            m.d.comb += given[number].eq(Mux(self.take[place], self.weights[place], held))
            with m.If(self.enable):
                m.d.sync += held.eq(given[number])
        signs = {"A_SIGNED": int(self._word.signed), "B_SIGNED": int(self._weight.signed)}
        m.submodules[f"mac{start}"] = Instance(
            "SB_MAC16",
            **{f"p_{name}": C(value, 2 if name.endswith("SELECT") else 1) for name, value in (PAIRED | signs).items()},
            i_CLK=ClockSignal(),
            i_CE=self.enable,
            i_A=wide,
            i_B=given,
            i_BHOLD=~self.take[start] if alike else 0,
            o_O=product,
        )
        m.d.comb += [
            self.o[place].eq(product.word_select(number, 2 * BLOCK_BITS)) for number, place in enumerate(places)
        ]

    def _registered(self, m: Module, place: int) -> None:
        """A multiplier with its own registers, so that no way from the fabric and back is part of its time."""
        bits: dict[str, Any] = {}
        for name, value, shape in (("A", self.words[place], self._word), ("B", self.weights[place], self._weight)):
            wide = Signal(Shape(WIDE_BITS, shape.signed), name=f"wide{name}{place}")
            m.d.comb += wide.eq(value)
            bits |= {f"i_{name}{bit}": wide[bit] for bit in range(WIDE_BITS)}
        product = Signal(2 * WIDE_BITS, name=f"product{place}")
        m.submodules[f"mult{place}"] = Instance(
            "MULT18X18D",
            **REGISTERED,
            **bits,
            **{f"o_P{bit}": product[bit] for bit in range(2 * WIDE_BITS)},
            i_SIGNEDA=C(int(self._word.signed), 1),
            i_SIGNEDB=C(int(self._weight.signed), 1),
            i_SOURCEA=C(0, 1),
            i_SOURCEB=C(0, 1),
            i_CLK0=ClockSignal(),
            i_CE0=self.enable,
            i_CE1=self.enable & self.take[place],
            i_RST0=C(0, 1),
        )
        m.d.comb += self.o[place].eq(product[: self.product.width])
