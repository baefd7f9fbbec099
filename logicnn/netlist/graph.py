"""Logic as an and-inverter graph, and which of its bits are the same function: proved by a SAT solver, for every input.

A bit is a *literal*: twice the number of a node, plus 1 where it is inverted. Nodes are the constant 0, inputs, and
ANDs of two literals; the same AND is one node. `Bit` has ``& | ^ ~``, so that `logicnn.bits` and the cells of a netlist
build graphs as they evaluate samples.

`Graph.merged` is SAT sweeping (Kuehlmann, "Dynamic transition relation simplification for bounded property checking",
ICCAD 2004): bits that are equal on all patterns so far are asked of the solver; where it finds an input on which they
differ, that is one pattern more, else one of them stands for both, and what is made of them is again the same node. So
two circuits of like structure are proved equal step by step, each of which is small.
"""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush
from importlib.util import find_spec
from typing import Any

import numpy as np

from logicnn.errors import LogicnnError

__all__ = ["FALSE", "TRUE", "Bit", "GaveUp", "Graph", "has_solver", "solver"]

FALSE, TRUE = 0, 1
INPUT = (-1, -1)
RANDOM = 1024  # patterns of every input in the beginning
MOST_ASKED = 8  # literals that a new one may be the same as
EASY = 500  # conflicts, after which what may be the same is taken for different
CONFLICTS = 5000  # of the solver until it is asked what time it is
NEAR = 64  # patterns like one on which two bits differ
FLIPPED = 0.02  # of its bits, in each of them
WINDOWS = 40, 200, 1000  # ANDs that the solver is told, until it can say that something is so


class GaveUp(LogicnnError):
    """A question for whose answer there is no time left."""

    exit_code = 1


class Bit:
    """A literal of a graph, with operators."""

    __slots__ = ("graph", "literal")

    def __init__(self, graph: "Graph", literal: int):
        self.graph, self.literal = graph, literal

    def __and__(self, other: "Bit") -> "Bit":
        return Bit(self.graph, self.graph.both(self.literal, other.literal))

    def __or__(self, other: "Bit") -> "Bit":
        return Bit(self.graph, self.graph.both(self.literal ^ 1, other.literal ^ 1) ^ 1)

    def __xor__(self, other: "Bit") -> "Bit":
        ones = self.graph.both(self.literal, other.literal)
        zeros = self.graph.both(self.literal ^ 1, other.literal ^ 1)
        return Bit(self.graph, self.graph.both(ones ^ 1, zeros ^ 1))

    def __invert__(self) -> "Bit":
        return Bit(self.graph, self.literal ^ 1)


