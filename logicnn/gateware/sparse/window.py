"""Maps in banks, and the window that slides over them: a row or a column of a window a cycle
(`logicnn.engines.sparse`).
"""

from collections.abc import Sequence

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from logicnn.engines.sparse.plan import Plan
from logicnn.engines.sparse.scan import Move
from logicnn.gateware.choice import by_layer, choice

__all__ = ["BankedMaps", "Place", "Window"]


class Place(data.StructLayout):
    """An address of a word: `at` in the bank `bank`."""

    def __init__(self, plan: Plan):
        self.side = plan.side
        super().__init__({"at": range(plan.depth), "bank": range(plan.side)})

    def constant(self, address: int):
        return self.const({"at": address // self.side, "bank": address % self.side})

    def moved(self, m: Module, place, distances: Sequence[int], chosen: Value, name: str):
        """The place so many words on: ``distances[chosen]``, which may be negative."""
        wholes, parts = [each // self.side for each in distances], [each % self.side for each in distances]
        bank, carry = Signal(range(2 * self.side), name=f"{name}_sum"), Signal(name=f"{name}_carry")
        result = Signal(self, name=name)
        m.d.comb += [
            bank.eq(place.bank + by_layer(m, chosen, parts, f"{name}_part")),
            carry.eq(bank >= self.side),
            result.bank.eq(Mux(carry, bank - self.side, bank)),
            result.at.eq(place.at + by_layer(m, chosen, wholes, f"{name}_whole") + carry),
        ]
        return result


class BankedMaps(wiring.Component):
    """`side` banks of words: two cycles after a `place`, a window's row of words from there on, or with `column` its
    column, on `segment`.

    Writes one word a cycle. A column goes down by the pitch of the layer's input.
    """

    def __init__(self, plan: Plan):
        self._plan = plan
        self._place = Place(plan)
        super().__init__(
            {
                "layer": In(range(len(plan.layers))),
                "place": In(self._place),
                "column": In(1),
                "segment": Out(data.ArrayLayout(8, plan.side)),
                "write": In(1),
                "write_place": In(self._place),
                "write_word": In(8),
            }
        )

    def elaborate(self, platform):
        m = Module()
        side, layers = self._plan.side, self._plan.layers
        jumps = [0 if each.dense else each.given.pitch // side for each in layers]
        words = Signal(data.ArrayLayout(8, side))
        first, start = (
            Signal(range(side)),
            Signal(range(side)),
        )  # the bank of the first word, a cycle and two after `place`
        m.d.sync += [first.eq(self.place.bank), start.eq(first)]
        for bank in range(side):
            memory = Memory(shape=8, depth=self._plan.depth, init=[])
            m.submodules[f"bank{bank}"] = memory
            read, write = memory.read_port(), memory.write_port()
            down, offset = (
                Signal(range(side * (max(jumps) + 1)), name=f"down{bank}"),
                Signal(range(side * (max(jumps) + 1)), name=f"o{bank}"),
            )
            with m.Switch(self.place.bank):
                for place in range(side):
                    number = (bank - place) % side  # of the segment's word in this bank
                    with m.Case(place):
                        jump = by_layer(
                            m, self.layer, [number * each + (bank < place) for each in jumps], f"jump{bank}_{place}"
                        )
                        m.d.comb += [down.eq(jump), offset.eq(Mux(self.column, down, int(bank < place)))]
            at = Signal(range(self._plan.depth), name=f"at{bank}")
            m.d.sync += at.eq(self.place.at + offset)
            m.d.comb += [
                read.addr.eq(at),
                read.en.eq(1),
                words[bank].eq(read.data),
                write.addr.eq(self.write_place.at),
                write.data.eq(self.write_word),
                write.en.eq(self.write & (self.write_place.bank == bank)),
            ]
        for number in range(side):
            with m.Switch(start):
                for place in range(side):
                    with m.Case(place):
                        m.d.comb += self.segment[number].eq(words[(place + number) % side])
        return m


class Window(wiring.Component):
    """`side` x `side` words, in C order. With `shift` it moves: to a side by a column, up or down by a row, `segment`
    comes in there.
    """

    def __init__(self, side: int):
        self._side = side
        super().__init__(
            {
                "shift": In(1),
                "move": In(2),
                "segment": In(data.ArrayLayout(8, side)),
                "o": Out(data.ArrayLayout(8, side * side)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        side = self._side
        steps = {Move.RIGHT: (0, 1), Move.LEFT: (0, -1), Move.DOWN: (1, 0), Move.UP: (-1, 0)}
        for place in range(side * side):
            y, x = divmod(place, side)
            neighbours = []
            for _, (down, right) in sorted(steps.items()):
                inside = 0 <= y + down < side and 0 <= x + right < side
                neighbours.append(self.o[(y + down) * side + x + right] if inside else self.segment[y if right else x])
            word = choice(m, neighbours, self.move, f"word{place}", platform)
            with m.If(self.shift):
                m.d.sync += self.o[place].eq(word)
        return m
