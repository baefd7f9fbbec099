"""Bits of a graph that know which bound bits they are made of, and by which table: how additions are recognised.

A full adder of `logicnn.bits` binds two bits of the same three, whose tables say that ``a + b + c == sum + 2 * carry``.
Such *lemmas*, each checked on all rows of its tables, turn a word of a compressor tree or of a carry chain back into
the sum that it is of its inputs (`Lemmas.linear`), modulo a power of two: the algebra by which multipliers are verified
(Ciesielski et al., "Verification of gate-level arithmetic circuits by function extraction", DAC 2015), without a search
for the adders.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

from logicnn import bits
from logicnn.netlist.graph import FALSE, TRUE, Graph

__all__ = ["Lemma", "Lemmas", "Traced"]

MOST = 4  # bound bits of which a table is kept


class Traced:
    """A literal of a graph; the bound ones, by node, that it is made of, and its table of these (None: of too many),
    whose row's bit i is the value of ``leaves[i]``.
    """

    __slots__ = ("graph", "leaves", "literal", "table")

    def __init__(self, graph: Graph, literal: int, leaves: tuple[int, ...], table: int | None):
        self.graph, self.literal, self.leaves, self.table = graph, literal, leaves, table

    @classmethod
    def bound(cls, graph: Graph, literal: int) -> "Traced":
        if literal in (FALSE, TRUE):
            return cls(graph, literal, (), literal)
        return cls(graph, literal, (literal >> 1,), 0b01 if literal & 1 else 0b10)

    def _with(self, other: "Traced", literal: int, of_rows: str) -> "Traced":
        leaves = tuple(sorted({*self.leaves, *other.leaves}))
        if self.table is None or other.table is None or len(leaves) > MOST:
            return Traced(self.graph, literal, leaves[: MOST + 1], None)
        a, b = (_widened(each.table or 0, each.leaves, leaves) for each in (self, other))
        return Traced(self.graph, literal, leaves, {"&": a & b, "|": a | b, "^": a ^ b}[of_rows])

    def __and__(self, other: "Traced") -> "Traced":
        return self._with(other, self.graph.both(self.literal, other.literal), "&")

    def __or__(self, other: "Traced") -> "Traced":
        return self._with(other, self.graph.both(self.literal ^ 1, other.literal ^ 1) ^ 1, "|")

    def __xor__(self, other: "Traced") -> "Traced":
        a, b = self.literal, other.literal
        either = self.graph.both(self.graph.both(a, b) ^ 1, self.graph.both(a ^ 1, b ^ 1) ^ 1)
        return self._with(other, either, "^")

    def __invert__(self) -> "Traced":
        full = (1 << (1 << len(self.leaves))) - 1
        table = None if self.table is None else self.table ^ full
        return Traced(self.graph, self.literal ^ 1, self.leaves, table)


def _widened(table: int, leaves: tuple[int, ...], wider: tuple[int, ...]) -> int:
    """A table of some leaves as one of more."""
    if leaves == wider:
        return table
    places = [wider.index(each) for each in leaves]
    made = 0
    for row in range(1 << len(wider)):
        made |= (table >> sum((row >> place & 1) << i for i, place in enumerate(places)) & 1) << row
    return made


@dataclass(frozen=True)
class Lemma:
    """``total + 2 * carry == sum of operands + constant``, of literals."""

    total: int
    carry: int
    operands: tuple[int, ...]
    constant: int


class Lemmas:
    """A reading of `logicnn.bits` on a graph, which finds the lemmas of what it binds."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.wire = bits.Wire(self._bound, Traced.bound(graph, FALSE))
        self._tables: dict[tuple[int, ...], dict[int, int]] = {}  # leaves -> table -> literal
        self._by_output: dict[int, list[Lemma]] = {}  # those of a node that is a total or a carry
        self._made_at: dict[int, int] = {}  # when a node was first bound

    def _bound(self, bit: Traced) -> Traced:
        literal = bit.literal
        if bit.table is not None and 0 < len(bit.leaves) < MOST:
            tables = self._tables.setdefault(bit.leaves, {})
            if bit.table not in tables:
                tables[bit.table] = literal
                for lemma in _lemmas_of(bit.leaves, tables, literal):
                    for each in {lemma.total >> 1, lemma.carry >> 1}:
                        self._by_output.setdefault(each, []).append(lemma)
        self._made_at.setdefault(literal >> 1, len(self._made_at))
        return Traced.bound(self.graph, literal)

    def inputs(self, count: int) -> list[Traced]:
        """So many new inputs of the graph."""
        return [Traced.bound(self.graph, self.graph.input()) for _ in range(count)]

    def linear(self, word: Sequence[int], until: Collection[int], width: int) -> dict[int, int] | None:
        """The number that a word's literals are, the lowest first, as a sum of the nodes `until` modulo ``2 ** width``:
        coefficients by node, that of node 0 the constant. None where the lemmas do not say it.
        """
        by_output, made = self._by_output, self._made_at
        modulus = 1 << width
        found: dict[int, int] = {}
        for place, literal in enumerate(word):
            _add(found, literal, 1 << place, modulus)
        while True:
            inner = [node for node in found if node and node not in until]
            if not inner:
                return found
            last = max(inner, key=lambda node: made.get(node, -1))
            if not any(_replaced(found, lemma, modulus) for lemma in by_output.get(last, ())):
                return None


def _add(found: dict[int, int], literal: int, weight: int, modulus: int) -> None:
    """Adds a literal so many times: ``~x`` is ``1 - x``."""
    node, inverted = literal >> 1, literal & 1
    parts = [(node, -weight if inverted else weight)] if node else []
    for key, much in [*parts, (0, weight * inverted)]:
        found[key] = (found.get(key, 0) + much) % modulus
        if not found[key]:
            del found[key]


def _replaced(found: dict[int, int], lemma: Lemma, modulus: int) -> bool:
    """Puts the operands of a lemma where its total and carry are, if these have the weights for it."""

    def weight(literal: int) -> int:
        much = found.get(literal >> 1, 0)
        return -much % modulus if literal & 1 else much

    total = weight(lemma.total)
    if weight(lemma.carry) != 2 * total % modulus or not (total or weight(lemma.carry)):
        return False
    _add(found, lemma.total, -total % modulus, modulus)
    _add(found, lemma.carry, -2 * total % modulus, modulus)
    for each in lemma.operands:
        _add(found, each, total, modulus)
    _add(found, TRUE, total * lemma.constant % modulus, modulus)
    return True


def _lemmas_of(leaves: tuple[int, ...], made: Mapping[int, int], new: int) -> Iterator[Lemma]:
    """Of literals by their tables, pairs with the `new` one that are a total and a carry of the leaves, some of these
    inverted, and perhaps of 1 more.
    """
    for total, carry, signs, constant in _additions(len(leaves)):
        if total in made and carry in made and new in (made[total], made[carry]):
            operands = tuple(2 * leaf + sign for leaf, sign in zip(leaves, signs, strict=True))
            yield Lemma(made[total], made[carry], operands, constant)


@cache
def _additions(count: int) -> list[tuple[int, int, tuple[int, ...], int]]:
    """Tables of total and carry of so many bits, which of them are inverted, and the constant that is added."""
    rows, found = range(1 << count), []
    for signs in product((0, 1), repeat=count):
        for constant in (0, 1):
            values = [constant + sum(row >> i & 1 ^ sign for i, sign in enumerate(signs)) for row in rows]
            if max(values) <= 3:
                total, carry = (
                    sum((value >> place & 1) << row for row, value in enumerate(values)) for place in (0, 1)
                )
                found.append((total, carry, signs, constant))
    return found