class Graph:
    """Nodes in the order in which they were made, with their values on `count` patterns: bit p of ``values[node]`` is
    the value on pattern p. After so many `seconds` it answers no more: `GaveUp`.
    """

    def __init__(self, seed: int = 0, seconds: float = math.inf, patterns: int = RANDOM):
        self._seconds, self._until = seconds, time.monotonic() + seconds
        self._operands: list[tuple[int, int]] = [INPUT]
        self._numbers: dict[tuple[int, int], int] = {}
        self._rng = np.random.default_rng(seed)
        self._inputs: list[int] = []
        self.count = patterns
        self.values: list[int] = [0]
        self._kept: list[int] = []  # literals that others may be the same as
        self._classes: dict[int, list[int]] = {}
        self._stands: dict[int, int] = {}  # for literals that were merged, the kept ones
        self._keep(FALSE)

    @property
    def zero(self) -> Bit:
        return Bit(self, FALSE)

    def input(self, values: int | None = None) -> int:
        """A new input; `values` on the first patterns, else random ones."""
        node = len(self._operands)
        self._operands.append(INPUT)
        self._inputs.append(node)
        drawn = int.from_bytes(self._rng.bytes(-(-self.count // 8)), "little")
        self.values.append((drawn if values is None else values) & self._mask)
        self._keep(2 * node)
        self._stands[2 * node] = 2 * node
        return 2 * node

    def bits(self, count: int) -> list[Bit]:
        """So many new inputs."""
        return [Bit(self, self.input()) for _ in range(count)]

    def both(self, a: int, b: int) -> int:
        """The literal of the AND of two."""
        if a > b:
            a, b = b, a
        if a == FALSE or a ^ 1 == b:
            return FALSE
        if a in (TRUE, b):
            return b
        node = self._numbers.get((a, b))
        if node is None:
            node = self._numbers[a, b] = len(self._operands)
            self._operands.append((a, b))
            self.values.append(self.value(a) & self.value(b))
        return 2 * node

    @property
    def _mask(self) -> int:
        return (1 << self.count) - 1

    def value(self, literal: int) -> int:
        """What a literal is on the patterns, pattern p in bit p."""
        value = self.values[literal >> 1]
        return value ^ self._mask if literal & 1 else value

    def merged(self, literal: int) -> int:
        """The first kept literal that is the same function, or the literal itself, which is kept from now on."""
        known = self._stands.get(literal & ~1)
        if known is None:
            known = self._stands[literal & ~1] = self._merged(literal & ~1)
        return known ^ literal & 1

    def _merged(self, literal: int) -> int:
        undecided: set[int] = set()
        while True:
            others = self._classes.get(self._signature(literal), ())
            other = next((each for each in others if each not in undecided), None)
            if other is None or len(undecided) == MOST_ASKED:
                self._keep(literal)
                return literal
            same = other ^ 1 if self.value(other) != self.value(literal) else other
            match self.equal(same, literal, thorough=False):
                case True:
                    return same
                case None:
                    undecided.add(other)
            # else the patterns tell them apart now, and perhaps others, too

    def equal(self, a: int, b: int, thorough: bool = True) -> bool | None:
        """Whether two literals are the same for every input; where they are not, the patterns hold an input on which
        they differ (`differing`). Unless `thorough`, None where that does not follow from some nodes below them.
        """
        if a == b:
            return True
        if self.value(a) != self.value(b):
            return False
        unlike = self.both(self.both(a, b ^ 1) ^ 1, self.both(a ^ 1, b) ^ 1) ^ 1
        found = self._solved(unlike, thorough)
        return None if found is None else not found

    def satisfiable(self, literal: int) -> bool:
        """Whether a literal can be 1; if so, it is on one of the patterns (`differing`, from `FALSE`)."""
        return bool(self._solved(literal, True))

    def clauses(self, literals: Iterable[int]) -> tuple[list[list[int]], dict[int, int]]:
        """All that these literals follow from as clauses, for a solver that is asked more than once, and the solver's
        names of nodes; the constant's is 1 and false.
        """
        names, made, left = {0: 1}, [[-1]], [literal >> 1 for literal in literals]

        def named(literal: int) -> int:
            name = names.setdefault(literal >> 1, len(names) + 1)
            return -name if literal & 1 else name

        done = {0}
        while left:
            node = left.pop()
            if node in done:
                continue
            done.add(node)
            output = named(2 * node)
            if self._operands[node] != INPUT:
                a, b = (named(each) for each in self._operands[node])
                made += [[-output, a], [-output, b], [output, -a, -b]]
                left += [each >> 1 for each in self._operands[node]]
        return made, names

    def pattern(self, index: int, literals: Sequence[int]) -> np.ndarray:  # (literals,) bool
        """What literals are on a pattern."""
        return np.array([self.value(each) >> index & 1 for each in literals], bool)

    def differing(self, a: int, b: int) -> int:
        """A pattern on which two literals differ."""
        found = self.value(a) ^ self.value(b)
        return found.bit_length() - 1

    def _solved(self, literal: int, thorough: bool) -> bool | None:
        """Whether a literal can be 1: of growing windows below it, whose other bits are free; it cannot if it cannot
        there. What is asked mostly follows from a few nodes, and a solver that knows all takes its time; unless
        `thorough` it is not asked.
        """
        if literal in (FALSE, TRUE):
            return literal == TRUE
        asked = [(size, float(EASY)) for size in WINDOWS] + [(len(self._operands), math.inf)] * thorough
        for size, most in asked:
            window, whole = self._window(literal >> 1, size)
            model = self._model(window, literal, most)
            if model is not None and not model:
                return False
            if whole and model:
                self._learn(model)
                return True
        return None

    def _model(self, window: Sequence[int], literal: int, most: float) -> dict[int, bool] | None:
        """Values of nodes with which a literal is 1, where only these ANDs are known; none where there are no such;
        None where that takes more conflicts than `most`.
        """
        names: dict[int, int] = {}  # of nodes in the solver, which makes room for all below the greatest

        def named(literal: int) -> int:
            name = names.setdefault(literal >> 1, len(names) + 1)
            return -name if literal & 1 else name

        clauses = [[named(literal)]]
        for node in window:
            a, b = (named(each) for each in self._operands[node])
            output = named(2 * node)
            clauses += [[-output, a], [-output, b], [output, -a, -b]]
        with solver(clauses) as asked:
            answer, spent = None, 0
            while answer is None:
                self._check_time()
                if spent >= most:
                    return None
                asked.conf_budget(int(min(CONFLICTS, most)))
                answer = asked.solve_limited()
                spent += CONFLICTS
            if not answer:
                return {}
            model = asked.get_model()
        return {node: model[name - 1] > 0 for node, name in names.items()}

    def _check_time(self) -> None:
        if time.monotonic() > self._until:
            raise GaveUp(f"no proof in {self._seconds:g} s")

    def _window(self, node: int, size: int) -> tuple[list[int], bool]:
        """At most so many ANDs below a node, those made last first, and whether these are all."""
        left, seen, window = [-node], {node}, list[int]()
        while left:
            if len(window) == size:
                return window, False
            each = -heappop(left)
            if self._operands[each] == INPUT:
                continue
            window.append(each)
            for operand in self._operands[each]:
                if operand >> 1 not in seen:
                    seen.add(operand >> 1)
                    heappush(left, -(operand >> 1))
        return window, True

    def _signature(self, literal: int) -> int:
        value = self.value(literal)
        return value ^ self._mask if value & 1 else value

    def _keep(self, literal: int) -> None:
        self._kept.append(literal)
        self._classes.setdefault(self._signature(literal), []).append(literal)

    def _learn(self, model: Mapping[int, bool]) -> None:
        """An input, by nodes, and some like it become patterns; nodes that it leaves open are random."""
        more = NEAR
        for node in self._inputs:
            flips = self._rng.random(more) < (FLIPPED if node in model else 0.5)
            flips[-1] = False
            drawn = int.from_bytes(np.packbits(flips ^ model.get(node, False), bitorder="little").tobytes(), "little")
            self.values[node] |= drawn << self.count
        mask = (1 << more) - 1
        count = self.count
        values = [each >> count for each in self.values]
        for node, (a, b) in enumerate(self._operands):
            if (a, b) != INPUT:
                left, right = values[a >> 1], values[b >> 1]
                values[node] = (left ^ mask if a & 1 else left) & (right ^ mask if b & 1 else right)
                self.values[node] |= values[node] << count
        self.count += more
        self._classes = {}
        kept, self._kept = self._kept, []
        for literal in kept:
            self._keep(literal)


def has_solver() -> bool:
    """Whether the SAT solver is installed."""
    return find_spec("pysat") is not None


def solver(clauses: Sequence[Sequence[int]]) -> Any:
    """A SAT solver that knows these clauses, to be used in a `with` statement. Raises `LogicnnError` where none is
    installed.
    """
    try:
        from pysat.solvers import Glucose4
    except ImportError:
        raise LogicnnError("proofs need a SAT solver: pip install python-sat (or logicnn[prove])") from None
    return Glucose4(bootstrap_with=clauses)
