"""One of many words: tables of constants, and multiplexers, of which synthesis makes nearly twice the LUTs that iCE40
needs.
"""

from collections.abc import Callable, Sequence
from itertools import product, zip_longest

from amaranth import *

from logicnn.resources import Family, device_of

__all__ = ["by_layer", "choice"]

LONGEST = 8  # LUTs one after the other: more chains beside each other are faster, and take a LUT more each


def by_layer(m: Module, layer: Value, values: Sequence[int], name: str) -> Value:
    """The value of the current layer: of a table with a row for each."""
    if len(set(values)) == 1:
        return C(values[0])
    chosen = Signal(Shape.cast(range(min(values), max(values) + 1)), name=name)
    with m.Switch(layer):
        for number, value in enumerate(values):
            with m.Case(number):
                m.d.comb += chosen.eq(value)
    return chosen


def choice(
    m: Module,
    words: Sequence[Value | None],
    number: Value,
    name: str,
    platform: object = None,
    taken: Value | None = None,
) -> Value:
    """The word of this number; one that is None is never asked for. With `taken`, that of the number when it was up
    last.

    On iCE40 by chains of LUT4 that take two more words each: a LUT passes on what came so far, or takes it for the
    choice between its two words, so that of all before it the first passes on the lowest bit of the number. Elsewhere
    by a tree of two-way choices.
    """

    def control(value: Value, purpose: str) -> Signal:
        bound = Signal(len(value), name=f"{name}_{purpose}")
        if taken is None:
            m.d.comb += bound.eq(value)
        else:
            with m.If(taken):
                m.d.sync += bound.eq(value)
        return bound

    device = device_of(platform)
    if device is not None and device.family is Family.ICE40 and sum(word is not None for word in words) > 2:
        return _by_luts(m, words, number, name, control)
    number = control(number, "number")
    level = 0
    while len(words) > 1:
        chosen = []
        for place, pair in enumerate(_pairs(words)):
            there = [each for each in pair if each is not None]
            if len(there) < 2:
                chosen.append(there[0] if there else None)
                continue
            either = Signal(there[0].shape(), name=f"{name}_{level}_{place}")
            m.d.comb += either.eq(Mux(number[level], there[1], there[0]))
            chosen.append(either)
        words, level = chosen, level + 1
    (word,) = words
    return C(0) if word is None else word


def _pairs(words: Sequence[Value | None]) -> list[tuple[Value | None, Value | None]]:
    return list(zip_longest(words[::2], words[1::2]))


def _table(function: Callable[[int, int, int, int], int]) -> Const:
    return C(sum(function(*inputs[::-1]) << place for place, inputs in enumerate(product((0, 1), repeat=4))), 16)


PASS = _table(lambda mine, before, low, high: (high if before else low) if mine else before)


def _by_luts(
    m: Module, words: Sequence[Value | None], number: Value, name: str, control: Callable[[Value, str], Signal]
) -> Value:
    pairs = [(place, pair) for place, pair in enumerate(_pairs(words)) if any(each is not None for each in pair)]
    size = -(-len(pairs) // -(-len(pairs) // LONGEST))
    low_bit = control(number[0], "low")
    ends: list[tuple[int, Value]] = []
    for start in range(0, len(pairs), size):
        value = None
        for place, (low, high) in pairs[start : start + size]:
            mine = control(number[1:] == place, f"is{place}")
            shape = next(each for each in (low, high) if each is not None).shape()
            chosen = Signal(shape, name=f"{name}_pair{place}")
            for bit in range(len(chosen)):
                m.submodules[f"{name}_{place}_{bit}"] = Instance(
                    "SB_LUT4",
                    p_LUT_INIT=PASS,
                    i_I0=mine,
                    i_I1=low_bit if value is None else value[bit],
                    i_I2=C(0, 1) if low is None else low[bit],
                    i_I3=C(0, 1) if high is None else high[bit],
                    o_O=chosen[bit],
                )
            value = chosen
        ends.append((pairs[start][0], value))
    whole = ends[0][1]
    for first, value in ends[1:]:
        joined = Signal.like(whole, name=f"{name}_to{first}")
        m.d.comb += joined.eq(Mux(control(number[1:] >= first, f"from{first}"), value, whole))
        whole = joined
    return whole
